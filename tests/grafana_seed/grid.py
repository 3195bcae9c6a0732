"""What the seeded collector's sources say: two zones, average and marginal, the past and the next day. Pure."""

import datetime as dt
import math
from typing import Final

from tests.grafana_seed.fleet import HOUR_NS, SECOND_NS

AHEAD_HOURS: Final = 30
FETCHED_BEFORE_NS: Final = 600 * SECOND_NS
_HEADER: Final = "start,end,zone,gco2e_per_kwh,low,high,fetched_at,is_estimated,is_forecast"
_MEAN: Final = {
    ("DE", "average"): 360.0,
    ("FR", "average"): 60.0,
    ("DE", "marginal"): 640.0,
    ("FR", "marginal"): 410.0,
}
ZONES: Final = ("DE", "FR")


def series_csv(kind: str, first_unix_ns: int, now_unix_ns: int) -> str:
    """Return the file of one kind: hourly steps of both zones, forecasts after the current hour."""
    hours = range(first_unix_ns, now_unix_ns + AHEAD_HOURS * HOUR_NS, HOUR_NS)
    return "\n".join((_HEADER, *(_row(kind, zone, hour, now_unix_ns) for zone in ZONES for hour in hours), ""))


def gco2e_per_kwh(kind: str, zone: str, hour_unix_ns: int) -> float:
    """Return the intensity of an hour, as the file says it: a daily rhythm with a trough in the early afternoon."""
    of_day = hour_unix_ns // HOUR_NS % 24
    swing = 0.3 if kind == "average" else 0.15
    return round(_MEAN[zone, kind] * (1.0 - swing * math.cos((of_day - 2.0) / 12.0 * math.pi - math.pi)), 1)


def _row(kind: str, zone: str, hour: int, now_unix_ns: int) -> str:
    value = gco2e_per_kwh(kind, zone, hour)
    # The next hour is an estimate too: it may begin while the story is told.
    current = now_unix_ns - HOUR_NS < hour <= now_unix_ns + HOUR_NS
    forecast = hour > now_unix_ns and not current
    known_unix_ns = min(hour + 300 * SECOND_NS, now_unix_ns - FETCHED_BEFORE_NS)
    cells = (_text(hour), _text(hour + HOUR_NS), zone, value, round(0.9 * value, 1), round(1.12 * value, 1))
    return ",".join(map(str, (*cells, _text(known_unix_ns), int(current), int(forecast))))


def _text(t_unix_ns: int) -> str:
    return dt.datetime.fromtimestamp(t_unix_ns // SECOND_NS, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
