"""What the collector knows at one instant, as points of InfluxDB: one struct for each measurement.

A struct's fields are the point's, those named in ``TAGS`` its tags. What is unknown has no field, and an empty tag is
left out; a point of which nothing is known has no line. A yes or no is 0 or 1, which a chart can draw. Pure.
"""

import math
from functools import cache
from typing import ClassVar, Final, Literal, get_args, get_type_hints

import msgspec

from collector.carbon.operational import IntensityKind
from collector.carbon.timeline import Quality
from collector.sinks.line_protocol import string_field, tagged
from edge_agent.wire.records import ClockState

_INT64: Final = range(-(2**63), 2**63)


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the points. ``collector``: the client id where several share the messages, else ""."""

    MEASUREMENT: ClassVar[str]
    TAGS: ClassVar[tuple[str, ...]]


class DeviceStatePoint(Point, frozen=True, kw_only=True):
    """One device: what it last said of itself (birth, health), and how long ago.

    ``online``: it was heard within three of its windows or a minute, and has not said goodbye. ``health_age_s``: since
    its latest health came. ``outbox_windows``: what it holds. ``dropped_windows``: what it ever gave up.
    ``meter_frame_errors``, ``commands_refused``: of all kinds together. ``runtime``: in words, such as "litert 2.3.0
    cpu, 1 thread".
    ``in_service_s``: since the inventory's first day of service; ``lifetime_s``: planned, an extension included;
    ``hardware_gco2e``: embodied in the whole device. ``retired``: the inventory says that it has left service.
    """

    MEASUREMENT: ClassVar[str] = "device_state"
    TAGS: ClassVar[tuple[str, ...]] = ("collector", "device", "device_class", "fleet", "site", "zone")

    fleet: str
    device: str
    site: str = ""
    zone: str = ""
    device_class: str = ""
    collector: str = ""
    last_seen_age_s: float | None = None
    online: int
    health_age_s: float | None = None
    outbox_windows: int | None = None
    outbox_bytes: int | None = None
    dropped_windows: int | None = None
    meter_connected: int | None = None
    meter_reconnects: int | None = None
    meter_frame_errors: int | None = None
    commands_done: int | None = None
    commands_refused: int | None = None
    agent_cpu_ratio: float | None = None
    clock_synchronised: int | None = None
    clock_state: ClockState | None = None
    window_s: float | None = None
    agent_version: str = ""
    python_version: str = ""
    platform: str = ""
    runtime: str = ""
    meter_id: str = ""
    meter_driver: str = ""
    boundary: str = ""
    model_id: str = ""
    model_sha256: str = ""
    hardware: str = ""
    boot_id: str = ""
    simulated: int | None = None
    in_service_s: float | None = None
    lifetime_s: float | None = None
    hardware_gco2e: float | None = None
    retired: int | None = None


class ModelInfoPoint(Point, frozen=True, kw_only=True):
    """One model: what its catalogue says of it, and what the inventory says of its making.

    ``macs``: multiply-accumulates of one inference. ``accuracy_ratio``: on the check set, as the catalogue states it.
    ``development_energy_j``: of all runs that made it, overhead of the site included. ``devices``: that run it now.
    """

    MEASUREMENT: ClassVar[str] = "model_info"
    TAGS: ClassVar[tuple[str, ...]] = ("collector", "model")

    model: str
    collector: str = ""
    macs: int | None = None
    parameters: int | None = None
    size_bytes: int | None = None
    accuracy_ratio: float | None = None
    development_energy_j: float | None = None
    development_gco2e: float | None = None
    lifetime_inferences: float | None = None
    devices: int


class GridIntensityPoint(Point, frozen=True, kw_only=True):
    """The intensity of one zone and one kind that holds now. ``source``: whose it is, "yearly" for a yearly average.

    ``low_``, ``high_``: P5 and P95. ``age_s``: since its source last said it, None for a yearly average.
    ``yearly_gco2e_per_kwh``, ``water_l_per_kwh``: of the zone, for comparison. Where nothing holds, the quality is
    "unknown" and all else None.
    """

    MEASUREMENT: ClassVar[str] = "grid_intensity"
    TAGS: ClassVar[tuple[str, ...]] = ("collector", "kind", "source", "zone")

    zone: str
    kind: IntensityKind
    source: str
    collector: str = ""
    gco2e_per_kwh: float | None = None
    low_gco2e_per_kwh: float | None = None
    high_gco2e_per_kwh: float | None = None
    quality: Quality | Literal["unknown"]
    age_s: float | None = None
    yearly_gco2e_per_kwh: float | None = None
    water_l_per_kwh: float | None = None


class GridWhatIfPoint(Point, frozen=True, kw_only=True):
    """An hour of steady work, started now or at the best moment that forecasts of the next day know of.

    ``now_``, ``best_gco2e_per_kwh``: mean over that hour. ``best_wait_s``: until the best start. ``horizon_s``: until
    the last start that was compared. ``saving_ratio``: of the best start against now, 0 where now is best.
    """

    MEASUREMENT: ClassVar[str] = "grid_what_if"
    TAGS: ClassVar[tuple[str, ...]] = ("collector", "kind", "zone")

    zone: str
    kind: IntensityKind
    collector: str = ""
    now_gco2e_per_kwh: float
    best_gco2e_per_kwh: float
    best_wait_s: float
    horizon_s: float
    saving_ratio: float | None = None


class CarbonBudgetPoint(Point, frozen=True, kw_only=True):
    """A fleet's budget of this month (UTC), and what its windows used so far.

    ``used_gco2e``: operational and embodied, as far as they are known. ``burn_ratio``: used / (budget x elapsed), 1
    where the budget lasts exactly for the month. ``projected_gco2e``: by the month's end, at the mean rate so far.
    ``unknown_windows``: of which operational or embodied grams are unknown, at least: those are not in ``used_gco2e``.
    """

    MEASUREMENT: ClassVar[str] = "carbon_budget"
    TAGS: ClassVar[tuple[str, ...]] = ("collector", "fleet")

    fleet: str
    collector: str = ""
    budget_gco2e: float
    used_gco2e: float | None = None
    operational_gco2e: float | None = None
    embodied_gco2e: float | None = None
    month_elapsed_ratio: float
    burn_ratio: float | None = None
    projected_gco2e: float | None = None
    unknown_windows: int = 0


class FactorPoint(Point, frozen=True, kw_only=True):
    """One factor that grams rest on now. ``value``, ``low``, ``high``: in ``unit``; P5 and P95."""

    MEASUREMENT: ClassVar[str] = "factor"
    TAGS: ClassVar[tuple[str, ...]] = ("collector", "factor")

    factor: str
    collector: str = ""
    value: float
    low: float
    high: float
    unit: str = ""
    source: str = ""
    licence: str = ""
    vintage: str = ""
    scope: str = ""


POINTS: Final[tuple[type[Point], ...]] = (
    *(DeviceStatePoint, ModelInfoPoint, GridIntensityPoint, GridWhatIfPoint),
    *(CarbonBudgetPoint, FactorPoint),
)


def line_of(point: Point, t_unix_ns: int) -> str:
    """Return the point's line of that time, "" for one of which no field is known or can be said."""
    fields = []
    for name, is_float in _fields(type(point)).items():
        text = _text(getattr(point, name), is_float=is_float)
        if text:
            fields.append(f"{name}={text}")
    if not fields:
        return ""
    tags = {name: getattr(point, name) for name in point.TAGS}
    return f"{tagged(point.MEASUREMENT, tags)} {','.join(fields)} {t_unix_ns}"


@cache
def _fields(kind: type[Point]) -> dict[str, bool]:
    """Return the fields of a measurement, and whether each is a float: a store refuses one that changes its type."""
    hints = get_type_hints(kind)
    return {
        name: float in (hints[name], *get_args(hints[name]))
        for name in kind.__struct_fields__
        if name not in kind.TAGS
    }


def _text(value: object, *, is_float: bool) -> str:
    """Return a field's value as a line has it, "" for one that is unknown, empty, not finite or too large."""
    if isinstance(value, str):
        return string_field(value) if value else ""
    if is_float and isinstance(value, int | float):
        return repr(float(value)) if math.isfinite(value) else ""
    if isinstance(value, int) and value in _INT64:
        return f"{int(value)}i"
    return ""
