"""Web sockets, and the MQTT version that is found by itself, on real brokers."""

import threading
import time
from itertools import count
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from edge_agent.connection import Connection
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.mqtt_version import first_version, note_worked, other_version
from tests.fakes.brokers import running_broker
from tests.fakes.certificates import LOOPBACK, Authority
from tests.fakes.delivery import PATIENCE_S
from tests.fakes.ports import free_port
from tests.fakes.secure_brokers import login, refusal, tls_lines, wait_until_listening

ACK = "edgejoule/v1/home/pi4-01/ack"
WS = "listener {port} 127.0.0.1\nprotocol websockets\n"
"""A second listener: mosquitto 2.0.11 does not start with web sockets alone."""
LARGE = bytes(range(256)) * 40
"""More than one web-socket frame holds; mosquitto 2.0.11 sends some 40 kB/s over web sockets, so not more."""


_numbers = count()


def echo(settings: BrokerSettings) -> list[str]:
    """Send a large message to ourselves and wait for it; return the MQTT versions that the log names."""
    deadline_s = time.monotonic() + PATIENCE_S
    with capture_logs() as logs:
        while not came_back(settings):
            assert time.monotonic() < deadline_s, "no message came back"
    return [line["version"] for line in logs if line["event"] == "mqtt_version"]


def came_back(settings: BrokerSettings) -> bool:
    """Tell whether a message to ourselves came back; rumqttd, asked at once on its other port, may end a client."""
    came = threading.Event()

    def take(_topic: str, payload: bytes, _retained: bool) -> None:  # noqa: FBT001
        if payload == LARGE:
            came.set()

    # A new id each time: of two with the same id it may end the wrong one, too.
    connection = Connection(settings, f"echo-{next(_numbers)}", (ACK,), take, lambda: None)
    connection.open("edgejoule/v1/home/pi4-01/status", b"gone")
    try:
        connection.publish(ACK, LARGE)
        return came.wait(PATIENCE_S / 3)
    finally:
        connection.close()


@pytest.mark.mosquitto
@pytest.mark.parametrize("path", ["", "/any/path"])
def test_web_sockets(path: str, tmp_path: Path) -> None:
    port = free_port()
    with running_broker("mosquitto", tmp_path, WS.format(port=port)):
        wait_until_listening(port)
        assert echo(BrokerSettings(url=f"ws://127.0.0.1:{port}{path}")) == []
        assert echo(BrokerSettings(url=f"ws://127.0.0.1:{port}{path}", protocol="3.1.1")) == []


@pytest.mark.mosquitto
@pytest.mark.filterwarnings("ignore:unclosed <")  # paho leaves it to the collection when the handshake fails
def test_web_sockets_with_certificates_on_both_sides(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    port = free_port()
    lines = tls_lines(authority, authority.issue("broker", hosts=LOOPBACK))
    with running_broker("mosquitto", tmp_path, WS.format(port=port) + lines) as broker:
        wait_until_listening(port)
        settings = login(broker, authority, authority.issue("pi4-01"))
        echo(msgspec.structs.replace(settings, url=f"wss://127.0.0.1:{port}/mqtt"))
        assert "cert" in refusal(BrokerSettings(url=f"wss://127.0.0.1:{port}/mqtt", ca_file=str(authority.path)))


@pytest.mark.mosquitto
@pytest.mark.filterwarnings("ignore:unclosed <")  # paho leaves it to the collection when the handshake fails
def test_plain_mqtt_is_no_web_socket_and_a_web_socket_no_plain_mqtt(tmp_path: Path) -> None:
    port = free_port()
    with running_broker("mosquitto", tmp_path, WS.format(port=port)) as broker:
        wait_until_listening(port)
        assert "check port and path" in refusal(BrokerSettings(url=f"ws://127.0.0.1:{broker.port}/mqtt"))
        assert "no port for TLS or web sockets" in refusal(
            BrokerSettings(url=f"mqtt://127.0.0.1:{port}", protocol="5")
        )


def test_mqtt_3_1_1_is_found_once_and_remembered(tmp_path: Path) -> None:
    with running_broker("embedded", tmp_path) as broker:
        old = BrokerSettings(url=f"mqtt://127.0.0.1:{broker.port_v311}")
        assert echo(old) == ["3.1.1"]
        assert echo(old) == [], "said once, and tried at once the next time"
        assert first_version(old) == "3.1.1"
        assert echo(BrokerSettings(url=broker.url)) == []
        assert first_version(BrokerSettings(url=broker.url)) == "5"
        fixed = msgspec.structs.replace(old, protocol="5")
        assert "protocol" in refusal(fixed)
        assert "protocol" in refusal(BrokerSettings(url=broker.url, protocol="3.1.1"))


def test_a_broker_that_changes_its_version_under_the_same_address_is_followed(tmp_path: Path) -> None:
    with running_broker("embedded", tmp_path) as broker:
        settings = BrokerSettings(url=f"mqtt://127.0.0.1:{broker.port_v311}")
        echo(settings)
        broker.stop()
        broker.port, broker.port_v311 = broker.port_v311, broker.port
        broker.start()
        assert "protocol" in refusal(settings), "a broker that stops closes connections too"
        assert echo(settings) == []
        assert first_version(settings) == "5"


def test_what_worked_is_not_given_up_for_one_silent_end_and_a_fixed_version_never() -> None:
    settings = BrokerSettings(url=f"mqtt://127.0.0.1:{free_port()}")
    assert (first_version(settings), other_version(settings, "5", "closed")) == ("5", "3.1.1")
    assert note_worked(settings, "5") is False
    assert other_version(settings, "5", "closed") is None
    assert other_version(settings, "5", "closed") == "3.1.1", "twice is no accident"
    assert other_version(settings, "5", "version_refused") == "3.1.1"
    assert note_worked(settings, "3.1.1") is True
    assert note_worked(settings, "3.1.1") is False
    assert first_version(settings) == "3.1.1"
    for protocol in ("5", "3.1.1"):
        fixed = BrokerSettings(url=settings.url, protocol="5" if protocol == "5" else "3.1.1")
        assert first_version(fixed) == protocol
        assert other_version(fixed, first_version(fixed), "version_refused") is None
