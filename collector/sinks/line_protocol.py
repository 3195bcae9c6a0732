"""Windows as InfluxDB line protocol: measurement ``inference_window``, one line per window, nanosecond stamps.

Tags: fleet, device, site, zone, device_class, model, meter_driver, boundary, simulated. All are of low cardinality;
an empty one is left out, since the protocol has no empty tag value. A line with the same tags and time as an earlier
one replaces it, so that writing again is harmless. So no tag may be added for what older windows lack too: what is
new is a field, ``systematic_id`` among them.

The tag part of a line is the same for every window of one device and model: it is escaped once and cached, which
is what makes this several times faster than building a point object per row.
"""

import math
from typing import Final

from collector.assess import Assessor, Carbon
from collector.carbon.estimate import Estimate
from collector.values import StoredWindow
from edge_agent.wire.records import InferenceWindow

MEASUREMENT: Final = "inference_window"
TAGS: Final = (
    "boundary",
    "device",
    "device_class",
    "fleet",
    "meter_driver",
    "model",
    "simulated",
    "site",
    "zone",
)
"""In lexical order, which spares the server from sorting."""

_UNKNOWN_TO_TAGS: Final = dict.fromkeys((*range(32), 127), "_")
_TAG_ESCAPES: Final = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_STRING_ESCAPES: Final = str.maketrans({'"': '\\"', "\\": "\\\\"})
_FLOATS: Final = (
    "duration_s",
    "energy_j",
    "energy_u_j",
    "energy_u_systematic_j",
    "gap_s",
    "busy_s",
    "sample_count",
    "lost_count",
    "sync_residual_s",
)
_OPTIONAL_FLOATS: Final = (
    "idle_power_w",
    "idle_power_u_w",
    "latency_p50_s",
    "latency_p95_s",
    "latency_max_s",
    "soc_temp_c",
    "freq_mhz",
    "net_energy_j",
    "net_energy_u_j",
    "freq_min_mhz",
    "freq_max_mhz",
    "soc_temp_max_c",
    "agent_cpu_ratio",
    "overhead_cpu_ratio",
    "other_cpu_ratio",
    "t_start_early_s",
)


class LineEncoder:
    """Turns rows into lines; with an assessor, site and zone become tags and gCO2e become fields.

    A device's tags are read from the inventory once, so a changed inventory needs a new encoder.
    """

    def __init__(self, assessor: Assessor | None = None) -> None:
        self._assessor = assessor
        self._prefixes: dict[tuple[str, ...], str] = {}

    def encode(self, row: StoredWindow) -> str:
        """Return the line of ``row``, without the newline. What is unknown or not finite has no field."""
        w = row.window
        known = (
            f"seq={w.seq}i,inference_count={w.inference_count}i,frame_error_count={w.frame_error_count}i,"
            f'boot={string_field(row.boot_id)},clock_state="{w.clock_state}"'
        )
        return f"{self._prefix(row)} {known}{_floats(w)}{_optional(w)}{self._carbon(row)} {w.t_start_unix_ns}"

    def _prefix(self, row: StoredWindow) -> str:
        w = row.window
        key = (row.fleet, row.device_id, w.model_id, w.meter_driver, w.boundary, "true" if w.simulated else "false")
        prefix = self._prefixes.get(key)
        if prefix is None:
            prefix = self._prefixes[key] = self._make_prefix(key)
        return prefix

    def _make_prefix(self, key: tuple[str, ...]) -> str:
        fleet, device_id, model_id, meter_driver, boundary, simulated = key
        tags = {
            "fleet": fleet,
            "device": device_id,
            "model": model_id,
            "meter_driver": meter_driver,
            "boundary": boundary,
            "simulated": simulated,
        }
        if self._assessor is not None:
            place = self._assessor.describe(device_id)
            tags |= {"site": place.site, "zone": place.zone, "device_class": place.device_class}
        return MEASUREMENT + "".join(f",{name}={escape_tag(tags[name])}" for name in TAGS if tags.get(name))

    def _carbon(self, row: StoredWindow) -> str:
        if self._assessor is None:
            return ""
        w = row.window
        carbon: Carbon = self._assessor.assess(
            row.device_id,
            energy_j=w.energy_j,
            energy_u_j=w.energy_u_j,
            start_unix_ns=w.t_start_unix_ns,
            duration_s=w.duration_s,
        )
        return _estimate("operational_gco2e", carbon.operational) + _estimate("embodied_gco2e", carbon.embodied)


def escape_tag(value: str) -> str:
    """Return ``value`` as a tag value stands in a line.

    Comma, equals sign and space are escaped. Two things have no form in line protocol and are changed: control
    characters become ``_`` and a backslash at the end gets a ``_`` behind it. Other backslashes stand for themselves.
    """
    plain = value.translate(_UNKNOWN_TO_TAGS)
    if plain.endswith("\\"):
        plain += "_"
    return plain.translate(_TAG_ESCAPES)


def string_field(value: str) -> str:
    """Return ``value`` as a quoted string field: quotation marks and backslashes are escaped."""
    return f'"{value.translate(_STRING_ESCAPES)}"'


def _floats(w: InferenceWindow) -> str:
    """Return the fields that every window has, each with a comma in front."""
    values = (w.duration_s, w.energy_j, w.energy_u_j, w.energy_u_systematic_j, w.gap_s, w.busy_s)
    counts = (w.sample_count, w.lost_count, w.sync_residual_s)
    if not math.isfinite(sum(values) + sum(counts)):
        named = zip(_FLOATS, values + counts, strict=True)
        return "".join(f",{name}={value!r}" for name, value in named if math.isfinite(value))
    return (
        f",duration_s={w.duration_s!r},energy_j={w.energy_j!r},energy_u_j={w.energy_u_j!r},"
        f"energy_u_systematic_j={w.energy_u_systematic_j!r},gap_s={w.gap_s!r},busy_s={w.busy_s!r},"
        f"sample_count={w.sample_count!r},lost_count={w.lost_count!r},sync_residual_s={w.sync_residual_s!r}"
    )


def _optional(w: InferenceWindow) -> str:
    """Return the fields that a window may lack, each with a comma in front; mean power only of covered time."""
    parts = [
        f",{name}={value!r}"
        for name in _OPTIONAL_FLOATS
        if (value := getattr(w, name)) is not None and math.isfinite(value)
    ]
    covered_s = w.duration_s - w.gap_s
    if covered_s > 0.0 and math.isfinite(power_w := w.energy_j / covered_s):
        parts.append(f",power_w={power_w!r}")
    if w.throttled is not None:
        parts.append(f",throttled={'true' if w.throttled else 'false'}")
    if w.governor:
        parts.append(f",governor={string_field(w.governor)}")
    if w.systematic_id:
        parts.append(f",systematic_id={string_field(w.systematic_id)}")
    if w.flags:
        parts.append(f',flags="{" ".join(w.flags)}"')
    return "".join(parts)


def _estimate(name: str, estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    value, low, high = float(estimate.value), float(estimate.low), float(estimate.high)
    return f",{name}={value!r},{name}_low={low!r},{name}_high={high!r}"
