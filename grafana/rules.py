"""What a dashboard here must satisfy, whatever it shows."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import Final, get_args

from .model import DATASOURCES, GRAFANA, Dashboard, GridPos, Panel, PanelKind, Target
from .queries import FILTERS, MEASUREMENTS, forbidden_in, read_by

_COLUMNS: Final = 24
_FEWEST_WORDS: Final = 4
UNITS: Final = frozenset({
    "none", "string", "short", "locale", "percent", "percentunit", "bool", "bool_yes_no", "bool_on_off",
    "watt", "kwatt", "mwatt", "joule", "watth", "kwatth", "volt", "amp", "hertz", "celsius",
    "s", "ms", "ns", "m", "h", "d", "dateTimeAsIso", "dateTimeFromNow", "cps", "ops", "Hs", "KHs", "MHs",
    "massg", "masskg", "masst", "litre", "mlitre", "bytes", "decbytes",
})  # fmt: skip
"""Those of Grafana's units (the list in its package @grafana/data) that make sense here; others show as plain text."""
_OWN_UNITS: Final = ("si:", "suffix:", "prefix:")


def faults_of(dashboard: Dashboard) -> list[str]:
    """Return every fault as one line that names the panel or variable; empty when there is none."""
    faults = [f"panel {panel.title!r}: {fault}" for panel in dashboard.panels for fault in _panel_faults(panel)]
    faults += _variable_faults(dashboard)
    for what, values in (
        ("title", [panel.title for panel in dashboard.panels]),
        ("id", [panel.id for panel in dashboard.panels]),
        ("variable", [variable.name for variable in dashboard.variables]),
    ):
        faults += [f"{what} {value!r} stands {times} times" for value, times in Counter(values).items() if times > 1]
    faults += [
        f"panels {a.title!r} and {b.title!r} overlap"
        for a, b in combinations(dashboard.panels, 2)
        if _overlap(a.grid_pos, b.grid_pos)
    ]
    return faults


def _panel_faults(panel: Panel) -> Iterator[str]:
    if not panel.title.strip():
        yield "has no title"
    if panel.type not in get_args(PanelKind):
        yield f"is of the type {panel.type!r}, which is deprecated or not used here"
    if panel.grid_pos.x < 0 or panel.grid_pos.x + panel.grid_pos.w > _COLUMNS:
        yield "does not fit the grid"
    if panel.type != "row":
        yield from _content_faults(panel)


def _content_faults(panel: Panel) -> Iterator[str]:
    if len(panel.description.split()) < _FEWEST_WORDS:
        yield "has no description that explains it"
    yield from _unit_faults(panel)
    if panel.datasource not in (*DATASOURCES.values(), GRAFANA):
        yield "does not use the datasource variable"
    if not panel.targets:
        yield "asks for nothing"
    if len({target.ref_id for target in panel.targets}) < len(panel.targets):
        yield "uses a refId twice"
    for target in panel.targets:
        yield from (f"query {target.ref_id} {fault}" for fault in _target_faults(panel, target))


def _unit_faults(panel: Panel) -> Iterator[str]:
    default = panel.field_config["defaults"].get("unit")
    if not default:
        yield "has no unit"
    properties = [one for override in panel.field_config["overrides"] for one in override["properties"]]
    for unit in (default, *(one["value"] for one in properties if one["id"] == "unit")):
        if unit and unit not in UNITS and not (unit.startswith(_OWN_UNITS) and unit.partition(":")[2].strip()):
            yield f"has the unit {unit!r}, which Grafana does not know"
        if unit and unit.startswith("suffix: "):
            yield f"has the unit {unit!r}, but Grafana puts the space itself"


def _target_faults(panel: Panel, target: Target) -> Iterator[str]:
    query = target.query
    if "$timeFilter" not in query:
        yield "ignores the time range"
    if (panel.type == "timeseries") != ("GROUP BY time($__interval)" in query):
        yield "must group by time($__interval) exactly when it is a time series"
    yield from _reading_faults(target)
    for word in forbidden_in(query):
        yield f"uses {word}, which not every InfluxDB knows"
    if target.result_format == "time_series" and not target.alias:
        yield "has no alias"


def _reading_faults(target: Target) -> Iterator[str]:
    names = read_by(target.query)
    if unknown := names - set(MEASUREMENTS):
        yield f"reads {', '.join(sorted(unknown))}, which the collector does not write"
    for name in names & set(MEASUREMENTS):
        measurement = MEASUREMENTS[name]
        if target.datasource != DATASOURCES[measurement.store]:
            yield f"does not use the {measurement.store} variable"
        for variable in measurement.filters:
            if f"${{{variable}:regex}}" not in target.query:
                yield f"ignores the variable {variable}"


def _variable_faults(dashboard: Dashboard) -> list[str]:
    names = [variable.name for variable in dashboard.variables]
    faults = [f"variable {name!r} is missing" for name in (*DATASOURCES, *FILTERS) if name not in names]
    for variable in dashboard.variables:
        if variable.type == "query" and variable.datasource not in DATASOURCES.values():
            faults.append(f"variable {variable.name!r} does not use the datasource variable")
        if variable.type == "query" and forbidden_in(variable.query):
            faults.append(f"variable {variable.name!r} uses a word that not every InfluxDB knows")
    return faults


def _overlap(a: GridPos, b: GridPos) -> bool:
    return a.x < b.x + b.w and b.x < a.x + a.w and a.y < b.y + b.h and b.y < a.y + a.h
