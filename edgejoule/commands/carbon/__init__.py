"""``edgejoule carbon``: intensities, embodied figures and assessments, each with range, source, licence and vintage.

One file for each verb, ``NAME_verb.py`` with ``add_arguments`` and ``run``, and one line in ``VERBS``.
"""

import argparse
from typing import Final

from edgejoule.commands.carbon.verb_parser import VerbParser
from edgejoule.verbs import declare, run_verb

VERBS: Final[dict[str, str]] = {
    "intensity": "grid carbon intensity: list, sources, fetch, import, stored, show, what-if",
    "embodied": "embodied carbon of hardware and of an inventory's devices, part by part",
    "map": "embodied share of each board over grid, duty and lifetime: table and figure",
    "assess": "a fleet's energy, work and carbon over any period, from the lake",
    "reassess": "grams in InfluxDB written again, for a stretch of time, as known now or at any moment",
    "roll-up": "the lake's windows summed up by hour, for assessments of years",
    "boavizta": "embodied figures from a BoaviztAPI server of one's own, as parts for the inventory",
    "audit": "published figures derived again: printed against exact, and the slips named",
    "factors": "the factor tables with their licences: list, show, check",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    declare(parser, __name__, VERBS, parser_class=VerbParser)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb and return the exit code. Raises ConfigurationError as the verb does."""
    return run_verb(__name__, arguments.what, arguments)
