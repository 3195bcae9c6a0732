"""The collector's own connection over TCP or TLS, for bulk: thousands of messages per read and per acknowledgement.

One thread owns the socket. Others leave acknowledgements and store-acks for it and wake it; nobody but it ever waits
for the network. It reads only while the intake has room: that is the back-pressure, which TCP carries on to the
broker, also to one that ignores Receive Maximum. The bytes are those of ``edge_agent.wire.mqtt_packets``.
"""

import socket
import threading
import time
from collections.abc import Sequence
from typing import Final

import structlog

from collector.intake import Batch, Intake
from collector.outgoing import Outgoing
from collector.session import (
    CONNACK_TIMEOUT_S,
    GOES_BY,
    GOODBYE_TIMEOUT_S,
    ID_CLASH,
    KEPT_SESSION_EXPIRY_S,
    RECEIVE_MAXIMUM,
    ConnectFailedError,
    Session,
)
from collector.socket_stream import SocketStream, open_socket
from edge_agent.wire.errors import BrokerUnavailableError
from edge_agent.wire.mqtt import (
    BrokerSettings,
    MqttVersion,
    explain_connect_error,
    explain_early_end,
    explain_end,
    explain_refusal,
    explain_refused_message,
    explain_silence,
    explain_tls_alert,
    is_version_refusal,
    parse_broker_url,
    read_password,
)
from edge_agent.wire.mqtt_packets import (
    PINGREQ,
    ConnAck,
    ConnectOptions,
    Disconnect,
    Packet,
    PacketReader,
    Protocol,
    ProtocolError,
    PubAck,
    Publish,
    SubAck,
    encode_connect,
    encode_disconnect,
    encode_subscribe,
)
from edge_agent.wire.mqtt_reasons import FIRST_FAILURE, connack_words, reason_words
from edge_agent.wire.mqtt_version import ConnectEnd

SUBSCRIBE_ID: Final = 1
POLL_S: Final = 0.2
MAX_UNSENT_BYTES: Final = 16 << 20
FILES_BYTES: Final = 1 << 20
"""With so much unsent, parts of files wait for the rest."""
PING_RATIO: Final = 0.75
"""Of the keep-alive: a PINGREQ then goes out half as late as a broker waits at most (MQTT 5.0, section 3.1.2.10)."""
_LOG = structlog.get_logger()


class _OverError(Exception):
    """The connection is over; the text is for the user."""


