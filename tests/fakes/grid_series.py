"""A collector's own series of intensities for tests: short slots, some of them still to come."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SETTINGS: Final = """
[grid_forecast]
simulated = true
[[intensity.source]]
kind = "series"
zones = ["DE"]
url = "grid.csv"
every_s = 0.5
history_s = 3600
ahead_s = 3600
[intensity.source.passport]
id = "made-up"
name = "a series made up for a test"
scope = "generation"
licence = "CC0-1.0"
method = "made up for a test"
"""
"""Lines for the collector's configuration; the file lies beside it."""


def write_grid(directory: Path, first_s: int, slot_s: int, values: Sequence[float | None]) -> None:
    """Write slots of ``slot_s`` from ``first_s`` on, None for a hole; the file appears whole."""
    rows = [
        f"{_iso(first_s + n * slot_s)},{_iso(first_s + (n + 1) * slot_s)},{value},true\n"
        for n, value in enumerate(values)
        if value is not None
    ]
    new = directory / "grid.new"
    new.write_text("start,end,gco2e_per_kwh,is_forecast\n" + "".join(rows))
    new.replace(directory / "grid.csv")


def _iso(t_unix_s: int) -> str:
    return dt.datetime.fromtimestamp(t_unix_s, tz=dt.UTC).isoformat()
