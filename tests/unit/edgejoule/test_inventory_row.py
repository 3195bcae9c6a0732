"""The making of a model from its catalogue to the carbon account: the row, and what it comes to."""

import json
import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.model_row import developments
from collector.sinks.lake import LakeSink
from edge_agent.model_catalog import models_dir
from edge_agent.wire.errors import ConfigurationError
from edgejoule.cli import main
from edgejoule.zoo.catalog_file import read_catalog, with_family, write_catalog
from edgejoule.zoo.entry import Development, DevelopmentMethod, Family, ModelEntry
from edgejoule.zoo.inventory_row import inventory_row, limits_j
from tests.fakes.windows import make_fleet_rows

MADE = Development(
    development_energy_j=7.2e5,
    development_energy_u_j=1.0e5,
    method="cpu_time",
    duration_s=600.0,
    cpu_s=900.0,
    processor='Xeon "Gold"',
    boundary="modelled: CPU seconds times 4 W",
    reused=["resnet8"],
    date="2025-03-01",
)
DEVICE = """
[defaults]
lifetime_years = 5.0
zone = "DE"
hardware = "raspberry-pi-4b-4gb"
[[device]]
id = "pi4-01"
"""


def family_and_model(made: Development | None) -> tuple[Family, ModelEntry]:
    catalog = read_catalog(models_dir())
    model = catalog.model[0]
    return msgspec.structs.replace(catalog.family_of(model), development=made), model


def test_a_modelled_making_says_so_in_the_row_that_the_inventory_reads() -> None:
    family, model = family_and_model(MADE)
    text = inventory_row(family, model, "DE")
    (row,) = parse_inventory(text).models
    assert row.id == model.id
    assert row.energy_kwh is not None
    assert row.energy_kwh.value == pytest.approx(0.2)
    assert "modelled from CPU time, not measured" in row.source
    assert 'Xeon "Gold"' in row.source
    assert (row.zone, row.vintage, row.runs, row.lifetime_inferences) == ("DE", "2025-03-01", 1.0, None)
    assert "making of resnet8" in text


@given(
    energy_j=st.floats(0.0, 1e15),
    u_ratio=st.floats(0.0, 3.0),
    method=st.sampled_from(["meter", "rapl", "cpu_time", "unknown"]),
    words=st.text(max_size=30),
)
def test_every_making_is_a_row_that_the_inventory_takes(
    energy_j: float, u_ratio: float, method: DevelopmentMethod, words: str
) -> None:
    made = msgspec.structs.replace(
        MADE,
        development_energy_j=energy_j,
        development_energy_u_j=u_ratio * energy_j,
        method=method,
        processor=words.replace("\0", "?"),
        date="",
    )
    family, model = family_and_model(made)
    inventory = parse_inventory(inventory_row(family, model, "DE"))
    (row,) = inventory.models
    assert row.energy_kwh is not None
    assert math.isclose(row.energy_kwh.value, energy_j / 3.6e6, rel_tol=1e-3, abs_tol=1e-300)
    (charged,) = developments(inventory.models, load_yearly_table().yearly, inventory.where)
    grams = charged.whole_gco2e()
    assert grams.low <= grams.value <= grams.high


def test_low_and_high_hold_nine_tenths_and_stop_at_zero() -> None:
    value_j, low_j, high_j = limits_j(MADE)
    assert high_j - value_j == pytest.approx(value_j - low_j) == pytest.approx(1.645e5, rel=1e-3)
    assert limits_j(msgspec.structs.replace(MADE, development_energy_u_j=7.2e5))[1] == 0.0


def test_a_making_that_nobody_measured_is_no_row() -> None:
    family, model = family_and_model(None)
    with pytest.raises(ConfigurationError, match="nobody knows what its making cost; train it again") as caught:
        inventory_row(family, model, "DE")
    assert "\n" not in str(caught.value)


@pytest.fixture
def catalog_dir(tmp_path: Path) -> Path:
    """Return a catalogue whose digits cost ``MADE``, without the files."""
    catalog = read_catalog(models_dir())
    family = next(one for one in catalog.family if one.id == "digits_mlp")
    made = msgspec.structs.replace(family, development=MADE)
    write_catalog(tmp_path / "models", with_family(catalog, made, catalog.members("digits_mlp")))
    return tmp_path / "models"


def test_the_row_as_json(catalog_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show = ["models", "show", "digits_mlp_int8", "--inventory-row", "--zone", "DE", "--catalog-dir", str(catalog_dir)]
    assert main([*show, "--json"]) == 0
    (row,) = parse_inventory(json.loads(capsys.readouterr().out)["inventory_row"]).models
    assert row.id == "digits_mlp_int8"


def test_the_row_needs_a_zone(catalog_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "digits_mlp_int8", "--inventory-row", "--catalog-dir", str(catalog_dir)]) == 2
    assert "needs --zone: see edgejoule carbon intensity list" in " ".join(capsys.readouterr().err.split())


def test_from_the_catalogue_to_grams_in_the_account(
    catalog_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show = ["models", "show", "digits_mlp_int8", "--inventory-row", "--zone", "DE", "--catalog-dir", str(catalog_dir)]
    assert main(show) == 0
    row = capsys.readouterr().out
    rows = make_fleet_rows(50)
    assert {one.window.model_id for one in rows} == {"digits_mlp_int8"}
    (tmp_path / "inventory.toml").write_text(DEVICE + row)
    lake = LakeSink(tmp_path / "lake", journal="0123456789abcdef")
    lake.write(rows)
    lake.close()
    words = ["carbon", "assess", "--lake", str(tmp_path / "lake"), "--inventory", str(tmp_path / "inventory.toml")]
    assert main([*words, "--year", "2025", "--draws", "500", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    germany = load_yearly_table().yearly("DE")
    assert germany is not None
    grams = answer["total"]["development_gco2e"]
    assert grams["value"] == pytest.approx(0.2 * germany.factor.estimate.value)
    assert grams["low"] < grams["value"] < grams["high"]
    (factor,) = (one for one in answer["factors"] if one["id"] == "model-digits_mlp_int8-training")
    assert "modelled from CPU time" in factor["source"]
