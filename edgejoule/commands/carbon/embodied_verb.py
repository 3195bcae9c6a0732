"""``edgejoule carbon embodied``: the embodied carbon of hardware."""

import argparse

from edgejoule.commands.carbon.factor_list import show_factors
from edgejoule.output import EXIT_DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the hardware names."""
    parser.add_argument("names", nargs="*", metavar="HARDWARE", help="hardware name; all when none")
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """List the factors asked for. Raises ConfigurationError for a name that is not there."""
    from collector.data.tables import EMBODIED_HARDWARE, shipped_factors

    factors = shipped_factors(EMBODIED_HARDWARE)
    show_factors(factors, arguments.names, "embodied", "Embodied carbon of hardware", as_json=arguments.json)
    return EXIT_DONE
