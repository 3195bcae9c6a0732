"""A device's outbox in memory, with the meaning of the real one: see ``edge_agent.outbox``. Pure.

A window is not kept, only its number and its stamp: its figures can be made again. Bounded by a count of windows;
when it is full the oldest are dropped as a declared range, which goes with every batch until the collector's
acknowledgement covers it.
"""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from edge_agent.wire.records import DroppedRange, InferenceWindow, StoreAck
from edgejoule.simulate.figures import Figures, Source, Stamp
from edgejoule.simulate.ranges import RangeSet


class Settled(NamedTuple):
    """Windows of a boot that an acknowledgement has just settled, and that were held until then."""

    boot: "Boot"
    first_seq: int
    last_seq: int


@dataclass(slots=True)
class Tally:
    """A sum over windows."""

    windows: int = 0
    energy_j: float = 0.0
    inferences: int = 0

    def add(self, figures: Figures) -> None:
        """Count one more window. No rounding happens: see ``figures``."""
        self.windows += 1
        self.energy_j += figures.energy_j
        self.inferences += figures.inference_count


@dataclass(slots=True)
class Boot:
    """One sequence space: what was made, what is held, what was dropped.

    ``closed_s``: when each window was closed on the simulator's own clock, NaN for one that says nothing about the
    delay of live data. ``live_after_seq``: windows up to it were there before the device ever connected.
    """

    boot_id: str
    source: Source
    last_seq: int = 0
    live_after_seq: int = 0
    held: RangeSet = field(default_factory=RangeSet)
    drops: list[DroppedRange] = field(default_factory=list)
    made: Tally = field(default_factory=Tally)
    dropped: Tally = field(default_factory=Tally)
    closed_s: "array[float]" = field(default_factory=lambda: array("d"))
    _stamps: "array[int]" = field(default_factory=lambda: array("q"))
    _stepped: set[int] = field(default_factory=set)

    @property
    def oldest_seq(self) -> int:
        """Return the lowest number that is held, ``last_seq + 1`` when none is."""
        return self.held.first_above(0) or self.last_seq + 1

    @property
    def settled_seq(self) -> int:
        """Return up to which number nothing is left to deliver: no window and no declared drop."""
        return min([self.oldest_seq, *(drop.first_seq for drop in self.drops[:1])]) - 1

    @property
    def acknowledged(self) -> int:
        """Return how many windows were acknowledged before any of them had to be dropped."""
        return self.made.windows - self.dropped.windows - self.held.count

    def add(self, t_start_unix_ns: int, *, closed_s: float = math.nan, stepped: bool = False) -> None:
        """Close one more window."""
        self.last_seq += 1
        self.made.add(self.source.figures(self.last_seq))
        self.held.append(self.last_seq, self.last_seq)
        self._stamps.append(t_start_unix_ns)
        self.closed_s.append(closed_s)
        if stepped:
            self._stepped.add(self.last_seq)

    def window(self, seq: int) -> InferenceWindow:
        """Return window ``seq`` as it goes on the wire, the same each time."""
        boot_ns = round((seq - 1) * self.source.window_s * 1e9)
        stamp = Stamp(self._stamps[seq - 1], boot_ns, stepped=seq in self._stepped)
        return self.source.window(seq, stamp)

    def drop_oldest(self) -> None:
        """Give up the oldest held window and declare that."""
        seq = self.oldest_seq
        self.held.remove(seq, seq)
        self.dropped.add(self.source.figures(seq))
        first_seq = self.drops.pop().first_seq if self.drops and self.drops[-1].last_seq == seq - 1 else seq
        self.drops.append(DroppedRange(first_seq=first_seq, last_seq=seq, reason="outbox_full"))

    def acknowledge_up_to(self, seq: int) -> list[tuple[int, int]]:
        """Forget windows and drops up to ``seq``; return which windows that were."""
        self.drops = [
            DroppedRange(first_seq=max(drop.first_seq, seq + 1), last_seq=drop.last_seq, reason=drop.reason)
            for drop in self.drops
            if drop.last_seq > seq
        ]
        return self.held.remove(1, seq)


class MemoryOutbox:
    """All boots of one device that still have something to deliver, and the account of those that have not."""

    def __init__(self, max_windows: int) -> None:
        self._max_windows = max_windows
        self.boots: dict[str, Boot] = {}
        self.foreign_acks = 0
        self._current: Boot | None = None

    @property
    def boot(self) -> Boot:
        """Return the current boot."""
        assert self._current is not None
        return self._current

    @property
    def windows(self) -> int:
        """Return how many windows are held."""
        return sum(boot.held.count for boot in self.boots.values())

    def enter(self, boot: Boot) -> None:
        """Begin a new sequence space; what older ones hold stays."""
        self._current = self.boots[boot.boot_id] = boot

    def add(self, t_start_unix_ns: int, *, closed_s: float = math.nan, stepped: bool = False) -> None:
        """Close one more window of the current boot, and drop the oldest of all where that is too many."""
        self.boot.add(t_start_unix_ns, closed_s=closed_s, stepped=stepped)
        while self.windows > self._max_windows:
            next(boot for boot in self.boots.values() if boot.held.count).drop_oldest()

    def backlogs(self) -> Iterator[Boot]:
        """Yield the boots that have something to deliver, the oldest first."""
        return (boot for boot in self.boots.values() if boot.held.count or boot.drops)

    def held_boots(self) -> tuple[str, ...]:
        """Return the ids of those boots: what the birth says."""
        return tuple(boot.boot_id for boot in self.backlogs())

    def apply(self, ack: StoreAck) -> list[Settled]:
        """Forget what is stored; return which windows that were. An unknown boot is counted and changes nothing."""
        settled = []
        for one in ack.acks:
            boot = self.boots.get(one.boot_id)
            if boot is None or one.seq > boot.last_seq:
                self.foreign_acks += 1
                continue
            settled += [Settled(boot, *span) for span in boot.acknowledge_up_to(one.seq)]
        for part in ack.stored:
            boot = self.boots.get(part.boot_id)
            if boot is not None:
                settled += [Settled(boot, *span) for span in boot.held.remove(part.first_seq, part.last_seq)]
        return settled
