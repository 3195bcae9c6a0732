"""Are the joules right, and is the stated uncertainty honest? Many units, many loads, in simulated time.

The score of a measurement is z = (measured - true) / u. For an honest standard uncertainty z has mean 0 and standard
deviation 1 over many units (JCGM 100:2008, 2.3.1); far beyond 3 it must never be. Over a number N of units the
standard deviation itself is known to 1 / sqrt(2 N), which gives the bounds below: about three of these.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from firmware_bridge.driver import MeterDriver
from firmware_bridge.protocol.ppk2.words import WORD_BYTES
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import F64
from tests.fakes.closed_loop import (
    Outcome,
    PointTc66cEncoder,
    Trial,
    every_tenth_of_a_second,
    random_slots,
    run,
    saturated,
)

pytestmark = pytest.mark.timing

TC66C, PPK2, POWERSENSOR3 = (get_driver(name) for name in ("tc66c", "ppk2", "powersensor3"))
POINT_TC66C = replace(TC66C, make_encoder=PointTc66cEncoder)
LOADS = pytest.mark.parametrize("shape", [random_slots, every_tenth_of_a_second, saturated])


def scores_of(outcomes: list[Outcome]) -> tuple[F64, F64]:
    """Return the scores of all windows, and of each unit's sum."""
    return np.concatenate([one.scores() for one in outcomes]), np.array([one.sum_score() for one in outcomes])


def many(driver: MeterDriver, units: int, shape: Callable[..., F64], **settings: float) -> list[Outcome]:
    trial = replace(Trial(driver, 0, shape), **settings)  # type: ignore[arg-type]  # field names come from the tests
    return [run(replace(trial, seed=seed)) for seed in range(units)]


@LOADS
@pytest.mark.parametrize(("driver", "units"), [(PPK2, 12), (POWERSENSOR3, 20)], ids=["ppk2", "powersensor3"])
def test_streams_are_off_by_their_units_errors_and_by_nothing_else(
    driver: MeterDriver, units: int, shape: Callable[..., F64]
) -> None:
    """Gain and offset rule: z spreads as they do. Ideal units err by less than a tenth of u.

    A gain that is normal has no limits: 3.1 standard deviations leave out one unit in 500. A unit that shows
    1 + g of the truth states u of what it shows, so that the lowest of 15 % has z = -3.1 / (1 - 3.1 x 0.15) = -5.8.
    """
    windows, sums = scores_of(many(driver, units, shape, window_s=0.5, windows=2))
    bound = 3.0 / np.sqrt(2.0 * units)
    most = max(one.gain_limit_ratio for one in driver.data_sheet.ranges)
    is_normal = driver.data_sheet.gain_distribution == "normal"
    assert windows.max() < 3.0
    assert windows.min() > (-3.1 / (1.0 - 3.1 * most) if is_normal else -3.0)
    assert abs(sums.mean()) < 3.0 / np.sqrt(units)
    assert 1.0 - bound < sums.std() < 1.0 + bound
    ideal, _ = scores_of(many(driver, 3, shape, window_s=0.5, windows=2, is_ideal=True))
    assert np.abs(ideal).max() < 0.1


@LOADS
def test_a_meter_that_samples_instants_knows_how_little_it_sees(shape: Callable[..., F64]) -> None:
    """Also where the load repeats as often as the meter is asked; 4 in place of 3 is for 20 samples a window."""
    windows, sums = scores_of(many(POINT_TC66C, 60, shape))
    assert np.abs(windows).max() < 4.0
    assert np.abs(sums).max() < 3.5
    assert abs(sums.mean()) < 3.0 / np.sqrt(60.0)
    assert 0.3 < sums.std() < 1.3


@LOADS
def test_a_meter_that_averages_is_on_the_safe_side_of_the_same_statement(shape: Callable[..., F64]) -> None:
    """Nobody knows whether a TC66C averages or samples: the statement must hold for the worse of the two."""
    outcomes = many(TC66C, 40, shape)
    windows, sums = scores_of(outcomes)
    assert np.abs(windows).max() < 3.0
    assert np.abs(sums).max() < 3.0
    assert sums.std() > 0.1
    assert np.mean([one.u_ratio() for one in outcomes]) < 0.2


def test_a_thousandth_of_the_samples_lost_is_gap_and_costs_its_own_joules_only() -> None:
    """Single words vanish on the way: each is one interval of gap, never filled in."""
    rng = np.random.default_rng(5)

    def drop(data: bytes) -> bytes:
        words = np.frombuffer(data[: len(data) // WORD_BYTES * WORD_BYTES], dtype="<u4")
        return words[rng.random(len(words)) >= 0.001].tobytes()

    outcome = run(Trial(PPK2, 1, saturated, window_s=1.0, windows=3, is_ideal=True, lossy=drop))
    for window, true_j in zip(outcome.windows, outcome.true_j, strict=True):
        assert window.gap_s == pytest.approx(0.001, rel=0.35)
        assert window.lost_count == pytest.approx(window.gap_s / PPK2.data_sheet.sample_interval_s, abs=1.5)
        assert window.energy_j == pytest.approx(true_j * (1.0 - window.gap_s), rel=2e-4)


class Outage:
    """Loses every piece from number ``first`` to ``last``, as a pulled cable does, and lets the rest through."""

    def __init__(self, first: int, last: int) -> None:
        self._span = range(first, last)
        self._pieces = 0

    def __call__(self, data: bytes) -> bytes:
        self._pieces += bool(data)
        return b"" if self._pieces in self._span else data


@pytest.mark.parametrize(
    ("driver", "outage", "outage_s"),
    [
        pytest.param(PPK2, Outage(160, 200), 1.0, id="ppk2"),
        pytest.param(POWERSENSOR3, Outage(160, 280), 3.0, id="powersensor3"),
        pytest.param(TC66C, Outage(40, 46), 3.0, id="tc66c"),
    ],
)
def test_window_edges_inside_an_outage_share_it_out_and_invent_no_joule(
    driver: MeterDriver, outage: Outage, outage_s: float
) -> None:
    """Every second is covered or gap, in the window where it was; what was covered has its true energy."""
    trial = Trial(driver, 3, saturated, window_s=0.5, windows=20, noise_w=0.0, is_ideal=True, lossy=outage)
    outcome = run(trial)
    gaps_s = np.array([window.gap_s for window in outcome.windows])
    energies_j = np.array([window.energy_j for window in outcome.windows])
    level_w = trial.levels_w[1]
    assert len(gaps_s) == trial.windows
    assert gaps_s.sum() == pytest.approx(outage_s, abs=0.4)
    assert np.all(gaps_s <= trial.window_s)
    assert np.count_nonzero(gaps_s == trial.window_s) >= outage_s / trial.window_s - 2
    assert energies_j == pytest.approx(level_w * (trial.window_s - gaps_s), abs=0.005 * level_w)
