import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.uncertainty.energy import EnergyBudget, PooledSpread, edge_u_j, energy_budget, power_step_w
from firmware_bridge.driver import DataSheet
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import EnergyDelta

POINT: DataSheet = get_driver("tc66c").data_sheet
MEAN = replace(POINT, sampling="mean")
LEVELS_W = (2.0, 5.0)
DUTY = 0.3
STEP_W = LEVELS_W[1] - LEVELS_W[0]
SD_W = STEP_W * math.sqrt(DUTY * (1.0 - DUTY))


def delta(**changed: float) -> EnergyDelta:
    made = EnergyDelta(
        duration_s=10.0,
        energy_j=29.0,
        energy_u_systematic_j=0.05,
        covered_s=10.0,
        gap_s=0.0,
        sample_count=100.0,
        lost_count=0.0,
        mean_power_w=2.9,
        power_sd_w=SD_W,
        resolution_j=0.02,
    )
    return replace(made, **changed)


def test_the_parts_of_a_point_sampling_meter_are_the_formulas() -> None:
    budget = energy_budget(delta(), POINT, sync_residual_s=0.02, busy_ratio=DUTY)
    assert budget.systematic_j == 0.05
    assert budget.sampling_j == pytest.approx(SD_W * 10.0 / 10.0)
    assert budget.edge_j == pytest.approx(math.sqrt(2 / 3) * STEP_W * math.hypot(0.02, 0.1 / 4))
    assert budget.combined_j == pytest.approx(math.hypot(0.05, budget.independent_j))


def test_a_meter_that_averages_has_no_sampling_term() -> None:
    assert energy_budget(delta(), MEAN, sync_residual_s=0.02, busy_ratio=DUTY).sampling_j == 0.0


def test_the_sampling_term_is_the_spread_of_really_sampled_energies() -> None:
    rng = np.random.default_rng(1)
    samples_w = np.where(rng.random((4000, 100)) < DUTY, LEVELS_W[1], LEVELS_W[0])
    spread_j = float((samples_w.mean(axis=1) * 10.0).std())
    found = energy_budget(delta(), POINT, sync_residual_s=0.0, busy_ratio=DUTY).sampling_j
    assert found == pytest.approx(spread_j, rel=0.05)


def test_the_edge_term_covers_really_shifted_edges_of_a_two_level_load() -> None:
    """A shift within +-r at each edge, the load high inside and low outside: the worst honest case."""
    rng = np.random.default_rng(2)
    shifts_s = rng.uniform(-0.05, 0.05, (20_000, 2))
    spread_j = float((STEP_W * (shifts_s[:, 0] + shifts_s[:, 1])).std())
    assert edge_u_j(STEP_W, 0.05, 0.0) == pytest.approx(spread_j, rel=0.03)


def test_the_power_step_is_found_back_from_the_spread() -> None:
    assert power_step_w(SD_W, DUTY) == pytest.approx(STEP_W)
    assert power_step_w(SD_W, 0.0) < 5.0 * SD_W


def test_a_steady_signal_below_one_display_step_does_not_average_the_step_away() -> None:
    steady = energy_budget(delta(power_sd_w=0.0), POINT, sync_residual_s=0.02, busy_ratio=1.0)
    moving = energy_budget(delta(power_sd_w=0.1), POINT, sync_residual_s=0.02, busy_ratio=1.0)
    assert steady.rounding_j == pytest.approx(0.02 / math.sqrt(12))
    assert moving.resolution_j == pytest.approx(steady.rounding_j / 10.0)
    assert steady.resolution_j == moving.rounding_j == 0.0
    assert steady.edge_j == 0.0


def test_a_window_without_a_sample_is_certain_of_nothing_covered() -> None:
    empty = delta(energy_j=0.0, energy_u_systematic_j=0.0, covered_s=0.0, gap_s=10.0, sample_count=0.0)
    budget = energy_budget(replace(empty, mean_power_w=None), POINT, sync_residual_s=0.02, busy_ratio=0.5)
    assert budget == EnergyBudget(0.0, 0.0, 0.0, 0.0)
    assert budget.combined_j == 0.0


