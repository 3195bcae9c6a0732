"""``usb://`` finds a device by what it is; where several are, one line names them all."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serial.tools.list_ports_common import ListPortInfo

from firmware_bridge.errors import ConfigurationError, MeterUnavailableError
from firmware_bridge.usb import (
    UsbPort,
    UsbQuery,
    find_usb_port,
    identify,
    list_usb_ports,
    parse_usb_url,
    same_device,
    usb_ports_of,
)

PPK2_LOW = UsbPort("/dev/ttyACM0", 0x1915, 0xC00A, "D1D2F3A4", 1, "PPK2")
PPK2_HIGH = UsbPort("/dev/ttyACM1", 0x1915, 0xC00A, "D1D2F3A4", 3, "PPK2 shell")
FTDI = UsbPort("/dev/ttyUSB0", 0x0403, 0x6001, "A50285BI")
CH340 = UsbPort("/dev/ttyUSB1", 0x1A86, 0x7523)
CH340_TWIN = UsbPort("/dev/ttyUSB2", 0x1A86, 0x7523)
PORTS = (PPK2_LOW, PPK2_HIGH, FTDI, CH340)


@pytest.mark.parametrize(
    ("url", "query"),
    [
        ("usb://A50285BI", UsbQuery(serial_number="A50285BI")),
        ("usb://0403:6001", UsbQuery(0x0403, 0x6001)),
        ("usb://0403:6001:A50285BI", UsbQuery(0x0403, 0x6001, "A50285BI")),
        ("usb://1915:c00a:D1D2F3A4/1", UsbQuery(0x1915, 0xC00A, "D1D2F3A4", 1)),
        ("usb://D1D2F3A4/3", UsbQuery(serial_number="D1D2F3A4", interface=3)),
        ("usb://1915:C00A/3/", UsbQuery(0x1915, 0xC00A, None, 3)),
        ("usb://2341:0043:12:34:56", UsbQuery(0x2341, 0x0043, "12:34:56")),
        ("usb://12:34:56:78:9A:BC", UsbQuery(serial_number="12:34:56:78:9A:BC")),
        ("usb://a%20b%2Fc", UsbQuery(serial_number="a b/c")),
    ],
)
def test_urls_are_read(url: str, query: UsbQuery) -> None:
    assert parse_usb_url(url) == query


@pytest.mark.parametrize(
    "url",
    [
        "usb://",
        "usb:///1",
        "usb://0403:6001:",
        "usb://0403:",
        "usb://0403:60011",
        "usb://A/x",
        "usb://A/1/2",
        "tty://A",
    ],
)
def test_urls_that_cannot_be_say_how_they_should_look(url: str) -> None:
    with pytest.raises(ConfigurationError, match="usb://VID:PID:SERIAL"):
        parse_usb_url(url)


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("usb://a50285bi", FTDI),
        ("usb://0403:6001", FTDI),
        ("usb://1A86:7523", CH340),
        ("usb://D1D2F3A4/1", PPK2_LOW),
        ("usb://1915:C00A:D1D2F3A4/3", PPK2_HIGH),
    ],
)
def test_the_one_port_is_found(url: str, port: UsbPort) -> None:
    assert find_usb_port(url, parse_usb_url(url), PORTS) == port


def test_several_ports_are_named_in_one_line_that_can_be_copied() -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_usb_port("usb://D1D2F3A4", parse_usb_url("usb://D1D2F3A4"), PORTS)
    assert str(caught.value) == (
        "usb://D1D2F3A4: 2 ports are such; name one of usb://1915:c00a:D1D2F3A4/1 (/dev/ttyACM0), "
        "usb://1915:c00a:D1D2F3A4/3 (/dev/ttyACM1)"
    )


def test_an_absent_port_may_come_back_and_the_line_says_what_is_there() -> None:
    with pytest.raises(MeterUnavailableError, match=r"no such port is there; there are usb://1a86:7523 \(/dev/ttyU"):
        find_usb_port("usb://X", parse_usb_url("usb://X"), (CH340,))
    with pytest.raises(MeterUnavailableError, match="no USB serial port is there at all"):
        find_usb_port("usb://X", parse_usb_url("usb://X"), ())


def test_a_device_is_found_again_under_another_name_and_no_other_is_taken_for_it() -> None:
    renamed = UsbPort("/dev/ttyACM7", 0x1915, 0xC00A, "D1D2F3A4", 1)
    other = UsbPort("/dev/ttyACM0", 0x1915, 0xC00A, "OTHER", 1)
    query = same_device(PPK2_LOW)
    assert find_usb_port("x", query, (other, renamed, PPK2_HIGH)) == renamed
    with pytest.raises(MeterUnavailableError):
        find_usb_port("x", query, (other,))


def test_devices_without_a_serial_number_are_only_found_again_where_there_is_one() -> None:
    query = same_device(CH340)
    assert find_usb_port("x", query, (FTDI, CH340_TWIN)) == CH340_TWIN
    with pytest.raises(ConfigurationError, match="2 ports are such"):
        find_usb_port("x", query, (CH340, CH340_TWIN))
    assert not query.matches(UsbPort("/dev/ttyUSB3", 0x1A86, 0x7523, "HAS-ONE"))


def test_a_link_leads_to_its_device(tmp_path: Path) -> None:
    device, link = tmp_path / "ttyACM0", tmp_path / "usb-Nordic_PPK2-if01"
    device.touch()
    link.symlink_to(device)
    port = UsbPort(str(device), 1, 2, "S")
    assert identify(str(link), (FTDI, port)) == port
    assert identify(str(device), (FTDI, port)) == port
    assert identify("/dev/pts/0", (FTDI, port)) is None


@given(
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    st.none() | st.integers(0, 31),
)
def test_the_url_of_a_port_finds_it(vid: int, pid: int, serial_number: str, interface: int | None) -> None:
    port = UsbPort("/dev/x", vid, pid, serial_number, interface)
    assert find_usb_port(port.url, parse_usb_url(port.url), (port,)) == port


def test_without_pyserial_there_are_no_ports() -> None:
    script = (
        "import sys; sys.modules['serial'] = None\n"
        "from firmware_bridge.usb import list_usb_ports\n"
        "sys.exit(str(list_usb_ports()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == "()\n"


def test_this_machine_can_be_asked() -> None:
    assert all(port.device.startswith("/dev/") for port in list_usb_ports())


def test_the_interface_number_is_that_of_the_kernel() -> None:
    """pyserial's own record of a port is read: location 1-1.2:1.3 for a device with several interfaces."""
    several, single, board = (ListPortInfo(f"/dev/{name}") for name in ("ttyACM1", "ttyUSB0", "ttyAMA0"))
    several.vid, several.pid, several.serial_number, several.location = 0x1915, 0xC00A, "S", "1-1.2:1.3"
    single.vid, single.pid, single.location = 0x0403, 0x6001, "1-1.4"
    assert usb_ports_of([single, board, several]) == (
        UsbPort("/dev/ttyACM1", 0x1915, 0xC00A, "S", 3, "n/a"),
        UsbPort("/dev/ttyUSB0", 0x0403, 0x6001, "", None, "n/a"),
    )
