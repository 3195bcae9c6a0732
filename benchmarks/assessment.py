"""A year of a fleet from the lake: hourly roll-ups, and the windows themselves for the last week.

Time and peak memory of the whole assessment, by device, model, site, zone, fleet and month, against the least work
that anybody has to do: DuckDB reads the same columns of the same files and adds them up. Each side runs in a process
of its own, in turn. EDGEJOULE_BENCH_ASSESSMENT_ROWS sets the number of windows (3000000 by default, of 49 devices; the
figures in the documentation are of 60480000, of 1000 devices, which take 6 GB in EDGEJOULE_BENCH_ASSESSMENT_DIR).
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
KEPT: Final = os.environ.get("EDGEJOULE_BENCH_ASSESSMENT_DIR", "")
ROUNDS: Final = 3
MOST_RATIO: Final = 4.0


@benchmark
def year_of_a_fleet() -> Iterator[Measurement]:
    devices = max(ROWS // WINDOWS_PER_DEVICE, 1)
    with _lake(devices) as directory:
        sides: dict[str, list[Outcome]] = {"ours": [], "floor": []}
        for number in range(ROUNDS + 1):
            for side in ("ours", "floor") if number % 2 else ("floor", "ours"):
                outcome = _run(side, directory, devices)
                if number:  # the first round warms the page cache up
                    sides[side].append(outcome)
    ours, floor = sides["ours"], sides["floor"]
    if abs(ours[0].energy_j / floor[0].energy_j - 1.0) > 1e-6:
        raise RuntimeError(f"{floor[0].energy_j} J are in the lake, {ours[0].energy_j} J were assessed")
    windows = devices * WINDOWS_PER_DEVICE
    what = f"a year of {devices} devices: hours, and {windows} windows of the last week"
    yield Measurement(
        name=f"assess {what}",
        ours=[one.spent_s for one in ours],
        other=[one.spent_s for one in floor],
        other_name="DuckDB scans and sums the same columns",
        kind="floor",
        limit_ratio=MOST_RATIO,
    )
    yield Measurement(
        name=f"peak memory, {what}",
        ours=[float(one.peak_bytes) for one in ours],
        other=[float(one.peak_bytes) for one in floor],
        other_name="DuckDB scans and sums the same columns",
        kind="floor",
        unit="bytes",
        limit_ratio=MOST_RATIO,
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
