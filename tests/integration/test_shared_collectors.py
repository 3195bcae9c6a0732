"""Collectors that share the messages, and windows that are stored above a hole: nothing lost, all acknowledged."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from paho.mqtt.client import MQTTMessage
from paho.mqtt.publish import single
from paho.mqtt.subscribe import simple

from collector.journal import SHARED_GROUP, Journal
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.records import StoreAck
from edge_agent.wire.topics import topic_for
from tests.fakes.brokers import BrokerProcess, Kind, running_broker
from tests.fakes.delivery import (
    CollectorProcess,
    Device,
    running_device,
    running_subscriber,
    wait_until,
)
from tests.fakes.windows import BOOT_ID, FLEET, PI4, make_batch

KINDS = [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "embedded"]
GROUP = "both"


def member(directory: Path, name: str, broker: BrokerProcess) -> CollectorProcess:
    (directory / name).mkdir()
    lines = f'client_id = "collector-{name}"\nshared_group = "{GROUP}"\n'
    return CollectorProcess(directory / name, broker.url, first_lines=lines)


def stored_seqs(collector: CollectorProcess, device: Device) -> set[int]:
    with closing(collector.open_journal()) as journal:
        rows = [row for row in journal.rows_after(0, 100_000) if row.device_id == device.device_id]
    assert len({row.window.seq for row in rows}) == len(rows)
    assert all(row.window == device.appended[row.window.seq - 1] for row in rows)
    return {row.window.seq for row in rows}


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerProcess]:
    kind: Kind = request.param
    with running_broker(kind, tmp_path) as broker:
        yield broker


def test_one_of_two_collectors_is_killed_and_nothing_is_lost(broker: BrokerProcess, tmp_path: Path) -> None:
    collectors = [member(tmp_path, name, broker) for name in ("a", "b")]
    for collector in collectors:
        collector.start()
    dead, survivor = collectors
    try:
        for collector in collectors:
            wait_until(lambda: "broker_connected" in collector.log_text, "a collector is there")  # noqa: B023
        with running_device(tmp_path, BrokerSettings(url=broker.url)) as device:
            while dead.stored_count() < 20 or survivor.stored_count() < 20:
                assert len(device.appended) < 2000, "both get their share"
                device.append(4)
                time.sleep(0.05)
            device.append(200)
            dead.kill()
            device.append(200)
            assert device.publisher.flush(120)
            assert device.outbox.stats().windows == 0
        assert survivor.stop() == 0
        by_dead, by_survivor = stored_seqs(dead, device), stored_seqs(survivor, device)
        assert by_dead
        assert by_survivor
        assert by_dead | by_survivor == {window.seq for window in device.appended}
        with closing(survivor.open_journal()) as journal:
            assert journal.note(SHARED_GROUP) == GROUP
            assert [state.device_id for state in journal.devices() if state.birth] == [device.device_id]
    finally:
        for collector in collectors:
            collector.kill()


STEPS = [
    (range(1, 4), 3, []),
    (range(10, 13), 3, [(10, 12)]),
    (range(13, 14), 3, [(10, 13)]),
    (range(20, 21), 3, [(10, 13), (20, 20)]),
    (range(4, 10), 13, [(20, 20)]),
]


@pytest.mark.mosquitto
def test_what_is_stored_above_a_hole_is_acknowledged_at_once(tmp_path: Path) -> None:
    """Old windows wait for long, new ones are stored: the device may forget the new ones."""
    with (
        running_broker("mosquitto", tmp_path) as broker,
        closing(Journal(tmp_path / "journal.sqlite3")) as journal,
        running_subscriber(journal, BrokerSettings(url=broker.url)) as subscriber,
    ):
        wait_until(lambda: subscriber.connected, "connected")
        for seqs, high_water, ranges in STEPS:
            batch = encode(make_batch(seqs, oldest_seq=1, last_seq=20))
            single(topic_for(FLEET, PI4.device_id, "windows"), batch, qos=1, hostname="127.0.0.1", port=broker.port)
            wait_until(lambda: kept_ack(broker) == (high_water, ranges), f"{high_water} and {ranges}")  # noqa: B023


def kept_ack(broker: BrokerProcess) -> tuple[int, list[tuple[int, int]]]:
    """Return what the store-ack that the broker keeps says of the one boot; wait for the first."""
    topic = topic_for(FLEET, PI4.device_id, "ack")
    message = simple(topic, hostname="127.0.0.1", port=broker.port)  # type: ignore[no-untyped-call]
    assert isinstance(message, MQTTMessage)
    ack = decode(bytes(message.payload), StoreAck)
    assert {*(one.boot_id for one in ack.acks), *(one.boot_id for one in ack.stored)} == {BOOT_ID}
    return ack.acks[0].seq, [(one.first_seq, one.last_seq) for one in ack.stored]
