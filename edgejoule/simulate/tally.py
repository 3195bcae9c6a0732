"""What a run counts while it goes: faults that were played, and how long live windows waited. Pure."""

import math
from array import array
from dataclasses import dataclass, field

import msgspec

from edgejoule.simulate.outbox import Settled


class DelayFigures(msgspec.Struct, frozen=True, kw_only=True):
    """From the close of a window to the device's knowledge that it is stored, in seconds."""

    windows: int
    p50_s: float | None
    p95_s: float | None
    max_s: float | None


@dataclass(slots=True)
class Delays:
    """Delays of live windows: those closed while the backlog of an outage was still there, and the others."""

    beside_backlog_s: "array[float]" = field(default_factory=lambda: array("d"))
    alone_s: "array[float]" = field(default_factory=lambda: array("d"))

    def note(self, settled: Settled, now_s: float, backlog_gone_s: float) -> None:
        """Take what was settled now; windows that were closed while offline are not live."""
        boot, first_seq, last_seq = settled
        for closed_s in boot.closed_s[max(first_seq, boot.live_after_seq + 1) - 1 : last_seq]:
            if not math.isnan(closed_s):
                (self.beside_backlog_s if closed_s < backlog_gone_s else self.alone_s).append(now_s - closed_s)


@dataclass(slots=True)
class Played:
    """How often what was played."""

    messages: int = 0
    bytes: int = 0
    connects: int = 0
    failed_connects: int = 0
    lost_by_broker: int = 0
    losses: int = 0
    outages: int = 0
    duplicates: int = 0
    reordered: int = 0
    clock_jumps: int = 0
    reboots: int = 0
    vanished: int = 0
    garbage: int = 0
    garbage_unsure: int = 0
    refused_by_broker: int = 0
    foreign_acks: int = 0
    bad_acks: int = 0


def delay_figures(delays_s: "array[float]") -> DelayFigures:
    """Return median, 95th percentile (nearest rank) and maximum; None for each where nothing was measured."""
    ordered = sorted(delays_s)

    def at(ratio: float) -> float | None:
        return ordered[max(0, math.ceil(ratio * len(ordered)) - 1)] if ordered else None

    return DelayFigures(windows=len(ordered), p50_s=at(0.5), p95_s=at(0.95), max_s=at(1.0))
