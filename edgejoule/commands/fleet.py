"""``edgejoule fleet``: report, ledger and devices, from what the collector stored; it may run meanwhile."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from collector.numbers import si, si_u
from edge_agent.wire.errors import ConfigurationError
from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json

if TYPE_CHECKING:
    from collector.carbon.estimate import Estimate
    from collector.config import CollectorConfig
    from collector.fleet.values import Account, FleetReport
    from collector.journal import Journal
    from collector.values import DeviceState, LedgerLine

_ALIVE_WINDOWS = 3.0
_ALIVE_AT_LEAST_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``report``, ``ledger`` and ``devices``."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    report = what.add_parser("report", help="energy, work and carbon of every device and of the fleet")
    ledger = what.add_parser("ledger", help="sent = stored + dropped + pending for every device; exit 1 if it is not")
    devices = what.add_parser("devices", help="what was last heard from every device")
    for one in (report, ledger, devices):
        one.add_argument("--state-dir", type=Path, metavar="DIR", help="where the collector keeps its journal")
        one.add_argument(
            "--config", type=Path, metavar="FILE", help="the collector's TOML: state, inventory, intensity"
        )
        one.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")
    report.add_argument("--html", type=Path, metavar="FILE", help="also write the report as one self-contained page")


def run(arguments: argparse.Namespace) -> int:
    """Print what was asked for. Raises ConfigurationError when there is no journal to read."""
    config = _read_config(arguments)
    with _open_journal(config) as journal:
        if arguments.what == "ledger":
            return _ledger(journal.ledger(), as_json=arguments.json)
        if arguments.what == "devices":
            return _devices(journal.devices(), as_json=arguments.json)
        return _report(journal, config, arguments)


def report_tables(report: "FleetReport") -> list[Table]:
    """Return the report as tables for a terminal: energy and work, then carbon."""
    badge = " [bold black on yellow] SIMULATED METERS [/]" if report.simulated else ""
    energy = _table(f"Fleet energy{badge}")
    energy.add_column("device", no_wrap=True)
    for heading in ("windows", "energy", "power", "inf./s", "J/inf.", "above idle", "gap"):
        energy.add_column(heading, justify="right", no_wrap=True)
    for device in report.devices:
        energy.add_row(escape(device.device_id), *_energy_cells(device))
    energy.add_section()
    energy.add_row("total", *_energy_cells(report.total), style="bold")
    carbon = _table("CO2e per 1000 inferences, P5 to P95; share: embodied of both")
    carbon.caption, carbon.caption_justify = _caption(report), "left"
    carbon.add_column("device", no_wrap=True)
    for heading in ("operational", "embodied", "together", "share", "so far"):
        carbon.add_column(heading, justify="right", no_wrap=True)
    for device in report.devices:
        what = escape(f"{device.hardware or 'hardware unknown'}\nin {device.zone or 'an unknown zone'}")
        carbon.add_row(f"{escape(device.device_id)}\n[dim]{what}[/]", *_carbon_cells(device))
    carbon.add_section()
    carbon.add_row("total", *_carbon_cells(report.total), style="bold")
    return [energy, carbon]


def ledger_table(lines: "list[LedgerLine]") -> Table:
    """Return the ledger as a table for a terminal."""
    table = _table("Ledger: sent = stored + dropped + pending")
    table.add_column("device", no_wrap=True)
    for heading in ("sent", "stored", "dropped", "pending", "missing", "twice", "dead"):
        table.add_column(heading, justify="right")
    table.add_column("sum")
    for line in lines:
        counts = (line.sent, line.stored, line.dropped, line.pending, line.missing, line.duplicates, line.dead_letters)
        verdict = "[green]yes[/]" if line.adds_up else "[bold red]NO[/]"
        table.add_row(escape(f"{line.fleet}/{line.device_id}"), *map(str, counts), verdict)
    return table


def _read_config(arguments: argparse.Namespace) -> "CollectorConfig":
    """Return the collector's configuration; ``--state-dir`` replaces its state directory, and with it the lake."""
    import msgspec

    from collector.config import CollectorConfig, read_config

    if arguments.config is None and arguments.state_dir is None:
        raise ConfigurationError("fleet: nothing to read; give --state-dir DIR or --config collector.toml")
    config = CollectorConfig() if arguments.config is None else read_config(arguments.config)
    if arguments.state_dir is None:
        return config
    return msgspec.structs.replace(config, state_dir=str(arguments.state_dir))


@contextmanager
def _open_journal(config: "CollectorConfig") -> "Iterator[Journal]":
    from collector.journal import Journal

    journal = Journal(config.journal_path, read_only=True)
    try:
        yield journal
    finally:
        journal.close()


