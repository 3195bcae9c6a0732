"""What a reader needs of any way to a meter: bytes out and in, the clock that stamps them, and an end to waiting."""

import contextlib
import os
import select
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from firmware_bridge.capture_file import CaptureHeader
from firmware_bridge.usb import UsbPort


def host_time_s() -> float:
    """Return seconds on CLOCK_BOOTTIME: monotonic, counts suspended time, never stepped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Waker:
    """Ends a wait in another thread, and every later one until ``reset``. May outlive the ports that wait on it."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor, readable once ``wake`` was called."""
        return self._fd

    def wake(self) -> None:
        """End all waiting. Not after ``close``."""
        os.eventfd_write(self._fd, 1)

    def reset(self) -> None:
        """Let waiting be waiting again. Look only then at what ``wake`` was called for: it may be called again."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._fd)

    def wait(self, timeout_s: float) -> bool:
        """Wait that long; tell whether it was ended before."""
        return bool(select.select([self._fd], [], [], timeout_s)[0])

    def close(self) -> None:
        """Release the descriptor. Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Port(ABC):
    """An open way to a meter. One thread reads and writes; only ``wake`` may come from another, before ``close``.

    ``url``: as it was asked for. ``device``: what was opened for it. ``usb``: which device that is, where it is USB.
    ``path_delay_s``: what the way takes at most beyond a cable's, 0 unless a network is between.
    ``recorded``: the header of the capture that is played here, None for a meter.
    A port that fails raises MeterUnavailableError from ``read`` or ``write``.
    """

    def __init__(self, url: str, *, device: str = "", usb: UsbPort | None = None, waker: Waker | None = None) -> None:
        self.url = url
        self.device = device or url
        self.usb = usb
        self.path_delay_s = 0.0
        self.recorded: CaptureHeader | None = None
        self._waker = waker or Waker()
        self._owns_waker = waker is None
        self._closed = False

    @abstractmethod
    def read(self, timeout_s: float) -> bytes:
        """Return all that has arrived, waiting at most ``timeout_s`` for the first byte; empty if nothing came."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Write all of ``data``."""

    def host_may_speak(self) -> bool:
        """Tell whether the host may write now; ask once before each write."""
        return True

    def time_s(self) -> float:
        """Return the host's time for what was just read, or is now to be written."""
        return host_time_s()

    def pause(self, pause_s: float) -> None:
        """Let bytes gather for ``pause_s``, or until ``wake``."""
        self._waker.wait(pause_s)

    def wake(self) -> None:
        """End a ``read`` or ``pause`` that waits, and every later one at once."""
        self._waker.wake()

    def close(self) -> None:
        """Close the port and release its lock. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        if self._owns_waker:
            self._waker.close()
        self._release()

    @abstractmethod
    def _release(self) -> None:
        """Give back what the port holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
