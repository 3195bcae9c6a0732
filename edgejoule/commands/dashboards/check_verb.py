"""``edgejoule dashboards check``: what is wrong with the dashboards, and whether their files are up to date."""

import argparse

from edgejoule.commands.dashboards.builder import add_directory, load_builder, show
from edgejoule.output import EXIT_DONE, EXIT_NO


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check; the exit code is 1 where there is a fault."""
    builder = load_builder()
    faults = builder.check(arguments.dir or builder.HERE)
    show(arguments, {"ok": not faults, "faults": faults}, faults or ["dashboards: in order and up to date"])
    return EXIT_NO if faults else EXIT_DONE
