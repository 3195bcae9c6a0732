"""From power by production type to steps of intensity: netting, grids of different steps, gaps."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.data.tables import FUEL_FACTORS, shipped_factors
from collector.intensity.entsoe_document import Block
from collector.intensity.generation import MixStep, mix_steps, net_power

FACTORS = shipped_factors(FUEL_FACTORS)
QUARTER_NS = 900 * 10**9
ORIGIN_NS = 1_709_596_800 * 10**9
NAN = float("nan")


def blocks(psr_type: str, mw: list[float | None], *, step: int = 1, consumed: bool = False) -> list[Block]:
    """Return one block for each value; ``step``: in quarters of an hour."""
    step_ns = step * QUARTER_NS
    starts = [ORIGIN_NS + i * step_ns for i in range(len(mw))]
    return [
        Block(psr_type, consumed, start, start + step_ns, step_ns, value * 1e6)
        for start, value in zip(starts, mw, strict=True)
        if value is not None
    ]


def steps(*series: list[Block]) -> list[MixStep]:
    net = net_power([block for one in series for block in one])
    assert net is not None
    return mix_steps(net, FACTORS)


def values(*series: list[Block]) -> dict[int, float]:
    """Return the intensity by quarter of an hour after ``ORIGIN_NS``."""
    return {(step.start_unix_ns - ORIGIN_NS) // QUARTER_NS: step.gco2e_per_kwh for step in steps(*series)}


def test_coal_and_wind_by_their_power() -> None:
    found = values(blocks("B05", [300.0, 100.0]), blocks("B19", [100.0, 300.0]))
    assert found == {0: pytest.approx(0.75 * 820 + 0.25 * 11), 1: pytest.approx(0.25 * 820 + 0.75 * 11)}


def test_hours_and_quarters_meet_on_the_finer_grid() -> None:
    found = values(blocks("B05", [100.0], step=4), blocks("B19", [100.0, 100.0, 300.0, 0.0]))
    assert list(found) == [0, 1, 2, 3]
    assert found[2] == pytest.approx(0.25 * 820 + 0.75 * 11)
    assert found[3] == 820.0


def test_a_constant_series_keeps_its_steps() -> None:
    held = Block("B05", False, ORIGIN_NS, ORIGIN_NS + 4 * QUARTER_NS, QUARTER_NS, 1e6)
    assert len(steps([held])) == 4


def test_pumped_storage_is_netted() -> None:
    net = net_power(
        [*blocks("B10", [200.0, None, 50.0, None]), *blocks("B10", [150.0, 80.0, None, None], consumed=True)]
    )
    assert net is not None
    np.testing.assert_array_equal(net.power_w["B10"], [50e6, -80e6, 50e6])


def test_pumping_does_not_make_power_cleaner_or_dirtier() -> None:
    grid = blocks("B05", [100.0]), blocks("B19", [100.0])
    assert values(*grid, blocks("B10", [100.0], consumed=True)) == values(*grid)


def test_as_much_generated_as_pumped_changes_nothing() -> None:
    grid = blocks("B05", [100.0]), blocks("B19", [100.0])
    storage = blocks("B10", [70.0]), blocks("B10", [70.0], consumed=True)
    (with_storage,), (without,) = steps(*grid, *storage), steps(*grid)
    assert with_storage == without


def test_a_late_type_leaves_its_steps_unknown() -> None:
    assert list(values(blocks("B05", [300.0, 310.0, None]), blocks("B19", [100.0, 100.0, 100.0]))) == [0, 1]


def test_a_type_that_was_small_before_it_is_late_is_left_out_and_said() -> None:
    found = steps(blocks("B06", [1.0, 1.0, None]), blocks("B19", [100.0, 100.0, 100.0]))
    assert [step.is_estimated for step in found] == [False, False, True]


def test_sun_that_nobody_publishes_at_night_leaves_the_night_known() -> None:
    sun: list[float | None] = [40.0, 0.0, None, None, 0.0, 30.0]
    found = steps(blocks("B16", sun), blocks("B05", [100.0] * 6))
    assert len(found) == 6
    assert [step.gco2e_per_kwh for step in found[1:5]] == [820.0] * 4
    assert [step.is_estimated for step in found] == [False, False, True, True, False, False]


def test_a_hole_between_large_values_is_unknown() -> None:
    assert list(values(blocks("B14", [100.0, None, 0.0]), blocks("B05", [100.0] * 3))) == [0, 2]


def test_a_time_for_which_nothing_is_published_is_a_gap() -> None:
    assert list(values(blocks("B05", [100.0, None, 100.0]))) == [0, 2]


def test_much_of_what_has_no_factor_is_unknown() -> None:
    found = steps(blocks("B05", [95.0, 80.0]), blocks("B20", [5.0, 20.0]))
    assert [step.unknown_ratio for step in found] == [pytest.approx(0.05)]


def test_two_values_of_one_time_are_refused_unless_they_agree() -> None:
    assert len(steps(blocks("B05", [100.0]), blocks("B05", [100.0]))) == 1
    with pytest.raises(ValueError, match="two different values of B05"):
        net_power([*blocks("B05", [100.0]), *blocks("B05", [101.0])])


def test_times_without_a_common_grid_are_refused() -> None:
    odd = Block("B05", False, ORIGIN_NS + 7, ORIGIN_NS + 7 + QUARTER_NS, QUARTER_NS, 1.0)
    with pytest.raises(ValueError, match="no grid"):
        net_power([*blocks("B05", [100.0]), odd])


def test_no_block_is_no_power() -> None:
    assert net_power([]) is None


MW = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 50.0, 4e4]))


@given(st.dictionaries(st.sampled_from(["B01", "B04", "B05", "B10", "B14", "B16", "B20"]), st.lists(MW, max_size=6)))
def test_steps_follow_one_another_and_hold_their_range(series: dict[str, list[float | None]]) -> None:
    net = net_power([block for name, mw in series.items() for block in blocks(name, mw)])
    found = [] if net is None else mix_steps(net, FACTORS)
    assert all(a.end_unix_ns <= b.start_unix_ns for a, b in itertools.pairwise(found))
    for step in found:
        assert 0.0 <= step.low <= step.gco2e_per_kwh <= step.high < 2_000.0
        assert step.unknown_ratio <= 0.1
