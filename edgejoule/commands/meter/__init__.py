"""``edgejoule meter``: list, show, read, record, replay, decode and emulate power meters on serial lines.

One file for each verb, with ``run``; it is imported when the verb is named.
"""

import argparse
import importlib

from edgejoule.commands.meter import arguments as declared


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    declared.add_verbs(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    code: int = importlib.import_module(f"{__name__}.{arguments.verb}_verb").run(arguments)
    return code
