"""The fleet report: what every device and the fleet as a whole used, did and emitted."""

from collector.assess import Assessor
from collector.fleet.accounts import FleetAccounts
from collector.fleet.notes import notes_of
from collector.fleet.rows import window_pages
from collector.fleet.series import Extent, SeriesBins
from collector.fleet.values import FleetReport
from collector.fleet.window_sums import Key
from collector.journal import Journal
from collector.store_config import LakeWhere


def fleet_report(journal: Journal, lake_dir: LakeWhere | None, assessor: Assessor | None) -> FleetReport:
    """Return the report over every window that ``journal`` and the lake at ``lake_dir`` (None: journal only) hold.

    They are read page by page, twice, so memory hangs on the number of devices. Each window takes the intensity of its
    own time, split exactly where it touches several steps. Without an assessor, or where it does not know a factor,
    grams are None.
    """
    last_row_id = journal.last_row_id()
    accounts, extent = FleetAccounts(assessor), Extent()
    for page in window_pages(journal, lake_dir, last_row_id):
        accounts.add(page)
        extent.add(page)
    bins = SeriesBins(extent)
    for page in window_pages(journal, lake_dir, last_row_id):
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
