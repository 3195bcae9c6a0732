"""Points as metrics: each number of a point is a gauge whose labels are the point's tags. Words are left out.

Names follow Prometheus, which writes units out: ``device_state`` and ``last_seen_age_s`` are
``edgejoule_device_state_last_seen_age_seconds``. Pure.
"""

import math
from collections.abc import Iterable
from typing import Final

from prometheus_client.core import GaugeMetricFamily

from collector.sinks.points import Point

_UNITS: Final = {"_s": "_seconds", "_j": "_joules"}


def families(points: Iterable[Point]) -> list[GaugeMetricFamily]:
    """Return one family for each field that any point knows, in the order of the points."""
    found: dict[str, GaugeMetricFamily] = {}
    for point in points:
        tags = [getattr(point, name) for name in point.TAGS]
        for field in point.__struct_fields__:
            value = getattr(point, field)
            if field in point.TAGS or isinstance(value, str) or value is None or not math.isfinite(value):
                continue
            name = metric_name(point.MEASUREMENT, field)
            if name not in found:
                found[name] = GaugeMetricFamily(name, f"{field} of {point.MEASUREMENT}.", labels=point.TAGS)
            found[name].add_metric(tags, float(value))
    return list(found.values())


def metric_name(measurement: str, field: str) -> str:
    """Return the name of a field's metric."""
    ending = next((unit for unit in _UNITS if field.endswith(unit)), "")
    return f"edgejoule_{measurement}_{field.removesuffix(ending)}{_UNITS.get(ending, '')}"
