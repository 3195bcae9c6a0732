import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import collector
from collector.assess import NS_PER_S, Assessor, Carbon
from collector.carbon.units import s_from_years
from collector.intensity.yearly_table import load_marginal_table, load_yearly_table
from collector.inventory import parse_inventory, read_inventory
from edge_agent.wire.errors import ConfigurationError

SAMPLE = Path(collector.__file__).with_name("inventory.sample.toml")
T = int(dt.datetime(2025, 6, 1, tzinfo=dt.UTC).timestamp()) * NS_PER_S


def assessor() -> Assessor:
    return Assessor(read_inventory(SAMPLE), load_yearly_table())


def assess(of: Assessor, device_id: str, energy_j: float = 3.6e6, duration_s: float = 10.0, start: int = T) -> Carbon:
    return of.assess(device_id, energy_j=energy_j, energy_u_j=0.0, start_unix_ns=start, duration_s=duration_s)


def test_a_device_is_described() -> None:
    place = assessor().describe("zero-window")
    assert (place.site, place.zone, place.hardware, place.device_class) == (
        "greenhouse", "DK", "raspberry-pi-zero-2-w", "raspberry-pi-zero-2-w",
    )  # fmt: skip
    unknown = assessor().describe("nobody")
    assert (unknown.site, unknown.zone, unknown.hardware, unknown.device_class) == ("", "", "", "")


def test_grams_of_a_kilowatt_hour_and_of_a_year() -> None:
    carbon = assess(assessor(), "pi4-bench", duration_s=s_from_years(1.0))
    assert carbon.operational is not None
    assert carbon.embodied is not None
    assert carbon.operational.value == pytest.approx(342.06)
    assert carbon.operational.low == pytest.approx(313.6)
    assert carbon.embodied.value == pytest.approx(2120.0)
    assert 526.0 < carbon.embodied.low < 2112.0 < carbon.embodied.high < 6661.7
    assert carbon.embodied_policy == "linear_in_time"
    assert carbon.beyond_lifetime_s == 0.0


def test_the_meter_uncertainty_widens_the_range() -> None:
    sure = assess(assessor(), "pi4-bench")
    unsure = assessor().assess("pi4-bench", energy_j=3.6e6, energy_u_j=3.6e5, start_unix_ns=T, duration_s=10.0)
    assert sure.operational is not None
    assert unsure.operational is not None
    assert unsure.operational.low < sure.operational.low
    assert unsure.operational.high > sure.operational.high
    assert unsure.operational.value == sure.operational.value


def test_unknown_is_none_not_zero() -> None:
    bare = Assessor(parse_inventory('[[device]]\nid = "x"'), load_yearly_table())
    for device_id in ("x", "nobody"):
        carbon = assess(bare, device_id)
        assert carbon.operational is None
        assert carbon.embodied is None
    assert bare.factors() == []


def test_factors_are_those_that_were_used() -> None:
    used = assessor()
    assess(used, "pi4-bench")
    assess(used, "pi4-bench")
    assess(used, "gateway")
    assert [factor.id for factor in used.factors()] == [
        "DEU", "logic-silicon", "die-raspberry-pi-4", "dram", "circuit-board", "passive-parts", "connectivity",
        "transport", "flash", "card-package", "power-supply-15w", "pcf-own-gateway-revision-c",
        "own-switch",
    ]  # fmt: skip
    assert all(factor.source and factor.licence and factor.vintage for factor in used.factors())


def test_after_the_planned_life_nothing_embodied_is_charged_and_it_shows() -> None:
    late = int(dt.datetime(2031, 3, 1, tzinfo=dt.UTC).timestamp()) * NS_PER_S
    carbon = assess(assessor(), "pi4-bench", duration_s=60.0, start=late)
    assert carbon.embodied is not None
    assert carbon.embodied.value == 0.0
    assert carbon.beyond_lifetime_s == 60.0


@given(st.floats(min_value=0.0, max_value=1e9), st.floats(min_value=0.0, max_value=1e9))
def test_windows_add_up_to_their_whole(first_j: float, second_j: float) -> None:
    of = assessor()
    parts = [assess(of, "zero-window", energy_j=energy_j).operational for energy_j in (first_j, second_j)]
    whole = assess(of, "zero-window", energy_j=first_j + second_j).operational
    assert whole is not None
    assert sum(part.value for part in parts if part is not None) == pytest.approx(whole.value, rel=1e-12, abs=1e-12)


def test_a_zone_that_no_table_knows_is_refused_at_once() -> None:
    inventory = parse_inventory('[[device]]\nid = "x"\nzone = "DUE"', "inventory.toml")
    with pytest.raises(ConfigurationError, match=r"inventory\.toml: device 'x': zone: .*'DUE'; near names: DEU"):
        Assessor(inventory, load_yearly_table())


def test_an_account_is_not_kept_with_marginal_intensities() -> None:
    with pytest.raises(ConfigurationError, match="needs average intensities"):
        Assessor(read_inventory(SAMPLE), load_marginal_table())
