"""Raw tensors back to back, as bytes arrive: from standard input, or from one client of a Unix socket at a time."""

import fcntl
import os
import select
import socket
import sys
from typing import Any, Final, Protocol

import numpy as np

from edge_agent.inference.runner import Tensor
from edge_agent.wire.errors import ConfigurationError

CHUNK_BYTES: Final = 65_536


class TensorCutter:
    """Cuts a stream of bytes into tensors of one shape, C order. Pure; holds what it was fed and did not hand out."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._shape, self._dtype = shape, dtype
        self.input_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        self._held = bytearray()
        self._at = 0

    @property
    def pending_bytes(self) -> int:
        """Return the bytes that are fed and not handed out."""
        return len(self._held) - self._at

    def feed(self, data: bytes) -> None:
        """Take bytes in any chunking."""
        del self._held[: self._at]
        self._at = 0
        self._held += data

    def take(self) -> Tensor | None:
        """Return the next whole tensor, None if it has not arrived entirely."""
        if self.pending_bytes < self.input_bytes:
            return None
        begin, self._at = self._at, self._at + self.input_bytes
        body = bytes(memoryview(self._held)[begin : self._at])
        return np.frombuffer(body, self._dtype).reshape(self._shape)

    def drop(self) -> int:
        """Forget what is pending, a partial tensor at a sender's end; return its bytes."""
        dropped = self.pending_bytes
        self._held.clear()
        self._at = 0
        return dropped


class ByteSource(Protocol):
    """Where the bytes come from."""

    @property
    def name(self) -> str:
        """Return what to call it in a log."""
        ...

    @property
    def ended(self) -> bool:
        """Return whether no sender will come any more."""
        ...

    def read(self, most_bytes: int, timeout_s: float) -> bytes | None:
        """Return what arrived, b"" once when a sender has ended, None if nothing came in time."""
        ...

    def close(self) -> None:
        """Leave the sender, if there is one."""
        ...


class StdinSource:
    """Standard input, until its end. Raises ConfigurationError where that is a terminal or cannot be read."""

    name = "stdin"

    def __init__(self, descriptor: int = 0) -> None:
        if os.isatty(descriptor):
            raise ConfigurationError(
                "[input] source = 'stdin': standard input is a terminal; pipe raw tensors into the agent"
            )
        if (descriptor == 0 and sys.stdin is None) or not _is_open_for_reading(descriptor):
            raise ConfigurationError(
                "[input] source = 'stdin': standard input is closed, or open for writing only; pipe raw tensors into "
                "the agent"
            )
        self._descriptor = descriptor
        self.ended = False

    def read(self, most_bytes: int, timeout_s: float) -> bytes | None:
        """See ByteSource.read."""
        if not _readable(self._descriptor, timeout_s):
            return None
        try:
            data = os.read(self._descriptor, most_bytes)
        except ConnectionError:
            data = b""
        self.ended = not data
        return data

    def close(self) -> None:
        """See ByteSource.close."""


class SocketSource:
    """One client at a time; the next one is let in when it has left. It never ends."""

    name = "socket"
    ended = False

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._client: socket.socket | None = None

    def read(self, most_bytes: int, timeout_s: float) -> bytes | None:
        """See ByteSource.read."""
        waited = self._listener if self._client is None else self._client
        if not _readable(waited.fileno(), timeout_s):
            return None
        if self._client is None:
            self._client, _ = self._listener.accept()
            return None
        try:
            data = self._client.recv(most_bytes)
        except ConnectionError:
            data = b""
        if not data:
            self.close()
        return data

    def close(self) -> None:
        """See ByteSource.close."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _is_open_for_reading(descriptor: int) -> bool:
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY
    except OSError:
        return False


def _readable(descriptor: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout_s) * 1e3))
