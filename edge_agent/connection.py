"""One connection to the broker, from CONNECT to its end. A new connection is a new object: no queue outlives it."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import structlog
from paho.mqtt.client import MQTT_LOG_ERR, Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

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
    log_in,
    parse_broker_url,
)
from edge_agent.wire.mqtt_version import ConnectEnd, first_version, note_worked, other_version

CONNECT_TIMEOUT_S: Final = 5.0
CONNACK_TIMEOUT_S: Final = 10.0
GOODBYE_TIMEOUT_S: Final = 1.0
MAX_IN_FLIGHT: Final = 10
"""Messages without PUBACK, unless the broker's Receive Maximum is lower (MQTT 5, 3.2.2.3.3), of which paho takes no
notice. It cannot be changed on a standing connection, so a broker that takes fewer is connected to a second time."""
_LOG = structlog.get_logger()


class Role(NamedTuple):
    """Who connects, for messages: who else may use its id, with the remedy; what an access list should know it by."""

    id_clash: tuple[str, str]
    goes_by: str


DEVICE: Final = Role(("device", "id: give every device its own id"), "the device id in it ([device] id)")


class Connection:
    """A clean session that listens on a few topics. ``on_payload`` and ``on_end`` are called from the network thread.

    ``on_payload`` is given topic, payload, and whether the broker had retained it: it then is of an earlier time.
    ``on_end`` is called once, when a connection that the broker had accepted is over.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        client_id: str,
        listen_topics: Sequence[str],
        on_payload: Callable[[str, bytes, bool], None],
        on_end: Callable[[], None],
        on_refused: Callable[[str], None] | None = None,
        role: Role = DEVICE,
    ) -> None:
        """Prepare. Raises ConfigurationError for certificates and passwords that cannot be read.

        ``on_refused``: hears why the broker refuses a message or a subscription, once for each reason; else the log.
        """
        self._settings = settings
        self._address = parse_broker_url(settings.url)
        self._client_id = client_id
        self._listen_topics = tuple(listen_topics)
        self._on_payload = on_payload
        self._on_end = on_end
        self._on_refused = on_refused
        self._role = role
        self._topics: dict[int, str] = {}
        self._refused_for: set[str] = set()
        self._max_in_flight = MAX_IN_FLIGHT
        self._begin(first_version(settings))

    def _begin(self, version: MqttVersion) -> None:
        """Make a new client: nothing of an earlier attempt is left in it."""
        self._answered = threading.Event()
        self._ended = threading.Event()
        self._refusal = ""
        self.end_reason = ""
        self._connect_end: ConnectEnd | None = None
        self._library_words = ""
        self._version: MqttVersion = version
        self._client = self._new_client()

    def _new_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if self._version == "5" else MQTTProtocolVersion.MQTTv311,
            transport=self._address.transport,
            reconnect_on_failure=False,
        )
        log_in(client, self._settings)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages = self._max_in_flight
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        client.on_publish = self._published
        client.on_subscribe = self._subscribed
        client.on_log = self._logged
        return client

    def open(self, will_topic: str = "", will_payload: bytes = b"") -> None:
        """Connect, subscribe and return; without a topic there is no last will.

        Raises BrokerUnavailableError with the remedy in its text.
        """
        refusal = self._attempt(will_topic, will_payload)
        end = self._connect_end
        other = None if end is None else other_version(self._settings, self._version, end)
        if refusal and other is not None:
            self._begin(other)
            refusal = self._attempt(will_topic, will_payload)
        if refusal and self._max_in_flight < self._client.max_inflight_messages:
            self._begin(self._version)
            refusal = self._attempt(will_topic, will_payload)
        if refusal:
            raise BrokerUnavailableError(refusal)
        if note_worked(self._settings, self._version):
            hint = f'protocol = "{self._version}" in [broker] spares the first try'
            _LOG.info("mqtt_version", broker=str(self._address), version=self._version, remedy=hint)

    def _attempt(self, will_topic: str, will_payload: bytes) -> str:
        """Connect in one version of MQTT; return "", or one line on why not, with everything closed."""
        if will_topic:
            self._client.will_set(will_topic, will_payload, qos=1, retain=True)
        try:
            self._client.connect(self._address.host, self._address.port, self._settings.keepalive_s)
        except OSError as error:
            self._release()
            return explain_connect_error(error, self._address)
        self._client.loop_start()
        if not self._answered.wait(CONNACK_TIMEOUT_S):
            self._refusal = explain_silence(self._address)
        if self._refusal:
            self.close()
        return self._refusal

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> MQTTMessageInfo:
        """Send at QoS 1; what the end of the connection cuts off is the sender's to repeat.

        ``expiry_s``: with MQTT 5 the broker forgets it after that time.
        """
        properties = None
        if expiry_s is not None and self._version == "5":
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
            properties.MessageExpiryInterval = expiry_s
        sent = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        self._topics[sent.mid] = topic
        return sent

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
        self._client.on_publish = None
        self._client.on_subscribe = None
        self._client.on_log = None

    def _connected(self, client: Client, _userdata: Any, _flags: Any, reason: Any, properties: Any) -> None:
        client.on_log = None
        if reason.is_failure:
            self._refusal = explain_refusal(reason)
            self._connect_end = "version_refused" if is_version_refusal(reason) else None
        elif (maximum := getattr(properties, "ReceiveMaximum", MAX_IN_FLIGHT)) < client.max_inflight_messages:
            self._max_in_flight = maximum
            self._refusal = f"{self._address} takes {maximum} messages at a time, and fewer than it said before"
        elif self._listen_topics:
            client.subscribe([(topic, 1) for topic in self._listen_topics])
        self._answered.set()

    def _disconnected(self, _client: Client, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.end_reason = self.end_reason or explain_end(
            reason, *self._role.id_clash
        )  # the broker's own words come first
        accepted = self._answered.is_set() and not self._refusal
        if not self._answered.is_set():
            self._refusal = explain_early_end(self._address, self._library_words)
            about_certificates = self._address.tls and explain_tls_alert(self._library_words, self._address)
            self._connect_end = None if about_certificates else "closed"
        self._ended.set()
        self._answered.set()
        if accepted:
            self._on_end()

    def _logged(self, _client: Client, _userdata: Any, level: int, words: str) -> None:
        """Keep why the connection broke: a TLS alert reaches an application in no other way."""
        if level == MQTT_LOG_ERR:
            self._library_words = words

    def _published(self, _client: Client, _userdata: Any, mid: int, reason: Any, _properties: Any) -> None:
        topic = self._topics.pop(mid, self._client_id)
        if reason.is_failure:
            self._tell_refused(reason, topic)

    def _subscribed(self, _client: Client, _userdata: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        for topic, reason in zip(self._listen_topics, reasons, strict=False):
            if reason.is_failure:
                self._tell_refused(reason, topic)

    def _tell_refused(self, reason: Any, topic: str) -> None:
        """Log the first refusal of a kind: the outbox keeps what was refused and it is sent again for ever."""
        if str(reason) in self._refused_for:
            return
        self._refused_for.add(str(reason))
        remedy = explain_refused_message(reason, topic, self._role.goes_by)
        if self._on_refused is not None:
            self._on_refused(remedy)
            return
        _LOG.warning("broker_refuses_message", broker=str(self._address), topic=topic, remedy=remedy)

    def _message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._on_payload(message.topic, bytes(message.payload), message.retain)


def _shut(sock: Any) -> None:
    """Wake a network thread that waits for a broker which has stopped answering."""
    try:
        sock.shutdown(2)
    except OSError:
        return
