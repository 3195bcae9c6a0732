"""``edgejoule deploy rollback``: back to the version before, on this board."""

import argparse

from edgejoule.commands.deploy.onboard_run import gate_words, run_apart
from edgejoule.deploy.onboard.cli import add_gate, add_place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where to."""
    parser.add_argument("--to", metavar="RELEASE", help="another one than the version before")
    add_gate(parser)
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Go back."""
    to = [] if arguments.to is None else ["--to", arguments.to]
    return run_apart("rollback", [*to, *gate_words(arguments)], arguments)
