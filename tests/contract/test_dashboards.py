"""The dashboards' files are what the builder makes, and each rule of the checker can fail."""

import json
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edgejoule.cli import main
from edgejoule.commands.dashboards.builder import load_builder

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "grafana" / "dashboards"
rules: Any = import_module("grafana.rules")
model: Any = import_module("grafana.model")
builder: Any = load_builder()
Change = Callable[[Any], Any]
BOARDS: dict[str, Any] = builder.dashboards()
FILTERS = ["datasource", "datasource_hourly", "fleet", "site", "zone", "device_class", "model", "device"]


def index_of(board: Any, kind: str) -> int:
    found: int = next(i for i, panel in enumerate(board.panels) if panel.type == kind)
    return found


def with_panel(kind: str = "stat", **changes: Any) -> Change:
    def change(board: Any) -> Any:
        at = index_of(board, kind)
        panels = [*board.panels]
        panels[at] = replace(panels[at], **changes)
        return replace(board, panels=tuple(panels))

    return change


def with_target(kind: str, **changes: Any) -> Change:
    def change(board: Any) -> Any:
        targets = board.panels[index_of(board, kind)].targets
        return with_panel(kind, targets=(replace(targets[0], **changes), *targets[1:]))(board)

    return change


def with_query(old: str, new: str, kind: str = "stat") -> Change:
    def change(board: Any) -> Any:
        query = board.panels[index_of(board, kind)].targets[0].query
        assert old in query
        return with_target(kind, query=query.replace(old, new))(board)

    return change


def with_unit(unit: str | None) -> Change:
    def change(board: Any) -> Any:
        config = board.panels[index_of(board, "stat")].field_config
        return with_panel(field_config={**config, "defaults": {**config["defaults"], "unit": unit}})(board)

    return change


def with_column_unit(unit: str) -> Change:
    override = {"matcher": {"id": "byName", "options": "x"}, "properties": [{"id": "unit", "value": unit}]}

    def change(board: Any) -> Any:
        config = board.panels[index_of(board, "stat")].field_config
        return with_panel(field_config={**config, "overrides": [override]})(board)

    return change


def on_top_of_the_next(board: Any) -> Any:
    return with_panel(grid_pos=board.panels[index_of(board, "stat") + 1].grid_pos)(board)


def called_as_the_next(board: Any) -> Any:
    return with_panel(title=board.panels[index_of(board, "stat") + 1].title)(board)


def test_the_files_are_up_to_date_and_in_order() -> None:
    assert builder.check(ROOT / "grafana") == []


@pytest.mark.parametrize("name", BOARDS)
def test_the_json_is_what_grafana_expects_of_a_provisioned_dashboard(name: str) -> None:
    content = json.loads((FOLDER / f"{name}.json").read_text())
    assert content["uid"] == f"edgejoule-{name}"
    assert content["id"] is None
    assert content["schemaVersion"] >= 39
    assert [variable["name"] for variable in content["templating"]["list"]] == FILTERS
    assert len(content["panels"]) > 5
    for panel in content["panels"]:
        assert set(panel["gridPos"]) == {"x", "y", "w", "h"}
        assert all(target["rawQuery"] for target in panel.get("targets", []))


def test_from_the_fleet_a_click_leads_to_the_device() -> None:
    text = (FOLDER / "fleet.json").read_text()
    assert "/d/edgejoule-device?var-device=${__data.fields." in text
    (device,) = [one for one in BOARDS["device"].variables if one.name == "device"]
    assert (device.multi, device.include_all) == (False, False)
    assert all(board.links for board in BOARDS.values())


def test_a_thousand_devices_are_ranked_or_added_up_and_not_drawn_one_by_one() -> None:
    """Only a table has room for a row of each."""
    drawn = [
        (name, panel.title)
        for name, board in BOARDS.items()
        for panel in board.panels
        for target in panel.targets
        if name != "device" and panel.type != "table" and target.query.rstrip().endswith('"device"')
    ]
    assert drawn == []


def test_an_outer_query_on_windows_has_one_function() -> None:
    """InfluxDB 1.x reads all points again for each more, at every level: with three levels it took a minute."""
    for name, board in BOARDS.items():
        for query in (target.query for panel in board.panels for target in panel.targets):
            if name != "device" and 'FROM "inference_' in query:
                levels = query.split(" FROM (")
                assert all(len(re.findall(r"[A-Z]+\(", outer)) <= 1 for outer in levels[:-1]), query


