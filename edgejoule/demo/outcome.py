"""What the demo found: the report, the ledger, measured against true, and whether all is well."""

from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from collector.build import build_assessor, sink_names
from collector.config import CollectorConfig, read_config
from collector.fleet.report import fleet_report
from collector.fleet.values import FleetReport
from collector.journal import Journal
from collector.numbers import si
from collector.values import LedgerLine, MeterCheck
from collector.web.report_html import render_report
from edgejoule.demo.fleet_plan import DEVICES, collector_config_file, truth_file
from edgejoule.demo.models import DemoModel, demo_models, model_table
from edgejoule.demo.truth import TruthCurve, check_meter
from edgejoule.fleet_tables import check_table, report_tables
from edgejoule.ledger_table import ledger_table

TITLE: Final = "edgejoule demo: three simulated devices"
_ALL_ROWS: Final = 2**31


class DemoOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the demo reports. ``faults`` names what went wrong, empty when all is well."""

    ok: bool
    faults: list[str]
    simulated: bool
    broker: str
    restarts: dict[str, int]
    models: list[DemoModel]
    fleet: FleetReport
    ledger: list[LedgerLine]
    meter_checks: list[MeterCheck]


def conclude(root: Path, restarts: dict[str, int], broker: str) -> DemoOutcome:
    """Read what the collector stored and judge it."""
    config = read_config(collector_config_file(root))
    with closing(Journal(config.journal_path, read_only=True)) as journal:
        fleet = fleet_report(journal, config.lake_dir, build_assessor(config))
        ledger = journal.ledger()
        checks = _meter_checks(journal, root)
        store_faults = _store_faults(journal, config, root / "logs" / "collector.log")
    faults = [*_ledger_faults(ledger), *_meter_faults(checks), *store_faults]
    return DemoOutcome(
        ok=not faults,
        faults=faults,
        simulated=True,
        broker=broker,
        restarts=restarts,
        models=demo_models(),
        fleet=fleet,
        ledger=ledger,
        meter_checks=checks,
    )


def show(outcome: DemoOutcome, root: Path, console: Console) -> None:
    """Print the outcome for people."""
    for table in report_tables(outcome.fleet):
        console.print(table)
    console.print(model_table(outcome.models))
    console.print(ledger_table(outcome.ledger))
    console.print(check_table(outcome.meter_checks))
    for name, times in outcome.restarts.items():
        console.print(f"{name} was started again {times} time(s) during the run")
    console.print(f"report: {root / 'report.html'}", soft_wrap=True)
    if outcome.ok:
        console.print(
            "[bold green]OK[/]: no window lost, every meter within three standard uncertainties of the truth"
        )
    for fault in outcome.faults:
        console.print(f"[bold red]FAULT[/]: {fault}")


def write_files(outcome: DemoOutcome, root: Path) -> None:
    """Write ``report.html`` and ``report.json`` into the run's directory."""
    page = render_report(outcome.fleet, outcome.ledger, outcome.meter_checks, TITLE)
    (root / "report.html").write_text(page, encoding="utf-8")
    (root / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(outcome), indent=2))


def _meter_checks(journal: Journal, root: Path) -> list[MeterCheck]:
    rows = journal.rows_after(0, _ALL_ROWS)
    checks = []
    for device in DEVICES:
        windows = [row.window for row in rows if row.device_id == device.device_id]
        checks.append(check_meter(device, windows, TruthCurve.read(truth_file(device, root))))
    return checks


def _ledger_faults(ledger: list[LedgerLine]) -> list[str]:
    faults = [
        f"{device.device_id}: no window was stored" for device in DEVICES if not _stored(ledger, device.device_id)
    ]
    for line in ledger:
        if not line.adds_up:
            faults.append(f"{line.device_id}: the ledger does not add up, {line.missing} windows missing")
        if line.dropped:
            faults.append(f"{line.device_id}: {line.dropped} windows dropped")
        if line.refused:
            faults.append(f"{line.device_id}: {line.refused} windows refused by the collector")
        if line.pending:
            faults.append(f"{line.device_id}: {line.pending} windows never arrived, the device still holds them")
        if line.dead_letters:
            faults.append(f"{line.device_id}: {line.dead_letters} messages refused")
    return faults


def _store_faults(journal: Journal, config: CollectorConfig, log: Path) -> list[str]:
    """Say which stores have not got everything; the journal has, so nothing is lost."""
    behind = {sink: journal.last_row_id() - journal.cursor(sink) for sink in sink_names(config)}
    return [f"{sink}: {count} windows not written there; {log} says why" for sink, count in behind.items() if count]


def _stored(ledger: list[LedgerLine], device_id: str) -> int:
    return sum(line.stored for line in ledger if line.device_id == device_id)


def _meter_faults(checks: list[MeterCheck]) -> list[str]:
    return [
        f"{check.device_id}: measured {si(check.measured_j, 'J', 5)} against true "
        f"{si(check.true_j, 'J', 5)}, {check.deviation_u:+.1f} standard uncertainties "
        f"over {check.windows} windows"
        for check in checks
        if not check.within_three_u
    ]
