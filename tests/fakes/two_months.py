"""A lake of two months of a small fleet, in which everything that a decomposition asks for has changed.

January 2026: pi4-01 all the time, zero-01 on every day. February: pi4-01 and a second one, both with a newer model
file that takes less energy, and more work; zero-01 is gone. Windows are of an hour.
"""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any, Final

from collector.sinks.lake import LakeSink
from collector.values import StoredWindow
from tests.fakes.windows import PI4, PI_ZERO, DeviceProfile, make_stored

PI4_TWO: Final = dataclasses.replace(PI4, device_id="pi4-02", meter_id="tc66c:0002")
NEWER_SHA256: Final = "ab" * 32
JANUARY, FEBRUARY = (dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (1, 2))
HOUR_NS: Final = 3_600 * 10**9
INVENTORY: Final = """
[defaults]
lifetime_years = 5.0
zone = "DE"
site = "hall"
hardware = "raspberry-pi-4b-4gb"
sd_card_gb = 0
case = "none"
meter = "none"
[[device]]
id = "pi4-01"
in_service_since = 2025-01-01
[[device]]
id = "pi4-02"
in_service_since = 2026-02-01
[[device]]
id = "zero-01"
in_service_since = 2025-01-01
hardware = "raspberry-pi-zero-2-w"
zone = "SE"
site = "greenhouse"
retired_on = 2026-02-01
residue = "written_off_to_fleet"
"""


def hours(
    profile: DeviceProfile, start: dt.datetime, count: int, first: int = 1, **changes: Any
) -> list[StoredWindow]:
    """Return windows of one hour each, one after the other; ``changes`` replace fields of the window."""
    begin_ns = round(start.timestamp()) * 10**9
    given: dict[str, Any] = {
        "duration_s": 3600.0,
        "energy_j": profile.power_w * 3600.0,
        "energy_u_j": profile.power_w * 36.0,
        "energy_u_systematic_j": profile.power_w * 3600.0 * profile.u_systematic_ratio,
        "inference_count": round(profile.inferences_per_s * 3600.0),
        "gap_s": 0.0,
        "sample_count": 3600.0,
    } | changes
    return [
        make_stored(first + step, profile=profile, t_start_unix_ns=begin_ns + step * HOUR_NS, **given)
        for step in range(count)
    ]


def fleet_rows(days: int = 28) -> list[StoredWindow]:
    """Return the first ``days`` days of both months."""
    faster = {"energy_j": 3.6 * 3600.0, "inference_count": 2_000_000, "model_sha256": NEWER_SHA256}
    return [
        *hours(PI4, JANUARY, 24 * days),
        *hours(PI_ZERO, JANUARY, 24 * days, 10_000),
        *hours(PI4, FEBRUARY, 24 * days, 20_000, **faster),
        *hours(PI4_TWO, FEBRUARY, 24 * days, 30_000, **faster),
    ]


def write_lake(directory: Path, rows: list[StoredWindow]) -> Path:
    """Write rows as a lake of their own."""
    sink = LakeSink(directory, journal="0123456789abcdef")
    sink.write(rows)
    sink.close()
    return directory
