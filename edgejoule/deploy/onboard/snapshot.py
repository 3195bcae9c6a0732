"""The files of the system that belong to a version: written for it, kept when another takes its place, put back."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import files
from .layout import CONFIRM_UNIT, RENEW_UNITS, UNIT

if TYPE_CHECKING:
    from typing import Iterable, Mapping

    from .layout import Layout

    Files = Mapping[Path, "Wanted | None"]  # by path; None is a file that shall not be there

OWN_DROP_INS = ("10-meter.conf", "20-credentials.conf")


@dataclass(frozen=True)
class Wanted:
    """A file as it shall be."""

    content: bytes
    mode: int = 0o644


def managed(layout: Layout) -> list[Path]:
    """Return every file outside the versions that an installer writes or removes."""
    units = [layout.units / name for name in (UNIT, CONFIRM_UNIT, *RENEW_UNITS)]
    drop_ins = [layout.drop_ins / name for name in OWN_DROP_INS]
    return [layout.config, *units, *drop_ins, layout.udev_rule, layout.timesyncd, layout.chrony]


def present(paths: Iterable[Path]) -> dict[Path, Wanted | None]:
    """Return files as they are now."""
    return {path: _read(path) for path in paths}


def differing(wanted: Files) -> list[Path]:
    """Return which files are not as they shall be."""
    return [path for path, file in wanted.items() if _read(path) != file]


def write(wanted: Files) -> list[Path]:
    """Write what differs, and return which that was."""
    changed = differing(wanted)
    for path in changed:
        file = wanted[path]
        if file is None:
            files.remove(path)
        else:
            files.write_whole(path, file.content, file.mode)
    return changed


def save(place: Path, found: Files) -> None:
    """Keep files in one, readable by its owner alone."""
    files.write_json(place, {str(path): _packed(file) for path, file in found.items()}, 0o600)


def load(place: Path) -> dict[Path, Wanted | None] | None:
    """Return what ``save`` kept, None where nothing is."""
    kept = files.read_json(place)
    if not isinstance(kept, dict):
        return None
    return {Path(path): _unpacked(file) for path, file in kept.items()}


def _read(path: Path) -> Wanted | None:
    try:
        return Wanted(path.read_bytes(), path.stat().st_mode & 0o777)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _packed(file: Wanted | None) -> dict[str, object] | None:
    return None if file is None else {"mode": file.mode, "content": base64.b64encode(file.content).decode()}


def _unpacked(kept: object) -> Wanted | None:
    if not isinstance(kept, dict):
        return None
    return Wanted(base64.b64decode(kept["content"]), int(kept["mode"]))
