"""The part of Grafana's dashboard JSON (schema 39, Grafana 10.4 and later) that the dashboards here use, typed."""

from typing import Any, Final, Literal

import msgspec

PanelKind = Literal["stat", "timeseries", "bargauge", "table", "row"]
"""Those that @grafana/ui has a component for, so that a test can draw them as Grafana does; the round gauge is not
among them since version 13, and a bar gauge with minimum and maximum says the same."""
ResultFormat = Literal["time_series", "table"]


class _Json(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base: Python names in, Grafana's names out."""


class DataSource(_Json, frozen=True, kw_only=True):
    """Which data source answers."""

    type: str
    uid: str


DATASOURCES: Final = {
    "datasource": DataSource(type="influxdb", uid="${datasource}"),
    "datasource_hourly": DataSource(type="influxdb", uid="${datasource_hourly}"),
}
"""Those that the reader chose in the dashboard's drop-downs."""
DATASOURCE: Final = DATASOURCES["datasource"]
PROVISIONED: Final = {
    "datasource": ("edgejoule-influxdb", "edgejoule InfluxDB"),
    "datasource_hourly": ("edgejoule-influxdb-hourly", "edgejoule InfluxDB hourly sums"),
}
"""The uid and the name of those that come with the dashboards: alert rules know no drop-downs and name the uid."""
FOLDER: Final = ("edgejoule", "edgejoule")
"""Uid and title of the folder of the dashboards and alert rules."""
GRAFANA: Final = DataSource(type="datasource", uid="-- Mixed --")
"""Of a panel whose targets each name their own."""


class GridPos(_Json, frozen=True, kw_only=True):
    """A place on the grid of 24 columns; one row is about 30 pixels."""

    x: int
    y: int
    w: int
    h: int


class Target(_Json, frozen=True, kw_only=True):
    """One InfluxQL query. ``alias`` names its frames; a table has none."""

    ref_id: str
    query: str
    alias: str = ""
    datasource: DataSource = DATASOURCE
    raw_query: bool = True
    result_format: ResultFormat = "time_series"


class Link(_Json, frozen=True, kw_only=True):
    """A link of a field or of a dashboard."""

    title: str
    url: str
    target_blank: bool = False


class Panel(_Json, frozen=True, kw_only=True):
    """One panel. ``interval`` is the smallest step of a time series, ``time_from`` its own time range.

    A row is a heading and asks for nothing.
    """

    id: int
    type: PanelKind
    title: str
    description: str = ""
    grid_pos: GridPos
    targets: tuple[Target, ...] = ()
    field_config: dict[str, Any] = {}
    options: dict[str, Any] = {}
    transformations: tuple[dict[str, Any], ...] = ()
    datasource: DataSource = DATASOURCE
    interval: str | None = None
    time_from: str | None = None
    time_shift: str | None = None


class Variable(_Json, frozen=True, kw_only=True):
    """A drop-down: a data source, or the values of one tag. ``regex``: which data sources are offered."""

    name: str
    label: str
    type: Literal["datasource", "query"]
    query: str
    description: str
    datasource: DataSource | None = None
    regex: str | None = None
    multi: bool = False
    include_all: bool = False
    all_value: str | None = None
    current: dict[str, Any] | None = None
    refresh: int = 2
    sort: int = 1


class Dashboard(_Json, frozen=True, kw_only=True):
    """A whole dashboard. ``time_from``: the range that it opens with; ``refresh``: how often it asks again."""

    uid: str
    title: str
    description: str
    tags: tuple[str, ...]
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...]
    links: tuple[dict[str, Any], ...] = ()
    time_from: str = "now-1h"
    refresh: str = "10s"

    def to_json(self) -> str:
        """Return the file's text: stable, indented, with a newline at its end."""
        content: dict[str, Any] = msgspec.to_builtins(self)
        variables, time_from = content.pop("variables"), content.pop("timeFrom")
        content |= {
            "id": None,
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "time": {"from": time_from, "to": "now"},
            "timezone": "browser",
            "annotations": {"list": []},
            "templating": {"list": [_without_none(variable) for variable in variables]},
            "panels": [_panel_json(panel) for panel in content["panels"]],
        }
        return msgspec.json.format(msgspec.json.encode(content, order="sorted"), indent=2).decode() + "\n"


def _panel_json(content: dict[str, Any]) -> dict[str, Any]:
    if content["type"] == "row":
        kept = ("id", "type", "title", "gridPos")
        return {name: content[name] for name in kept} | {"collapsed": False, "panels": []}
    if content["timeFrom"] is not None:
        content["hideTimeOverride"] = True  # the title says it in words, and has no room for both
    return _without_none(content)


def _without_none(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if value is not None}
