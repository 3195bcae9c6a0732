"""``edgejoule pki serve``: the enrolment server."""

import argparse
import sys
import threading

from edgejoule.commands.pki.arguments import add_authority, add_days, listen_address, open_authority
from edgejoule.output import EXIT_DONE
from edgejoule.signals import STOP_SIGNALS, handled, setting


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_authority(parser)
    add_days(parser, 365)
    parser.add_argument(
        *("--listen",),
        type=listen_address,
        default=("0.0.0.0", 8442),  # noqa: S104  devices are elsewhere
        metavar="HOST:PORT",
        help="default: 0.0.0.0:8442",
    )
    parser.add_argument("--name", action="append", default=[], metavar="HOST", help="as devices reach it; repeatable")
    parser.add_argument("--ip", action="append", default=[], metavar="ADDRESS", help="likewise; repeatable")
    parser.epilog = "At least one --name or --ip: what stands in the url that devices are given."


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C. Raises ConfigurationError and RefusedError."""
    from edgejoule.pki.server import Place, serving

    authority = open_authority(arguments)
    host, port = arguments.listen
    stop = threading.Event()
    with (
        handled(STOP_SIGNALS, setting(stop)),
        serving(authority, Place(host, port, arguments.name, arguments.ip), arguments.days) as server,
    ):
        sys.stderr.write(f"enrolment server at {server.url}, authority {authority.fingerprint[:16]}...\n")
        sys.stderr.flush()
        while not stop.wait(1.0):
            pass
    return EXIT_DONE
