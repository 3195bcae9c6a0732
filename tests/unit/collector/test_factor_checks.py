from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.estimate import Estimate
from collector.carbon.factor_checks import SHIPPABLE, factor_faults, licence_fault, unit_fault
from collector.carbon.factors import Factor
from collector.data.tables import SHIPPED, read_factors, shipped_factors, table_faults
from edge_agent.wire.errors import ConfigurationError

ROW = """
[[factor]]
id = "{id}"
name = "a factor"
unit = "{unit}"
value = {value}
low = {low}
high = 5
scope = "s"
source = "s"
licence = "{licence}"
vintage = "2025"
method = "m"
"""


def row(*, name: str = "x", unit: str = "kgCO2e", value: float = 2.0, low: float = 1.0, licence: str = "MIT") -> str:
    return ROW.format(id=name, unit=unit, value=value, low=low, licence=licence)


def factor(value: float, low: float, *, unit: str = "kgCO2e", licence: str = "MIT") -> Factor:
    return Factor(
        id="f", name="f", estimate=Estimate(value, low, value, unit, "s"), scope="s", source="s", licence=licence,
        vintage="v", method="m",
    )  # fmt: skip


@pytest.mark.parametrize("licence", SHIPPABLE)
def test_what_may_be_shipped(licence: str) -> None:
    assert licence_fault(licence) is None


@pytest.mark.parametrize(
    ("licence", "why"),
    [
        ("ODbL-1.0", "passes its own terms on to the table"),
        ("CC BY-NC 4.0", "forbids commercial use"),
        ("CC-BY-SA-4.0", "passes its own terms on to the table"),
        ("AGPL-3.0-only", "passes its own terms on to the package"),
        ("MPL-2.0", "passes its own terms on to the file"),
        ("user's own", "belongs to the user"),
        ("apache", "is not known here"),
        ("", "is not known here"),
    ],
)
def test_what_may_not_be_shipped_says_why_and_what_to_do(licence: str, why: str) -> None:
    fault = licence_fault(licence)
    assert fault is not None
    assert f"the licence {licence!r} {why}: leave the data out and let users fetch or enter them" in fault
    assert "\n" not in fault


@pytest.mark.parametrize("unit", ["gCO2e/kWh", "kgCO2e", "kgCO2e/cm2", "kWh/GB", "L/kWh", "kgSbe/unit", "ratio"])
def test_units_that_are_computed_with(unit: str) -> None:
    assert unit_fault(unit) is None


@pytest.mark.parametrize(
    ("unit", "hint"),
    [("gCO2/kWh", "near: gCO2e"), ("gCO2e/Wh", "near: kWh"), ("kg/kWh/a", "near: "), ("", "known: ")],
)
def test_a_unit_that_is_none(unit: str, hint: str) -> None:
    fault = unit_fault(unit)
    assert fault is not None
    assert fault.startswith(f"the unit {unit!r} is none that is computed with; {hint}")


@given(st.floats(min_value=-1e6, max_value=1e6), st.floats(min_value=0.0, max_value=1e6))
def test_no_negative_number_passes(value: float, below: float) -> None:
    faults = factor_faults(factor(value, value - below), for_shipping=True)
    assert bool(faults) == (value - below < 0.0)
    assert all("cannot be negative" in fault for fault in faults)


@pytest.mark.parametrize("table", SHIPPED)
def test_no_shipped_factor_has_a_fault(table: str) -> None:
    assert {
        one.id: faults for one in shipped_factors(table) if (faults := factor_faults(one, for_shipping=True))
    } == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (row(value=-2.0, low=-3.0), "factor 'x': value is -2: a factor cannot be negative"),
        (row(low=-3.0), "factor 'x': low is -3: a factor cannot be negative"),
        (row(unit=""), "factor 'x' does not say its unit; add it to the row"),
        (row(unit="gCO2/kWh"), "factor 'x': the unit 'gCO2/kWh' is none that is computed with; near: gCO2e"),
        (row(licence=""), "factor 'x' does not say its licence; add it to the row"),
        (row(low=3.0), "factor 'x': an estimate needs low <= value <= high"),
        (row() + row(name="X"), "the name 'x' stands twice"),
    ],
)
def test_a_bad_table_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        read_factors(path)

    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)
    assert table_faults(path) == [str(caught.value)]


def test_a_licence_that_forbids_shipping_stops_a_shipped_table_and_no_users_own(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(row(licence="ODbL-1.0"), encoding="utf-8")

    assert [one.licence for one in read_factors(path)] == ["ODbL-1.0"]
    with pytest.raises(ConfigurationError, match=r"the licence .ODbL-1\.0. passes its own terms on to the table"):
        read_factors(path, for_shipping=True)


def test_every_fault_of_a_table_is_told(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    rows = (
        row(name="a", unit=""),
        row(name="b", value=-1.0, low=-1.0, unit="g/kW"),
        row(name="c", licence="GPL"),
        row(),
    )
    path.write_text("".join(rows), encoding="utf-8")

    faults = table_faults(path, for_shipping=True)

    assert [fault.split("factor ")[1][:3] for fault in faults] == ["'a'", "'b'", "'b'", "'c'"]
    assert len(table_faults(path)) == 3