def _report(journal: "Journal", config: "CollectorConfig", arguments: argparse.Namespace) -> int:
    from collector.build import build_assessor
    from collector.fleet.report import fleet_report

    report = fleet_report(journal, config.lake_dir, build_assessor(config))
    if arguments.html is not None:
        from collector.web.report_html import render_report

        page = render_report(report, journal.ledger(), [], "edgejoule fleet report")
        try:
            arguments.html.write_text(page, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"--html {arguments.html}: cannot write it: {error.strerror}") from error
    if arguments.json:
        write_json(report)
        return EXIT_DONE
    console = stdout_console()
    for table in report_tables(report):
        console.print(table)
    return EXIT_DONE


def _ledger(lines: "list[LedgerLine]", *, as_json: bool) -> int:
    adds_up = all(line.adds_up for line in lines)
    if as_json:
        write_json({"adds_up": adds_up, "devices": lines})
    else:
        stdout_console().print(ledger_table(lines))
    return EXIT_DONE if adds_up else EXIT_NO


def _devices(states: "list[DeviceState]", *, as_json: bool) -> int:
    now_unix_ns = time.time_ns()
    if as_json:
        alive = {f"{state.fleet}/{state.device_id}": _alive(state, now_unix_ns) for state in states}
        write_json({"read_unix_ns": now_unix_ns, "alive": alive, "devices": states})
        return EXIT_DONE
    table = _table("Devices")
    for heading in ("device", "last heard", "state", "class", "model", "meter", "runtime", "agent"):
        table.add_column(heading, overflow="fold")
    for state in states:
        table.add_row(*map(escape, _device_cells(state, now_unix_ns)))
    stdout_console().print(table)
    return EXIT_DONE


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _alive(state: "DeviceState", now_unix_ns: int) -> bool:
    """Return whether the device was heard in its last three windows, or within a minute."""
    window_s = state.birth.window_s if state.birth else 0.0
    return now_unix_ns - state.last_seen_unix_ns <= max(_ALIVE_WINDOWS * window_s, _ALIVE_AT_LEAST_S) * 1e9


def _device_cells(state: "DeviceState", now_unix_ns: int) -> tuple[str, ...]:
    age_s = max(0.0, (now_unix_ns - state.last_seen_unix_ns) / 1e9)
    said_goodbye = state.status is not None and not state.status.online
    word = "silent" if not _alive(state, now_unix_ns) else "offline" if said_goodbye else "online"
    heard = f"{age_s:.0f} s ago" if age_s < 600 else f"{age_s / 3600:.1f} h ago"
    name = f"{state.fleet}/{state.device_id}"
    if state.birth is None:
        return (name, heard, word, "–", "–", "–", "–", "–")
    birth = state.birth
    meter = f"{birth.meter_driver} at {birth.boundary}" + (" (simulated)" if birth.simulated else "")
    runtime = f"{birth.runtime.runtime} {birth.runtime.version} {birth.runtime.delegate} x{birth.runtime.threads}"
    return (name, heard, word, birth.device_class, birth.model_id, meter, runtime, birth.agent_version)


def _caption(report: "FleetReport") -> str:
    lines = [f"note: {note}" for note in report.notes]
    for what, devices in (("operational", report.unknown_operational), ("embodied", report.unknown_embodied)):
        if devices:
            names = ", ".join(devices)
            lines.append(f"{what} grams unknown for {names}: not in the inventory; so the total is unknown too")
    return escape("\n".join(lines))


def _energy_cells(account: "Account") -> tuple[str, ...]:
    rate = account.inferences_per_s
    return (
        str(account.windows),
        _two_lines(account.energy_j, account.energy_u_j),
        si(account.power_w, "W"),
        "–" if rate is None else f"{rate:.1f}",
        _two_lines(account.j_per_inference, account.j_per_inference_u),
        _two_lines(account.net_j_per_inference, account.net_j_per_inference_u),
        f"{account.gap_s:.1f}s",
    )


def _carbon_cells(account: "Account") -> tuple[str, ...]:
    share = account.embodied_share_ratio
    return (
        _range(account.operational_gco2e_per_1000),
        _range(account.embodied_gco2e_per_1000),
        _range(account.total_gco2e_per_1000),
        "–" if share is None else f"{share:.0%}",
        _range(account.total_gco2e),
    )


def _range(estimate: "Estimate | None") -> str:
    if estimate is None:
        return "unknown"
    low, high = si(estimate.low, "g", 2), si(estimate.high, "g", 2)
    return f"{si(estimate.value, 'g')}\n[dim]{low}\nto {high}[/]"


def _two_lines(value: float | None, u: float | None) -> str:
    """Return joules with their uncertainty below, so that a table fits a narrow terminal."""
    return si_u(value, u, "J").replace(" ± ", "\n± ")
