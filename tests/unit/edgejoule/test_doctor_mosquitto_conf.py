"""What the doctor reads out of a mosquitto.conf."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_agent.wire.errors import ConfigurationError
from edgejoule.doctor.mosquitto_checks import check_mosquitto_conf
from edgejoule.doctor.mosquitto_conf import parse_mosquitto_conf, read_mosquitto_conf
from tests.fakes.shipped_mosquitto import shipped

SOUND = """
# a fleet's broker
persistence true
persistence_location /var/lib/mosquitto/
autosave_interval 30
max_queued_messages 100000
persistent_client_expiration 60d
allow_anonymous false
password_file /etc/mosquitto/passwords
acl_file /etc/mosquitto/edgejoule.acl
listener 8883
certfile /etc/mosquitto/server.crt
listener 1883 127.0.0.1
"""


def _faults(text: str) -> list[tuple[str, str]]:
    findings = check_mosquitto_conf(parse_mosquitto_conf(text.splitlines()))
    return [(finding.level, finding.text) for finding in findings if finding.level != "ok"]


def test_a_sound_configuration_has_no_fault() -> None:
    assert _faults(SOUND) == []


@pytest.mark.parametrize(
    ("old", "new", "level", "words"),
    [
        ("persistence true", "persistence false", "warning", "persistence is off"),
        ("autosave_interval 30", "", "warning", "saved every 1800 s only"),
        ("autosave_interval 30", "autosave_interval 0", "warning", "saved every 0 s only"),
        ("max_queued_messages 100000", "", "warning", "only 1000 messages wait"),
        ("max_queued_messages 100000", "max_queued_messages 0", "warning", "2.0.16"),
        ("persistence true", "persistence true\nretain_available false", "failure", "retained messages are off"),
        ("persistence true", "persistence true\nmessage_size_limit 1000", "warning", "smaller than an agent's"),
        ("allow_anonymous false", "allow_anonymous true", "failure", "listener 8883 on every interface lets anybody"),
        ("password_file /etc/mosquitto/passwords", "", "failure", "nobody can log in"),
        ("certfile /etc/mosquitto/server.crt", "", "warning", "is not encrypted"),
        ("persistence_location /var/lib/mosquitto/", "", "warning", "persistence_location is not set"),
        ("persistent_client_expiration 60d", "", "warning", "never comes back stays for ever"),
        ("persistent_client_expiration 60d", "persistent_client_expiration 12h", "warning", "away longer is dropped"),
        ("persistent_client_expiration 60d", "persistent_client_expiration 60 d", "failure", "no whole number"),
        (
            "max_queued_messages 100000",
            "max_queued_messages 100000\nmax_inflight_messages 1",
            "warning",
            "after every 1",
        ),
        ("acl_file /etc/mosquitto/edgejoule.acl", "", "warning", "no access list"),
        (
            "certfile /etc/mosquitto/server.crt",
            "certfile x\nuse_identity_as_username true",
            "warning",
            "does not require them",
        ),
        ("certfile /etc/mosquitto/server.crt", "certfile x\nrequire_certificate true", "failure", "no authority"),
        (
            "password_file /etc/mosquitto/passwords\nacl_file /etc/mosquitto/edgejoule.acl\nlistener 8883",
            "acl_file a\nlistener 8883\ncafile c\nrequire_certificate true",
            "failure",
            "the access list binds nobody",
        ),
    ],
)
def test_each_fault_is_named(old: str, new: str, level: str, words: str) -> None:
    ((found_level, text),) = _faults(SOUND.replace(old, new))

    assert found_level == level
    assert words in text


def test_autosave_on_changes_is_as_good_as_a_short_interval() -> None:
    assert _faults(SOUND.replace("autosave_interval 30", "autosave_on_changes true\nautosave_interval 100")) == []


def test_per_listener_settings_are_a_trap_and_are_read_per_listener() -> None:
    text = SOUND.replace("persistence true", "persistence true\nper_listener_settings true")

    faults = _faults(text)

    assert any("breaks persistent sessions" in words for _, words in faults)
    assert any("nobody can log in" in words for _, words in faults)


@pytest.mark.parametrize(
    ("version", "count"),
    [(None, 1), ((2, 0, 11), 0), ((2, 0, 12), 1), ((2, 0, 18), 1), ((2, 0, 19), 0), ((2, 1, 0), 0)],
)
def test_a_trap_of_some_versions_is_only_told_for_those(version: tuple[int, int, int] | None, count: int) -> None:
    loopback = SOUND.partition("listener 8883")[0] + "listener 1883 127.0.0.1"
    conf = parse_mosquitto_conf(f"per_listener_settings true\n{loopback}".splitlines())

    assert [f.level for f in check_mosquitto_conf(conf, version)].count("warning") == count


def test_a_queue_without_limit_is_only_a_trap_in_one_version() -> None:
    conf = parse_mosquitto_conf(SOUND.replace("max_queued_messages 100000", "max_queued_messages 0").splitlines())

    assert [f.level for f in check_mosquitto_conf(conf, (2, 0, 16))] == ["warning"]
    assert [f.level for f in check_mosquitto_conf(conf, (2, 0, 17))] == ["ok"]


def test_one_listeners_certificates_do_not_close_another() -> None:
    closed = "certfile x\ncafile c\nrequire_certificate true\nuse_identity_as_username true"
    text = SOUND.replace("password_file /etc/mosquitto/passwords", "").replace(
        "listener 8883", f"listener 8884 10.0.0.1\n{closed}\nlistener 8883"
    )

    assert [words for _, words in _faults(text)] == [
        "listener 8883 on every interface has neither passwords nor certificates: nobody can log in"
    ]


def test_the_empty_file_listens_on_loopback_only() -> None:
    assert {level for level, _ in _faults("")} == {"warning"}
    assert any(level == "failure" for level, _ in _faults("port 1883\nallow_anonymous true"))


def test_included_directories_are_read(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "fleet.conf").write_text(SOUND, encoding="utf-8")
    (tmp_path / "conf.d" / "notes.txt").write_text("max_queued_messages 1", encoding="utf-8")
    main_file = tmp_path / "mosquitto.conf"
    main_file.write_text(f"include_dir {tmp_path / 'conf.d'}\n", encoding="utf-8")

    findings = check_mosquitto_conf(read_mosquitto_conf(main_file))

    assert [finding.level for finding in findings] == ["ok"]


WORDS = st.sampled_from(
    ["listener", "persistence", "max_queued_messages", "port", "autosave_interval", "true", "1883", "-1", "x", "#", ""]
)


@given(st.lists(st.lists(WORDS, max_size=4).map(" ".join), max_size=8))
@example(["listener"])
@example(["max_queued_messages many"])
def test_any_text_is_judged_or_refused_in_one_line(lines: list[str]) -> None:
    refusal, findings = "", []
    try:
        findings = check_mosquitto_conf(parse_mosquitto_conf(lines))
    except ConfigurationError as error:
        refusal = str(error)

    assert bool(refusal) != bool(findings)
    assert "\n" not in refusal
    assert not refusal or refusal.startswith("mosquitto.conf: ")
    assert all(finding.remedy for finding in findings if finding.level != "ok")


DEBIANS_OWN = "pid_file /run/mosquitto/mosquitto.pid\npersistence_location /var/lib/mosquitto/\n"


def test_the_shipped_file_is_sound_in_each_of_its_variants() -> None:
    assert _faults(DEBIANS_OWN + shipped("This machine only")) == []
    assert _faults(DEBIANS_OWN + shipped("A fleet")) == []
    ((level, text),) = _faults(DEBIANS_OWN + shipped("A network of your own"))
    assert level == "warning"
    assert "is not encrypted" in text
