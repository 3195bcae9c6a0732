"""The words of ``edgejoule fleet``."""

import argparse
from pathlib import Path

from edgejoule.commands.fleet.simulate_arguments import add_simulate


def add_verbs(parser: argparse.ArgumentParser) -> None:
    """Declare ``report``, ``ledger``, ``devices``, ``benches``, ``orders``, ``jobs`` and ``simulate``."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    report = what.add_parser("report", help="energy, work and carbon of every device and of the fleet")
    ledger = what.add_parser("ledger", help="does every sent window have a place? exit 1 if not")
    devices = what.add_parser("devices", help="what was last heard from every device")
    benches = what.add_parser("benches", help="every bench that is stored: J/inference with U, valid or why not")
    orders = what.add_parser("orders", help="what became of every order, as devices told the collector")
    jobs = what.add_parser("jobs", help="work that might wait for a greener hour, and what that saved: estimates")
    for one in (orders, jobs):
        one.add_argument("--device", action="append", metavar="ID", help="of this device alone; may be repeated")
    for one in (report, devices, benches, orders, jobs):
        _add_journal(one)
    _add_journals(ledger)
    add_simulate(what)
    report.add_argument("--html", type=Path, metavar="FILE", help="also write the report as one self-contained page")


def _add_journal(parser: argparse.ArgumentParser) -> None:
    """Declare what every verb takes that reads one journal."""
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="where the collector keeps its journal")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the collector's TOML: state, inventory, intensity"
    )
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def _add_journals(ledger: argparse.ArgumentParser) -> None:
    """Declare what the ledger takes: it can add up the journals of several collectors."""
    ledger.add_argument(
        "--state-dir",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="where a collector keeps its journal; again for each collector of a shared group",
    )
    ledger.add_argument(
        "--config", type=Path, action="append", default=[], metavar="FILE", help="a collector's TOML; may be repeated"
    )
    ledger.add_argument("--boots", action="store_true", help="every boot of every device too")
    ledger.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")
