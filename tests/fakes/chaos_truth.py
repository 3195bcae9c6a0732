"""What a chaos device's windows must add up to, known without any part of the delivery.

A window's energy is a function of (device, boot number, seq), so the truth is the highest number of each boot. It
stands in the outbox, which is read here as a plain SQLite file, and for boots that are over in a file beside it.
"""

import contextlib
import math
import sqlite3
import zlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edge_agent.outbox_file import MAX_SEQ, SEQ_BITS
from tests.fakes.windows import T0_UNIX_NS

BOOT_SPAN_NS = 40 * 86_400 * 10**9
STEP_NS = 10 * 10**9
HOUR_NS = 3600 * 10**9
WindowKey = tuple[str, int]
"""(boot id, seq)"""


class BootTruth(msgspec.Struct, frozen=True):
    """``number`` of the boot as the test counts, and the highest sequence number that it gave away."""

    number: int
    last_seq: int


def energy_j(device_id: str, boot_number: int, seq: int) -> float:
    """Return 10 to 20 J that no binary fraction hits, another value for each window."""
    return 10.0 + zlib.crc32(f"{device_id}/{boot_number}/{seq}".encode()) / 2**32 * 9.99


def inference_count(device_id: str, boot_number: int, seq: int) -> int:
    return 1 + zlib.crc32(f"{seq}/{boot_number}/{device_id}".encode()) % 5000


def t_start_unix_ns(boot_number: int, seq: int, *, jumping: bool) -> int:
    """Return the stamp: steady, or of a clock that jumps by hours to and fro so that it shows the same time often."""
    start = T0_UNIX_NS + boot_number * BOOT_SPAN_NS
    if not jumping:
        return start + seq * STEP_NS
    return start + (seq % 17) * STEP_NS + (seq // 17 % 5 - 2) * HOUR_NS


def outbox_path(directory: Path, device_id: str) -> Path:
    return directory / f"{device_id}.sqlite3"


def boots_path(directory: Path, device_id: str) -> Path:
    return directory / f"{device_id}.boots.json"


def read_boots(directory: Path, device_id: str) -> dict[str, BootTruth]:
    """Return the boots of a device that does not run, by boot id."""
    path = boots_path(directory, device_id)
    boots = msgspec.json.decode(path.read_bytes(), type=dict[str, BootTruth]) if path.exists() else {}
    outbox = outbox_path(directory, device_id)
    if not outbox.exists():
        return boots
    with contextlib.closing(sqlite3.connect(outbox)) as db:
        last_seqs = dict(
            db.execute(
                "SELECT boot_id, coalesce(max(key), 0) & ? FROM boots LEFT JOIN windows ON key >> ? = number "
                "GROUP BY boot_id",
                (MAX_SEQ, SEQ_BITS),
            ).fetchall()
        )
    return {
        boot_id: BootTruth(boot.number, max(boot.last_seq, last_seqs.get(boot_id, 0)))
        for boot_id, boot in boots.items()
    }


def write_boots(directory: Path, device_id: str, boots: Mapping[str, BootTruth]) -> None:
    path = boots_path(directory, device_id)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.encode(boots))
    temporary.replace(path)


def true_windows(directory: Path, device_id: str) -> dict[WindowKey, float]:
    """Return the joules of every window that the device ever made."""
    return {
        (boot_id, seq): energy_j(device_id, boot.number, seq)
        for boot_id, boot in read_boots(directory, device_id).items()
        for seq in range(1, boot.last_seq + 1)
    }


def assert_same(found: Mapping[WindowKey, float], truth: Mapping[WindowKey, float], where: str) -> None:
    """Compare window by window, then the sums."""
    lost, strange = sorted(truth.keys() - found.keys()), sorted(found.keys() - truth.keys())
    assert not lost, f"{where}: {len(lost)} windows lost, the first {lost[0]}, the last {lost[-1]}"
    assert not strange, f"{where}: {len(strange)} windows that nobody made, the first {strange[0]}"
    wrong = [key for key, joules in truth.items() if found[key] != joules]
    assert not wrong, f"{where}: {len(wrong)} windows with other joules, the first {wrong[0]}"
    assert math.fsum(found.values()) == math.fsum(truth.values()), where
