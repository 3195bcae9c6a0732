"""``edgejoule pki init``: a new authority."""

import argparse

from edgejoule.commands.pki.arguments import add_authority, add_days
from edgejoule.output import EXIT_DONE, stdout_console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_authority(parser)
    add_days(parser, 3652)
    parser.add_argument("--name", default="edgejoule fleet", help="what it calls itself (default: edgejoule fleet)")
    parser.epilog = (
        "Whoever has ca.key can be any device: keep DIR on a machine that is not the broker, and back it up."
    )


def run(arguments: argparse.Namespace) -> int:
    """Make it. Raises ConfigurationError."""
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.pki.authority import create_authority
    from edgejoule.pki.passphrase import read_passphrase

    if not 1 <= len(arguments.name) <= 64 or not arguments.name.isprintable():
        raise ConfigurationError("--name: 1 to 64 printable characters")
    authority = create_authority(
        arguments.directory,
        arguments.name,
        passphrase=read_passphrase(arguments.passphrase_file),
        days=arguments.days,
    )
    console = stdout_console()
    console.print(f"authority {arguments.name!r} in {arguments.directory}", markup=False)
    console.print(f"fingerprint {authority.fingerprint}", markup=False, soft_wrap=True)
    console.print(f"valid until {authority.certificate.not_valid_after_utc:%Y-%m-%d}", markup=False)
    if arguments.passphrase_file is None:
        console.print("its key is not locked by a passphrase: who can read ca.key can be any device", markup=False)
    return EXIT_DONE
