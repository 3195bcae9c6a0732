"""docs/lifecycle.md: it names every key of the scenarios, and its table of methods is that of the catalogue."""

from pathlib import Path

import msgspec
import pytest

from collector.analysis.refresh.scenario import Grid, Measured, NewDevice, OldDevice, RefreshScenario, Work
from collector.carbon.montecarlo import Draws
from edge_agent.model_catalog import models_dir
from edgejoule.lifecycle.compute import lifecycle, rates_of
from edgejoule.lifecycle.joules import deployments
from edgejoule.lifecycle.scenario import LifecycleScenario, Run
from edgejoule.zoo.catalog_file import read_catalog
from edgejoule.zoo.latency import read_latencies

PAGE = (Path(__file__).parents[2] / "docs" / "lifecycle.md").read_text(encoding="utf-8")
ABOUT = 0.15
"""So far latencies that are measured again may move the figures of the page."""
TABLES = {"work", "old", "new", "grid", "run"}


@pytest.mark.parametrize(
    "struct", [RefreshScenario, Work, OldDevice, NewDevice, Measured, Grid, LifecycleScenario, Run]
)
def test_every_key_is_on_the_page(struct: type[msgspec.Struct]) -> None:
    for name in set(struct.__struct_fields__) - TABLES:
        assert f"`{name}" in PAGE or f" {name}" in PAGE, name


def test_the_table_of_methods_is_what_the_catalogue_says() -> None:
    catalog, draws = read_catalog(models_dir()), Draws(seed=1, count=100)
    deployed = deployments(catalog.model, read_latencies(models_dir()), None)
    scenario = LifecycleScenario(task="clothes", baseline="resnet8_float32")
    found = lifecycle(catalog, scenario, deployed, rates_of(draws, None, 1.0, None), draws, where="")
    known = {one.model_id: one for group in found.groups for one in group.models}
    for words, model_id in (
        ("all numbers int8", "resnet8_int8"),
        ("weights int8", "resnet8_dynamic_range"),
        ("channels pruned", "resnet8_pruned_channels_float32"),
        ("weights pruned", "resnet8_pruned_weights_float32"),
        ("distilled", "resnet8_distilled_float32"),
    ):
        (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| {words} |"))
        one = known[model_id]
        assert one.score_change is not None
        assert one.deployment_ratio is not None
        assert one.development_ratio is not None
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert float(cells[1]) == pytest.approx(100.0 * one.score_change, abs=0.3), model_id
        made = 1.0 if cells[2] == "the same run" else float(cells[2].removeprefix("x "))
        assert made == pytest.approx(one.development_ratio.value, rel=ABOUT), model_id
        assert float(cells[3].removeprefix("x ")) == pytest.approx(one.deployment_ratio.value, rel=ABOUT), model_id
        if cells[4].startswith("from "):
            assert one.turn is not None
            assert one.turn.inferences is not None
            assert float(cells[4].split()[1]) == pytest.approx(one.turn.inferences / 1e6, rel=ABOUT), model_id
