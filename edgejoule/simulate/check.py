"""Do the collector's books and its store agree with the devices' own? One verdict per device, each with its reasons.

Energies are compared to the last bit: the devices' are whole multiples of 1/1024 J, whose sums have no rounding error.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from collector.values import LedgerLine
from edgejoule.simulate.counters import DeviceCounters, FleetCounters
from edgejoule.simulate.figures import Source


class StoredSums(msgspec.Struct, frozen=True, kw_only=True):
    """What a store holds of one device."""

    windows: int
    energy_j: float
    inferences: int


class StoredWindowFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One window as a store has it."""

    boot_id: str
    seq: int
    energy_j: float


class DeviceVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one device's books agree; ``problems`` says where they do not."""

    device_id: str
    agrees: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a store must hold of one device: all that was sent but ``missing`` windows, with exactly this energy."""

    sums: StoredSums
    problems: tuple[str, ...] = ()


def ledger_problems(own: DeviceCounters, line: LedgerLine | None) -> Iterator[str]:
    """Yield how the ledger's line contradicts the device's own books."""
    if line is None:
        if own.sent:
            yield f"the device sent {own.sent} windows, the ledger does not know it"
        return
    if not line.adds_up:
        yield f"the ledger does not add up: {line.missing} missing"
    if line.refused:
        yield f"{line.refused} windows were refused"
    yield from _vanished_problems(own, line) if own.vanished else _count_problems(own, line)


def _vanished_problems(own: DeviceCounters, line: LedgerLine) -> Iterator[str]:
    """Of a device that is gone the ledger knows less than it did: never more, and nothing that was acknowledged."""
    if not own.acknowledged <= line.stored + line.dropped <= line.sent <= own.sent:
        yield (
            f"vanished: {own.acknowledged} acknowledged of {own.sent}, ledger has {line.stored} stored, "
            f"{line.dropped} dropped of {line.sent}"
        )


def _count_problems(own: DeviceCounters, line: LedgerLine) -> Iterator[str]:
    if line.sent != own.sent:
        yield f"sent {own.sent} by its own count, {line.sent} by the ledger"
    if line.dropped > own.declared_dropped:
        yield f"the device gave up {own.declared_dropped}, the ledger says {line.dropped}"
    if line.stored < own.acknowledged:
        yield f"{own.acknowledged} were acknowledged, only {line.stored} are stored"
    if line.pending > own.pending:
        yield f"the device holds {own.pending}, the ledger waits for {line.pending}"


def expected_in_store(own: DeviceCounters, seed: int, window_s: float, rows: list[StoredWindowFigures]) -> Expected:
    """Return what a store must hold, given which windows it has: each with the figures that the device gave it."""
    sources = {
        boot.boot_id: (Source(seed, own.number, boot.boot, window_s, own.device_id), boot.sent) for boot in own.boots
    }
    problems: list[str] = []
    seen: set[tuple[str, int]] = set()
    energy_j, inferences = 0.0, 0
    for row in rows:
        source, sent = sources.get(row.boot_id, (None, 0))
        if source is None or not 1 <= row.seq <= sent:
            problems.append(f"the store has window {row.seq} of boot {row.boot_id}, which was never made")
            continue
        if (row.boot_id, row.seq) in seen:
            problems.append(f"the store has window {row.seq} of boot {row.boot_id} twice")
            continue
        seen.add((row.boot_id, row.seq))
        figures = source.figures(row.seq)
        energy_j += figures.energy_j
        inferences += figures.inference_count
        if figures.energy_j != row.energy_j:
            problems.append(
                f"window {row.seq} of boot {row.boot_id}: {figures.energy_j} J made, {row.energy_j} J stored"
            )
    return Expected(StoredSums(windows=len(seen), energy_j=energy_j, inferences=inferences), tuple(problems))


def sum_problems(name: str, expected: StoredSums, stored: StoredSums | None) -> Iterator[str]:
    """Yield how a store's sums differ from what they must be."""
    found = stored or StoredSums(windows=0, energy_j=0.0, inferences=0)
    if found.windows != expected.windows:
        yield f"{name}: {found.windows} windows, {expected.windows} were delivered"
    if found.energy_j != expected.energy_j:
        yield f"{name}: {found.energy_j} J, the device counted {expected.energy_j} J"
    if found.inferences != expected.inferences:
        yield f"{name}: {found.inferences} inferences, the device counted {expected.inferences}"


def own_sums(own: DeviceCounters) -> StoredSums | None:
    """Return what must be stored of a device that delivered everything, None when only the store can say which."""
    if own.vanished or own.pending or own.declared_dropped:
        return None
    inferences = sum(boot.inferences for boot in own.boots)
    return StoredSums(windows=own.sent, energy_j=own.energy_j, inferences=inferences)


def verdicts(
    fleet: FleetCounters, ledger: Mapping[str, LedgerLine], further: Mapping[str, list[str]]
) -> list[DeviceVerdict]:
    """Return one verdict per device, the bad citizen included. ``further``: what stores had to say."""
    answers = []
    for own in fleet.devices:
        problems = (*ledger_problems(own, ledger.get(own.device_id)), *further.get(own.device_id, ()))
        answers.append(DeviceVerdict(device_id=own.device_id, agrees=not problems, problems=problems))
    if fleet.bad_citizen:
        problems = tuple(_citizen_problems(fleet, ledger.get(fleet.bad_citizen)))
        answers.append(DeviceVerdict(device_id=fleet.bad_citizen, agrees=not problems, problems=problems))
    return answers


def _citizen_problems(fleet: FleetCounters, line: LedgerLine | None) -> Iterator[str]:
    sent, unsure = fleet.played["garbage"], fleet.played["garbage_unsure"]
    found = line.dead_letters if line is not None else 0
    if not sent <= found <= sent + unsure:
        yield f"{sent} messages of garbage were sent, {found} are dead letters"
    if line is not None and line.stored:
        yield f"{line.stored} windows of garbage were stored"
