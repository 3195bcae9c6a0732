"""A lake with all that could make engines differ: nulls, NaN, numbers beyond reason, old files, long windows, copies.

Every figure of it comes from a seed, so that whoever reads it twice has the same rows.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from collector.sinks.lake import SCHEMA, rows_to_table
from tests.fakes.windows import JETSON, PI4, PI_ZERO, T0_UNIX_NS, DeviceProfile, make_stored

NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * NS
DAY_UNIX_NS: Final = T0_UNIX_NS - T0_UNIX_NS % DAY_NS
ONE, TWO = "0123456789abcdef", "fedcba9876543210"
DAYS: Final = ("2025-10-09", "2025-10-10", "2025-10-11")
DURATIONS_S: Final = (10.0, 299.999, 300.0, 1800.5, 7200.0, 86_400.0)
INVENTORY: Final = """
[defaults]
lifetime_years = 5.0
hardware = "raspberry-pi-4b-4gb"
[[device]]
id = "pi4-01"
zone = "DE"
site = "roof"
in_service_since = 2025-01-01
[[device]]
id = "zero-01"
hardware = "raspberry-pi-zero-2-w"
zone = "SE"
"""


def make_odd_lake(directory: Path, windows_per_device: int = 60) -> Path:
    """Write the lake: three days, two journals that hold some windows both, one file older than some columns."""
    generator = np.random.default_rng(9)
    row_id = 1
    for index, day in enumerate(DAYS):
        tables = [_device_day(profile, index, windows_per_device, generator) for profile in (PI4, PI_ZERO, JETSON)]
        table = pa.concat_tables(tables)
        cut = table.num_rows * 2 // 3
        _write(directory, day, ONE, row_id, table.slice(0, cut))
        again = _set(table.slice(cut // 2), clock_state=_some(generator, table.num_rows - cut // 2))
        _write(directory, day, TWO, row_id, again if index else again.drop_columns(["clock_state", "systematic_id"]))
        row_id += table.num_rows
    return directory


def _device_day(profile: DeviceProfile, day: int, count: int, generator: np.random.Generator) -> pa.Table:
    starts = DAY_UNIX_NS + day * DAY_NS + np.sort(generator.integers(0, 86_400, count)) * NS
    durations_s = generator.choice(DURATIONS_S, count)
    rows = [
        make_stored(
            1 + i,
            profile=profile,
            seq=day * count + i + 1,
            t_start_unix_ns=int(starts[i]) + int(generator.integers(0, 3)) * 500_000_000,
            duration_s=float(durations_s[i]),
            gap_s=float(generator.choice((0.0, 0.25 * durations_s[i]))),
            energy_j=float(profile.power_w * durations_s[i] * generator.normal(1.0, 0.1)),
            energy_u_systematic_j=float(generator.uniform(0.0, 3.0)),
            energy_u_j=float(generator.uniform(1.0, 4.0)),
            inference_count=int(generator.integers(0, 10**12)),
            model_id=str(generator.choice(("keywords", "person"))),
            simulated=bool(generator.integers(0, 2)),
        )
        for i in range(count)
    ]
    table = rows_to_table(rows)
    changes: dict[str, list[Any]] = {}
    for at, (name, value) in enumerate(
        (
            ("energy_j", 1e300),
            ("energy_j", float("nan")),
            ("energy_u_j", float("inf")),
            ("duration_s", 0.0),
            ("duration_s", float("nan")),
            ("duration_s", -5.0),
            ("duration_s", 86_401.0),
            ("duration_s", None),
            ("simulated", None),
            ("inference_count", None),
            ("systematic_id", None),
            ("systematic_id", ""),
            ("meter_driver", None),
            ("model_id", None),
            ("energy_u_systematic_j", None),
        )
    ):
        changes.setdefault(name, table[name].to_pylist())[3 * at + 1] = value
    return _set(table, **changes)


def _some(generator: np.random.Generator, count: int) -> list[str | None]:
    return [(None, "synchronised", "unsynchronised")[index] for index in generator.integers(0, 3, count)]


def _set(table: pa.Table, **columns: list[Any]) -> pa.Table:
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, pa.array(values, SCHEMA.field(name).type))
    return table


def _write(directory: Path, day: str, journal: str, row_id: int, table: pa.Table) -> None:
    path = directory / f"date={day}" / f"windows-{journal}-{row_id:020d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")
