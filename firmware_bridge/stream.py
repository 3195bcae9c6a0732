"""Opens the way to a meter by its path or URL.

::

    /dev/ttyACM0, /dev/serial/by-id/...     a serial device or pseudo-terminal; links are followed
    usb://SERIAL, usb://VID:PID[:SERIAL]    a USB device under whatever name it has now (firmware_bridge.usb)
    socket://HOST:PORT                      a raw TCP connection (firmware_bridge.tcp)
    rfc2217://HOST:PORT                     a serial port of another machine, through pyserial; for slow meters: it
                                            takes each byte by itself, and a stream should come by socket://
    rfcomm://ADDRESS[/CHANNEL]              Bluetooth (firmware_bridge.rfcomm)
    capture:///PATH[?speed=X], or a PATH    a recording (firmware_bridge.replay_port)

Anything else that pyserial opens by URL is opened too.
"""

import contextlib
import errno
import os
import select
import termios
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from firmware_bridge.driver import SerialSettings
from firmware_bridge.errors import ConfigurationError, FirmwareBridgeError, MeterUnavailableError, NotInstalledError
from firmware_bridge.port import Port, Waker, host_time_s
from firmware_bridge.replay_port import SCHEME as CAPTURE
from firmware_bridge.replay_port import ReplayPort, is_capture_path
from firmware_bridge.rfcomm import SCHEME as RFCOMM
from firmware_bridge.rfcomm import open_rfcomm
from firmware_bridge.tcp import SCHEME as TCP
from firmware_bridge.tcp import open_tcp, parse_address, round_trip_s
from firmware_bridge.usb import SCHEME as USB
from firmware_bridge.usb import UsbPort, find_usb_port, identify, list_usb_ports, parse_usb_url, same_device

__all__ = ["Port", "SerialPort", "host_time_s", "is_pseudo_terminal", "is_simulated_port", "locate", "open_port"]

READ_BYTES: Final = 65_536
WRITE_TIMEOUT_S: Final = 1.0
TTY_BYTES: Final = 4095
"""What a Linux tty returns at most in one read; a shorter piece was all there was."""
RFC2217_READ_S: Final = 0.02
"""How long a port without a descriptor is waited on at a time."""
RFC2217: Final = "rfc2217://"

UsbPorts = Callable[[], Sequence[UsbPort]]


def is_pseudo_terminal(url: str) -> bool:
    """Tell whether the port resolves to a pseudo-terminal, so that no real meter can be behind it."""
    return "://" not in url and os.path.realpath(url).startswith("/dev/pts/")


def is_simulated_port(url: str) -> bool:
    """Tell whether no real meter measures there now: a pseudo-terminal, or a recording."""
    return is_pseudo_terminal(url) or url.startswith(CAPTURE) or ("://" not in url and is_capture_path(url))


def locate(url: str, known: UsbPort | None, usb_ports: UsbPorts) -> tuple[str, UsbPort | None]:
    """Return the device to open for a URL now, and which USB device that is.

    ``known``: the device that was there before; no other is taken for it, whatever its name. Raises
    MeterUnavailableError where it is not there, ConfigurationError where several could be it.
    """
    if known is not None:
        ports = usb_ports()
        at_path = None if url.startswith(USB) else identify(url, ports)
        if at_path is not None and same_device(known).matches(at_path):
            return at_path.device, at_path
        try:
            port = find_usb_port(url if url == known.url else f"{url} ({known.url})", same_device(known), ports)
        except MeterUnavailableError as error:
            if at_path is None:
                raise
            raise MeterUnavailableError(
                f"{url} is another device now, {at_path.url}; waiting for {known.url}"
            ) from error
        return port.device, port
    if url.startswith(USB):
        port = find_usb_port(url, parse_usb_url(url), usb_ports())
        return port.device, port
    if "://" in url:
        return url, None
    return url, identify(url, usb_ports())


def open_port(
    url: str,
    settings: SerialSettings,
    *,
    known: UsbPort | None = None,
    waker: Waker | None = None,
    usb_ports: UsbPorts = list_usb_ports,
) -> Port:
    """Open and lock a port by its path or URL.

    ``known``: which USB device was behind it before. Raises ConfigurationError where a setting or a permission must
    change, MeterUnavailableError where the port is busy or may come back.
    """
    if url.startswith(CAPTURE) or ("://" not in url and is_capture_path(url)):
        return ReplayPort(url, waker=waker)
    if url.startswith(RFCOMM):
        return SerialPort(url, open_rfcomm(url), waker=waker)
    if url.startswith(TCP):
        connection, delay_s = open_tcp(url)
        port = SerialPort(url, connection, waker=waker)
        port.path_delay_s = delay_s
        return port
    device, usb = locate(url, known, usb_ports)
    return SerialPort(url, _open_serial(url, device, settings), device=device, usb=usb, waker=waker)


