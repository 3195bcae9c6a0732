"""From the broker to the journal: take, commit, and only then acknowledge, to the broker and to the devices.

The network thread puts messages into a bounded intake. One writer thread takes what is there, commits it as one
transaction, sends the PUBACKs in the order of arrival (some brokers disconnect a client that does not), and publishes
each touched device's store-ack. A collector alone has a persistent session: while it is away, the broker queues. One
of a group has none: what it took with it comes again from the devices.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from itertools import groupby
from typing import Final

import structlog

from collector.blob_server import BlobServer
from collector.connection import connect
from collector.ingest import Received, ingest
from collector.intake import Batch, BrokerConnection, Intake
from collector.journal import Journal
from collector.journal_file import JournalGoneError, why_not_written
from collector.session import Session
from edge_agent.wire.codec import encode
from edge_agent.wire.errors import BrokerUnavailableError, ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings, check_settings
from edge_agent.wire.records import BootAck, StoreAck
from edge_agent.wire.topics import UpTopic, topic_for

MAX_MESSAGES_PER_COMMIT: Final = 1000
RETRY_S: Final = 1.0
POLL_S: Final = 0.5
ACK_SPACING_S: Final = 0.1
"""While messages queue, devices hear of what is stored this often; else at once."""
ACKED_CHANNELS: Final = frozenset({"windows", "bench", "reply"})
_LOG = structlog.get_logger()


class Subscriber:
    """See the module's text. ``on_commit`` is called from the writer thread after each commit."""

    def __init__(
        self,
        broker: BrokerSettings,
        session: Session,
        journal: Journal,
        on_commit: Callable[[], None] = lambda: None,
        intake: Intake | None = None,
        files: BlobServer | None = None,
    ) -> None:
        """Prepare. ``files``: who answers devices that fetch one. Raises ConfigurationError."""
        self._address = check_settings(broker)
        self._broker = broker
        self._session = session
        self._journal = journal
        self._on_commit = on_commit
        self._intake = intake or Intake()
        self._files = files
        self._touched: dict[tuple[str, str], UpTopic] = {}
        self._published_s = 0.0
        self._stopping = threading.Event()
        self._drained = threading.Event()
        self._told = ""
        self._connection: BrokerConnection | None = None
        self._journal_trouble = ""
        self._connector = threading.Thread(target=self._connect_for_ever, name="collector-connection")
        self._writer = threading.Thread(target=self._write_for_ever, name="collector-writer")

    def start(self) -> None:
        """Begin; the broker may be away."""
        self._writer.start()
        self._connector.start()

    def stop(self) -> None:
        """Take no more, commit and acknowledge what was taken, then leave the broker."""
        self._stopping.set()
        self._intake.close()
        self._writer.join()
        self._drained.set()
        self._connector.join()

    @property
    def connection(self) -> BrokerConnection | None:
        """Return the connection that stands, None for none: for what others publish."""
        return self._connection

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
                connection = connect(self._broker, self._session, self._intake)
            except (BrokerUnavailableError, ConfigurationError) as error:  # also a password file that went away
                self._tell("broker_unreachable", str(error))
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, 15.0)
                continue
            pause_s = RETRY_S
            self._connection = connection
            self._tell("broker_connected", "")
            while not connection.ended.wait(POLL_S) and not self._drained.is_set():
                pass
            self._connection = None
            connection.close()
            if not self._drained.is_set():
                self._tell("broker_connection_lost", connection.end_reason)
                self._stopping.wait(RETRY_S / 2)

    def _write_for_ever(self) -> None:
        while True:
            batches = self._intake.take(MAX_MESSAGES_PER_COMMIT, POLL_S)
            if batches:
                try:
                    self._commit_and_acknowledge(batches)
                except JournalGoneError as error:  # the supervisor sees that this thread ended
                    _LOG.error("journal_gone", remedy=f"{error} while it was open: start the collector again")
                    return
            elif self._stopping.is_set():
                return

    def _commit_and_acknowledge(self, batches: list[Batch]) -> None:
        if not self._commit(batches):
            return
        for connection, group in groupby(batches, lambda batch: batch.connection):
            connection.acknowledge([message.packet_id for batch in group for message in batch.messages if message.qos])
        if self._intake.empty or time.monotonic() - self._published_s >= ACK_SPACING_S:
            self._publish_store_acks(batches[-1].connection)
        self._on_commit()

    def _commit(self, batches: list[Batch]) -> bool:
        """Commit all of them, trying again while the disk refuses; return False when stopped before it did."""
        while True:
            try:
                with self._journal.transaction():
                    for batch in batches:
                        self._ingest(batch)
            except sqlite3.OperationalError as error:
                self._tell_of_journal(f"{why_not_written(error)}; nothing is lost")
                if self._stopping.wait(RETRY_S):
                    return False
                continue
            self._tell_of_journal("")
            return True

    def _ingest(self, batch: Batch) -> None:
        for message in batch.messages:
            received = Received(message.topic, message.payload, batch.t_unix_ns, message.retain, message.cut_bytes)
            topic = ingest(self._journal, received)
            if topic is not None and topic.channel in ACKED_CHANNELS:
                self._touched[topic.fleet, topic.device_id] = topic
            elif topic is not None and topic.channel == "fetch" and self._files is not None:
                self._files.take(topic, message.payload, batch.connection)

    def _publish_store_acks(self, connection: BrokerConnection) -> None:
        touched, self._touched = self._touched, {}
        for topic in touched.values():
            connection.publish(topic_for(topic.fleet, topic.device_id, "ack"), self._store_ack(topic))
        self._published_s = time.monotonic()

    def _store_ack(self, topic: UpTopic) -> bytes:
        high_waters = self._journal.high_waters(topic.device_id)
        return encode(
            StoreAck(
                device_id=topic.device_id,
                t_unix_ns=time.time_ns(),
                acks=tuple(BootAck(boot_id=boot, seq=seq) for boot, seq in high_waters.items()),
                stored=self._journal.stored_above(topic.device_id, high_waters),
                bench_ids=self._journal.bench_ids(topic.fleet, topic.device_id),
                reply_ids=self._journal.reply_ids(topic.fleet, topic.device_id),
            )
        )

    def _tell_of_journal(self, trouble: str) -> None:
        """Log that the journal cannot be written, and that it can be again, once each."""
        if trouble and trouble != self._journal_trouble:
            _LOG.warning("journal_not_writable", remedy=trouble)
        elif self._journal_trouble and not trouble:
            _LOG.info("journal_writable_again")
        self._journal_trouble = trouble

    def _tell(self, event: str, remedy: str) -> None:
        """Log a change of state once, not at every attempt."""
        if self._told == event + remedy:
            return
        self._told = event + remedy
        if not remedy:
            _LOG.info(event, broker=str(self._address), fleet=self._session.fleet)
        else:
            _LOG.warning(event, broker=str(self._address), remedy=remedy)
