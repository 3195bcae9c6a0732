"""Sends what outbox and spools (benches, replies) hold, until the collector's store-ack says that it is stored.

One thread connects, sends, applies acknowledgements and sends again what stays unacknowledged. A PUBACK of the broker
proves nothing and trims nothing. The broker may be away for as long as it likes: windows wait in the outbox.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

import structlog

from edge_agent.bench_spool import BenchSpool
from edge_agent.clock import HostClock
from edge_agent.config import PublishSection
from edge_agent.connection import Connection
from edge_agent.dating import Dating
from edge_agent.delivery import FIRST_RESEND_S, BackOff, SingleFlights
from edge_agent.outbox import Outbox
from edge_agent.reply_spool import ReplySpool
from edge_agent.spool_sender import SpoolSender
from edge_agent.window_sender import MAX_MESSAGES_IN_FLIGHT, WindowSender
from edge_agent.wire import codec
from edge_agent.wire.errors import BrokerUnavailableError, ConfigurationError, RejectedRecordError
from edge_agent.wire.mqtt import BrokerSettings, check_settings
from edge_agent.wire.records import Birth, Health, Status, StoreAck
from edge_agent.wire.topics import DownChannel, UpChannel, topic_for

STEADY_AFTER_S: Final = 10.0
GOODBYE_TIMEOUT_S: Final = 1.0
_LOG = structlog.get_logger()


class _Ack(NamedTuple):
    payload: bytes
    received_boot_ns: int
    retained: bool


class Downlink(Protocol):
    """What else comes from the broker than acknowledgements, and who takes it."""

    @property
    def topics(self) -> Sequence[str]:
        """Topics or filters to subscribe to, the same at every connection."""

    def take(self, topic: str, payload: bytes, retained: bool) -> None:  # noqa: FBT001  the connection's call
        """Take one message; called from the network thread, so quickly. Must not raise."""


class Publisher:
    """See the module's text. All methods may be called from any thread."""

    def __init__(  # noqa: PLR0913  what has a default is for tests and for unusual sites
        self,
        broker: BrokerSettings,
        fleet: str,
        device_id: str,
        outbox: Outbox,
        birth: Callable[[], Birth],
        *,
        spool: BenchSpool | None = None,
        replies: ReplySpool | None = None,
        resend_s: float = FIRST_RESEND_S,
        settings: PublishSection | None = None,
        clock: HostClock | None = None,
        downlink: Downlink | None = None,
    ) -> None:
        """Prepare; nothing is sent before ``start``. Raises ConfigurationError for settings that cannot work.

        ``spool``: where benches wait, of this run or of an earlier one; None sends no benches. ``replies``: likewise
        to orders. ``clock``: this machine's unless given. ``downlink``: takes what comes on its topics.
        """
        settings = settings or PublishSection()
        self._address = check_settings(broker)
        self._broker = broker
        self._fleet = fleet
        self._device_id = device_id
        self._outbox = outbox
        self._birth = birth
        self._clock = clock or HostClock()
        self._downlink = downlink
        self._dating = Dating(outbox, self._clock, settings.clock_wait_s)
        self._sender = WindowSender(device_id, outbox, settings, resend_s, self._dating.now_unix_ns)
        self._changed = threading.Condition()
        self._news = False
        self._stopping = False
        self._lost = False
        self._hurrying = False
        self._reborn = False
        self._acks: deque[_Ack] = deque(maxlen=1000)
        self._connection: Connection | None = None
        spools: tuple[tuple[UpChannel, BenchSpool | ReplySpool | None], ...] = (("bench", spool), ("reply", replies))
        self._spools = {
            channel: SpoolSender(channel, one, device_id, SingleFlights(MAX_MESSAGES_IN_FLIGHT, resend_s), self._tell)
            for channel, one in spools
            if one is not None
        }
        self._told = ""
        self._thread = threading.Thread(target=self._run, name="publisher")

    @property
    def connected(self) -> bool:
        """Return whether the broker has accepted us and the connection stands."""
        return self._connection is not None and not self._lost

    def start(self) -> None:
        """Begin to connect and to send, in the background."""
        self._thread.start()

    def notify(self) -> None:
        """Say that a window was appended to the outbox, or a bench or a reply added to its spool."""
        self._wake()

    def announce(self) -> None:
        """Say anew who this device is, as its model or its window has become another."""
        with self._changed:
            self._reborn = True
        self._wake()

    def publish_health(self, health: Health) -> None:
        """Send health once if there is a connection: the next one is newer anyway."""
        self.publish_once("health", codec.encode(health))

    def publish_once(self, channel: UpChannel, payload: bytes) -> bool:
        """Send ``payload`` if there is a connection; return whether there was one. Nothing repeats it."""
        connection = self._connection
        if connection is None:
            return False
        connection.publish(self._topic(channel), payload)
        return True

    def flush(self, timeout_s: float) -> bool:
        """Wait until the collector has stored everything; return whether that came true in time.

        From now on windows wait neither for more of them nor for the system clock to be set.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            if not self._hurrying:
                self._hurrying = True
                self._wake()
            while self._outbox.backlogs() or any(one.pending() != [] for one in self._spools.values()):
                remaining_s = deadline_s - time.monotonic()
                if remaining_s <= 0 or self._stopping:
                    return False
                self._changed.wait(min(remaining_s, 0.5))
        return True

    def stop(self) -> None:
        """Say goodbye and end the thread. What is not acknowledged stays on the disk."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pauses = BackOff()
        while not self._stopping:
            began_s = time.monotonic()
            try:
                self._one_connection()
            except (BrokerUnavailableError, ConfigurationError) as error:  # also a password file that went away
                self._tell("broker_unreachable", remedy=str(error))
            except sqlite3.Error as error:
                self._tell("outbox_unavailable", remedy=f"{error}: check free space and owner of the state directory")
            if time.monotonic() - began_s > STEADY_AFTER_S:
                pauses.reset()
            self._pause(pauses.next_s())

    def _one_connection(self) -> None:
        self._lost = False
        connection = Connection(
            self._broker,
            f"edgejoule-{self._fleet}-{self._device_id}",
            (self._topic("ack"), *(self._downlink.topics if self._downlink else ())),
            self._take_message,
            self._take_end,
        )
        connection.open(self._topic("status"), self._status(online=False, reason="connection lost"))
        self._connection = connection
        try:
            self._greet(connection)
            self._deliver(connection)
        finally:
            lost = self._lost
            self._connection = None
            if self._stopping and not lost:
                self._say_goodbye(connection)
            connection.close()
        if lost:
            self._tell("broker_connection_lost", remedy=connection.end_reason)

    def _greet(self, connection: Connection) -> None:
        self._tell("broker_connected", remedy="")
        self._send_birth(connection)
        connection.publish(self._topic("status"), self._status(online=True, reason=""), retain=True)
        self._dating.begin()
        self._sender.begin()
        for one in self._spools.values():
            one.begin()

    def _send_birth(self, connection: Connection) -> None:
        self._reborn = False
        connection.publish(self._topic("birth"), codec.encode(self._birth()), retain=True)

    def _say_goodbye(self, connection: Connection) -> None:
        sent = connection.publish(self._topic("status"), self._status(online=False, reason="stopped"), retain=True)
        try:
            sent.wait_for_publish(GOODBYE_TIMEOUT_S)
        except (RuntimeError, ValueError):
            return

    def _deliver(self, connection: Connection) -> None:
        while True:
            with self._changed:
                if self._stopping or self._lost:
                    return
                self._news = False
            if self._reborn:
                self._send_birth(connection)
            self._apply_acks()
            waits_s = [self._date_windows(connection), self._send_windows(connection), *self._send_spools(connection)]
            wait_s = min((one for one in waits_s if one is not None), default=None)
            with self._changed:
                self._changed.wait_for(lambda: self._news or self._stopping or self._lost, wait_s)

    def _apply_acks(self) -> None:
        while self._acks:
            payload, received_boot_ns, retained = self._acks[0]
            try:
                ack = codec.decode(payload, StoreAck)
            except RejectedRecordError as error:
                _LOG.warning("store_ack_rejected", reason=str(error))
            else:
                if ack.device_id == self._device_id:
                    self._dating.note_ack(ack.t_unix_ns, received_boot_ns, retained=retained)
                    self._outbox.apply_ack(ack)
                    self._note_stored("bench", ack.bench_ids)
                    self._note_stored("reply", ack.reply_ids)
            self._acks.popleft()
        with self._changed:
            self._changed.notify_all()

    def _note_stored(self, channel: UpChannel, record_ids: Sequence[str]) -> None:
        if channel in self._spools:
            self._spools[channel].note_stored(record_ids)

    def _send_spools(self, connection: Connection) -> list[float | None]:
        return [one.send(partial(connection.publish, self._topic(channel))) for channel, one in self._spools.items()]

    def _date_windows(self, connection: Connection) -> float | None:
        def ask() -> None:
            self._sender.ask(lambda payload: connection.publish(self._topic("windows"), payload))

        return self._dating.tend(ask, hurry=self._hurrying)

    def _send_windows(self, connection: Connection) -> float | None:
        def send(payload: bytes) -> None:
            connection.publish(self._topic("windows"), payload)

        return self._sender.send_what_fits(send, time.monotonic(), hurry=self._hurrying)

    def _status(self, *, online: bool, reason: str) -> bytes:
        return codec.encode(
            Status(
                device_id=self._device_id,
                boot_id=self._outbox.boot_id,
                online=online,
                t_unix_ns=self._dating.now_unix_ns(),
                reason=reason,
            )
        )

    def _topic(self, channel: UpChannel | DownChannel) -> str:
        return topic_for(self._fleet, self._device_id, channel)

    def _take_message(self, topic: str, payload: bytes, retained: bool) -> None:  # noqa: FBT001  the connection's call
        if topic == self._topic("ack"):
            self._acks.append(_Ack(payload, self._clock.boot_ns(), retained))
            self._wake()
        elif self._downlink is not None:
            self._downlink.take(topic, payload, retained)

    def _take_end(self) -> None:
        with self._changed:
            self._lost = True
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, seconds)

    def _tell(self, event: str, remedy: str) -> None:
        """Log a change of state once, not at every attempt."""
        if self._told == event + remedy:
            return
        self._told = event + remedy
        if event == "broker_connected":
            _LOG.info(event, broker=str(self._address), device=self._device_id)
        else:
            _LOG.warning(event, broker=str(self._address), device=self._device_id, remedy=remedy)
