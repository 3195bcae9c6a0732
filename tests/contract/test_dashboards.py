"""The dashboards' files are what the builder makes, and each rule of the checker can fail."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edgejoule.cli import main
from edgejoule.commands.dashboards.builder import load_builder

ROOT = Path(__file__).parents[2]
rules: Any = import_module("grafana.rules")
builder: Any = load_builder()
Change = Callable[[Any], Any]


def with_panel(**changes: Any) -> Change:
    return lambda board: replace(board, panels=(replace(board.panels[0], **changes), *board.panels[1:]))


def with_query(old: str, new: str, panel: int = 0) -> Change:
    def change(board: Any) -> Any:
        panels = list(board.panels)
        target = panels[panel].targets[0]
        assert old in target.query
        targets = (replace(target, query=target.query.replace(old, new)), *panels[panel].targets[1:])
        panels[panel] = replace(panels[panel], targets=targets)
        return replace(board, panels=tuple(panels))

    return change


def test_the_files_are_up_to_date_and_in_order() -> None:
    assert builder.check(ROOT / "grafana") == []


def test_the_json_is_what_grafana_expects_of_a_provisioned_dashboard() -> None:
    content = json.loads((ROOT / "grafana" / "dashboards" / "fleet.json").read_text())
    assert content["uid"] == "edgejoule-fleet"
    assert content["id"] is None
    assert content["schemaVersion"] >= 39
    assert {panel["type"] for panel in content["panels"]} == {"stat", "timeseries", "bargauge"}
    for panel in content["panels"]:
        assert set(panel["gridPos"]) == {"x", "y", "w", "h"}
        assert all(target["rawQuery"] and target["resultFormat"] == "time_series" for target in panel["targets"])
    names = [variable["name"] for variable in content["templating"]["list"]]
    assert names == ["datasource", "fleet", "site", "zone", "device_class", "model", "device"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (with_panel(title=" "), "has no title"),
        (with_panel(description="Power."), "no description"),
        (with_panel(field_config={"defaults": {}, "overrides": []}), "no unit"),
        (with_panel(targets=()), "asks for nothing"),
        (with_panel(title="Energy"), "stands 2 times"),
        (lambda board: with_panel(grid_pos=board.panels[1].grid_pos)(board), "overlap"),
        (with_query("$timeFilter", "time > now() - 1h"), "ignores the time range"),
        (with_query("${zone:regex}", ".*"), "ignores the variable zone"),
        (with_query('LAST("power_w")', 'INTEGRAL("power_w")'), "not every InfluxDB knows"),
        (with_query("time($__interval)", "time(1m)", panel=6), "must group by"),
        (lambda board: replace(board, variables=board.variables[1:]), "variable 'datasource' is missing"),
    ],
)
def test_every_rule_can_fail(change: Change, fault: str) -> None:
    board = builder.fleet_dashboard()
    assert rules.faults_of(board) == []
    assert any(fault in line for line in rules.faults_of(change(board)))


def test_build_and_check_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboards", "check", "--dir", str(tmp_path)]) == 1
    assert "missing" in capsys.readouterr().out
    assert main(["dashboards", "build", "--dir", str(tmp_path), "--json"]) == 0
    (written,) = json.loads(capsys.readouterr().out)["written"]
    assert main(["dashboards", "check", "--dir", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "faults": []}
    Path(written).write_text(Path(written).read_text().replace("Power now", "Power then"))
    assert main(["dashboards", "check", "--dir", str(tmp_path)]) == 1
    assert "not what the builder makes" in capsys.readouterr().out


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    assert main(["dashboards", "build", "--dir", str(blocker)]) == 2
    assert "cannot write" in capsys.readouterr().err
