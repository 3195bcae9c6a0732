"""InfluxQL for the dashboards, in the subset that InfluxDB 1.8, 2.x and 3 Core share.

So no INTEGRAL(): a window carries joules that were integrated on the meter's clock, and SUM is all that is needed.
Sums are taken before ratios: a mean of ratios would weigh a short window as much as a long one.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

Store = Literal["datasource", "datasource_hourly"]
"""The variable that names the data source: of the windows and all else, or of the hourly sums."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement that the collector writes. ``filters``: its tags that the dashboards' variables filter by."""

    name: str
    filters: tuple[str, ...] = ()
    store: Store = "datasource"


PLACES: Final = ("fleet", "site", "zone", "device_class")
FILTERS: Final = (*PLACES, "model", "device")
"""Variables, each called as the tag that it filters by; one may depend on those before it."""

WINDOWS: Final = Measurement("inference_window", FILTERS)
HOURS: Final = Measurement("inference_hourly", FILTERS, "datasource_hourly")
BENCHES: Final = Measurement("bench", FILTERS)
DEVICES: Final = Measurement("device_state", (*PLACES, "device"))
LEDGER: Final = Measurement("ledger", ("fleet", "device"))
BUDGET: Final = Measurement("carbon_budget", ("fleet",))
GRID: Final = Measurement("grid_intensity", ("zone",))
WHAT_IF: Final = Measurement("grid_what_if", ("zone",))
MODELS: Final = Measurement("model_info", ("model",))
FACTORS: Final = Measurement("factor")
SINKS: Final = Measurement("collector_sink")
COLLECTOR: Final = Measurement("collector")
MEASUREMENTS: Final = {
    one.name: one
    for one in (WINDOWS, HOURS, BENCHES, DEVICES, LEDGER, BUDGET, GRID, WHAT_IF, MODELS, FACTORS, SINKS, COLLECTOR)
}

MOST: Final = 10
"""So many devices are drawn side by side; tables have room for all."""

_FROM: Final = re.compile(r'FROM "(\w+)"')
FORBIDDEN: Final = ("INTEGRAL(", "SAMPLE(", "SLIMIT", "SOFFSET", "SHOW SERIES", "SHOW DATABASES", "CARDINALITY", "|>")
"""What at least one of the three servers does not know."""

ENERGY_J: Final = 'SUM("energy_j")'
INFERENCES: Final = 'SUM("inference_count")'
GAP_S: Final = 'SUM("gap_s")'
COUNT: Final = 'COUNT("seq")'
OPERATIONAL: Final = 'SUM("operational_gco2e")'
EMBODIED: Final = 'SUM("embodied_gco2e")'
CARBON_KNOWN: Final = '"operational_gco2e" >= 0 AND "embodied_gco2e" >= 0'
"""Leaves out windows without factors: their inferences must not dilute the grams of the others."""
HOURS_CARBON_KNOWN: Final = '"operational_windows" = "windows" AND "embodied_windows" = "windows"'
"""The same of hourly sums: of hours all of whose windows have such grams."""
HOURS_YEARLY_KNOWN: Final = '"operational_windows" = "windows" AND "yearly_windows" = "windows"'


def over_range(expression: str, *, by: tuple[str, ...] = (), where: str = "", of: Measurement = WINDOWS) -> str:
    """Return one value for the whole time range, for each combination of the tags ``by``."""
    return f"SELECT {expression} FROM {source(of, where)}{group(by)}"  # noqa: S608  all words are our own


def over_time(
    expression: str,
    *,
    by: tuple[str, ...] = (),
    where: str = "",
    of: Measurement = WINDOWS,
) -> str:
    """Return a time series; a step without points is null, so that a line breaks there."""
    steps = ", ".join(("time($__interval)", *(f'"{tag}"' for tag in by)))
    return f"SELECT {expression} FROM {source(of, where)} GROUP BY {steps} fill(null)"  # noqa: S608


