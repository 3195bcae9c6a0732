"""What ``edgejoule collector`` takes, action by action. Imports nothing heavy."""

import argparse
from pathlib import Path

from edgejoule.commands.collector.dead_letters_arguments import add_dead_letters


def add_actions(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        ("run", "run until SIGTERM or SIGINT"),
        ("check-config", "check the configuration and every file that it names, then exit"),
    ):
        add_config(actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + "."))
    add_dead_letters(actions)


def add_config(action: argparse.ArgumentParser) -> None:
    """Declare ``--config``, which every action takes."""
    action.add_argument("--config", type=Path, required=True, metavar="FILE", help="the collector's TOML file")
