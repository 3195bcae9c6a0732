"""Grafana's alert rules as values: one query or two, reduced to a number for each series, against a threshold.

Formats: Grafana's file provisioning of alert rules (apiVersion 1) and its alert provisioning HTTP API, as its
documentation and its published source (``pkg/services/provisioning/alerting``, ``pkg/expr``) have them. In both,
``$timeFilter`` stands for the range of the first query that Grafana sends together; a query that needs a range of its
own says it with ``now()``. Grafana replaces ``${NAME}`` in files by variables of its environment, so none stands here.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from .boards import BOARDS
from .model import FOLDER, PROVISIONED
from .queries import Measurement

State = Literal["OK", "Alerting", "NoData", "Error", "KeepLast"]
EXPRESSION: Final = "__expr__"
_LEAST_STEP_MS: Final = 1000
_MOST_POINTS: Final = 43200
"""What Grafana puts into a query that does not say; stated, so that a rule that was read back has no difference."""


@dataclass(frozen=True, slots=True)
class Query:
    """InfluxQL that a data source answers; ``since_s``: how far back ``$timeFilter`` reaches."""

    ref_id: str
    of: Measurement
    query: str
    since_s: int


@dataclass(frozen=True, slots=True)
class Last:
    """The last number of each series of ``of``; a series without any drops out."""

    ref_id: str
    of: str


@dataclass(frozen=True, slots=True)
class Math:
    """Arithmetic on numbers, ``$C / $D``, between series of the same labels."""

    ref_id: str
    expression: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """True for each series of ``of`` whose number is above (``gt``) or below (``lt``) ``limit``."""

    ref_id: str
    of: str
    compare: Literal["gt", "lt"]
    limit: float


Step = Query | Last | Math | Threshold


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; it fires for each series whose last step is true for ``pending``.

    ``shown_by``: dashboard, measurement and field; the first panel there that shows the field is linked, one over
    time before others, since Grafana draws an alert's states into it.
    ``no_data``: what holds when no series comes at all. ``error``: when a query fails.
    """

    uid: str
    title: str
    steps: tuple[Step, ...]
    shown_by: tuple[str, Measurement, str]
    summary: str
    description: str
    severity: Literal["warning", "critical"] = "warning"
    pending: str = "5m"
    no_data: State = "OK"
    error: State = "Error"

    @property
    def panel(self) -> tuple[str, int] | None:
        """Return uid of the dashboard and id of the panel, None when no panel there shows the field."""
        name, measurement, field = self.shown_by
        board = BOARDS[name]()
        words = f'"{measurement.name}"', f'"{field}"'
        showing = [one for one in board.panels if any(all(w in ask.query for w in words) for ask in one.targets)]
        if not showing:
            return None
        return board.uid, next((one.id for one in showing if one.type == "timeseries"), showing[0].id)


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, every ``interval_s``."""

    name: str
    interval_s: int
    rules: tuple[Rule, ...]

    def for_api(self) -> dict[str, Any]:
        """Return the group as ``PUT /api/v1/provisioning/folder/{uid}/rule-groups/{group}`` takes it."""
        return {
            "title": self.name,
            "folderUid": FOLDER[0],
            "interval": self.interval_s,
            "rules": [
                _rule(rule) | {"ruleGroup": self.name, "folderUID": FOLDER[0], "orgID": 1} for rule in self.rules
            ],
        }

    def for_file(self) -> dict[str, Any]:
        """Return the group as a file below ``provisioning/alerting`` has it."""
        rules = []
        for rule in self.rules:
            linked = rule.panel
            link = {} if linked is None else {"dashboardUid": linked[0], "panelId": linked[1]}
            rules.append(_rule(rule) | link)
        return {
            "orgId": 1,
            "name": self.name,
            "folder": FOLDER[1],
            "interval": f"{self.interval_s}s",
            "rules": rules,
        }


def _rule(rule: Rule) -> dict[str, Any]:
    annotations = {"summary": rule.summary, "description": rule.description}
    if (linked := rule.panel) is not None:
        annotations |= {"__dashboardUid__": linked[0], "__panelId__": str(linked[1])}
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": rule.steps[-1].ref_id,
        "data": [_step(step) for step in rule.steps],
        "noDataState": rule.no_data,
        "execErrState": rule.error,
        "for": rule.pending,
        "annotations": annotations,
        "labels": {"service": "edgejoule", "severity": rule.severity},
        "isPaused": False,
    }


def _step(step: Step) -> dict[str, Any]:
    common = {"refId": step.ref_id, "intervalMs": _LEAST_STEP_MS, "maxDataPoints": _MOST_POINTS}
    if isinstance(step, Query):
        uid, _ = PROVISIONED[step.of.store]
        asked = {"query": step.query, "rawQuery": True, "resultFormat": "time_series", "alias": ""}
        model = common | asked | {"datasource": {"type": "influxdb", "uid": uid}}
        return _data(step.ref_id, uid, step.since_s, model)
    datasource = {"datasource": {"type": EXPRESSION, "uid": EXPRESSION}}
    return _data(step.ref_id, EXPRESSION, 0, common | datasource | _expression(step))


def _data(ref_id: str, uid: str, since_s: int, model: dict[str, Any]) -> dict[str, Any]:
    span = {"from": since_s, "to": 0}
    return {"refId": ref_id, "queryType": "", "relativeTimeRange": span, "datasourceUid": uid, "model": model}


def _expression(step: Last | Math | Threshold) -> dict[str, Any]:
    if isinstance(step, Last):
        return {"type": "reduce", "expression": step.of, "reducer": "last", "settings": {"mode": "dropNN"}}
    if isinstance(step, Math):
        return {"type": "math", "expression": step.expression}
    evaluator = {"type": step.compare, "params": [step.limit]}
    return {"type": "threshold", "expression": step.of, "conditions": [{"evaluator": evaluator}]}
