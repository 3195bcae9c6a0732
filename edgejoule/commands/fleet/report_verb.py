"""``edgejoule fleet report``: energy, work and carbon of every device and of the fleet."""

import argparse
from contextlib import closing

from edge_agent.wire.errors import ConfigurationError
from edgejoule.fleet_tables import report_tables
from edgejoule.journals import config_of
from edgejoule.output import EXIT_DONE, stdout_console, write_json


def run(arguments: argparse.Namespace) -> int:
    """Print the report, and write it as a page when asked. Raises ConfigurationError."""
    from collector.build import build_assessor
    from collector.fleet.report import fleet_report
    from collector.journal import Journal

    config = config_of(arguments)
    with closing(Journal(config.journal_path, read_only=True)) as journal:
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
