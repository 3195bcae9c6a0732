"""``edgejoule order public``: what devices need to know a key."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge_agent.wire.records import Identifier
from edgejoule.commands.order.arguments import add_json, add_passphrase, passphrase_of
from edgejoule.output import EXIT_DONE, write_json

if TYPE_CHECKING:
    from edgejoule.orders.keys import OperatorKey


def add_name(parser: argparse.ArgumentParser) -> None:
    """Declare the operator's name."""
    parser.add_argument(
        "--name", default="operator", type=_name, help="what devices call its owner (default: operator)"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("key", type=Path, metavar="KEY", help="the private key")
    add_name(parser)
    add_passphrase(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print it. Raises ConfigurationError."""
    from edgejoule.orders.keys import load_key

    passphrase = passphrase_of(arguments.key, str(arguments.passphrase_file or ""))
    say_public(load_key(arguments.key, passphrase), arguments)
    return EXIT_DONE


def say_public(key: "OperatorKey", arguments: argparse.Namespace) -> None:
    """Print the lines for a device's operators.toml, or the same as JSON."""
    if arguments.json:
        write_json({"name": arguments.name, "public_key": key.text, "key_id": key.key_id})
        return
    sys.stdout.write(f'[[operator]]\nname = "{arguments.name}"\npublic_key = "{key.text}"\n')
    sys.stdout.flush()


def _name(text: str) -> str:
    try:
        return msgspec.convert(text, Identifier)
    except msgspec.ValidationError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: letters, digits, dots, lines and dashes, 64 at most") from error
