"""What an alert rule here must satisfy, whatever it watches."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, get_args

from .alerting import Group, Last, Math, Query, Rule, State, Step, Threshold
from .queries import MEASUREMENTS, forbidden_in, read_by

_USED: Final = re.compile(r"\$(\w+)")
_LONGEST_UID: Final = 40
"""Of any object of Grafana."""
_SCHEDULE_S: Final = 10
"""Grafana's scheduler wakes every ten seconds by default; an interval is a multiple of that."""
_PENDING: Final = re.compile(r"\d+[smhd]")
_FEWEST_WORDS: Final = 4


def faults_of(groups: Iterable[Group]) -> list[str]:
    """Return every fault as one line that names the rule; empty when there is none."""
    listed = list(groups)
    rules = [rule for group in listed for rule in group.rules]
    faults = [f"alert rule {rule.title!r}: {fault}" for rule in rules for fault in _rule_faults(rule)]
    faults += [
        f"alert group {group.name!r}: an interval of {group.interval_s} s is no multiple of {_SCHEDULE_S} s"
        for group in listed
        if group.interval_s <= 0 or group.interval_s % _SCHEDULE_S
    ]
    for what, values in (
        ("alert group", [group.name for group in listed]),
        ("alert rule's uid", [rule.uid for rule in rules]),
        ("alert rule's title", [rule.title for rule in rules]),
    ):
        faults += [f"{what} {value!r} stands {times} times" for value, times in Counter(values).items() if times > 1]
    return faults


def _rule_faults(rule: Rule) -> Iterator[str]:
    if not re.fullmatch(rf"[\w-]{{1,{_LONGEST_UID}}}", rule.uid):
        yield f"uid {rule.uid!r} is not 1 to {_LONGEST_UID} letters, digits, - or _"
    if not _PENDING.fullmatch(rule.pending):
        yield f"{rule.pending!r} is no duration such as 5m"
    for state in {rule.no_data, rule.error} - set(get_args(State)):
        yield f"{state!r} is no state"
    if len(rule.summary.split()) < _FEWEST_WORDS or len(rule.description.split()) < _FEWEST_WORDS:
        yield "has no summary or no description that explains it"
    if any("${" in text for text in (rule.title, rule.summary, rule.description)):
        yield "has a ${NAME}, which Grafana would replace by a variable of its environment"
    if rule.panel is None:
        board, measurement, field = rule.shown_by
        yield f"no panel of the dashboard {board!r} shows {field} of {measurement.name}"
    yield from _step_faults(rule.steps)


def _step_faults(steps: tuple[Step, ...]) -> Iterator[str]:
    known: set[str] = set()
    for step in steps:
        if step.ref_id in known:
            yield f"uses the refId {step.ref_id} twice"
        for missing in sorted(_needs(step) - known):
            yield f"step {step.ref_id} needs {missing}, which is not a step before it"
        if isinstance(step, Query):
            yield from (f"query {step.ref_id} {fault}" for fault in _query_faults(step))
        known.add(step.ref_id)
    if not steps or not isinstance(steps[-1], Threshold):
        yield "does not end with a threshold"


def _needs(step: Step) -> set[str]:
    if isinstance(step, Last | Threshold):
        return {step.of}
    return set(_USED.findall(step.expression)) if isinstance(step, Math) else set()


def _query_faults(step: Query) -> Iterator[str]:
    if "$timeFilter" not in step.query and "now()" not in step.query:
        yield "has no time range"
    if "${" in step.query:
        yield "uses a variable of a dashboard, which an alert rule has not"
    if step.since_s <= 0:
        yield "reaches no time back"
    for word in forbidden_in(step.query):
        yield f"uses {word}, which not every InfluxDB knows"
    for name in read_by(step.query):
        if name not in MEASUREMENTS:
            yield f"reads {name}, which the collector does not write"
        elif MEASUREMENTS[name] != step.of:
            yield f"reads {name}, but asks the data source of {step.of.name}"
