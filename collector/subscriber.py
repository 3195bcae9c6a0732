"""From the broker to the journal: take, commit, and only then acknowledge, to the broker and to the devices.

The network thread puts messages into a bounded queue. One writer thread takes all that is there, commits it as one
transaction, sends the PUBACKs in the order of arrival (some brokers disconnect a client that does not), and publishes
each touched device's store-ack. The session is persistent: while no collector runs, the broker queues.
"""

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import structlog

from collector.connection import Connection, Delivery
from collector.ingest import ingest
from collector.journal import Journal
from collector.journal_file import JournalGoneError
from edge_agent.wire.codec import encode
from edge_agent.wire.errors import BrokerUnavailableError, ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings, check_settings
from edge_agent.wire.records import BootAck, StoreAck
from edge_agent.wire.topics import UpTopic, topic_for

MAX_MESSAGES_PER_COMMIT: Final = 500
QUEUE_MESSAGES: Final = 2000
RETRY_S: Final = 1.0
POLL_S: Final = 0.5
ACKED_CHANNELS: Final = frozenset({"windows", "bench"})
_LOG = structlog.get_logger()


class Subscriber:
    """See the module's text. ``on_commit`` is called from the writer thread after each commit."""

    def __init__(
        self,
        broker: BrokerSettings,
        client_id: str,
        fleet: str,
        journal: Journal,
        on_commit: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare. Raises ConfigurationError for settings that cannot work."""
        self._address = check_settings(broker)
        self._broker = broker
        self._client_id = client_id
        self._fleet = fleet
        self._journal = journal
        self._on_commit = on_commit
        self._queue: queue.Queue[Delivery] = queue.Queue(QUEUE_MESSAGES)
        self._stopping = threading.Event()
        self._drained = threading.Event()
        self._told = ""
        self._connector = threading.Thread(target=self._connect_for_ever, name="collector-connection")
        self._writer = threading.Thread(target=self._write_for_ever, name="collector-writer")

    def start(self) -> None:
        """Begin; the broker may be away."""
        self._writer.start()
        self._connector.start()

    def stop(self) -> None:
        """Take no more, commit and acknowledge what was taken, then leave the broker. The session stays there."""
        self._stopping.set()
        self._writer.join()
        self._drained.set()
        self._connector.join()

    @property
    def connected(self) -> bool:
        """Return whether a broker has accepted us and the connection stands."""
        return self._told == "broker_connected"

    @property
    def alive(self) -> bool:
        """Return whether both threads run."""
        return self._writer.is_alive() and self._connector.is_alive()

    def _connect_for_ever(self) -> None:
        pause_s = RETRY_S
        while not self._stopping.is_set():
            try:
                connection = Connection(self._broker, self._client_id, self._fleet, self._take)
                connection.open()
            except (BrokerUnavailableError, ConfigurationError) as error:  # also a password file that went away
                self._tell("broker_unreachable", str(error))
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, 15.0)
                continue
            pause_s = RETRY_S
            self._tell("broker_connected", "")
            while not connection.ended.wait(POLL_S) and not self._drained.is_set():
                pass
            connection.close()
            if not self._drained.is_set():
                self._tell("broker_connection_lost", connection.end_reason)
                self._stopping.wait(RETRY_S / 2)

    def _take(self, delivery: Delivery) -> None:
        """Queue one message, from the network thread; a full queue makes the broker wait."""
        while not self._stopping.is_set() and not delivery.connection.closing:
            try:
                self._queue.put(delivery, timeout=POLL_S)
            except queue.Full:
                continue
            return

    def _write_for_ever(self) -> None:
        while True:
            deliveries = list(self._all_there())
            if deliveries:
                try:
                    self._commit_and_acknowledge(deliveries)
                except JournalGoneError as error:  # the supervisor sees that this thread ended
                    self._tell("journal_gone", f"{error} while it was open: start the collector again")
                    return
            elif self._stopping.is_set():
                return

    def _all_there(self) -> Iterator[Delivery]:
        try:
            yield self._queue.get(timeout=POLL_S / 5)
            for _ in range(MAX_MESSAGES_PER_COMMIT - 1):
                yield self._queue.get_nowait()
        except queue.Empty:
            return

    def _commit_and_acknowledge(self, deliveries: list[Delivery]) -> None:
        touched = self._commit(deliveries)
        if touched is None:
            return
        for delivery in deliveries:
            delivery.acknowledge()
        newest = deliveries[-1].connection
        for topic in touched:
            newest.publish(topic_for(topic.fleet, topic.device_id, "ack"), self._store_ack(topic))
        self._on_commit()

    def _commit(self, deliveries: list[Delivery]) -> list[UpTopic] | None:
        """Commit all of them, trying again while the disk refuses; None when stopped before it did."""
        while True:
            try:
                with self._journal.transaction():
                    topics = [ingest(self._journal, delivery.message) for delivery in deliveries]
            except sqlite3.OperationalError as error:
                self._tell("journal_not_writable", f"{error}: free space on the disk of state_dir; nothing is lost")
                if self._stopping.wait(RETRY_S):
                    return None
                continue
            if self._told.startswith("journal_not_writable"):
                self._tell("journal_writable_again", "")
            unique = {(t.fleet, t.device_id): t for t in topics if t is not None and t.channel in ACKED_CHANNELS}
            return list(unique.values())

    def _store_ack(self, topic: UpTopic) -> bytes:
        high_waters = self._journal.high_waters(topic.device_id)
        return encode(
            StoreAck(
                device_id=topic.device_id,
                t_unix_ns=time.time_ns(),
                acks=tuple(BootAck(boot_id=boot, seq=seq) for boot, seq in high_waters.items()),
                bench_ids=self._journal.bench_ids(topic.fleet, topic.device_id),
            )
        )

    def _tell(self, event: str, remedy: str) -> None:
        """Log a change of state once, not at every attempt."""
        if self._told == event + remedy:
            return
        self._told = event + remedy
        if not remedy:
            _LOG.info(event, broker=str(self._address), fleet=self._fleet)
        else:
            _LOG.warning(event, broker=str(self._address), remedy=remedy)
