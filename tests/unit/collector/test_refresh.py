"""When new hardware pays back, recomputed by hand, and laws of it."""

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.analysis.refresh.answer import answer
from collector.analysis.refresh.answers import GridAnswer, RefreshAnswer
from collector.analysis.refresh.resolve import Sources, resolve
from collector.analysis.refresh.scenario import RefreshScenario
from collector.carbon.estimate import Estimate
from collector.carbon.montecarlo import Draws
from collector.carbon.refresh import Plan, devices_needed, payback_years, totals_g, yearly_intensities
from collector.intensity.yearly_table import load_marginal_table, load_yearly_table
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import BenchRecord
from tests.fakes.benches import make_bench

TABLE = load_yearly_table()
POWERS = st.floats(0.1, 100.0)


def scenario(**changes: Any) -> RefreshScenario:
    """Return 15 W against 7 W of 27.7 kg, on 341 g/kWh; ``changes`` are merged in, table by table."""
    words: dict[str, Any] = {
        "title": "15 W or 7 W",
        "old": {"mean_power_w": 15.0, "lifetime_years": 5.0, "age_years": 2.0, "embodied_kgco2e": 25.0},
        "new": {"mean_power_w": 7.0, "lifetime_years": 5.0, "embodied_kgco2e": 27.7},
        "grid": [{"intensity": 341.0, "name": "DE"}],
    }
    for name, change in changes.items():
        words[name] = {**words[name], **change} if isinstance(change, dict) and name in words else change
    for side in ("old", "new"):
        words[side] = {key: value for key, value in words[side].items() if value is not None}
    return msgspec.convert(words, RefreshScenario)


def answered(bench: BenchRecord | None = None, *, draws: int = 400, **changes: Any) -> RefreshAnswer:
    sources = Sources(TABLE, None, lambda _: bench or make_bench(), None, Path())
    return answer(resolve(scenario(**changes), sources), seed=7, draws=draws)


def only(found: RefreshAnswer) -> GridAnswer:
    (grid,) = found.grids
    return grid


@pytest.mark.parametrize(("intensity", "years"), [(23.0, 17.2), (341.0, 1.16), (614.0, 0.64)])
def test_the_published_example(intensity: float, years: float) -> None:
    found = only(answered(grid=[{"intensity": intensity, "name": "x"}])).payback
    assert found.years == pytest.approx(years, abs=0.005 * years + 0.005)
    assert found.years == pytest.approx(27.7 / (8.0 * 8.76 * intensity / 1000.0))
    assert found.low == found.high == pytest.approx(found.years)


def test_by_hand_over_three_years() -> None:
    grid = only(answered(horizon_years=3, grid=[{"by_year": [300.0, 200.0], "source": "x"}]))
    kwh_old, kwh_new = 15.0 * 8.76, 7.0 * 8.76
    expected = [
        27_700.0 * 3 / 5 + kwh_new * (300 + 200 + 200),
        kwh_old * 300 + 27_700.0 * 2 / 5 + kwh_new * 400,
        kwh_old * 500 + 27_700.0 / 5 + kwh_new * 200,
        kwh_old * 700,
    ]
    assert [row.middle_g for row in grid.rows] == pytest.approx(expected)
    assert grid.best_wait_years == expected.index(min(expected))
    # 8 W save 21,024 g in the first year and 14,016 in each that follows
    assert grid.payback.years == pytest.approx(1.0 + (27_700.0 - 21_024.0) / 14_016.0)


def test_a_grid_that_gets_cleaner_can_keep_it_from_ever_paying_back() -> None:
    constant = only(answered(grid=[{"intensity": 10.0, "name": "x"}]))
    falling = only(answered(grid=[{"intensity": 10.0, "name": "x", "fall_per_year_ratio": 0.2}]))
    assert constant.payback.years == pytest.approx(27.7 / (8.0 * 8.76 * 0.01))
    assert falling.payback.years is None  # all that is ever saved: 8 W x 8.76 h x 10 g / 0.2 = 3.5 kg
    assert falling.payback.probability_ever == 0.0
    assert "never" in falling.verdict


