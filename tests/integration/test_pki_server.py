"""The enrolment server over real TLS: who gets a certificate, who is refused, and that nobody holds it up."""

import http.client
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.wire.errors import ConfigurationError
from edgejoule.cli import main
from edgejoule.pki import client, enrolment, names
from edgejoule.pki.authority import Authority, create_authority
from edgejoule.pki.certificates import read_list
from edgejoule.pki.connections import MOST_CONNECTIONS
from edgejoule.pki.device_files import DeviceFiles
from edgejoule.pki.enrolment import Renewal
from edgejoule.pki.errors import RefusedError, UnreachableError
from edgejoule.pki.keys import key_pem, new_key
from edgejoule.pki.protocol import ENROL_PATH, MAX_BODY_BYTES
from edgejoule.pki.rate_limit import MOST_REFUSALS
from edgejoule.pki.requests import make_request
from edgejoule.pki.server import Place, serving
from edgejoule.pki.token import parse_token
from tests.fakes.delivery import wait_until
from tests.fakes.enrolment import HERE, Fleet, running_fleet
from tests.fakes.ports import free_port


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with running_fleet(tmp_path) as fleet:
        yield fleet


def test_a_device_enrols_and_renews_with_a_new_key(fleet: Fleet) -> None:
    place = fleet.enrol("pi4-01")
    first, key = (place / "device.crt").read_text(), (place / "device.key").read_text()
    held = Renewal(place).run()

    assert (held.name, held.renewed) == ("pi4-01", True)
    assert (place / "device.crt").read_text() != first
    assert (place / "device.key").read_text() != key
    assert [entry.via for entry in fleet.authority.entries() if entry.role == "device"] == ["token", "renewal"]


def test_nothing_secret_reaches_the_authority(fleet: Fleet) -> None:
    """Neither its files nor its register hold the device's key."""
    key = (fleet.enrol("pi4-01") / "device.key").read_text()
    body = key.splitlines()[1].encode()

    assert all(body not in path.read_bytes() for path in (fleet.directory / "ca").rglob("*") if path.is_file())


def test_a_token_is_good_once_for_its_device_and_its_time(fleet: Fleet, tmp_path: Path) -> None:
    token = fleet.token("pi4-01")
    enrolment.enrol(tmp_path / "a", fleet.url, token)
    with pytest.raises(RefusedError, match="used before"):
        enrolment.enrol(tmp_path / "b", fleet.url, token)
    ended = fleet.token("pi4-02", valid_s=-1)
    with pytest.raises(RefusedError, match="ended at"):
        enrolment.enrol(tmp_path / "c", fleet.url, ended)
    pem = fleet.authority.pem
    foreign = make_request(new_key(), names.device("pi4-04"))
    with pytest.raises(RefusedError, match="only 'pi4-03'"):
        client.enrol(client.parse_server(fleet.url), pem, parse_token(fleet.token("pi4-03")), foreign)


def test_a_token_goes_to_its_own_authority_only(fleet: Fleet, tmp_path: Path) -> None:
    """Another server, however it calls itself, is not shown the token."""
    other = create_authority(tmp_path / "other-ca", "fleet")
    with serving(other, HERE) as impostor:
        url = f"https://127.0.0.1:{impostor.server_port}"
        with pytest.raises(RefusedError, match="Nothing was sent to it"):
            enrolment.enrol(tmp_path / "device", url, fleet.token("pi4-01"))
    assert not (tmp_path / "device" / "device.crt").exists()


