"""A byte stream to a meter: serial device, pseudo-terminal, socket:// or rfc2217:// by pyserial, or rfcomm://."""

import contextlib
import errno
import os
import select
import time
from types import TracebackType
from typing import Any, Final, Self

from firmware_bridge.driver import SerialSettings
from firmware_bridge.errors import ConfigurationError, FirmwareBridgeError, MeterUnavailableError
from firmware_bridge.rfcomm import SCHEME as RFCOMM
from firmware_bridge.rfcomm import open_rfcomm

READ_BYTES: Final = 65_536
WRITE_TIMEOUT_S: Final = 1.0
FALLBACK_READ_S: Final = 0.05


def host_time_s() -> float:
    """Return seconds on CLOCK_BOOTTIME: monotonic, counts suspended time, never stepped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def is_pseudo_terminal(url: str) -> bool:
    """Tell whether the port resolves to a pseudo-terminal, so that no real meter can be behind it."""
    return "://" not in url and os.path.realpath(url).startswith("/dev/pts/")


def open_port(url: str, settings: SerialSettings) -> "Port":
    """Open and lock a port: a path (symlinks too), a pyserial URL or ``rfcomm://ADDRESS[/CHANNEL]``.

    Raises ConfigurationError where a setting or a permission must change, MeterUnavailableError where the port is
    busy or may come back.
    """
    if url.startswith(RFCOMM):
        return Port(url, open_rfcomm(url))
    try:
        import serial  # noqa: PLC0415  an optional dependency: the pure parts work without it
    except ModuleNotFoundError as error:
        raise ConfigurationError("pyserial is not installed; pip install 'edgejoule[serial]'") from error
    _check_network_url(url)
    try:
        handle = serial.serial_for_url(
            url,
            baudrate=settings.baud_hz,
            bytesize=settings.bytesize,
            parity=settings.parity,
            stopbits=settings.stopbits,
            timeout=0,
            write_timeout=WRITE_TIMEOUT_S,
            exclusive=settings.exclusive or None,
        )
    except (OSError, ValueError) as error:
        raise _explain(url, error) from error
    return Port(url, handle)


def _check_network_url(url: str) -> None:
    """Say what pyserial says in words of Python."""
    scheme, _, rest = url.partition("://")
    if scheme not in {"socket", "rfc2217"}:
        return
    host, _, port = rest.split("/")[0].partition("?")[0].rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ConfigurationError(f"{url}: a meter on the network is {scheme}://HOST:PORT, with a port from 1 to 65535")


class Port:
    """An open, locked port. One thread reads and writes; ``wake`` and ``close`` may come from another, in that order.

    A port that fails raises MeterUnavailableError from ``read`` or ``write``.
    """

    def __init__(self, url: str, handle: Any) -> None:
        self.url = url
        self._handle = handle
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._fd: int | None = _descriptor(handle)
        self._poll = select.poll()
        self._poll.register(self._wake_fd, select.POLLIN)
        if self._fd is not None:
            self._poll.register(self._fd, select.POLLIN)

    def read(self, timeout_s: float) -> bytes:
        """Return all that has arrived, waiting at most ``timeout_s`` for the first byte; empty if nothing came."""
        try:
            if self._fd is None:
                return self._read_without_descriptor(timeout_s)
            ready = dict(self._poll.poll(timeout_s * 1e3))
            return self._drain(self._fd) if self._fd in ready else b""
        except OSError as error:
            raise MeterUnavailableError(f"{self.url}: the meter went away ({_reason(error)})") from error

    def write(self, data: bytes) -> None:
        """Write all of ``data``."""
        try:
            self._handle.write(data)
        except OSError as error:
            raise MeterUnavailableError(f"{self.url}: cannot write to the meter ({_reason(error)})") from error

    def pause(self, pause_s: float) -> None:
        """Let bytes gather for ``pause_s``, or until ``wake``."""
        select.select([self._wake_fd], [], [], pause_s)

    def wake(self) -> None:
        """End a ``read`` or ``pause`` that waits, and every later one at once."""
        os.eventfd_write(self._wake_fd, 1)

    def close(self) -> None:
        """Close the port and release its lock."""
        if self._wake_fd < 0:
            return
        os.close(self._wake_fd)
        self._wake_fd = -1
        with contextlib.suppress(OSError):  # the device is gone already, and with it the lock
            self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _drain(self, fd: int) -> bytes:
        """Read until the kernel has no more: the last byte is then as young as it can be."""
        pieces: list[bytes] = []
        size = 0
        while size < READ_BYTES:
            try:
                piece = os.read(fd, READ_BYTES)
            except BlockingIOError:
                break
            if not piece:
                if pieces:
                    break
                raise OSError(errno.EIO, "end of stream")
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)

    def _read_without_descriptor(self, timeout_s: float) -> bytes:
        """Read from a URL handler that has no file descriptor (rfc2217)."""
        waiting = self._handle.in_waiting
        if not waiting:
            self.pause(min(timeout_s, FALLBACK_READ_S))
            waiting = self._handle.in_waiting
        return bytes(self._handle.read(waiting)) if waiting else b""


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
        return ConfigurationError(f"{url}: not a port that can be opened: {error}")
    if "://" in url or code in {errno.EIO, errno.EINTR}:
        return MeterUnavailableError(f"{url}: cannot reach it ({error}); check address, cable and power")
    return ConfigurationError(f"{url}: not a serial device ({error}); name the meter's own port")
