"""``edgejoule deploy inventory``: the collector's inventory.toml out of the fleet file, so that it is said once."""

import argparse
import sys
from pathlib import Path

from edgejoule.output import EXIT_DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the fleet."""
    parser.add_argument("fleet", type=Path, metavar="FLEET.toml", help="the boards: see deploy/fleet.sample.toml")


def run(arguments: argparse.Namespace) -> int:
    """Write it to stdout. Raises ConfigurationError, also for what a collector would not take."""
    from collector.inventory import parse_inventory
    from edgejoule.deploy.fleet.devices import load_fleet
    from edgejoule.deploy.fleet.toml_text import toml_text

    rows = (toml_text(device.inventory, below=("device",)) for device in load_fleet(arguments.fleet).devices)
    text = "# Written by edgejoule deploy inventory.\n\n" + "\n".join(f"[[device]]\n{row}" for row in rows)
    parse_inventory(text, f"{arguments.fleet}: inventory")
    sys.stdout.write(text)
    return EXIT_DONE