def test_what_saves_nothing_never_pays_back_and_is_not_bought() -> None:
    grid = only(answered(new={"mean_power_w": 15.0}))
    assert grid.payback.years is None
    assert grid.best_wait_years == 10
    assert "keep them" in grid.verdict


def test_waiting_for_better_offers_can_be_best() -> None:
    better = {"mean_power_w": 13.0, "power_fall_per_year_ratio": 0.5, "lifetime_years": 20.0, "embodied_kgco2e": 60.0}
    grid = only(answered(new=better))
    assert 0 < grid.best_wait_years < 10
    assert f"keep them {grid.best_wait_years} more" in grid.verdict
    assert sum(row.probability_best for row in grid.rows) == pytest.approx(1.0)


def test_how_long_a_new_device_should_serve_by_hand() -> None:
    """[M + sum E_k I_k] / T of one cycle after the other, each with what its year offers."""
    grid = only(
        answered(
            horizon_years=4,
            new={"power_fall_per_year_ratio": 0.2},
            grid=[{"by_year": [300.0, 200.0, 100.0, 100.0], "source": "x"}],
        )
    )
    kwh = 7.0 * 8.76
    every_year = 4 * 27_700.0 + kwh * (300 + 0.8 * 200 + 0.8**2 * 100 + 0.8**3 * 100)
    every_second = 2 * 27_700.0 + kwh * (500 + 0.8**2 * 200)
    only_once = 27_700.0 + kwh * 700
    by_years = {row.cycle_years: row.middle_g_per_year for row in grid.cycles}
    assert [by_years[1], by_years[2], by_years[4]] == pytest.approx(
        [each / 4 for each in (every_year, every_second, only_once)]
    )
    assert grid.best_cycle_years == 4
    assert sum(row.probability_best for row in grid.cycles) == pytest.approx(1.0)


def test_the_better_each_years_offer_the_shorter_the_cycle() -> None:
    def cycle(fall: float) -> int:
        wanted = {"power_fall_per_year_ratio": fall, "mean_power_w": 30.0}
        return only(answered(new=wanted, draws=100, horizon_years=20)).best_cycle_years

    assert cycle(0.0) == 20
    assert 1 < cycle(0.1) < cycle(0.02) <= 20


def test_moment_and_cycle_together_take_no_more_than_the_moment_alone() -> None:
    better = {"mean_power_w": 13.0, "power_fall_per_year_ratio": 0.3, "embodied_kgco2e": 60.0}
    grid = only(answered(new=better))
    least = min(row.middle_g for row in grid.rows)
    assert grid.joint.middle_g <= least
    longer = only(answered(new={**better, "lifetime_years": float(grid.joint.cycle_years)}))
    assert min(row.middle_g for row in longer.rows) == pytest.approx(grid.joint.middle_g)


def test_a_moment_that_is_rarely_the_best_is_called_open_and_no_advice() -> None:
    wide = {"value": 68.0, "low": 40.0, "high": 110.0, "source": "x"}
    fall = {"value": 0.05, "low": 0.0, "high": 0.1, "source": "x"}
    grid = only(
        answered(new={"power_fall_per_year_ratio": fall}, grid=[{"intensity": wide, "name": "x", "kind": "marginal"}])
    )
    best = next(row for row in grid.rows if row.wait_years == grid.best_wait_years)
    assert best.probability_best < 0.5
    assert grid.verdict.startswith("x, marginal: open: ")
    assert "less than" not in grid.verdict


def test_what_is_supposed_is_said() -> None:
    table = {"zone": "DE", "fall_per_year_ratio": 0.1}
    sources = Sources(TABLE, load_marginal_table(), lambda _: make_bench(), None, Path())
    notes = " ".join(resolve(scenario(grid=[table]), sources).notes)
    assert "average and marginal intensities alike" in notes
    assert "last 10 more years is supposed" in notes
    assert "stays as it is now" not in notes
    notes = " ".join(resolve(scenario(grid=[{"zone": "SE"}], old={"keep_at_most_years": 2}), sources).notes)
    assert "stays as it is now: SWE" in notes
    assert "supposed" not in notes


