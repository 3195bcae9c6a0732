"""One connection of the collector to its broker: persistent session, acknowledgements in our own hands."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from collector.ingest import Received
from edge_agent.wire.errors import BrokerUnavailableError
from edge_agent.wire.mqtt import (
    BrokerSettings,
    explain_connect_error,
    explain_early_end,
    explain_end,
    explain_refusal,
    explain_silence,
    log_in,
    parse_broker_url,
)
from edge_agent.wire.mqtt_version import first_version
from edge_agent.wire.topics import UpChannel, up_filter

CONNECT_TIMEOUT_S: Final = 5.0
CONNACK_TIMEOUT_S: Final = 10.0
GOODBYE_TIMEOUT_S: Final = 2.0
SESSION_EXPIRY_S: Final = 30 * 86_400
RECEIVE_MAXIMUM: Final = 1000
NOTHING_TO_ACKNOWLEDGE: Final = 0
"""The packet id of QoS 0, which somebody may use on our topics though agents do not."""
ID_CLASH: Final = ("collector", "client_id: give each collector its own")
CHANNELS: Final[tuple[UpChannel, ...]] = ("windows", "birth", "status", "health", "bench")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message and the connection on which alone it can be acknowledged."""

    connection: "Connection"
    message: Received
    mid: int

    def acknowledge(self) -> None:
        """Send the PUBACK; without effect after the end of that connection: the broker sends the message again."""
        self.connection.acknowledge(self.mid)


class Connection:
    """From CONNECT to its end; ``take`` is called from the network thread."""

    def __init__(self, settings: BrokerSettings, client_id: str, fleet: str, take: Callable[[Delivery], None]) -> None:
        self._settings = settings
        self._address = parse_broker_url(settings.url)
        self._fleet = fleet
        self._take = take
        self._answered = threading.Event()
        self._refusal = ""
        self.ended = threading.Event()
        self.end_reason = ""
        self.closing = False
        self._last_publish: MQTTMessageInfo | None = None
        self._client = self._new_client(client_id)

    def _new_client(self, client_id: str) -> Client:
        v5 = first_version(self._settings) == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if v5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        log_in(client, self._settings)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
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
        if not self._answered.wait(CONNACK_TIMEOUT_S):
            self._refusal = explain_silence(self._address)
        if self._refusal:
            self.close()
            raise BrokerUnavailableError(self._refusal)

    def _connect(self) -> None:
        host, port = self._address.host, self._address.port
        if first_version(self._settings) != "5":
            self._client.connect(host, port, self._settings.keepalive_s)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it untyped
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        self._client.connect(host, port, self._settings.keepalive_s, clean_start=False, properties=properties)

    def acknowledge(self, mid: int) -> None:
        """Send one PUBACK, unless the connection is over: its message numbers mean nothing on another one."""
        if mid and not self.ended.is_set():
            self._client.ack(mid, 1)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish, retained, at QoS 1. What the end of the connection cuts off is published again with its cause."""
        if not self.ended.is_set():
            self._last_publish = self._client.publish(topic, payload, qos=1, retain=True)

    def close(self) -> None:
        """Let store-acks out, leave, and end the network thread. The session stays at the broker."""
        self.closing = True
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
        self._client.on_message = None

    def _connected(self, client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._refusal = explain_refusal(reason)
        else:
            client.subscribe([(up_filter(self._fleet, channel), 1) for channel in CHANNELS])
        self._answered.set()

    def _disconnected(self, _client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.end_reason = self.end_reason or explain_end(reason, *ID_CLASH)  # the broker's own words come first
        if not self._answered.is_set():
            self._refusal = explain_early_end(self._address)
        self.ended.set()
        self._answered.set()

    def _message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        received = Received(_topic_text(message), bytes(message.payload), time.time_ns(), message.retain)
        self._take(Delivery(self, received, message.mid if message.qos else NOTHING_TO_ACKNOWLEDGE))


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
