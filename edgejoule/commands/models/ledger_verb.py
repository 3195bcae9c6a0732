"""``edgejoule models ledger``: MACs, parameters, size and latency beside the joules of the same models."""

import argparse
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgejoule.argument_types import whole
from edgejoule.commands.agent.arguments import BOUNDARIES
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.compute_ledger.ledger import Wanted
    from edgejoule.compute_ledger.rows import Known
    from edgejoule.compute_ledger.values import Ledger

REPORT_SUFFIXES: Final = (".html", ".md")
PLOT_SUFFIXES: Final = (".svg", ".png")
CSV_SUFFIXES: Final = (".csv",)
MOST_DRAWS: Final = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where benches are, which of them count, and what is written."""
    parser.epilog = "docs/compute-ledger.md says how to make the benches, and how to read the ledger."
    where = parser.add_argument_group("benches")
    where.add_argument("records", nargs="*", type=Path, metavar="RECORD.json", help="of 'agent bench --json FILE'")
    where.add_argument(
        "--records", dest="folders", type=Path, action="append", default=[], metavar="DIR",
        help="every record below this folder, as of 'agent bench-all --out DIR'; may be repeated",
    )  # fmt: skip
    where.add_argument(
        "--state-dir", type=Path, action="append", default=[], metavar="DIR", help="of a collector; may be repeated"
    )
    where.add_argument("--device", metavar="ID", help="which device, where they are of several")
    where.add_argument("--boundary", choices=BOUNDARIES, help="which boundary, where they are of several")
    where.add_argument(
        "--simulated", action="store_true", help="simulated benches alone, though measured ones are there"
    )
    where.add_argument("--include-rejected", action="store_true", help="rejected benches too, marked")
    where.add_argument(
        "--catalog-dir", type=Path, action="append", default=[], metavar="DIR",
        help="a catalogue beside the shipped one: precision and MACs of files by sha256; may be repeated",
    )  # fmt: skip
    how = parser.add_argument_group("output")
    how.add_argument("--report", type=Path, metavar="FILE", help="the ledger as FILE.html or FILE.md, with the figure")
    how.add_argument("--plot", type=Path, metavar="FILE", help="the figure alone, FILE.svg or FILE.png")
    how.add_argument("--csv", type=Path, metavar="FILE", help="the rows")
    how.add_argument("--energy", choices=("gross", "net"), default="gross", help="what the figure shows (gross)")
    how.add_argument("--seed", type=whole, default=0, metavar="N", help="of intervals and p-values (0)")
    how.add_argument("--draws", type=whole, default=2000, metavar="N", help="of the intervals (2000)")
    how.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Show the ledger and write what is asked for. Raises ConfigurationError."""
    from edgejoule.compute_ledger.ledger import ledger_of
    from edgejoule.compute_ledger.records import read_all

    _check(arguments)
    found = read_all(arguments.records, arguments.folders, arguments.state_dir)
    ledger = ledger_of(list(found.records.values()), found.unreadable, _known(arguments), _wanted(arguments))
    _write_files(ledger, arguments)
    if arguments.json:
        write_json(ledger)
    else:
        _print(ledger, arguments)
    return EXIT_DONE


def _wanted(arguments: argparse.Namespace) -> "Wanted":
    from edgejoule.compute_ledger.ledger import Wanted

    return Wanted(
        device_id=arguments.device,
        boundary=arguments.boundary,
        simulated=True if arguments.simulated else None,
        include_rejected=arguments.include_rejected,
        seed=arguments.seed,
        draws=arguments.draws,
    )


def _known(arguments: argparse.Namespace) -> "Known":
    from edge_agent.model_catalog import models_dir
    from edgejoule.compute_ledger.rows import Known
    from edgejoule.zoo.catalog_file import read_catalog

    return Known.of(map(read_catalog, [*arguments.catalog_dir, models_dir()]))


def _check(arguments: argparse.Namespace) -> None:
    """Raise ConfigurationError before any work for what could not be done after it."""
    from edge_agent.wire.errors import ConfigurationError

    if not 100 <= arguments.draws <= MOST_DRAWS:
        raise ConfigurationError(f"--draws {arguments.draws}: draw 100 to {MOST_DRAWS} times; 2000 is the default")
    for flag, path, suffixes in (
        ("--report", arguments.report, REPORT_SUFFIXES),
        ("--plot", arguments.plot, PLOT_SUFFIXES),
        ("--csv", arguments.csv, CSV_SUFFIXES),
    ):
        if path is None:
            continue
        if path.suffix not in suffixes:
            raise ConfigurationError(f"{flag} {path}: name a file that ends in {' or '.join(suffixes)}")
        if not os.access(path.parent, os.W_OK):
            raise ConfigurationError(f"{path}: its directory is not there or cannot be written; name another file")
    if arguments.plot is not None and not _can_draw():
        raise ConfigurationError("--plot needs matplotlib: pip install 'edgejoule[analysis]'")


def _can_draw() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def _write_files(ledger: "Ledger", arguments: argparse.Namespace) -> None:
    from edge_agent.wire.errors import ConfigurationError

    try:
        if arguments.csv is not None:
            _write_csv(ledger, arguments.csv)
        if arguments.plot is not None:
            from edgejoule.compute_ledger.drawing import draw_file

            draw_file(ledger, arguments.plot, arguments.energy)
        if arguments.report is not None:
            _write_report(ledger, arguments.report, arguments.energy)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or 'the output'}: cannot be written: {error.strerror}; name another file"
        ) from error


def _write_csv(ledger: "Ledger", path: Path) -> None:
    from edgejoule.compute_ledger.content import to_csv

    path.write_text(to_csv(ledger), encoding="utf-8")


def _write_report(ledger: "Ledger", path: Path, energy: str) -> None:
    from edgejoule.bench_report.markdown import to_markdown
    from edgejoule.bench_report.page import to_html
    from edgejoule.compute_ledger.content import report_of

    drawing = ""
    if _can_draw():
        from edgejoule.compute_ledger.drawing import draw

        drawing = draw(ledger, energy)
    report = report_of(ledger)
    if path.suffix == ".html":
        path.write_text(to_html(report, drawing), encoding="utf-8")
        return
    beside = path.with_suffix(".svg")
    if drawing:
        beside.write_text(drawing, encoding="utf-8")
    path.write_text(
        to_markdown(report, beside.name if drawing else "", f"{energy} joules per inference"), encoding="utf-8"
    )


def _print(ledger: "Ledger", arguments: argparse.Namespace) -> None:
    from edgejoule.bench_report.terminal import print_report
    from edgejoule.compute_ledger.content import report_of

    console = stdout_console()
    print_report(report_of(ledger), console)
    for path in (arguments.report, arguments.plot, arguments.csv):
        if path is not None:
            console.print(f"written: {path}", markup=False, soft_wrap=True)