def test_a_zone_takes_the_name_that_it_is_given() -> None:
    two = [{"zone": "DE", "name": "as now"}, {"zone": "DE", "name": "cleaner", "fall_per_year_ratio": 0.1}]
    assert [grid.name for grid in answered(grid=two, draws=100).grids] == ["as now", "cleaner"]


def test_the_same_work_takes_fewer_of_the_faster_devices() -> None:
    sides = {"idle_power_w": 2.0, "busy_power_w": 6.0, "mean_power_w": None}
    found = answered(
        work={"inferences_per_day": 864_000.0},
        old={**sides, "time_per_inference_s": 0.25},
        new={**sides, "time_per_inference_s": 0.1},
    )
    assert (found.old.devices, found.new.devices) == (3, 1)
    assert found.old.power.value == pytest.approx(2.0 + 4.0 * (10.0 / 3.0 * 0.25))
    assert found.new.power.value == pytest.approx(6.0)
    assert any("takes 3 of the old and 1 of the new" in note for note in found.notes)


def test_a_bench_gives_rest_and_work_and_says_that_it_is_simulated() -> None:
    bench = make_bench(simulated=True)
    assert bench.gross is not None
    assert bench.baseline_before is not None
    found = answered(bench, work={"inferences_per_day": 8640.0}, new={"bench": "x.json", "mean_power_w": None})
    time_s = 50.0 / (5 * 4100)
    idle_w = np.mean([one.power_w for one in (bench.baseline_before, bench.baseline_after) if one is not None])
    assert found.new.power.value == pytest.approx(idle_w * (1.0 - 0.1 * time_s) + 0.1 * bench.gross.value_j)
    assert found.simulated
    assert found.new.origin == "simulated"


@pytest.mark.parametrize("residue", ["charged_at_retirement", "written_off_to_fleet", "carried_to_successor"])
def test_where_the_residue_lands(residue: str) -> None:
    grid = only(answered(old={"residue": residue}))
    now, last = grid.rows[0], grid.rows[-1]
    assert now.residue_g == pytest.approx(25_000.0 * 3 / 5)
    assert last.residue_g == pytest.approx(0.0, abs=1e-6)
    assert now.account_g is not None
    booked = now.account_g - now.middle_g
    assert booked == pytest.approx(0.0 if residue == "written_off_to_fleet" else 15_000.0)
    # what is left of the mass is charged by the end, whenever it is charged: it cannot decide
    assert last.account_g == pytest.approx(last.middle_g + 15_000.0)


def test_one_cause_is_one_draw_on_both_sides() -> None:
    """Old and new of one uncertain grid: the grid's error moves their difference in proportion, and no more."""
    wide = {"value": 341.0, "low": 200.0, "high": 500.0, "source": "x"}
    payback = only(answered(draws=2000, grid=[{"intensity": wide, "name": "x"}])).payback
    assert payback.low == pytest.approx(27.7 / (8.0 * 8.76 * 0.5), rel=0.01)
    assert payback.high == pytest.approx(27.7 / (8.0 * 8.76 * 0.2), rel=0.01)


