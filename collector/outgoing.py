"""What waits to be sent on one connection: acknowledgements at once, store-acks as the broker takes them.

A newer store-ack says all that an older one says, so of one topic only the newest waits. What is sent once, parts of
files, goes out only while little else waits for the network. Thread-safe, no socket.
"""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Final

from edge_agent.wire.mqtt_packets import Protocol, encode_pubacks, encode_publish

MAX_PUBLISHES_IN_FLIGHT: Final = 100
MAX_ONCE_BYTES: Final = 4 << 20
"""How much of what is sent once may wait."""
LAST_PACKET_ID: Final = 65_535


class Outgoing:
    """See the module's text. ``receive_maximum``: how many unacknowledged messages the broker takes."""

    def __init__(self, protocol: Protocol) -> None:
        self.receive_maximum = MAX_PUBLISHES_IN_FLIGHT
        self._protocol = protocol
        self._lock = threading.Lock()
        self._pieces: list[bytes] = []
        self._waiting: dict[str, bytes] = {}
        self._once: deque[bytes] = deque()
        self._once_bytes = 0
        self._in_flight: dict[int, str] = {}
        self._packet_id = 0

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Leave one PUBACK for each, as one piece."""
        if packet_ids:
            piece = encode_pubacks(packet_ids, self._protocol)
            with self._lock:
                self._pieces.append(piece)

    def publish(self, topic: str, payload: bytes) -> None:
        """Leave a retained message in the place of an older one that still waits."""
        with self._lock:
            self._waiting[topic] = payload

    def send(self, topic: str, payload: bytes) -> bool:
        """Leave a message at QoS 0 that is not retained; return False when too many of them wait."""
        piece = encode_publish(topic, payload, self._protocol, qos=0)
        with self._lock:
            if self._once_bytes + len(piece) > MAX_ONCE_BYTES:
                return False
            self._once.append(piece)
            self._once_bytes += len(piece)
        return True

    def collect(self, once_bytes: int = MAX_ONCE_BYTES) -> bytes:
        """Return what may be sent now; of what is sent once about ``once_bytes`` at most."""
        if not self._pieces and not self._waiting and not self._once:
            return b""
        with self._lock:
            pieces, self._pieces = self._pieces, []
            while self._once and once_bytes > 0:
                piece = self._once.popleft()
                self._once_bytes -= len(piece)
                once_bytes -= len(piece)
                pieces.append(piece)
            room = min(self.receive_maximum, MAX_PUBLISHES_IN_FLIGHT) - len(self._in_flight)
            for topic in list(self._waiting)[: max(room, 0)]:
                packet_id = self._next_packet_id()
                self._in_flight[packet_id] = topic
                payload = self._waiting.pop(topic)
                pieces.append(encode_publish(topic, payload, self._protocol, retain=True, packet_id=packet_id))
        return b"".join(pieces)

    def _next_packet_id(self) -> int:
        while True:
            self._packet_id = self._packet_id % LAST_PACKET_ID + 1
            if self._packet_id not in self._in_flight:
                return self._packet_id

    def confirmed(self, packet_id: int) -> str:
        """Note that the broker has answered; return the topic, "" for an answer to nothing."""
        with self._lock:
            return self._in_flight.pop(packet_id, "")

    @property
    def idle(self) -> bool:
        """Return whether nothing waits and the broker has answered all; what is sent once does not count."""
        return not (self._pieces or self._waiting or self._in_flight)