def test_a_device_cannot_play_the_server_for_others(fleet: Fleet, tmp_path: Path) -> None:
    """Its certificate is of the same authority, but for logging in only."""
    thief = fleet.enrol("thief")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(thief / "device.crt", thief / "device.key")
    asked: list[bytes] = []

    def answer_once(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as secure:
                asked.append(secure.recv(100))
        except OSError:
            connection.close()

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        thread = threading.Thread(target=answer_once, args=(listening,))
        thread.start()
        server = client.Address("127.0.0.1", listening.getsockname()[1])
        with pytest.raises(RefusedError, match="not trusted"):
            client.enrol(server, fleet.authority.pem, parse_token(fleet.token("pi4-01")), "request")
        thread.join()
    assert asked == []


def test_a_stranger_cannot_renew_and_an_unknown_name_is_not_believed(fleet: Fleet, tmp_path: Path) -> None:
    server, pem = client.parse_server(fleet.url), fleet.authority.pem
    stranger = create_authority(tmp_path / "other-ca", "fleet")
    key, request = new_key(), make_request(new_key(), names.device("pi4-01"))
    issued = stranger.sign(make_request(key, names.device("pi4-01")), names.device("pi4-01"))
    (tmp_path / "x.crt").write_text(issued.certificate)
    (tmp_path / "x.key").write_bytes(key_pem(key))
    with pytest.raises((RefusedError, UnreachableError)):
        client.renew(server, pem, client.Pair(tmp_path / "x.crt", tmp_path / "x.key"), request)
    place = fleet.enrol("pi4-02")
    with pytest.raises(RefusedError, match="only 'pi4-02'"):
        client.renew(server, pem, client.Pair(place / "device.crt", place / "device.key"), request)
    assert {entry.name for entry in fleet.authority.entries() if entry.role == "device"} == {"pi4-02"}


def test_a_renewal_without_a_certificate_is_refused(fleet: Fleet) -> None:
    status, line = post(fleet, "/v1/renew", json.dumps({"request": "x"}).encode())

    assert status == 403
    assert "none was shown" in line


def test_a_revoked_device_cannot_renew_and_starts_anew_with_a_token(fleet: Fleet) -> None:
    place = fleet.enrol("pi4-01")
    fleet.authority.revoke("pi4-01")
    with pytest.raises(RefusedError, match="revoked: ask for a token"):
        Renewal(place).run()
    held = enrolment.enrol(place, fleet.url, fleet.token("pi4-01"))

    assert held.name == "pi4-01"
    assert Renewal(place).run().renewed


def test_two_renewals_at_once_leave_one_pair(fleet: Fleet) -> None:
    """The timer's and somebody's by hand: the second is told so, and the first comes through."""
    place = fleet.enrol("pi4-01")

    def meanwhile(*_: Path) -> str:
        with pytest.raises(UnreachableError, match="another enrol or renew"):
            Renewal(place).run()
        return ""

    assert Renewal(place).run(meanwhile).renewed
    assert Renewal(place).run().renewed


def test_a_device_of_another_fleet_does_not_spend_its_token(fleet: Fleet, tmp_path: Path) -> None:
    other = create_authority(tmp_path / "other-ca", "other")
    files = DeviceFiles(tmp_path / "device")
    files.adopt(*other.sign(files.request(names.device("pi4-01")), names.device("pi4-01")))
    token = fleet.token("pi4-01")
    with pytest.raises(RefusedError, match="move that directory away"):
        enrolment.enrol(files.directory, fleet.url, token)
    files.directory.rename(tmp_path / "before")
    assert enrolment.enrol(files.directory, fleet.url, token).name == "pi4-01"


def test_upkeep_that_fails_does_not_stop_the_server(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority ended while it ran, and so did the server's certificate."""
    for path in (fleet.directory / "ca" / "server").iterdir():
        path.unlink()
    monkeypatch.setattr(fleet.authority, "_now_unix_s", lambda: time.time() + 4000 * 86_400)
    monkeypatch.setattr(fleet.server, "_t_upkeep_s", 0.0)
    wait_until(lambda: fleet.server._t_upkeep_s > 0.0, "the upkeep was tried")

    assert client.fetch_authority(client.parse_server(fleet.url), fleet.authority.fingerprint)


def test_a_server_starts_with_a_list_that_holds(fleet: Fleet) -> None:
    """An init that broke off left none, or it ended while no server ran."""
    path = fleet.directory / "ca" / "fleet.crl"
    path.unlink()
    with serving(fleet.authority, HERE):
        assert path.exists()
    Authority(path.parent, now_unix_s=lambda: time.time() - 9 * 86_400).write_list(1)
    with serving(fleet.authority, HERE):
        end = read_list(path.read_text(), "the list").next_update_utc
        assert end is not None
        assert end.timestamp() > time.time()


def test_a_renewal_that_is_interrupted_goes_on_with_the_same_key(fleet: Fleet, tmp_path: Path) -> None:
    place = fleet.enrol("pi4-01")
    old = (place / "device.crt").read_text()
    with pytest.raises(RefusedError, match="does not work \\(the broker is away\\); the old one stays"):
        Renewal(place).run(lambda *_: "the broker is away")
    assert (place / "device.crt").read_text() == old
    Renewal(place).run(lambda *_: "")

    assert (place / "device.crt").read_text() != old
    assert [entry.via for entry in fleet.authority.entries() if entry.role == "device"] == ["token", "renewal"]


def test_a_certificate_that_has_ended_renews_nothing(tmp_path: Path) -> None:
    authority = create_authority(tmp_path / "ca", "fleet")
    place = tmp_path / "device"
    files = DeviceFiles(place)
    past = Authority(authority.directory, now_unix_s=lambda: time.time() - 3 * 86_400)
    issued = past.sign(files.request(names.device("pi4-01")), names.device("pi4-01"), 1)
    files.adopt(issued.certificate, issued.authority)
    with serving(authority, HERE) as server, pytest.raises(RefusedError, match="only a token helps"):
        Renewal(place, f"https://127.0.0.1:{server.server_port}").run()


def test_a_signed_by_hand_device_knows_no_server(fleet: Fleet, tmp_path: Path) -> None:
    files = DeviceFiles(tmp_path / "device")
    issued = fleet.authority.sign(files.request(names.device("pi4-01")), names.device("pi4-01"))
    files.adopt(issued.certificate, issued.authority)
    with pytest.raises(ConfigurationError, match="--server"):
        Renewal(files.directory).run()
    assert Renewal(files.directory, fleet.url).run().renewed


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        (ENROL_PATH, b"nonsense", 400, "not what is expected"),
        (ENROL_PATH, b'{"token": 1}', 400, "not what is expected"),
        (ENROL_PATH, b'{"token": "t", "request": "r", "more": 1}', 400, "unknown field"),
        (ENROL_PATH, b'{"token": "t", "request": "r"}', 403, "no token"),
        (ENROL_PATH, b"\xff\xfe", 400, "not what is expected"),
        (ENROL_PATH, b"x" * (MAX_BODY_BYTES + 1), 413, "above"),
        ("/v1/other", b"{}", 404, "nothing here"),
    ],
)
def test_what_is_no_question_gets_one_line(fleet: Fleet, path: str, body: bytes, status: int, words: str) -> None:
    answered, line = post(fleet, path, body)

    assert answered == status
    assert re.search(words, line)
    assert fleet.enrol("pi4-01").exists()


