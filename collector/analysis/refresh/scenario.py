"""A refresh scenario as a TOML file: the words of its author, typed and checked, nothing computed yet."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from collector.carbon.amortisation import Policy, Residue
from collector.carbon.operational import IntensityKind
from edge_agent.wire.toml_config import read_toml

LARGEST = 1e12
Positive = Annotated[float, Meta(ge=1e-12, le=LARGEST)]
NotNegative = Annotated[float, Meta(ge=0.0, le=LARGEST)]
PartOfOne = Annotated[float, Meta(ge=0.0, lt=1.0)]
Years = Annotated[float, Meta(ge=0.1, le=100.0)]
Text = Annotated[str, Meta(min_length=1)]


class Range(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A figure with its P5, P95 and source."""

    value: NotNegative
    low: NotNegative
    high: NotNegative
    source: Text


Quantity = NotNegative | Range
"""A bare number, which is an assumption without range, or a figure with range and source."""


class Measured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Devices of a lake whose mean power counts, idle and all: ``devices`` by id, from ``start`` until ``end``.

    Both are days, as 2026-01-31; the end does not belong to the period.
    """

    devices: Annotated[tuple[Text, ...], Meta(min_length=1)]
    start: Text
    end: Text


class Device(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device of a class, and its power, said in one of five ways.

    ``mean_power_w``: over day and night at its work. ``idle_power_w`` with ``busy_power_w`` or ``j_per_inference``
    (gross, while it works), and ``time_per_inference_s``. ``bench``: a record of ``edgejoule agent bench --json``,
    beside this file. ``measured``: from a lake. ``time_per_inference_s`` also says how much one device can do;
    without it ``work.devices`` do the work. ``hardware``: a board of the tables; ``embodied_kgco2e`` in its place.
    """

    hardware: str = ""
    sd_card_gb: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    embodied_kgco2e: Quantity | None = None
    lifetime_years: Years
    mean_power_w: Quantity | None = None
    idle_power_w: Quantity | None = None
    busy_power_w: Quantity | None = None
    j_per_inference: Quantity | None = None
    time_per_inference_s: Positive | None = None
    bench: str = ""
    measured: Measured | None = None


class OldDevice(Device, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands there. ``age_years``: since it came into service. ``keep_at_most_years``: how long it will last.

    ``policy``: how its mass is charged to its life; ``residue``: where what is left over at an early end lands.
    """

    age_years: Annotated[float, Meta(ge=0.0, le=100.0)]
    keep_at_most_years: Annotated[int, Meta(ge=0, le=50)] | None = None
    policy: Policy = "linear_in_time"
    residue: Residue = "charged_at_retirement"
    lifetime_inferences: Positive | None = None
    decline_ratio: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None


class NewDevice(Device, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What could take its place. ``power_fall_per_year_ratio``: how much less power next year's offer needs."""

    power_fall_per_year_ratio: PartOfOne | Range = 0.0


class Work(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both have to do. ``devices``: that have to stand there, whatever one of them could do.

    ``inferences_per_day``: of all of them together; needed where a power or a number of devices hangs on it.
    """

    words: str = ""
    devices: Annotated[int, Meta(ge=1, le=10**9)] = 1
    inferences_per_day: Positive | None = None


class Grid(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where they draw their power: a ``zone`` of the yearly tables, or an ``intensity`` of one's own in gCO2e/kWh.

    ``fall_per_year_ratio``: how much cleaner it gets each year; ``by_year``: the intensity of this year and of each
    that follows, whose last one stays.
    """

    zone: str = ""
    name: str = ""
    intensity: Quantity | None = None
    kind: IntensityKind = "average"
    fall_per_year_ratio: PartOfOne | Range | None = None
    by_year: tuple[NotNegative, ...] = ()
    source: str = ""


class RefreshScenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One class of devices, and what could replace it, on one grid or several."""

    title: Text
    horizon_years: Annotated[int, Meta(ge=1, le=50)] = 10
    work: Work = Work()
    old: OldDevice
    new: NewDevice
    grid: Annotated[tuple[Grid, ...], Meta(min_length=1, max_length=100)]


def read_refresh(path: Path) -> RefreshScenario:
    """Read a scenario file. Raises ConfigurationError with one line that names the key and the fault."""
    return read_toml(path, RefreshScenario)
