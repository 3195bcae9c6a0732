"""An emulated meter's marker inputs, driven by datagrams to a Unix socket: the wire from the host's pin.

A datagram ``0`` or ``1`` sets input 0, ``3:1`` sets input 3; the level holds from the moment at which it is read. It
is then sent back to a sender that has an address: so it knows that the line was driven between sending and hearing it.
"""

import contextlib
import re
import socket
import stat
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.samples import F64, U8

COMMAND: Final = re.compile(rb"(?:([0-7]):)?([01])")
MAX_DATAGRAM_BYTES: Final = 16
MAX_CHANGES: Final = 4096


class MarkerWire:
    """The inputs' levels over time, in the seconds of ``now_s``. ``refused``: datagrams that were no command."""

    def __init__(self, path: Path, now_s: Callable[[], float]) -> None:
        self._path, self._now_s = path, now_s
        self._socket: socket.socket | None = None
        self._times_s, self._levels = [-np.inf], [0]
        self.refused = 0

    def __enter__(self) -> Self:
        """Make the socket. Raises ConfigurationError where it cannot be."""
        endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            _remove(self._path)
            endpoint.bind(str(self._path))
        except OSError as error:
            endpoint.close()
            why = error.strerror or str(error)
            raise ConfigurationError(
                f"{self._path}: cannot make the marker socket: {why}; name another path"
            ) from error
        endpoint.setblocking(False)
        self._socket = endpoint
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._path.unlink(missing_ok=True)

    def fileno(self) -> int:
        """Return the descriptor to poll, -1 while there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    def take(self) -> None:
        """Carry out what has arrived."""
        with contextlib.suppress(BlockingIOError):
            while self._socket is not None:
                data, sender = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
                command = COMMAND.fullmatch(data.strip())
                if command is None:
                    self.refused += 1
                    continue
                self._set(int(command[1] or 0), int(command[2]))
                if sender:
                    with contextlib.suppress(OSError):  # it does not listen any longer
                        self._socket.sendto(data, sender)

    def levels(self, t_s: F64) -> U8:
        """Return the levels as bits at each time, shape ``(n,)``; times of later calls do not go back."""
        found = np.searchsorted(self._times_s, t_s, side="right") - 1
        levels: U8 = np.array(self._levels, dtype=np.uint8)[found]
        passed = bisect_right(self._times_s, float(t_s[0])) - 1
        del self._times_s[:passed], self._levels[:passed]
        return levels

    def _set(self, bit: int, level: int) -> None:
        levels = self._levels[-1] & ~(1 << bit) | level << bit
        self._times_s.append(self._now_s())
        self._levels.append(levels)
        if len(self._times_s) > MAX_CHANGES:
            del self._times_s[0], self._levels[0]
            self._times_s[0] = -np.inf


def _remove(path: Path) -> None:
    """Take away the socket of an emulator that was killed; nothing else."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
