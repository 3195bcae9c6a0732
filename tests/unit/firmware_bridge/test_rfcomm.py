"""rfcomm:// URLs: what is accepted, what is said where there is no Bluetooth, and a handle on a connected socket."""

import errno
import socket

import pytest

from firmware_bridge.driver import SerialSettings
from firmware_bridge.errors import ConfigurationError, FirmwareBridgeError, MeterUnavailableError
from firmware_bridge.rfcomm import explain, parse_url
from firmware_bridge.stream import SerialPort, open_port
from firmware_bridge.tcp import SocketHandle


@pytest.mark.parametrize(
    ("url", "address", "channel"),
    [
        ("rfcomm://00:90:72:56:98:d7", "00:90:72:56:98:D7", 1),
        ("rfcomm://00:90:72:56:98:D7/", "00:90:72:56:98:D7", 1),
        ("rfcomm://00:90:72:56:98:D7/30", "00:90:72:56:98:D7", 30),
    ],
)
def test_address_and_channel(url: str, address: str, channel: int) -> None:
    assert parse_url(url) == (address, channel)


@pytest.mark.parametrize("rest", ["", "00:90:72:56:98", "00:90:72:56:98:D7/0", "00:90:72:56:98:D7/31", "0090725698D7"])
def test_another_form_is_refused_with_the_right_one(rest: str) -> None:
    with pytest.raises(ConfigurationError, match="rfcomm://AA:BB:CC:DD:EE:FF"):
        open_port(f"rfcomm://{rest}", SerialSettings())


def test_a_host_without_bluetooth_says_so_in_one_line() -> None:
    """This test also holds on a host with Bluetooth: no meter has this address."""
    with pytest.raises(FirmwareBridgeError, match=r"rfcomm://00:00:00:00:00:00: .*(Bluetooth|cannot reach)"):
        open_port("rfcomm://00:00:00:00:00:00", SerialSettings())


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (errno.ECONNREFUSED, ConfigurationError, "pair it first"),
        (errno.EBUSY, MeterUnavailableError, "one at a time"),
        (errno.EHOSTDOWN, MeterUnavailableError, "is it powered"),
    ],
)
def test_a_failed_connection_comes_with_its_remedy(code: int, kind: type[Exception], says: str) -> None:
    error = explain("rfcomm://00:90:72:56:98:D7", OSError(code, "reason"))
    assert isinstance(error, kind)
    assert says in str(error)


def test_a_port_reads_and_writes_through_the_handle() -> None:
    ours, meters = socket.socketpair()
    with meters, SerialPort("rfcomm://00:90:72:56:98:D7", SocketHandle(ours)) as port:
        port.write(b"\xf0")
        assert meters.recv(10) == b"\xf0"
        assert port.read(0.01) == b""
        meters.sendall(b"\x09\xc9")
        assert port.read(1.0) == b"\x09\xc9"
        meters.close()
        with pytest.raises(MeterUnavailableError, match="went away"):
            port.read(1.0)
        with pytest.raises(MeterUnavailableError, match="cannot write"):
            port.write(b"\xf0")


def test_a_meter_that_takes_no_bytes_fails_the_write() -> None:
    ours, meters = socket.socketpair()
    port = SerialPort("rfcomm://00:90:72:56:98:D7", SocketHandle(ours))
    with meters, port, pytest.raises(MeterUnavailableError, match="cannot write"):
        port.write(bytes(10_000_000))
