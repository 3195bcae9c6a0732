"""Marker edges: a line that the host drives and the meter samples with the power ties both clocks together. Pure.

The host notes when it drove the line, from ``before`` to ``after``; the meter's samples say between which two of them
the level changed. Each such pair bounds how far the edge's device time is from where the arrival fit
(``firmware_bridge.clock``) puts it::

    edge - step - to_device(after)  <=  lag  <=  edge - to_device(before)

A meter that marks a sample when it is told to (``HostMark.commanded``) does so between the moment before the command
was written and the arrival of the bytes that hold the marked sample, as in F. Cristian, Probabilistic clock
synchronization, 1989. The edge brings its arrival along (``MarkerEdge.by_s``), and a sample ends before it arrives::

    edge - to_device(by)  <=  lag  <=  edge + step - to_device(before)

The step is for a meter that sets the mark after it has taken the time of the sample. Commands need to be
``COMMAND_SPACING_S`` apart: an edge must be told from that of the command before.

The lag is taken from where most marks agree (K. Marzullo, Maintaining the time in a distributed system, 1984: the
method that NTP selects its servers by). A mark whose edge the meter lost, an edge that nobody marked and a line that
bounced then change nothing, as long as most marks are true. What all true marks leave open is the uncertainty: it is
a bound, no statistics of arrival delays are in it.
"""

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Final, TypeAlias

import numpy as np

from firmware_bridge.samples import SampleBlock

INPUTS: Final = 8
MAX_EDGES: Final = 256
"""Edges of each input that are kept."""
MAX_BLOCK_EDGES: Final = 16
"""Of more edges of one input in one block the last ones are kept: what nothing drives may change at every sample."""
MAX_MARKS: Final = 64
MAX_CANDIDATES: Final = 16
"""A line with more edges than that in reach of one mark changes too fast for that mark to be told."""
MARKS_S: Final = 120.0
"""Marks older than the arrival fit looks back are not compared with it."""
RECTANGULAR: Final = 1.0 / 3.0**0.5
MIN_PAIRS: Final = 3
"""Fewer agreeing marks prove nothing: two meet by chance."""
AGREEING_RATIO: Final = 0.6
"""At least this share of the marks that have an edge in reach has to agree, and no other lag may suit as many."""

COMMAND_S: Final = 0.1
"""A command is carried out within this, whatever the host was busy with; else its mark is not told."""
COMMAND_SPACING_S: Final = 0.25

ToDevice: TypeAlias = Callable[[float], float]
Interval: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class MarkerEdge:
    """A marker input changed: at most ``step_s`` before ``t_device_s``. ``bit``: which input, from 0.

    ``by_s``: a host time by which it had happened, as its bytes had come; infinite where nobody took note.
    """

    t_device_s: float
    bit: int
    rising: bool
    step_s: float
    by_s: float = math.inf


