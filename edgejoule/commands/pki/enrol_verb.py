"""``edgejoule pki enrol``: a device comes by its certificate, from a server or by hand."""

import argparse
import sys
from pathlib import Path

from edgejoule.commands.pki.arguments import add_device_directory, identity
from edgejoule.output import EXIT_DONE, stdout_console

_EPILOG = """\
By hand: `enrol --csr-only --device ID > ID.csr` here, `pki sign DIR ID.csr --device ID -o ID.crt` at the authority,
`enrol --accept ID.crt` here. The file that comes back is no secret.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--server", metavar="URL", help="the enrolment server, https://host:port")
    way.add_argument("--csr-only", action="store_true", help="make the key and print the request; nothing is sent")
    way.add_argument("--accept", type=Path, metavar="FILE", help="the answer to that request")
    parser.add_argument("--token", help="with --server: what `pki token` printed; '-' reads it from stdin")
    parser.add_argument("--device", metavar="ID", help="with --csr-only: whom the certificate is to name")
    parser.add_argument("--service", action="store_true", help="with --csr-only: the collector or the operator")
    add_device_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for. Raises ConfigurationError, RefusedError and UnreachableError."""
    if arguments.csr_only:
        return _print_request(arguments)
    if arguments.accept:
        return _accept(arguments)
    return _ask_server(arguments)


def _ask_server(arguments: argparse.Namespace) -> int:
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.pki.enrolment import enrol

    if not arguments.token:
        raise ConfigurationError("--server needs --token: print one at the authority, edgejoule pki token DIR DEVICE")
    token = sys.stdin.readline() if arguments.token == "-" else arguments.token  # noqa: S105  a sign for stdin
    held = enrol(arguments.out, arguments.server, token)
    _say(arguments.out, held.name, f"{held.not_after:%Y-%m-%d}")
    return EXIT_DONE


def _print_request(arguments: argparse.Namespace) -> int:
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.pki.device_files import DeviceFiles

    if not arguments.device:
        raise ConfigurationError("--csr-only needs --device ID: as [device] id in agent.toml")
    whom = identity(arguments.device, is_service=arguments.service)
    sys.stdout.write(DeviceFiles(arguments.out).request(whom))
    return EXIT_DONE


def _accept(arguments: argparse.Namespace) -> int:
    from edge_agent.wire.text_file import read_text
    from edgejoule.pki.answer_file import split_answer
    from edgejoule.pki.certificates import common_name
    from edgejoule.pki.device_files import DeviceFiles

    certificate, authority = split_answer(read_text(arguments.accept), str(arguments.accept))
    files = DeviceFiles(arguments.out)
    files.adopt(certificate, authority)
    present = files.certificate()
    _say(arguments.out, common_name(present), f"{present.not_valid_after_utc:%Y-%m-%d}")
    return EXIT_DONE


def _say(directory: Path, name: str, until: str) -> None:
    stdout_console().print(f"{name}: certificate in {directory}, valid until {until}", markup=False, soft_wrap=True)
