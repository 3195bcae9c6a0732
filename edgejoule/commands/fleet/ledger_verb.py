"""``edgejoule fleet ledger``: does every window that was sent have a place?"""

import argparse

from edgejoule.commands.fleet.journals import opened
from edgejoule.fleet_tables import ledger_table
from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json


def run(arguments: argparse.Namespace) -> int:
    """Print the ledger. The exit code is 1 when it does not add up. Raises ConfigurationError."""
    with opened(arguments) as journal:
        lines = journal.ledger()
    adds_up = all(line.adds_up for line in lines)
    if arguments.json:
        write_json({"adds_up": adds_up, "devices": lines})
    else:
        stdout_console().print(ledger_table(lines))
    return EXIT_DONE if adds_up else EXIT_NO
