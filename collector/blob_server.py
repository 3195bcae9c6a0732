"""Answers devices that fetch files by their hash, each at a bounded rate, from a thread of its own.

An answer is sent once, at QoS 0: what is lost a device asks for again. Who asks for more than its rate allows waits,
and who asks for far more is not answered, so that one device holds up no other for long. Nothing here is kept.
"""

import heapq
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import structlog

from collector.blobs import BlobCounts, BlobDamagedError, BlobPart, BlobStore
from collector.intake import BrokerConnection
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.orders import BlobChunk, BlobRequest
from edge_agent.wire.topics import UpTopic, topic_for

MAX_WAITING: Final = 10_000
MAX_WAITING_OF_DEVICE: Final = 100
"""So that one alone does not fill the queue with small questions; a device asks one at a time."""
MAX_DELAY_S: Final = 5.0
"""Of one device: what it could be answered only later than this is forgotten."""
BURST_BYTES: Final = 1 << 20
MAX_DEVICES: Final = 10_000
REQUEST_COST_BYTES: Final = 256
"""What a question costs at least, so that those for nothing are bounded, too."""
_LOG = structlog.get_logger()


class _Asked(NamedTuple):
    due_s: float
    number: int
    topic: UpTopic
    request: BlobRequest
    connection: BrokerConnection

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """Return what is the same of a question that is asked again."""
        return (*self.topic[:2], self.request.sha256, self.request.offset, id(self.connection))


class BlobServer:
    """See the module's text. ``device_bytes_per_s``: the rate of one device, beyond ``BURST_BYTES`` at once."""

    def __init__(self, store: BlobStore, device_bytes_per_s: float) -> None:
        self._store = store
        self._bytes_per_s = device_bytes_per_s
        self._waiting: list[_Asked] = []
        self._keys: set[tuple[str, str, str, int, int]] = set()
        self._waiting_of: Counter[tuple[str, str]] = Counter()
        self._free_at_s: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._number = 0
        self._stopping = False
        self._changed = threading.Condition()
        self._damaged: dict[str, str] = {}
        self._chunks = self._sent_bytes = self._unknown = self._unanswered = 0
        self._thread = threading.Thread(target=self._run, name="collector-blobs")

    @property
    def alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    @property
    def counts(self) -> BlobCounts:
        """Return what was done so far."""
        return BlobCounts(self._chunks, self._sent_bytes, self._unknown, self._unanswered)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; who waits is not answered."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def take(self, topic: UpTopic, payload: bytes, connection: BrokerConnection) -> None:
        """Take a question, to be answered on ``connection``; what is no valid one is passed over."""
        try:
            request = decode(payload, BlobRequest)
        except RejectedRecordError:
            return
        with self._changed:
            self._number += 1
            asked = _Asked(time.monotonic(), self._number, topic, request, connection)
            if asked.key in self._keys:
                return
            device = topic.fleet, topic.device_id
            full = len(self._waiting) >= MAX_WAITING or self._waiting_of[device] >= MAX_WAITING_OF_DEVICE
            due_s = None if full else self._due_s(device, request.max_bytes, asked.due_s)
            if due_s is None:
                self._unanswered += 1
                return
            self._keys.add(asked.key)
            self._waiting_of[device] += 1
            heapq.heappush(self._waiting, asked._replace(due_s=due_s))
            self._changed.notify_all()

    def _due_s(self, device: tuple[str, str], max_bytes: int, now_s: float) -> float | None:
        """Return when the device may be answered, None for too late; it then is to be asked again."""
        burst_s = BURST_BYTES / self._bytes_per_s
        free_at_s = max(self._free_at_s.get(device, 0.0), now_s)
        due_s = max(now_s, free_at_s - burst_s)
        if due_s - now_s > MAX_DELAY_S:
            return None
        self._free_at_s[device] = free_at_s + max(max_bytes, REQUEST_COST_BYTES) / self._bytes_per_s
        self._free_at_s.move_to_end(device)
        while len(self._free_at_s) > MAX_DEVICES:
            self._free_at_s.popitem(last=False)
        return due_s

    def _run(self) -> None:
        while (asked := self._next()) is not None:
            if not asked.connection.ended.is_set():
                self._answer(asked)

    def _next(self) -> _Asked | None:
        """Wait for the next question that may be answered; None at the end."""
        with self._changed:
            while not self._stopping:
                now_s = time.monotonic()
                if self._waiting and self._waiting[0].due_s <= now_s:
                    return self._taken_out()
                self._changed.wait(self._waiting[0].due_s - now_s if self._waiting else None)
        return None

    def _taken_out(self) -> _Asked:
        asked = heapq.heappop(self._waiting)
        self._keys.discard(asked.key)
        device = asked.topic[:2]
        self._waiting_of[device] -= 1
        if not self._waiting_of[device]:
            del self._waiting_of[device]
        return asked

    def _answer(self, asked: _Asked) -> None:
        request = asked.request
        part = self._part(request)
        chunk = BlobChunk(
            sha256=request.sha256,
            offset=request.offset,
            total_bytes=part.total_bytes if part else 0,
            data=part.data if part else b"",
        )
        topic = topic_for(asked.topic.fleet, asked.topic.device_id, "cmd/blob")
        if not asked.connection.send(topic, encode(chunk)):
            self._unanswered += 1
        elif part is None:
            self._unknown += 1
        else:
            self._chunks += 1
            self._sent_bytes += len(part.data)

    def _part(self, request: BlobRequest) -> BlobPart | None:
        """Return what is asked for, None for a file that is not there or is not what its name says."""
        try:
            part = self._store.read(request.sha256, request.offset, request.max_bytes)
        except (BlobDamagedError, OSError) as error:
            self._tell_damaged(request.sha256, str(error))
            return None
        self._damaged.pop(request.sha256, None)
        return part

    def _tell_damaged(self, sha256: str, reason: str) -> None:
        """Log it once for each reason."""
        if self._damaged.get(sha256) != reason:
            if len(self._damaged) >= MAX_DEVICES:
                self._damaged.clear()
            self._damaged[sha256] = reason
            file = str(self._store.directory / sha256)
            remedy = "devices are told that there is no such file; publish it again: edgejoule order publish"
            _LOG.warning("blob_not_served", file=file, reason=reason, remedy=remedy)


@contextmanager
def serving_blobs(server: BlobServer | None) -> Iterator[list[BlobServer]]:
    """Answer while the block runs, where there is a server."""
    if server is None:
        yield []
        return
    server.start()
    try:
        yield [server]
    finally:
        server.stop()
