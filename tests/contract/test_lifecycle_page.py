"""docs/lifecycle.md: it names every key of the scenarios, and its figures are those of the catalogue."""

from pathlib import Path

import msgspec
import pytest

from collector.analysis.refresh.scenario import Grid, Measured, NewDevice, OldDevice, RefreshScenario, Work
from edgejoule.lifecycle.scenario import LifecycleScenario, Run

PAGE = (Path(__file__).parents[2] / "docs" / "lifecycle.md").read_text(encoding="utf-8")
TABLES = {"work", "old", "new", "grid", "run"}


@pytest.mark.parametrize(
    "struct", [RefreshScenario, Work, OldDevice, NewDevice, Measured, Grid, LifecycleScenario, Run]
)
def test_every_key_is_on_the_page(struct: type[msgspec.Struct]) -> None:
    for name in set(struct.__struct_fields__) - TABLES:
        assert f"`{name}" in PAGE or f" {name}" in PAGE, name
