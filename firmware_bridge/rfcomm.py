"""A Bluetooth serial port without a device file: ``rfcomm://AA:BB:CC:DD:EE:FF[/CHANNEL]`` through Python's sockets.

The meter has to be paired before (``bluetoothctl``: pair, PIN, trust). Where Python or the kernel knows no Bluetooth,
``sudo rfcomm bind 0 ADDRESS`` and the path ``/dev/rfcomm0`` do the same.
"""

import errno
import re
import socket
from typing import Final

from firmware_bridge.errors import ConfigurationError, FirmwareBridgeError, MeterUnavailableError
from firmware_bridge.tcp import SocketHandle

SCHEME: Final = "rfcomm://"
CONNECT_TIMEOUT_S: Final = 10.0
_URL = re.compile(r"rfcomm://((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})(?:/([1-9]|[12][0-9]|30))?/?")
_INSTEAD: Final = "use 'sudo rfcomm bind 0 ADDRESS' and /dev/rfcomm0 as port"


def parse_url(url: str) -> tuple[str, int]:
    """Return address and channel of an ``rfcomm://`` URL, channel 1 where none is given.

    Raises ConfigurationError with the form that is wanted.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise ConfigurationError(
            f"{url}: a Bluetooth meter is rfcomm://AA:BB:CC:DD:EE:FF or rfcomm://AA:BB:CC:DD:EE:FF/CHANNEL, channel 1 "
            "to 30; 'bluetoothctl devices' lists the addresses"
        )
    return found[1].upper(), int(found[2] or 1)


def open_rfcomm(url: str) -> SocketHandle:
    """Connect to a paired Bluetooth meter; blocks for ten seconds at most.

    Raises ConfigurationError where the URL, Python, the kernel or the pairing must change, MeterUnavailableError where
    the meter is off, out of reach or taken by another host.
    """
    address, channel = parse_url(url)
    family, protocol = getattr(socket, "AF_BLUETOOTH", None), getattr(socket, "BTPROTO_RFCOMM", None)
    if family is None or protocol is None:
        raise ConfigurationError(f"{url}: this Python was built without Bluetooth sockets; {_INSTEAD}")
    try:
        connection = socket.socket(family, socket.SOCK_STREAM, protocol)
    except OSError as error:
        raise ConfigurationError(
            f"{url}: this kernel has no Bluetooth ({error.strerror or error}); is there an adapter, and its driver?"
        ) from error
    connection.settimeout(CONNECT_TIMEOUT_S)
    try:
        connection.connect((address, channel))
    except OSError as error:
        connection.close()
        raise explain(url, error) from error
    return SocketHandle(connection)


def explain(url: str, error: OSError) -> FirmwareBridgeError:
    """Turn a failed connection into one line with the remedy."""
    if error.errno in {errno.EACCES, errno.EPERM, errno.ECONNREFUSED, errno.EBADE}:
        return ConfigurationError(
            f"{url}: the meter refuses the connection ({error.strerror}); pair it first: bluetoothctl, pair ADDRESS, "
            "PIN 1234 for an RDTech UM, then trust ADDRESS"
        )
    if error.errno in {errno.EBUSY, errno.EADDRINUSE}:
        return MeterUnavailableError(f"{url}: another program or host is connected to it; it takes one at a time")
    reason = error.strerror or str(error)
    return MeterUnavailableError(f"{url}: cannot reach it ({reason}); is it powered and within a few metres?")
