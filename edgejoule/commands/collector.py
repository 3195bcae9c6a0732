"""``edgejoule collector run|check-config``."""

import argparse
import threading
from pathlib import Path

from edgejoule.output import EXIT_DONE, stdout_console
from edgejoule.signals import STOP_SIGNALS, handled


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
    if arguments.action == "run":
        return _run(arguments.config)
    from collector.build import build_assessor, build_sinks
    from collector.config import read_config

    config = read_config(arguments.config)
    for sink in build_sinks(config, build_assessor(config)):
        sink.close()
    stdout_console().print(f"{arguments.config}: good")
    return EXIT_DONE


def _run(path: Path) -> int:
    """Hear signals first: what follows takes a moment to load."""
    stop = threading.Event()
    with handled(STOP_SIGNALS, lambda *_: stop.set()):
        from collector.app import run_collector
        from collector.config import read_config

        return run_collector(read_config(path), stop)
