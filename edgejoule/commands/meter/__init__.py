"""``edgejoule meter``: list, show, read, record, replay, decode and emulate power meters on serial lines.

One file for each verb, with ``run``; it is imported when the verb is named.
"""

import argparse

from edgejoule.commands.meter import arguments as declared
from edgejoule.verbs import run_verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    declared.add_verbs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    return run_verb(__name__, arguments.verb, arguments)
