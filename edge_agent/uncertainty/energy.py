"""The standard uncertainty of one window's energy, part by part. Pure.

Terms are combined as uncorrelated (JCGM 100:2008, 5.1.2, equation 10): u = sqrt(sum of squares). A limit +-a without
further knowledge is rectangular with u = a / sqrt(3) (4.3.7); a display step q gives q / sqrt(12) (F.2.2.1).

The parts:

``systematic_j``: gain and offset of the meter, integrated by the meter's register. Common to all windows of one
    meter: it adds linearly over windows, and does not shrink with their number.
``sampling_j``: a meter that samples instants sees n values of a power that varies with standard deviation s; the
    mean of n is uncertain by s / sqrt(n) (4.2.3), so u = s * t / sqrt(n). That holds for samples that fall at random
    on the load, whatever the load does; a polled meter is therefore asked at random moments. Where power keeps its
    value over several samples the trapezoid follows it, and the term is too large. A window of few samples may by
    chance have met one level of the load only and show too little spread: s is at least what the latest windows
    show together (pooled estimate of variance, 4.2.4). The first windows of a run have no such neighbours: with
    few bursts in them (samples x duty below about 5) they may state too little.
``resolution_j``: the display step of V and I as a power step q, the mean over the window's samples. Steps average
    out over n samples only if the power moves by more than a step between them (dither, see ``is_dithered``).
``rounding_j``: the same step where they do not: one error of all samples, and of all windows of a steady load.
``edge_j``: each window edge may be off by the sync residual r (a limit), and inside the sample that an edge cuts the
    register interpolates linearly, which is off by at most a quarter of interval x step. Both times the power step
    at the edge, twice for two edges. A window of few samples may show too little of that step as well: it is at
    least what the latest windows show together, and at least what the mean moved by since the window before, which
    is no less a step at their common edge for coming slowly. Neighbouring windows share an edge, with opposite
    sign: over a run of windows the true edge error is that of the outer edges alone, so the sum of these terms is on
    the safe side.

Energy in a gap is in no part: it is unknown, and declared as ``gap_s``. A window without samples has 0 J and u = 0
for the zero seconds that it covers.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from firmware_bridge.driver import DataSheet
from firmware_bridge.samples import EnergyDelta

_SQRT_2: Final = math.sqrt(2.0)
_SQRT_3: Final = math.sqrt(3.0)
_SQRT_12: Final = math.sqrt(12.0)
_MIN_DUTY_RATIO: Final = 0.05
_POOLED_WINDOWS: Final = 30
_ENOUGH_SAMPLES: Final = 10.0


@dataclass(frozen=True, slots=True)
class EnergyBudget:
    """The named parts of one window's standard uncertainty (k = 1), in joules."""

    systematic_j: float
    sampling_j: float
    resolution_j: float
    edge_j: float
    rounding_j: float = 0.0

    @property
    def combined_j(self) -> float:
        """Return the combined standard uncertainty."""
        return math.hypot(self.common_j, self.independent_j)

    @property
    def common_j(self) -> float:
        """Return the part that more windows of one meter do not average out: gain, offset and rounding."""
        return math.hypot(self.systematic_j, self.rounding_j)

    @property
    def independent_j(self) -> float:
        """Return the part that is independent from window to window: all the rest."""
        return math.hypot(self.sampling_j, self.resolution_j, self.edge_j)


class PooledSpread:
    """Spread of power over the latest windows, together: variances weighted by the seconds that they cover.

    The variance inside a window misses what its few samples have in common. That shows between windows: half the
    square of the difference of two neighbours' means has the variance of one mean as its expectation, and is added.
    ``step_w``: that difference for the window taken last; 0 where one of the two has no mean.
    ``sample_count``: samples in the windows held.
    """

    def __init__(self) -> None:
        self._windows: deque[tuple[float, float, float]] = deque(maxlen=_POOLED_WINDOWS)
        self._mean_w: float | None = None
        self.step_w = 0.0

    def add(self, delta: EnergyDelta) -> float:
        """Take one more window; return the standard deviation of all held, this one included, in watts."""
        before_w, self._mean_w = self._mean_w, delta.mean_power_w
        self.step_w = 0.0 if before_w is None or self._mean_w is None else abs(self._mean_w - before_w)
        self._windows.append((delta.covered_s, delta.power_sd_w**2 + 0.5 * self.step_w**2, delta.sample_count))
        covered_s = math.fsum(seconds for seconds, _, _ in self._windows)
        if covered_s <= 0.0:
            return 0.0
        return math.sqrt(math.fsum(seconds * variance_w2 for seconds, variance_w2, _ in self._windows) / covered_s)

    @property
    def sample_count(self) -> float:
        """Return how many samples the windows held have."""
        return math.fsum(count for _, _, count in self._windows)


