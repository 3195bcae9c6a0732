"""Samples become joules: a cumulative register that integrates exactly and never across a gap. Pure."""

import math
from dataclasses import fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.compensated import CompensatedSum
from firmware_bridge.driver import DataSheet
from firmware_bridge.history import KnotHistory
from firmware_bridge.increments import (
    BETWEEN,
    BOUND,
    COLUMNS,
    COUNT,
    COUNTER,
    DOUBT,
    ENERGY,
    GAP,
    LOST,
    OPEN,
    RESETS,
    RESOLUTION,
    Increments,
    Many,
    T,
    before,
    with_gaps,
)
from firmware_bridge.own_counter import OwnCounter
from firmware_bridge.samples import F64, EnergyDelta, EnergyReading, SampleBlock, SampleFlag

KNOT_S: Final = 1e-3
"""The history holds one point (knot) per millisecond at most; between knots the register is linear."""
_KNOTS_HZ: Final = 1.0 / KNOT_S
_EARLY_KNOTS: Final = 1e-3
"""A time of the millisecond grid may be rounded to just below it: a microsecond early still counts as that one."""

CLOCKS_APART_RATIO: Final = 1e-4
"""A meter counts its joules on a crystal of its own, which is within 100 ppm of the clock that samples are put on."""

_FIELDS: Final = tuple(field.name for field in fields(EnergyReading))