@pytest.mark.parametrize("name", BOARDS)
def test_every_dashboard_counts_what_is_simulated(name: str) -> None:
    counted = [panel for panel in BOARDS[name].panels if panel.type == "stat" and panel.title.startswith("Simulated")]
    assert ["\"simulated\" = 'true'" in target.query for panel in counted for target in panel.targets]


def test_commands_in_descriptions_are_there() -> None:
    told = {
        command
        for board in BOARDS.values()
        for panel in board.panels
        for command in re.findall(r"edgejoule ([a-z-]+(?: [a-z-]+)+)(?=\.)", panel.description or "")
    }
    assert told
    for command in told:
        with pytest.raises(SystemExit) as ended:
            main([*command.split(), "--help"])
        assert ended.value.code == 0, command


def test_a_number_that_is_not_known_says_so() -> None:
    for board in BOARDS.values():
        for panel in board.panels:
            assert panel.type != "stat" or panel.field_config["defaults"].get("noValue"), panel.title


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (with_panel(title=" "), "has no title"),
        (with_panel(description="Power."), "no description"),
        (with_panel(type="graph"), "is deprecated or not used here"),
        (with_panel(datasource=model.DataSource(type="influxdb", uid="abc")), "the datasource variable"),
        (with_unit(None), "no unit"),
        (with_unit("jouls"), "has the unit 'jouls', which Grafana does not know"),
        (with_unit("suffix:"), "has the unit 'suffix:', which Grafana does not know"),
        (with_unit("suffix: MAC"), "has the unit 'suffix: MAC', but Grafana puts the space itself"),
        (with_column_unit("kWh"), "has the unit 'kWh', which Grafana does not know"),
        (with_panel(targets=()), "asks for nothing"),
        (called_as_the_next, "stands 2 times"),
        (on_top_of_the_next, "overlap"),
        (with_panel(grid_pos=model.GridPos(x=20, y=900, w=8, h=4)), "does not fit the grid"),
        (with_query("$timeFilter", "time > now() - 1h"), "ignores the time range"),
        (with_query("${zone:regex}", ".*"), "ignores the variable zone"),
        (with_query("SELECT ", "SELECT INTEGRAL(x), "), "not every InfluxDB knows"),
        (with_query('FROM "inference_window"', 'FROM "cpu"'), "reads cpu, which the collector does not write"),
        (with_query("time($__interval)", "time(1m)", "timeseries"), "must group by"),
        (with_target("timeseries", alias=""), "has no alias"),
        (
            with_target("stat", datasource=model.DATASOURCES["datasource_hourly"]),
            "does not use the datasource variable",
        ),
        (lambda board: replace(board, variables=board.variables[1:]), "variable 'datasource' is missing"),
        (lambda board: replace(board, variables=(*board.variables, board.variables[3])), "stands 2 times"),
    ],
)
def test_every_rule_can_fail(change: Change, fault: str) -> None:
    board = BOARDS["fleet"]
    assert rules.faults_of(board) == []
    assert any(fault in line for line in rules.faults_of(change(board))), rules.faults_of(change(board))


def test_build_and_check_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboards", "check", "--dir", str(tmp_path)]) == 1
    assert "missing" in capsys.readouterr().out
    assert main(["dashboards", "build", "--dir", str(tmp_path), "--json"]) == 0
    written = [Path(file) for file in json.loads(capsys.readouterr().out)["written"]]
    assert {path.stem for path in written if path.suffix == ".json"} == set(BOARDS)
    assert main(["dashboards", "check", "--dir", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "faults": []}
    for path in written:
        text = path.read_text()
        path.write_text(text.replace("edgejoule", "edgejuice", 1))
        assert main(["dashboards", "check", "--dir", str(tmp_path)]) == 1
        assert f"{path}: not what the builder makes" in capsys.readouterr().out
        path.write_text(text)
    (tmp_path / "dashboards" / "mine.json").write_text("{}")
    assert main(["dashboards", "check", "--dir", str(tmp_path)]) == 1
    assert "mine.json: no dashboard of the builder" in capsys.readouterr().out


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    assert main(["dashboards", "build", "--dir", str(blocker)]) == 2
    assert "cannot write" in capsys.readouterr().err
