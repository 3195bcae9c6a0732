"""What goes wrong around the delivery: brokers that are away, frozen or refuse, and messages that lie."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.publish import multiple, single
from structlog.testing import capture_logs

from collector.journal import Journal
from edge_agent.wire.codec import encode
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.topics import topic_for
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.delivery import (
    assert_all_stored_once,
    journal_disk_full,
    running_collector,
    running_device,
    running_subscriber,
    wait_until,
)
from tests.fakes.ports import free_port
from tests.fakes.windows import FLEET, make_batch

KINDS = [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "embedded"]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def publish(broker: BrokerProcess, *messages: tuple[str, bytes]) -> None:
    """Send from a client that is none of ours."""
    packets = [{"topic": topic, "payload": payload, "qos": 1} for topic, payload in messages]
    multiple(packets, hostname="127.0.0.1", port=broker.port_v311)  # type: ignore[arg-type]  # dicts are documented


@pytest.mark.parametrize("kind", KINDS)
def test_the_broker_may_come_after_device_and_collector(kind: str, journal: Journal, tmp_path: Path) -> None:
    broker = BrokerProcess("mosquitto" if kind == "mosquitto" else "embedded", tmp_path)
    settings = BrokerSettings(url=broker.url)
    with capture_logs() as logs, running_device(tmp_path, settings) as device, running_subscriber(journal, settings):
        device.append(5)
        wait_until(lambda: len(logs) >= 2, "both said that the broker is away")
        time.sleep(1.5)
        said = [line["remedy"] for line in logs if line["event"] == "broker_unreachable"]
        assert len(said) == 2, "one line per change of state, not one per attempt"
        assert all("start the broker or correct the url" in remedy for remedy in said)
        broker.start()
        try:
            assert device.publisher.flush(30)
            assert_all_stored_once(journal, device)
        finally:
            broker.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_messages_that_lie_become_dead_letters_and_hold_nothing_up(
    kind: str, journal: Journal, tmp_path: Path
) -> None:
    with running_broker("mosquitto" if kind == "mosquitto" else "embedded", tmp_path) as broker:
        settings = BrokerSettings(url=broker.url)
        with running_subscriber(journal, settings), running_device(tmp_path, settings) as device:
            device.append()
            assert device.publisher.flush(20)
            stranger = encode(make_batch(range(1, 3)))
            publish(
                broker,
                (topic_for(FLEET, "other-01", "windows"), stranger),
                (topic_for(FLEET, "pi4-01", "windows"), b"\xff\x00 no JSON at all"),
                (topic_for(FLEET, "pi4-01", "windows"), b"x" * 300_000 if kind == "mosquitto" else b"x" * 262_200),
            )
            device.append()
            assert device.publisher.flush(20)
            wait_until(lambda: len(journal.dead_letters()) == 3, "three dead letters")
        reasons = " | ".join(reason for _, _, reason, _ in journal.dead_letters())
        assert "the payload is of device 'pi4-01', the topic of 'other-01'" in reasons
        assert "over the limit" in reasons
        assert stranger in [payload for _, payload, _, _ in journal.dead_letters()]
        line = assert_all_stored_once(journal, device)
        assert line.dead_letters == 2


@pytest.mark.mosquitto
def test_a_dead_letter_is_acknowledged_to_the_broker_and_does_not_come_again(journal: Journal, tmp_path: Path) -> None:
    with running_broker("mosquitto", tmp_path) as broker:
        settings = BrokerSettings(url=broker.url)
        with running_subscriber(journal, settings) as subscriber:
            wait_until(lambda: subscriber.connected, "connected")
            publish(broker, (topic_for(FLEET, "pi4-01", "health"), b"{}"))
            wait_until(lambda: len(journal.dead_letters()) == 1, "one dead letter")
        with running_subscriber(journal, settings) as subscriber:
            wait_until(lambda: subscriber.connected, "connected again")
            publish(broker, (topic_for(FLEET, "pi4-01", "health"), b"[]"))
            wait_until(lambda: len(journal.dead_letters()) == 2, "the second dead letter, and no third")
        assert [payload for _, payload, _, _ in journal.dead_letters()] == [b"[]", b"{}"]


@pytest.mark.mosquitto
def test_a_new_connection_sends_again_at_once_what_was_never_stored(journal: Journal, tmp_path: Path) -> None:
    with running_broker("mosquitto", tmp_path) as broker:
        settings = BrokerSettings(url=broker.url)
        with capture_logs() as logs, running_device(tmp_path, settings, resend_s=300.0) as device:
            wait_until(lambda: device.publisher.connected, "connected")
            device.append(3)
            assert not device.publisher.flush(1.0), "the broker had it, but no collector"
            with running_subscriber(journal, settings) as subscriber:
                wait_until(lambda: subscriber.connected, "the collector is there")
                single(
                    "somebody/else",
                    b"",
                    qos=1,
                    hostname="127.0.0.1",
                    port=broker.port,
                    client_id="edgejoule-lab-pi4-01",
                    protocol=MQTTProtocolVersion.MQTTv5,
                )
                assert device.publisher.flush(20)
            assert_all_stored_once(journal, device)
    assert any("a second device with this id" in line.get("remedy", "") for line in logs)


def test_a_full_disk_under_the_journal_delays_and_loses_nothing(journal: Journal, tmp_path: Path) -> None:
    with running_broker("embedded", tmp_path) as broker:
        settings = BrokerSettings(url=broker.url)
        with (
            capture_logs() as logs,
            running_subscriber(journal, settings) as subscriber,
            running_device(tmp_path, settings) as device,
        ):
            wait_until(lambda: subscriber.connected and device.publisher.connected, "both connected")
            with journal_disk_full(journal):
                device.append(200)
                wait_until(lambda: any(line["event"] == "journal_not_writable" for line in logs), "it said so")
                assert not device.publisher.flush(1.0)
                assert device.outbox.stats().windows > 150, "a few may fit into the last page"
                assert subscriber.alive
                assert subscriber.connected, "the broker has nothing to do with it"
            assert device.publisher.flush(20)
            assert_all_stored_once(journal, device)
            assert subscriber.connected
        assert "journal_writable_again" in [line["event"] for line in logs]


@pytest.mark.mosquitto
def test_a_refused_login_is_one_clear_line_and_no_loss(journal: Journal, tmp_path: Path) -> None:
    password_file = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(password_file), "pi4", "right"], check=True)
    (tmp_path / "right").write_text("right\n")
    (tmp_path / "wrong").write_text("wrong\n")
    locked = f"allow_anonymous false\npassword_file {password_file}\n"
    with running_broker("mosquitto", tmp_path, locked) as broker:
        bad = BrokerSettings(url=broker.url, username="pi4", password_file=str(tmp_path / "wrong"))
        good = BrokerSettings(url=broker.url, username="pi4", password_file=str(tmp_path / "right"))
        with capture_logs() as logs, running_device(tmp_path, bad) as device:
            device.append()
            wait_until(lambda: bool(logs), "a line about the refusal")
            assert "check username, password_file" in logs[0]["remedy"]
            assert not device.publisher.flush(0.2)
            assert device.outbox.stats().windows == 1
        with running_device(tmp_path, good) as again, running_subscriber(journal, good):
            assert again.publisher.flush(20)
        assert journal.last_row_id() == 1


@pytest.mark.mosquitto
def test_a_frozen_broker_does_not_keep_the_publisher_from_stopping(journal: Journal, tmp_path: Path) -> None:
    with running_broker("mosquitto", tmp_path) as broker:
        settings = BrokerSettings(url=broker.url)
        with running_device(tmp_path, settings) as device, running_subscriber(journal, settings):
            wait_until(lambda: device.publisher.connected, "connected")
            broker.freeze()
            device.append(10)
            began_s = time.monotonic()
            assert not device.publisher.flush(0.3)
            device.publisher.stop()
            assert time.monotonic() - began_s < 8
            broker.thaw()
            assert device.outbox.stats().windows == 10


def test_a_server_that_is_no_broker_is_told_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def hang_up() -> None:
            peer, _ = server.accept()
            peer.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with capture_logs() as logs, running_device(tmp_path, BrokerSettings(url=f"mqtt://127.0.0.1:{port}")):
            wait_until(lambda: bool(logs), "a line about it")
        thread.join()
    assert "closed the connection before it answered" in logs[0]["remedy"]


def test_two_collectors_cannot_share_a_state_directory(tmp_path: Path) -> None:
    with running_broker("embedded", tmp_path) as broker, running_collector(tmp_path, broker.url) as collector:
        wait_until((collector.state_dir / "collector.lock").exists, "the first one started")
        wait_until(lambda: "broker_connected" in collector.log_text, "the first one connected")
        second = subprocess.run(
            [sys.executable, "-m", "edgejoule", "collector", "run", "--config", str(tmp_path / "collector.toml")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert second.returncode == 2
        assert "already uses it; stop that one" in second.stderr
        assert len(second.stderr.strip().splitlines()) == 1


def test_the_embedded_broker_says_what_it_is_and_frees_its_port(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "edgejoule", "broker", "--port", str(port)]
    for end in (signal.SIGKILL, signal.SIGTERM):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == f"embedded broker, in-memory: MQTT 5 on 127.0.0.1:{port}\n"
            second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert second.returncode == 2
            assert "choose another --port or stop what uses it" in second.stderr
            process.send_signal(end)
            assert process.wait(10) == (0 if end is signal.SIGTERM else -signal.SIGKILL)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
