"""A load pattern as a process really plays it, and the samples that a meter of some kind makes of it."""

from dataclasses import dataclass, field

import numpy as np

from firmware_bridge.samples import F64
from firmware_bridge.step_pattern import StepPattern
from firmware_bridge.step_trace import StepSamples

IDLE_W, STEP_W = 2.0, 3.0


@dataclass(slots=True)
class StepMeter:
    """One run. ``noise_ratio``: noise over the load's step; ``correlated_s``: how long its value lasts, 0 white.

    ``jitter_s``: mean of the delay of arrivals beyond ``lag_s``; it is part of the lag that can be found.
    """

    interval_s: float
    seed: int
    lag_s: float = 0.07
    total_s: float = 8.0
    is_mean: bool = True
    is_polled: bool = True
    noise_ratio: float = 0.05
    correlated_s: float = 0.0
    jitter_s: float = 0.0
    loss_ratio: float = 0.0
    step_w: float = 0.0
    busy_s: list[tuple[float, float]] = field(default_factory=list)
    chip_s: float = 0.0

    def __post_init__(self) -> None:
        if self.busy_s:
            return
        rng = np.random.default_rng([self.seed, 1])
        pattern = StepPattern.draw(self.interval_s, self.total_s, self.seed)
        self.chip_s = pattern.chip_s
        self.busy_s = [(a + rng.exponential(0.001), b + rng.exponential(0.003)) for a, b in pattern.busy_s]

    @property
    def true_lag_s(self) -> float:
        return self.lag_s + self.jitter_s

    def samples(self) -> StepSamples:
        rng = np.random.default_rng([self.seed, 2])
        count = int((self.total_s + 1.0) / self.interval_s)
        steps_s = self.interval_s * (rng.uniform(0.8, 1.2, count) if self.is_polled else np.ones(count))
        t_s: F64 = np.cumsum(steps_s) - 0.3 + rng.uniform(0.0, self.interval_s)
        edges_s = np.array(self.busy_s).ravel()
        share: F64 = (np.searchsorted(edges_s, t_s, side="right") % 2).astype(np.float64)
        if self.is_mean:
            drawn_s = np.concatenate(([0.0], np.cumsum(np.diff(edges_s) * (np.arange(len(edges_s) - 1) % 2 == 0))))
            share = (np.interp(t_s, edges_s, drawn_s) - np.interp(t_s - steps_s, edges_s, drawn_s)) / steps_s
        power_w = IDLE_W + STEP_W * (share + self._noise(rng, count))
        if self.step_w:
            power_w = np.round(power_w / self.step_w) * self.step_w
        late_s = rng.exponential(self.jitter_s, count) if self.jitter_s else 0.0
        arrivals_s = np.maximum.accumulate(t_s + self.lag_s + late_s)
        begins_s = np.concatenate(([arrivals_s[0] - self.interval_s], arrivals_s[:-1]))
        held = (rng.random(count) >= self.loss_ratio) & (arrivals_s > begins_s)
        return StepSamples(begins_s[held], arrivals_s[held], power_w[held])

    def _noise(self, rng: np.random.Generator, count: int) -> F64:
        fresh: F64 = rng.normal(0.0, self.noise_ratio, count)
        if not self.correlated_s:
            return fresh
        kept = float(np.exp(-self.interval_s / self.correlated_s))
        noise = np.empty(count)
        level = 0.0
        for index in range(count):
            level = kept * level + np.sqrt(1.0 - kept * kept) * fresh[index]
            noise[index] = level
        return noise
