"""Every device's account, from one journal or several: sent = stored + dropped + refused + pending, or it says so.

Several journals are those of collectors that share the messages of one fleet: what counts is their union. A window
that two of them stored is one window, and a duplicate; what either knows of drops and of the device's progress, both
know. Functions on open files; the caller holds a snapshot of each, so that the figures of one file are of one instant.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from collector import account, dead_letters
from collector.account import BootCounts
from collector.dead_letters import LetterCounts
from collector.seq_ranges import size, union, without
from collector.values import BootLine, FleetLedger, LedgerCounts, LedgerLine, WindowCounts
from edge_agent.wire.records import Birth

_BIRTH: Final = msgspec.json.Decoder(Birth)
_WINDOW_FIELDS: Final = WindowCounts.__struct_fields__
_COUNT_FIELDS: Final = LedgerCounts.__struct_fields__
_DEVICES: Final = "SELECT fleet, device_id FROM devices"
Name = tuple[str, str]
"""Fleet and device."""


class _Boot(NamedTuple):
    """What one journal's row says of a boot."""

    boot_id: str
    last_seq: int
    stored: int
    duplicates: int
    late: int


_Sources = list[tuple[sqlite3.Connection, _Boot]]
"""One boot in every journal that knows it."""


class Progress(NamedTuple):
    """How far devices said that they are: the oldest window that each boot holds, and the boots that are held."""

    oldest_seq: dict[tuple[str, str], int]
    held: dict[Name, frozenset[str] | None]


def progress(dbs: Sequence[sqlite3.Connection]) -> Progress:
    """Return what any of the journals knows of the devices' progress."""
    oldest: defaultdict[tuple[str, str], int] = defaultdict(lambda: 1)
    for db in dbs:
        for device_id, boot_id, oldest_seq in db.execute("SELECT device_id, boot_id, oldest_seq FROM boots"):
            oldest[device_id, boot_id] = max(oldest[device_id, boot_id], oldest_seq)
    return Progress(dict(oldest), _held_boots(dbs))


def lines(db: sqlite3.Connection) -> list[LedgerLine]:
    """Return one line per device of one journal, in the order of fleet and device."""
    return list(read([db]).devices)


def read(dbs: Sequence[sqlite3.Connection], *, boots: bool = False, before: Progress | None = None) -> FleetLedger:
    """Return the account of all devices that any of the journals knows; ``boots``: with every boot's.

    ``before``: the progress from snapshots that are older than all of these. Several journals need it while their
    collectors run: what a device lets go is stored before it says so, but another journal may hear of it.
    """
    sources = _boots_by_device(dbs)
    known = progress(dbs) if before is None else before
    letters = _letters(dbs)
    found = []
    for name in _devices(dbs):
        boot_lines = tuple(_boot_line(name, boot, known, alone=len(dbs) == 1) for boot in sources[name].values())
        of_device = letters.pop(name, LetterCounts())
        found.append(
            LedgerLine(
                fleet=name[0],
                device_id=name[1],
                **{field: sum(getattr(line, field) for line in boot_lines) for field in _WINDOW_FIELDS},
                **_letter_fields(of_device),
                boots=boot_lines if boots else msgspec.UNSET,
            )
        )
    strangers = _sum_of(letters.values())
    total = {field: sum(getattr(line, field) for line in found) for field in _COUNT_FIELDS}
    for field, count in _letter_fields(strangers).items():
        total[field] += count
    return FleetLedger(
        adds_up=all(line.adds_up for line in found),
        total=LedgerCounts(**total),
        strangers=sum(strangers),
        devices=tuple(found),
    )


def _devices(dbs: Sequence[sqlite3.Connection]) -> list[Name]:
    return sorted({(fleet, device_id) for db in dbs for fleet, device_id in db.execute(_DEVICES)})


def _held_boots(dbs: Sequence[sqlite3.Connection]) -> dict[Name, frozenset[str] | None]:
    """Return every device, with the boots of which it may still send windows by its latest birth; None: not said."""
    latest: dict[Name, tuple[int, bytes | None]] = {}
    for db in dbs:
        rows = db.execute(
            "SELECT d.fleet, d.device_id, coalesce(b.received_unix_ns, 0), d.birth FROM devices d LEFT JOIN births b "
            "ON b.fleet = d.fleet AND b.device_id = d.device_id"
        )
        for fleet, device_id, received_unix_ns, birth in rows:
            before = latest.get((fleet, device_id))
            if before is None or before[1] is None or (birth is not None and received_unix_ns >= before[0]):
                latest[fleet, device_id] = (received_unix_ns, birth)
    return {name: None if birth is None else _held(birth) for name, (_, birth) in latest.items()}


