"""``edgejoule fleet report``: energy, work and carbon of every device and of the fleet."""

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from edge_agent.wire.errors import ConfigurationError
from edgejoule.commands.carbon.lake_place import bar
from edgejoule.fleet_tables import report_tables
from edgejoule.journals import config_of
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from collector.fleet.report import Progress

_MANY_WINDOWS: Final = 5_000_000
_QUICKER: Final = "a report reads every window, twice; a lake this large is quicker with: edgejoule carbon assess"


def run(arguments: argparse.Namespace) -> int:
    """Print the report, and write it as a page when asked. Raises ConfigurationError."""
    from collector.build import build_assessor
    from collector.fleet.report import fleet_report
    from collector.journal import Journal

    config = config_of(arguments)
    with closing(Journal(config.journal_path, read_only=True)) as journal:
        with _progress() as progress:
            report = fleet_report(journal, config.lake_dir, build_assessor(config), progress)
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


@contextmanager
def _progress() -> "Iterator[Progress]":
    """Show on a terminal how many windows are read, and what is quicker where they are many."""
    with bar() as shown:
        task = shown.add_task("reading windows", total=None)
        told: list[str] = []

        def go_on(done: int, of: int) -> None:
            if of > 2 * _MANY_WINDOWS and not told and not shown.disable:
                told.append(_QUICKER)
                shown.console.print(_QUICKER, soft_wrap=True)
            shown.update(task, completed=done, total=of)

        yield go_on
