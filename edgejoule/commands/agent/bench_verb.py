"""``edgejoule agent bench``: joules per inference of one model, with an uncertainty that holds."""

import argparse
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json
from edgejoule.signals import STOP_SIGNALS, handled

if TYPE_CHECKING:
    from edge_agent.bench_app import Outcome
    from edgejoule.bench_report.values import Report

STDOUT: Final = "-"
REPORT_SUFFIXES: Final = (".html", ".md")


def run(arguments: argparse.Namespace) -> int:
    """Bench, show, write. The exit code is 0 for a valid result only."""
    from edge_agent.service import StopFlag

    stop = StopFlag()
    with handled(STOP_SIGNALS, lambda *_: stop.request()):  # heard before what follows is loaded
        from edge_agent.bench.record import is_valid
        from edge_agent.bench.run import BenchStoppedError
        from edge_agent.bench_app import bench
        from edgejoule.commands.agent.bench_order import order_of
        from edgejoule.commands.agent.bench_progress import BenchProgress

        _check_files(arguments)
        order = order_of(arguments)
        _only_warnings()
        try:
            with BenchProgress(quiet=arguments.quiet) as progress:
                outcome = bench(order, progress.show, stop)
        except BenchStoppedError:
            stderr_console().print("edgejoule: stopped: there is no result, and nothing was written", markup=False)
            return EXIT_NO
        _write(outcome, arguments)
    return EXIT_DONE if is_valid(outcome.record) else EXIT_NO


def _only_warnings() -> None:
    """Let the log be silent about what goes well: the progress says it."""
    wrapper = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=wrapper)


def _check_files(arguments: argparse.Namespace) -> None:
    """Raise ConfigurationError before the measurement for files that could not be written after it."""
    from edge_agent.wire.errors import ConfigurationError

    report: Path | None = arguments.report
    if report is not None and report.suffix not in REPORT_SUFFIXES:
        raise ConfigurationError(f"--report {report}: name a file that ends in {' or '.join(REPORT_SUFFIXES)}")
    record = None if arguments.json in {None, STDOUT} else Path(arguments.json)
    for path in (record, report):
        if path is None:
            continue
        if path.exists() and not arguments.force:
            raise ConfigurationError(f"{path}: exists already; name another file, or overwrite it with --force")
        if not os.access(path.parent, os.W_OK):
            raise ConfigurationError(f"{path}: its directory is not there or cannot be written; name another file")


def _write(outcome: "Outcome", arguments: argparse.Namespace) -> None:
    from edgejoule.bench_report.content import report_of
    from edgejoule.bench_report.terminal import print_headline, print_report

    report = report_of(outcome.record)
    if arguments.json not in {None, STDOUT}:
        _write_whole(Path(arguments.json), _json_text(outcome))
    if arguments.report is not None:
        _write_report(arguments.report, outcome, report)
    if arguments.json == STDOUT:
        write_json(outcome.record)
        return
    console = stdout_console()
    (print_headline if arguments.quiet else print_report)(report, console)
    for line in _where_it_is(outcome, arguments):
        console.print(line, markup=False, soft_wrap=True)


def _where_it_is(outcome: "Outcome", arguments: argparse.Namespace) -> list[str]:
    lines = [f"written: {path}" for path in (arguments.json, arguments.report) if path is not None]
    if outcome.note:
        lines.append(f"not kept: {outcome.note}")
    elif outcome.kept is None:
        lines.append("not kept: no --state-dir and no --config")
    elif outcome.delivered is None:
        lines.append(f"kept: {outcome.kept}")
    elif outcome.delivered:
        lines.append("delivered: the collector has stored it")
    else:
        lines.append(f"kept: {outcome.kept}; not delivered yet, the next agent run delivers it")
    return lines


def _write_report(path: Path, outcome: "Outcome", report: "Report") -> None:
    from edgejoule.bench_report.drawing import draw, has_matplotlib
    from edgejoule.bench_report.markdown import to_markdown
    from edgejoule.bench_report.page import to_html

    drawing = draw(outcome.record, outcome.trace, outcome.parts_device_s) if has_matplotlib() else ""
    if path.suffix == ".html":
        _write_whole(path, to_html(report, drawing))
        return
    beside = path.with_suffix(".svg")
    if drawing:
        _write_whole(beside, drawing)
    _write_whole(path, to_markdown(report, beside.name if drawing else ""))


def _json_text(outcome: "Outcome") -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(outcome.record), indent=2).decode() + "\n"


def _write_whole(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
