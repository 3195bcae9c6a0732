"""The values that pass between the collector's parts. Frozen; no I/O."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

import msgspec

from edge_agent.wire.orders import CommandReply
from edge_agent.wire.records import BenchRecord, Birth, Health, InferenceWindow, Status


class StoredWindow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One window as the journal keeps it. ``row_id`` grows with every committed row: sinks keep it as their cursor.

    In this order they come from the journal, as one JSON array each.
    """

    row_id: int
    fleet: str
    device_id: str
    boot_id: str
    received_unix_ns: int
    window: InferenceWindow


@dataclass(frozen=True, slots=True)
class StoredBench:
    """One bench as the journal keeps it. ``row_id`` grows with every committed bench."""

    row_id: int
    fleet: str
    device_id: str
    received_unix_ns: int
    bench: BenchRecord

    @property
    def valid(self) -> bool:
        """Return whether it has a result that may be used."""
        return is_valid(self.bench)


@dataclass(frozen=True, slots=True)
class StoredReply:
    """One reply to an order as the journal keeps it. ``row_id`` grows with every committed reply."""

    row_id: int
    fleet: str
    device_id: str
    received_unix_ns: int
    reply: CommandReply


def is_valid(bench: BenchRecord) -> bool:
    """Return whether the bench has a result, and no reason against it."""
    return bench.gross is not None and not bench.rejections


Row = TypeVar("Row", bound=StoredWindow | StoredBench)


@dataclass(frozen=True, slots=True)
class RejectedRow(Generic[Row]):
    """A row that a store refused for good, and why: it goes to the dead letters."""

    row: Row
    reason: str


@dataclass(frozen=True, slots=True)
class WriteOutcome(Generic[Row]):
    """What became of the rows given to a sink: the first ``accepted + len(rejected)`` are done, ``kept`` come again.

    ``retry_reason`` says why rows were kept, empty when none was.
    """

    accepted: int
    rejected: tuple[RejectedRow[Row], ...] = ()
    kept: int = 0
    retry_reason: str = ""


class Sink(Protocol[Row]):
    """A store that the journal feeds. It holds no buffer: what ``write`` accepts is durable when it returns.

    ``name`` is that of its cursor: a store that takes windows and benches is two sinks.
    """

    name: str
    max_rows: int
    max_wait_s: float

    def write(self, rows: list[Row]) -> WriteOutcome[Row]:
        """Store the rows, in order; idempotent, since rows come again after a crash."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class PreparingSink(Sink[Row], Protocol[Row]):
    """A sink that can do a part of its work before its turn, in another thread, while ``write`` still runs."""

    def prepare(self, rows: list[Row]) -> list[str]:
        """Return the text of each row."""
        ...

    def write_prepared(self, rows: list[Row], lines: list[str]) -> WriteOutcome[Row]:
        """Store the rows as ``write`` does; ``lines`` is what ``prepare`` returned for them."""
        ...


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    """What the collector last heard from one device. ``last_seen_unix_ns`` decides liveness."""

    fleet: str
    device_id: str
    last_seen_unix_ns: int
    birth: Birth | None = None
    status: Status | None = None
    health: Health | None = None


class BenchEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One bench as ``fleet benches`` lists it. ``refused``: why its record could not be read, and is None here.

    ``valid``: it has a result and no reason against it.
    """

    fleet: str
    device_id: str
    bench_id: str
    received_unix_ns: int
    refused: str
    valid: bool
    bench: BenchRecord | None


class WindowCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of windows: ``sent = stored + dropped + refused + pending + missing``, the last one 0.

    ``sent``: sequence numbers assigned by the device. ``stored``: distinct windows in the journal. ``dropped``:
    declared dropped by the device and not stored. ``refused``: came but are no valid windows; they became dead
    letters. ``pending``: the device still holds them. ``missing``: none of these. ``duplicates``: windows that came
    again. ``late``: stored windows that came long after their end.
    """

    sent: int
    stored: int
    dropped: int
    refused: int
    pending: int
    missing: int
    duplicates: int
    late: int

    @property
    def adds_up(self) -> bool:
        """Return whether nothing is missing."""
        return self.missing == 0 and self.sent == self.stored + self.dropped + self.refused + self.pending


class BootLine(WindowCounts, frozen=True, kw_only=True):
    """One boot's account. ``held``: the device may still send windows of it."""

    boot_id: str
    held: bool


class LedgerCounts(WindowCounts, frozen=True, kw_only=True):
    """With the dead letters: in the list now, and those that left it, each counted for ever.

    ``letters_evicted``: newer ones needed the room. ``letters_dropped``: somebody threw them away.
    ``letters_replayed``: accepted when they were tried again.
    """

    dead_letters: int
    letters_evicted: int
    letters_dropped: int
    letters_replayed: int


class LedgerLine(LedgerCounts, frozen=True, kw_only=True):
    """One device's account, over all boots that it reported; ``boots`` only where they were asked for."""

    fleet: str
    device_id: str
    boots: tuple[BootLine, ...] | msgspec.UnsetType = msgspec.UNSET


class FleetLedger(msgspec.Struct, frozen=True, kw_only=True):
    """Every device's account. ``total`` also counts the dead letters of ``strangers``: senders that are no device."""

    adds_up: bool
    total: LedgerCounts
    strangers: int
    devices: tuple[LedgerLine, ...]


class MeterCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A simulated meter's measured energy against the energy that its emulator really delivered.

    ``u_j``: stated standard uncertainty of ``measured_j``; ``deviation_u``: (measured - true) / u.
    ``windows_excluded`` had gaps, so that no truth belongs to what was measured.
    """

    device_id: str
    meter_driver: str
    windows: int
    windows_excluded: int
    measured_j: float
    true_j: float
    u_j: float
    deviation_u: float
    within_three_u: bool
