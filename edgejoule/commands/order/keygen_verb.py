"""``edgejoule order keygen``: make an operator's key."""

import argparse
from pathlib import Path

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text
from edgejoule.commands.order.arguments import add_json, add_passphrase
from edgejoule.commands.order.public_verb import add_name, say_public
from edgejoule.output import EXIT_DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("out", type=Path, metavar="OUT", help="the file for the private key; it must not be there yet")
    add_name(parser)
    add_passphrase(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make it, and print its public half. Raises ConfigurationError."""
    from edgejoule.orders.keys import make_key

    passphrase = ""
    if arguments.passphrase_file is not None:
        passphrase = read_text(arguments.passphrase_file, f"--passphrase-file {arguments.passphrase_file}").strip(
            "\r\n"
        )
        if not passphrase:
            raise ConfigurationError(
                f"--passphrase-file {arguments.passphrase_file}: is empty; write a passphrase into it"
            )
    say_public(make_key(arguments.out, passphrase), arguments)
    return EXIT_DONE
