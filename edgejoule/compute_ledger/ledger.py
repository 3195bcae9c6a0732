"""The ledger put together: which records belong to it, their rows, what orders joules, what is to be said. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from collector.numbers import some_of
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import BenchRecord
from edgejoule.compute_ledger.correlations import groups_of
from edgejoule.compute_ledger.pairs import inversions_of, spreads_of
from edgejoule.compute_ledger.rows import Known, rows_of
from edgejoule.compute_ledger.values import Ledger, Row, Tally

DEFAULT_DRAWS: Final = 2000
MOST_ROWS: Final = 2000
"""Two million pairs, in each of so many draws."""
_SMOKE: Final = "smoke run:"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records count.

    ``device_id``, ``boundary``: None for that of all of them. ``simulated``: None for measured ones where there are
    any, else simulated ones.
    """

    device_id: str | None = None
    boundary: str | None = None
    simulated: bool | None = None
    include_rejected: bool = False
    seed: int = 0
    draws: int = DEFAULT_DRAWS


def ledger_of(records: Sequence[BenchRecord], unreadable: Sequence[str], known: Known, wanted: Wanted) -> Ledger:
    """Return the ledger. Raises ConfigurationError where it is not clear which device or boundary, or none is left."""
    if not records:
        such = f", such as {unreadable[0]}" if unreadable else ""
        raise ConfigurationError(f"no bench could be read{such}")
    wanted = _settled(records, wanted)
    here = [one for one in records if (one.device_id, one.boundary) == (wanted.device_id, wanted.boundary)]
    kind = [one for one in here if one.simulated == wanted.simulated]
    with_result = [one for one in kind if one.gross is not None]
    used = [one for one in with_result if wanted.include_rejected or not one.rejections]
    if not used:
        raise ConfigurationError(_nothing_left(here, wanted))
    rows = rows_of(used, known)
    if len(rows) > MOST_ROWS:
        raise ConfigurationError(
            f"the benches are of {len(rows)} rows (model files, each by runtime, delegate and threads), and a "
            f"ledger has {MOST_ROWS} at most; name fewer of them"
        )
    used_count = sum(len(row.bench_ids) for row in rows)
    comparable_pairs, inversions = inversions_of(rows)
    aside = len(here) - len(kind)
    tally = Tally(
        read=len(records) + len(unreadable),
        used=used_count,
        rejected=len(with_result) - used_count,
        without_result=len(kind) - len(with_result),
        unreadable=len(unreadable),
        other_device=len(records) - len(here),
        simulated_aside=0 if wanted.simulated else aside,
        measured_aside=aside if wanted.simulated else 0,
    )
    return Ledger(
        device_id=used[0].device_id,
        device_classes=sorted({one.device_class for one in used}),
        boundary=used[0].boundary,
        simulated=used[0].simulated,
        meters=sorted({f"{one.meter_driver} {one.meter_id}".strip() for one in used}),
        rows=rows,
        groups=groups_of(rows, seed=wanted.seed, draws=wanted.draws),
        comparable_pairs=comparable_pairs,
        inversions=inversions,
        spreads=spreads_of(rows),
        tally=tally,
        notes=[*_notes(used, rows), *_aside_notes(kind, tally, unreadable)],
        seed=wanted.seed,
        draws=wanted.draws,
    )


def _settled(records: Sequence[BenchRecord], wanted: Wanted) -> Wanted:
    """Return what is wanted with nothing left open."""
    device_id = wanted.device_id or _only({one.device_id for one in records}, "devices", "--device ID")
    of_device = [one for one in records if one.device_id == device_id]
    if not of_device:
        known = some_of(sorted({one.device_id for one in records})) or "none"
        raise ConfigurationError(f"no bench of device {device_id!r} was read; --device takes one of: {known}")
    boundary = wanted.boundary or _only({one.boundary for one in of_device}, "boundaries", "--boundary NAME")
    here = [one for one in of_device if one.boundary == boundary]
    simulated = wanted.simulated
    if simulated is None:
        simulated = bool(here) and all(one.simulated for one in here)
    return replace(wanted, device_id=device_id, boundary=boundary, simulated=simulated)


def _only(names: set[str], what: str, flag: str) -> str:
    if len(names) != 1:
        raise ConfigurationError(
            f"a ledger is of one device at one boundary, and these benches are of {len(names)} {what} "
            f"({some_of(sorted(names))}); choose by {flag}"
        )
    return names.pop()


def _nothing_left(here: Sequence[BenchRecord], wanted: Wanted) -> str:
    what = "simulated" if wanted.simulated else "measured"
    kind = [one for one in here if one.simulated == wanted.simulated]
    if not kind:
        return (
            f"there is no {what} bench of {wanted.device_id} at {wanted.boundary}; leave out --simulated, or bench it"
        )
    reasons = Counter(reason for one in kind for reason in one.rejections).most_common(1)
    if not any(one.gross is not None for one in kind):
        why = f", most often because: {reasons[0][0]}" if reasons else ""
        return (
            f"all {len(kind)} {what} benches of {wanted.device_id} at {wanted.boundary} ended without a result{why}; "
            "bench again"
        )
    ((reason, _),) = reasons
    return (
        f"none of the {len(kind)} {what} benches of {wanted.device_id} at {wanted.boundary} is valid, most often "
        f"because: {reason}; bench again, or say --include-rejected to look at them all the same"
    )


def _notes(used: Sequence[BenchRecord], rows: Sequence[Row]) -> list[str]:
    notes = []
    if used[0].simulated:
        notes.append("simulated meters: these joules were not measured on hardware")
    rejected = [row for row in rows if row.rejected]
    if rejected:
        notes.append(f"{len(rejected)} of {len(rows)} rows rest on rejected benches: no figure of theirs may be used")
    strangers = sorted({row.model_id for row in rows if row.precision is None})
    if strangers:
        notes.append(
            f"no catalogue knows the sha256 of {some_of(strangers)}: precision and family are not known (name the "
            "catalogue with --catalog-dir)"
        )
    for what, values in (
        ("clock governors", {one.governor or "not known" for one in used}),
        ("meters", {f"{one.meter_driver} {one.meter_id}" for one in used}),
        ("systems", {one.platform for one in used}),
    ):
        if len(values) > 1:
            notes.append(f"the benches ran under several {what} ({some_of(sorted(values))}): rows differ by that too")
    return notes


def _aside_notes(kind: Sequence[BenchRecord], tally: Tally, unreadable: Sequence[str]) -> list[str]:
    notes = []
    if tally.rejected:
        counts = Counter(_short(reason) for one in kind for reason in one.rejections if one.gross is not None)
        notes.append(f"{tally.rejected} rejected benches are left out, most often: {counts.most_common(1)[0][0]}")
    if tally.without_result:
        notes.append(f"{tally.without_result} benches ended without a result and are left out")
    if tally.simulated_aside:
        notes.append(f"{tally.simulated_aside} simulated benches are left out; --simulated shows them alone")
    if tally.measured_aside:
        notes.append(f"{tally.measured_aside} measured benches are left out, as simulated ones were asked for")
    if tally.other_device:
        notes.append(f"{tally.other_device} benches of other devices or boundaries are left out")
    if unreadable:
        notes.append(f"{len(unreadable)} could not be read, such as {unreadable[0]}")
    return notes


def _short(reason: str) -> str:
    return "smoke run" if reason.startswith(_SMOKE) else reason.partition(":")[0]
