"""The doctor's probes on real brokers: good ones pass, each fault is found, and nothing stays behind."""

import json
from pathlib import Path

import msgspec
import pytest

from edge_agent.wire.mqtt import BrokerSettings
from edgejoule.cli import main
from edgejoule.doctor.broker import check_broker, gather_broker_facts
from edgejoule.doctor.broker_probe import QUEUED, SENT_PAST_IT, ProbeFacts, check_probe, gather_probe_facts
from edgejoule.doctor.mosquitto_checks import installed_version
from tests.fakes.brokers import running_broker
from tests.fakes.certificates import LOOPBACK, Authority
from tests.fakes.delivery import wait_until
from tests.fakes.raw_mqtt import RawClient, raw_client
from tests.fakes.secure_brokers import login, tls_lines

GOOD = ProbeFacts(topic="t", unacknowledged=5, session_kept=True, kept=QUEUED, retained=True, shared=(10, 10))
mosquitto = pytest.mark.mosquitto


def _left_behind(settings: BrokerSettings) -> list[str]:
    """Return the sessions and retained messages that a broker with sys_interval 1 counts besides our own client."""
    counts: dict[str, str] = {}

    def read(client: RawClient) -> bool:
        counts.update({topic: payload.decode() for topic, payload in client.received})
        return counts.get("$SYS/broker/clients/total") == "1"

    with raw_client(settings, "census") as client:
        client.subscribe("$SYS/broker/clients/#", "edgejoule/#")
        wait_until(lambda: read(client), "the broker counts one client only")
        return [topic for topic, payload in client.received if topic.startswith("edgejoule/") and payload]


@mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_good_mosquitto_passes_and_keeps_nothing(protocol: str, tmp_path: Path) -> None:
    with running_broker("mosquitto", tmp_path, "sys_interval 1\n") as broker:
        settings = BrokerSettings(url=broker.url, protocol="5" if protocol == "5" else "3.1.1")
        facts = gather_probe_facts(settings)

        assert facts.fault == ""
        assert facts.unacknowledged == (5 if protocol == "5" else None)
        assert (facts.session_kept, facts.kept, facts.retained) == (True, QUEUED, True)
        assert facts.shared == (10, 10)
        assert [finding.level for finding in check_probe(facts)] == ["ok"]
        assert _left_behind(settings) == []


@mosquitto
def test_a_small_queue_and_no_retained_messages_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running_broker("mosquitto", tmp_path, "max_queued_messages 1000\nretain_available false\n") as broker:
        assert main(["doctor", "--broker", broker.url, "--probe", "--json"]) == 1

    findings = json.loads(capsys.readouterr().out)["findings"]
    texts = " | ".join(finding["text"] for finding in findings if finding["topic"] == "broker probe")
    assert f"it kept 1000 of {QUEUED} messages" in texts
    assert "no retained messages" in texts


def test_the_embedded_broker_is_found_to_ignore_receive_maximum(tmp_path: Path) -> None:
    with running_broker("embedded", tmp_path) as broker:
        facts = gather_probe_facts(BrokerSettings(url=broker.url))
        old = gather_broker_facts(BrokerSettings(url=f"mqtt://127.0.0.1:{broker.port_v311}"))

    assert (facts.fault, facts.unacknowledged, facts.session_kept) == ("", SENT_PAST_IT, True)
    assert facts.kept == QUEUED
    assert ["Receive Maximum" in finding.text for finding in check_probe(facts)] == [True]
    assert (old.fault, old.version) == ("", "3.1.1")


@mosquitto
def test_with_the_shipped_access_list_the_collector_can_probe_and_a_device_is_told_so(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    lines = tls_lines(authority, authority.issue("broker", hosts=LOOPBACK), access_list=True)
    with running_broker("mosquitto", tmp_path, lines) as broker:
        collector = login(broker, authority, authority.issue("collector"))
        device = login(broker, authority, authority.issue("pi4-01"))
        facts, words = gather_broker_facts(collector), check_probe(gather_probe_facts(collector))
        refused = check_probe(gather_probe_facts(device))

    assert (facts.fault, facts.anonymous, facts.without_certificate) == ("", False, False)
    assert {finding.level for finding in check_broker(facts)} == {"ok"}
    assert [finding.level for finding in words] == ["ok"]
    assert [finding.level for finding in refused] == ["warning"]
    assert "could not be tried: this client may not write and read edgejoule/v1/doctor/" in refused[0].text


@mosquitto
def test_certificates_that_are_not_asked_for_are_found(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    lines = tls_lines(authority, authority.issue("broker", hosts=LOOPBACK), client_certificates=False)
    with running_broker("mosquitto", tmp_path, lines) as broker:
        facts = gather_broker_facts(login(broker, authority, authority.issue("pi4-01")))

    assert facts.without_certificate is True
    assert "does not enforce them" in " ".join(f.text for f in check_broker(facts) if f.level == "failure")


@mosquitto
def test_the_installed_mosquitto_says_its_version() -> None:
    version = installed_version()

    assert version is not None
    assert version >= (1, 0, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fault": "nothing listens"}, "could not be tried: nothing listens"),
        ({"unacknowledged": 6}, "ignores Receive Maximum: 6"),
        ({"session_kept": False, "kept": 0}, "forgets a session at once"),
        ({"kept": QUEUED - 1}, f"kept {QUEUED - 1} of {QUEUED}"),
        ({"retained": False}, "no retained messages"),
        ({"shared": (20, 20)}, "got 40 of 20"),
    ],
)
def test_what_was_seen_is_judged(change: dict[str, object], words: str) -> None:
    findings = check_probe(msgspec.structs.replace(GOOD, **change))

    assert len(findings) == 1
    assert words in findings[0].text
    assert findings[0].remedy
    assert [finding.level for finding in check_probe(GOOD)] == ["ok"]
