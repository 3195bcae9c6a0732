"""A year of a fleet as a lake: hourly roll-ups, and for the last week the windows themselves, 10 s each."""

import datetime as dt
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from collector.assessment.lake_files import DIRECTORY_NAME, PARTS_SCHEMA, RollUpNote, note_bytes, roll_up_name
from collector.sinks.lake import SCHEMA

START: Final = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
DAYS: Final = 365
WINDOW_DAYS: Final = 7
WINDOW_S: Final = 10
WINDOWS_PER_DAY: Final = 86_400 // WINDOW_S
WINDOWS_PER_DEVICE: Final = WINDOW_DAYS * WINDOWS_PER_DAY
ROWS_PER_FILE: Final = 20_000
"""As the collector writes them by default."""
JOURNAL: Final = "ab" * 8
START_UNIX_NS: Final = int(START.timestamp()) * 10**9
END_UNIX_NS: Final = START_UNIX_NS + DAYS * 86_400 * 10**9
_MODELS: Final = ("keywords", "person", "anomaly")
_METERS: Final = ("type:tc66c", "type:ppk2", "type:um25c")
Integers = npt.NDArray[np.int64]


def device_ids(devices: int) -> list[str]:
    """Return their names."""
    return [f"device-{index:05d}" for index in range(devices)]


def make_lake(directory: Path, devices: int) -> tuple[int, int]:
    """Write the lake, and return how many windows and how many parts it holds."""
    generator = np.random.default_rng(2026)
    rolled = DAYS - WINDOW_DAYS
    for day in range(rolled):
        _write_roll_up(directory / DIRECTORY_NAME, day, devices, generator)
    row_id = 1
    for day in range(rolled, DAYS):
        row_id = _write_windows(directory, day, devices, row_id, generator)
    return row_id - 1, rolled * 24 * devices


def _write_roll_up(directory: Path, day: int, devices: int, generator: np.random.Generator) -> None:
    device = np.tile(np.arange(devices), 24)
    count = len(device)
    energy_j = generator.normal(4.0, 0.3, count) * 3600.0
    values: dict[str, Any] = {
        "slot_start_unix_ns": _day_ns(day) + np.repeat(np.arange(24), devices) * 3600 * 10**9,
        "windows": np.full(count, 360),
        "simulated_windows": np.zeros(count, dtype=np.int64),
        "inference_count": generator.poisson(1_440_000, count),
        "duration_s": np.full(count, 3600.0),
        "gap_s": np.zeros(count),
        "energy_j": energy_j,
        "energy_u_systematic_j": energy_j * 0.0035,
        "energy_u_independent_j2": (energy_j * 1e-4) ** 2,
    }
    path = directory / roll_up_name(_day(day))
    path.parent.mkdir(parents=True)
    table = _table(PARTS_SCHEMA, _words(device, devices) | values, count)
    note = RollUpNote(slot_s=3600, inputs=(), windows=360 * count)
    pq.write_table(table.replace_schema_metadata(note_bytes(note)), path, compression="zstd")


def _write_windows(directory: Path, day: int, devices: int, row_id: int, generator: np.random.Generator) -> int:
    folder = directory / f"date={_day(day)}"
    folder.mkdir(parents=True)
    rounds = max(ROWS_PER_FILE // devices, 1)
    for first in range(0, WINDOWS_PER_DAY, rounds):
        step = np.repeat(np.arange(first, min(first + rounds, WINDOWS_PER_DAY)), devices)
        device = np.tile(np.arange(devices), len(step) // devices)
        table = _windows(day, step, device, devices, row_id, generator)
        pq.write_table(table, folder / f"windows-{JOURNAL}-{row_id:020d}.parquet", compression="zstd")
        row_id += len(step)
    return row_id


def _windows(
    day: int, step: Integers, device: Integers, devices: int, row_id: int, generator: np.random.Generator
) -> pa.Table:
    count = len(step)
    starts = _day_ns(day) + step * (WINDOW_S * 10**9) + device * 9_973_111 % (WINDOW_S * 10**9)
    energy_j = generator.normal(4.0, 0.3, count) * WINDOW_S
    values: dict[str, Any] = {
        "row_id": np.arange(row_id, row_id + count),
        "seq": (day - DAYS + WINDOW_DAYS) * WINDOWS_PER_DAY + step + 1,
        "received_unix_ns": starts + 12 * 10**9,
        "t_start_unix_ns": starts,
        "t_start_boot_ns": starts - START_UNIX_NS,
        "duration_s": WINDOW_S + generator.normal(0.0, 0.001, count),
        "energy_j": energy_j,
        "energy_u_j": energy_j * 0.0036,
        "energy_u_systematic_j": energy_j * 0.0035,
        "gap_s": np.zeros(count),
        "inference_count": generator.poisson(4_000, count),
        "latency_p50_s": generator.normal(2.4e-3, 1e-5, count),
        "soc_temp_c": generator.normal(55.0, 2.0, count).round(1),
    }
    return _table(SCHEMA, _words(device, devices) | values, count)


def _words(device: Integers, devices: int) -> dict[str, pa.Array]:
    names = pa.array(device_ids(devices)).take(pa.array(device))
    return {
        "fleet": pa.repeat("lab", len(device)),
        "device_id": names,
        "boot_id": names,
        "meter_id": names,
        "model_id": pa.array(_MODELS).take(pa.array(device % len(_MODELS))),
        "systematic_id": pa.array(_METERS).take(pa.array(device % len(_METERS))),
        "meter_driver": pa.array(_METERS).take(pa.array(device % len(_METERS))),
        "boundary": pa.repeat("usb_dc", len(device)),
    }


def _table(schema: pa.Schema, values: dict[str, Any], count: int) -> pa.Table:
    columns = []
    for field in schema:
        if field.name in values:
            columns.append(pa.array(values[field.name]).cast(field.type))
        elif pa.types.is_string(field.type):
            columns.append(pa.repeat("synchronised", count))
        elif pa.types.is_list(field.type):
            columns.append(pa.array([[]] * count, field.type))
        elif pa.types.is_boolean(field.type):
            columns.append(pa.repeat(pa.scalar(False, field.type), count))
        else:
            columns.append(pa.nulls(count, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _day(day: int) -> str:
    return (START + dt.timedelta(days=day)).date().isoformat()


def _day_ns(day: int) -> int:
    return START_UNIX_NS + day * 86_400 * 10**9
