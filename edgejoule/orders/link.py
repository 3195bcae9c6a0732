"""The operator's way to the broker: what comes is put into a queue, and a connection that was lost is made again."""

import queue
import secrets
import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Self

from edge_agent.connection import Connection, Role
from edge_agent.wire.errors import BrokerUnavailableError, ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings

RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 15.0
OPERATOR: Final = Role(
    ("operator", "id"), 'what its access list knows for the operator ([broker] username, "operator" in deploy/)'
)


class Came(NamedTuple):
    """A message as it came."""

    topic: str
    payload: bytes
    retained: bool


class Link:
    """A context manager. For one thread; messages come from the connection's."""

    def __init__(self, broker: BrokerSettings, topics: Sequence[str]) -> None:
        self._broker, self._topics = broker, topics
        self._came: queue.SimpleQueue[Came | None] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._lost = False
        self._retry_s = 0.0
        self._pause_s = RETRY_S
        self._refusal = ""
        self.connects = 0
        self.trouble = ""
        """Why there is no connection now, "" when there is one."""

    def __enter__(self) -> Self:
        """Connect. Raises BrokerUnavailableError: at the start that is the caller's to mend."""
        self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def keep_up(self, now_s: float) -> bool:
        """Connect again where the connection was lost; return whether there is one. ``connects`` counts them.

        Raises BrokerUnavailableError when the broker's access list says no: that will not change.
        """
        if self._refusal:
            raise BrokerUnavailableError(self._refusal)
        if self._connection is not None and not self._lost:
            return True
        if self._connection is not None:
            self.trouble = self._connection.end_reason
            self._close()
        if now_s < self._retry_s:
            return False
        try:
            self._connect()
        except (BrokerUnavailableError, ConfigurationError) as error:
            self.trouble = str(error)
            self._retry_s = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_RETRY_S)
            return False
        return True

    def publish(self, topic: str, payload: bytes, valid_s: float) -> None:
        """Send once; the broker forgets it after ``valid_s``."""
        if self._connection is not None:
            self._connection.publish(topic, payload, expiry_s=max(1, round(valid_s)))

    def receive(self, timeout_s: float) -> Iterable[Came]:
        """Wait for a message or the connection's end; yield what has come."""
        try:
            came = self._came.get(timeout=max(timeout_s, 0.0))
        except queue.Empty:
            return
        while True:
            if came is not None:
                yield came
            try:
                came = self._came.get_nowait()
            except queue.Empty:
                return

    def _connect(self) -> None:
        self._lost = False
        connection = Connection(
            self._broker,
            f"edgejoule-operator-{secrets.token_hex(6)}",
            self._topics,
            lambda topic, payload, retained: self._came.put(Came(topic, payload, retained)),
            self._take_end,
            self._take_refusal,
            OPERATOR,
        )
        connection.open()
        self._connection = connection
        self.connects += 1
        self.trouble = ""
        self._pause_s = RETRY_S

    def _take_end(self) -> None:
        self._lost = True
        self._came.put(None)

    def _take_refusal(self, remedy: str) -> None:
        self._refusal = remedy
        self._came.put(None)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
