"""``edgejoule fleet``: report, ledger, devices and benches, from what the collector stored; it may run meanwhile."""

import argparse
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from edge_agent.wire.errors import ConfigurationError
from edgejoule.fleet_tables import bench_table, ledger_table, plain_table, report_tables
from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json

if TYPE_CHECKING:
    from collector.config import CollectorConfig
    from collector.journal import Journal
    from collector.values import BenchEntry, DeviceState, LedgerLine

_ALIVE_WINDOWS = 3.0
_ALIVE_AT_LEAST_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``report``, ``ledger``, ``devices`` and ``benches``."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    report = what.add_parser("report", help="energy, work and carbon of every device and of the fleet")
    ledger = what.add_parser("ledger", help="does every sent window have a place? exit 1 if not")
    devices = what.add_parser("devices", help="what was last heard from every device")
    benches = what.add_parser("benches", help="every bench that is stored: J/inference with U, valid or why not")
    for one in (report, ledger, devices, benches):
        one.add_argument("--state-dir", type=Path, metavar="DIR", help="where the collector keeps its journal")
        one.add_argument(
            "--config", type=Path, metavar="FILE", help="the collector's TOML: state, inventory, intensity"
        )
        one.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")
    report.add_argument("--html", type=Path, metavar="FILE", help="also write the report as one self-contained page")


def run(arguments: argparse.Namespace) -> int:
    """Print what was asked for. Raises ConfigurationError when there is no journal to read."""
    from collector.journal import Journal

    config = _read_config(arguments)
    with closing(Journal(config.journal_path, read_only=True)) as journal:
        if arguments.what == "ledger":
            return _ledger(journal.ledger(), as_json=arguments.json)
        if arguments.what == "devices":
            return _devices(journal.devices(), as_json=arguments.json)
        if arguments.what == "benches":
            return _benches(journal.benches(), as_json=arguments.json)
        return _report(journal, config, arguments)


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
    table = plain_table("Devices")
    for heading in ("device", "last heard", "model", "meter"):
        table.add_column(heading, overflow="fold")
    for state in states:
        table.add_row(*map(escape, _device_cells(state, now_unix_ns)))
        table.add_section()
    stdout_console().print(table)
    return EXIT_DONE


def _benches(entries: "list[BenchEntry]", *, as_json: bool) -> int:
    if as_json:
        write_json({"benches": entries})
    elif entries:
        stdout_console().print(bench_table(entries))
    else:
        stdout_console().print("no bench is stored; on a device: edgejoule agent bench --help")
    return EXIT_DONE


def _alive(state: "DeviceState", now_unix_ns: int) -> bool:
    """Return whether the device was heard in its last three windows, or within a minute."""
    window_s = state.birth.window_s if state.birth else 0.0
    return now_unix_ns - state.last_seen_unix_ns <= max(_ALIVE_WINDOWS * window_s, _ALIVE_AT_LEAST_S) * 1e9


def _device_cells(state: "DeviceState", now_unix_ns: int) -> tuple[str, ...]:
    age_s = max(0.0, (now_unix_ns - state.last_seen_unix_ns) / 1e9)
    said_goodbye = state.status is not None and not state.status.online
    word = "offline" if said_goodbye else "online" if _alive(state, now_unix_ns) else "silent"
    heard = f"{age_s:.0f} s ago" if age_s < 600 else f"{age_s / 3600:.1f} h ago"
    name = f"{state.fleet}/{state.device_id}"
    if state.birth is None:
        return (name, f"{heard}\n{word}", "–", "–")
    birth = state.birth
    threads = f"{birth.runtime.threads} thread{'s' if birth.runtime.threads != 1 else ''}"
    return (
        f"{name}\n{birth.device_class}\nagent {birth.agent_version}",
        f"{heard}\n{word}",
        f"{birth.model_id}\n{birth.runtime.runtime} {birth.runtime.version}, {threads}\n{birth.runtime.delegate}",
        f"{birth.meter_driver}\n{birth.boundary}" + ("\nsimulated" if birth.simulated else ""),
    )
