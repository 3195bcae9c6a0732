"""What comes down from the broker, taken off the network's thread at once and never more than memory has room for."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge_agent.remote.counts import OrderCounts
from edge_agent.remote.guard import MAX_SIGNED_BYTES
from edge_agent.wire.orders import MAX_CHUNK_BYTES
from edge_agent.wire.records import MAX_PAYLOAD_BYTES
from edge_agent.wire.topics import grid_topic, topic_for

MAX_WAITING: Final = 64
MAX_CHUNKS_WAITING: Final = 8
MAX_CHUNK_MESSAGE_BYTES: Final = MAX_CHUNK_BYTES * 4 // 3 + 1024


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came."""

    topic: str
    payload: bytes
    retained: bool


class Inbox:
    """A ``Downlink`` of the publisher. ``take`` is for the network's thread, ``next`` for the one that works."""

    def __init__(self, fleet: str, device_id: str, counts: OrderCounts, *, orders: bool, zone: str = "") -> None:
        """``orders``: also listen to commands and files. ``zone``: whose grid to listen to, "" for none."""
        self.run_topic = topic_for(fleet, device_id, "cmd/run")
        self.blob_topic = topic_for(fleet, device_id, "cmd/blob")
        self.grid_topic = grid_topic(fleet, zone) if zone else ""
        self._topics = ((self.run_topic, self.blob_topic) if orders else ()) + ((self.grid_topic,) if zone else ())
        self._counts = counts
        self._changed = threading.Condition()
        self._commands: deque[Message] = deque()
        self._chunks: deque[Message] = deque(maxlen=MAX_CHUNKS_WAITING)
        self._grid: deque[Message] = deque(maxlen=1)
        self._queues: deque[deque[Message]] = deque((self._chunks, self._grid, self._commands))
        self._woken = False

    @property
    def topics(self) -> Sequence[str]:
        """Return what to listen to."""
        return self._topics

    def take(self, topic: str, payload: bytes, retained: bool) -> None:  # noqa: FBT001  the connection's call
        """Keep a message for ``next``, or count it as refused where it cannot be one or there is no room."""
        message = Message(topic, payload, retained)
        with self._changed:
            if topic == self.run_topic:
                self._take_command(message)
            elif topic == self.blob_topic and len(payload) <= MAX_CHUNK_MESSAGE_BYTES and not retained:
                self._chunks.append(message)
            elif topic == self.grid_topic and len(payload) <= MAX_PAYLOAD_BYTES:
                self._grid.append(message)
            self._changed.notify_all()

    def next(self, timeout_s: float) -> Message | None:
        """Return the next message, None when none came in time or ``wake`` was called.

        Each kind in its turn: an endless stream of one must not keep the others waiting.
        """
        with self._changed:
            self._changed.wait_for(self._has_news, timeout_s)
            self._woken = False
            for _ in range(len(self._queues)):
                waiting = self._queues[0]
                self._queues.rotate(-1)
                if waiting:
                    return waiting.popleft()
        return None

    def wake(self) -> None:
        """Let ``next`` return."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def _take_command(self, message: Message) -> None:
        if len(message.payload) > MAX_SIGNED_BYTES:
            self._counts.refused("malformed")
        elif len(self._commands) >= MAX_WAITING:
            self._counts.refused("busy")
        else:
            self._commands.append(message)

    def _has_news(self) -> bool:
        return bool(self._woken or self._commands or self._chunks or self._grid)
