"""Find a load that the host produced in a meter's samples: by how much later the samples show it. Pure.

With ``x_i(lag)`` the share of sample i during which the load was busy if the samples are late by ``lag``, power is
``a + b x_i``. The two are fitted by least squares for each lag; what is left over, S(lag), says how well the lag
suits: for white noise of unknown size its probability goes as S(lag)^(-(n - 2) / 2) (G. L. Bretthorst, Bayesian
spectrum analysis and parameter estimation, 1988, 2.4). Mean and standard deviation of that are taken, and not the
lowest S: for samples of an instant S is flat wherever no edge meets a sample.

Real loads are no white noise. So the same is done with one part in ``GROUPS`` of the samples left out at a time
(the jackknife, J. W. Tukey 1958), and the larger of both uncertainties counts. The limit is three of them: coverage
over seeds, meters, rates and noise in tests/unit/firmware_bridge/test_steps_coverage.py.

A meter that averages in a way of its own (a filter, a slow display) gives the lag of its effective middle. A load that
rises otherwise than it falls moves the lag, in every part alike: no figure here sees that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_bridge.driver import Sampling
from firmware_bridge.samples import F64
from firmware_bridge.step_trace import StepSamples

GROUPS: Final = 8
LIMIT_FACTOR: Final = 3.0
MIN_SAMPLES: Final = 12
MIN_SIGNIFICANCE: Final = 8.0
"""The load's step over its standard uncertainty: the search looks at hundreds of lags, and noise suits one of them."""
SECOND_RATIO: Final = 0.7
"""A second place that explains this share of what the best one does leaves open which of the two it is."""
ALL: Final = -1
GRID: Final = 160
MAX_COARSE: Final = 4000
ZOOMS: Final = 12
NEGLIGIBLE: Final = 30.0
"""Of less than e to the minus this in relative probability nothing is expected."""
FLOOR_RATIO: Final = 1e-4
"""Of the step: nothing is less noisy."""


@dataclass(frozen=True, slots=True)
class StepAlignment:
    """By how much later than the host did it the samples show the load, and how well that is known.

    ``lag_u_s``: standard uncertainty. ``residual_s``: limit (+-) that holds the true lag.
    ``idle_w``, ``step_w``: the two constants of the fit. ``r2_ratio``: share of the samples' variance that it
    explains. ``second_ratio``: what the best place elsewhere explains, as a share of that.
    ``t_s``: the middle of the load as the host did it, on the clock of the samples; ``t_host_s`` on the host's own,
    where that is another.
    """

    lag_s: float
    lag_u_s: float
    residual_s: float
    idle_w: float
    step_w: float
    r2_ratio: float
    second_ratio: float
    sample_count: int
    t_s: float
    t_host_s: float | None = None


def find_lag(
    busy_s: Sequence[tuple[float, float]],
    samples: StepSamples,
    *,
    sampling: Sampling,
    search_s: tuple[float, float],
    chip_s: float = 0.0,
) -> StepAlignment | None:
    """Return where the load that was busy from ``begin`` to ``end`` is found, None where it cannot be told.

    ``busy_s`` and ``samples`` on one clock; ``search_s``: the lowest and the highest lag. ``chip_s``: shortest time
    between two changes, taken from ``busy_s`` where it is 0.
    """
    found = find_lag_or_why(busy_s, samples, sampling=sampling, search_s=search_s, chip_s=chip_s)
    return None if isinstance(found, str) else found