def _open_serial(url: str, device: str, settings: SerialSettings) -> Any:
    try:
        import serial  # noqa: PLC0415  an optional dependency: the pure parts work without it
    except ModuleNotFoundError as error:
        raise NotInstalledError("pyserial", "serial") from error
    is_remote = url.startswith(RFC2217)
    if is_remote:
        parse_address(url)
    if is_pseudo_terminal(device):  # it has no line, and Linux refuses to set seven bits or parity a second time
        settings = replace(settings, bytesize=8, parity="N", stopbits=1)
    try:
        return serial.serial_for_url(
            device,
            baudrate=settings.baud_hz,
            bytesize=settings.bytesize,
            parity=settings.parity,
            stopbits=settings.stopbits,
            timeout=RFC2217_READ_S if is_remote else 0,  # with 0 it returns single bytes there
            write_timeout=None if is_remote else WRITE_TIMEOUT_S,  # and refuses this
            exclusive=settings.exclusive or None,
        )
    except termios.error as error:
        raise _explain(url, OSError(*error.args)) from error
    except (OSError, ValueError) as error:
        raise _explain(url, error) from error


class SerialPort(Port):
    """A port with a handle as pyserial's are: ``fileno`` if it has one, ``write``, ``close``."""

    def __init__(
        self,
        url: str,
        handle: Any,
        *,
        device: str = "",
        usb: UsbPort | None = None,
        waker: Waker | None = None,
    ) -> None:
        super().__init__(url, device=device, usb=usb, waker=waker)
        self._handle = handle
        self._fd: int | None = _descriptor(handle)
        self._poll = select.poll()
        self._poll.register(self._waker.fileno(), select.POLLIN)
        if self._fd is not None:
            self._poll.register(self._fd, select.POLLIN)
        elif url.startswith(RFC2217) and getattr(handle, "_socket", None) is not None:
            self.path_delay_s = round_trip_s(handle._socket)  # noqa: SLF001 pyserial shows it nowhere

    def read(self, timeout_s: float) -> bytes:
        """Return all that has arrived, waiting at most ``timeout_s`` for the first byte; empty if nothing came."""
        try:
            if self._fd is None:
                return self._read_without_descriptor(timeout_s)
            data = _drain(self._fd) if timeout_s <= 0.0 else None
            if not data and self._fd in dict(self._poll.poll(timeout_s * 1e3)):
                data = _drain(self._fd)
                _check_end(data)
        except OSError as error:
            raise MeterUnavailableError(f"{self.url}: the meter went away ({_reason(error)})") from error
        return data or b""

    def write(self, data: bytes) -> None:
        """Write all of ``data``."""
        try:
            if self._fd is None:
                self._handle.write(data)
            elif data:
                _write_all(self._fd, data)
        except OSError as error:
            raise MeterUnavailableError(f"{self.url}: cannot write to the meter ({_reason(error)})") from error

    def _release(self) -> None:
        with contextlib.suppress(OSError):  # the device is gone already, and with it the lock
            self._handle.close()

    def _read_without_descriptor(self, timeout_s: float) -> bytes:
        """Read from a URL handler that has no file descriptor (rfc2217); a lost connection shows in its ``read``."""
        waiting = self._handle.in_waiting
        if not waiting and timeout_s <= 0.0:
            return b""
        data = bytes(self._handle.read(waiting or 1))
        more = self._handle.in_waiting if data else 0
        return data + bytes(self._handle.read(more)) if more else data


def _drain(fd: int) -> bytes | None:
    """Read until the kernel has no more: the last byte is then as young as it can be.

    Nothing is None where the kernel says so, empty at the end of a stream, and empty too from a tty that has nothing.
    """
    pieces: list[bytes] = []
    size = 0
    while size < READ_BYTES:
        try:
            piece = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return b"".join(pieces) or None
        pieces.append(piece)
        size += len(piece)
        if len(piece) < TTY_BYTES:
            break
    return b"".join(pieces)


def _write_all(fd: int, data: bytes) -> None:
    """Write to a descriptor that does not block. Raises OSError, TimeoutError where it takes no more for a second."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            _, writable, _ = select.select([], [fd], [], WRITE_TIMEOUT_S)
            if not writable:
                raise TimeoutError(errno.ETIMEDOUT, "it takes no bytes") from None


def _check_end(data: bytes | None) -> None:
    """Raise OSError for what a descriptor that is ready returns only at its end."""
    if data is not None and not data:
        raise OSError(errno.EIO, "end of stream")


def _descriptor(handle: Any) -> int | None:
    try:
        fd = int(handle.fileno())
    except (OSError, AttributeError):
        return None
    os.set_blocking(fd, False)
    return fd


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _explain(url: str, error: OSError | ValueError) -> FirmwareBridgeError:
    """Turn pyserial's failure into one line with the remedy."""
    code = error.errno if isinstance(error, OSError) else None
    if code in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return ConfigurationError(
            f"{url}: there is no such port; see 'edgejoule meter list', and check cable and power"
        )
    if code in {errno.EACCES, errno.EPERM}:
        return ConfigurationError(
            f"{url}: permission denied; add the user to the group that owns it (sudo usermod -aG dialout $USER) and "
            "log in again"
        )
    if code in {errno.EAGAIN, errno.EBUSY}:
        return MeterUnavailableError(f"{url}: another process has it open; stop that one ('fuser {url}' names it)")
    if isinstance(error, ValueError):
        return ConfigurationError(
            f"{url}: not a port that can be opened: {error}; a port is a path, usb://, socket://, rfc2217://, "
            "rfcomm:// or capture://"
        )
    if "://" in url or code in {errno.EIO, errno.EINTR}:
        return MeterUnavailableError(f"{url}: cannot reach it ({error}); check address, cable and power")
    return ConfigurationError(f"{url}: not a serial device ({error}); name the meter's own port")
