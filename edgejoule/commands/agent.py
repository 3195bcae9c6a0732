"""``edgejoule agent run|check-config``: the application on the device."""

import argparse
from pathlib import Path

from edgejoule.output import EXIT_DONE, stdout_console, write_json
from edgejoule.signals import STOP_SIGNALS, handled


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    run_parser = actions.add_parser("run", help="measure until SIGTERM or Ctrl-C")
    check = actions.add_parser("check-config", help="read the configuration, find driver and model, open nothing")
    for action in (run_parser, check):
        action.add_argument("--config", type=Path, required=True, metavar="FILE", help="agent.toml")
    check.add_argument("--json", action="store_true", help="print the configuration with its defaults as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run the action and return the exit code."""
    if arguments.action == "check-config":
        return _check(arguments.config, as_json=arguments.json)
    return _run(arguments.config)


def _run(path: Path) -> int:
    from edge_agent.service import StopFlag

    stop = StopFlag()
    with handled(STOP_SIGNALS, lambda *_: stop.request()):  # heard before what follows is loaded
        from edge_agent.app import run_agent
        from edge_agent.config import load_config

        run_agent(load_config(path), stop)
    return EXIT_DONE


def _check(path: Path, *, as_json: bool) -> int:
    from edge_agent.app import prepare
    from edge_agent.config import load_config

    config = load_config(path)
    prepared = prepare(config)
    if as_json:
        write_json(config)
    else:
        stdout_console().print(
            f"{path}: ok. {config.device.id} measures {prepared.model.model_id} with a {prepared.driver.name} on "
            f"{config.meter.port} and reports to {config.broker.url}.",
            markup=False,
            soft_wrap=True,
        )
    return EXIT_DONE
