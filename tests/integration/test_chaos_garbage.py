"""Garbage on every topic while an honest device delivers: counted to the last message, and of no other effect."""

import json
import random
import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_agent.wire.records import MAX_PAYLOAD_BYTES
from edge_agent.wire.topics import topic_for
from tests.fakes.chaos_garbage import Garbage, Junk
from tests.fakes.chaos_processes import PATIENCE_S, ChaosCollector
from tests.fakes.chaos_site import SiteKind, running_site, seeds
from tests.fakes.delivery import wait_until

HONEST = "pi-a"
HUGE_BYTES = {"mosquitto": 3_000_000, "embedded": MAX_PAYLOAD_BYTES + 3000}
"""Our own broker ends the connection of a client that sends more than a record may have."""
IN_FLIGHT = 50
LAST = Junk("the last message", topic_for("last", "last", "health"), b"the end")


def send(port: int, junk: list[Junk]) -> None:
    """Send all of it from a client that is none of ours; each message is acknowledged by the broker."""
    room = threading.Semaphore(IN_FLIGHT)
    client = Client(CallbackAPIVersion.VERSION2, client_id="vandal", protocol=MQTTProtocolVersion.MQTTv5)
    client.on_publish = lambda *_: room.release()
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        for one in junk:
            assert room.acquire(timeout=PATIENCE_S), f"the broker takes no more, before {one.what}"
            client.publish(one.topic, one.payload, qos=1, retain=one.retain)
        for _ in range(IN_FLIGHT):
            assert room.acquire(timeout=PATIENCE_S), "the broker did not take everything"
    finally:
        client.disconnect()
        client.loop_stop()
        client.on_publish = None


def throw_bytes(port: int, draw: random.Random) -> None:
    """Speak to the broker in no protocol at all, and in one that is nearly MQTT."""
    connect = b"\x10\x16\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x09vandal-02"
    for number in range(20):
        noise = bytearray(connect if number % 2 else draw.randbytes(draw.randrange(1, 3000)))
        noise[draw.randrange(len(noise))] ^= 1 << draw.randrange(8)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
            try:
                peer.sendall(bytes(noise))
                peer.shutdown(socket.SHUT_WR)
            except OSError:
                continue  # it had enough already


def dead_letters(collector: ChaosCollector) -> dict[str, Any]:
    """Return what ``edgejoule collector dead-letters list --json`` says of all of them."""
    words = ["collector", "dead-letters", "list", "--json", "--limit", "0", "--config", str(collector.config_file)]
    done = subprocess.run([sys.executable, "-m", "edgejoule", *words], capture_output=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def has_letter(collector: ChaosCollector, topic: str) -> bool:
    return any(letter["topic"] == topic for letter in dead_letters(collector)["letters"])


def assert_counted(collector: ChaosCollector, junk: list[Junk]) -> None:
    """Compare the dead letters with what was sent, topic by topic."""
    expected = Counter[str]()
    for one in junk:
        expected[one.topic] += one.letters
    answer = dead_letters(collector)
    whole = Counter(letter["topic"] for letter in answer["letters"] if letter["kind"] == "message")
    windows = sum(letter["kind"] == "window" for letter in answer["letters"])
    strange = whole - expected
    assert not strange, f"letters that nobody sent: {strange}"
    lost = expected - whole
    assert lost.total() == windows, f"not counted: {lost}, but for {windows} single windows"
    assert answer["matching"] == expected.total()


@pytest.mark.influxdb
@pytest.mark.slow
@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize("kind", [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "embedded"])
def test_garbage_is_counted_to_the_last_message_and_holds_nobody_up(kind: SiteKind, seed: int, tmp_path: Path) -> None:
    with running_site(kind, tmp_path, seed, [HONEST]) as site:
        (honest,) = site.devices
        wait_until(lambda: "broker_connected" in site.collector.log_text, "the collector listens", PATIENCE_S)
        honest.make(1_000_000, 200.0)
        junk = [*Garbage(site.draw, HONEST, HUGE_BYTES[kind]).all(), LAST]
        throw_bytes(site.broker.port, site.draw)
        send(site.broker.port, junk)
        wait_until(lambda: has_letter(site.collector, LAST.topic), "the last message is a dead letter", PATIENCE_S)
        site.wait_stored(20, site.collector.stored_count())
        honest.halt()
        site.assert_nothing_lost()
        assert_counted(site.collector, junk)
        assert site.collector.stop() == 0, site.collector.log_text
