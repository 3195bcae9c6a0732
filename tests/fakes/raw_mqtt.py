"""A client of plain paho that is none of ours: what a stranger on the network, or an attacker, could run."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from paho.mqtt.client import Client, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.wire.mqtt import BrokerSettings, log_in, parse_broker_url
from tests.fakes.delivery import PATIENCE_S, wait_until


class RawClient:
    """One connection; every call waits for the broker's answer."""

    def __init__(self, settings: BrokerSettings, client_id: str, *, keep_session: bool = False) -> None:
        version = MQTTProtocolVersion.MQTTv311 if settings.protocol == "3.1.1" else MQTTProtocolVersion.MQTTv5
        self.received: list[tuple[str, bytes]] = []
        self._answers: dict[int, list[str]] = {}
        self._connected = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=version)
        log_in(self._client, settings)
        self._client.on_connect = lambda *_: self._connected.set()
        self._client.on_message = lambda _c, _u, message: self.received.append((message.topic, bytes(message.payload)))
        self._client.on_publish = lambda _c, _u, mid, reason, _p: self._answers.update({mid: [str(reason)]})
        self._client.on_subscribe = self._subscribed
        address = parse_broker_url(settings.url)
        if keep_session:
            expiry = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho 2.1
            expiry.SessionExpiryInterval = 3600
            self._client.connect(address.host, address.port, clean_start=False, properties=expiry)
        else:
            self._client.connect(address.host, address.port)
        self._client.loop_start()
        assert self._connected.wait(PATIENCE_S)

    def subscribe(self, *filters: str) -> list[str]:
        """Return the broker's word on each filter."""
        return [self._answer(self._client.subscribe(one, qos=1)[1])[0] for one in filters]

    def publish(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> str:
        """Return the broker's word; MQTT 3.1.1 knows only "Success"."""
        return self._answer(self._client.publish(topic, payload, qos=1, retain=retain).mid)[0]

    def wait_for(self, topic: str) -> None:
        """Return when a message of ``topic`` has come: what the broker took before it has come, or never will."""
        wait_until(lambda: any(name == topic for name, _ in self.received), f"a message of {topic}")

    def topics(self, topic_filter: str = "#") -> list[str]:
        """Return the topics of what came, sorted."""
        return sorted(name for name, _ in self.received if topic_matches_sub(topic_filter, name))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_connect = self._client.on_message = self._client.on_publish = None
        self._client.on_subscribe = None

    def _answer(self, mid: int | None) -> list[str]:
        assert mid is not None
        wait_until(lambda: mid in self._answers, "the broker's answer")
        return self._answers.pop(mid)

    def _subscribed(self, _client: Client, _userdata: Any, mid: int, reasons: list[Any], _properties: Any) -> None:
        self._answers[mid] = [str(reason) for reason in reasons]


@contextlib.contextmanager
def raw_client(settings: BrokerSettings, client_id: str, *, keep_session: bool = False) -> Iterator[RawClient]:
    """``keep_session``: one that outlives the connection, and goes on with it; MQTT 5 alone."""
    client = RawClient(settings, client_id, keep_session=keep_session)
    try:
        yield client
    finally:
        client.close()
