"""The alert rules' forms for Grafana's file and API, and that each check of them can fail."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from edgejoule.cli import main
from edgejoule.commands.dashboards.builder import load_builder

ROOT = Path(__file__).parents[2]
alerting: Any = import_module("grafana.alerting")
alerts: Any = import_module("grafana.alerts")
checks: Any = import_module("grafana.alert_checks")
queries: Any = import_module("grafana.queries")
yaml_text: Any = import_module("grafana.yaml_text")
FILE = "provisioning/alerting/edgejoule.yaml"
REQUIRED = (
    "uid",
    "orgID",
    "folderUID",
    "ruleGroup",
    "title",
    "condition",
    "data",
    "noDataState",
    "execErrState",
    "for",
)
"""Of a rule, by the definition of Grafana's alert provisioning API (ProvisionedAlertRule)."""
Change = Callable[[Any], Any]


def first_rule(**changes: Any) -> Change:
    return lambda group: replace(group, rules=(replace(group.rules[0], **changes), *group.rules[1:]))


def first_query(**changes: Any) -> Change:
    def change(group: Any) -> Any:
        steps = group.rules[0].steps
        return first_rule(steps=(replace(steps[0], **changes), *steps[1:]))(group)

    return change


def steps(*indices: int) -> Change:
    return lambda group: first_rule(steps=tuple(group.rules[0].steps[index] for index in indices))(group)


def test_the_rules_are_in_order() -> None:
    assert checks.faults_of(alerts.groups()) == []


def test_the_goals_seven_subjects_are_watched() -> None:
    watched = {rule["uid"] for group in alerts.rule_groups() for rule in group["rules"]}
    assert watched == {
        *("edgejoule-device-silent", "edgejoule-ledger", "edgejoule-meter-gaps", "edgejoule-throttling"),
        *("edgejoule-energy-regressed", "edgejoule-intensity-old", "edgejoule-forecast-old"),
        *("edgejoule-intensity-gone", "edgejoule-carbon-budget"),
    }


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda group: replace(group, interval_s=45), "no multiple of 10 s"),
        (lambda group: replace(group, rules=(group.rules[0], *group.rules)), "stands 2 times"),
        (first_rule(uid="no spaces"), "letters, digits"),
        (first_rule(pending="soon"), "no duration"),
        (first_rule(no_data="Fine"), "'Fine' is no state"),
        (first_rule(error="Fine"), "'Fine' is no state"),
        (first_rule(summary="Silent"), "no summary or no description"),
        (first_rule(description="See ${HOME} for all of the rest."), "variable of its environment"),
        (first_rule(shown_by=("trust", queries.DEVICES, "no_such_field")), "no panel of the dashboard 'trust'"),
        (steps(0, 1), "does not end with a threshold"),
        (steps(0, 2), "needs B, which is not a step before it"),
        (steps(0, 0, 1, 2), "uses the refId A twice"),
        (first_query(query='SELECT LAST("online") FROM "device_state"'), "has no time range"),
        (first_query(query='SELECT LAST("x") FROM "device_state" WHERE $timeFilter AND ${a}'), "of a dashboard"),
        (first_query(query='SELECT SAMPLE("x", 1) FROM "device_state" WHERE $timeFilter'), "not every InfluxDB"),
        (first_query(query='SELECT LAST("x") FROM "devices" WHERE $timeFilter'), "does not write"),
        (first_query(of=queries.HOURS), "asks the data source of inference_hourly"),
        (first_query(since_s=0), "reaches no time back"),
    ],
)
def test_every_check_can_fail(change: Change, fault: str) -> None:
    group = alerts.groups()[0]
    assert any(fault in line for line in checks.faults_of([change(group)])), checks.faults_of([change(group)])


def test_the_api_gets_every_required_field_and_no_dashboard_variable() -> None:
    for group in alerts.rule_groups():
        assert isinstance(group["interval"], int)
        for rule in group["rules"]:
            assert all(rule[name] for name in REQUIRED)
            assert rule["ruleGroup"] == group["title"]
            assert {"summary", "description", "__dashboardUid__", "__panelId__"} <= set(rule["annotations"])
            assert rule["labels"]["severity"] in {"warning", "critical"}
    assert "${" not in json.dumps(alerts.rule_groups())


def test_what_needs_hourly_sums_may_be_left_out() -> None:
    hourly_uid, _ = import_module("grafana.model").PROVISIONED["datasource_hourly"]
    assert hourly_uid in json.dumps(alerts.rule_groups())
    assert hourly_uid not in json.dumps(alerts.rule_groups(hourly=False))


def test_the_linked_panels_are_those_of_the_built_dashboards() -> None:
    boards = [json.loads(board.to_json()) for board in load_builder().dashboards().values()]
    titles = {(board["uid"], panel["id"]): panel["title"] for board in boards for panel in board["panels"]}
    for group in alerts.provisioning()["groups"]:
        for rule in group["rules"]:
            assert titles[rule["dashboardUid"], rule["panelId"]]


def test_the_provisioning_file_says_the_same_as_the_api() -> None:
    content = YAML(typ="safe").load((ROOT / "grafana" / FILE).read_text(encoding="utf-8"))
    assert content["apiVersion"] == 1
    for group, sent in zip(content["groups"], alerts.rule_groups(), strict=True):
        assert (group["name"], group["interval"]) == (sent["title"], f"{sent['interval']}s")
        for rule, same in zip(group["rules"], sent["rules"], strict=True):
            common = set(rule) & set(same)
            assert {name: rule[name] for name in common} == {name: same[name] for name in common}
            assert set(rule) - common == {"dashboardUid", "panelId"}
            assert set(same) - common == {"ruleGroup", "folderUID", "orgID"}


def test_build_writes_the_file_and_check_compares_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboards", "build", "--dir", str(tmp_path)]) == 0
    assert main(["dashboards", "check", "--dir", str(tmp_path)]) == 0
    file = tmp_path / FILE
    file.write_text(file.read_text().replace("300", "301"))
    capsys.readouterr()
    assert main(["dashboards", "check", "--dir", str(tmp_path)]) == 1
    assert f"{file}: not what the builder makes" in capsys.readouterr().out
    file.write_bytes(b"\xff\xfe")
    assert main(["dashboards", "check", "--dir", str(tmp_path)]) == 1
    assert f"{file}: not what the builder makes" in capsys.readouterr().out
    file.unlink()
    assert main(["dashboards", "check", "--dir", str(tmp_path)]) == 1
    assert f"{file}: missing" in capsys.readouterr().out


SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)
NAMES = st.sampled_from(["no", "NULL", "on", "1", "a b", "title"]) | st.text(max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))
def test_what_is_written_as_yaml_is_read_back(value: dict[str, Any]) -> None:
    text = yaml_text.to_yaml(value, "above\nit")
    assert text.startswith("# above\n# it\n")
    assert YAML(typ="safe").load(text) == value
