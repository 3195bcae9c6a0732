"""``edgejoule collector run|check-config|...``: the server that takes what the devices send.

One file for each action, with ``run``; it is imported when the action is named.
"""

import argparse
import importlib

from edgejoule.commands.collector import arguments as declared


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    declared.add_actions(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the action and return the exit code."""
    module = arguments.action.replace("-", "_")
    code: int = importlib.import_module(f"{__name__}.{module}_verb").run(arguments)
    return code
