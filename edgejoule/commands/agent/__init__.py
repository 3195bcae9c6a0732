"""``edgejoule agent run|bench|check-config``: the application on the device.

One file for each action, with ``run``; it is imported when the action is named.
"""

import argparse
import importlib

from edgejoule.commands.agent import arguments as declared


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    declared.add_actions(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the action and return the exit code."""
    module = arguments.action.replace("-", "_")
    code: int = importlib.import_module(f"{__name__}.{module}_verb").run(arguments)
    return code
