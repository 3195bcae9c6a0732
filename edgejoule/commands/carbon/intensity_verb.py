"""``edgejoule carbon intensity``: what the grid emits for a kilowatt-hour, by zone and time.

One file in ``intensity/`` for each verb, ``NAME_verb.py`` with ``add_arguments`` and ``run``, and a line in ``VERBS``.
"""

import argparse
from typing import Final

from edgejoule.commands.carbon.verb_parser import VerbParser
from edgejoule.verbs import declare, run_verb

_PACKAGE: Final = __name__.removesuffix("_verb")
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
    declare(parser, _PACKAGE, VERBS, dest="verb")


def run(arguments: argparse.Namespace) -> int:
    """Run the verb and return the exit code. Raises ConfigurationError as the verb does."""
    return run_verb(_PACKAGE, arguments.verb, arguments)
