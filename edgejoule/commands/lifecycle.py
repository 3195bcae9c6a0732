"""``edgejoule lifecycle``: making a model against using it, by phase and by method."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.wire.errors import ConfigurationError
from edgejoule.report_files import Reported, add_outputs, check_outputs, deliver

if TYPE_CHECKING:
    from edgejoule.lifecycle.scenario import LifecycleScenario
    from edgejoule.lifecycle.values import Lifecycle

_SAID = ("task", "baseline", "development_zone", "deployment_zone")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the scenario, the models, their joules, and the outputs."""
    from edgejoule.lifecycle.asked import add_sources

    parser.epilog = "docs/lifecycle.md says how to write a scenario, and how to read the answer."
    parser.add_argument("scenario", nargs="?", type=Path, metavar="SCENARIO.toml", help="searches, data, grids")
    parser.add_argument("--baseline", default="", metavar="MODEL", help="what the others are set against")
    parser.add_argument("--development-zone", default="", metavar="ZONE", help="grams: where models are made")
    parser.add_argument("--deployment-zone", default="", metavar="ZONE", help="grams: where they are used")
    add_sources(parser)
    add_outputs(parser, rows="a row for each model")


def run(arguments: argparse.Namespace) -> int:
    """Show it. Raises ConfigurationError."""
    check_outputs(arguments)
    found = _answer(arguments)
    from edgejoule.lifecycle.report import report_of, rows_of, shows

    return deliver(arguments, found, Reported(report_of(found), lambda: _figure(found), shows(found), rows_of(found)))


def _figure(found: "Lifecycle") -> Any:
    from edgejoule.lifecycle.drawing import draw

    return draw(found)


def _answer(arguments: argparse.Namespace) -> "Lifecycle":
    from collector.carbon.montecarlo import Draws
    from edgejoule.lifecycle.asked import find, intensity
    from edgejoule.lifecycle.compute import lifecycle, rates_of

    scenario = _scenario(arguments)
    found = find(arguments)
    draws = Draws(seed=arguments.seed, count=arguments.draws)
    rates = rates_of(
        draws,
        intensity(arguments, scenario.development_zone, "development_zone"),
        scenario.development_pue,
        intensity(arguments, scenario.deployment_zone, "deployment_zone"),
    )
    return lifecycle(found.catalog, scenario, found.deployed, rates, draws, where=found.where, notes=found.notes)


def _scenario(arguments: argparse.Namespace) -> "LifecycleScenario":
    import msgspec

    from edgejoule.lifecycle.scenario import LifecycleScenario, read_lifecycle

    scenario = LifecycleScenario() if arguments.scenario is None else read_lifecycle(arguments.scenario)
    said = {name: getattr(arguments, name) for name in _SAID if getattr(arguments, name)}
    twice = [name for name in said if getattr(scenario, name)]
    if twice:
        raise ConfigurationError(
            f"{arguments.scenario} says {twice[0]} itself; leave --{twice[0].replace('_', '-')} out"
        )
    return msgspec.structs.replace(scenario, **said)
