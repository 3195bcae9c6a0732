"""Signed orders to devices: ``edgejoule order``.

One file for each verb, with ``add_arguments`` and ``run``; it is imported when the verb is named.
"""

import argparse
from typing import Final

from edgejoule.verbs import declare, run_verb

VERBS: Final[dict[str, str]] = {
    "keygen": "make an operator's key, and say what devices need to know it",
    "public": "say again what devices need to know a key",
    "publish": "put files where the collector serves them to devices, by their hash",
    "send": "send an order to devices, and hear what they reply",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    declare(parser, __name__, VERBS)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb and return the exit code. Raises ConfigurationError as the verb does."""
    return run_verb(__name__, arguments.what, arguments)