def test_worlds_that_are_looked_at_in_portions_are_all_of_them() -> None:
    wide = {"value": 341.0, "low": 200.0, "high": 500.0, "source": "x"}
    payback = only(answered(draws=30_000, horizon_years=1, grid=[{"intensity": wide, "name": "x"}])).payback
    drawn = Draws(seed=7, count=30_000).of("grid[0].intensity", Estimate(341.0, 200.0, 500.0, "gCO2e/kWh", "x"))
    found = np.sort(27.7 / (8.0 * 8.76 * drawn / 1000.0))
    assert payback.low == pytest.approx(found[round(0.05 * 29_999)], rel=1e-9)
    assert payback.high == pytest.approx(found[round(0.95 * 29_999)], rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"old": {"mean_power_w": None}}, "old: its power is said in 0 ways"),
        ({"old": {"bench": "x.json"}, "work": {"inferences_per_day": 9.0}}, "old: its power is said in 2 ways"),
        ({"new": {"embodied_kgco2e": None}}, "new.hardware"),
        ({"new": {"hardware": "rasberry-pi-5", "embodied_kgco2e": None}}, "near names"),
        ({"grid": [{}]}, r"grid\[0\]: give one of zone"),
        ({"grid": [{"zone": "XX"}]}, "no intensity for zone 'XX'"),
        ({"grid": [{"by_year": [1.0]}]}, "needs a source"),
        ({"grid": [{"zone": "DE"}, {"zone": "DEU"}]}, "two are called 'DEU'"),
        ({"new": {"time_per_inference_s": 0.1}}, "give work.inferences_per_day"),
        (
            {"work": {"inferences_per_day": 864_000.0}, "old": {"time_per_inference_s": 0.25}},
            "takes 3 of the old and 1 of the new devices.*give new.time_per_inference_s",
        ),
        ({"old": {"policy": "by_use"}}, "old.lifetime_inferences"),
        ({"old": {"policy": "front_loaded"}}, "old.decline_ratio"),
        ({"new": {"mean_power_w": {"value": 1.0, "low": 2.0, "high": 3.0, "source": "x"}}}, "low <= value <= high"),
        ({"old": {"mean_power_w": None, "idle_power_w": 1.0}}, "give these three"),
        (
            {"old": {"mean_power_w": None, "measured": {"devices": ["a"], "start": "x", "end": "y"}}},
            "no lake is named",
        ),
    ],
)
def test_a_fault_is_one_line_with_the_remedy(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        answered(**changes)
    assert "\n" not in str(caught.value)


@given(old=POWERS, new=POWERS, mass=st.floats(1.0, 1e6), fall=st.floats(0.0, 0.5), years=st.floats(1.0, 20.0))
def test_at_the_pay_back_time_both_have_emitted_the_same(
    old: float, new: float, mass: float, fall: float, years: float
) -> None:
    path = yearly_intensities(np.array([300.0]), np.array([fall]))
    found = float(payback_years(np.array([mass]), np.array([old - new]), path, holds_on=fall == 0.0)[0])
    if old <= new:
        assert found == math.inf
    if found <= 100.0:
        whole = int(found)
        left = path[0, min(whole, 99)] * (found - whole)
        saved = (old - new) * 8.76 * (path[0, :whole].sum() + left)
        assert saved == pytest.approx(mass, rel=1e-6)
    longer = float(payback_years(np.array([2.0 * mass]), np.array([old - new]), path, holds_on=fall == 0.0)[0])
    assert longer >= found


@given(old=POWERS, new=POWERS, mass=st.floats(1.0, 1e6), life=st.floats(0.5, 30.0), horizon=st.integers(1, 30))
def test_replacing_now_beats_keeping_exactly_where_it_pays_back_within_its_life(
    old: float, new: float, mass: float, life: float, horizon: int
) -> None:
    """With a grid and an offer that stay as they are: every year then weighs the same."""
    plan = Plan(
        old_w=np.array([old]), new_w=np.array([new]), new_mass_g=np.array([mass]), lifetime_years=life,
        power_fall_ratio=np.zeros(1), intensity=np.full((1, 100), 300.0), horizon_years=horizon,
    )  # fmt: skip
    payback = float(payback_years(plan.new_mass_g, plan.old_w - plan.new_w, plan.intensity, holds_on=True)[0])
    now, never = float(totals_g(plan, 0)[0]), float(totals_g(plan, horizon)[0])
    if abs(payback - life) > 1e-6 * life:
        assert (now < never) == (payback < life)


@given(rate=st.floats(0.1, 1e9), time_s=st.floats(1e-6, 10.0), least=st.integers(1, 50))
def test_devices_do_all_the_work_and_one_less_would_not(rate: float, time_s: float, least: int) -> None:
    count = devices_needed(rate, time_s, least)
    assert count >= least
    assert count * 86_400.0 >= rate * time_s * (1.0 - 1e-9)
    assert count == least or (count - 1) * 86_400.0 < rate * time_s