@dataclass(frozen=True, slots=True)
class HostMark:
    """The host drove a marker line to a level between two host times. ``bit``: the meter's input, from 0.

    ``commanded``: no line, but a command that was written after ``before_s``; ``after_s`` is then when it must have
    been carried out at the latest, and may be far off.
    """

    before_s: float
    after_s: float
    rising: bool
    bit: int = 0
    commanded: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError where the mark ends before it begins, or names no input that a sample can hold."""
        if not 0 <= self.bit < INPUTS:
            raise ValueError(f"a marker input is a bit from 0 to {INPUTS - 1}, not {self.bit}")
        if not self.after_s >= self.before_s:
            raise ValueError(f"a mark cannot end ({self.after_s}) before it begins ({self.before_s})")


@dataclass(frozen=True, slots=True)
class MarkerEstimate:
    """How much later edges come, in device time, than the arrival fit says: ``lag_s`` +- ``limit_s`` (a bound).

    ``lag_u_s``: its standard uncertainty, the bound read as rectangular (JCGM 100:2008, 4.3.7). ``pairs``: marks that
    agree. ``unpaired``: marks with no edge that agrees, among those that the edges held reach. ``commanded``: they
    are commands, not a line.
    """

    lag_s: float
    limit_s: float
    pairs: int
    unpaired: int
    commanded: bool = False

    @property
    def lag_u_s(self) -> float:
        """Return the standard uncertainty of the lag."""
        return self.limit_s * RECTANGULAR


class EdgeFinder:
    """Finds the edges in the logic columns of one meter's blocks; ``interval_s``: its nominal sample interval.

    A sample's level was read some time within that sample, so an edge lies up to one interval further back than the
    end of the sample before it.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._level: int | None = None
        self._t_s = 0.0
        self.dropped = 0

    def restart(self) -> None:
        """Forget the level: the next block's times do not join on."""
        self._level = None

    def feed(self, block: SampleBlock, t_host_s: float = math.inf) -> list[MarkerEdge]:
        """Return the edges in a block that arrived at ``t_host_s``, and between it and the one before, by input."""
        logic, times_s = block.logic, block.t_device_s
        if logic is None:
            return []
        first = int(logic[0])
        before = first if self._level is None else self._level
        t_before_s = float(times_s[0]) if self._level is None else self._t_s
        self._level, self._t_s = int(logic[-1]), float(times_s[-1])
        if first == before and not (logic != first).any():
            return []
        changes = np.bitwise_xor(logic, np.concatenate(([np.uint8(before)], logic[:-1])))
        changed = int(np.bitwise_or.reduce(changes))
        edges: list[MarkerEdge] = []
        for bit in range(INPUTS):
            if changed >> bit & 1:
                at = np.flatnonzero(changes & np.uint8(1 << bit))
                self.dropped += max(len(at) - MAX_BLOCK_EDGES, 0)
                for index in at[-MAX_BLOCK_EDGES:].tolist():
                    t_s = float(times_s[index])
                    since_s = float(times_s[index - 1]) if index else t_before_s
                    step_s = t_s - since_s + self._interval_s
                    by_s = t_host_s - (self._t_s - t_s)
                    edges.append(MarkerEdge(t_s, bit, bool(logic[index] >> bit & 1), step_s, by_s))
        return edges


class MarkerClock:
    """Pairs the latest marks with the latest edges of each input; the oldest go. Not thread-safe."""

    def __init__(self) -> None:
        self._edges = tuple(deque[MarkerEdge](maxlen=MAX_EDGES) for _ in range(INPUTS))
        self._marks: deque[HostMark] = deque(maxlen=MAX_MARKS)
        self._began_s = -math.inf

    @property
    def edges(self) -> tuple[MarkerEdge, ...]:
        """Return the edges that are held, in order of time."""
        return tuple(sorted(chain.from_iterable(self._edges), key=lambda edge: edge.t_device_s))

    @property
    def has_marks(self) -> bool:
        """Is there any mark that edges could be compared with?"""
        return bool(self._marks)

    def add_edges(self, edges: Iterable[MarkerEdge]) -> None:
        """Take edges in order of time."""
        for edge in edges:
            self._edges[edge.bit].append(edge)

    def add_mark(self, mark: HostMark) -> None:
        """Take what the host did to the line."""
        self._marks.append(mark)

    def restart(self) -> None:
        """Say that the device clock is a new one: what was paired so far says nothing of it. Edges are still shown."""
        self._marks.clear()
        self._began_s = max((edges[-1].t_device_s for edges in self._edges if edges), default=-math.inf)

    def estimate(
        self, to_device: ToDevice, *, reach_s: float, drift_u_ratio: float, now_s: float
    ) -> MarkerEstimate | None:
        """Return the lag on which most marks agree; None while too few do, or where two lags would suit as well.

        ``to_device``: the arrival fit. ``reach_s``: how far an edge may be from where it says. ``drift_u_ratio``: the
        standard uncertainty of its slope, which widens each pair by its age at host time ``now_s``.
        """
        marks = [mark for mark in self._marks if mark.before_s >= now_s - MARKS_S]
        lines = {(mark.bit, mark.rising): self._line(mark.bit, mark.rising) for mark in marks}

        def agree_on(*, commanded: bool) -> MarkerEstimate | None:
            candidates = []
            for mark in marks:
                if mark.commanded == commanded:
                    slack_s = 2.0 * drift_u_ratio * max(now_s - mark.before_s, 0.0)
                    line = lines[mark.bit, mark.rising]
                    find = line.commanded_lags if commanded else line.lags
                    candidates.append(find(mark, to_device, slack_s, reach_s))
            return most_agree([lags for lags in candidates if lags])

        by_line = agree_on(commanded=False)
        by_command = agree_on(commanded=True) if by_line is None else None
        return by_line if by_command is None else replace(by_command, commanded=True)

    def _line(self, bit: int, rising: bool) -> "_Line":  # noqa: FBT001 a level
        edges = self._edges[bit]
        return _Line([edge for edge in edges if edge.rising == rising and edge.t_device_s > self._began_s])


