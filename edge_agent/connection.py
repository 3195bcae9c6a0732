"""One connection to the broker, from CONNECT to its end. A new connection is a new object: no queue outlives it."""

import threading
from collections.abc import Callable
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

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

CONNECT_TIMEOUT_S: Final = 5.0
CONNACK_TIMEOUT_S: Final = 10.0
GOODBYE_TIMEOUT_S: Final = 1.0
ID_CLASH: Final = ("device", "id: give every device its own id")


class Connection:
    """A clean session that listens on one topic. ``on_payload`` and ``on_end`` are called from the network thread."""

    def __init__(
        self,
        settings: BrokerSettings,
        client_id: str,
        listen_topic: str,
        on_payload: Callable[[bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._address = parse_broker_url(settings.url)
        self._listen_topic = listen_topic
        self._on_payload = on_payload
        self._on_end = on_end
        self._answered = threading.Event()
        self._ended = threading.Event()
        self._refusal = ""
        self.end_reason = ""
        self._client = self._new_client(client_id)

    def _new_client(self, client_id: str) -> Client:
        version = MQTTProtocolVersion.MQTTv5 if first_version(self._settings) == "5" else MQTTProtocolVersion.MQTTv311
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version, reconnect_on_failure=False)
        log_in(client, self._settings)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        return client

    def open(self, will_topic: str, will_payload: bytes) -> None:
        """Connect, subscribe and return. Raises BrokerUnavailableError with the remedy in its text."""
        self._client.will_set(will_topic, will_payload, qos=1, retain=True)
        try:
            self._client.connect(self._address.host, self._address.port, self._settings.keepalive_s)
        except OSError as error:
            self._release()
            raise BrokerUnavailableError(explain_connect_error(error, self._address)) from error
        self._client.loop_start()
        if not self._answered.wait(CONNACK_TIMEOUT_S):
            self.close()
            raise BrokerUnavailableError(explain_silence(self._address))
        if self._refusal:
            self.close()
            raise BrokerUnavailableError(self._refusal)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> MQTTMessageInfo:
        """Send at QoS 1; what the end of the connection cuts off is the sender's to repeat."""
        return self._client.publish(topic, payload, qos=1, retain=retain)

    def close(self) -> None:
        """Say goodbye, wait a moment for the broker, and leave no thread and no socket."""
        self._client.disconnect()
        if not self._ended.wait(GOODBYE_TIMEOUT_S):
            sock = self._client.socket()
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
            client.subscribe(self._listen_topic, qos=1)
        self._answered.set()

    def _disconnected(self, _client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.end_reason = self.end_reason or explain_end(reason, *ID_CLASH)  # the broker's own words come first
        if not self._answered.is_set():
            self._refusal = explain_early_end(self._address)
        self._ended.set()
        self._answered.set()
        self._on_end()

    def _message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._on_payload(bytes(message.payload))


def _shut(sock: Any) -> None:
    """Wake a network thread that waits for a broker which has stopped answering."""
    try:
        sock.shutdown(2)
    except OSError:
        return