class MqttConnection:
    """From CONNECT to its end."""

    def __init__(self, settings: BrokerSettings, session: Session, intake: Intake, version: MqttVersion) -> None:
        self._settings = settings
        self._address = parse_broker_url(settings.url)
        self._session = session
        self._intake = intake
        self._protocol = Protocol.V5 if version == "5" else Protocol.V311
        self._reader = PacketReader(self._protocol)
        self._outgoing = Outgoing(self._protocol)
        self._unsent = b""
        self._ping_s = PING_RATIO * settings.keepalive_s
        self._sent_s = self._pinged_s = time.monotonic()
        self._pinged = False
        self._leave_by_s: float | None = None
        self._refused: set[str] = set()
        self._answered = threading.Event()
        self._granted = False
        self.ended = threading.Event()
        self.end_reason = ""
        self._stream: SocketStream | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Connect and subscribe. Raises BrokerUnavailableError with the remedy in its text."""
        try:
            sock = open_socket(self._address, self._settings)
        except OSError as error:
            raise BrokerUnavailableError(explain_connect_error(error, self._address)) from error
        try:
            first = self._log_in(sock)
        except BaseException:
            sock.close()
            raise
        self._stream = SocketStream(sock)
        self._unsent = encode_subscribe(SUBSCRIBE_ID, self._session.filters, self._protocol)
        self._thread = threading.Thread(target=self._run, args=(self._stream, first), name="collector-network")
        self._thread.start()
        self._answered.wait(CONNACK_TIMEOUT_S)
        if self.ended.is_set() and not self._granted:
            self.close()
            raise BrokerUnavailableError(self.end_reason)

    def _log_in(self, sock: socket.socket) -> list[Packet]:
        """Exchange CONNECT and CONNACK; return what came after it."""
        try:
            packets = self._first_packets(sock)
        except TimeoutError as error:
            raise BrokerUnavailableError(explain_silence(self._address)) from error
        except ProtocolError as error:
            raise BrokerUnavailableError(f"{self._address}: {error}") from error
        except (OSError, EOFError) as error:
            words = str(error)
            end: ConnectEnd | None = (
                None if self._address.tls and explain_tls_alert(words, self._address) else "closed"
            )
            raise ConnectFailedError(explain_early_end(self._address, words), end) from error
        answer = packets[0]
        if not isinstance(answer, ConnAck):
            raise BrokerUnavailableError(f"{self._address} answers a CONNECT with something else: is it MQTT?")
        if answer.reason_code:
            words = connack_words(answer.reason_code, answer.reason_text)
            refused: ConnectEnd | None = "version_refused" if is_version_refusal(words) else None
            raise ConnectFailedError(explain_refusal(words), refused)
        self._outgoing.receive_maximum = answer.receive_maximum
        if answer.server_keepalive_s:
            self._ping_s = PING_RATIO * answer.server_keepalive_s
        return packets[1:]

    def _first_packets(self, sock: socket.socket) -> list[Packet]:
        options = ConnectOptions(
            client_id=self._session.client_id,
            protocol=self._protocol,
            clean_start=not self._session.kept,
            keepalive_s=self._settings.keepalive_s,
            username=self._settings.username,
            password=read_password(self._settings),
            session_expiry_s=KEPT_SESSION_EXPIRY_S if self._session.kept else 0,
            receive_maximum=RECEIVE_MAXIMUM,
        )
        deadline_s = time.monotonic() + CONNACK_TIMEOUT_S
        sock.sendall(encode_connect(options))
        packets: list[Packet] = []
        while not packets:
            sock.settimeout(max(deadline_s - time.monotonic(), 0.001))
            data = sock.recv(65_536)
            if not data:
                raise EOFError
            packets = self._reader.feed(data)
        return packets

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Send PUBACKs in this order; without effect after the end: their numbers mean nothing on another one."""
        self._outgoing.acknowledge(packet_ids)
        self._wake()

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish, retained, at QoS 1. What the end of the connection cuts off is published again with its cause."""
        self._outgoing.publish(topic, payload)
        self._wake()

    def send(self, topic: str, payload: bytes) -> bool:
        """Publish once, at QoS 0, not retained; return whether there was room."""
        room = not self.ended.is_set() and self._outgoing.send(topic, payload)
        self._wake()
        return room

    def _wake(self) -> None:
        if self._stream is not None:
            self._stream.wake()

    def close(self) -> None:
        """Let acknowledgements and store-acks out, leave, and end the network thread."""
        if self._stream is None or self._thread is None:
            return
        self._leave_by_s = time.monotonic() + GOODBYE_TIMEOUT_S
        self._stream.wake()
        self._thread.join()
        self._stream.close()

    def _run(self, stream: SocketStream, first: list[Packet]) -> None:
        words = "the network thread ended"
        try:
            self._take(first)
            while not self._may_leave():
                self._turn(stream)
            stream.leave(self._unsent + encode_disconnect(self._protocol), time.monotonic() + GOODBYE_TIMEOUT_S)
            words = "closed"
        except _OverError as error:
            words = str(error)
        except ProtocolError as error:
            words = f"{self._address}: {error}"
        except (OSError, EOFError) as error:
            words = explain_end(str(error) or "it closed the connection", *ID_CLASH)
        finally:
            self.end_reason = words
            self.ended.set()
            self._answered.set()

    def _may_leave(self) -> bool:
        """Return whether we are to leave and nothing has to go out before, or it takes too long."""
        if self._leave_by_s is None:
            return False
        return time.monotonic() > self._leave_by_s or (self._outgoing.idle and not self._unsent)

    def _turn(self, stream: SocketStream) -> None:
        """Send what waits, then wait for the network or a wake, and read."""
        leaving = self._leave_by_s is not None
        reading = leaving or not self._intake.full
        now_s = time.monotonic()
        self._unsent += self._outgoing.collect(FILES_BYTES - len(self._unsent)) + self._ping(now_s, reading=reading)
        if self._unsent:
            self._send(stream, now_s)
        due_s = (self._pinged_s if self._pinged else self._sent_s) + self._ping_s
        timeout_s = due_s - now_s if reading and not leaving else POLL_S
        if stream.wait(timeout_s, reading=reading, writing=bool(self._unsent)):
            data = stream.receive()
            if data is not None:
                self._pinged = False
                self._take(self._reader.feed(data))

    def _send(self, stream: SocketStream, now_s: float) -> None:
        sent_bytes = stream.send(self._unsent)
        if sent_bytes:
            self._sent_s = now_s
            self._unsent = self._unsent[sent_bytes:]
        elif len(self._unsent) > MAX_UNSENT_BYTES:
            raise ConnectionAbortedError("the broker takes nothing any more")

    def _ping(self, now_s: float, *, reading: bool) -> bytes:
        """Return a PINGREQ when one is due. Raises TimeoutError when the last one found no answer."""
        if self._pinged and reading and now_s - self._pinged_s >= self._ping_s:
            raise TimeoutError("it does not answer")
        self._pinged = self._pinged and reading
        if now_s - self._sent_s < self._ping_s:
            return b""
        self._pinged = reading  # who does not read sees no answer
        self._pinged_s = self._sent_s = now_s
        return PINGREQ

    def _take(self, packets: list[Packet]) -> None:
        messages = [packet for packet in packets if isinstance(packet, Publish)]
        if messages and self._leave_by_s is None:
            self._intake.put(Batch(self, messages, time.time_ns()))
        if len(messages) < len(packets):
            for packet in packets:
                self._answer(packet)

    def _answer(self, packet: Packet) -> None:
        if isinstance(packet, PubAck):
            topic = self._outgoing.confirmed(packet.packet_id)
            event = "store_ack_refused" if topic.endswith("/ack") else "grid_forecast_refused"
            if packet.reason_code >= FIRST_FAILURE and event not in self._refused:
                self._refused.add(event)
                remedy = explain_refused_message(reason_words(packet.reason_code), topic, GOES_BY)
                _LOG.warning(event, broker=str(self._address), remedy=remedy)
        elif isinstance(packet, SubAck):
            for (name, _), code in zip(self._session.filters, packet.reason_codes, strict=False):
                if code >= FIRST_FAILURE:
                    raise _OverError(explain_refused_message(reason_words(code), name, GOES_BY))
            self._granted = True
            self._answered.set()
        elif isinstance(packet, Disconnect):
            raise _OverError(explain_end(reason_words(packet.reason_code, packet.reason_text), *ID_CLASH))
