"""The collector's connection over web sockets, by paho: one message per call, so slower than the one over TCP."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from collector.intake import Batch, Intake
from collector.session import (
    CONNACK_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    GOES_BY,
    GOODBYE_TIMEOUT_S,
    ID_CLASH,
    KEPT_SESSION_EXPIRY_S,
    RECEIVE_MAXIMUM,
    ConnectFailedError,
    Session,
)
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
    is_version_refusal,
    log_in,
    parse_broker_url,
)
from edge_agent.wire.mqtt_packets import Publish
from edge_agent.wire.mqtt_version import ConnectEnd

MAX_ONCE: Final = 32
"""Messages that are sent once and wait for the network: parts of files, so a few megabytes."""


class PahoConnection:
    """From CONNECT to its end."""

    def __init__(self, settings: BrokerSettings, session: Session, intake: Intake, version: MqttVersion) -> None:
        self._settings = settings
        self._address = parse_broker_url(settings.url)
        self._session = session
        self._intake = intake
        self._v5 = version == "5"
        self._subscribed = threading.Event()
        self._closing = False
        self._refusal = ""
        self._refusal_end: ConnectEnd | None = None
        self.ended = threading.Event()
        self.end_reason = ""
        self._last_publish: MQTTMessageInfo | None = None
        self._sent_once: deque[MQTTMessageInfo] = deque()
        self._client = self._new_client()

    def _new_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._session.client_id,
            clean_session=None if self._v5 else not self._session.kept,
            protocol=MQTTProtocolVersion.MQTTv5 if self._v5 else MQTTProtocolVersion.MQTTv311,
            transport=self._address.transport,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        log_in(client, self._settings)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._granted
        client.on_message = self._message
        return client

    def open(self) -> None:
        """Connect and subscribe. Raises BrokerUnavailableError with the remedy in its text."""
        try:
            self._connect()
        except OSError as error:
            self._release()
            raise BrokerUnavailableError(explain_connect_error(error, self._address)) from error
        self._client.loop_start()
        if not self._subscribed.wait(CONNACK_TIMEOUT_S):
            self._refusal = explain_silence(self._address)
        if self._refusal:
            self.close()
            raise ConnectFailedError(self._refusal, self._refusal_end)

    def _connect(self) -> None:
        host, port = self._address.host, self._address.port
        if not self._v5:
            self._client.connect(host, port, self._settings.keepalive_s)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it untyped
        properties.SessionExpiryInterval = KEPT_SESSION_EXPIRY_S if self._session.kept else 0
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        self._client.connect(
            host, port, self._settings.keepalive_s, clean_start=not self._session.kept, properties=properties
        )

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Send PUBACKs in this order, unless the connection is over: their numbers mean nothing on another one."""
        for packet_id in packet_ids:
            if not self.ended.is_set():
                self._client.ack(packet_id, 1)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish, retained, at QoS 1. What the end of the connection cuts off is published again with its cause."""
        if not self.ended.is_set():
            self._last_publish = self._client.publish(topic, payload, qos=1, retain=True)

    def send(self, topic: str, payload: bytes) -> bool:
        """Publish once, at QoS 0, not retained; return whether there was room."""
        while self._sent_once and self._sent_once[0].is_published():
            self._sent_once.popleft()
        if self.ended.is_set() or len(self._sent_once) >= MAX_ONCE:
            return False
        self._sent_once.append(self._client.publish(topic, payload, qos=0))
        return True

    def close(self) -> None:
        """Let store-acks out, leave, and end the network thread."""
        self._closing = True
        if self._last_publish is not None and not self.ended.is_set():
            _wait(self._last_publish)
        self._client.disconnect()
        if not self.ended.wait(GOODBYE_TIMEOUT_S):
            sock: Any = self._client.socket()
            if sock is not None:
                _shut(sock)
        self._client.loop_stop()
        self._release()

    def _release(self) -> None:
        """Cut the circle of references: paho closes its own pair of sockets only when its client is freed."""
        self._client.on_connect = None
        self._client.on_disconnect = None
        self._client.on_subscribe = None
        self._client.on_message = None

    def _connected(self, client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refusal = explain_refusal(reason)
            self._refusal_end = "version_refused" if is_version_refusal(reason) else None
            self._subscribed.set()
        else:
            client.subscribe(self._session.filters)

    def _granted(self, _client: Client, _userdata: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        for (name, _), reason in zip(self._session.filters, reasons, strict=False):
            if reason.is_failure:
                self._refusal = explain_refused_message(reason, name, GOES_BY)
        self._subscribed.set()

    def _disconnected(self, _client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.end_reason = self.end_reason or explain_end(reason, *ID_CLASH)  # the broker's own words come first
        if not self._subscribed.is_set():
            self._refusal = explain_early_end(self._address)
            self._refusal_end = "closed"
        self.ended.set()
        self._subscribed.set()

    def _message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        """Take one message, when there is room: waiting here makes the broker wait."""
        publish = Publish(
            topic=_topic_text(message),
            payload=bytes(message.payload),
            qos=message.qos,
            retain=message.retain,
            dup=message.dup,
            packet_id=message.mid if message.qos else 0,
        )
        while not self._closing and not self.ended.is_set():
            if self._intake.wait_for_room(GOODBYE_TIMEOUT_S / 4):
                self._intake.put(Batch(self, [publish], time.time_ns()))
                return


def _topic_text(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return "(a topic that is not UTF-8)"


def _wait(last_publish: MQTTMessageInfo) -> None:
    try:
        last_publish.wait_for_publish(GOODBYE_TIMEOUT_S)
    except (RuntimeError, ValueError):
        return


def _shut(sock: Any) -> None:
    """Wake a network thread that waits for a broker which has stopped answering."""
    try:
        sock.shutdown(2)
    except OSError:
        return