class EnergyRegister:
    """Integrates sample blocks on the device clock. Not thread-safe.

    Sampling ``mean``: a sample covers the time since the last one if that is at most ``max_interval_s``; else it
    covers one nominal interval and the rest is gap. Sampling ``point``: trapezoid between two samples at most
    ``max_interval_s`` apart, else gap. In both ``covered_s + gap_s`` is the time since the stream began.

    ``limit_w``: the most that the supply can deliver, if known; it bounds what a gap may hide. Without it the bound
    is the meter's largest current at the higher of the voltages beside the gap.
    """

    def __init__(self, sheet: DataSheet, *, history: KnotHistory | None = None, limit_w: float | None = None) -> None:
        self._sheet = sheet
        self._is_limited = limit_w is not None
        self._increments = Increments(sheet, limit_w)
        self._counter = None if sheet.counter_step_j is None else OwnCounter(sheet.counter_step_j)
        self._first_v = self._last_v = 0.0
        self._totals = CompensatedSum(COLUMNS)
        self._t_start_s: float | None = None
        self._t_end_s = 0.0
        self._last_power_w: float | None = None
        self._last_u_w = 0.0
        self._bin = -1
        self._history = KnotHistory() if history is None else history

    def add(self, block: SampleBlock, power_u_w: F64, power_step_w: F64 | None = None) -> None:
        """Integrate a block; ``power_u_w`` (shape ``(n,)``) is each sample's systematic standard uncertainty.

        ``power_step_w`` (shape ``(n,)``): the display's step as power at each sample, None for none.
        Samples that are not later than what is integrated already (they came after their time was declared a gap)
        or whose power is not finite are counted as lost.
        """
        if self._t_start_s is None:
            self._start(float(block.t_device_s[0]), abs(float(block.voltage_v[0])))
        step_w = np.zeros(len(block)) if power_step_w is None else power_step_w
        if len(block) == 1:
            self._add_one(block, float(power_u_w[0]), float(step_w[0]))
        else:
            self._add_many(block, power_u_w, step_w)
        self._history.forget(self._t_end_s)

    def add_lost(self, count: float) -> None:
        """Count samples that the decoder knows to be lost."""
        self._totals.add([(LOST, count)])

    def add_gap_until(self, t_device_s: float) -> None:
        """Declare that nothing was measured from the last sample to ``t_device_s``; later samples go on from there."""
        if self._t_start_s is None:
            return
        self._knot_here()
        if t_device_s > self._t_end_s:
            gap_s = t_device_s - self._t_end_s
            bound_j = gap_s * self._increments.limit(self._last_v)
            if self._counter is not None:
                self._counter.gap(bound_j)
            self._add_gap(t_device_s, gap_s, bound_j)
            self._knot_here()
            self._last_power_w = None
            self._history.forget(self._t_end_s)

    def begin_anew(self) -> None:
        """Say that the meter was reset or exchanged: nothing joins its next sample, or its counter, to the last."""
        self._last_power_w = None
        if self._counter is not None:
            self._counter.begin_anew()

    def first(self) -> EnergyReading | None:
        """Return the register at the stream's begin, None before the first sample."""
        start_s = self._t_start_s
        return None if start_s is None else self._reading(np.array([start_s, *(0.0,) * (COLUMNS - 1)]))

    def latest(self) -> EnergyReading:
        """Return the register after the last sample (all zero before the first)."""
        return self._reading(self._knot())

    def reading_at(self, t_device_s: float) -> EnergyReading | None:
        """Return the register at ``t_device_s``, None if samples have not reached it.

        Before the stream began the reading is zero energy and a negative gap, so that a span which begins there
        gets its missing head as gap. The history is exact for a minute and goes by seconds for two hours; older
        than that, it is the oldest reading held, with its own time.
        """
        if self._t_start_s is not None and t_device_s < self._t_start_s:
            knot = np.zeros(COLUMNS)
            gap_s = t_device_s - self._t_start_s
            knot[[T, GAP, BOUND]] = t_device_s, gap_s, gap_s * self._increments.limit(self._first_v)
            return self._reading(knot)
        found = self._history.at(t_device_s)
        return None if found is None else self._reading(found)

    @property
    def end_s(self) -> float | None:
        """Return the device time that is accounted for (covered or gap), None before the first sample."""
        return None if self._t_start_s is None else self._t_end_s

    def _start(self, first_s: float, first_v: float) -> None:
        self._first_v = self._last_v = first_v
        self._t_start_s = self._t_end_s = first_s - self._increments.alone_s
        self._bin = math.floor(self._t_end_s * _KNOTS_HZ + _EARLY_KNOTS)
        self._history.append(self._knot()[np.newaxis, :])

    def _reading(self, knot: NDArray[np.float64]) -> EnergyReading:
        values = dict(zip(_FIELDS, knot.tolist(), strict=True))
        if self._counter is None or not self._counter.seen:
            values["counter_j"] = None
        return EnergyReading(**values)

    def _add_one(self, block: SampleBlock, u_w: float, step_w: float) -> None:
        """Integrate a block of one sample, shape ``(1,)``: as ``_add_many``, in plain floats."""
        t_s, power_w, volts = float(block.t_device_s[0]), float(block.power_w[0]), abs(float(block.voltage_v[0]))
        if t_s < self._earliest_s or not math.isfinite(power_w):
            self.add_lost(1.0)
            return
        flags = 0 if block.flags is None else int(block.flags[0])
        before_w = power_w if self._last_power_w is None else self._last_power_w
        dt_s = t_s - self._t_end_s
        covered_s = self._increments.covered_by_one(dt_s, joined=self._last_power_w is not None)
        gap_s = dt_s - covered_s
        bound_j = gap_s * self._increments.limit(max(volts, self._last_v))
        added = self._increments.added(covered_s, power_w, before_w, u_w, self._last_u_w)
        added[RESOLUTION] = step_w * covered_s
        added[COUNT] = 0.0 if flags & SampleFlag.STALE else 1.0
        if self._is_limited and flags & SampleFlag.SATURATED:
            added[BOUND] = self._increments.hidden_j(power_w, covered_s)
        if self._counter is not None:
            shown_j = math.nan if block.counter_j is None else float(block.counter_j[0])
            counted = self._counter.advance_one(shown_j, added[ENERGY], bound_j, added.get(BETWEEN, 0.0))
            added[COUNTER], added[RESETS], added[OPEN], doubt_j = counted
            added[DOUBT] = doubt_j + 2.0 * covered_s * max(-min(power_w, before_w), 0.0)
        if gap_s:
            self._add_gap(t_s - covered_s, gap_s, bound_j)
        self._add_row(t_s, added)
        self._last_power_w, self._last_u_w, self._last_v = power_w, u_w, volts

    def _add_gap(self, t_s: float, gap_s: float, bound_j: float) -> None:
        """Add a gap that ends at ``t_s``, between two knots if it is longer than they are apart."""
        if gap_s > KNOT_S:
            self._knot_here()
        self._add_row(t_s, {GAP: gap_s, BOUND: bound_j, OPEN: bound_j})
        if gap_s > KNOT_S:
            self._knot_here()

    def _add_row(self, t_s: float, added: dict[int, float]) -> None:
        """Add what happened until ``t_s``; a knot at the first of each millisecond."""
        self._totals.add(added.items())
        self._t_end_s = t_s
        last, self._bin = self._bin, math.floor(t_s * _KNOTS_HZ + _EARLY_KNOTS)
        if self._bin != last:
            self._knot_here()

    def _add_many(self, block: SampleBlock, u_w: F64, step_w: F64) -> None:
        """Integrate a block. A column that none of its samples adds to has no array."""
        good = np.isfinite(block.power_w) & (block.t_device_s >= self._earliest_s)
        if not good.all():
            self.add_lost(float(len(good) - np.count_nonzero(good)))
            if not good.any():
                return
            block, u_w, step_w = _only(block, good), u_w[good], step_w[good]
        t_s, power_w, flags = block.t_device_s, block.power_w, block.flags
        last_w, increments = self._last_power_w, self._increments
        before_w, before_u_w = power_w, u_w
        if increments.looks_back:
            before_w = before(power_w, float(power_w[0]) if last_w is None else last_w)
            before_u_w = before(u_w, self._last_u_w)
        dt_s = t_s - before(t_s, self._t_end_s)
        covered_s = increments.covered(dt_s, joined=last_w is not None)
        added = increments.added(covered_s, power_w, before_w, u_w, before_u_w)
        added[RESOLUTION] = step_w * covered_s
        if flags is not None:
            added[COUNT] = (flags & SampleFlag.STALE == 0).astype(np.float64)
            if self._is_limited:
                added[BOUND] = increments.hidden_j(power_w, covered_s) * (flags & SampleFlag.SATURATED != 0)
        gap_s = bound_j = None
        if covered_s is not dt_s:
            volts = np.abs(block.voltage_v)
            gap_s = dt_s - covered_s
            bound_j = gap_s * increments.limit(np.maximum(volts, before(volts, self._last_v)))
        if self._counter is not None:
            counted = self._counter.advance(block.counter_j, added[ENERGY], bound_j, added.get(BETWEEN))
            added[COUNTER], added[RESETS], added[OPEN], doubt_j = counted
            added[DOUBT] = doubt_j + 2.0 * covered_s * np.maximum(-np.minimum(power_w, before_w), 0.0)
        if gap_s is not None and bound_j is not None:
            t_s, added = with_gaps(t_s, added, gap_s, bound_j)
        self._add_rows(t_s, added)
        self._last_power_w, self._last_u_w = float(power_w[-1]), float(u_w[-1])
        self._last_v = abs(float(block.voltage_v[-1]))

    def _add_rows(self, t_s: F64, added: Many) -> None:
        """Add rows that end at ``t_s``; a knot at the first of each millisecond and around each longer gap."""
        bins = np.floor(t_s * _KNOTS_HZ + _EARLY_KNOTS)
        is_knot = bins != before(bins, self._bin)
        if GAP in added and (added[GAP] > KNOT_S).any():
            long_gaps = np.flatnonzero(added[GAP] > KNOT_S)
            is_knot[long_gaps] = True
            is_knot[np.maximum(long_gaps - 1, 0)] = True
            if long_gaps[0] == 0:
                self._knot_here()
        ends = np.flatnonzero(is_knot) + 1
        starts = np.concatenate(([0], ends)) if not len(ends) or ends[-1] < len(bins) else np.append(0, ends[:-1])
        sums = np.zeros((COLUMNS, len(starts)))
        for column, values in added.items():
            np.add.reduceat(values, starts, out=sums[column])
        if COUNT not in added:
            sums[COUNT] = np.diff(starts, append=len(t_s))
        if len(ends):
            knots = np.array(self._totals.values) + np.cumsum(sums[:, : len(ends)], axis=1).T
            knots[:, T] = t_s[ends - 1]
            self._history.append(knots)
        self._totals.add(enumerate(sums.sum(axis=1).tolist()))
        self._t_end_s = float(t_s[-1])
        self._bin = int(bins[-1])

    @property
    def _earliest_s(self) -> float:
        """Return the least time that is not accounted for yet; points begin with one that covers nothing."""
        is_first_point = not self._increments.is_mean and self._totals.value(COUNT) == 0.0
        return self._t_end_s if is_first_point else math.nextafter(self._t_end_s, math.inf)

    def _knot_here(self) -> None:
        knot, last = self._knot(), self._history.last
        if last is None or not np.array_equal(last, knot):
            self._history.append(knot[np.newaxis, :])

    def _knot(self) -> NDArray[np.float64]:
        knot = np.array(self._totals.values)
        knot[T] = self._t_end_s
        return knot


def _only(block: SampleBlock, good: NDArray[np.bool_]) -> SampleBlock:
    """Return some of a block's samples, with the columns that are integrated."""
    return replace(
        block,
        t_device_s=block.t_device_s[good],
        voltage_v=block.voltage_v[good],
        power_w=block.power_w[good],
        flags=None if block.flags is None else block.flags[good],
        counter_j=None if block.counter_j is None else block.counter_j[good],
    )


def energy_between(a: EnergyReading, b: EnergyReading) -> EnergyDelta:
    """Return what happened from reading ``a`` to the later reading ``b`` of the same register."""
    covered_s = b.covered_s - a.covered_s
    energy_j = b.energy_j - a.energy_j
    mean_power_w = energy_j / covered_s if covered_s > 0.0 else None
    variance_w2 = 0.0
    if mean_power_w is not None:
        variance_w2 = (b.power_sq_w2s - a.power_sq_w2s) / covered_s - mean_power_w * mean_power_w
    return EnergyDelta(
        duration_s=b.t_device_s - a.t_device_s,
        energy_j=energy_j,
        energy_u_systematic_j=b.energy_u_systematic_j - a.energy_u_systematic_j,
        covered_s=covered_s,
        gap_s=b.gap_s - a.gap_s,
        sample_count=b.sample_count - a.sample_count,
        lost_count=b.lost_count - a.lost_count,
        mean_power_w=mean_power_w,
        power_sd_w=max(variance_w2, 0.0) ** 0.5,
        resolution_j=b.resolution_j - a.resolution_j,
        gap_bound_j=max(b.gap_bound_j - a.gap_bound_j, 0.0),
        counter_j=None if a.counter_j is None or b.counter_j is None else b.counter_j - a.counter_j,
        counter_resets=b.counter_resets - a.counter_resets,
        counter_open_j=max(a.counter_open_j, 0.0) + max(b.counter_open_j, 0.0) + b.counter_doubt_j - a.counter_doubt_j,
        between_bound_j=b.between_bound_j - a.between_bound_j,
    )


def energy_limits_j(delta: EnergyDelta, sheet: DataSheet) -> tuple[float, float]:
    """Return the least and the most that was drawn, as this meter measures: low and high in joules.

    The gap adds up to ``gap_bound_j``, samples with a load that moves between them leave ``between_bound_j``. The
    meter's own counter, where it has one, saw all of it: it bounds the whole from both sides to one of its steps
    (and what is open at either end since it was read last, and what its clock may be off); from below only once it
    began anew. What flows backwards it may leave out or count as drawn: twice that is left open, but in a gap it is
    taken that nothing does. Limits that contradict each other (low > high) say that counter and samples disagree.
    """
    low_j = delta.energy_j - delta.between_bound_j
    high_j = delta.energy_j + delta.between_bound_j + delta.gap_bound_j
    if delta.counter_j is None or sheet.counter_step_j is None:
        return low_j, high_j
    clocks_j = CLOCKS_APART_RATIO * abs(delta.counter_j)
    slack_j = sheet.counter_step_j + delta.resolution_j + delta.counter_open_j + clocks_j
    low_j = max(low_j, delta.counter_j - slack_j)
    return low_j, high_j if delta.counter_resets else min(high_j, delta.counter_j + slack_j)
