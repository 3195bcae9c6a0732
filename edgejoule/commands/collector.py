"""``edgejoule collector run|check-config``."""

import argparse
from pathlib import Path

from edgejoule.output import EXIT_DONE, stdout_console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the sub-commands."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        ("run", "run until SIGTERM or SIGINT"),
        ("check-config", "check the configuration and every file that it names, then exit"),
    ):
        action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        action.add_argument("--config", type=Path, required=True, metavar="FILE", help="the collector's TOML file")


def run(arguments: argparse.Namespace) -> int:
    """Run the collector, or only check what it would run with."""
    from collector.config import read_config

    config = read_config(arguments.config)
    if arguments.action == "run":
        from collector.app import run_collector

        return run_collector(config)
    from collector.build import build_assessor, build_sinks

    for sink in build_sinks(config, build_assessor(config)):
        sink.close()
    stdout_console().print(f"{arguments.config}: good")
    return EXIT_DONE