def test_a_window_that_met_one_level_by_chance_has_the_spread_of_its_neighbours() -> None:
    pool = PooledSpread()
    for _ in range(9):
        pool.add(delta())
    pooled_sd_w = pool.add(delta(power_sd_w=0.0))
    assert pooled_sd_w == pytest.approx(SD_W * math.sqrt(0.9))
    lucky = energy_budget(delta(power_sd_w=0.0), POINT, sync_residual_s=0.0, busy_ratio=DUTY, pooled_sd_w=pooled_sd_w)
    assert lucky.sampling_j == pytest.approx(pooled_sd_w * 10.0 / 10.0)
    mean = energy_budget(delta(power_sd_w=0.0), MEAN, sync_residual_s=0.0, busy_ratio=DUTY, pooled_sd_w=pooled_sd_w)
    assert mean.sampling_j == 0.0


def test_the_pool_forgets_an_old_workload_and_bears_windows_of_gap() -> None:
    pool = PooledSpread()
    assert pool.add(delta(covered_s=0.0)) == 0.0
    assert pool.add(delta()) == pytest.approx(SD_W)
    for _ in range(29):
        pool.add(delta(power_sd_w=0.1))
    assert pool.add(delta(power_sd_w=0.1)) == pytest.approx(0.1)


def test_one_lone_sample_admits_that_it_knows_little() -> None:
    lone = delta(sample_count=1.0, power_sd_w=0.0, covered_s=1.0, energy_j=3.0, mean_power_w=3.0)
    assert energy_budget(lone, POINT, sync_residual_s=0.0, busy_ratio=0.5).sampling_j == pytest.approx(3.0 / 3**0.5)


@given(
    st.floats(0.0, 10.0),
    st.floats(0.001, 3600.0),
    st.floats(0.0, 1e6),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.floats(-1.0, 100.0),
)
def test_no_part_is_negative_nor_larger_than_the_whole(
    sd_w: float, covered_s: float, count: float, busy_ratio: float, residual_s: float, mean_w: float
) -> None:
    changed = delta(
        power_sd_w=sd_w, covered_s=covered_s, sample_count=count, mean_power_w=mean_w, energy_j=mean_w * covered_s
    )
    budget = energy_budget(changed, POINT, sync_residual_s=residual_s, busy_ratio=busy_ratio)
    parts = (budget.systematic_j, budget.sampling_j, budget.resolution_j, budget.edge_j, budget.rounding_j)
    assert all(0.0 <= part <= budget.combined_j * (1 + 1e-12) for part in parts)
    assert math.isfinite(budget.combined_j)


def test_the_rounding_of_a_steady_power_is_the_same_in_every_window() -> None:
    """0.29 W of a display in steps of 1 W: a thousand windows of one hour have one error, not a thousand."""
    steady = delta(power_sd_w=0.0, resolution_j=10.0, energy_u_systematic_j=0.3)
    budget = energy_budget(steady, MEAN, sync_residual_s=0.0, busy_ratio=1.0)
    assert budget.rounding_j == pytest.approx(10.0 / math.sqrt(12.0))
    assert budget.common_j == pytest.approx(math.hypot(0.3, budget.rounding_j))
    assert budget.independent_j == 0.0


@pytest.mark.parametrize("noise_steps", [0.02, 0.1, 0.2, 0.3, 0.5])
def test_a_display_that_goes_to_and_fro_between_two_values_is_not_told_to_average_out(noise_steps: float) -> None:
    """Really rounded values of a power that lies anywhere between two steps: the mean is as uncertain as is said."""
    rng = np.random.default_rng(3)
    powers_w = rng.uniform(-0.5, 0.5, 2000)
    shown_w = np.round(powers_w[:, np.newaxis] + noise_steps * rng.standard_normal((2000, 100)))
    errors_w = shown_w.mean(axis=1) - powers_w
    said_w = []
    for sd_w in shown_w.std(axis=1).tolist():
        budget = energy_budget(
            delta(covered_s=1.0, power_sd_w=sd_w, resolution_j=1.0), MEAN, sync_residual_s=0.0, busy_ratio=1.0
        )
        said_w.append(math.hypot(budget.rounding_j, budget.resolution_j, sd_w / 10.0))
    calm = np.array(said_w) < 0.2
    assert not calm.any() or float(errors_w[calm].std()) < 1.1 * float(np.array(said_w)[calm].max())
    assert calm.any() == (noise_steps > 0.2)
