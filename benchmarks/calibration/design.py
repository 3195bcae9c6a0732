"""Which meters, loads and errors the thousand runs have, and why. Fixed before any coverage was looked at.

**Meters.** One of each kind, from 1 Hz to 100 kHz: a wall meter, two USB testers (one that answers with means, one
with instants: nobody knows which they do), the open meter with a certificate, the LPM01A at both ends of its rates,
PowerSensor3, PPK2. 125 runs each.

**Loads.** What one would measure with that meter: a board of 8 to 25 W behind its adapter at the wall; boards of 1 to
6 W at 5 V; a Jetson of 10 to 25 W at 9 to 20 V with the PowerSensor3, a microcontroller of 3 to 40 mA with the LPM01A,
a small board of 80 to 400 mA with the PPK2. Idle power is 25 to 80 % of the busy one, where the meter is made for
boards, 5 to 50 % for the small ones.

**Noise.** Slow noise of 0.5 % or 5 % of the power, half of the runs each, correlated over 1 to 10 % of a window (0.1
to 1 s of a window of 10 s). The quiet one is a board that does nothing else, the other one that does.

**Windows.** Five, as many as a bench has unless told otherwise. 30 s at 1 and 2 Hz, 10 s at 10 Hz, as in reality; for
fast meters they are shortened, as samples are what costs: 2 s at 1 kHz, 0.5 s at 20 kHz, 0.2 s at 100 kHz. Time
constants of the load shrink with them. What does not shrink, errors of edges and clocks, counts for more than in a
real window of 10 s.

**Errors.** Gain and offset from the data sheet's distribution, or the certificate's, with quantiles on a Latin
hypercube (M. D. McKay et al., Technometrics 21, 1979): each hundredth of a distribution has a hundredth of the runs,
so that the mean error shows bias and not the luck of the draw. What coverage is expected does not change by that.
(A first version also mirrored every other unit. That halves what a thousand runs say of coverage, and was dropped
after a look at it: docs/uncertainty.md.) Clocks of meter and host: each +-50 ppm. Loss: 0 to 0.08 % of the samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmarks.calibration.loop import BenchSetup
from benchmarks.calibration.unit import draw_errors, errors_count
from firmware_bridge.calibration import Calibration
from firmware_bridge.driver import Options
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import F64

RUNS_PER_KIND = 125
STUDY_SEED = 1
"""Drawn first when the evaluation was final: seeds 0, 10 and 11 had been looked at while it was being corrected."""
NOISE_RATIOS = (0.005, 0.05)
LOSS_LIMIT_RATIO = 0.0008
WINDOWS = 5
PICO_CERTIFICATE = Calibration(
    gain_u_ratio=0.001, offset_u_a=0.1e-3, certificate="simulated calibration", date="2026-01-01"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One meter as it is used. ``busy_w``, ``idle_ratio``, ``supply_v``, ``inference_s``: ranges to draw from."""

    name: str
    driver: str
    rate_hz: float
    busy_w: tuple[float, float]
    idle_ratio: tuple[float, float]
    supply_v: tuple[float, float]
    window_s: float
    lead_s: float
    guard_s: float
    inference_s: tuple[float, float]
    options: Options = field(default_factory=dict)
    calibration: Calibration | None = None
    marks: str = ""
    is_point: bool = False
    answer_s: tuple[float, float] = (0.003, 0.012)


