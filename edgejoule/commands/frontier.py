"""``edgejoule frontier``: accuracy per carbon, and what the next point of it costs."""

import argparse
from typing import TYPE_CHECKING, Any

from edge_agent.wire.errors import ConfigurationError
from edgejoule.report_files import Reported, add_outputs, check_outputs, deliver

if TYPE_CHECKING:
    from edgejoule.frontier.values import Frontier


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the models, their joules, the grid, and the outputs."""
    from edgejoule.lifecycle.asked import add_sources

    parser.epilog = "docs/lifecycle.md says how to read the answer."
    parser.add_argument("--zone", default="", metavar="ZONE", help="grams on this grid; else joules")
    parser.add_argument(
        "--inferences", type=float, metavar="N", help="spread each model's making over so many inferences, too"
    )
    add_sources(parser)
    add_outputs(parser, rows="a row for each model")


def run(arguments: argparse.Namespace) -> int:
    """Show it. Raises ConfigurationError."""
    check_outputs(arguments)
    found = _answer(arguments)
    from edgejoule.frontier.report import report_of, rows_of, shows

    return deliver(arguments, found, Reported(report_of(found), lambda: _figure(found), shows(found), rows_of(found)))


def _figure(found: "Frontier") -> Any:
    from edgejoule.frontier.drawing import draw

    return draw(found)


def _answer(arguments: argparse.Namespace) -> "Frontier":
    from collector.carbon.montecarlo import Draws
    from edgejoule.frontier.compute import frontier
    from edgejoule.lifecycle.asked import find, intensity
    from edgejoule.lifecycle.compute import rates_of

    count = arguments.inferences
    if count is not None and not 0.0 < count <= 1e24:
        raise ConfigurationError(f"--inferences {count:g}: give a number above 0, or leave the making out")
    found = find(arguments)
    draws = Draws(seed=arguments.seed, count=arguments.draws)
    grid = intensity(arguments, arguments.zone, "--zone")
    return frontier(found, arguments.task, rates_of(draws, grid, 1.0, grid), draws, count)
