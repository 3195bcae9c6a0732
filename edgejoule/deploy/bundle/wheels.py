"""The wheels of a bundle: by the lock's hashes from a folder, from the cache, or fetched by pip."""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.locks import Locked
from edgejoule.deploy.platforms import pip_platform
from edgejoule.deploy.targets import Target

_LAST_LINES: Final = 3
_CAUSES: Final = {
    "No module named pip": f"{sys.executable} has no pip; run: {sys.executable} -m ensurepip",
    "No space left on device": "the disk is full; make room, or set XDG_CACHE_HOME",
    "connection broken by": "the package index does not answer; try again, or make the bundle with --offline where "
    "the wheels are",
}
_COLLECTING: Final = re.compile(r"Collecting ([A-Za-z0-9._-]+)")


def cache_folder() -> Path:
    """Return where fetched wheels stay for the next bundle."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "edgejoule" / "wheels"


def find_wheels(
    target: Target,
    locked: Sequence[Locked],
    folders: Sequence[Path],
    *,
    offline: bool,
    found: Callable[[str], None] = lambda _name: None,
) -> dict[str, Path]:
    """Return the file of each package by its name. ``found`` hears of each as it is there.

    ``folders`` are looked through first. Raises ConfigurationError for what is not there, by its file's name.
    """
    cache = cache_folder()
    nowhere = next((one for one in folders if not one.is_dir()), None)
    if nowhere is not None:
        raise ConfigurationError(f"{nowhere}: there is no such folder; name one that holds wheels")
    wheels = {one.name: path for one in locked if (path := _in_folders(one, target, [*folders, cache])) is not None}
    for name in wheels:
        found(name)
    missing = [one for one in locked if one.name not in wheels]
    built = [one for one in missing if one.built]
    if built:
        raise ConfigurationError(
            f"{built[0].name} {built[0].version}: {target.id} has no published wheel of it; build one with "
            "scripts/build_armhf_wheels.py DIR and name it with --wheelhouse DIR"
        )
    if missing and offline:
        where = ", ".join(map(str, [*folders, cache]))
        raise ConfigurationError(f"{missing[0].file}: not in {where}; leave --offline out once, or add --wheelhouse")
    if missing:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            _fetch(missing, pip_platform(target), cache, found)
        except OSError as error:
            raise ConfigurationError(
                f"{cache}: cannot keep wheels there: {error.strerror}; make room, or set XDG_CACHE_HOME"
            ) from error
        wheels |= {one.name: _fetched(one, cache) for one in missing}
    return wheels


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file. Raises ConfigurationError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read it: {error.strerror}; name an existing file") from error


def _in_folders(one: Locked, target: Target, folders: Iterable[Path]) -> Path | None:
    """Return a package's wheel: the very file of the lock, or one that somebody built from its source archive."""
    for folder in folders:
        if one.built:
            built = sorted(folder.glob(f"{one.name.replace('-', '_')}-{one.version}-{_built_tags(target)}.whl"))
            if built:
                return built[0]
        path = folder / one.file
        if not one.built and path.is_file():
            if sha256_of(path) != one.sha256:
                raise ConfigurationError(f"{path}: is not the wheel that is pinned (wrong SHA-256); remove it")
            return path
    return None


def _built_tags(target: Target) -> str:
    """Return what the name of a wheel that was built for a target ends in."""
    python = f"cp{target.python.replace('.', '')}"
    return f"{python}-{python}-linux_{target.arch}"


def _fetch(missing: Sequence[Locked], platform: list[str], cache: Path, found: Callable[[str], None]) -> None:
    """Have pip fetch what is missing into the cache, by hash."""
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        wanted = Path(folder, "wanted.txt")
        wanted.write_text("".join(f"{one.line}\n" for one in missing), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--progress-bar", "off"]
        command += ["--disable-pip-version-check", *platform, "--dest", folder, "--requirement", str(wanted)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
            assert pip.stdout is not None
            lines = [_heard(line, found) for line in pip.stdout]
        if pip.returncode != 0:
            raise ConfigurationError(f"pip could not fetch the wheels: {_why(lines)}")
        for one in missing:
            path = Path(folder, one.file)
            if path.is_file():
                path.replace(cache / one.file)


def _heard(line: str, found: Callable[[str], None]) -> str:
    collecting = _COLLECTING.match(line)
    if collecting:
        found(collecting[1])
    return line.strip()


def _why(lines: list[str]) -> str:
    """Return what stopped pip: the cause that it names somewhere, else its last words."""
    for sign, cause in _CAUSES.items():
        if any(sign in line for line in lines):
            return cause
    errors = [line for line in lines if line.startswith("ERROR") and line != "ERROR: Exception:"] or lines
    return " | ".join(errors[-_LAST_LINES:]) or "it said nothing"


def _fetched(one: Locked, cache: Path) -> Path:
    path = cache / one.file
    if not path.is_file():
        raise ConfigurationError(f"pip did not fetch {one.file}; make the locks again with scripts/lock_targets.py")
    return path
