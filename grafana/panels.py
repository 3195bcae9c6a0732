"""How a panel of each kind is made, so that all of them look and behave alike, and how panels find their place.

``q.over_range`` answers stat and bar gauge; ``q.over_time`` a time series; a table takes either. What a query
asks of which measurement decides the data source: the hourly sums have their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import Any, Final

from msgspec.structs import replace

from .model import DATASOURCES, GRAFANA, DataSource, GridPos, Link, Panel, PanelKind, ResultFormat, Target
from .queries import MEASUREMENTS, MOST, read_by

STEP: Final = "10s"
COLUMNS: Final = 24
Steps = tuple[tuple[float | None, str], ...]
BLUE: Final[Steps] = ((None, "blue"),)
_REF_IDS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LATEST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
"""Of each frame its last value: what a query over the whole range answers is one."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One query and the name of its frames: words, with ``$tag_device`` and its like for a tag's value."""

    query: str
    alias: str


@dataclass(frozen=True, slots=True)
class Look:
    """How values are shown. ``steps``: thresholds with colours. ``decimals`` None: as Grafana thinks best.

    ``overrides``: as in ``fieldConfig.overrides``. ``links``: of every value.
    """

    unit: str
    steps: Steps = BLUE
    minimum: float | None = None
    maximum: float | None = None
    decimals: int | None = None
    overrides: tuple[dict[str, Any], ...] = ()
    links: tuple[Link, ...] = ()
    mappings: tuple[dict[str, Any], ...] = ()
    no_value: str | None = None


def stat(  # noqa: PLR0913  a panel is its settings
    title: str,
    description: str,
    asks: Sequence[Ask],
    look: Look,
    *,
    w: int = 4,
    h: int = 4,
    time_from: str | None = None,
    time_shift: str | None = None,
) -> Panel:
    """Return a panel of large numbers, one for each frame."""
    options = {
        "reduceOptions": _LATEST,
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
    }
    panel = _panel("stat", title, description, asks, _fields(look), options, w=w, h=h)
    return replace(panel, time_from=time_from, time_shift=time_shift)


def bars(title: str, description: str, asks: Sequence[Ask], look: Look, *, w: int = 8, h: int = 8) -> Panel:
    """Return horizontal bars from zero, one for each frame, alike in size however few they are."""
    options = {
        "reduceOptions": _LATEST,
        "orientation": "horizontal",
        "displayMode": "basic",
        "text": {"titleSize": 12, "valueSize": 18},
        "sizing": "manual",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 60,
        "showUnfilled": True,
        "valueMode": "color",
    }
    return _panel("bargauge", title, description, asks, {"min": 0} | _fields(look), options, w=w, h=h)


def ranked(title: str, description: str, query: str, look: Look, *, w: int = 8, h: int = 9) -> Panel:
    """Return horizontal bars from zero, one for each row of ``q.most``, however many devices there are."""
    panel = bars(title, description, (), look, w=w, h=h)
    target = Target(ref_id="A", query=query, datasource=_answers(query), result_format="table")
    reduced = {"calcs": [], "fields": "", "values": True, "limit": MOST}
    options = panel.options | {"reduceOptions": reduced, "text": {"titleSize": 12, "valueSize": 14}}
    return replace(panel, targets=(target,), options=options, datasource=target.datasource)


def series(  # noqa: PLR0913  a panel is its settings
    title: str,
    description: str,
    asks: Sequence[Ask],
    look: Look,
    *,
    w: int = 12,
    h: int = 8,
    stacked: bool = False,
    share: bool = False,
    step: str = STEP,
    soft_max: float | None = None,
) -> Panel:
    """Return lines over time, which break where nothing is; ``stacked`` bars, or as ``share`` of their sum.

    ``step``: the shortest step, no finer than the points are. ``soft_max``: how high the axis is at least.
    """
    custom: dict[str, Any] = {"drawStyle": "line", "lineWidth": 2, "spanNulls": False, "showPoints": "auto"}
    if stacked or share:
        mode = "percent" if share else "normal"
        custom |= {"drawStyle": "bars", "fillOpacity": 70, "lineWidth": 0, "stacking": {"mode": mode, "group": "A"}}
    if soft_max is not None:
        custom["axisSoftMax"] = soft_max
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    fields = (
        ({"min": 0} if stacked or share else {})
        | _fields(look)
        | {"color": {"mode": "palette-classic"}, "custom": custom}
    )
    return replace(_panel("timeseries", title, description, asks, fields, options, w=w, h=h), interval=step)


