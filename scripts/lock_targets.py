#!/usr/bin/env python3
"""Pin what each target of deploy/board/targets.toml installs: ``.venv/bin/python scripts/lock_targets.py [TARGET]``.

pip's resolver looks for wheels of the target's machine, C library and Python. It evaluates markers for the machine
that it runs on, so the tree is walked again with the target's own markers, until nothing is missing; what only this
machine would have needed is left out. A package that the target's system brings is left to it; one without a wheel is
pinned by its source archive. Nothing is installed, and a second run on the same day writes the same bytes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY: Final = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from edge_agent.wire.errors import ConfigurationError  # noqa: E402
from edgejoule.deploy.locks import Locked, lock_path, lock_text  # noqa: E402
from edgejoule.deploy.platforms import marker_environment, pip_platform  # noqa: E402
from edgejoule.deploy.targets import Target, find_target, read_targets  # noqa: E402

EXTRAS: Final = ("agent", "gpio")
FROM_SOURCE: Final = frozenset({"msgspec"})
"""Where there is no wheel: its C is one file, and scripts/build_armhf_wheels.py compiles it."""
LEFT_OUT: Final = frozenset({"gpiod"})
"""Where there is no wheel: an extra that a target can do without, and targets.toml says so."""
NEVER: Final = frozenset({"pip", "edgejoule"})


def main() -> int:
    """Write the locks that are named, else all, and pip's own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", nargs="*", metavar="TARGET")
    names = parser.parse_args().target or [one.id for one in read_targets().target]
    try:
        for name in names:
            target = find_target(name)
            locked = lock(target)
            _write(name, _header(target), locked)
        _write("pip", "pip, which installs a bundle's wheels: the same for every target.", _resolve(["pip"], []))
    except ConfigurationError as error:
        sys.stderr.write(f"lock_targets: {error}\n")
        return 2
    return 0


def lock(target: Target) -> tuple[Locked, ...]:
    """Return every package of a target."""
    environment = marker_environment(target)
    wanted = [*target.pins, *direct_requirements(EXTRAS, environment)]
    given = set(target.system)
    while True:
        wanted = [one for one in wanted if _name(one) not in given]
        report, sources = _resolve_or_build(wanted, target)
        tree = {str(canonicalize_name(one["metadata"]["name"])): one for one in report}
        needed = _closure(wanted, tree, environment, given)
        missing = sorted(needed - set(tree) - {one.name for one in sources} - given)
        if not missing:
            return (*(_locked(one) for name, one in tree.items() if name in needed), *sources)
        wanted += missing


def direct_requirements(extras: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    """Return what pyproject.toml asks for under these markers, extras of our own resolved; without the markers."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = list(project["dependencies"])
    for extra in extras:
        asked += project["optional-dependencies"][extra]
    found: list[str] = []
    while asked:
        one = Requirement(asked.pop(0))
        if one.marker is not None and not one.marker.evaluate(dict(environment)):
            continue
        if one.name == "edgejoule":
            asked += [text for extra in sorted(one.extras) for text in project["optional-dependencies"][extra]]
            continue
        one.marker = None
        found.append(str(one))
    return sorted(set(found))


def _resolve_or_build(wanted: list[str], target: Target) -> tuple[list[dict[str, Any]], tuple[Locked, ...]]:
    """Resolve; what has no wheel but can be built or left out is asked for apart."""
    platform = pip_platform(target)
    lacking = {one for one in wanted if _name(one) in FROM_SOURCE | LEFT_OUT and _has_no_wheel(one, platform)}
    if "cffi" in target.system:  # else pip would look for a wheel of what the system brings
        platform = [*platform, "--no-deps"]
    rest = [one for one in wanted if one not in lacking]
    report = _report(rest, platform)
    if report is None:
        raise ConfigurationError(f"{target.id}: pip found no wheels for {', '.join(rest)}")
    sources = [_source(one) for one in sorted(lacking) if _name(one) in FROM_SOURCE]
    return report, tuple(sources)


def _has_no_wheel(wanted: str, platform: list[str]) -> bool:
    return _report([wanted], [*platform, "--no-deps"]) is None


def _name(requirement: str) -> str:
    return str(canonicalize_name(Requirement(requirement).name))


def _resolve(wanted: list[str], platform: list[str]) -> tuple[Locked, ...]:
    report = _report(wanted, [*platform, "--only-binary=:all:"])
    if report is None:
        raise ConfigurationError(f"pip found no wheels for {', '.join(wanted)}")
    return tuple(_locked(one) for one in report)


def _source(wanted: str) -> Locked:
    report = _report([wanted], ["--no-deps", f"--no-binary={Requirement(wanted).name}"])
    if not report:
        raise ConfigurationError(f"pip found no source archive of {wanted}")
    return _locked(report[0], built=True)


def _report(wanted: list[str], options: list[str]) -> list[dict[str, Any]] | None:
    """Return what pip would install, None if it finds nothing that fits."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--quiet"]
        command += ["--target", f"{folder}/none", "--report", str(path), *options, *wanted]
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        if outcome.returncode != 0 or not path.is_file():
            return None
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["install"]
        return found


def _closure(
    wanted: list[str], tree: Mapping[str, dict[str, Any]], environment: Mapping[str, str], given: set[str]
) -> set[str]:
    """Return the names that the target needs, by its own markers."""
    todo = [(_name(one), frozenset(Requirement(one).extras)) for one in wanted]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen or name in given | NEVER or (name in LEFT_OUT and name not in tree):
            continue
        seen.add((name, extras))
        for text in tree.get(name, {}).get("metadata", {}).get("requires_dist", []):
            one = Requirement(text)
            if any(_holds(one, environment, extra) for extra in {"", *extras}):
                todo.append((canonicalize_name(one.name), frozenset(one.extras)))
    return {name for name, _extras in seen}


def _holds(one: Requirement, environment: Mapping[str, str], extra: str) -> bool:
    return one.marker is None or one.marker.evaluate({**environment, "extra": extra})


def _locked(one: dict[str, Any], *, built: bool = False) -> Locked:
    metadata, download = one["metadata"], one["download_info"]
    return Locked(
        name=canonicalize_name(metadata["name"]),
        version=metadata["version"],
        sha256=download["archive_info"]["hashes"]["sha256"],
        file=download["url"].rsplit("/", 1)[1],
        built=built,
    )


def _header(target: Target) -> str:
    return (
        f"{target.id}: {target.name}.\n"
        f"CPython {target.python}, {target.arch}, glibc {target.glibc} or later; edgejoule[{','.join(EXTRAS)}].\n"
    )


def _write(name: str, header: str, locked: tuple[Locked, ...]) -> None:
    day = datetime.now(tz=UTC).date().isoformat()
    path = lock_path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        lock_text(f"{header.rstrip()}\nMade by scripts/lock_targets.py on {day}.", locked), encoding="utf-8"
    )
    sys.stderr.write(f"{path.relative_to(REPOSITORY)}: {len(locked)} packages\n")


if __name__ == "__main__":
    sys.exit(main())
