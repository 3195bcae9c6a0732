"""``edgejoule pki token``: one line that lets one device ask for one certificate."""

import argparse
import sys
import time

import msgspec

from edgejoule.commands.pki.arguments import add_authority, duration_s, identity, open_authority
from edgejoule.output import EXIT_DONE, write_json


class Given(msgspec.Struct, frozen=True):
    """What ``--json`` prints."""

    name: str
    token: str
    valid_s: int
    has_certificate: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_authority(parser)
    parser.add_argument("name", metavar="DEVICE", help="its id, as [device] id in agent.toml")
    parser.add_argument("--valid", type=duration_s, default=3600, metavar="TIME", help="15m, 2h, 7d (default: 1h)")
    parser.add_argument("--service", action="store_true", help="not a device: the collector or the operator")
    parser.add_argument("--json", action="store_true", help="print JSON only")


def run(arguments: argparse.Namespace) -> int:
    """Print the token alone on stdout. Raises ConfigurationError and RefusedError."""
    authority = open_authority(arguments)
    whom = identity(arguments.name, is_service=arguments.service)
    token = str(authority.give_token(whom, arguments.valid))
    now_unix_s = time.time()
    holds = any(
        entry.name == whom.name and entry.revoked_unix_s is None and entry.not_after_unix_s > now_unix_s
        for entry in authority.entries()
    )
    if arguments.json:
        write_json(Given(whom.name, token, arguments.valid, holds))
        return EXIT_DONE
    sys.stdout.write(f"{token}\n")
    sys.stderr.write(f"on {whom.name}: edgejoule pki enrol --server https://HOST:8442 --token TOKEN\n")
    if holds:
        sys.stderr.write(
            f"{whom.name} has a valid certificate already, which stays valid; if its key is lost, or in other hands: "
            f"edgejoule pki revoke {arguments.directory} {whom.name}, and then a new token\n"
        )
    return EXIT_DONE