def table(  # noqa: PLR0913  a panel is its settings
    title: str,
    description: str,
    queries: Sequence[str],
    look: Look,
    *,
    w: int = 24,
    h: int = 8,
    transformations: tuple[dict[str, Any], ...] = (),
    columns: Mapping[str, str] = MappingProxyType({}),
    sort_by: str | None = None,
) -> Panel:
    """Return a table; the columns are the tags and the fields of its queries, each field named with AS.

    ``columns``: their order, by name, and what each is called then. ``sort_by``: the column, largest first.
    ``look.overrides`` gives columns units of their own (``column_unit``).
    """
    options: dict[str, Any] = {"showHeader": True, "cellHeight": "sm"}
    if sort_by is not None:
        options["sortBy"] = [{"displayName": sort_by, "desc": True}]
    asks = [Ask(query, "") for query in queries]
    fields = _fields(look) | {
        "custom": {
            "align": "auto",
            "cellOptions": {"type": "auto"},
            "inspect": True,
            "minWidth": 90,
            "wrapHeaderText": True,  # else a long heading of a number is cut at its beginning
        }
    }
    panel = _panel("table", title, description, asks, fields, options, w=w, h=h, form="table")
    return replace(panel, transformations=(*transformations, _arranged(columns)))


def column_unit(column: str, unit: str, **more: Any) -> dict[str, Any]:
    """Return the override that gives a table's column a unit, and other properties by name (``decimals=2``)."""
    properties = [{"id": "unit", "value": unit}, *({"id": name, "value": value} for name, value in more.items())]
    return {"matcher": {"id": "byName", "options": column}, "properties": properties}


def section(title: str, *panels: Panel) -> tuple[Panel, ...]:
    """Return a heading and its panels."""
    heading = Panel(id=0, type="row", title=title, grid_pos=GridPos(x=0, y=0, w=COLUMNS, h=1))
    return (heading, *panels)


def placed(*sections: Iterable[Panel]) -> tuple[Panel, ...]:
    """Return the panels numbered and laid from left to right, line by line; a line is as high as its highest."""
    laid: list[Panel] = []
    x = y = line_h = 0
    numbers = count(1)
    for panel in (panel for one in sections for panel in one):
        w, h = panel.grid_pos.w, panel.grid_pos.h
        if x + w > COLUMNS:
            x, y, line_h = 0, y + line_h, 0
        laid.append(replace(panel, id=next(numbers), grid_pos=GridPos(x=x, y=y, w=w, h=h)))
        x, line_h = x + w, max(line_h, h)
    return tuple(laid)


def _arranged(columns: Mapping[str, str]) -> dict[str, Any]:
    """Return the transformation that takes the time away, and gives columns their order and words."""
    return {
        "id": "organize",
        "options": {
            "excludeByName": {"Time": True},
            "indexByName": {name: index for index, name in enumerate(columns)},
            "renameByName": {name: words for name, words in columns.items() if words != name},
        },
    }


def _fields(look: Look) -> dict[str, Any]:
    thresholds = {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in look.steps]}
    known = {
        "min": look.minimum,
        "max": look.maximum,
        "decimals": look.decimals,
        "noValue": look.no_value,
        "links": [{"title": one.title, "url": one.url, "targetBlank": one.target_blank} for one in look.links] or None,
        "mappings": list(look.mappings) or None,
        "_overrides": list(look.overrides),
    }
    basic = {"unit": look.unit, "color": {"mode": "thresholds"}, "thresholds": thresholds}
    return basic | {name: value for name, value in known.items() if value is not None}


def _panel(  # noqa: PLR0913  a panel is its settings
    kind: PanelKind,
    title: str,
    description: str,
    asks: Sequence[Ask],
    fields: dict[str, Any],
    options: dict[str, Any],
    *,
    w: int,
    h: int,
    form: ResultFormat = "time_series",
) -> Panel:
    overrides = fields.pop("_overrides")
    targets = tuple(
        Target(
            ref_id=_REF_IDS[i], query=ask.query, alias=ask.alias, datasource=_answers(ask.query), result_format=form
        )
        for i, ask in enumerate(asks)
    )
    answering = {target.datasource for target in targets}
    return Panel(
        id=0,
        type=kind,
        title=title,
        description=description,
        grid_pos=GridPos(x=0, y=0, w=w, h=h),
        targets=targets,
        field_config={"defaults": fields, "overrides": overrides},
        options=options,
        datasource=answering.pop() if len(answering) == 1 else GRAFANA,
    )


def _answers(query: str) -> DataSource:
    """Return the data source that has what a query reads."""
    (store,) = {MEASUREMENTS[name].store for name in read_by(query)}
    return DATASOURCES[store]
