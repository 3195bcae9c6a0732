"""``edgejoule pki sign``: a request that came by hand."""

import argparse
import sys
from pathlib import Path

from edgejoule.commands.pki.arguments import add_authority, add_days, identity, open_authority
from edgejoule.output import EXIT_DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_authority(parser)
    add_days(parser, 365)
    parser.add_argument("request", type=Path, metavar="CSR", help="the request; '-' reads it from stdin")
    parser.add_argument("--device", required=True, metavar="ID", help="whom it names; any other name is refused")
    parser.add_argument("--service", action="store_true", help="not a device: the collector or the operator")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the answer (default: stdout)")


def run(arguments: argparse.Namespace) -> int:
    """Sign. Raises ConfigurationError and RefusedError."""
    from edge_agent.wire.text_file import read_text
    from edgejoule.pki.answer_file import join_answer
    from edgejoule.pki.files import PUBLIC, write_whole

    authority = open_authority(arguments)
    whom = identity(arguments.device, is_service=arguments.service)
    pem = sys.stdin.read() if str(arguments.request) == "-" else read_text(arguments.request)
    answer = join_answer(authority.sign(pem, whom, arguments.days))
    if arguments.output:
        write_whole(arguments.output, answer.encode(), PUBLIC)
    else:
        sys.stdout.write(answer)
    return EXIT_DONE
