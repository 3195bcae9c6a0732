"""One connection of the doctor to a broker, driven in the caller's own thread: nothing runs on after the answer."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from paho.mqtt.client import MQTT_LOG_ERR, Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_agent.wire.mqtt import (
    BrokerSettings,
    MqttVersion,
    explain_connect_error,
    explain_early_end,
    explain_refusal,
    explain_silence,
    is_version_refusal,
    log_in,
    parse_broker_url,
)
from edge_agent.wire.mqtt_version import ConnectEnd, first_version, note_worked, other_version

TIMEOUT_S: Final = 5.0
QUIET_S: Final = 1.0
"""How long nothing has to come before the broker is taken to have sent all it sends."""
SESSION_EXPIRY_S: Final = 300
"""A session that a killed doctor leaves behind ends by itself, with MQTT 5."""


class Session(NamedTuple):
    """What CONNECT asks for. ``kept``: the session outlives the connection; ``fresh``: an earlier one is dropped."""

    client_id: str = ""
    kept: bool = False
    fresh: bool = True
    receive_maximum: int = 0
    acknowledges: bool = True


class Visitor:
    """A connection attempt and what came of it. ``fault``: one line on why there is no connection, "" if there is."""

    def __init__(self, settings: BrokerSettings, version: MqttVersion, session: Session) -> None:
        self.version = version
        self.fault = ""
        self.connect_end: ConnectEnd | None = None
        self.properties: dict[str, int] = {}
        self.session_present = False
        self.received: list[MQTTMessage] = []
        self._answered = False
        self._words = ""
        self._address = parse_broker_url(settings.url)
        self._published: dict[int, str] = {}
        self._subscribed: dict[int, str] = {}
        self._client = self._new_client(settings, session)
        self._connect(settings, session)

    def _new_client(self, settings: BrokerSettings, session: Session) -> Client:
        v5 = self.version == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=session.client_id,
            clean_session=None if v5 else session.fresh and not session.kept,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            transport=self._address.transport,
            reconnect_on_failure=False,
            manual_ack=not session.acknowledges,
        )
        log_in(client, settings)
        client.connect_timeout = TIMEOUT_S
        client.max_inflight_messages_set(200)
        client.on_connect, client.on_message, client.on_log = self._on_connect, self._on_message, self._on_log
        client.on_publish, client.on_subscribe = self._on_publish, self._on_subscribe
        return client

    def _connect(self, settings: BrokerSettings, session: Session) -> None:
        try:
            if self.version == "5":
                self._client.connect(
                    self._address.host,
                    self._address.port,
                    settings.keepalive_s,
                    clean_start=session.fresh,
                    properties=_connect_properties(session),
                )
            else:
                self._client.connect(self._address.host, self._address.port, settings.keepalive_s)
            alive = self.wait(lambda: self._answered, TIMEOUT_S)
        except OSError as error:
            self.fault = explain_connect_error(error, self._address)
            return
        if not self._answered:
            self.fault = explain_silence(self._address) if alive else explain_early_end(self._address, self._words)
            self.connect_end = None if alive else "closed"

    def wait(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Serve the connection until ``done`` or for ``timeout_s``; return whether it still stands."""
        deadline_s = time.monotonic() + timeout_s
        while not done() and time.monotonic() < deadline_s:
            if self._client.loop(timeout=0.05) != 0:
                return False
        return True

    def subscribe(self, topic: str) -> bool:
        """Subscribe at QoS 1; return whether the broker granted it."""
        if self.version == "5":
            mid = self._client.subscribe(topic, options=SubscribeOptions(qos=1))[1]
        else:
            mid = self._client.subscribe(topic, qos=1)[1]
        self.wait(lambda: mid in self._subscribed, TIMEOUT_S)
        return mid is not None and self._subscribed.get(mid) == "granted"

    def publish(self, topic: str, payloads: Sequence[bytes], *, retain: bool = False) -> list[str]:
        """Send at QoS 1; return the broker's word on each, as far as there was one."""
        mids = {self._client.publish(topic, payload, qos=1, retain=retain).mid for payload in payloads}
        self.wait(lambda: mids <= self._published.keys(), 4 * TIMEOUT_S)
        return [self._published[mid] for mid in mids if mid in self._published]

    def take_all(self, expected: int) -> int:
        """Receive until ``expected`` messages are here or none came for a while; return how many are here."""
        while True:
            count = len(self.received)
            stands = self.wait(lambda before=count: len(self.received) > before, QUIET_S)  # type: ignore[misc]
            if len(self.received) >= expected or len(self.received) == count or not stands:
                return len(self.received)

    def leave(self) -> None:
        """Disconnect, and let go of the sockets."""
        self._client.disconnect()
        self._client.loop(timeout=0.05)
        self._client.on_connect = self._client.on_message = self._client.on_log = None
        self._client.on_publish = self._client.on_subscribe = None

    def _on_connect(self, _client: Client, _data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._answered = True
        self.session_present = flags.session_present
        if reason.is_failure:
            self.fault = explain_refusal(reason)
            self.connect_end = "version_refused" if is_version_refusal(reason) else None
        heard: dict[str, Any] = properties.json() if properties is not None else {}
        self.properties = {name: value for name, value in heard.items() if isinstance(value, int)}

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.received.append(message)

    def _on_publish(self, _client: Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        self._published[mid] = str(reason)

    def _on_subscribe(self, _client: Client, _data: Any, mid: int, reasons: list[Any], _properties: Any) -> None:
        self._subscribed[mid] = str(reasons[0]) if reasons[0].is_failure else "granted"

    def _on_log(self, _client: Client, _data: Any, level: int, words: str) -> None:
        if level == MQTT_LOG_ERR:
            self._words = words


@contextmanager
def visiting(settings: BrokerSettings, session: Session = Session()) -> Iterator[Visitor]:  # noqa: B008  immutable
    """Connect in the configured version of MQTT or the one that is found; leave at the end of the block."""
    visitor = Visitor(settings, first_version(settings), session)
    other = visitor.connect_end and other_version(settings, visitor.version, visitor.connect_end)
    if other:
        visitor.leave()
        visitor = Visitor(settings, other, session)
    if not visitor.fault:
        note_worked(settings, visitor.version)
    try:
        yield visitor
    finally:
        visitor.leave()


def _connect_properties(session: Session) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    if session.kept:
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
    if session.receive_maximum:
        properties.ReceiveMaximum = session.receive_maximum
    return properties
