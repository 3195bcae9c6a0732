"""The dashboards against Grafana's own published types: as they are, and with a planted fault of each kind."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from edge_agent.wire.errors import ConfigurationError
from edgejoule.cli import main
from edgejoule.commands.dashboards.builder import load_builder

PROJECT = Path(__file__).parents[1] / "grafana_ui"
typecheck: Any = import_module("grafana.typecheck")
panels: Any = import_module("grafana.panels")
model: Any = import_module("grafana.model")
builder: Any = load_builder()
Plant = Callable[[dict[str, Any]], None]


def panel(content: dict[str, Any], kind: str) -> Any:
    return next(one for one in content["panels"] if one["type"] == kind)


def defaults(content: dict[str, Any], kind: str) -> Any:
    return panel(content, kind)["fieldConfig"]["defaults"]


def override(content: dict[str, Any], name: str, value: Any) -> None:
    rule = {"matcher": {"id": "byName", "options": "x"}, "properties": [{"id": name, "value": value}]}
    panel(content, "table")["fieldConfig"]["overrides"] = [rule]


def without_schema_version(content: dict[str, Any]) -> None:
    del content["schemaVersion"]


FAULTS: dict[str, tuple[Plant, str, set[str]]] = {
    "no schema version": (without_schema_version, "schemaVersion", {"schema", "types"}),
    "a word for a number": (lambda c: c["panels"][1]["gridPos"].update(w="4"), "gridPos.w", {"schema", "types"}),
    "a word that Grafana does not know": (lambda c: c.update(shape="round"), "shape", {"schema", "types"}),
    "a variable's kind": (
        lambda c: c["templating"]["list"][0].update(type="list"),
        "list.0.type",
        {"schema", "types"},
    ),
    "a variable without text": (
        lambda c: c["templating"]["list"][0].update(current={}),
        "current",
        {"schema", "types"},
    ),
    "a kind of panel": (lambda c: panel(c, "stat").update(type="graph"), "graph", {"schema"}),
    "a panel's word": (lambda c: panel(c, "stat").update(thresholds="80"), "thresholds", {"schema", "types"}),
    "an option's name": (lambda c: panel(c, "stat")["options"].update(colour="red"), "colour", {"schema", "types"}),
    "an option's value": (
        lambda c: panel(c, "stat")["options"].update(graphMode="pie"),
        "graphMode",
        {"schema", "types"},
    ),
    "an option of another kind": (
        lambda c: panel(c, "bargauge")["options"].update(textMode="auto"),
        "textMode",
        {"schema", "types"},
    ),
    "a custom setting's value": (
        lambda c: defaults(c, "timeseries")["custom"].update(drawStyle="lines"),
        "drawStyle",
        {"schema", "types"},
    ),
    "a custom setting's name": (
        lambda c: defaults(c, "table")["custom"].update(lineWidth=2),
        "lineWidth",
        {"schema", "types"},
    ),
    "a colour mode": (lambda c: defaults(c, "stat").update(color={"mode": "rainbow"}), "color", {"schema", "types"}),
    "a threshold": (
        lambda c: defaults(c, "stat")["thresholds"]["steps"].append({"colour": "red", "value": 1}),
        "thresholds",
        {"schema", "types"},
    ),
    "an override's property": (lambda c: override(c, "units", "watt"), "properties", {"types"}),
    "an override's value": (lambda c: override(c, "decimals", "two"), "properties", {"types"}),
    "an override of another kind": (lambda c: override(c, "custom.drawStyle", "line"), "properties", {"types"}),
    "a query's form": (
        lambda c: panel(c, "stat")["targets"][0].update(resultFormat="logs"),
        "resultFormat",
        {"schema", "types"},
    ),
    "a query without words": (lambda c: panel(c, "stat")["targets"][0].pop("query"), "query", {"schema", "types"}),
    "a query's word": (lambda c: panel(c, "stat")["targets"][0].update(expr="up"), "expr", {"schema", "types"}),
}


def sample() -> dict[str, Any]:
    """Return a dashboard of one panel of each kind, as the boards make them."""
    ask = panels.Ask('SELECT 1 FROM "inference_window" WHERE $timeFilter', "one")
    look = panels.Look("watt")
    of_each = (
        panels.stat("Stat", "One of them.", [ask], look),
        panels.bars("Bars", "One of them.", [ask], look),
        panels.series("Series", "One of them.", [ask], look, stacked=True),
        panels.table("Table", "One of them.", [ask.query], look, sort_by="x"),
    )
    board = next(iter(builder.dashboards().values()))
    placed = panels.placed(panels.section("Heading", *of_each))
    content: dict[str, Any] = json.loads(board.to_json())
    content["panels"] = json.loads(model.Dashboard(**fields_of(board, placed)).to_json())["panels"]
    return content


def fields_of(board: Any, placed: Any) -> dict[str, Any]:
    return {name: getattr(board, name) for name in board.__struct_fields__} | {"panels": placed}


@pytest.mark.grafana_ui
def test_every_dashboard_is_what_grafanas_types_say(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["dashboards", "build", "--dir", str(tmp_path)]) == 0
    capsys.readouterr()
    code = main(["dashboards", "check", "--dir", str(tmp_path), "--grafana-schema", str(PROJECT), "--json"])
    assert json.loads(capsys.readouterr().out) == {"ok": True, "faults": []}
    assert code == 0


@pytest.mark.grafana_ui
def test_a_fault_of_each_kind_is_found() -> None:
    contents = {"as it is": sample()}
    for name, (plant, _where, _by) in FAULTS.items():
        contents[name] = sample()
        plant(contents[name])
    lines = typecheck.faults_in(contents, PROJECT)
    assert [line for line in lines if line.startswith("as it is")] == []
    missed = {
        f"{name} by {way}"
        for name, (_plant, where, by) in FAULTS.items()
        for way in by
        if not any(line.startswith(f"{name}: ") and where in line and line.endswith(f"{way})") for line in lines)
    }
    assert missed == set(), "\n".join(lines)


def test_what_is_missing_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"needs Node\.js"):
        typecheck.schema_faults({}, PROJECT)
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\nexit 1\n")
    node.chmod(0o755)
    with pytest.raises(ConfigurationError, match=r"lacks @grafana/schema, .*npm install --prefix"):
        typecheck.schema_faults({}, tmp_path)
    for name in typecheck.PACKAGES:
        (tmp_path / "node_modules" / name).mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="failed: no reason given; bring the packages up to date"):
        typecheck.schema_faults({}, tmp_path)
