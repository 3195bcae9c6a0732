"""How servers of intensities are asked: again within bounds, no longer than allowed, with no key in sight."""

import socket
import ssl
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import msgspec
import pytest

from collector.intensity.errors import SourceError
from collector.intensity.http import JsonClient, Waits
from collector.intensity.keys import read_key
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.certificates import LOOPBACK, Authority
from tests.fakes.json_server import Asked, JsonServer, RecordedWaits, Reply, as_json, json_server

KEY = "s3cret-t0ken/with+signs"


class Said(msgspec.Struct):
    value: float


def answer(asked: Asked) -> Reply:
    return as_json({"value": 42.5, "new_field": "ignored"})


@pytest.fixture
def server() -> Iterator[JsonServer]:
    with json_server(answer) as running:
        yield running


@pytest.fixture
def clock() -> RecordedWaits:
    return RecordedWaits()


def waits(clock: RecordedWaits, too_many_s: float | None = None) -> Waits:
    return Waits(sleep=clock.sleep, unix_s=clock.unix_s, random=lambda: 1.0, too_many_s=too_many_s)


def client(
    server: JsonServer, clock: RecordedWaits, cache_dir: Path | None = None, timeout_s: float = 30.0
) -> JsonClient:
    return JsonClient(
        f"{server.url}/base/",
        timeout_s=timeout_s,
        retries=3,
        headers={"auth-token": KEY},
        secret_params={"securityToken": KEY},
        cache_dir=cache_dir,
        waits=waits(clock),
    )


def test_an_answer_is_decoded_and_the_question_says_who_asks(server: JsonServer, clock: RecordedWaits) -> None:
    assert client(server, clock).get_json("/a b", {"zone": "DK 1&2", "n": 3}, Said) == Said(42.5)
    (asked,) = server.asked
    assert asked.path == "/base/a b"
    assert asked.params == {"zone": "DK 1&2", "n": "3", "securityToken": KEY}
    assert asked.headers["auth-token"] == KEY
    assert asked.headers["user-agent"].startswith("edgejoule")
    assert asked.headers["accept"] == "application/json"


def test_bytes_come_as_they_are_and_a_posted_question_is_json(server: JsonServer, clock: RecordedWaits) -> None:
    server.replies.append(Reply(body=b"<xml/>"))
    assert client(server, clock).get_bytes("/x", {}) == b"<xml/>"
    assert client(server, clock).post_json("/p", {}, {"a": 1}, Said) == Said(42.5)
    assert server.asked[-1].body == b'{"a":1}'


def test_half_a_body_is_no_answer_even_if_it_could_be_read(server: JsonServer, clock: RecordedWaits) -> None:
    server.replies.extend([Reply(body=b"1,2\n3,4\n", send_only_bytes=4), Reply(body=b"1,2\n3,4\n")])
    assert client(server, clock).get_bytes("/series.csv", {}) == b"1,2\n3,4\n"
    assert clock.waited_s == [1.0]


FAULTS = [
    *(Reply(status, b"busy") for status in (408, 425, 429, 500, 502, 503, 504)),
    Reply(drop=True),
    Reply(body=b'{"value": 42.5}', send_only_bytes=8),
    Reply(body=b'{"value": 4'),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.status}-{fault.body[:9].decode()}-{fault.drop}")
def test_what_may_pass_is_tried_again_after_longer_and_longer_waits(
    server: JsonServer, clock: RecordedWaits, fault: Reply
) -> None:
    server.replies.extend([fault, fault, fault])
    assert client(server, clock).get_json("/x", {}, Said) == Said(42.5)
    assert clock.waited_s == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.status}-{fault.body[:9].decode()}-{fault.drop}")