def find_lag_or_why(
    busy_s: Sequence[tuple[float, float]],
    samples: StepSamples,
    *,
    sampling: Sampling,
    search_s: tuple[float, float],
    chip_s: float = 0.0,
) -> StepAlignment | str:
    """Return what ``find_lag`` does, and one sentence in place of None."""
    if not busy_s or len(samples) < MIN_SAMPLES:
        return f"{len(samples)} samples came while the load was busy {len(busy_s)} times: too few"
    edges_s: F64 = np.array(busy_s, dtype=np.float64).ravel()
    chip_s = chip_s or float(np.diff(edges_s).min())
    search = _Search(edges_s, samples, sampling)
    coarse_s = np.linspace(*search_s, _coarse_count(search_s, chip_s, samples))
    explained = search.explained(coarse_s)
    best = int(explained.argmax())
    beside = np.abs(coarse_s - coarse_s[best]) > 1.5 * chip_s + float(np.median(samples.end_s - samples.begin_s))
    second_ratio = float(explained[beside].max() / explained[best]) if beside.any() and explained[best] > 0.0 else 0.0
    if best in {0, len(coarse_s) - 1}:
        return f"nothing suits between {search_s[0]:.3g} and {search_s[1]:.3g} s better than outside"
    lag_s, parts_s, u_s = search.refine(float(coarse_s[best]), 2.0 * float(coarse_s[1] - coarse_s[0]), chip_s)
    idle_w, step_w, step_u_w, r2_ratio = search.fit(lag_s)
    jackknife_u_s = math.sqrt((1.0 - 1.0 / GROUPS) * float(((parts_s - parts_s.mean()) ** 2).sum()))
    lag_u_s = max(u_s, jackknife_u_s)
    found = StepAlignment(
        lag_s=lag_s,
        lag_u_s=lag_u_s,
        residual_s=LIMIT_FACTOR * lag_u_s,
        idle_w=idle_w,
        step_w=step_w,
        r2_ratio=r2_ratio,
        second_ratio=second_ratio,
        sample_count=len(samples),
        t_s=float(edges_s.mean()),
    )
    return _doubt(found, step_u_w, chip_s) or found


def _doubt(found: StepAlignment, step_u_w: float, chip_s: float) -> str:
    """Return why it is not to be believed, empty where it is."""
    if found.step_w < MIN_SIGNIFICANCE * step_u_w:
        return f"the samples do not show it: a step of {found.step_w:.3g} W +- {step_u_w:.2g} W"
    if found.second_ratio > SECOND_RATIO:
        return "it suits two places nearly as well"
    if found.residual_s > chip_s:
        return f"its place is known to +-{found.residual_s:.2g} s only: a longer pattern is needed"
    return ""


def _coarse_count(search_s: tuple[float, float], chip_s: float, samples: StepSamples) -> int:
    interval_s = float(np.median(samples.end_s - samples.begin_s))
    step_s = min(chip_s / 4.0, max(interval_s, chip_s / 16.0))
    return min(max(math.ceil((search_s[1] - search_s[0]) / step_s), 8), MAX_COARSE)


