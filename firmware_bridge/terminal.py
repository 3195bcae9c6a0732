"""A pseudo-terminal as a serial port that comes and goes, behind a symbolic link that stays the same."""

import contextlib
import os
import tty
from pathlib import Path
from types import TracebackType
from typing import Self

from firmware_bridge.errors import ConfigurationError

READ_BYTES = 4096


class PseudoTerminal:
    """The device's end of a port in raw mode. Its other end stays open here too, so that hosts may come and go.

    ``link``: a symbolic link to the port, kept in step with it; None for none. Not thread-safe.
    """

    def __init__(self, link: Path | None) -> None:
        self._link = link
        self._master = self._slave = -1
        self.path = ""

    def __enter__(self) -> Self:
        self.plug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    def plug(self) -> None:
        """Open the port, under a path that the system chooses. Raises ConfigurationError if the link cannot be."""
        self._master, self._slave = os.openpty()
        try:
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self.path = os.ttyname(self._slave)
            if self._link is not None:
                _point(self._link, self.path)
        except BaseException:
            self._close()
            raise

    def unplug(self) -> None:
        """Close the port: whoever has it open sees it go away."""
        if self._master < 0:
            return
        link = self._link
        if link is not None and link.is_symlink() and str(link.readlink()) == self.path:
            link.unlink()
        self._close()

    def fileno(self) -> int:
        """Return the descriptor to poll, -1 while unplugged."""
        return self._master

    def read(self) -> bytes:
        """Return what the host has sent."""
        return os.read(self._master, READ_BYTES)

    def write(self, data: bytearray) -> None:
        """Send what the port can take now and remove it from ``data``."""
        with contextlib.suppress(BlockingIOError):
            while data:
                del data[: os.write(self._master, data)]

    def _close(self) -> None:
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1


def _point(link: Path, target: str) -> None:
    """Make ``link`` point to ``target``, in place of an older link."""
    if link.exists() and not link.is_symlink():
        raise ConfigurationError(f"{link}: exists and is not a symbolic link; name another path for the port")
    fresh = link.with_name(f"{link.name}.{os.getpid()}")
    try:
        fresh.symlink_to(target)
        fresh.replace(link)
    except OSError as error:
        raise ConfigurationError(f"{link}: cannot make the link to the port: {error.strerror}") from error
