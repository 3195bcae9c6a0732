"""More than the collector can take: what waits is bounded, the rest stays with the broker, and nothing is lost."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from paho.mqtt.publish import multiple

from collector.dead_letters import Wanted, ids, letters
from collector.intake import Intake
from collector.journal import Journal
from collector.session import Session
from collector.socket_stream import RECEIVE_BYTES
from collector.subscriber import Subscriber
from edge_agent.wire.mqtt import BrokerSettings, MqttVersion
from edge_agent.wire.mqtt_packets import KEPT_BYTES, MAX_PACKET_BYTES
from edge_agent.wire.topics import topic_for
from tests.fakes.brokers import BrokerProcess, Kind, running_broker
from tests.fakes.delivery import (
    assert_all_stored_once,
    journal_disk_full,
    running_device,
    running_subscriber,
    wait_until,
)
from tests.fakes.windows import FLEET

KINDS = [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "embedded"]
TOPIC = topic_for(FLEET, "zero-01", "windows")
INTAKE_BYTES = 1_000_000


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def publish(broker: BrokerProcess, payloads: list[bytes]) -> None:
    """Return when the broker has taken them all."""
    packets = [{"topic": TOPIC, "payload": payload, "qos": 1} for payload in payloads]
    multiple(packets, hostname="127.0.0.1", port=broker.port_v311)  # type: ignore[arg-type]  # dicts are documented


@pytest.mark.parametrize("kind", KINDS)
def test_while_the_disk_is_full_the_broker_keeps_what_does_not_fit(
    kind: Kind, journal: Journal, tmp_path: Path
) -> None:
    payloads = [b"%06d" % number + b"x" * 100_000 for number in range(150)]
    intake = Intake(max_bytes=INTAKE_BYTES)
    with running_broker(kind, tmp_path) as broker:
        settings = BrokerSettings(url=broker.url)
        subscriber = Subscriber(settings, Session("edgejoule-collector", "+"), journal, intake=intake)
        subscriber.start()
        try:
            wait_until(lambda: subscriber.connected, "connected")
            with journal_disk_full(journal):
                publish(broker, payloads)
                wait_until(lambda: intake.full, "nobody reads")
                assert intake.held_bytes < INTAKE_BYTES + RECEIVE_BYTES + MAX_PACKET_BYTES
                assert subscriber.alive
            wait_until(lambda: len(journal.dead_letters(1000)) >= len(payloads), "all came in the end")
        finally:
            subscriber.stop()
    kept = {payload for _, payload, _, _ in journal.dead_letters(1000)} - {b"x" * 200_000}
    assert kept == set(payloads)


@pytest.mark.mosquitto
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_huge_message_is_a_dead_letter_and_neither_fills_the_memory_nor_the_disk(
    version: MqttVersion, journal: Journal, tmp_path: Path
) -> None:
    huge = b"<" + b"y" * 20_000_000 + b">"
    with running_broker("mosquitto", tmp_path) as broker:
        settings = BrokerSettings(url=broker.url, protocol=version)
        with running_subscriber(journal, settings) as subscriber, running_device(tmp_path, settings) as device:
            wait_until(lambda: subscriber.connected, "connected")
            publish(broker, [huge, b"small"])
            device.append(3)
            assert device.publisher.flush(30)
            wait_until(lambda: len(journal.dead_letters()) == 2, "two dead letters")
            assert_all_stored_once(journal, device)
    with journal.snapshot() as db:
        first, second = letters(db, ids(db, Wanted()))
    assert first.reason == f"a payload of {len(huge)} bytes is over the limit of 262144"
    assert first.full_bytes == len(huge)
    assert first.cut
    assert huge.startswith(first.payload)
    assert KEPT_BYTES - 1000 < len(first.payload) <= KEPT_BYTES
    assert (second.payload, second.cut) == (b"small", False)