def test_patience_ends_in_one_line_that_says_to_come_again(
    server: JsonServer, clock: RecordedWaits, fault: Reply
) -> None:
    server.replies.extend([fault] * 9)
    with pytest.raises(SourceError, match=r"given up after 4 tries") as caught:
        client(server, clock).get_json("/x", {"zone": "GB"}, Said)
    assert caught.value.retry
    assert str(caught.value).startswith(f"{server.url}/base/x?zone=GB: ")
    assert len(str(caught.value).splitlines()) == 1
    assert len(server.asked) == 4


def test_a_server_that_is_away_is_a_thing_for_later(clock: RecordedWaits) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        away = JsonClient(f"http://127.0.0.1:{nobody_listens.getsockname()[1]}", retries=1, waits=waits(clock))
        with pytest.raises(SourceError, match=r"not reachable: Connection refused; given up after 2 tries") as caught:
            away.get_json("/x", {}, Said)
    assert caught.value.retry


def test_the_random_part_of_a_wait_is_at_most_half(clock: RecordedWaits) -> None:
    early = Waits(random=lambda: 0.0)
    assert [early.before_try(n, None) for n in (1, 2, 3, 9)] == [0.5, 1.0, 2.0, 15.0]
    assert early.before_try(1, 7.0) == 7.0


@pytest.mark.parametrize("date", [False, True])
def test_a_server_that_asks_for_patience_gets_it(server: JsonServer, clock: RecordedWaits, *, date: bool) -> None:
    when = formatdate(clock.now_s + 30.0, usegmt=True) if date else "30"
    server.replies.append(Reply(429, b"", {"Retry-After": when}))
    assert client(server, clock).get_json("/x", {}, Said) == Said(42.5)
    assert clock.waited_s == [30.0]


def test_a_server_that_asks_for_an_hour_is_left_alone(server: JsonServer, clock: RecordedWaits) -> None:
    server.replies.append(Reply(503, b"maintenance", {"retry-after": "3600"}))
    with pytest.raises(SourceError, match=r"answers 503, to be asked again in 3600 s: maintenance") as caught:
        client(server, clock).get_json("/x", {}, Said)
    assert (caught.value.retry, caught.value.retry_after_s, caught.value.status) == (True, 3600.0, 503)
    assert clock.waited_s == []
    assert len(server.asked) == 1


def test_a_server_known_to_shut_out_is_left_alone_without_being_told(server: JsonServer, clock: RecordedWaits) -> None:
    server.replies.append(Reply(429, b"Max allowed requests per 10 seconds"))
    asking = JsonClient(server.url, waits=waits(clock, too_many_s=300.0))
    with pytest.raises(SourceError) as caught:
        asking.get_json("/x", {}, Said)
    assert (caught.value.retry, caught.value.retry_after_s) == (True, 300.0)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(400, ""), (401, "check key_file"), (403, "check key_file"), (404, "check the zone"), (410, "")],
)
def test_a_refusal_is_not_tried_again_and_never_repeats_a_key(
    server: JsonServer, clock: RecordedWaits, status: int, remedy: str
) -> None:
    quoted = "s3cret-t0ken%2Fwith%2Bsigns"
    server.replies.append(Reply(status, f"no, {KEY}\nand {quoted}\tare wrong".encode()))
    with pytest.raises(SourceError) as caught:
        client(server, clock).get_json("/x", {"zone": "GB"}, Said)
    assert str(caught.value).startswith(f"{server.url}/base/x?zone=GB: answers {status}: no, *** and *** are wrong")
    assert remedy in str(caught.value)
    assert (caught.value.retry, caught.value.status) == (False, status)
    assert len(server.asked) == 1


def test_a_page_of_html_is_not_quoted_and_long_words_are_cut(server: JsonServer, clock: RecordedWaits) -> None:
    server.replies.extend([Reply(400, b"<html><body>nginx</body></html>"), Reply(400, b"x" * 5_000)])
    with pytest.raises(SourceError, match=r"answers 400$"):
        client(server, clock).get_json("/x", {}, Said)
    with pytest.raises(SourceError, match=r"answers 400: x{160} \.\.\.$"):
        client(server, clock).get_json("/x", {}, Said)