class _Search:
    """Least squares over lags, the samples' parts summed apart, so that leaving one out costs nothing."""

    def __init__(self, edges_s: F64, samples: StepSamples, sampling: Sampling) -> None:
        self._samples, self._is_mean = samples, sampling == "mean"
        self._edges_s = edges_s
        self._busy_s = np.concatenate(([0.0], np.cumsum(np.diff(edges_s) * (np.arange(len(edges_s) - 1) % 2 == 0))))
        self._power_w: F64 = samples.power_w - samples.power_w.mean()
        self._starts = np.linspace(0, len(samples), GROUPS + 1).astype(np.int64)[:-1]
        self._count = np.diff(np.append(self._starts, len(samples))).astype(np.float64)
        self._sum_y, self._sum_yy = self._grouped(self._power_w), self._grouped(self._power_w**2)

    def explained(self, lags_s: F64) -> F64:
        """Return the sum of squares that each lag explains; 0 where the load would draw less."""
        return self._squares(self._sums(lags_s), ALL)[0]

    def refine(self, lag_s: float, reach_s: float, most_s: float) -> tuple[float, F64, float]:
        """Return the lag, the lag without each part of the samples, and the lag's standard deviation.

        Looked for within ``reach_s``, then closer or wider as it needs, up to ``most_s``.
        """
        for _ in range(ZOOMS):
            lags_s = np.linspace(lag_s - reach_s, lag_s + reach_s, 2 * GRID + 1)
            sums = self._sums(lags_s)
            odds = [self._odds(sums, left_out) for left_out in (ALL, *range(GROUPS))]
            means_s = np.array([float((one * lags_s).sum()) for one in odds])
            u_s = math.sqrt(float((odds[0] * (lags_s - means_s[0]) ** 2).sum()))
            held_s = lags_s[np.any([one > math.exp(-NEGLIGIBLE) * one.max() for one in odds], axis=0)]
            low_s, high_s = float(held_s[0]), float(held_s[-1])
            step_s = float(lags_s[1] - lags_s[0])
            if reach_s < most_s and (low_s == lags_s[0] or high_s == lags_s[-1]):
                reach_s = min(3.0 * reach_s, most_s)
                continue
            if high_s - low_s > GRID * step_s / 2.0 or step_s <= 1e-9:
                break
            lag_s, reach_s = (low_s + high_s) / 2.0, (high_s - low_s) / 2.0 + 2.0 * step_s
        return float(means_s[0]), means_s[1:], math.hypot(u_s, step_s / math.sqrt(12.0))

    def fit(self, lag_s: float) -> tuple[float, float, float, float]:
        """Return idle power, step, the step's standard uncertainty, and the share of variance explained."""
        share = self._shares(np.array([lag_s]))[0]
        power_w, count = self._samples.power_w, len(self._samples)
        around = share - share.mean()
        sum_xx = float((around**2).sum())
        if sum_xx <= 0.0:
            return float(power_w.mean()), 0.0, math.inf, 0.0
        step_w = float((around * self._power_w).sum()) / sum_xx
        total = float((self._power_w**2).sum())
        left = max(total - step_w**2 * sum_xx, 0.0)
        u_w = math.sqrt(left / (count - 2) / sum_xx)
        r2_ratio = 1.0 - left / total if total else 0.0
        return (
            float(power_w.mean()) - step_w * float(share.mean()),
            step_w,
            max(u_w, FLOOR_RATIO * abs(step_w)),
            r2_ratio,
        )

    def _shares(self, lags_s: F64) -> F64:
        """Return the busy share of each sample, shape (lags, samples)."""
        ends_s = self._samples.end_s - lags_s[:, np.newaxis]
        if not self._is_mean:
            return (
                (np.searchsorted(self._edges_s, ends_s.ravel(), side="right") % 2)
                .reshape(ends_s.shape)
                .astype(np.float64)
            )
        begins_s = self._samples.begin_s - lags_s[:, np.newaxis]
        drawn_s = np.interp(ends_s, self._edges_s, self._busy_s) - np.interp(begins_s, self._edges_s, self._busy_s)
        shares: F64 = drawn_s / (self._samples.end_s - self._samples.begin_s)
        return shares

    def _sums(self, lags_s: F64) -> tuple[F64, F64, F64]:
        """Return the sums of x, x x and x y by part, shape (lags, parts) each."""
        rows = max(1, 400_000 // len(self._samples))
        pieces = []
        for at in range(0, len(lags_s), rows):
            x = self._shares(lags_s[at : at + rows])
            pieces.append([self._grouped(x), self._grouped(x * x), self._grouped(x * self._power_w)])
        sum_x, sum_xx, sum_xy = (np.concatenate([piece[index] for piece in pieces]) for index in range(3))
        return sum_x, sum_xx, sum_xy

    def _grouped(self, values: F64) -> F64:
        return np.asarray(np.add.reduceat(values, self._starts, axis=-1), dtype=np.float64)

    def _squares(self, sums: tuple[F64, F64, F64], left_out: int) -> tuple[F64, float, float]:
        """Return the sum of squares that each lag explains, all there is, and the number of samples."""
        keep = np.arange(GROUPS) != left_out
        count, sum_y = float(self._count[keep].sum()), float(self._sum_y[keep].sum())
        total = float(self._sum_yy[keep].sum()) - sum_y**2 / count
        sum_x, sum_xx, sum_xy = (one[:, keep].sum(axis=1) for one in sums)
        spread = sum_xx - sum_x**2 / count
        common = np.maximum(sum_xy - sum_x * sum_y / count, 0.0)
        explained: F64 = np.where(spread > 1e-9 * count, common**2 / np.maximum(spread, 1e-9), 0.0)
        return explained, total, count

    def _odds(self, sums: tuple[F64, F64, F64], left_out: int) -> F64:
        """Return how probable each lag is, 1 together."""
        explained, total, count = self._squares(sums, left_out)
        left = np.maximum(total - explained, 0.0) + FLOOR_RATIO**2 * total
        logarithms = -0.5 * (count - 2.0) * np.log(left)
        odds: F64 = np.exp(logarithms - logarithms.max())
        return odds / float(odds.sum())
