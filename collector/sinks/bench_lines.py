"""Benches as InfluxDB line protocol: measurement ``bench``, one point for each, at its start.

Tags: boundary, delegate, device, device_class, fleet, meter_driver, model, runtime, simulated, valid; with an
inventory also site and zone. ``valid=false`` has its reasons in the field ``rejections`` and may lack a result: what
is unknown has no field. A line with the same tags and time replaces an earlier one, so writing again is harmless.
"""

import math
from typing import Final

from collector.assess import Assessor
from collector.sinks.bench_fields import BOOLEANS, FLOATS, INTEGERS, STRINGS, TAGS
from collector.sinks.line_protocol import escape_tag, string_field
from collector.values import StoredBench

MEASUREMENT: Final = "bench"


class BenchLineEncoder:
    """Turns benches into lines; with an assessor, site and zone of the inventory become tags."""

    def __init__(self, assessor: Assessor | None = None) -> None:
        self._assessor = assessor

    def encode(self, row: StoredBench) -> str:
        """Return the line of ``row``, without the newline."""
        tags = "".join(f",{name}={escape_tag(value)}" for name, value in sorted(self._tags(row).items()) if value)
        return f"{MEASUREMENT}{tags} {_fields(row)} {row.bench.t_start_unix_ns}"

    def _tags(self, row: StoredBench) -> dict[str, str]:
        tags = {name: of(row) for name, of in TAGS.items()}
        if self._assessor is not None:
            place = self._assessor.describe(row.device_id)
            tags |= {"site": place.site, "zone": place.zone}
            tags["device_class"] = place.device_class or tags["device_class"]
        return tags


def _fields(row: StoredBench) -> str:
    bench = row.bench
    integers = [f"{name}={of(bench)}i" for name, of in INTEGERS.items()]
    floats = ((name, of(bench)) for name, of in FLOATS.items())
    booleans = ((name, of(bench)) for name, of in BOOLEANS.items())
    strings = ((name, of(bench)) for name, of in STRINGS.items())
    return ",".join(
        [
            *integers,
            *(f"{name}={value!r}" for name, value in floats if value is not None and math.isfinite(value)),
            *(f"{name}={'true' if value else 'false'}" for name, value in booleans),
            *(f"{name}={string_field(value)}" for name, value in strings if value),
        ]
    )
