"""What ``edgejoule collector`` takes, action by action. Imports nothing heavy."""

import argparse
from pathlib import Path

from edgejoule.commands.collector.dead_letters_arguments import add_dead_letters


def add_actions(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_run(actions)
    text = "check the configuration and every file that it names, then exit"
    add_config(actions.add_parser("check-config", help=text, description=text[0].upper() + text[1:] + "."))
    _add_web(actions)
    add_dead_letters(actions)
    _add_init(actions)


def _add_run(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    action = actions.add_parser("run", help="run until SIGTERM or SIGINT", description="Run until SIGTERM or SIGINT.")
    add_config(action)
    action.add_argument(
        "--web",
        metavar="HOST:PORT",
        nargs="?",
        const="",
        help="serve the live page too, where [web] listen says or else at 127.0.0.1:8787; port 0 takes a free one",
    )


def _add_web(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    action = actions.add_parser(
        "web",
        help="serve the live page alone, beside a collector that runs or has run",
        description="Serve the live page of what a collector has stored, until SIGTERM or SIGINT. It reads only.",
    )
    add_config(action)
    action.add_argument(
        "--listen", metavar="HOST:PORT", help="instead of [web] listen, or else of 127.0.0.1:8787; port 0: a free one"
    )


def _add_init(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    action = actions.add_parser(
        "init",
        help="create the databases or buckets that the configuration names, and set how long they keep points",
        description="Create what [influxdb] and [influxdb.hourly] name, and set its retention. Harmless to repeat.",
        epilog="Exit code 0: everything is as configured (or could be told, with --dry-run); 1: something is not.",
    )
    add_config(action)
    action.add_argument("--dry-run", action="store_true", help="only say what is there and what would be done")
    action.add_argument("--json", action="store_true", help="print JSON only")


def add_config(action: argparse.ArgumentParser) -> None:
    """Declare ``--config``, which every action takes."""
    action.add_argument("--config", type=Path, required=True, metavar="FILE", help="the collector's TOML file")
