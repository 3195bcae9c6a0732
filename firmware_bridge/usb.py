"""USB serial ports by what they are, not by the name that the kernel gave them today: ``usb://`` and reconnection.

``/dev/ttyACM0`` may be another device after each plugging. A device with a serial number is itself under any name::

    usb://SERIAL[/INTERFACE]                usb://VID:PID[/INTERFACE]                usb://VID:PID:SERIAL[/INTERFACE]

VID and PID are four hexadecimal digits each; INTERFACE is a number, for devices with several ports. What ports there
are is an argument; only ``list_usb_ports`` looks at the machine.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote

from firmware_bridge.errors import ConfigurationError, FirmwareBridgeError, MeterUnavailableError

SCHEME: Final = "usb://"
_HEX4 = re.compile(r"[0-9A-Fa-f]{4}")
_INTERFACE = re.compile(r":\d+\.(\d+)$")
_FORMS: Final = "usb://SERIAL, usb://VID:PID or usb://VID:PID:SERIAL, each with /INTERFACE where a device has several"


@dataclass(frozen=True, slots=True)
class UsbPort:
    """One serial port of a USB device. ``interface`` is None where the device has but one."""

    device: str
    vid: int
    pid: int
    serial_number: str = ""
    interface: int | None = None
    description: str = ""

    @property
    def url(self) -> str:
        """Return the ``usb://`` URL that names this port and no other, as far as the device lets itself be told."""
        serial = f":{quote(self.serial_number, safe=':')}" if self.serial_number else ""
        interface = "" if self.interface is None else f"/{self.interface}"
        return f"{SCHEME}{self.vid:04x}:{self.pid:04x}{serial}{interface}"


@dataclass(frozen=True, slots=True)
class UsbQuery:
    """Which port is wanted. None: any. An empty ``serial_number``: a device that has none."""

    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None
    interface: int | None = None

    def matches(self, port: UsbPort) -> bool:
        """Tell whether this is such a port; serial numbers are compared without regard to case."""
        return (
            self.vid in {None, port.vid}
            and self.pid in {None, port.pid}
            and (self.serial_number is None or self.serial_number.casefold() == port.serial_number.casefold())
            and self.interface in {None, port.interface}
        )


def parse_usb_url(url: str) -> UsbQuery:
    """Read a ``usb://`` URL. Raises ConfigurationError with the forms that there are."""
    body, slash, interface = url.removeprefix(SCHEME).rstrip("/").partition("/")
    if not url.startswith(SCHEME) or not body or (slash and not interface.isdecimal()):
        raise ConfigurationError(f"{url}: a USB port is {_FORMS}")
    number = int(interface) if slash else None
    vid, has_pid, rest = body.partition(":")
    pid, colon, serial = rest.partition(":")
    if not (has_pid and _HEX4.fullmatch(vid)):
        return UsbQuery(serial_number=unquote(body), interface=number)
    if not _HEX4.fullmatch(pid) or (colon and not serial):
        raise ConfigurationError(f"{url}: a USB port is {_FORMS}")
    return UsbQuery(int(vid, 16), int(pid, 16), unquote(serial) if colon else None, number)


def find_usb_port(url: str, query: UsbQuery, ports: Sequence[UsbPort]) -> UsbPort:
    """Return the one port that is wanted; ``url`` is what messages call it.

    Raises MeterUnavailableError where it is not there, ConfigurationError, with the candidates, where there are
    several.
    """
    found = [port for port in ports if query.matches(port)]
    if len(found) == 1:
        return found[0]
    raise _explain(url, found, ports)


def identify(path: str, ports: Sequence[UsbPort]) -> UsbPort | None:
    """Return the USB port behind a path, by-id links and udev's own names too; None where it is none."""
    target = os.path.realpath(path)
    return next((port for port in ports if os.path.realpath(port.device) == target), None)


def same_device(port: UsbPort) -> UsbQuery:
    """Return the query that finds this very port again under another name."""
    return UsbQuery(port.vid, port.pid, port.serial_number, port.interface)


def list_usb_ports() -> tuple[UsbPort, ...]:
    """Return this machine's USB serial ports, through pyserial; none where that is not installed."""
    try:
        from serial.tools.list_ports import comports  # noqa: PLC0415  an optional dependency
    except ModuleNotFoundError:
        return ()
    return usb_ports_of(comports())


def usb_ports_of(found: Iterable[Any]) -> tuple[UsbPort, ...]:
    """Return the USB ports among pyserial's records (``ListPortInfo``), in order of their names."""
    return tuple(
        UsbPort(
            device=port.device,
            vid=port.vid,
            pid=port.pid,
            serial_number=port.serial_number or "",
            interface=_interface(port.location),
            description=port.description or "",
        )
        for port in sorted(found)
        if port.vid is not None and port.pid is not None
    )


def _interface(location: str | None) -> int | None:
    """Return the interface number in a location as the kernel writes it, ``1-1.2:1.3``; None where it names none."""
    found = _INTERFACE.search(location or "")
    return None if found is None else int(found[1])


def _explain(url: str, found: Sequence[UsbPort], ports: Sequence[UsbPort]) -> FirmwareBridgeError:
    if found:
        listed = ", ".join(f"{port.url} ({port.device})" for port in found)
        return ConfigurationError(f"{url}: {len(found)} ports are such; name one of {listed}")
    if not ports:
        return MeterUnavailableError(f"{url}: no USB serial port is there at all; check cable and power")
    listed = ", ".join(f"{port.url} ({port.device})" for port in ports)
    return MeterUnavailableError(f"{url}: no such port is there; there are {listed}")
