"""The fleet report: what every device and the fleet as a whole used, did and emitted."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pyarrow as pa

from collector.assess import Assessor
from collector.fleet.accounts import FleetAccounts
from collector.fleet.notes import notes_of
from collector.fleet.rows import COLUMNS, joined, window_pages
from collector.fleet.series import COLUMNS as SERIES_COLUMNS
from collector.fleet.series import Extent, SeriesBins
from collector.fleet.values import FleetReport
from collector.fleet.window_sums import Key
from collector.journal import Journal
from collector.store_config import LakeWhere

Progress = Callable[[int, int], None]
"""Hears how many rows of how many are read; every window is read twice."""
_ROWS_AT_ONCE: Final = 200_000
"""A page costs time for each of its devices: few large ones are quicker. This many rows are some 50 MB."""


def fleet_report(
    journal: Journal, lake_dir: LakeWhere | None, assessor: Assessor | None, progress: Progress | None = None
) -> FleetReport:
    """Return the report over every window that ``journal`` and the lake at ``lake_dir`` (None: journal only) hold.

    They are read page by page, twice, so memory hangs on the number of devices. Each window takes the intensity of its
    own time, split exactly where it touches several steps. Without an assessor, or where it does not know a factor,
    grams are None.
    """
    last_row_id = journal.last_row_id()

    def pages(round_number: int, columns: Sequence[str]) -> Iterator[pa.Table]:
        for page in joined(window_pages(journal, lake_dir, last_row_id, columns), _ROWS_AT_ONCE):
            yield page
            if progress is not None:
                progress(round_number * last_row_id + page["row_id"][-1].as_py(), 2 * last_row_id)

    accounts, extent = FleetAccounts(assessor), Extent()
    for page in pages(0, COLUMNS):
        accounts.add(page)
        extent.add(page)
    bins = SeriesBins(extent)
    for page in pages(1, SERIES_COLUMNS):
        bins.add(page)
    classes = classes_by_birth(journal)
    devices = tuple(accounts.device(key, classes.get(key, "")) for key in accounts.with_windows())
    total = accounts.total(classes)
    return FleetReport(
        devices=devices,
        total=total,
        simulated=total.simulated,
        unknown_operational=tuple(d.device_id for d in devices if d.operational_gco2e is None),
        unknown_embodied=tuple(d.device_id for d in devices if d.embodied_gco2e is None),
        notes=notes_of(devices, total),
        factors=tuple(assessor.factors()) if assessor else (),
        series=tuple(bins.series()),
        makings=assessor.makings() if assessor else (),
        systematic_u_j=dict(sorted(accounts.total_sums().energy.systematic_j.items())),
    )


def classes_by_birth(journal: Journal) -> dict[Key, str]:
    """Return the class of each device by its own word."""
    return {(state.fleet, state.device_id): state.birth.device_class for state in journal.devices() if state.birth}
