"""``edgejoule fleet benches``: every bench that is stored."""

import argparse

from edgejoule.fleet_tables import bench_table
from edgejoule.journals import opened
from edgejoule.output import EXIT_DONE, stdout_console, write_json


def run(arguments: argparse.Namespace) -> int:
    """Print the benches. Raises ConfigurationError."""
    with opened(arguments) as journal:
        entries = journal.benches()
    if arguments.json:
        write_json({"benches": entries})
    elif entries:
        stdout_console().print(bench_table(entries))
    else:
        stdout_console().print("no bench is stored; on a device: edgejoule agent bench --help")
    return EXIT_DONE
