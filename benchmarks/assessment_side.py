"""One side of the assessment's benchmark, in a process of its own: the name of one of ``SIDES``, DIR, DEVICES.

It prints seconds (imports not counted), the greatest memory that the process ever held, and the joules that it found.
"""

import math
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import duckdb
import msgspec

from benchmarks.assessment_lake import END_UNIX_NS, START_UNIX_NS, device_ids
from collector.analysis.decomposition.decompose import decompose
from collector.analysis.decomposition.selection import Selection
from collector.assessment.assess import Period, Stored, assess, gather
from collector.assessment.engine import DEFAULT_MEMORY_BYTES, EngineName, Limits
from collector.assessment.lake_files import DIRECTORY_NAME, PARTS_SCHEMA
from collector.assessment.query import DAY_NS
from collector.assessment.spark_session import stop_spark
from collector.assessment.values import BY, By, Options
from collector.inventory import Inventory, parse_inventory
from tests.fakes.stepped_intensity import SteppedIntensity

_ZONES: Final = ("DE", "SE", "FR", "GB")
_BOARDS: Final = ("raspberry-pi-4b-4gb", "raspberry-pi-zero-2-w", "raspberry-pi-5-8gb")
_SUMMED: Final = (
    "t_start_unix_ns",
    "duration_s",
    "gap_s",
    "energy_j",
    "energy_u_j",
    "energy_u_systematic_j",
    "inference_count",
)
_COUNTED: Final = ("fleet", "device_id", "model_id", "systematic_id", "meter_driver", "boundary", "simulated")


class Outcome(msgspec.Struct):
    """What one side says."""

    spent_s: float
    peak_bytes: int
    energy_j: float


def half_hours() -> SteppedIntensity:
    """Return an actual intensity in steps of half an hour that goes up and down twice a day."""
    return SteppedIntensity(lambda s: 300.0 * (1.0 + 0.4 * math.sin(s * math.pi / 43_200.0)), step_s=1800)


def by_month(directory: Path, devices: int) -> float:
    """Assess the whole year by month, as the command does when nothing else is said."""
    return _ours(directory, devices, ("month",))


def by_device(directory: Path, devices: int) -> float:
    """Assess the whole year by everything that figures can be grouped by, every device among it."""
    return _ours(directory, devices, BY)


def by_decomposition(directory: Path, devices: int) -> float:
    """Decompose the change from the first half of the year to the second one, and return both halves' joules."""
    middle = START_UNIX_NS + (END_UNIX_NS - START_UNIX_NS) // (2 * DAY_NS) * DAY_NS
    edges = ((START_UNIX_NS, middle), (middle, END_UNIX_NS))
    sides = [
        Selection(words=words, period=Period(start_unix_ns=start, end_unix_ns=end), wanted={})
        for words, (start, end) in zip("AB", edges, strict=True)
    ]
    inventory = _inventory(devices)
    gathered = {}
    for side in sides:
        gathered[side.words] = gather(Stored(lake=directory), inventory, half_hours(), side.period)
    found = decompose(sides[0], sides[1], lambda side: gathered[side.words], inventory)
    if abs(found.residual_ratio) > 1e-9 or found.change.value == 0.0:
        raise RuntimeError(f"the effects leave {found.residual_ratio} of the change")
    return sum(side.levels.energy_j * side.days for side in (found.before, found.after))


def _ours(directory: Path, devices: int, by: tuple[By, ...], engine: EngineName = "duckdb") -> float:
    assessment = assess(
        Stored(lake=directory),
        _inventory(devices),
        half_hours(),
        Period(start_unix_ns=START_UNIX_NS, end_unix_ns=END_UNIX_NS),
        Options(by=by),
        limits=Limits(engine=engine),
    )
    if assessment.total.grams.total is None or assessment.unknown_operational:
        raise RuntimeError("the assessment does not know all grams")
    return assessment.total.energy_j


def _inventory(devices: int) -> Inventory:
    lines = ["[defaults]", "lifetime_years = 5.0", "sd_card_gb = 32"]
    for index, name in enumerate(device_ids(devices)):
        zone, board = _ZONES[index % len(_ZONES)], _BOARDS[index % len(_BOARDS)]
        lines += ["[[device]]", f'id = "{name}"', f'zone = "{zone}"', f'hardware = "{board}"']
        lines += ["in_service_since = 2024-07-01", f'site = "site {index % 9}"']
    return parse_inventory("\n".join(lines))


def by_spark(directory: Path, devices: int) -> float:
    """Assess the whole year by month with Spark: the same question on the same files."""
    try:
        return _ours(directory, devices, ("month",), "spark")
    finally:
        stop_spark()


def floor(directory: Path, devices: int) -> float:  # noqa: ARG001  the same arguments for both
    """Read the same columns of the same files, add them up, and return the joules."""
    connection = duckdb.connect()
    connection.execute(f"SET threads = 2; SET memory_limit = '{DEFAULT_MEMORY_BYTES}B'")
    parts = PARTS_SCHEMA.names
    words = [name for name in parts if name in _COUNTED]
    return sum(
        float(connection.execute(_scan(files, summed, counted)).fetchall()[0][0])
        for files, summed, counted in (
            (f"{directory}/date=*/*.parquet", _SUMMED, _COUNTED),
            (f"{directory}/{DIRECTORY_NAME}/date=*/*.parquet", [n for n in parts if n not in words], words),
        )
    )


def _scan(files: str, summed: "list[str] | tuple[str, ...]", counted: "list[str] | tuple[str, ...]") -> str:
    asked = ["sum(energy_j)", *(f"sum({name})" for name in summed), *(f"count({name})" for name in counted)]
    return f"SELECT {', '.join(asked)} FROM read_parquet('{files}', hive_partitioning = false)"


SIDES: Final[dict[str, Callable[[Path, int], float]]] = {
    "month": by_month,
    "device": by_device,
    "decomposition": by_decomposition,
    "spark": by_spark,
    "floor": floor,
}


def main() -> None:
    """Run the side that the command line names."""
    _, side, directory, devices = sys.argv
    started_s = time.perf_counter()
    energy_j = SIDES[side](Path(directory), int(devices))
    spent_s = time.perf_counter() - started_s
    processes = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)  # Spark's JVM is a child, and has ended
    peak_bytes = sum(resource.getrusage(one).ru_maxrss for one in processes) * 1024
    sys.stdout.write(msgspec.json.encode(Outcome(spent_s, peak_bytes, energy_j)).decode())


if __name__ == "__main__":
    main()
