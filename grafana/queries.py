"""InfluxQL for the dashboards, in the subset that InfluxDB 1.8, 2.x and 3 Core share.

So no INTEGRAL(): a window carries joules that were integrated on the meter's clock, and SUM is all that is needed.
Sums are taken before ratios: a mean of ratios would weigh a short window as much as a long one.
"""

from typing import Final

MEASUREMENT: Final = "inference_window"
FILTERS: Final = {
    "fleet": "fleet",
    "site": "site",
    "zone": "zone",
    "device_class": "device_class",
    "model": "model",
    "device": "device",
}
"""Variable and the tag that it filters; one may depend on those before it."""

FORBIDDEN: Final = ("INTEGRAL(", "SAMPLE(", "SLIMIT", "SOFFSET", "SHOW SERIES", "SHOW DATABASES", "CARDINALITY", "|>")
"""What at least one of the three servers does not know."""

ENERGY_J: Final = 'SUM("energy_j")'
INFERENCES: Final = 'SUM("inference_count")'
POWER_W: Final = 'SUM("energy_j") / (SUM("duration_s") - SUM("gap_s"))'
J_PER_INFERENCE: Final = 'SUM("energy_j") / SUM("inference_count")'
RATE_HZ: Final = 'SUM("inference_count") / SUM("duration_s")'
COVERAGE: Final = '1 - SUM("gap_s") / SUM("duration_s")'
GAP_S: Final = 'SUM("gap_s")'
U_RATIO: Final = 'SUM("energy_u_systematic_j") / SUM("energy_j")'
WINDOWS: Final = 'COUNT("seq")'
OPERATIONAL: Final = 'SUM("operational_gco2e")'
EMBODIED: Final = 'SUM("embodied_gco2e")'
OPERATIONAL_PER_1000: Final = '1000 * SUM("operational_gco2e") / SUM("inference_count")'
EMBODIED_PER_1000: Final = '1000 * SUM("embodied_gco2e") / SUM("inference_count")'
CARBON_KNOWN: Final = '"operational_gco2e" >= 0 AND "embodied_gco2e" >= 0'
"""Leaves out windows without factors: their inferences must not dilute the grams of the others."""


def over_range(expression: str, *, by: tuple[str, ...] = (), where: str = "") -> str:
    """Return one value for the whole time range, for each combination of the tags ``by``."""
    return f"SELECT {expression} FROM {_source(where)}{_group(by)}"  # noqa: S608  all words are our own


def over_time(expression: str, *, by: tuple[str, ...] = (), where: str = "") -> str:
    """Return a time series; a step without windows is null, so that a line breaks there."""
    group = ", ".join(("time($__interval)", *(f'"{tag}"' for tag in by)))
    return f"SELECT {expression} FROM {_source(where)} GROUP BY {group} fill(null)"  # noqa: S608


def sum_of_latest(field: str, tag: str) -> str:
    """Return the sum over ``tag`` of the latest value of ``field``."""
    latest = f'SELECT LAST("{field}") AS "latest" FROM {_source("")} GROUP BY "{tag}"'  # noqa: S608
    return f'SELECT SUM("latest") FROM ({latest})'  # noqa: S608


def tag_values(variable: str) -> str:
    """Return the values of a variable's tag, among those that the variables before it leave."""
    before = list(FILTERS)[: list(FILTERS).index(variable)]
    where = " AND ".join(_matches(name) for name in before)
    query = f'SHOW TAG VALUES FROM "{MEASUREMENT}" WITH KEY = "{FILTERS[variable]}"'
    return f"{query} WHERE {where}" if where else query


def _source(where: str) -> str:
    conditions = [_matches(name) for name in FILTERS] + ([where] if where else []) + ["$timeFilter"]
    return f'"{MEASUREMENT}" WHERE {" AND ".join(conditions)}'


def _group(by: tuple[str, ...]) -> str:
    return " GROUP BY " + ", ".join(f'"{tag}"' for tag in by) if by else ""


def _matches(variable: str) -> str:
    return f'"{FILTERS[variable]}" =~ /^${{{variable}:regex}}$/'
