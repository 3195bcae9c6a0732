"""``edgejoule pki broker-config``: the lines for mosquitto."""

import argparse
import sys

from edgejoule.argument_types import port_number
from edgejoule.output import EXIT_DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--port", type=port_number, default=8883, help="default: 8883")
    parser.add_argument(
        "--certificates", default="/etc/mosquitto/certs", metavar="DIR", help="on the broker (default: %(default)s)"
    )
    parser.add_argument(
        "--access-list", default="/etc/mosquitto/edgejoule.acl", metavar="FILE", help="default: %(default)s"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    from edgejoule.pki.broker_config import broker_lines

    sys.stdout.write(
        broker_lines(port=arguments.port, certificates=arguments.certificates, access_list=arguments.access_list)
    )
    return EXIT_DONE
