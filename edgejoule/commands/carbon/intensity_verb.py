"""``edgejoule carbon intensity``: what the grid emits for a kilowatt-hour, by zone and time.

One file in ``intensity/`` for each verb, ``NAME_verb.py`` with ``add_arguments`` and ``run``, and a line in ``VERBS``.
"""

import argparse
import importlib
from types import ModuleType
from typing import Final

from edgejoule.commands.carbon.verb_parser import VerbParser

DEFAULT_VERB: Final = "list"
VERBS: Final[dict[str, str]] = {
    DEFAULT_VERB: "yearly averages by zone; meant when no verb is named",
    "sources": "the sources of time-resolved intensities, with licences",
    "fetch": "ask sources now, and keep what they say",
    "import": "keep a CSV or Parquet series of your own",
    "stored": "what is kept so far, by source and zone",
    "show": "intensities over time, and what was known of them at a moment",
    "what-if": "the same work at another hour or in another place",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    if isinstance(parser, VerbParser):
        parser.default_verb, parser.verbs = DEFAULT_VERB, tuple(VERBS)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, purpose in VERBS.items():
        one = verbs.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        _verb(name).add_arguments(one)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb and return the exit code. Raises ConfigurationError as the verb does."""
    code: int = _verb(arguments.verb).run(arguments)
    return code


def _verb(name: str) -> ModuleType:
    package = __name__.removesuffix("_verb")
    return importlib.import_module(f"{package}.{name.replace('-', '_')}_verb")
