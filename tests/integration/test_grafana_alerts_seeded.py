"""The alert rules on the seeded fleet: each fires for the device or fleet that has its fault, and for no other."""

from importlib import import_module
from typing import Any, Final

import pytest

from tests.fakes.alert_evaluator import evaluate
from tests.fakes.influxd import Series
from tests.grafana_seed.answers import frames_of, influxql
from tests.grafana_seed.fleet import SILENT, THROTTLED, WITH_GAPS
from tests.grafana_seed.site import DATABASE, HOURLY, Seeded

pytestmark = pytest.mark.influxdb
alerts: Any = import_module("grafana.alerts")
model: Any = import_module("grafana.model")
RULES: Final[dict[str, Any]] = {rule["uid"]: rule for group in alerts.rule_groups() for rule in group["rules"]}
DATABASES: Final = {
    model.PROVISIONED["datasource"][0]: DATABASE,
    model.PROVISIONED["datasource_hourly"][0]: HOURLY,
}
FAULTS: Final = {
    "edgejoule-device-silent": {"device": SILENT.device_id},
    "edgejoule-meter-gaps": {"device": WITH_GAPS.device_id},
    "edgejoule-throttling": {"device": THROTTLED.device_id},
    "edgejoule-carbon-budget": {"fleet": "farm"},
}
WITHOUT_SERIES: Final = {"edgejoule-forecast-old": "no forecast is in use: the current hour is an estimate"}
"""Rules that the healthy part of the fleet has no series for, and why."""
UNJUDGED_RATIO: Final = 0.05
"""So much of a month has to be over before its budget is judged."""


@pytest.mark.parametrize("uid", RULES)
def test_a_rule_fires_for_the_fault_that_is_there(seeded: Seeded, uid: str) -> None:
    def ask(source: str, query: str) -> list[Series]:
        return frames_of(influxql(seeded, query, DATABASES[source]), query)

    found = evaluate(RULES[uid], ask, seeded.now_unix_ns // 10**6)
    fault = FAULTS.get(uid, {})
    without_series = uid in WITHOUT_SERIES or (uid == "edgejoule-carbon-budget" and not month_is_judged(seeded))
    assert found.no_data == without_series
    firing = [{name: one[name] for name in fault or one} for one in found.firing]
    assert firing == ([fault] if fault and not without_series else [])


def month_is_judged(seeded: Seeded) -> bool:
    """Tell whether enough of the month was over when its budget was told in the last ten minutes."""
    since_unix_ns = seeded.now_unix_ns - 600 * 10**9
    judged = f"month_elapsed_ratio > {UNJUDGED_RATIO} AND time >= {since_unix_ns}"
    told = f"SELECT burn_ratio FROM carbon_budget WHERE {judged}"
    return bool(seeded.influxdb.query(told, DATABASE))
