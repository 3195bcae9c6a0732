"""Every target of every panel and every drop-down, on a real InfluxDB that the real collector filled."""

import math
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

import pytest

from tests.grafana_seed.answers import Answer, at_start, dashboards, variable_values
from tests.grafana_seed.fleet import DEVICES, MODELS, THROTTLED
from tests.grafana_seed.site import Seeded

pytestmark = pytest.mark.influxdb
alerts: Any = import_module("grafana.alerts")
Asked = dict[tuple[str, int, str], Answer]
BOARDS: Final = {board.uid: board for board in dashboards()}
PANELS: Final = [(uid, panel) for uid, board in BOARDS.items() for panel in board.panels if panel.targets]
COMMON: Final = frozenset(
    {
        *(
            "SELECT",
            "FROM",
            "WHERE",
            "AND",
            "OR",
            "AS",
            "GROUP",
            "BY",
            "ORDER",
            "ASC",
            "DESC",
            "LIMIT",
            "TRUE",
            "FALSE",
        ),
        *("TIME", "NOW", "FILL", "NULL", "NONE", "SHOW", "TAG", "VALUES", "WITH", "KEY"),
        *("COUNT", "DISTINCT", "FIRST", "LAST", "MAX", "MEAN", "MEDIAN", "MIN", "MODE", "PERCENTILE", "SPREAD"),
        *(
            "TOP",
            "BOTTOM",
            "STDDEV",
            "SUM",
            "ABS",
            "CEIL",
            "CUMULATIVE_SUM",
            "DERIVATIVE",
            "DIFFERENCE",
            "ELAPSED",
            "EXP",
            "FLOOR",
        ),
        *("LN", "LOG", "LOG10", "LOG2", "MOVING_AVERAGE", "POW", "ROUND", "SQRT"),
    }
)
"""Words of InfluxQL that InfluxDB 1.8, 2.7 and 3 Core all have: of those of 1.8 what is ticked in "InfluxQL feature
support" of the InfluxDB 3 documentation (influxdata/docs-v2, content/shared/influxql-v3-reference)."""
MAY_BE_UNKNOWN: Final = frozenset({"site", "zone", "device_class"})
"""Tags that a device has only when the inventory lists it."""


def panel_id(value: Any) -> str:
    return value if isinstance(value, str) else re.sub(r"\W+", "-", value.title)[:50]


@pytest.mark.parametrize(("uid", "panel"), PANELS, ids=panel_id)
def test_a_panel_has_data(asked: Asked, uid: str, panel: Any) -> None:
    """No frame is empty, every column has a value, and every number is finite."""
    for target in panel.targets:
        answer = asked[uid, panel.id, target.ref_id]
        frames = answer.frames
        assert frames, f"{target.ref_id}: no data: {answer.query}"
        columns = {name for frame in frames for name in frame.columns}
        known = {name for frame in frames for name in frame.columns if any(v is not None for v in frame.column(name))}
        assert columns == known, f"{target.ref_id}: nothing in {columns - known}: {answer.query}"
        numbers = [v for frame in frames for row in frame.values for v in row[1:] if isinstance(v, int | float)]
        assert all(math.isfinite(number) for number in numbers)


@pytest.mark.parametrize("uid", BOARDS)
def test_frames_have_names_that_tell_them_apart(asked: Asked, uid: str) -> None:
    """A tag in a name is one of the frame's, and known; no name stands twice in a panel."""
    for panel in BOARDS[uid].panels:
        named = [target for target in panel.targets if target.result_format == "time_series"]
        names = [
            _name(target.alias, frame.tags) for target in named for frame in asked[uid, panel.id, target.ref_id].frames
        ]
        assert len(set(names)) == len(names), f"{panel.title}: {sorted(names)}"


def _name(alias: str, tags: dict[str, str]) -> str:
    for name in re.findall(r"\$tag_(\w+)", alias):
        assert tags[name] or name in MAY_BE_UNKNOWN, f"{alias}: {tags}"
        alias = alias.replace(f"$tag_{name}", tags[name])
    return alias


def every_query() -> Iterator[str]:
    """Yield what dashboards and alert rules ask."""
    for board in BOARDS.values():
        yield from (target.query for panel in board.panels for target in panel.targets)
        yield from (variable.query for variable in board.variables if variable.type == "query")
    for group in alerts.rule_groups():
        for rule in group["rules"]:
            yield from (step["model"]["query"] for step in rule["data"] if "query" in step["model"])


def test_queries_have_only_words_that_all_servers_know() -> None:
    for query in every_query():
        bare = re.sub(r"'[^']*'|\"[^\"]*\"|/\^.*?\$/|\$\{?\w+\}?|\b\d+\w*", " ", query)
        words = {word.upper() for word in re.findall(r"[A-Za-z_]+", bare)}
        assert words <= COMMON, f"{words - COMMON}: {query}"


@pytest.mark.parametrize("uid", BOARDS)
def test_every_drop_down_has_its_values(seeded: Seeded, uid: str) -> None:
    expected = {
        "fleet": {device.fleet for device in DEVICES},
        "site": {device.site for device in DEVICES} - {""},
        "zone": {device.zone for device in DEVICES} - {""},
        "device_class": {device.device_class for device in DEVICES if device.listed},
        "model": {model.model_id for model in MODELS},
        "device": {device.device_id for device in DEVICES},
    }
    offered = {
        one.name: variable_values(seeded, BOARDS[uid], one) for one in BOARDS[uid].variables if one.type == "query"
    }
    opened = at_start(BOARDS[uid])
    for name, values in offered.items():
        assert len(values) == len(set(values))
        if all(opened[other] == ".*" for other in offered):
            assert set(values) == expected[name], name
        assert opened[name] in {".*", *values}


def test_a_drop_down_offers_what_the_ones_before_it_leave(seeded: Seeded) -> None:
    board = BOARDS["edgejoule-fleet"]
    variable = next(one for one in board.variables if one.name == "device")
    offered = variable_values(seeded, board, variable, fleet="plant", site="berlin")
    assert offered == sorted(device.device_id for device in DEVICES if device.fleet == "plant")
    assert THROTTLED.device_id in offered
