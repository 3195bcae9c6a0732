"""What several verbs of ``edgejoule pki`` are told."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgejoule.argument_types import whole

if TYPE_CHECKING:
    from edgejoule.pki.authority import Authority
    from edgejoule.pki.names import Identity

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MOST_DAYS: Final = 3652
DEVICE_DIRECTORY: Final = Path("/etc/edgejoule/pki")


def add_authority(parser: argparse.ArgumentParser, *, opens: bool = True) -> None:
    """Declare the authority's directory and, for what signs, its passphrase."""
    parser.add_argument("directory", type=Path, metavar="DIR", help="the authority's directory")
    if opens:
        parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="of the authority's key")


def add_device_directory(parser: argparse.ArgumentParser) -> None:
    """Declare where a device keeps its key."""
    parser.add_argument(
        "--out",
        type=Path,
        default=DEVICE_DIRECTORY,
        metavar="DIR",
        help=f"where device.key, device.crt and ca.crt are kept (default: {DEVICE_DIRECTORY})",
    )


def add_days(parser: argparse.ArgumentParser, default: int) -> None:
    """Declare how long a certificate is valid."""
    parser.add_argument(
        "--days", type=days, default=default, metavar="N", help=f"how long it is valid (default: {default})"
    )


def open_authority(arguments: argparse.Namespace) -> "Authority":
    """Return the authority that the arguments name. Raises ConfigurationError."""
    from edgejoule.pki.authority import Authority
    from edgejoule.pki.passphrase import read_passphrase

    return Authority(arguments.directory, read_passphrase(arguments.passphrase_file))


def identity(name: str, *, is_service: bool) -> "Identity":
    """Return whom a client's certificate is for. Raises RefusedError."""
    from edgejoule.pki import names

    return names.client(name, is_service=is_service)


def days(text: str) -> int:
    """Return whole days, at least one and at most ten years."""
    value = whole(text)
    if not 1 <= value <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"choose 1 to {_MOST_DAYS} days, not {text}")
    return value


def duration_s(text: str) -> int:
    """Return seconds of ``90s``, ``15m``, ``2h`` or ``7d``."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if not 0 < seconds <= _MOST_DAYS * 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 90s, 15m, 2h or 7d")
    return seconds


def listen_address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; an IPv6 address stands in brackets."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT: write 0.0.0.0:8442 for every address")
    return host, int(port)
