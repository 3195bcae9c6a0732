"""A device that idles, runs a model for a while, and idles again: its power at every moment, and its true energy."""

from dataclasses import dataclass

import numpy as np

from firmware_bridge.samples import F64

DURATION_CV = 0.03
RIPPLE_CV = 0.02
STEPS_PER_CORRELATION = 4.0
THERMAL_LIMIT_RATIO = 0.003
IDLE_DRIFT_LIMIT_RATIO = 0.01


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What is drawn for one run. Powers are means; ``noise_ratio``: standard deviation of the slow noise.

    ``correlation_s``: its correlation time. ``busy_s``: from when to when the model runs. ``end_s``: of the whole.
    """

    idle_w: float
    busy_w: float
    inference_s: float
    noise_ratio: float
    correlation_s: float
    busy_s: tuple[float, float]
    end_s: float


class SimulatedLoad:
    """Power by steps, so that its integral is exact. Times are true seconds from 0 on.

    Each inference takes ``inference_s`` (3 % standard deviation). For 70 to 95 % of that it draws the power of
    computing (2 % standard deviation from inference to inference), for the rest what lies between that and idling.
    All of it is multiplied by slow noise (AR(1)) and by a trend of up to 0.3 % over the run; idling moves by up to 1 %
    from before to after.

    ``true_gross_j``, ``true_net_j``: joules per inference in expectation, all noise at its mean: what a bench is to
    find out. ``true_net_j`` is above the idle power at the time of the windows, which lies anywhere between those
    before and after.
    """

    def __init__(self, settings: LoadSettings, rng: np.random.Generator) -> None:
        """Draw everything from ``rng``."""
        begin_s, end_s = settings.busy_s
        count = int((end_s - begin_s) / settings.inference_s * 1.02) + 20
        lengths_s = settings.inference_s * (1.0 + DURATION_CV * rng.standard_normal(count))
        self.ends_s = begin_s + np.cumsum(np.maximum(lengths_s, 0.1 * settings.inference_s))
        share, depth = rng.uniform(0.70, 0.95), rng.uniform(0.2, 0.5)
        above_w = settings.busy_w - settings.idle_w
        high_w = settings.idle_w + above_w / (share + (1.0 - share) * depth)
        low_w = settings.idle_w + depth * (high_w - settings.idle_w)
        busy_w = np.empty(2 * count)
        busy_w[::2] = high_w * (1.0 + RIPPLE_CV * rng.standard_normal(count))
        busy_w[1::2] = low_w
        starts_s = np.concatenate(([begin_s], self.ends_s[:-1]))
        edges_s = np.empty(2 * count)
        edges_s[::2], edges_s[1::2] = starts_s, starts_s + share * (self.ends_s - starts_s)
        stop_s = float(self.ends_s[-1])
        trend = rng.uniform(-1.0, 1.0) * THERMAL_LIMIT_RATIO
        busy_w *= 1.0 + trend * ((edges_s - begin_s) / (stop_s - begin_s) - 0.5)
        moved, place = rng.uniform(-1.0, 1.0) * IDLE_DRIFT_LIMIT_RATIO, rng.uniform()
        step_s = settings.correlation_s / STEPS_PER_CORRELATION
        before_s = np.arange(0.0, begin_s, step_s)
        after_s = np.arange(stop_s, max(settings.end_s, stop_s + step_s), step_s)
        begins_s = np.concatenate((before_s, edges_s, after_s))
        power_w = np.concatenate(
            (
                np.full(len(before_s), settings.idle_w * (1.0 - place * moved)),
                busy_w,
                np.full(len(after_s), settings.idle_w * (1.0 + (1.0 - place) * moved)),
            )
        )
        power_w *= 1.0 + settings.noise_ratio * _slow_noise(begins_s, settings.correlation_s, rng)
        self.stop_s, self.end_s = stop_s, float(begins_s[-1]) + step_s
        self._edges_s = np.append(begins_s, self.end_s)
        self._energy_j = np.concatenate(([0.0], np.cumsum(power_w * np.diff(self._edges_s))))
        self.true_gross_j = settings.busy_w * settings.inference_s
        self.true_net_j = above_w * settings.inference_s

    def energy_j(self, t_s: F64) -> F64:
        """Return the energy drawn up to each time."""
        return np.interp(t_s, self._edges_s, self._energy_j)

    def window_ends(self, first_s: float, window_s: float, windows: int) -> list[int]:
        """Return the numbers of the inferences whose ends bound back-to-back windows, ``windows`` + 1 of them."""
        found = [int(np.searchsorted(self.ends_s, first_s))]
        for _ in range(windows):
            found.append(int(np.searchsorted(self.ends_s, float(self.ends_s[found[-1]]) + window_s)))
        return found


def _slow_noise(t_s: F64, correlation_s: float, rng: np.random.Generator) -> F64:
    """Return AR(1) noise of standard deviation 1 at increasing times, linear between steps of its own."""
    step_s = correlation_s / STEPS_PER_CORRELATION
    keep = float(np.exp(-1.0 / STEPS_PER_CORRELATION))
    kicks = (np.sqrt(1.0 - keep * keep) * rng.standard_normal(int(t_s[-1] / step_s) + 3)).tolist()
    value = float(rng.standard_normal())
    noise = []
    for kick in kicks:
        noise.append(value)
        value = keep * value + kick
    # A line between two points has less variance than the points: by (2 + keep) / 3 in the mean.
    between: F64 = np.interp(t_s, np.arange(len(noise)) * step_s, noise)
    return between / float(np.sqrt((2.0 + keep) / 3.0))
