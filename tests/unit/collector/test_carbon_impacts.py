"""Water, primary energy, abiotic depletion, waste: from the shipped table and a user's own, unknown where unknown."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.embodied import Part
from collector.carbon.estimate import Z95, Estimate, exactly
from collector.carbon.factors import Factor
from collector.carbon.impacts import IMPACTS, ImpactModel, grid_water, unit_faults, water_l
from collector.carbon.montecarlo import Draws
from collector.data.tables import IMPACTS as TABLE
from collector.data.tables import shipped_factors
from collector.inventory import embodied_parts, parse_inventory

KWH_J = 3.6e6


def factor(name: str, value: float, unit: str, *aliases: str, low: float | None = None) -> Factor:
    estimate = Estimate(value, value if low is None else low, value, unit, "t")
    return Factor(
        id=name, name=name, estimate=estimate, scope="s", source="t", licence="l", vintage="v", method="m",
        aliases=aliases,
    )  # fmt: skip


def model(*own: Factor) -> ImpactModel:
    return ImpactModel((*own, *shipped_factors(TABLE)), draws=Draws(seed=1, count=500))


def known(estimate: Estimate | None) -> Estimate:
    assert estimate is not None
    return estimate


def pi4() -> tuple[Part, ...]:
    text = '[[device]]\nid = "a"\nhardware = "raspberry-pi-4b-4gb"\nlifetime_years = 5.0\nsd_card_gb = 32\n'
    return embodied_parts(parse_inventory(text).devices["a"])


def test_grid_water_by_country_code_of_two_or_three_letters() -> None:
    impacts = model()
    impacts.add_energy("a", 10.0 * KWH_J, zone="DE")
    impacts.add_energy("b", 10.0 * KWH_J, zone="DEU")
    water = known(impacts.estimates("a")["water_grid_l"])
    assert water.value == pytest.approx(19.3)
    assert (water.low, water.high) == pytest.approx((9.65, 38.6), rel=5e-3)
    assert water.unit == "L"
    assert known(impacts.estimates("b")["water_grid_l"]).value == water.value
    assert [one.id for one in impacts.factors()] == ["water-grid-DEU"]


def test_what_has_no_factor_is_unknown_and_named() -> None:
    impacts = model()
    impacts.add_energy("a", KWH_J, zone="DEU", site="hall")
    impacts.add_energy("b", KWH_J, zone="nowhere")
    impacts.combine("all", ["a", "b"])
    assert impacts.estimates("all")["water_grid_l"] is None
    assert impacts.missing("all")["water_grid_l"] == ("water-grid/nowhere",)
    assert impacts.estimates("a")["water_site_l"] is None
    assert impacts.missing("a")["water_site_l"] == ("water-site/hall",)
    assert impacts.estimates("a")["primary_energy_grid_mj"] is None
    assert impacts.estimates("a")["e_waste_kg"] is None, "no hardware was added"
    assert set(impacts.estimates("a")) == set(IMPACTS)
    assert all(value is None for value in impacts.estimates("nobody").values())


def test_a_users_rows_come_first() -> None:
    impacts = model(
        factor("own-water", 1.0, "L/kWh", "water-grid/DEU"),
        factor("water-site/hall", 0.5, "L/kWh"),
        factor("e-waste/box", 0.3, "kg"),
    )
    impacts.add_energy("a", 2.0 * KWH_J, zone="DEU", site="hall")
    impacts.add_hardware("a", (), 0.5, hardware="box")
    found = impacts.estimates("a", per=2.0)
    assert known(found["water_grid_l"]).value == pytest.approx(1.0)
    assert known(found["water_site_l"]).value == pytest.approx(0.5)
    assert known(found["e_waste_kg"]).value == pytest.approx(0.075)
    assert found["primary_energy_embodied_mj"] is None, "a device without parts"


def test_a_shipped_board_has_primary_energy_and_abiotic_depletion() -> None:
    impacts = model()
    impacts.add_hardware("a", pi4(), 1.0, hardware="raspberry-pi-4b-4gb")
    found = impacts.estimates("a")
    mass_kgco2e = math.fsum(part.mass_kgco2e() for part in pi4())
    energy = known(found["primary_energy_embodied_mj"])
    assert 11.0 * mass_kgco2e < energy.value < 22.0 * mass_kgco2e, "every kind of part lies between 11 and 23 MJ/kg"
    assert energy.low < energy.value < energy.high
    assert 1e-5 < known(found["abiotic_depletion_embodied_kgsbe"]).value < 1e-3
    assert known(found["e_waste_kg"]).value == pytest.approx(0.046)
    assert impacts.missing("a") == {}


def test_every_shipped_board_is_covered() -> None:
    for board in ("raspberry-pi-5-8gb", "jetson-orin-nano-8gb", "esp32-devkit", "coral-dev-board"):
        text = f'[[device]]\nid = "a"\nhardware = "{board}"\nlifetime_years = 5.0\nend_of_life = true\n'
        impacts = model()
        impacts.add_hardware("a", embodied_parts(parse_inventory(text).devices["a"]), 1.0)
        assert set(impacts.missing("a")) == {"e_waste_kg"}, board
        assert known(impacts.estimates("a")["primary_energy_embodied_mj"]).value > 0.0


def test_a_part_without_a_ratio_makes_the_device_unknown() -> None:
    pcf = Part(name="pcf", factor=factor("pcf-x", 8.0, "kgCO2e"))
    impacts = model()
    impacts.add_hardware("a", (*pi4(), pcf), 1.0)
    assert impacts.estimates("a")["primary_energy_embodied_mj"] is None
    assert impacts.missing("a")["primary_energy_embodied_mj"] == ("primary-energy/pcf-x",)


def test_a_factor_in_the_wrong_unit_is_refused() -> None:
    impacts = model(factor("water-grid/XX", 1.0, "m3"))
    for _attempt in range(2):
        with pytest.raises(ValueError, match="give it in L/kWh"):
            impacts.add_energy("a", 1.0, zone="XX")


def test_every_row_in_a_wrong_unit_is_told_before_anything_is_assessed() -> None:
    rows = (
        factor("water-grid/XX", 1.0, "m3"),
        factor("mass", 1.0, "g", "e-waste/box"),
        factor("right", 1.0, "L/kWh", "water-grid/YY"),
        factor("something-else/XX", 1.0, "m3"),
    )
    told = unit_faults(rows)
    assert len(told) == 2
    assert "'water-grid/XX' of water_grid_l is in m3; give it in L/kWh" in told[0]
    assert "give it in kg" in told[1]
    assert unit_faults(shipped_factors(TABLE)) == []


@given(zone=st.sampled_from(["DEU", "de", "FRA", "XX", ""]), energy_j=st.floats(0.0, 1e9))
def test_the_water_of_one_zone_is_that_of_the_model(zone: str, energy_j: float) -> None:
    impacts = model()
    impacts.add_energy("a", energy_j, zone=zone)
    found, figure = grid_water(shipped_factors(TABLE), zone), impacts.estimates("a")["water_grid_l"]
    assert (found is None) == (figure is None)
    if found is not None and figure is not None:
        assert energy_j / KWH_J * found.estimate.value == pytest.approx(figure.value, rel=1e-12, abs=1e-30)


def test_water_of_a_cloud_is_that_of_site_and_grid() -> None:
    energy = exactly(KWH_J, "J", "t")
    grid, site, pue = factor("g", 3.0, "L/kWh"), factor("s", 0.5, "L/kWh"), factor("p", 1.2, "ratio")
    assert water_l(energy, grid=grid).value == pytest.approx(3.0)
    assert water_l(energy, grid=grid, site=site, pue=pue).value == pytest.approx(0.5 + 1.2 * 3.0)
    with pytest.raises(ValueError, match="water is J times L/kWh"):
        water_l(exactly(1.0, "kWh", "t"), grid=grid)
    with pytest.raises(ValueError, match="water is J times L/kWh"):
        water_l(energy, grid=pue)


def test_the_meters_error_is_in_the_water_too() -> None:
    impacts = model(factor("own-water", 1.0, "L/kWh", "water-grid/DEU"))
    impacts.add_energy("a", 10.0 * KWH_J, zone="DEU", systematic_id="m", u_systematic_j=KWH_J, variance_j2=0.0)
    impacts.add_energy("b", 10.0 * KWH_J, zone="DEU", variance_j2=KWH_J**2)
    for name in "ab":
        water = known(impacts.estimates(name)["water_grid_l"])
        assert (water.low, water.high) == pytest.approx((10.0 - Z95, 10.0 + Z95), rel=5e-3), name


@given(st.lists(st.tuples(st.sampled_from(["DEU", "FRA", "POL"]), st.floats(0.0, 1e9)), min_size=1, max_size=6))
def test_members_sum_to_their_group(rows: list[tuple[str, float]]) -> None:
    impacts = ImpactModel(shipped_factors(TABLE), draws=Draws(seed=1, count=50))
    for index, (zone, energy_j) in enumerate(rows):
        impacts.add_energy(f"d{index}", energy_j, zone=zone)
    members = [f"d{index}" for index in range(len(rows))]
    impacts.combine("all", members)
    each = [known(impacts.estimates(name)["water_grid_l"]).value for name in members]
    assert known(impacts.estimates("all")["water_grid_l"]).value == pytest.approx(math.fsum(each), rel=1e-9, abs=1e-12)
