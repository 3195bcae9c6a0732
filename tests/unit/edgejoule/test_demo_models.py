"""The demo's models, and what the inventory says of their making."""

import tomllib

from edge_agent.model_catalog import models_dir
from edgejoule.demo.fleet_plan import DEVICES, inventory_toml
from edgejoule.demo.models import demo_models, inventory_rows, model_table
from edgejoule.zoo.catalog_file import read_catalog


def test_each_device_runs_a_model_that_is_there_and_its_making_is_the_catalogue_s() -> None:
    catalog = read_catalog(models_dir())
    made = {entry.id: catalog.family_of(entry).development for entry in catalog.model}
    shown = demo_models()
    assert [(one.device_id, one.model_id) for one in shown] == [(one.device_id, one.model_id) for one in DEVICES]
    for one in shown:
        development = made[one.model_id]
        assert one.development_energy_j == (development and development.development_energy_j)
        assert one.modelled == (development and development.modelled)
    assert model_table(shown).row_count == len(DEVICES)


def test_the_inventory_has_a_row_for_each_making_that_is_known() -> None:
    known = {one.model_id for one in demo_models() if one.development_energy_j is not None}
    rows = tomllib.loads(inventory_toml(inventory_rows())).get("model", [])
    assert {row["id"] for row in rows} == known
    assert len(tomllib.loads(inventory_toml([]))["device"]) == len(DEVICES)
