"""``edgejoule deploy follow``: read along with an installation that runs on this board."""

import argparse

from edgejoule.commands.deploy.onboard_run import follow
from edgejoule.deploy.onboard.cli import add_place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which."""
    parser.add_argument("id", nargs="?", help="of the installation; the latest unless given")
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Read along until it ends, and return its exit code."""
    return follow(arguments)
