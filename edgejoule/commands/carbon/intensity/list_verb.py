"""``edgejoule carbon intensity list``: yearly averages."""

import argparse
from pathlib import Path

from edgejoule.commands.carbon.factor_list import show_factors
from edgejoule.output import EXIT_DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the zones."""
    parser.add_argument("names", nargs="*", metavar="ZONE", help="ISO 3166 code, EU or WORLD; all when none")
    parser.add_argument("--table", type=Path, help="an intensity table of your own, over the shipped one")
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """List the factors asked for. Raises ConfigurationError for a name that is not there."""
    from collector.intensity.yearly_table import load_yearly_table

    factors = load_yearly_table(arguments.table).factors
    title = "Grid carbon intensity, yearly average"
    show_factors(factors, arguments.names, "intensity", title, as_json=arguments.json)
    return EXIT_DONE