class _Line:
    """The rising or the falling edges of one input, in order of time."""

    def __init__(self, edges: list[MarkerEdge]) -> None:
        self._edges = edges
        self._times_s = [edge.t_device_s for edge in edges]

    def lags(self, mark: HostMark, to_device: ToDevice, slack_s: float, reach_s: float) -> list[Interval]:
        """Return the lags (low, high), joined, for which an edge suits this mark of a line."""
        from_s, until_s = to_device(mark.before_s) - slack_s, to_device(mark.after_s) + slack_s
        near = self._near(from_s, until_s, reach_s)
        return _joined([(edge.t_device_s - edge.step_s - until_s, edge.t_device_s - from_s) for edge in near])

    def commanded_lags(self, mark: HostMark, to_device: ToDevice, slack_s: float, reach_s: float) -> list[Interval]:
        """Return the lags for which an edge suits this command: none that was there before it was written."""
        from_s, until_s = to_device(mark.before_s) - slack_s, to_device(mark.after_s) + slack_s
        lags = []
        for edge in self._near(from_s, until_s, reach_s):
            low = edge.t_device_s - to_device(min(edge.by_s, mark.after_s)) - slack_s
            high = edge.t_device_s + edge.step_s - from_s
            if low <= high:
                lags.append((low, high))
        return _joined(lags)

    def _near(self, from_s: float, until_s: float, reach_s: float) -> list[MarkerEdge]:
        """Return the edges within reach of these device times; none where there are too many to tell."""
        first = bisect_left(self._times_s, from_s - reach_s)
        near = [
            edge
            for edge in self._edges[first : first + MAX_CANDIDATES + 1]
            if edge.t_device_s - edge.step_s <= until_s + reach_s
        ]
        return near if len(near) <= MAX_CANDIDATES else []


def most_agree(candidates: list[list[Interval]]) -> MarkerEstimate | None:
    """Return where the most marks agree, each of them with one or more intervals (low, high) that suit it.

    None where fewer than ``MIN_PAIRS`` or ``AGREEING_RATIO`` of them do, or where some other lag suits as many again.
    """
    regions = _regions(candidates)
    if not regions:
        return None
    pairs = max(count for _, _, count in regions)
    best = [(low, high) for low, high, count in regions if count == pairs]
    low, high = best[0][0], best[-1][1]
    width_s = max(b - a for intervals in candidates for a, b in intervals)
    if pairs < max(MIN_PAIRS, AGREEING_RATIO * len(candidates)) or high - low > width_s:
        return None
    for other_low, other_high, count in regions:
        is_elsewhere = other_low > high + width_s or other_high < low - width_s
        if is_elsewhere and count >= AGREEING_RATIO * pairs:
            return None
    return MarkerEstimate((low + high) / 2.0, (high - low) / 2.0, pairs, len(candidates) - pairs)


def _joined(intervals: list[Interval]) -> list[Interval]:
    """Join the intervals of one mark that overlap, so that no mark is counted twice in one place."""
    joined: list[Interval] = []
    for low, high in sorted(intervals):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return joined


def _regions(candidates: list[list[Interval]]) -> list[tuple[float, float, int]]:
    """Return the pieces of the axis between all ends of intervals, each with how many intervals hold it."""
    ends = sorted(
        (at, kind) for intervals in candidates for low, high in intervals for at, kind in ((low, -1), (high, 1))
    )
    regions: list[tuple[float, float, int]] = []
    count = 0
    for (at, kind), (following, _) in pairwise(ends):
        count -= kind
        if count:
            regions.append((at, following, count))
    return regions
