"""Which windows in the outbox still wait for the clock, and where earlier boots lie; on an open connection."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from edge_agent import outbox_rows as rows
from edge_agent.outbox_file import MAX_SEQ, pack, unpack
from edge_agent.placing import Placing, UnsetBoot, end_boot_ns, estimates, needs_placing, placed, placing_of
from edge_agent.wire.records import MAX_PAYLOAD_BYTES, InferenceWindow

MAX_WINDOW_BYTES: Final = MAX_PAYLOAD_BYTES // 2
_DECODER = msgspec.json.Decoder(InferenceWindow)


@dataclass(frozen=True, slots=True)
class Now:
    """This instant, in boot ``number``: on CLOCK_BOOTTIME and in UTC, None where that is not known."""

    number: int
    boot_ns: int | None
    unix_ns: int | None


def encode_row(window: InferenceWindow) -> bytes:
    """Return the window as the outbox keeps it. Raises ValueError for one that the wire would refuse."""
    text = msgspec.json.encode(window)
    try:
        _DECODER.decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(f"window {window.seq} cannot be sent: {error}") from error
    if len(text) > MAX_WINDOW_BYTES:
        raise ValueError(f"window {window.seq} has {len(text)} bytes, the limit is {MAX_WINDOW_BYTES}")
    return pack(text)


def decode_row(payload: bytes) -> InferenceWindow | None:
    """Return the window, None for a row that is damaged."""
    try:
        return _DECODER.decode(unpack(payload))
    except (ValueError, msgspec.DecodeError):
        return None


def trusted_end_unix_ns(window: InferenceWindow, placings: list[Placing]) -> int | None:
    """Return the window's end if anybody vouches for it: what comes after it cannot be before it."""
    if window.clock_state != "unsynchronised":
        return window.t_start_unix_ns + round(window.duration_s * 1e9)
    if not needs_placing(window) or not placings:
        return None
    return end_boot_ns(window) + placings[-1].offset_ns


def final(window: InferenceWindow, seq: int, placings: list[Placing]) -> InferenceWindow | None:
    """Return the window as it may leave the device, None while its time is not known."""
    if not needs_placing(window):
        return window
    placing = placing_of(seq, placings)
    return None if placing is None else placed(window, placing)


def is_older(db: sqlite3.Connection, number: int, seq: int, payload: bytes, now: Now, max_age_ns: int) -> bool:
    """Tell whether a window is older than that. Boot time judges where it can: no setting of a clock moves it."""
    window = decode_row(payload)
    if window is None:
        return False
    start_boot_ns = window.t_start_boot_ns
    if number == now.number and now.boot_ns is not None and start_boot_ns is not None:
        return now.boot_ns - start_boot_ns > max_age_ns
    if number != now.number and now.boot_ns is not None and now.boot_ns > max_age_ns:
        return True  # it closed before this boot began
    stamped = final(window, seq, rows.placings(db, number))
    if stamped is None or stamped.clock_state == "unsynchronised" or now.unix_ns is None:
        return False
    return now.unix_ns - stamped.t_start_unix_ns > max_age_ns


def waits_for_clock(db: sqlite3.Connection) -> bool:
    """Tell whether any window is held that cannot be placed yet."""
    return any(_unset_boot(db, number) is not None for number, _ in rows.boot_numbers(db))


def place_earlier_boots(db: sqlite3.Connection, current: int) -> list[tuple[int, Placing]]:
    """Estimate, now that boot ``current`` is placed, where the boots lie that never were; return what was added."""
    added = []
    for run, next_start_unix_ns in _unset_runs(db, current):
        for boot, placing in zip(run, estimates(run, next_start_unix_ns), strict=True):
            rows.add_placing(db, boot.number, placing)
            added.append((boot.number, placing))
    return added


def _unset_runs(db: sqlite3.Connection, current: int) -> Iterator[tuple[list[UnsetBoot], int]]:
    run: list[UnsetBoot] = []
    for number, _ in rows.boot_numbers(db):
        unset = _unset_boot(db, number) if number < current else None
        if unset is not None:
            run.append(unset)
            continue
        start_unix_ns = _start_unix_ns(db, number)
        if run and start_unix_ns is not None:
            yield run, start_unix_ns
            run = []
        if number >= current:
            return


def _start_unix_ns(db: sqlite3.Connection, number: int) -> int | None:
    """Return when a boot began, or its first window where only that is known."""
    placings = rows.placings(db, number)
    if placings:
        return placings[0].offset_ns
    held = rows.held_rows(db, number, (1, MAX_SEQ), 1)
    window = decode_row(held[0][1]) if held else None
    return None if window is None or window.clock_state == "unsynchronised" else window.t_start_unix_ns


def _unset_boot(db: sqlite3.Connection, number: int) -> UnsetBoot | None:
    """Return the boot's times if it holds windows that nobody has placed."""
    if rows.placings(db, number):
        return None
    held = rows.held_rows(db, number, (1, MAX_SEQ), 1)
    newest = rows.newest_held(db, number)
    windows = [decode_row(payload) for payload in (*(payload for _, payload in held), newest) if payload is not None]
    times = [one for one in windows if one is not None and needs_placing(one)]
    if not times:
        return None
    first, last = times[0], times[-1]
    assert first.t_start_boot_ns is not None
    assert last.t_start_boot_ns is not None
    return UnsetBoot(
        number,
        first.t_start_boot_ns,
        end_boot_ns(last),
        last.t_start_unix_ns - last.t_start_boot_ns,
        rows.not_before_unix_ns(db, number),
    )
