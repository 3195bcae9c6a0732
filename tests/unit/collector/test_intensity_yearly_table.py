from pathlib import Path

import pytest

from collector.intensity.yearly_table import load_yearly_table
from edge_agent.wire.errors import ConfigurationError

OWN = """
[common]
unit = "gCO2e/kWh"
scope = "site"
source = "own meter of the solar roof"
licence = "user's own"
vintage = "2025"
method = "measured"
[[factor]]
id = "ROOF"
name = "solar roof"
value = 45.0
low = 30.0
high = 60.0
[[factor]]
id = "DEU"
name = "Germany, our contract's residual mix"
aliases = ["DE"]
value = 400.0
low = 380.0
high = 420.0
"""


@pytest.mark.parametrize("zone", ["DE", "DEU", "deu", "de"])
def test_two_and_three_letter_codes_mean_the_same(zone: str) -> None:
    found = load_yearly_table().at(zone, 0)
    assert found is not None
    assert (found.zone, found.kind, found.factor.estimate.value) == ("DEU", "average", 342.06)


@pytest.mark.parametrize("zone", ["", "XXX", "Germany?"])
def test_an_unknown_zone_is_none_not_a_default(zone: str) -> None:
    assert load_yearly_table().at(zone, 0) is None


def test_the_check_names_near_zones() -> None:
    table = load_yearly_table()
    table.check_zone("FR", "here")
    with pytest.raises(ConfigurationError, match=r"^agent\.toml: no intensity for zone 'DUE'; near names: DEU"):
        table.check_zone("DUE", "agent.toml")
    with pytest.raises(ConfigurationError, match="DEU"):
        table.check_zone("Germny", "x")


def test_rows_of_an_own_table_stand_over_the_shipped_ones(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN, encoding="utf-8")
    table = load_yearly_table(path)
    values = {}
    for zone in ("ROOF", "DE", "DEU", "FR"):
        found = table.at(zone, 0)
        assert found is not None
        values[zone] = found.factor.estimate.value
    assert values == {"ROOF": 45.0, "DE": 400.0, "DEU": 400.0, "FR": 44.18}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("gCO2e/kWh", "kg/kWh"), "kg/kWh; give it in gCO2e/kWh"),
        (("value = 45.0", "value = 75.0"), "'ROOF': an estimate needs low <= value <= high"),
        (('licence = "user\'s own"\n', ""), "'ROOF' does not say its licence"),
        (("[[factor]]", "[[faktor]]"), "unknown key `faktor`"),
        (('id = "ROOF"', 'id = "DE"'), "'de' stands twice"),
    ],
)
def test_faults_in_an_own_table_are_one_clear_line(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "own.toml"
    text = OWN.replace(*change)
    assert text != OWN
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_yearly_table(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
