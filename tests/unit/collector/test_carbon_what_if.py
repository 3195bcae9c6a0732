"""The same work at another hour or place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.timeline import IntensityTimeline
from collector.carbon.what_if import Work, constant_work, costs, places, starts_between

HOUR_S = 3600.0
HOUR_NS = 3_600_000_000_000


def hourly(values: list[float], first_hour: int = 0) -> IntensityTimeline:
    starts = (np.arange(len(values), dtype=np.int64) + first_hour) * HOUR_NS
    value = np.asarray(values, dtype=np.float64)
    return IntensityTimeline(
        starts, starts + HOUR_NS, value, low=value * 0.5, high=value * 2.0, quality=["forecast"] * len(values)
    )


def test_six_hours_of_ten_watts_by_night_and_by_evening() -> None:
    """60 Wh, at two levels: what it costs is the mean over its own six hours, split where it starts in between."""
    day = hourly([80.0] * 16 + [190.0] * 8)
    found = costs(
        constant_work(10.0, 6 * HOUR_S),
        day,
        starts_between(0, 18 * HOUR_NS, HOUR_S / 2),
        zone="GB",
        yearly_gco2e_per_kwh=216.0,
    )
    assert found.cheapest is not None
    assert found.dearest is not None
    assert found.cheapest.gco2e == pytest.approx(0.06 * 80.0)
    assert found.dearest.gco2e == pytest.approx(0.06 * 190.0)
    assert found.yearly_gco2e == pytest.approx(0.06 * 216.0)
    assert found.dearest.start_unix_ns == 16 * HOUR_NS
    half_past = next(one for one in found.starts if one.start_unix_ns == 21 * HOUR_NS // 2)
    expected = 0.06 * (5.5 * 80.0 + 0.5 * 190.0) / 6.0
    assert [half_past.gco2e, half_past.low, half_past.high] == pytest.approx([expected, expected / 2, expected * 2])
    assert half_past.quality_ratio["forecast"] == pytest.approx(1.0)
    assert found.mean_gco2e is not None
    assert found.saving_ratio == pytest.approx(1.0 - 0.06 * 80.0 / found.mean_gco2e)


def test_a_profile_puts_its_energy_where_it_is() -> None:
    work = Work(np.array([0.0, 3.6e6]), HOUR_S)
    found = costs(work, hourly([100.0, 500.0, 100.0]), np.array([0, HOUR_NS], dtype=np.int64), zone="X")
    assert [one.gco2e for one in found.starts] == pytest.approx([500.0, 100.0])


def test_what_is_not_all_known_is_not_compared() -> None:
    found = costs(
        constant_work(1.0, 2 * HOUR_S),
        hourly([5.0, 9.0, 9.0], first_hour=1),
        np.array([0, HOUR_NS, 10 * HOUR_NS], dtype=np.int64),
        zone="X",
    )
    assert [one.gco2e is None for one in found.starts] == [True, False, True]
    assert [one.known_ratio for one in found.starts] == [0.5, 1.0, 0.0]
    assert found.cheapest == found.dearest == found.starts[1]
    assert found.yearly_gco2e is None


def test_places_are_in_order_of_their_cheapest_start() -> None:
    grids = {"none": hourly([]), "dirty": hourly([700.0, 600.0]), "clean": hourly([20.0, 30.0]), "void": hourly([])}
    found = places(
        constant_work(1000.0, HOUR_S),
        grids,
        np.array([0, HOUR_NS], dtype=np.int64),
        kind="marginal",
        yearly_gco2e_per_kwh={"clean": 25.0},
    )
    assert [one.zone for one in found] == ["clean", "dirty", "none", "void"]
    assert [one.yearly_gco2e for one in found[:2]] == [pytest.approx(25.0), None]
    assert found[0].unit == "gCO2e (marginal)"
    assert found[2].cheapest is None


@pytest.mark.parametrize(
    ("energy", "part_s"), [([], 1.0), ([1.0], 0.0), ([-1.0], 1.0), ([float("nan")], 1.0), ([1.0], float("inf"))]
)
def test_work_that_is_none_is_refused(energy: list[float], part_s: float) -> None:
    with pytest.raises(ValueError, match="work"):
        Work(np.array(energy, dtype=np.float64), part_s)


def test_starts_that_are_none_or_too_many_are_refused() -> None:
    assert starts_between(5, 5, 1.0).tolist() == [5]
    for first, last, step_s in ((5, 4, 1.0), (0, 10, 0.0), (0, 10**18, 1e-3)):
        with pytest.raises(ValueError, match="starts"):
            starts_between(first, last, step_s)


@given(
    st.lists(st.floats(1.0, 1000.0), min_size=24, max_size=24),
    st.lists(st.floats(0.0, 1e6), min_size=1, max_size=8),
    st.floats(1e-3, 1e3),
)
def test_grams_are_linear_in_energy_and_lie_between_the_hours(
    values: list[float], parts_j: list[float], factor: float
) -> None:
    starts = starts_between(0, 8 * HOUR_NS, 1234.5)
    once, more = (
        costs(Work(np.array(parts_j) * by, 1800.0), hourly(values), starts, zone="X") for by in (1.0, factor)
    )
    kwh = sum(parts_j) / 3.6e6
    for a, b in zip(once.starts, more.starts, strict=True):
        assert a.gco2e is not None
        assert b.gco2e == pytest.approx(a.gco2e * factor, rel=1e-9, abs=1e-12)
        assert min(values) * kwh * (1 - 1e-9) - 1e-12 <= a.gco2e <= max(values) * kwh * (1 + 1e-9) + 1e-12
