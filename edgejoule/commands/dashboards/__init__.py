"""``edgejoule dashboards``: write the Grafana dashboards, check them, or push them to a Grafana.

One file for each verb, ``NAME_verb.py`` with ``add_arguments`` and ``run``, and one line in ``VERBS``.
"""

import argparse
from typing import Final

from edgejoule.verbs import declare, run_verb

VERBS: Final[dict[str, str]] = {
    "build": "write the JSON of dashboards and alert rules",
    "check": "check every panel, query and rule, and that the files are what build writes; exit 1 if not",
    "push": "bring data sources, folder, dashboards and alert rules of a running Grafana up to date",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    declare(parser, __name__, VERBS)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb and return the exit code. Raises ConfigurationError as the verb does."""
    return run_verb(__name__, arguments.what, arguments)
