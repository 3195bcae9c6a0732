"""``edgejoule deploy plan``: what ``apply`` would change on which board, and why. It changes nothing."""

import argparse

from edgejoule.commands.deploy.apply_verb import roll_out_or_plan
from edgejoule.commands.deploy.fleet_arguments import add_fleet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what and where."""
    add_fleet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look at all boards and show the plan; exit code 1 if something stands in the way. Raises ConfigurationError."""
    return roll_out_or_plan(arguments, dry_run=True)
