"""Builds the fleet dashboard and checks it: run by ``edgejoule dashboards build|check``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from . import queries as q
from .model import DATASOURCE, Dashboard, GridPos, Panel, PanelKind, Target, Variable
from .rules import faults_of

HERE: Final = Path(__file__).parent
STEP: Final = "10s"
BY_DEVICE: Final = ("device",)
BY_DEVICE_AND_MODEL: Final = ("device", "model")


def fleet_dashboard() -> Dashboard:
    """Return the one dashboard: the fleet now, over time, its carbon, and what the figures are worth."""
    return Dashboard(
        uid="edgejoule-fleet",
        title="edgejoule fleet",
        description="Joules per inference, metered at the plug, and the fleet's operational and embodied carbon.",
        tags=("edgejoule", "energy", "carbon"),
        panels=_numbered((*_headline(), *_energy(), *_carbon(), *_worth())),
        variables=(_datasource(), *(_variable(name) for name in q.FILTERS)),
    )


def build(directory: Path = HERE) -> list[Path]:
    """Write every dashboard's JSON; return the files."""
    path = directory / "dashboards" / "fleet.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(fleet_dashboard().to_json(), encoding="utf-8")
    return [path]


def check(directory: Path = HERE) -> list[str]:
    """Return what is wrong with the dashboards or with their files, one line each; empty when nothing is."""
    dashboard = fleet_dashboard()
    faults = faults_of(dashboard)
    path = directory / "dashboards" / "fleet.json"
    if not path.is_file():
        faults.append(f"{path}: missing; write it with: edgejoule dashboards build")
    elif path.read_text(encoding="utf-8") != dashboard.to_json():
        faults.append(f"{path}: not what the builder makes; write it again with: edgejoule dashboards build")
    return faults


def _headline() -> Iterable[Panel]:
    tiles: tuple[tuple[str, str, str, str, dict[str, Any]], ...] = (
        (
            "Power now",
            "Sum over devices of the mean power of the latest window within five minutes.",
            "watt",
            q.sum_of_latest("power_w", "device"),
            {"time_from": "5m"},
        ),
        (
            "Energy",
            "Metered joules in the time range; seconds without samples add none.",
            "joule",
            q.over_range(q.ENERGY_J),
            {},
        ),
        (
            "Energy per inference",
            "All joules over all inferences of the selected devices, idle power included.",
            "joule",
            q.over_range(q.J_PER_INFERENCE),
            {},
        ),
        ("Inferences", "Inferences completed in the time range.", "short", q.over_range(q.INFERENCES), {}),
        (
            "Coverage",
            "Part of the time that samples cover. What is missing is unknown, not zero.",
            "percentunit",
            q.over_range(q.COVERAGE),
            {"steps": ((None, "red"), (0.95, "orange"), (0.999, "green"))},
        ),
        (
            "Simulated windows",
            "Windows with a figure from an emulated meter. Above zero, these are no measurements of real hardware.",
            "short",
            q.over_range(q.WINDOWS, where="\"simulated\" = 'true'"),
            {"steps": ((None, "green"), (1, "orange"))},
        ),
    )
    for index, (title, description, unit, query, more) in enumerate(tiles):
        yield _stat(title, description, unit, query, GridPos(x=4 * index, y=0, w=4, h=4), **more)


def _energy() -> Iterable[Panel]:
    yield _series(
        "Power by device",
        "Mean power over covered time. A line breaks where no window is.",
        "watt",
        [q.over_time(q.POWER_W, by=BY_DEVICE)],
        GridPos(x=0, y=4, w=12, h=8),
    )
    yield _series(
        "Energy by device",
        "Joules per step, stacked: the height is the fleet's.",
        "joule",
        [q.over_time(q.ENERGY_J, by=BY_DEVICE)],
        GridPos(x=12, y=4, w=12, h=8),
        stacked=True,
    )
    yield _bars(
        "Energy per inference by device and model",
        "Joules over inferences in the time range, idle power included. Compare only meters at the same boundary.",
        "joule",
        q.over_range(q.J_PER_INFERENCE, by=BY_DEVICE_AND_MODEL),
        GridPos(x=0, y=12, w=8, h=8),
    )
    yield _series(
        "Energy per inference over time",
        "Joules over inferences, by device and model.",
        "joule",
        [q.over_time(q.J_PER_INFERENCE, by=BY_DEVICE_AND_MODEL)],
        GridPos(x=8, y=12, w=8, h=8),
    )
    yield _series(
        "Inferences per second",
        "Inferences over the windows' duration, by device and model.",
        "suffix:/s",
        [q.over_time(q.RATE_HZ, by=BY_DEVICE_AND_MODEL)],
        GridPos(x=16, y=12, w=8, h=8),
    )


def _carbon() -> Iterable[Panel]:
    yield _series(
        "Operational and embodied carbon",
        "Grams per step, stacked. Operational: joules times the zone's average intensity. Embodied: manufacture, "
        "spread evenly over the planned life. Devices without factors are missing here, they are not zero.",
        "si:gCO2e",
        [q.over_time(q.OPERATIONAL), q.over_time(q.EMBODIED)],
        GridPos(x=0, y=20, w=12, h=8),
        stacked=True,
        names=("operational", "embodied"),
    )
    yield _bars(
        "Carbon per 1000 inferences by device",
        "Operational and embodied grams for a thousand inferences, only of windows whose factors are known.",
        "si:gCO2e",
        q.over_range(q.OPERATIONAL_PER_1000, by=BY_DEVICE, where=q.CARBON_KNOWN),
        GridPos(x=12, y=20, w=12, h=8),
        alias="$tag_device operational",
        second=(q.over_range(q.EMBODIED_PER_1000, by=BY_DEVICE, where=q.CARBON_KNOWN), "$tag_device embodied"),
    )


