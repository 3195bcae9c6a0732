"""Ten per cent or eighty: the embodied share is a place on a map of grid, duty and lifetime."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.analysis.embodied_map import BoardMap, MapQuestion, embodied_maps, regions
from collector.analysis.map_plot import draw_maps
from collector.carbon.estimate import Estimate, exactly
from collector.carbon.share_map import MeanPower, share_estimate, shares
from collector.carbon.units import GCO2E, GCO2E_PER_KWH
from collector.intensity.yearly_table import load_yearly_table
from edge_agent.wire.errors import ConfigurationError

PI = MeanPower(idle_w=2.0, busy_w=6.0, source="test")


def maps(**question: object) -> tuple[BoardMap, ...]:
    return embodied_maps(MapQuestion(**question), load_yearly_table())  # type: ignore[arg-type]  # some bad ones


@pytest.mark.parametrize(("per_kwh", "percent"), [(23.0, 70), (33.0, 62), (136.0, 28), (341.0, 13), (614.0, 8)])
def test_published_places_of_a_pi_4_come_out(per_kwh: float, percent: int) -> None:
    # 9.3 kg, 4 W, 5 years; Electricity Maps 2024 for SE, FR, DK, DE, IN.
    share = share_estimate(exactly(9300.0, GCO2E, "t"), exactly(per_kwh, GCO2E_PER_KWH, "t"), PI.mean_w(0.5), 5.0)
    assert round(100.0 * share.value) == percent
    assert share.low == pytest.approx(share.value) == share.high


@given(st.floats(1.0, 1e6), st.floats(0.001, 100.0), st.floats(0.5, 20.0), st.floats(1.0, 1500.0), st.floats(1.0, 5.0))
def test_the_array_and_the_estimate_agree(
    mass: float, watts: float, years: float, per_kwh: float, wide: float
) -> None:
    grams = Estimate(mass, mass / wide, mass * wide, GCO2E, "t")
    grid = Estimate(per_kwh, per_kwh / wide, per_kwh * wide, GCO2E_PER_KWH, "t")
    one = share_estimate(grams, grid, watts, years)
    many = shares(mass, np.array([watts, 2.0 * watts]), years, np.array([per_kwh, 2.0 * per_kwh]))
    assert many.shape == (2, 2)
    assert many[0, 0] == pytest.approx(one.value, rel=1e-12)
    assert many[1, 0] == pytest.approx(many[0, 1], rel=1e-12)
    assert many[1, 1] < many[0, 0]
    assert 0.0 < one.low <= one.value <= one.high < 1.0 + 1e-12


def test_every_board_has_a_map_and_both_regions_are_on_it() -> None:
    found = maps()
    assert len(found) == 11
    counts = regions(found)
    assert all(counts.values())
    assert sum(counts.values()) == 11 * 8 * 3 * 3
    for one in found:
        assert one.power.source
        assert {factor.unit for factor in (f.estimate for f in one.factors)} > {"gCO2e/kWh"}
        shares_of = [cell.embodied_share for cell in one.cells]
        assert all(0.0 < share.low < share.value < share.high < 1.0 for share in shares_of)


def test_a_card_and_measured_watts_change_the_map() -> None:
    plain = maps(boards=("pi-4",), zones=("DE",), duties=(1.0,), years=(5.0,))[0]
    more = maps(boards=("pi-4",), zones=("DE",), duties=(1.0,), years=(5.0,), sd_card_gb=32, power=PI)[0]
    assert more.mass.value - plain.mass.value == pytest.approx(1260.0)
    assert more.cells[0].mean_power_w == 6.0
    # At the break-even grid both halves are alike.
    even = plain.break_even_gco2e_per_kwh["5"]
    half = share_estimate(plain.mass, exactly(even, GCO2E_PER_KWH, "t"), plain.power.mean_w(1.0), 5.0)
    assert half.value == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"boards": ("pi-44",)}, "map: board: unknown 'pi-44'; near names"),
        ({"zones": ("DUE",)}, "map: zone.*'DUE'; near names"),
        ({"duties": (1.5,)}, "a duty lies in 0"),
        ({"years": (0.0,)}, "a lifetime above 0"),
        ({"boards": ("um25c",)}, "map: board: unknown 'um25c'"),
    ],
)
def test_what_cannot_be_mapped_is_refused(question: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        maps(**question)


def test_impossible_powers_and_units_are_refused() -> None:
    with pytest.raises(ValueError, match="0 <= idle <= busy"):
        MeanPower(idle_w=2.0, busy_w=1.0, source="t")
    with pytest.raises(ValueError, match="a duty lies in"):
        PI.mean_w(1.1)
    with pytest.raises(ValueError, match="a share needs gCO2e and"):
        share_estimate(exactly(1.0, "kgCO2e", "t"), exactly(1.0, GCO2E_PER_KWH, "t"), 1.0, 1.0)
    with pytest.raises(ValueError, match="above 0"):
        share_estimate(exactly(0.0, GCO2E, "t"), exactly(1.0, GCO2E_PER_KWH, "t"), 1.0, 1.0)


@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<?xml"), (".png", b"\x89PNG")])
def test_the_figure_is_drawn_and_is_the_same_each_time(tmp_path: Path, suffix: str, start: bytes) -> None:
    found = maps(boards=("pi-4", "arduino-nano-33"))
    for name in ("a", "b"):
        draw_maps(found, (2.0, 5.0, 10.0), tmp_path / f"{name}{suffix}")
    first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("a", "b"))
    assert first.startswith(start)
    assert first == second
    if suffix == ".svg":
        assert b"Raspberry Pi 4B" in first


def test_another_kind_of_figure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"written as \.svg or \.png"):
        draw_maps(maps(boards=("pi-4",)), (5.0,), tmp_path / "map.pdf")


@pytest.mark.parametrize(("value", "high"), [(50.0, 400.0), (0.0, 10.0), (0.0, 0.0)])
def test_a_grid_that_may_emit_nothing_leaves_a_share_within_0_and_1(value: float, high: float) -> None:
    grid = Estimate(value, 0.0, high, GCO2E_PER_KWH, "t")
    share = share_estimate(Estimate(9000.0, 6000.0, 18000.0, GCO2E, "t"), grid, 4.0, 5.0)
    assert 0.0 < share.low <= share.value <= share.high == 1.0
