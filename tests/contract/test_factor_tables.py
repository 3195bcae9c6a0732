"""What every shipped factor must say before it may leave the house."""

import tomllib
from importlib import resources

import pytest

from collector.carbon.factors import SCREENING_LABEL, Factor
from collector.data.hardware import BILLS_OF_MATERIALS, item_parts, shipped_items
from collector.data.tables import (
    CLOUD,
    EMBODIED_HARDWARE,
    FUEL_FACTORS,
    GRID_INTENSITY,
    GRID_INTENSITY_MARGINAL,
    IMPACTS,
    NETWORK_ENERGY,
    SHIPPED,
    shipped_factors,
)

SHIPPABLE = {"Apache-2.0", "CC-BY-4.0", "cited fact"}
"""Licences under which a figure may be shipped with Apache-2.0 code. "cited fact": a number from a publication."""

UNITS = {
    GRID_INTENSITY: {"gCO2e/kWh"},
    GRID_INTENSITY_MARGINAL: {"gCO2e/kWh"},
    EMBODIED_HARDWARE: {"kgCO2e", "kgCO2e/cm2", "kgCO2e/GB", "kgCO2e/kg", "cm2"},
    NETWORK_ENERGY: {"kWh/GB"},
    CLOUD: {"ratio", "W", "kgCO2e", "L/kWh"},
    FUEL_FACTORS: {"gCO2e/kWh"},
    IMPACTS: {"L/kWh", "MJ/kgCO2e", "kgSbe/kgCO2e", "kg"},
}

CITED = {"circuit-board": "board of a gpu card as boaviztapi states it (0.0325)"}
"""Single numbers that are cited from a source whose table or code could not be shipped: the citation, word by word."""

ALL = [
    pytest.param(table, factor, id=f"{table}-{factor.id}") for table in SHIPPED for factor in shipped_factors(table)
]


@pytest.mark.parametrize(("table", "factor"), ALL)
def test_each_row_is_complete_and_may_be_shipped(table: str, factor: Factor) -> None:
    figure = factor.estimate
    assert 0.0 <= figure.low <= figure.value <= figure.high
    assert figure.unit in UNITS[table]
    assert factor.licence in SHIPPABLE
    for text in (factor.name, factor.source, factor.vintage, factor.scope, factor.method):
        assert text.strip()


@pytest.mark.parametrize(("table", "factor"), ALL)
def test_no_row_comes_from_a_source_that_forbids_it(table: str, factor: Factor) -> None:
    words = f"{factor.source} {factor.licence}".casefold()
    if factor.id in CITED:
        assert factor.licence == "cited fact"
        words = words.replace(CITED[factor.id], "")
    for forbidden in ("electricity maps", "odbl", "agpl", "boavizta", "watttime"):
        assert forbidden not in words


def test_every_table_in_the_folder_is_known() -> None:
    files = {entry.name for entry in resources.files("collector.data").iterdir() if entry.name.endswith(".toml")}
    assert files == {*SHIPPED, BILLS_OF_MATERIALS}


@pytest.mark.parametrize("table", SHIPPED)
def test_tables_carry_nothing_that_the_reader_drops(table: str) -> None:
    raw = tomllib.loads(resources.files("collector.data").joinpath(table).read_text(encoding="utf-8"))
    assert set(raw) == {"common", "factor"}
    assert len(raw["factor"]) == len(shipped_factors(table))


def test_what_boards_are_made_of_is_labelled_as_screening() -> None:
    for factor in shipped_factors(EMBODIED_HARDWARE):
        assert factor.label == SCREENING_LABEL


def test_every_bill_of_materials_names_factors_that_are_there() -> None:
    names: list[str] = []
    for item in shipped_items():
        assert item_parts(item, item.id)
        names += [item.id, *item.aliases]
    assert len(names) == len(set(names))


def test_grid_rows_have_a_range_and_two_letter_codes() -> None:
    rows = shipped_factors(GRID_INTENSITY)
    assert len(rows) >= 30
    for factor in rows:
        assert factor.estimate.low < factor.estimate.value < factor.estimate.high
        if factor.id not in {"WORLD", "EU"}:
            assert len(factor.id) == 3
            assert len(factor.aliases[0]) == 2
        assert factor.licence == "CC-BY-4.0"
        assert "Ember" in factor.source


def test_marginal_rows_go_by_the_names_of_the_average_ones_and_share_no_id() -> None:
    averages = {factor.id: factor for factor in shipped_factors(GRID_INTENSITY)}
    rows = shipped_factors(GRID_INTENSITY_MARGINAL)
    assert len(rows) >= 30
    for factor in rows:
        country = averages[factor.aliases[0]]
        assert factor.id == f"marginal-{country.id}"
        assert factor.aliases[1:] == country.aliases
        assert 0.0 < factor.estimate.low < factor.estimate.value < factor.estimate.high
    ratios = {one.aliases[0]: one.estimate.value / averages[one.aliases[0]].estimate.value for one in rows}
    assert (min(ratios, key=ratios.__getitem__), max(ratios, key=ratios.__getitem__)) == ("SGP", "KEN")
    assert ratios["FRA"] == pytest.approx(3.6, abs=0.05)


def test_marginal_network_energy_is_far_below_average() -> None:
    rows = {factor.id: factor.estimate.value for factor in shipped_factors(NETWORK_ENERGY)}
    assert rows["network-average-fixed"] / rows["network-marginal-fixed"] == pytest.approx(58.5, rel=0.01)
    assert rows["network-average-mobile"] / rows["network-marginal-mobile"] == pytest.approx(29.4, rel=0.01)
