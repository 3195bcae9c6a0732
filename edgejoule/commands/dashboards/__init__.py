"""``edgejoule dashboards``: write the Grafana dashboards, check them, or push them to a Grafana.

One file for each verb, ``NAME_verb.py`` with ``add_arguments`` and ``run``, and one line in ``VERBS``.
"""

import argparse
import importlib
from types import ModuleType
from typing import Final

VERBS: Final[dict[str, str]] = {
    "build": "write the JSON of dashboards and alert rules",
    "check": "check every panel, query and rule, and that the files are what build writes; exit 1 if not",
    "push": "bring data sources, folder, dashboards and alert rules of a running Grafana up to date",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, purpose in VERBS.items():
        one = what.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        _verb(name).add_arguments(one)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb and return the exit code. Raises ConfigurationError as the verb does."""
    code: int = _verb(arguments.what).run(arguments)
    return code


def _verb(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}_verb")
