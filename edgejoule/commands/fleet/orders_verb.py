"""``edgejoule fleet orders``: what became of every order, as devices told the collector."""

import argparse

from edgejoule.journals import opened
from edgejoule.output import EXIT_DONE, stdout_console, write_json


def run(arguments: argparse.Namespace) -> int:
    """Print the orders, the latest first. Raises ConfigurationError."""
    from collector import replies
    from collector.orders import orders
    from edgejoule.order_tables import order_table

    with opened(arguments) as journal, journal.snapshot() as db:
        entries = orders(replies.stored(db))
    entries = [entry for entry in entries if not arguments.device or entry.device_id in arguments.device]
    if arguments.json:
        write_json({"orders": entries})
    elif entries:
        stdout_console().print(order_table(entries))
    else:
        told = f"none of {', '.join(arguments.device)}" if arguments.device else "no device"
        line = f"{told} has replied to an order; to give one: edgejoule order send --help"
        stdout_console().print(line, markup=False, soft_wrap=True)
    return EXIT_DONE
