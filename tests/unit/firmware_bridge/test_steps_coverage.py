"""The limit that step correlation states holds the true lag over hundreds of seeded runs, and is not far too wide."""

import numpy as np
import pytest

from firmware_bridge.driver import Sampling
from firmware_bridge.steps import find_lag
from tests.fakes.step_meter import StepMeter

RUNS = 150
CASES = {
    "10 Hz, means, polled": {"interval_s": 0.1},
    "10 Hz, means, much noise": {"interval_s": 0.1, "noise_ratio": 0.2},
    "10 Hz, means, regular": {"interval_s": 0.1, "is_polled": False},
    "10 Hz, means, late answers": {"interval_s": 0.1, "noise_ratio": 0.02, "jitter_s": 0.003},
    "10 Hz, means, very late answers": {"interval_s": 0.1, "noise_ratio": 0.001, "jitter_s": 0.01},
    "10 Hz, means, steps and losses": {"interval_s": 0.1, "noise_ratio": 0.02, "step_w": 0.2, "loss_ratio": 0.1},
    "10 Hz, instants, polled": {"interval_s": 0.1, "is_mean": False},
    "10 Hz, instants, regular": {"interval_s": 0.1, "is_mean": False, "is_polled": False, "noise_ratio": 0.02},
    "2 Hz, means": {"interval_s": 0.5, "lag_s": 0.3},
    "2 Hz, means, longer": {"interval_s": 0.5, "lag_s": 0.3, "total_s": 20.0},
    "2 Hz, instants, longer": {"interval_s": 0.5, "lag_s": 0.3, "total_s": 20.0, "is_mean": False},
    "200 Hz, means": {"interval_s": 0.005, "is_polled": False, "noise_ratio": 0.2, "total_s": 4.0},
}
SLOW_NOISE = {
    "10 Hz, another load comes and goes": {"interval_s": 0.1, "noise_ratio": 0.2, "correlated_s": 0.5},
    "200 Hz, another load": {"interval_s": 0.005, "noise_ratio": 0.2, "correlated_s": 0.05, "total_s": 4.0},
}


# Without the jackknife, "very late answers" are inside the limit in 87 of 100 runs: only edges are noisy there.


def errors_and_limits(case: dict[str, float], runs: int = RUNS) -> tuple[list[float], list[float]]:
    errors_s, limits_s = [], []
    for seed in range(runs):
        meter = StepMeter(seed=seed, **case)  # type: ignore[arg-type]  # field names come from the table
        sampling: Sampling = "mean" if meter.is_mean else "point"
        found = find_lag(meter.busy_s, meter.samples(), sampling=sampling, search_s=(-0.5, 1.5), chip_s=meter.chip_s)
        if found is not None:
            errors_s.append(found.lag_s - meter.true_lag_s)
            limits_s.append(found.residual_s)
    return errors_s, limits_s


@pytest.mark.parametrize("name", [*CASES, *SLOW_NOISE])
def test_the_limit_holds_in_97_of_100_runs_and_is_no_more_than_five_times_the_error(name: str) -> None:
    errors_s, limits_s = errors_and_limits({**CASES, **SLOW_NOISE}[name])
    assert len(errors_s) >= 0.9 * RUNS
    assert np.mean(np.abs(errors_s) <= np.array(limits_s)) >= 0.97
    rms_s = float(np.sqrt(np.mean(np.square(errors_s))))
    assert float(np.median(limits_s)) < (5.0 if name in CASES else 8.0) * rms_s
