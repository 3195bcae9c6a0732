"""``edgejoule collector run|check-config|...``: the server that takes what the devices send.

One file for each action, with ``run``; it is imported when the action is named.
"""

import argparse

from edgejoule import verbs
from edgejoule.commands.collector import arguments as declared


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    declared.add_actions(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the action and return the exit code."""
    return verbs.run_verb(__name__, arguments.action, arguments)
