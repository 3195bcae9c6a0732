"""What is checked before anything is changed on the board: that this bundle fits it, and that there is room."""

from __future__ import annotations

import time
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import board
from .problems import InstallError

if TYPE_CHECKING:
    from pathlib import Path

    from .bundle_format import Manifest

BLOCK_BYTES = 4096
SPARE_BYTES = 48 << 20
OLDEST_UNIX_S = 1_760_000_000
"""October 2025: no board's clock is right that says less."""
MAX_OFF_S = 300.0
"""A certificate is dated back by more than this; two clocks that differ by more are not both right."""


@dataclass(frozen=True)
class ClockRules:
    """``reference_unix_s``: what another clock says now; ``allowed``: whatever this one says is accepted."""

    reference_unix_s: float | None = None
    allowed: bool = False


def check_fits(manifest: Manifest, machine: str, bits: int, glibc: str) -> None:
    """Raise InstallError unless what the bundle is made for is what this board is."""
    needs = manifest.requires
    if machine not in needs.machines or bits != needs.bits:
        raise InstallError(
            "wrong-board",
            f"this bundle is for {manifest.target} ({needs.bits} bit), and this board is {machine} ({bits} bit)",
            "make one for this board: edgejoule deploy targets lists them",
        )
    if board.version_pair(glibc) < needs.glibc:
        raise InstallError(
            "wrong-board",
            "this bundle ({}) needs glibc {}.{}, and this board has {}".format(
                manifest.target, needs.glibc[0], needs.glibc[1], glibc or "another C library"
            ),
            "make one for this board's system: edgejoule deploy targets lists them",
        )


def find_python(manifest: Manifest, named: str | None) -> str:
    """Return the Python that the bundle's wheels are for, with what it has to bring. Raises InstallError."""
    needs = manifest.requires
    candidates = [(named, board.python_version(named))] if named else board.pythons(needs.python)
    wanted = board.version_pair(needs.python)
    path = next((path for path, version in candidates if board.version_pair(version) == wanted), None)
    packages = " ".join(needs.apt)
    remedy = f"apt install {packages}" if packages else "install it, and name it by --python"
    if path is None:
        there = ", ".join(version for _, version in (candidates if named else board.pythons()) if version) or "none"
        raise InstallError("no-python", f"there is no Python {needs.python} (found: {there})", remedy)
    lacking = board.has_modules(path, ("venv", *needs.modules))
    if lacking:
        raise InstallError("no-python", "{} lacks the modules {}".format(path, ", ".join(lacking)), remedy)
    return path


def check_room(bundle: Path, root: Path) -> int:
    """Return how many bytes the installed version takes; InstallError if they are not free."""
    needed = installed_bytes(bundle) + SPARE_BYTES
    free = board.free_bytes(root)
    if free < needed:
        raise InstallError(
            "no-space",
            f"{root}: {free >> 20} MiB are free, and installing this version takes {(needed >> 20) + 1} MiB",
            f"free {((needed - free) >> 20) + 1} MiB: installer.pyz prune, apt clean, journalctl --vacuum-size=50M",
        )
    return needed


def installed_bytes(bundle: Path) -> int:
    """Return what unpacking and installing a bundle writes, from the tables of its wheels; nothing is unpacked.

    Raises InstallError for a wheel that is none.
    """
    total = 0
    name = ""
    try:
        with zipfile.ZipFile(str(bundle)) as outer:
            for info in outer.infolist():
                name = info.filename
                total += _blocks(info.file_size)
                if name.endswith(".whl"):
                    with outer.open(info) as file, zipfile.ZipFile(file) as wheel:
                        total += sum(map(_with_its_cache, wheel.infolist()))
    except zipfile.BadZipFile as error:
        raise InstallError("bundle", f"{bundle}: {name} is damaged ({error})", "copy the bundle again") from error
    return total


def _with_its_cache(info: zipfile.ZipInfo) -> int:
    """Return what a wheel's file takes, and what Python keeps of it compiled, about as much again."""
    size = _blocks(info.file_size)
    return 2 * size if info.filename.endswith(".py") else size


def _blocks(size: int) -> int:
    return (size + BLOCK_BYTES - 1) // BLOCK_BYTES * BLOCK_BYTES


def check_clock(rules: ClockRules, now_unix_s: float | None = None) -> str:
    """Return a word on the clock worth saying, "" for none; InstallError if TLS would fail with it."""
    now = time.time() if now_unix_s is None else now_unix_s
    says = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
    off_s = None if rules.reference_unix_s is None else now - rules.reference_unix_s
    wrong = ""
    if now < OLDEST_UNIX_S:
        wrong = f"this board's clock says {says} UTC"
    elif off_s is not None and abs(off_s) > MAX_OFF_S:
        wrong = "this board's clock says {} UTC, {:.0f} s {} the clock that it was compared with".format(
            says, abs(off_s), "ahead of" if off_s > 0.0 else "behind"
        )
    if not wrong:
        return ""
    if rules.allowed:
        return wrong + "; installed all the same, as was asked for"
    raise InstallError(
        "clock",
        wrong + ": TLS would refuse every certificate",
        "set it (timedatectl set-ntp true, or date --utc --set ...), or take it as it is with --allow-clock",
    )
