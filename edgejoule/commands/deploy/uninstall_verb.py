"""``edgejoule deploy uninstall``: take the agent off this board; configuration and windows stay."""

import argparse

from edgejoule.commands.deploy.onboard_run import place_words, run_here
from edgejoule.deploy.onboard.cli import add_place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how much."""
    parser.add_argument("--purge", action="store_true", help="remove the configuration and the history too")
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Uninstall."""
    purge = ["--purge"] if arguments.purge else []
    return run_here(["uninstall", *purge, *place_words(arguments)], as_json=arguments.json)
