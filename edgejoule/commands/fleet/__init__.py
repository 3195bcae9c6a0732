"""``edgejoule fleet``: report, ledger, devices and benches, from what the collector stored; it may run meanwhile.

``simulate`` plays a fleet that is none, against a real broker and collector.

One file for each verb, with ``run``; it is imported when the verb is named.
"""

import argparse

from edgejoule.commands.fleet import arguments as declared
from edgejoule.verbs import run_verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    declared.add_verbs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb and return the exit code. Raises ConfigurationError when there is no journal to read."""
    return run_verb(__name__, arguments.what, arguments)