def per(
    over: str,
    under: str,
    *,
    by: tuple[str, ...] = (),
    where: str = "",
    of: Measurement = WINDOWS,
    timed: bool = False,
    name: str = "ratio",
) -> str:
    """Return ``over`` / ``under``, two sums of the same points, called ``name``; nothing where ``under`` is zero.

    ``timed``: for each step of a time series.

    InfluxQL says that x / 0 is 0, which would draw an idle hour as one of free inferences.
    """
    figures = f'({over}) / ({under}) AS "one", {under} AS "under"'
    return kept(figures, 'WHERE "under" > 0', source(of, where), by=by, timed=timed, name=name)


def kept(figures: str, where: str, rows: str, *, by: tuple[str, ...], timed: bool, name: str) -> str:
    """Return the one of ``figures`` that is called "one", for each group of ``by``, where ``where`` holds of them.

    The outer query has one function only, which sees one value: a server reads all points again for each more.
    """
    steps = (*(["time($__interval)"] if timed else []), *(f'"{tag}"' for tag in by))
    grouping = f" GROUP BY {', '.join(steps)}" if steps else ""
    inner = f"SELECT {figures} FROM {rows}{grouping}{' fill(none)' if timed else ''}"  # noqa: S608
    outer = f'SELECT SUM("one") AS "{name}" FROM ({inner}) {where} AND $timeFilter{grouping}'  # noqa: S608
    return outer + (" fill(null)" if timed else "")


def most(figures: str, where: str, rows: str, *, by: tuple[str, ...], name: str, least: bool = False) -> str:
    """Return the ``MOST`` groups of ``by`` with the largest ``figures`` AS "one", with their tags as columns."""
    tags = ", ".join(f'"{tag}"' for tag in by)
    inner = f"SELECT {figures} FROM {rows}{group(by)}"  # noqa: S608  all words are our own
    function = "BOTTOM" if least else "TOP"
    return f'SELECT {function}("one", {tags}, {MOST}) AS "{name}" FROM ({inner}) {where} AND $timeFilter'  # noqa: S608


def sum_of_latest(field: str, by: tuple[str, ...], *, where: str = "", of: Measurement = WINDOWS) -> str:
    """Return the sum, over every combination of the tags ``by``, of the latest value of ``field``."""
    latest = f'SELECT LAST("{field}") AS "latest" FROM {source(of, where)}{group(by)}'  # noqa: S608
    return f'SELECT SUM("latest") FROM ({latest})'  # noqa: S608


def tag_values(variable: str) -> str:
    """Return the values of a variable's tag, among those that the variables before it leave."""
    before = FILTERS[: FILTERS.index(variable)]
    where = " AND ".join(matches(name) for name in before)
    query = f'SHOW TAG VALUES FROM "{WINDOWS.name}" WITH KEY = "{variable}"'
    return f"{query} WHERE {where}" if where else query


def source(of: Measurement, where: str = "") -> str:
    """Return what stands behind FROM: the measurement, every variable that it has a tag for, and the time range."""
    conditions = [matches(name) for name in of.filters] + ([where] if where else []) + ["$timeFilter"]
    return f'"{of.name}" WHERE {" AND ".join(conditions)}'


def group(by: tuple[str, ...]) -> str:
    """Return the GROUP BY of these tags, "" for none."""
    return " GROUP BY " + ", ".join(f'"{tag}"' for tag in by) if by else ""


def matches(variable: str) -> str:
    """Return the condition that a variable sets."""
    return f'"{variable}" =~ /^${{{variable}:regex}}$/'


def read_by(query: str) -> set[str]:
    """Return the names of the measurements that a query reads."""
    return set(_FROM.findall(query))


def forbidden_in(query: str) -> list[str]:
    """Return the words of a query that not every server knows."""
    return [word for word in FORBIDDEN if word in query.upper()]
