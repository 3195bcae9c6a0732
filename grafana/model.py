"""The part of Grafana's dashboard JSON (schema 39, Grafana 10.4 and later) that the dashboards here use, typed."""

from typing import Any, Final, Literal

import msgspec

PanelKind = Literal["stat", "timeseries", "bargauge"]


class _Json(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base: Python names in, Grafana's names out."""


class DataSource(_Json, frozen=True, kw_only=True):
    """Which data source answers."""

    type: str
    uid: str


DATASOURCE: Final = DataSource(type="influxdb", uid="${datasource}")
"""The one that the reader chose in the dashboard's drop-down."""


class GridPos(_Json, frozen=True, kw_only=True):
    """A place on the grid of 24 columns; one row is about 30 pixels."""

    x: int
    y: int
    w: int
    h: int


class Target(_Json, frozen=True, kw_only=True):
    """One InfluxQL query. ``alias`` names its frames."""

    ref_id: str
    query: str
    alias: str
    datasource: DataSource = DATASOURCE
    raw_query: bool = True
    result_format: str = "time_series"


class Panel(_Json, frozen=True, kw_only=True):
    """One panel. ``interval`` is the smallest step of a time series, ``time_from`` its own time range."""

    id: int
    type: PanelKind
    title: str
    description: str
    grid_pos: GridPos
    targets: tuple[Target, ...]
    field_config: dict[str, Any]
    options: dict[str, Any]
    datasource: DataSource = DATASOURCE
    interval: str | None = None
    time_from: str | None = None


class Variable(_Json, frozen=True, kw_only=True):
    """A drop-down: the data source, or the values of one tag."""

    name: str
    label: str
    type: Literal["datasource", "query"]
    query: str
    description: str
    datasource: DataSource | None = None
    definition: str | None = None
    multi: bool = False
    include_all: bool = False
    all_value: str | None = None
    current: dict[str, Any] = {}
    refresh: int = 2
    sort: int = 1


class Dashboard(_Json, frozen=True, kw_only=True):
    """A whole dashboard."""

    uid: str
    title: str
    description: str
    tags: tuple[str, ...]
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...]

    def to_json(self) -> str:
        """Return the file's text: stable, indented, with a newline at its end."""
        content: dict[str, Any] = msgspec.to_builtins(self)
        variables = content.pop("variables")
        content |= {
            "id": None,
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "browser",
            "annotations": {"list": []},
            "links": [],
            "templating": {"list": [_without_none(variable) for variable in variables]},
            "panels": [_without_none(panel) for panel in content["panels"]],
        }
        return msgspec.json.format(msgspec.json.encode(content, order="sorted"), indent=2).decode() + "\n"


def _without_none(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if value is not None}
