"""What lies between the network and the writer: whole batches of messages, bounded by their number and their bytes.

The network thread never waits in here. It asks whether there is room before it reads, and when there is none it leaves
the bytes in the socket, so that TCP makes the broker wait. What one read brought is always taken, so the bounds may be
passed by that much.
"""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from edge_agent.wire.mqtt_packets import Publish

MAX_MESSAGES: Final = 20_000
MAX_BYTES: Final = 64 << 20
MAX_TAKEN_BYTES: Final = 4 << 20
MESSAGE_OVERHEAD_BYTES: Final = 300
"""About what CPython needs for an empty message: a tuple, a text, bytes and a number."""


class BrokerConnection(Protocol):
    """One connection of the collector, from CONNECT to its end."""

    ended: threading.Event
    end_reason: str

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Send PUBACKs in this order; without effect after the end: the broker sends the messages again."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish, retained, at QoS 1. What the end of the connection cuts off is published again with its cause."""

    def send(self, topic: str, payload: bytes) -> bool:
        """Publish once, at QoS 0, not retained; return False, with nothing sent, where too much waits already."""

    def close(self) -> None:
        """Let acknowledgements out, leave, and end the network thread."""


class Batch(NamedTuple):
    """Messages that came together, and the connection on which alone they can be acknowledged."""

    connection: BrokerConnection
    messages: list[Publish]
    t_unix_ns: int

    def size_bytes(self) -> int:
        """Return about how much memory it takes."""
        return sum(len(message.payload) + len(message.topic) + MESSAGE_OVERHEAD_BYTES for message in self.messages)


class Intake:
    """See the module's text. One writer takes; any thread may give."""

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._batches: deque[tuple[Batch, int]] = deque()
        self._messages = 0
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def full(self) -> bool:
        """Return whether a reader has to leave what comes in the socket."""
        return self._messages >= self._max_messages or self._bytes >= self._max_bytes

    @property
    def empty(self) -> bool:
        """Return whether nothing waits."""
        return not self._batches

    @property
    def held_messages(self) -> int:
        """Return how many messages wait."""
        return self._messages

    @property
    def held_bytes(self) -> int:
        """Return about how much memory is taken."""
        return self._bytes

    def put(self, batch: Batch) -> None:
        """Give a batch; after ``close`` it is forgotten, unacknowledged, for the broker to send again."""
        size_bytes = batch.size_bytes()
        with self._changed:
            if self._closed:
                return
            self._batches.append((batch, size_bytes))
            self._messages += len(batch.messages)
            self._bytes += size_bytes
            self._changed.notify_all()

    def take(self, max_messages: int, timeout_s: float) -> list[Batch]:
        """Return what is there, oldest first, up to the batch with which it is ``max_messages`` or more.

        So many bytes that a commit of them would take long end it too: while one runs, stores cannot note their own.
        Waits up to ``timeout_s`` for the first; an empty list says that none came.
        """
        taken: list[Batch] = []
        count = 0
        total_bytes = 0
        with self._changed:
            if not self._batches and not self._closed:
                self._changed.wait(timeout_s)
            while self._batches and count < max_messages and total_bytes < MAX_TAKEN_BYTES:
                batch, size_bytes = self._batches.popleft()
                taken.append(batch)
                count += len(batch.messages)
                total_bytes += size_bytes
                self._bytes -= size_bytes
            self._messages -= count
            if count:
                self._changed.notify_all()
        return taken

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until there is room again, or it is closed; return whether that is so now."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or not self.full, timeout_s)

    def close(self) -> None:
        """Take nothing more; what is inside stays to be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
