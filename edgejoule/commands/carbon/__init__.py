"""``edgejoule carbon``: intensities, embodied figures and assessments, each with range, source, licence and vintage.

One file for each verb, ``NAME_verb.py`` with ``add_arguments`` and ``run``, and one line in ``VERBS``.
"""

import argparse
import importlib
from types import ModuleType
from typing import Final

from edgejoule.commands.carbon.verb_parser import VerbParser

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
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT", parser_class=VerbParser)
    for name, purpose in VERBS.items():
        one = what.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        _verb(name).add_arguments(one)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb and return the exit code. Raises ConfigurationError as the verb does."""
    code: int = _verb(arguments.what).run(arguments)
    return code


def _verb(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}_verb")
