"""What the doctor says of certificates and keys: whose, until when, who can read them."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.wire.mqtt import BrokerSettings
from edgejoule.cli import main
from edgejoule.doctor.certificates import (
    CertificateFacts,
    KeyFacts,
    check_certificate,
    check_key,
    examine_broker_files,
    examine_client,
)
from edgejoule.doctor.finding import Finding
from tests.fakes.certificates import LOOPBACK, Authority

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def facts(start: dt.timedelta, end: dt.timedelta) -> CertificateFacts:
    return CertificateFacts(setting="cert_file", path="x.crt", name="pi4", not_before=NOW + start, not_after=NOW + end)


@pytest.mark.parametrize(
    ("looked_at", "level", "words"),
    [
        (facts(-DAY, 100 * DAY), "ok", "valid until 2026-09-09, 100 days"),
        (facts(-DAY, 29 * DAY), "warning", "29 days"),
        (facts(-2 * DAY, -DAY), "failure", "ended on 2026-05-31"),
        (facts(DAY, 100 * DAY), "failure", "this clock says 2026-06-01"),
        (CertificateFacts(setting="ca_file", path="x", fault="Permission denied"), "warning", "not looked at"),
    ],
)
def test_dates_are_judged(looked_at: CertificateFacts, level: str, words: str) -> None:
    (finding,) = check_certificate(looked_at, NOW, "renew it")

    assert finding.level == level
    assert words in finding.text
    assert (finding.level == "ok") == (finding.remedy == "")


@pytest.mark.parametrize(("mode", "words"), [(0o600, ""), (0o400, ""), (0o640, "its group"), (0o644, "everybody")])
def test_a_key_is_for_its_owner(mode: int, words: str) -> None:
    texts = [finding.text for finding in check_key(KeyFacts("device.key", mode))]

    assert bool(texts) == bool(words)
    assert words in "".join(texts)


def levels(findings: list[Finding]) -> list[str]:
    return [finding.level for finding in findings]


def test_a_device_s_files_are_looked_at(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("pi4-01")
    pair.key.chmod(0o600)
    settings = BrokerSettings(
        url="mqtts://localhost", ca_file=str(authority.path), cert_file=str(pair.cert), key_file=str(pair.key)
    )
    now = dt.datetime.now(dt.UTC)
    assert "failure" not in levels(list(examine_client(settings, "pi4-01", now)))
    wrong = [finding for finding in examine_client(settings, "pi4-02", now) if finding.level == "failure"]
    assert "names 'pi4-01', but [device] id is 'pi4-02'" in wrong[0].text
    pair.key.chmod(0o644)
    assert any("open to everybody" in finding.text for finding in examine_client(settings, "pi4-01", now))
    assert list(examine_client(BrokerSettings(), "pi4-01", now)) == []


def _missing(path: Path) -> None:
    path.unlink()


def _no_pem(path: Path) -> None:
    path.write_text("nonsense")


@pytest.mark.parametrize("damage", [_missing, _no_pem])
def test_files_that_cannot_be_read_are_said_and_the_rest_is_looked_at(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    damage(authority.path)
    settings = BrokerSettings(url="mqtts://localhost", ca_file=str(authority.path))

    assert levels(list(examine_client(settings, "", dt.datetime.now(dt.UTC)))) == ["warning"]


def test_the_broker_s_list_of_revoked_certificates_is_looked_at_before_it_stops_everybody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("broker", hosts=LOOPBACK, days=10)
    listed = authority.revoke()
    found = list(
        examine_broker_files(
            {"certfile": str(pair.cert), "cafile": str(authority.path), "crlfile": str(listed), "keyfile": "none"},
            dt.datetime.now(dt.UTC) + 5 * DAY,
        )
    )
    assert levels(found) == ["warning", "warning", "warning"]
    assert "pki crl" in found[2].remedy
    (tmp_path / "mosquitto.conf").write_text(f"listener 8883\ncrlfile {listed}\ncertfile {pair.cert}\n")
    main(["doctor", "--mosquitto-conf", str(tmp_path / "mosquitto.conf"), "--json"])
    topics = [one["topic"] for one in json.loads(capsys.readouterr().out)["findings"]]
    assert topics.count("certificates") == 2
