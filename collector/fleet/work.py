"""What a device did over a stretch of time, as work that another hour or place can be asked about."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from collector.carbon.what_if import Work
from collector.journal import Journal
from collector.sinks.metered_rows import DAY_NS, MeteredRow, day_rows
from collector.store_config import LakeWhere
from edge_agent.wire.errors import ConfigurationError

NS_PER_S: Final = 1_000_000_000
PART_S: Final = 300
"""Five minutes: as short as the shortest steps of any source."""
MAX_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class MeasuredWork:
    """``work`` began at ``start_unix_ns``. ``covered_ratio``: the part of its time that windows cover.

    What no window covers counts as no energy: it is unknown, and the ratio says so.
    """

    work: Work
    start_unix_ns: int
    windows: int
    covered_ratio: float


def measured_work(
    journal: Journal, lake_dir: LakeWhere | None, device_id: str, start_unix_ns: int, end_unix_ns: int
) -> MeasuredWork:
    """Return the energy of a device's windows that start in ``[start, end)``, in parts of five minutes.

    A window that reaches over the edge of a part is split exactly; what reaches beyond ``end`` counts to the last
    part. Raises ConfigurationError for a device without windows there, or more than a year.
    """
    if end_unix_ns - start_unix_ns > MAX_DAYS * DAY_NS:
        raise ConfigurationError(f"work of {device_id}: more than {MAX_DAYS} days; name a shorter stretch")
    part_ns = PART_S * NS_PER_S
    energy_j = np.zeros(-(-(end_unix_ns - start_unix_ns) // part_ns))
    windows, covered_s, up_to = 0, 0.0, journal.last_row_id()
    day_start = start_unix_ns
    while day_start < end_unix_ns:
        day_end = min((day_start // DAY_NS + 1) * DAY_NS, end_unix_ns)
        for rows in day_rows(journal, lake_dir, day_start, day_end, up_to):
            for row in rows:
                if row.device_id == device_id and _is_usable(row):
                    windows, covered_s = windows + 1, covered_s + row.duration_s
                    _add(energy_j, row, start_unix_ns, part_ns)
        day_start = day_end
    if not windows:
        raise ConfigurationError(
            f"no windows of device {device_id!r} in that time; see: edgejoule fleet devices, and check the times"
        )
    covered = min(covered_s * NS_PER_S / (end_unix_ns - start_unix_ns), 1.0)
    try:
        return MeasuredWork(Work(energy_j, float(PART_S)), start_unix_ns, windows, covered)
    except ValueError as error:
        raise ConfigurationError(f"work of {device_id}: {error}; name another stretch") from error


def _is_usable(row: MeteredRow) -> bool:
    return math.isfinite(row.energy_j) and math.isfinite(row.duration_s) and row.duration_s > 0.0


def _add(energy_j: "np.typing.NDArray[np.float64]", row: MeteredRow, start_unix_ns: int, part_ns: int) -> None:
    """Add a window's energy to the parts that it touches, by its time in each."""
    begin = row.t_start_unix_ns - start_unix_ns
    length = max(round(row.duration_s * NS_PER_S), 1)
    first, last = begin // part_ns, min((begin + length - 1) // part_ns, len(energy_j) - 1)
    left_j = row.energy_j
    for part in range(first, last):
        inside_j = row.energy_j * (min((part + 1) * part_ns, begin + length) - max(part * part_ns, begin)) / length
        energy_j[part] += inside_j
        left_j -= inside_j
    energy_j[last] += left_j