def test_who_is_refused_again_and_again_has_to_wait(fleet: Fleet) -> None:
    for _ in range(MOST_REFUSALS):
        assert post(fleet, "/v1/other", b"{}")[0] == 404
    status, line = post(fleet, "/v1/other", b"{}")
    assert (status, "wait" in line) == (429, True)
    with pytest.raises(UnreachableError, match="too many refusals"):
        client.fetch_authority(client.parse_server(fleet.url), fleet.authority.fingerprint)


def test_fifty_devices_enrol_at_once_from_one_address(fleet: Fleet, tmp_path: Path) -> None:
    tokens = [fleet.token(f"pi4-{number}") for number in range(50)]
    failures: list[str] = []

    def some(numbers: range) -> None:
        for number in numbers:
            try:
                enrolment.enrol(tmp_path / f"d{number}", fleet.url, tokens[number])
            except (RefusedError, UnreachableError) as error:
                failures.append(str(error))

    threads = [threading.Thread(target=some, args=(range(start, 50, 10),)) for start in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({(tmp_path / f"d{number}" / "device.crt").read_text() for number in range(50)}) == 50


def test_silent_connections_do_not_keep_others_out_for_long(fleet: Fleet, tmp_path: Path) -> None:
    """As many as it takes at once, none of which ever says a word: they are cut, and the next device is served."""
    fleet.server.deadline_s = 3.0
    held = [socket.create_connection(("127.0.0.1", fleet.server.server_port)) for _ in range(MOST_CONNECTIONS + 4)]
    try:
        token = fleet.token("pi4-01")

        def enrols() -> bool:
            try:
                enrolment.enrol(tmp_path / "device", fleet.url, token)
            except UnreachableError:
                time.sleep(0.5)
                return False
            return True

        wait_until(enrols, "a device is served while others hold their connections open", 60)
    finally:
        for one in held:
            one.close()


def test_a_server_under_another_name_is_explained(fleet: Fleet, tmp_path: Path) -> None:
    with (
        serving(fleet.authority, Place("127.0.0.1", 0, ["elsewhere.example"], [])) as server,
        pytest.raises(RefusedError, match="--name or --ip"),
    ):
        enrolment.enrol(tmp_path / "device", f"https://127.0.0.1:{server.server_port}", fleet.token("pi4-01"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://a", "is no https://host:port"),
        ("https://", "is no https"),
        ("https://a/b", "is no https"),
        ("https://a:x", "https://host:port"),
    ],
)
def test_urls_that_name_no_server(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        client.parse_server(url)


def test_an_absent_server_is_one_line(tmp_path: Path, fleet: Fleet) -> None:
    with pytest.raises(UnreachableError, match="nothing listens"):
        enrolment.enrol(tmp_path / "device", f"https://127.0.0.1:{free_port()}", fleet.token("pi4-01"))


def test_the_list_is_fetched_and_only_a_newer_one_is_taken(
    fleet: Fleet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet.enrol("pi4-01")
    (tmp_path / "ca.crt").write_text(fleet.authority.pem)
    words = ["pki", "crl", "--server", fleet.url, "--ca", str(tmp_path / "ca.crt"), "--out", str(tmp_path / "crl")]
    said: list[str] = []
    for step in (lambda: None, lambda: None, lambda: fleet.authority.revoke("pi4-01")):
        step()
        assert main(words) == 0
        said.append(capsys.readouterr().out.replace("\n", " "))
    assert ["new" in line for line in said] == [True, False, True]
    old = (tmp_path / "crl").read_text()
    other = create_authority(tmp_path / "other-ca", "fleet")
    (fleet.directory / "ca" / "fleet.crl").write_text((other.directory / "fleet.crl").read_text())
    assert main(words) == 1
    assert "not signed by the authority" in capsys.readouterr().err
    assert (tmp_path / "crl").read_text() == old


def test_a_device_whose_clock_is_in_the_past_trusts_the_server(fleet: Fleet) -> None:
    """OpenSSL judges at a time of our choice: the certificates of the authority and its server hold in 1971."""
    server = next((fleet.directory / "ca" / "server").glob("*.crt"))
    checks = ["-attime", "40000000", "-x509_strict", "-purpose", "sslserver"]
    outcome = subprocess.run(
        ["openssl", "verify", *checks, "-CAfile", str(fleet.directory / "ca" / "ca.crt"), str(server)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr


def post(fleet: Fleet, path: str, body: bytes) -> tuple[int, str]:
    """Ask as a stranger who trusts anybody would."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with closing(
        http.client.HTTPSConnection("127.0.0.1", fleet.server.server_port, context=context, timeout=30)
    ) as asked:
        asked.request("POST", path, body)
        answer = asked.getresponse()
        return answer.status, json.loads(answer.read())["error"]
