"""``edgejoule pki`` as typed: exit codes, one line for what is wrong, JSON alone on stdout."""

import json
import subprocess
from pathlib import Path

import pytest

from edgejoule.cli import main
from edgejoule.doctor.mosquitto_checks import check_mosquitto_conf
from edgejoule.doctor.mosquitto_conf import parse_mosquitto_conf
from edgejoule.pki.certificates import read_list
from tests.what_is_there import find_program


@pytest.fixture
def authority(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    write_secret(tmp_path / "passphrase", "correct horse\n")
    assert main(["pki", "init", str(tmp_path / "ca"), *locked(tmp_path)]) == 0
    assert "passphrase" not in capsys.readouterr().out
    return str(tmp_path / "ca")


def write_secret(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)


def locked(directory: Path) -> list[str]:
    return ["--passphrase-file", str(directory / "passphrase")]


def test_a_locked_authority_signs_with_its_passphrase_and_not_without(
    authority: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pki", "token", authority, "pi4-01"]) == 2
    assert "--passphrase-file" in capsys.readouterr().err
    write_secret(tmp_path / "wrong", "battery")
    assert main(["pki", "token", authority, "pi4-01", "--passphrase-file", str(tmp_path / "wrong")]) == 2
    assert "passphrase is wrong" in capsys.readouterr().err
    assert main(["pki", "token", authority, "pi4-01", *locked(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert out.startswith("ej1.")
    assert out.strip() not in err
    assert main(["pki", "init", authority]) == 2
    assert "already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("", 0o600, "1 to 1023 bytes"),
        ("a" * 1024, 0o600, "1 to 1023 bytes"),
        ("known", 0o644, "chmod 600"),
    ],
)
def test_a_passphrase_that_will_not_do_makes_no_authority(
    text: str, mode: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_secret(tmp_path / "passphrase", text)
    (tmp_path / "passphrase").chmod(mode)
    assert main(["pki", "init", str(tmp_path / "ca"), *locked(tmp_path)]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "ca").exists()


def test_json_stands_alone_on_stdout(authority: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "device")
    assert main(["pki", "enrol", "--csr-only", "--device", "pi4-01", "--out", place]) == 0
    (tmp_path / "csr").write_text(capsys.readouterr().out)
    words = ["pki", "sign", authority, str(tmp_path / "csr"), "--device", "pi4-01", *locked(tmp_path)]
    assert main(words) == 0
    (tmp_path / "answer").write_text(capsys.readouterr().out)
    assert main(["pki", "enrol", "--accept", str(tmp_path / "answer"), "--out", place]) == 0
    assert "pi4-01: certificate in" in capsys.readouterr().out
    assert main(["pki", "token", authority, "pi4-01", "--json", *locked(tmp_path)]) == 0
    given = json.loads(capsys.readouterr().out)
    assert (given["name"], given["valid_s"], given["has_certificate"]) == ("pi4-01", 3600, True)
    assert main(["pki", "list", authority, "--json"]) == 0
    assert [(one["name"], one["state"]) for one in json.loads(capsys.readouterr().out)] == [("pi4-01", "valid")]
    assert main(["pki", "list", authority, "--due", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["pki", "revoke", authority, "pi4-01", "--json", *locked(tmp_path)]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert (len(outcome["revoked"]), outcome["tokens_withdrawn"]) == (1, 1)
    assert main(["pki", "revoke", authority, "pi4-99", *locked(tmp_path)]) == 1
    assert main(["pki", "crl", authority, "--days", "7", "--out", str(tmp_path / "crl"), *locked(tmp_path)]) == 0
    assert len(read_list((tmp_path / "crl").read_text(), "crl")) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["token", "CA", "pi4-01", "--valid", "1"],
        ["token", "CA", "pi4-01", "--valid", "0h"],
        ["serve", "CA", "--listen", "8442"],
        ["serve", "CA", "--days", "0"],
        ["enrol", "--server", "https://a", "--csr-only"],
        ["enrol"],
    ],
)
def test_words_that_make_no_sense_are_a_usage_error(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["pki", *words])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["enrol", "--server", "https://a:1"], "--token"),
        (["enrol", "--csr-only"], "--device"),
        (["crl"], "--server URL"),
        (["crl", "--server", "https://a:1"], "--ca FILE"),
        (["renew", "--out", "/nonexistent"], "enrol first"),
        (["list", "/nonexistent"], "pki init"),
    ],
)
def test_what_is_missing_is_said_with_its_remedy(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pki", *words]) == 2
    assert says in capsys.readouterr().err


def test_a_server_without_a_name_is_refused(
    authority: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pki", "server-cert", authority, "--out", str(tmp_path / "b"), *locked(tmp_path)]) == 1
    assert main(["pki", "serve", authority, "--listen", "127.0.0.1:0", *locked(tmp_path)]) == 1
    assert capsys.readouterr().err.count("names or addresses") == 2


@pytest.mark.skipif(find_program("openssl") is None, reason="needs openssl")
def test_a_broker_s_own_key_stays_on_the_broker(authority: str, tmp_path: Path) -> None:
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    files = ["-keyout", str(tmp_path / "broker.key"), "-out", str(tmp_path / "broker.csr"), "-subj", "/CN=broker"]
    subprocess.run(["openssl", "req", "-new", *curve, *files], check=True, capture_output=True)
    words = ["--csr", str(tmp_path / "broker.csr"), "--name", "broker.lan", "--out", str(tmp_path / "b")]
    assert main(["pki", "server-cert", authority, *words, *locked(tmp_path)]) == 0

    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["broker.crt", "ca.crt", "fleet.crl"]


def test_the_doctor_has_nothing_against_the_lines_for_mosquitto(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pki", "broker-config"]) == 0
    lines = capsys.readouterr().out.splitlines()
    kept = ["persistence true", "persistence_location /var/lib/mosquitto/", "autosave_interval 30"]
    room = ["max_queued_messages 1000000", "max_inflight_messages 500", "persistent_client_expiration 60d"]
    findings = check_mosquitto_conf(parse_mosquitto_conf([*kept, *room, *lines]), (2, 0, 11))

    assert [finding.level for finding in findings] == ["ok"], findings
