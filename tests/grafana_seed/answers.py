"""Every target of every panel and every drop-down, asked of the seeded store as Grafana asks."""

import http.client
import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from edgejoule.commands.dashboards.builder import load_builder
from tests.fakes.influxd import Series
from tests.grafana_seed import grafana
from tests.grafana_seed.fleet import THROTTLED
from tests.grafana_seed.site import DATABASE, HOURLY, Seeded

DATABASES: Final = {"${datasource}": DATABASE, "${datasource_hourly}": HOURLY}
ALL: Final = ".*"
SHOWN_DEVICE: Final = THROTTLED.device_id
"""Which device the dashboard of one device shows."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one target answered. ``raw``: InfluxDB's own JSON, times in milliseconds."""

    dashboard: str
    panel: int
    ref_id: str
    title: str
    query: str
    database: str
    from_ms: int
    to_ms: int
    interval_ms: int
    raw: dict[str, Any]

    @property
    def frames(self) -> list[Series]:
        """Return the answer's series. Raises AssertionError for a query that failed."""
        return frames_of(self.raw, self.query)

    @property
    def key(self) -> tuple[str, int, str]:
        return self.dashboard, self.panel, self.ref_id


def frames_of(raw: dict[str, Any], query: str) -> list[Series]:
    """Return the series of InfluxDB's answer to one query. Raises AssertionError for a query that failed."""
    (result,) = raw.get("results", [{"error": raw}])
    assert "error" not in result, f"{result['error']}: {query}"
    return [Series(one.get("tags", {}), one["columns"], one["values"]) for one in result.get("series", ())]


def dashboards() -> list[Any]:
    """Return the dashboards as they are built."""
    builder: Any = load_builder()
    return list(builder.dashboards().values())


def every_answer(seeded: Seeded, **chosen: str) -> Iterator[Answer]:
    """Yield the answer of every target; ``chosen``: a variable's regular expression, the others at All."""
    for dashboard in dashboards():
        for panel in dashboard.panels:
            for target in panel.targets:
                yield ask(seeded, dashboard, panel, target, None, **chosen)


def ask(
    seeded: Seeded, dashboard: Any, panel: Any, target: Any, asked: grafana.TimeRange | None = None, **chosen: str
) -> Answer:
    """Return what one target answers. ``asked``: instead of the range with which the panel opens."""
    now_ms = seeded.now_unix_ns // 1_000_000
    asked = asked or grafana.panel_range(dashboard.time_from, now_ms, panel.time_from, panel.time_shift)
    step_ms = grafana.interval_ms(asked, panel.grid_pos.w, panel.interval)
    query = grafana.expand(target.query, asked, step_ms, at_start(dashboard) | chosen)
    database = DATABASES[target.datasource.uid]
    return Answer(
        *(dashboard.uid, panel.id, target.ref_id, panel.title, query, database),
        *(asked.from_ms, asked.to_ms, step_ms, influxql(seeded, query, database)),
    )


def the_whole_story(seeded: Seeded) -> grafana.TimeRange:
    """Return a range that holds every window and every point."""
    return grafana.TimeRange(seeded.first_unix_ns // 10**6, seeded.now_unix_ns // 10**6)


def at_start(dashboard: Any) -> dict[str, str]:
    """Return each variable as it is when the dashboard opens: All, or the one device."""
    return {one.name: ALL if one.include_all else SHOWN_DEVICE for one in dashboard.variables if one.type == "query"}


def variable_values(seeded: Seeded, dashboard: Any, variable: Any, **chosen: str) -> list[str]:
    """Return what a drop-down offers; ``chosen``: in others."""
    query = grafana.expand(variable.query, the_whole_story(seeded), 1, at_start(dashboard) | chosen)
    raw = influxql(seeded, query, DATABASES[variable.datasource.uid])
    return [row[1] for result in raw["results"] for one in result.get("series", ()) for row in one["values"]]


def influxql(seeded: Seeded, query: str, database: str) -> dict[str, Any]:
    """Return InfluxDB's answer, times in milliseconds as Grafana asks for them."""
    connection = http.client.HTTPConnection("127.0.0.1", seeded.influxdb.port, timeout=60)
    try:
        words = urllib.parse.urlencode({"db": database, "epoch": "ms", "q": query})
        connection.request("POST", "/query", words, {"Content-Type": "application/x-www-form-urlencoded"})
        found: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return found


def as_json(seeded: Seeded) -> dict[str, Any]:
    """Return the dashboards, every answer and every drop-down's values."""
    boards = dashboards()
    return {
        "now_ms": seeded.now_unix_ns // 10**6,
        "dashboards": [json.loads(board.to_json()) for board in boards],
        "answers": [{name: getattr(one, name) for name in Answer.__slots__} for one in every_answer(seeded)],
        "variables": [
            {
                "dashboard": board.uid,
                "variable": one.name,
                "values": variable_values(seeded, board, one),
                "current": at_start(board)[one.name],
            }
            for board in boards
            for one in board.variables
            if one.type == "query"
        ],
    }