def energy_budget(
    delta: EnergyDelta,
    sheet: DataSheet,
    *,
    sync_residual_s: float,
    busy_ratio: float,
    pooled_sd_w: float = 0.0,
    pooled_count: float = 0.0,
    neighbour_step_w: float = 0.0,
) -> EnergyBudget:
    """Return the budget of ``delta``, measured by a meter with data sheet ``sheet``.

    ``sync_residual_s``: limit (+-) on the offset between meter clock and host clock. ``busy_ratio``: share of the
    window spent inside inference (0 to 1), which tells how high the power step at an edge is. ``pooled_sd_w``:
    spread of power over this and earlier windows, the least that is believed of instants and of edges;
    ``pooled_count``: samples that it was found from.
    ``neighbour_step_w``: difference of mean power to the window before.
    """
    if delta.mean_power_w is None or delta.covered_s <= 0.0:
        return EnergyBudget(0.0, 0.0, 0.0, 0.0)
    count = max(1.0, delta.sample_count)
    sd_w = max(delta.power_sd_w, pooled_sd_w)
    step_w = max(power_step_w(sd_w, busy_ratio), neighbour_step_w)
    quantum_u_w = delta.resolution_j / delta.covered_s / _SQRT_12
    resolution_j, dithered = quantum_u_w * delta.covered_s, is_dithered(delta)
    return EnergyBudget(
        systematic_j=delta.energy_u_systematic_j,
        sampling_j=sampling_u_j(delta, sd_w, count, pooled_count) if sheet.sampling == "point" else 0.0,
        resolution_j=resolution_j / math.sqrt(count) if dithered else 0.0,
        edge_j=edge_u_j(step_w, sync_residual_s, delta.covered_s / count),
        rounding_j=0.0 if dithered else resolution_j,
    )


def is_dithered(delta: EnergyDelta) -> bool:
    """Tell whether the power moves enough between samples for the display's steps to average out.

    The spread is that of what the display shows. One that goes to and fro between two neighbouring values spreads by
    up to half a step, however little the power moves, and its mean is off by up to half a step then. Beyond it, noise
    is 0.4 steps at least, and the mean is off by 0.012 steps at most: exp(-2 pi^2 0.4^2) / pi (B. Widrow and I.
    Kollar, Quantization noise, 2008: the first harmonic of the rounding error).
    """
    return delta.covered_s > 0.0 and delta.power_sd_w > 0.5 * delta.resolution_j / delta.covered_s


def sampling_u_j(delta: EnergyDelta, power_sd_w: float, count: float, pooled_count: float = 0.0) -> float:
    """Return s * t / sqrt(n).

    One sample alone shows no spread: then the mean power itself is the limit (+-), until neighbours know the spread.
    """
    if count < 2.0 and pooled_count < _ENOUGH_SAMPLES:
        return max(abs(delta.energy_j) / _SQRT_3, power_sd_w * delta.covered_s)
    return power_sd_w * delta.covered_s / math.sqrt(count)


def power_step_w(power_sd_w: float, busy_ratio: float) -> float:
    """Return the difference of the two levels whose mix in shares d and 1 - d has standard deviation s.

    s = step * sqrt(d (1 - d)). Never below 2 s, and d is kept away from 0 and 1, where the step is not seen.
    """
    share = min(max(busy_ratio, _MIN_DUTY_RATIO), 1.0 - _MIN_DUTY_RATIO)
    return power_sd_w / math.sqrt(share * (1.0 - share))


def edge_u_j(step_w: float, sync_residual_s: float, sample_interval_s: float) -> float:
    """Return the uncertainty from both window edges: late or early by the residual, and inside one sample."""
    timing_j = step_w * sync_residual_s / _SQRT_3
    interpolation_j = step_w * sample_interval_s / 4.0 / _SQRT_3
    return _SQRT_2 * math.hypot(timing_j, interpolation_j)