def _worth() -> Iterable[Panel]:
    yield _series(
        "Gap by device",
        "Seconds of each step without any sample: a meter unplugged, a stream out of step, a time-out.",
        "s",
        [q.over_time(q.GAP_S, by=BY_DEVICE)],
        GridPos(x=0, y=28, w=8, h=7),
        stacked=True,
    )
    yield _series(
        "Coverage by device",
        "Part of each step's windows that samples cover.",
        "percentunit",
        [q.over_time(q.COVERAGE, by=BY_DEVICE)],
        GridPos(x=8, y=28, w=8, h=7),
    )
    yield _series(
        "Systematic uncertainty by device",
        "The part of the standard uncertainty (k = 1) that more windows do not average out, relative to the energy.",
        "percentunit",
        [q.over_time(q.U_RATIO, by=BY_DEVICE)],
        GridPos(x=16, y=28, w=8, h=7),
    )


def _stat(
    title: str,
    description: str,
    unit: str,
    query: str,
    place: GridPos,
    *,
    steps: tuple[tuple[float | None, str], ...] = ((None, "blue"),),
    time_from: str | None = None,
) -> Panel:
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"}
    targets = (Target(ref_id="A", query=query, alias=title),)
    fields = _fields(unit, steps=steps)
    return _panel("stat", title, description, place, targets, fields, options, time_from=time_from)


def _bars(
    title: str,
    description: str,
    unit: str,
    query: str,
    place: GridPos,
    *,
    alias: str = "$tag_device $tag_model",
    second: tuple[str, str] | None = None,
) -> Panel:
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "orientation": "horizontal", "displayMode": "basic"}
    queries = [(query, alias)] + ([second] if second else [])
    targets = tuple(Target(ref_id="AB"[i], query=text, alias=name) for i, (text, name) in enumerate(queries))
    return _panel("bargauge", title, description, place, targets, _fields(unit) | {"min": 0}, options)


def _series(
    title: str,
    description: str,
    unit: str,
    series: list[str],
    place: GridPos,
    *,
    stacked: bool = False,
    names: tuple[str, ...] = (),
) -> Panel:
    alias = "$tag_device $tag_model" if '"model" fill' in series[0] else "$tag_device"
    targets = tuple(
        Target(ref_id="ABCD"[i], query=query, alias=names[i] if names else alias) for i, query in enumerate(series)
    )
    custom: dict[str, Any] = {"drawStyle": "line", "lineWidth": 2, "spanNulls": False, "showPoints": "auto"}
    if stacked:
        custom |= {
            "drawStyle": "bars",
            "fillOpacity": 70,
            "lineWidth": 0,
            "stacking": {"mode": "normal", "group": "A"},
        }
    fields = _fields(unit, custom=custom)
    options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    return _panel("timeseries", title, description, place, targets, fields, options, interval=STEP)


def _fields(
    unit: str,
    *,
    steps: tuple[tuple[float | None, str], ...] = ((None, "blue"),),
    custom: dict[str, Any] | None = None,
) -> dict[str, Any]:
    thresholds = {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in steps]}
    colour = {"mode": "palette-classic-by-name" if custom else "thresholds"}
    return {"unit": unit, "color": colour, "thresholds": thresholds} | ({"custom": custom} if custom else {})


def _panel(  # noqa: PLR0913  a panel is its settings
    kind: PanelKind,
    title: str,
    description: str,
    place: GridPos,
    targets: tuple[Target, ...],
    fields: dict[str, Any],
    options: dict[str, Any],
    *,
    interval: str | None = None,
    time_from: str | None = None,
) -> Panel:
    return Panel(
        id=0,
        type=kind,
        title=title,
        description=description,
        grid_pos=place,
        targets=targets,
        field_config={"defaults": fields, "overrides": []},
        options=options,
        interval=interval,
        time_from=time_from,
    )


def _numbered(panels: tuple[Panel, ...]) -> tuple[Panel, ...]:
    return tuple(replace(panel, id=number) for number, panel in enumerate(panels, start=1))


def _datasource() -> Variable:
    return Variable(
        name="datasource",
        label="InfluxDB",
        type="datasource",
        query="influxdb",
        description="An InfluxDB data source that speaks InfluxQL.",
        refresh=1,
    )


def _variable(name: str) -> Variable:
    query = q.tag_values(name)
    return Variable(
        name=name,
        label=name.replace("_", " "),
        type="query",
        query=query,
        definition=query,
        description=f"Only windows of this {name.replace('_', ' ')}.",
        datasource=DATASOURCE,
        multi=True,
        include_all=True,
        # Matches also what has no such tag: a device that the inventory does not list has neither site nor zone.
        all_value=".*",
        current={"text": ["All"], "value": ["$__all"]},
    )
