"""The clock, directories for state, free space and SQLite."""

import os
import shutil
import sqlite3
import time
from pathlib import Path

import msgspec

from edgejoule.doctor.finding import Finding, failure, ok, warning

OLDEST_SQLITE = (3, 35, 0)
"""The journal says ON CONFLICT DO UPDATE without a target: since SQLite 3.35 (sqlite.org, lang_upsert)."""
FEW_BYTES = 512 * 2**20
TOO_FEW_BYTES = 64 * 2**20
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs"})
"""SQLite's write-ahead log needs memory shared by all users of the file: none across machines (sqlite.org, wal)."""
VOLATILE_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs"})
EARLIEST_UNIX_S = 1_735_689_600.0
"""2025-01-01: a clock before it was never set."""


class ClockFacts(msgspec.Struct, frozen=True):
    """``synchronised``: what the kernel says (adjtimex), None if it says nothing."""

    synchronised: bool | None
    unix_s: float


class DirectoryFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A directory for state, or the nearest that exists above it. ``fault``: why it cannot be written."""

    path: str
    fault: str
    free_bytes: int
    file_system: str


def gather_clock_facts() -> ClockFacts:
    """Ask the kernel."""
    from edge_agent.device.kernel import clock_synchronised  # noqa: PLC0415  keeps the pure part free of it

    return ClockFacts(clock_synchronised(), time.time())


def check_clock(facts: ClockFacts) -> Finding:
    """Judge the clock that stamps windows; energy does not depend on it."""
    if facts.unix_s < EARLIEST_UNIX_S:
        day = time.strftime("%Y-%m-%d", time.gmtime(facts.unix_s))
        return failure("clock", f"the system clock says {day}", "set it: sudo timedatectl set-ntp true")
    if facts.synchronised:
        return ok("clock", "synchronised, says the kernel")
    text = "the kernel says it is not synchronised" if facts.synchronised is False else "the kernel does not say"
    return warning(
        "clock",
        f"{text}: windows are stamped as unsynchronised and matched to grid intensity less exactly",
        "sudo timedatectl set-ntp true, or install chrony; in a container: synchronise the host",
    )


def gather_directory_facts(path: Path, mounts: Path = Path("/proc/self/mounts")) -> DirectoryFacts:
    """Look at ``path`` without creating it; in an existing directory a file is written and removed."""
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    free_bytes = shutil.disk_usage(place).free
    return DirectoryFacts(
        path=str(path), fault=_write_fault(place), free_bytes=free_bytes, file_system=_file_system(place, mounts)
    )


def check_directory(topic: str, facts: DirectoryFacts) -> list[Finding]:
    """Judge one directory for state: writable, on a disk that keeps it, with room."""
    if facts.fault:
        remedy = f"sudo install -d -o $USER {facts.path}, or name another directory in the configuration"
        return [failure(topic, f"{facts.path}: {facts.fault}", remedy)]
    return [_check_file_system(topic, facts), _check_space(topic, facts)]


def _check_file_system(topic: str, facts: DirectoryFacts) -> Finding:
    if facts.file_system in NETWORK_FILE_SYSTEMS:
        return failure(
            topic,
            f"{facts.path} is on a network file system ({facts.file_system}), where SQLite's log does not work",
            "name a directory on a local disk",
        )
    if facts.file_system in VOLATILE_FILE_SYSTEMS:
        return warning(
            topic,
            f"{facts.path} is in memory ({facts.file_system}): a restart of the machine loses it",
            "name a directory on a disk or card",
        )
    return ok(topic, f"{facts.path} can be written")


def _check_space(topic: str, facts: DirectoryFacts) -> Finding:
    free = f"{facts.free_bytes / 2**20:,.0f} MiB free"
    remedy = "free some space, or name a directory on a larger disk"
    if facts.free_bytes < TOO_FEW_BYTES:
        return failure(topic, free, remedy)
    if facts.free_bytes < FEW_BYTES:
        return warning(topic, free, remedy)
    return ok(topic, free)


def check_sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> Finding:
    """Judge the SQLite that Python was built with."""
    shown = ".".join(map(str, version))
    if version < OLDEST_SQLITE:
        return failure("sqlite", f"SQLite {shown} is too old", "use a Python built with SQLite 3.35 or later")
    return ok("sqlite", f"SQLite {shown}")


def _write_fault(place: Path) -> str:
    if not place.is_dir():
        return f"{place} is not a directory"
    if not os.access(place, os.W_OK | os.X_OK):
        return f"this user may not write in {place}"
    probe = place / f".edgejoule-doctor-{os.getpid()}"
    try:
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return f"writing in {place} failed: {error.strerror}"
    return ""


def _file_system(place: Path, mounts: Path) -> str:
    """Return the type of the file system that holds ``place``: that of the longest mount point above it."""
    best, kind = "", "unknown"
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return kind
    for line in lines:
        fields = line.split()
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ")
        if place.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind
