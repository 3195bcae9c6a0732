"""Samples become joules: a cumulative register that integrates exactly and never across a gap. Pure."""

from dataclasses import fields
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.driver import DataSheet
from firmware_bridge.history import KnotHistory
from firmware_bridge.own_counter import OwnCounter
from firmware_bridge.samples import F64, EnergyDelta, EnergyReading, SampleBlock, SampleFlag

KNOT_S: Final = 1e-3
"""The history holds one point (knot) per millisecond at most; between knots the register is linear."""

CLOCKS_APART_RATIO: Final = 1e-4
"""A meter counts its joules on a crystal of its own, which is within 100 ppm of the clock that samples are put on."""

ROUNDING_S: Final = 1e-9
"""Differences of times in float64 are good to about 1e-11 s in the first day; less than this is no gap."""

# Columns of a knot, in the order of EnergyReading's fields.
_COLUMNS: Final = 15
_T, _ENERGY, _U, _POWER_SQ, _COVERED, _GAP, _COUNT, _LOST, _RESOLUTION, _BOUND, _COUNTER, _RESETS = range(12)
_BETWEEN, _OPEN, _DOUBT = range(12, _COLUMNS)
_FIELDS: Final = tuple(field.name for field in fields(EnergyReading))
_Volts = TypeVar("_Volts", float, F64)


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
        self._limit_w = limit_w
        self._by_arrival = sheet.clock == "host_arrival"
        self._mean_s = max(sheet.sample_interval_s, sheet.refresh_interval_s or 0.0)
        self._counter = OwnCounter(sheet.counter_step_j or 0.0)
        self._first_v = self._last_v = 0.0
        self._totals = _CompensatedSum(_COLUMNS)
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
        good = self._usable(block)
        if not good.any():
            return
        step_w = np.zeros(len(good)) if power_step_w is None else power_step_w
        fresh = np.ones(len(good)) if block.flags is None else (block.flags & SampleFlag.STALE == 0).astype(np.float64)
        columns = block.t_device_s, block.power_w, power_u_w, step_w, block.voltage_v, fresh
        t_s, power_w, u_w, step_w, volts, fresh = columns if good.all() else (column[good] for column in columns)
        gap_s, rows = self._increments(np.diff(t_s, prepend=self._t_end_s), power_w, u_w)
        rows[_RESOLUTION] = step_w * rows[_COVERED]
        rows[_COUNT] = fresh
        volts = np.abs(volts)
        if self._limit_w is not None and block.flags is not None:
            pinned = (block.flags[good] & SampleFlag.SATURATED) != 0
            rows[_BOUND] = np.where(pinned, np.maximum(self._limit_w - power_w, 0.0) * rows[_COVERED], 0.0)
        gap_bound_j = gap_s * self._limit(np.maximum(volts, np.concatenate(([self._last_v], volts[:-1]))))
        if self._sheet.counter_step_j is not None:
            shown_j = None if block.counter_j is None else block.counter_j[good]
            counted = self._counter.advance(shown_j, rows[_ENERGY], gap_bound_j, rows[_BETWEEN])
            before_w = np.concatenate(([self._last_power_w or 0.0], power_w[:-1]))
            doubt_j = counted.doubt_j + 2.0 * rows[_COVERED] * np.maximum(-np.minimum(power_w, before_w), 0.0)
            rows[[_COUNTER, _RESETS, _OPEN, _DOUBT]] = counted.moved_j, counted.resets, counted.open_j, doubt_j
        rows, is_gap = _with_gap_rows(t_s, gap_s, gap_bound_j, rows)
        self._add_rows(rows, is_gap)
        self._last_power_w = float(power_w[-1])
        self._last_u_w = float(u_w[-1])
        self._last_v = float(volts[-1])
        self._history.forget(self._t_end_s)

    def add_lost(self, count: float) -> None:
        """Count samples that the decoder knows to be lost."""
        self._totals.add_at(_LOST, count)

    def add_gap_until(self, t_device_s: float) -> None:
        """Declare that nothing was measured from the last sample to ``t_device_s``; later samples go on from there."""
        if self._t_start_s is None:
            return
        self._knot_here()
        if t_device_s > self._t_end_s:
            gap = np.zeros((_COLUMNS, 1))
            gap_s = t_device_s - self._t_end_s
            bound_j = gap_s * self._limit(self._last_v)
            gap[[_T, _GAP, _BOUND, _OPEN], 0] = t_device_s, gap_s, bound_j, bound_j
            self._counter.gap(bound_j)
            self._add_rows(gap, np.array([True]))
            self._knot_here()
            self._last_power_w = None
            self._history.forget(self._t_end_s)

    def begin_anew(self) -> None:
        """Say that the meter was reset or exchanged: nothing joins its next sample, or its counter, to the last."""
        self._last_power_w = None
        self._counter.begin_anew()

    def first(self) -> EnergyReading | None:
        """Return the register at the stream's begin, None before the first sample."""
        start_s = self._t_start_s
        return None if start_s is None else self._reading(np.array([start_s, *(0.0,) * (_COLUMNS - 1)]))

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
            before = np.zeros(_COLUMNS)
            gap_s = t_device_s - self._t_start_s
            before[[_T, _GAP, _BOUND]] = t_device_s, gap_s, gap_s * self._limit(self._first_v)
            return self._reading(before)
        knot = self._history.at(t_device_s)
        return None if knot is None else self._reading(knot)

    @property
    def end_s(self) -> float | None:
        """Return the device time that is accounted for (covered or gap), None before the first sample."""
        return None if self._t_start_s is None else self._t_end_s

    def _start(self, first_s: float, first_v: float) -> None:
        self._first_v = self._last_v = first_v
        head_s = self._sheet.sample_interval_s if self._sheet.sampling == "mean" else 0.0
        self._t_start_s = self._t_end_s = first_s - head_s
        self._bin = int(_bin_of(np.array([self._t_end_s]))[0])
        self._history.append(self._knot()[np.newaxis, :])

    def _limit(self, volts: _Volts) -> _Volts:
        """Return the most power that there can have been beside these voltages."""
        if self._limit_w is not None:
            return volts * 0.0 + self._limit_w
        return volts * self._sheet.ranges[-1].max_current_a

    def _reading(self, knot: NDArray[np.float64]) -> EnergyReading:
        values = dict(zip(_FIELDS, knot.tolist(), strict=True))
        if self._sheet.counter_step_j is None or not self._counter.seen:
            values["counter_j"] = None
        return EnergyReading(**values)

    def _usable(self, block: SampleBlock) -> NDArray[np.bool_]:
        t_s, power_w = block.t_device_s, block.power_w
        bound = self._t_end_s
        first_point = self._sheet.sampling == "point" and self._totals.values[_COUNT] == 0.0
        late = t_s < bound if first_point else t_s <= bound
        good = np.isfinite(power_w) & ~late
        if not good.all():
            self.add_lost(float(len(good) - np.count_nonzero(good)))
        return good

    def _increments(self, dt_s: F64, power_w: F64, u_w: F64) -> tuple[F64, NDArray[np.float64]]:
        """Return the seconds of gap before each sample, and the row of what each adds (its time still 0)."""
        in_time = dt_s <= self._sheet.max_interval_s
        ones, none = np.ones_like(dt_s), np.zeros_like(dt_s)
        if self._sheet.sampling == "mean":
            if self._last_power_w is None:
                in_time[0] = False
            in_time |= dt_s <= self._sheet.sample_interval_s + ROUNDING_S
            covered_s = np.where(in_time, dt_s, self._sheet.sample_interval_s)
            energy_j = power_w * covered_s
            beyond_j = self._beyond_mean_j(power_w, covered_s) if self._by_arrival else none
            square = power_w * energy_j
            u_j = u_w * covered_s
            columns = (none, energy_j, u_j, square, covered_s, none, ones, *(none,) * 5, beyond_j, none, none)
        else:
            if self._last_power_w is None:
                in_time[0] = False
            first_w = np.concatenate(([self._last_power_w or 0.0], power_w[:-1]))
            first_u_w = np.concatenate(([self._last_u_w], u_w[:-1]))
            covered_s = np.where(in_time, dt_s, 0.0)
            power_sq_w2 = 0.5 * (first_w * first_w + power_w * power_w)
            energy_j = (first_w + power_w) * (0.5 * covered_s)
            u_j = (first_u_w + u_w) * (0.5 * covered_s)
            between_j = np.abs(power_w - first_w) * (0.5 * covered_s)
            square = power_sq_w2 * covered_s
            columns = (none, energy_j, u_j, square, covered_s, none, ones, *(none,) * 5, between_j, none, none)
        return dt_s - covered_s, np.stack(columns)

    def _beyond_mean_j(self, power_w: F64, covered_s: F64) -> F64:
        """Return what means may be off that count for longer than they were taken over: an answer is missing."""
        steps_w = np.abs(np.diff(power_w, prepend=power_w[0] if self._last_power_w is None else self._last_power_w))
        beyond_j: F64 = steps_w * np.maximum(covered_s - self._mean_s, 0.0)
        return beyond_j

    def _add_rows(self, rows: NDArray[np.float64], is_gap: NDArray[np.bool_]) -> None:
        """Add rows of shape ``(_COLUMNS, n)``; a knot at the first of each millisecond and around each longer gap."""
        bins = _bin_of(rows[_T])
        is_knot = np.diff(bins, prepend=self._bin) != 0
        long_gaps = np.flatnonzero(is_gap & (rows[_GAP] > KNOT_S))
        if len(long_gaps):
            is_knot[long_gaps] = True
            is_knot[np.maximum(long_gaps - 1, 0)] = True
            if long_gaps[0] == 0:
                self._knot_here()
        ends = np.flatnonzero(is_knot) + 1
        starts = np.concatenate(([0], ends)) if not len(ends) or ends[-1] < len(bins) else np.append(0, ends[:-1])
        sums = np.add.reduceat(rows, starts, axis=1)
        if len(ends):
            knots = self._totals.values + np.cumsum(sums[:, : len(ends)], axis=1).T
            knots[:, _T] = rows[_T, ends - 1]
            self._history.append(knots)
        sums[_T] = 0.0
        self._totals.add(sums.sum(axis=1))
        self._t_end_s = float(rows[_T, -1])
        self._bin = int(bins[-1])

    def _knot_here(self) -> None:
        knot, last = self._knot(), self._history.last
        if last is None or not np.array_equal(last, knot):
            self._history.append(knot[np.newaxis, :])

    def _knot(self) -> NDArray[np.float64]:
        knot = self._totals.values
        knot[_T] = self._t_end_s
        return knot


def _bin_of(t_s: F64) -> NDArray[np.int64]:
    """Return the millisecond that each time is in."""
    return np.floor(t_s * (1.0 / KNOT_S)).astype(np.int64)


class _CompensatedSum:
    """Neumaier's compensated sum of vectors: the error does not grow with the number of terms.

    A. Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, ZAMM 54 (1974).
    """

    def __init__(self, width: int) -> None:
        self._sum = np.zeros(width)
        self._lost = np.zeros(width)

    @property
    def values(self) -> NDArray[np.float64]:
        return self._sum + self._lost

    def add(self, terms: NDArray[np.float64]) -> None:
        total = self._sum + terms
        larger_is_sum = np.abs(self._sum) >= np.abs(terms)
        self._lost += np.where(larger_is_sum, (self._sum - total) + terms, (terms - total) + self._sum)
        self._sum = total

    def add_at(self, column: int, term: float) -> None:
        terms = np.zeros_like(self._sum)
        terms[column] = term
        self.add(terms)


def _with_gap_rows(
    t_s: F64, gap_s: F64, bound_j: F64, rows: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Put a row for each gap before the sample that ends it, and the end time into every row."""
    rows[_T] = t_s
    before = np.flatnonzero(gap_s)
    is_gap = np.zeros(len(t_s) + len(before), dtype=np.bool_)
    if len(before):
        gaps = np.zeros((_COLUMNS, len(before)))
        gaps[_T] = t_s[before] - rows[_COVERED, before]
        gaps[_GAP] = gap_s[before]
        gaps[_BOUND] = gaps[_OPEN] = bound_j[before]
        rows = np.insert(rows, before, gaps, axis=1)
        is_gap[before + np.arange(len(before))] = True
    return rows, is_gap


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
