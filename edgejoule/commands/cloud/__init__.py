"""``edgejoule cloud``: the other side of a comparison, measured on the server itself.

One file for each verb, ``NAME_verb.py`` with ``add_arguments`` and ``run``, and one line in ``VERBS``.
"""

import argparse
from typing import Final

from edgejoule.verbs import declare, run_verb

VERBS: Final[dict[str, str]] = {
    "bench": "joules per inference of a model on this server, by batch size",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    declare(parser, __name__, VERBS, dest="action")


def run(arguments: argparse.Namespace) -> int:
    """Run the verb and return the exit code. Raises ConfigurationError as the verb does."""
    return run_verb(__name__, arguments.action, arguments)