BOARD = (0.25, 0.80)
SMALL = (0.05, 0.50)
KINDS = (
    Kind(
        "wattsup", "wattsup", 1.0, (8.0, 25.0), BOARD, (225.0, 235.0),
        window_s=30.0, lead_s=4.0, guard_s=4.0, inference_s=(2e-3, 50e-3), answer_s=(0.002, 0.010),
    ),
    Kind(
        "um25c", "um25c", 2.0, (1.0, 6.0), BOARD, (4.9, 5.2),
        window_s=30.0, lead_s=3.0, guard_s=2.0, inference_s=(2e-3, 50e-3), answer_s=(0.03, 0.15),
    ),
    Kind(
        "tc66c", "tc66c", 10.0, (1.0, 6.0), BOARD, (4.9, 5.2),
        window_s=10.0, lead_s=1.0, guard_s=0.4, inference_s=(1e-3, 50e-3), is_point=True,
    ),
    Kind(
        "pico_ina228 with certificate", "pico_ina228", 1149.0, (1.0, 6.0), BOARD, (4.9, 5.2),
        window_s=2.0, lead_s=2.0, guard_s=0.05, inference_s=(2e-4, 10e-3), marks="gpio",
        calibration=PICO_CERTIFICATE,
    ),
    Kind(
        "lpm01a at 1 kHz", "lpm01a", 1000.0, (0.01, 0.13), SMALL, (3.3, 3.3),
        window_s=2.0, lead_s=2.0, guard_s=0.10, inference_s=(2e-4, 10e-3), options={"frequency_hz": 1000},
    ),
    Kind(
        "powersensor3", "powersensor3", 20e3, (10.0, 25.0), BOARD, (9.0, 20.0),
        window_s=0.5, lead_s=2.2, guard_s=0.03, inference_s=(5e-5, 2.5e-3), marks="serial",
    ),
    Kind(
        "ppk2", "ppk2", 100e3, (0.4, 2.0), SMALL, (5.0, 5.0),
        window_s=0.2, lead_s=2.0, guard_s=0.02, inference_s=(5e-5, 1e-3), marks="gpio",
    ),
    Kind(
        "lpm01a at 100 kHz", "lpm01a", 100e3, (0.01, 0.13), SMALL, (3.3, 3.3),
        window_s=0.2, lead_s=2.0, guard_s=0.05, inference_s=(5e-5, 1e-3),
    ),
)  # fmt: skip


def quantiles_of(runs: int, columns: int, seed: int) -> F64:
    """Return a Latin hypercube, shape ``(runs, columns)``: each column has one value in each ``runs``-th of 0 to 1."""
    rng = np.random.default_rng([seed, 5])
    strata = np.stack([rng.permutation(runs) for _ in range(columns)], axis=1)
    quantiles: F64 = (strata + rng.random((runs, columns))) / runs
    return quantiles


def setups(
    kind: Kind, runs: int, *, stretch: float = 1.0, seed: int = 0, is_ideal: bool = False
) -> Iterator[BenchSetup]:
    """Return the runs of one kind in order. ``stretch``: how much longer windows are. ``is_ideal``: no errors."""
    driver = get_driver(kind.driver).for_options(kind.options)
    number = [one.name for one in KINDS].index(kind.name)
    quantiles = quantiles_of(runs, errors_count(driver.data_sheet), 1000 * seed + number)
    for run, row in enumerate(quantiles):
        rng = np.random.default_rng([seed, number, run, 3])
        window_s = kind.window_s * stretch
        busy_w = _log_uniform(rng, *kind.busy_w)
        yield BenchSetup(
            driver=driver,
            errors=draw_errors(driver.data_sheet, kind.calibration, row if not is_ideal else np.full_like(row, 0.5)),
            idle_w=busy_w * rng.uniform(*kind.idle_ratio),
            busy_w=busy_w,
            supply_v=rng.uniform(*kind.supply_v),
            inference_s=_log_uniform(rng, *kind.inference_s),
            noise_ratio=NOISE_RATIOS[run % 2],
            correlation_s=window_s * _log_uniform(rng, 0.01, 0.1),
            window_s=window_s,
            windows=WINDOWS,
            lead_s=kind.lead_s,
            guard_s=kind.guard_s,
            loss_ratio=rng.uniform(0.0, LOSS_LIMIT_RATIO),
            seed=int(rng.integers(1 << 31)),
            options=kind.options,
            calibration=kind.calibration,
            marks=kind.marks,
            is_point=kind.is_point,
            answer_s=kind.answer_s,
        )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