def _held(birth: bytes) -> frozenset[str] | None:
    said = _BIRTH.decode(birth)
    return None if said.held_boots is None else frozenset({said.boot_id, *said.held_boots})


def _boots_by_device(dbs: Sequence[sqlite3.Connection]) -> defaultdict[Name, dict[str, _Sources]]:
    found: defaultdict[Name, dict[str, _Sources]] = defaultdict(dict)
    for db in dbs:
        rows = db.execute(
            "SELECT fleet, device_id, boot_id, last_seq, stored, duplicates, late FROM boots "
            "ORDER BY device_id, touched, boot_id"
        )
        for fleet, device_id, *row in rows:
            boot = _Boot(*row)
            found[fleet, device_id].setdefault(boot.boot_id, []).append((db, boot))
    return found


def _boot_line(name: Name, sources: _Sources, known: Progress, *, alone: bool) -> BootLine:
    device_id, boot_id = name[1], sources[0][1].boot_id
    held = known.held.get(name)
    counts = _of_one(device_id, *sources[0]) if len(sources) == 1 else {}
    if not counts or (counts["missing"] and not alone):
        counts = _of_union(device_id, sources, known.oldest_seq.get((device_id, boot_id), 1))
    is_held = held is None or boot_id in held
    if not is_held:
        counts |= {"pending": 0, "missing": counts["missing"] + counts["pending"]}
    return BootLine(boot_id=boot_id, held=is_held, **counts)


def _of_one(device_id: str, db: sqlite3.Connection, boot: _Boot) -> dict[str, int]:
    whole = boot.stored == boot.last_seq  # most boots of a fleet, for ever: nothing of them need be read
    counts = BootCounts(0, 0, 0, 0) if whole else account.boot_counts(db, device_id, boot.boot_id)
    return {
        "sent": boot.last_seq,
        "stored": boot.stored,
        **counts._asdict(),
        "duplicates": boot.duplicates,
        "late": boot.late,
    }


def _of_union(device_id: str, sources: _Sources, oldest_seq: int) -> dict[str, int]:
    """Return one boot's counts over several journals. A window that any has is stored, whatever others say of it."""
    boot_id = sources[0][1].boot_id
    last_seq = max(boot.last_seq for _, boot in sources)
    stored = union(*(account.stored_ranges(db, device_id, boot_id) for db, _ in sources))
    given_up = [account.given_up_ranges(db, device_id, boot_id) for db, _ in sources]
    refused = without(union(*(refused for _, refused in given_up)), stored)
    dropped = without(without(union(*(dropped for dropped, _ in given_up)), stored), refused)
    left = without([(1, last_seq)] if last_seq else [], union(stored, refused, dropped))
    missing = without(left, [(oldest_seq, max(oldest_seq, last_seq))])
    return {
        "sent": last_seq,
        "stored": size(stored),
        "dropped": size(dropped),
        "refused": size(refused),
        "pending": size(left) - size(missing),
        "missing": size(missing),
        "duplicates": sum(boot.stored + boot.duplicates for _, boot in sources) - size(stored),
        "late": sum(boot.late for _, boot in sources),
    }


def _letters(dbs: Sequence[sqlite3.Connection]) -> dict[Name, LetterCounts]:
    found: dict[Name, LetterCounts] = {}
    for db in dbs:
        for name, counts in dead_letters.counts(db).items():
            found[name] = _sum_of([found.get(name, LetterCounts()), counts])
    return found


def _sum_of(counts: Iterable[LetterCounts]) -> LetterCounts:
    return LetterCounts(*(sum(column) for column in zip(LetterCounts(), *counts, strict=True)))


def _letter_fields(counts: LetterCounts) -> dict[str, int]:
    return {
        "dead_letters": counts.kept,
        "letters_evicted": counts.evicted,
        "letters_dropped": counts.dropped,
        "letters_replayed": counts.replayed,
    }
