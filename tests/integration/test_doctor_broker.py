"""The doctor against real brokers: what a client can see of them, and that it leaves nothing with them."""

import contextlib
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge_agent.wire.mqtt import BrokerSettings, parse_broker_url
from edgejoule.cli import main
from edgejoule.doctor.broker import BrokerFacts, check_broker, gather_broker_facts, is_loopback
from edgejoule.doctor.finding import Finding
from tests.fakes.brokers import running_broker
from tests.fakes.ports import free_port
from tests.what_is_there import find_program


@pytest.fixture
def mosquitto_url(tmp_path: Path) -> Iterator[str]:
    """Run a mosquitto with one user; strangers are refused."""
    passwords = tmp_path / "passwords"
    passwords.touch()
    tool = find_program("mosquitto_passwd")
    assert tool is not None
    subprocess.run([tool, "-b", str(passwords), "ada", "secret"], check=True, capture_output=True)
    (tmp_path / "password").write_text("secret\n", encoding="utf-8")
    with running_broker("mosquitto", tmp_path, f"allow_anonymous false\npassword_file {passwords}\n") as broker:
        yield broker.url


def _levels(findings: list[Finding]) -> list[str]:
    return [finding.level for finding in findings]


@pytest.mark.mosquitto
def test_a_closed_mosquitto_is_seen_as_closed(mosquitto_url: str, tmp_path: Path) -> None:
    settings = BrokerSettings(url=mosquitto_url, username="ada", password_file=str(tmp_path / "password"))

    facts = gather_broker_facts(settings)

    assert facts.fault == ""
    assert facts.anonymous is False
    assert facts.name.startswith("mosquitto version 2")
    assert facts.properties["TopicAliasMaximum"] == 10
    assert set(_levels(check_broker(facts))) == {"ok"}


@pytest.mark.mosquitto
def test_a_refused_stranger_is_told_why(mosquitto_url: str) -> None:
    facts = gather_broker_facts(BrokerSettings(url=mosquitto_url))

    assert "check username, password_file" in facts.fault
    assert _levels(check_broker(facts)) == ["failure"]


@pytest.mark.mosquitto
def test_an_open_mosquitto_is_seen_as_open_in_either_version(tmp_path: Path) -> None:
    with running_broker("mosquitto", tmp_path) as broker:
        new = gather_broker_facts(BrokerSettings(url=broker.url))
        old = gather_broker_facts(BrokerSettings(url=broker.url, protocol="3.1.1"))

    assert (new.anonymous, old.anonymous) == (True, True)
    assert old.properties == {}
    assert old.name == new.name != ""


def test_the_embedded_broker_is_recognised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_broker("embedded", tmp_path) as broker:
        code = main(["doctor", "--broker", broker.url, "--json"])

    findings = json.loads(capsys.readouterr().out)["findings"]
    kinds = [finding for finding in findings if finding["topic"] == "broker kind"]
    assert code == 0
    assert [finding["level"] for finding in kinds] == ["warning"]
    assert "in memory" in kinds[0]["text"]


def test_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"

    assert main(["doctor", "--broker", url]) == 1
    assert f"failure  broker: nothing listens at {url}" in capsys.readouterr().out


def test_what_is_no_broker_is_said_to_be_none() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as mute:
        url = f"mqtt://127.0.0.1:{mute.getsockname()[1]}"
        facts = gather_broker_facts(BrokerSettings(url=url))

    assert facts.fault == f"{url} accepts connections but does not answer: is it MQTT?"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.7", True), ("::1", True), ("10.0.0.7", False), ("broker.example", False)],
)
def test_loopback(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected


REMOTE = BrokerFacts(address=parse_broker_url("mqtts://broker.example"), loopback=False, anonymous=False)


def _remote(**facts: object) -> list[Finding]:
    return check_broker(msgspec.structs.replace(REMOTE, **facts))


def test_a_remote_broker_has_to_be_closed_and_encrypted() -> None:
    assert set(_levels(_remote())) == {"ok"}
    assert "failure" in _levels(_remote(anonymous=True))
    assert "warning" in _levels(_remote(address=parse_broker_url("mqtt://broker.example")))


@pytest.mark.parametrize(
    ("properties", "level"),
    [
        ({"RetainAvailable": 0}, "failure"),
        ({"MaximumQoS": 0}, "failure"),
        ({"MaximumPacketSize": 10_000}, "warning"),
        ({"MaximumPacketSize": 1_000_000, "ReceiveMaximum": 20}, "ok"),
    ],
)
def test_announced_limits(properties: dict[str, int], level: str) -> None:
    worst = {finding.level for finding in _remote(properties=properties)} - {"ok"}

    assert worst == ({level} - {"ok"})
