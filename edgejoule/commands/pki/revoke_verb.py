"""``edgejoule pki revoke``: a device is lost, sold or stolen."""

import argparse

from edgejoule.commands.pki.arguments import add_authority, open_authority
from edgejoule.output import EXIT_DONE, stdout_console, write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_authority(parser)
    parser.add_argument("what_to_revoke", metavar="DEVICE|SERIAL", help="all certificates of a name, or one")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.epilog = (
        "The broker has to be told: copy fleet.crl to it, then `systemctl reload mosquitto` for new connections; one "
        "that stands is only ended by `systemctl restart mosquitto`."
    )


def run(arguments: argparse.Namespace) -> int:
    """Revoke, and say what is left to do. Raises ConfigurationError and RefusedError."""
    from edgejoule.pki.authority import LIST_NAME

    outcome = open_authority(arguments).revoke(arguments.what_to_revoke)
    if arguments.json:
        write_json({"revoked": [entry.serial for entry in outcome.revoked], "tokens_withdrawn": outcome.tokens})
        return EXIT_DONE
    console = stdout_console()
    for entry in outcome.revoked:
        console.print(f"revoked {entry.name} {entry.serial}", markup=False, soft_wrap=True)
    if not outcome.revoked:
        console.print("no valid certificate was left to revoke", markup=False)
    if outcome.tokens:
        console.print(f"tokens withdrawn: {outcome.tokens}", markup=False)
    console.print(
        f"now copy {arguments.directory / LIST_NAME} to the broker and restart mosquitto: a reload would leave a "
        "connection that stands",
        markup=False,
        soft_wrap=True,
    )
    return EXIT_DONE
