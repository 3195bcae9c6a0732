"""``constraints/TARGET.txt``: every package of a target by version and hash, one wheel each, as pip reads it.

A package without a wheel for the target is pinned by its source archive, under the comment ``# built:``; a wheel built
from that archive is named by ``--wheelhouse`` when a bundle is made.
"""

import re
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text
from edgejoule.deploy.data import board_data

BUILT: Final = "built"
_LINE: Final = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.+!]+) --hash=sha256:(?P<sha256>[0-9a-f]{64})"
)
_FILE: Final = re.compile(r"# (?:(?P<built>built): )?(?P<file>[A-Za-z0-9._+!-]+\.(?:whl|tar\.gz))")
_REMEDY: Final = "make it again with scripts/lock_targets.py"


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """One package: its file, and whether that is a source archive that a wheel has to be built from."""

    name: str
    version: str
    sha256: str
    file: str
    built: bool = False

    @property
    def line(self) -> str:
        """Return the requirement."""
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


def lock_path(target_id: str) -> Path:
    """Return the file of one target."""
    return board_data() / "constraints" / f"{target_id}.txt"


def read_lock(path: Path) -> tuple[Locked, ...]:
    """Return what is pinned, in the file's order. Raises ConfigurationError with the line that is wrong."""
    return parse_lock(read_text(path, remedy="name a target of edgejoule deploy targets"), str(path))


def parse_lock(text: str, where: str) -> tuple[Locked, ...]:
    """Return what a lock's text pins. Raises ConfigurationError."""
    locked: list[Locked] = []
    file: re.Match[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        if line.startswith("#"):
            file = _FILE.fullmatch(line)
            continue
        found = _LINE.fullmatch(line)
        if found is None or file is None:
            raise ConfigurationError(
                f"{where}:{number}: is not NAME==VERSION --hash=sha256:... below its file; {_REMEDY}"
            )
        locked.append(Locked(**found.groupdict(), file=file["file"], built=file["built"] is not None))
        file = None
    names = [one.name for one in locked]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(f"{where}: pins {', '.join(twice)} twice; {_REMEDY}")
    return tuple(locked)


def lock_text(header: str, locked: tuple[Locked, ...]) -> str:
    """Return the text of a lock."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    for one in sorted(locked, key=lambda each: each.name):
        lines += [f"# {BUILT}: {one.file}" if one.built else f"# {one.file}", one.line]
    return "\n".join(lines) + "\n"