def test_a_redirect_is_not_followed(server: JsonServer, clock: RecordedWaits) -> None:
    with json_server(answer) as elsewhere:
        server.replies.append(Reply(302, b"", {"Location": f"{elsewhere.url}/y?token=1"}))
        with pytest.raises(SourceError, match=rf"moved to {elsewhere.url}/y; set the source's url") as caught:
            client(server, clock).get_json("/x", {}, Said)
        assert not caught.value.retry
        assert elsewhere.asked == []


def test_another_schema_is_said_with_its_place_and_not_asked_for_again(
    server: JsonServer, clock: RecordedWaits
) -> None:
    server.replies.append(as_json({"value": "high"}))
    with pytest.raises(SourceError, match=r"not as its documentation says: .*\$\.value") as caught:
        client(server, clock).get_json("/x", {}, Said)
    assert not caught.value.retry
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "fault", [Reply(hang=True), Reply(body=b" " * 100_000, trickle=True)], ids=["hang", "trickle"]
)
def test_no_server_is_waited_for_longer_than_its_time(server: JsonServer, clock: RecordedWaits, fault: Reply) -> None:
    server.replies.append(fault)
    asking = JsonClient(server.url, timeout_s=0.3, retries=0, waits=waits(clock))
    with pytest.raises(SourceError, match=r"no answer within 0\.3 s$") as caught:
        asking.get_json("/x", {}, Said)
    assert caught.value.retry


def test_an_endless_answer_is_cut_off(server: JsonServer, clock: RecordedWaits) -> None:
    server.replies.append(Reply(body=b" " * 200_000))
    asking = client(server, clock)
    asking.max_answer_bytes = 100_000
    with pytest.raises(SourceError, match=r"the answer is longer than 100000 bytes"):
        asking.get_json("/x", {}, Said)
    assert len(server.asked) == 1


@pytest.mark.parametrize("in_directory", [False, True])
def test_an_answer_is_not_asked_for_again_while_its_server_calls_it_fresh(
    server: JsonServer, clock: RecordedWaits, tmp_path: Path, *, in_directory: bool
) -> None:
    server.replies.extend([as_json({"value": n}, Cache_Control="public, max-age=60") for n in (1, 2)])
    asking = client(server, clock, tmp_path / "cache" if in_directory else None)
    assert asking.get_json("/x", {}, Said) == Said(1)
    clock.now_s += 59.0
    assert asking.get_json("/x", {}, Said) == Said(1)
    assert asking.get_json("/y", {}, Said) == Said(2)
    clock.now_s += 2.0
    assert asking.get_json("/x", {}, Said) == Said(42.5)


def test_however_fresh_a_server_calls_it_an_answer_is_asked_for_again_after_an_hour(
    server: JsonServer, clock: RecordedWaits
) -> None:
    server.replies.append(as_json({"value": 1}, Cache_Control="max-age=31536000"))
    asking = client(server, clock)
    asking.get_json("/x", {}, Said)
    clock.now_s += 3_601.0
    assert asking.get_json("/x", {}, Said) == Said(42.5)


@pytest.mark.parametrize("control", ["no-store, max-age=60", "no-cache, max-age=60", "max-age=60, No-Cache", ""])
def test_what_should_not_be_kept_is_asked_for_each_time(
    server: JsonServer, clock: RecordedWaits, tmp_path: Path, control: str
) -> None:
    server.replies.append(as_json({"value": 1}, Cache_Control=control))
    asking = client(server, clock, tmp_path)
    assert asking.get_json("/x", {}, Said) == Said(1)
    assert asking.get_json("/x", {}, Said) == Said(42.5)
    assert list(tmp_path.iterdir()) == []


