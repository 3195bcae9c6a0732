"""A year of a fleet from the lake: hourly roll-ups, and the windows themselves for the last week.

Time and peak memory of the whole assessment, by month, and by device, model, site, zone, fleet and month together, of
the decomposition of the change from one half of the year to the other, and of the assessment by month with Spark, all
against the least work that anybody has to do: DuckDB reads the same columns of the same files and adds them up. Each
side runs in a process of its own, in turn. EDGEJOULE_BENCH_ASSESSMENT_ROWS sets the number of windows (3000000 by
default, of 49 devices; 60480000, of 1000 devices, take 5 GB in EDGEJOULE_BENCH_ASSESSMENT_DIR, where they are kept).
EDGEJOULE_BENCH_ASSESSMENT_SPARK=1 adds Spark, which takes minutes where the others take seconds.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.assessment_lake import WINDOWS_PER_DEVICE, make_lake
from benchmarks.assessment_side import Outcome
from benchmarks.harness import Measurement, benchmark

ROWS: Final = int(os.environ.get("EDGEJOULE_BENCH_ASSESSMENT_ROWS", "3000000"))
SPARK: Final = os.environ.get("EDGEJOULE_BENCH_ASSESSMENT_SPARK", "") == "1"
KEPT: Final = os.environ.get("EDGEJOULE_BENCH_ASSESSMENT_DIR", "")
ROUNDS: Final = 3
MOST_RATIO: Final = 4.0
PROMISED_DEVICES: Final = 1000
"""With fewer the figures' own time, which hangs on groups and not on windows, outweighs the reading."""


@benchmark
def year_of_a_fleet() -> Iterator[Measurement]:
    devices = max(ROWS // WINDOWS_PER_DEVICE, 1)
    sides: dict[str, list[Outcome]] = {"floor": [], "month": [], "device": [], "decomposition": []}
    if SPARK:
        sides["spark"] = []
    with _lake(devices) as directory:
        for number in range(ROUNDS + 1):
            for side in list(sides)[:: 1 if number % 2 else -1]:
                outcome = _run(side, directory, devices)
                if number:  # the first round warms the page cache up
                    sides[side].append(outcome)
    floor = sides.pop("floor")
    month_j = sides["month"][0].energy_j
    promise = MOST_RATIO if devices >= PROMISED_DEVICES else None
    for name, ours in sides.items():
        if abs(ours[0].energy_j / floor[0].energy_j - 1.0) > 1e-6:
            raise RuntimeError(f"{floor[0].energy_j} J are in the lake, {ours[0].energy_j} J were assessed")
        if name == "spark" and abs(ours[0].energy_j / month_j - 1.0) > 1e-9:
            raise RuntimeError(f"DuckDB found {month_j} J, Spark {ours[0].energy_j} J")
        yield Measurement(
            name=f"a year of {devices} devices by {name}, {devices * WINDOWS_PER_DEVICE} windows in its last week",
            ours=[one.spent_s for one in ours],
            other=[one.spent_s for one in floor],
            other_name="DuckDB scans and sums the same columns",
            kind="floor",
            limit_ratio=promise if name == "month" else None,
        )
        yield Measurement(
            name=f"its peak memory, by {name}",
            ours=[float(one.peak_bytes) for one in ours],
            other=[float(one.peak_bytes) for one in floor],
            other_name="DuckDB scans and sums the same columns",
            kind="floor",
            unit="bytes",
            limit_ratio=None if name == "spark" else promise,
        )


@contextlib.contextmanager
def _lake(devices: int) -> Iterator[Path]:
    if not KEPT:
        with tempfile.TemporaryDirectory(prefix="edgejoule-bench-") as scratch:
            make_lake(Path(scratch), devices)
            yield Path(scratch)
        return
    kept = Path(KEPT) / f"devices-{devices}"
    if not kept.exists():
        made = kept.with_suffix(".part")
        make_lake(made, devices)
        made.rename(kept)
    yield kept


def _run(side: str, directory: Path, devices: int) -> Outcome:
    command = [sys.executable, "-m", "benchmarks.assessment_side", side, str(directory), str(devices)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return msgspec.json.decode(done.stdout, type=Outcome)