def test_an_unchanged_answer_is_not_sent_again_even_to_the_next_process(
    server: JsonServer, clock: RecordedWaits, tmp_path: Path
) -> None:
    server.replies.extend([as_json({"value": 1}, ETag='"v1"'), Reply(304), Reply(304), as_json({"value": 2})])
    for value in (1, 1, 1, 2):
        assert client(server, clock, tmp_path).get_json("/x", {}, Said) == Said(value)
    assert [asked.headers.get("if-none-match") for asked in server.asked] == [None, '"v1"', '"v1"', '"v1"']
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b'{"value": 1}' in kept
    assert KEY.encode() not in kept


def test_a_damaged_answer_on_disk_is_asked_for_anew(server: JsonServer, clock: RecordedWaits, tmp_path: Path) -> None:
    server.replies.append(as_json({"value": 1}, Cache_Control="max-age=60"))
    client(server, clock, tmp_path).get_json("/x", {}, Said)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:-3])
    assert client(server, clock, tmp_path).get_json("/x", {}, Said) == Said(42.5)


def test_an_answer_that_cannot_be_read_is_not_kept(server: JsonServer, clock: RecordedWaits, tmp_path: Path) -> None:
    server.replies.append(Reply(body=b"{", headers={"Cache-Control": "max-age=60"}))
    assert client(server, clock, tmp_path).get_json("/x", {}, Said) == Said(42.5)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "carbonintensity.org.uk",
        "ftp://host",
        "http://",
        "http://host:0",
        "http://host:x",
        "http://h h",
        "http://a..b",
    ],
)
def test_what_is_no_address_is_a_setting_to_change(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"not a server's address"):
        JsonClient(url)


@pytest.mark.parametrize(
    "url", [f"https://me:{KEY}@host", "https://me:s3cret@host", f"https://host/?token={KEY}", f"https://host/#{KEY}"]
)
def test_a_key_in_the_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"a key belongs into key_file|not shown: it may hold a key"
    ) as caught:
        JsonClient(url)
    assert "s3cret" not in str(caught.value)


def test_a_proxy_is_used_for_others_and_not_for_this_machine(
    server: JsonServer, clock: RecordedWaits, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    assert JsonClient("http://grid.invalid/v1").get_json("/x", {}, Said) == Said(42.5)
    assert server.paths == ["grid.invalid/v1/x"]
    client(server, clock).get_json("/x", {}, Said)
    assert server.paths[1:] == ["/base/x"]


@pytest.mark.parametrize(("days", "trusted"), [(30, True), (30, False), (-1, True)])
def test_a_certificate_must_be_valid_and_of_an_authority_that_this_machine_trusts(
    tmp_path: Path, clock: RecordedWaits, monkeypatch: pytest.MonkeyPatch, days: int, *, trusted: bool
) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("grid", hosts=LOOPBACK, days=days))
    monkeypatch.setenv("SSL_CERT_FILE", str((authority if trusted else Authority(tmp_path, "other")).path))
    with json_server(answer, context) as server:
        asking = JsonClient(f"https://127.0.0.1:{server.port}", waits=waits(clock))
        if trusted and days > 0:
            assert asking.get_json("/x", {}, Said) == Said(42.5)
            return
        with pytest.raises(SourceError, match=r"its certificate is not accepted: .*this machine's clock") as caught:
            asking.get_json("/x", {}, Said)
        assert not caught.value.retry
        assert clock.waited_s == []


def test_a_key_is_the_one_line_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    assert read_key(file, "watttime") == KEY


@pytest.mark.parametrize("content", ["", " \n", "one\ntwo\n", "sch\u00f6n", "a\x07b"])
def test_a_file_that_holds_no_key_is_a_setting_to_change(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=rf"intensity source watttime: key_file {file}: ") as caught:
        read_key(file, "watttime")
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_key_is_a_setting_to_change(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"No such file or directory; put the key in that file"):
        read_key(tmp_path / "none", "watttime")
    with pytest.raises(ConfigurationError, match=r"needs a key; put it in a file of its own"):
        read_key(None, "watttime")
