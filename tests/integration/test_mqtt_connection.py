"""The collector's own MQTT connection against a broker that does what no real one does on request."""

import contextlib
import threading
from collections.abc import Iterator, Sequence

import msgspec
import pytest

from collector.connection import connect
from collector.intake import BrokerConnection, Intake
from collector.session import Session
from collector.socket_stream import RECEIVE_BYTES
from edge_agent.wire.errors import BrokerUnavailableError
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.mqtt_packets import MAX_PACKET_BYTES, Protocol, encode_publish
from tests.fakes.delivery import wait_until
from tests.fakes.scripted_broker import (
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PUBACK,
    PUBLISH,
    Peer,
    scripted_broker,
)

SESSION = Session("edgejoule-collector", "lab")
TOPIC = "edgejoule/v1/lab/pi4-01/windows"


def messages(ids: Sequence[int], payload: bytes = b"payload") -> bytes:
    return b"".join(encode_publish(TOPIC, payload, Protocol.V5, packet_id=number) for number in ids)


@contextlib.contextmanager
def connected(
    settings: BrokerSettings, intake: Intake | None = None, session: Session = SESSION
) -> Iterator[BrokerConnection]:
    connection = connect(settings, session, intake or Intake())
    try:
        yield connection
    finally:
        connection.close()


def refused(settings: BrokerSettings) -> str:
    with pytest.raises(BrokerUnavailableError) as caught:
        connect(settings, SESSION, Intake())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def take(intake: Intake, count: int) -> list[int]:
    """Return the packet ids of the next ``count`` messages."""
    ids: list[int] = []
    while len(ids) < count:
        batches = intake.take(count, 30.0)
        assert batches, f"{len(ids)} of {count} messages came"
        ids += [message.packet_id for batch in batches for message in batch.messages]
    return ids


def test_messages_are_taken_and_acknowledged_in_order_and_the_goodbye_comes_last() -> None:
    came: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.welcome()
        peer.send(messages(range(1, 501)))
        came.extend(peer.read() for _ in range(501))
        kind, store_ack = came[-1]
        assert kind == PUBLISH
        topic_end = 2 + int.from_bytes(store_ack[:2], "big")
        peer.send(b"\x40\x02" + store_ack[topic_end : topic_end + 2])
        came.extend(peer.until_gone())

    intake = Intake()
    with scripted_broker(script) as settings, connected(settings, intake) as connection:
        assert take(intake, 500) == list(range(1, 501))
        connection.acknowledge(list(range(1, 301)))
        connection.acknowledge(list(range(301, 501)))
        connection.publish("a/ack", b"stored")
    acknowledged = [int.from_bytes(body, "big") for kind, body in came if kind == PUBACK]
    assert acknowledged == list(range(1, 501))
    assert [kind for kind, _ in came[500:]] == [PUBLISH, DISCONNECT]


def test_a_full_intake_stops_the_reading_and_the_broker_has_to_wait() -> None:
    blocked, all_sent = threading.Event(), threading.Event()
    payload, count = b"x" * 50_000, 600

    def script(peer: Peer) -> None:
        peer.welcome()
        peer.sock.settimeout(0.5)
        data = memoryview(messages(range(1, count + 1), payload))
        while data:
            try:
                data = data[peer.sock.send(data) :]
            except TimeoutError:
                blocked.set()
        all_sent.set()
        peer.sock.settimeout(30)
        peer.until_gone()

    intake = Intake(max_bytes=1_000_000)
    with scripted_broker(script) as settings, connected(settings, intake) as connection:
        wait_until(lambda: intake.full and blocked.is_set(), "nobody reads, and the broker cannot send")
        assert not all_sent.is_set()
        assert intake.held_bytes < 1_000_000 + RECEIVE_BYTES + MAX_PACKET_BYTES
        taken: list[int] = []
        while len(taken) < count:
            taken += (ids := take(intake, 1))
            connection.acknowledge(ids)
            assert intake.held_bytes < 1_000_000 + RECEIVE_BYTES + MAX_PACKET_BYTES
        assert taken == list(range(1, count + 1))
        assert all_sent.wait(30)


def test_a_full_intake_does_not_keep_the_broker_from_hearing_that_we_live() -> None:
    pinged = threading.Event()

    def script(peer: Peer) -> None:
        peer.welcome()
        peer.send(messages(range(1, 3)))
        for _ in range(4):
            assert peer.read() == (PINGREQ, b"")
        pinged.set()
        peer.until_gone()

    intake = Intake(max_messages=1)
    with scripted_broker(script, keepalive_s=1) as settings, connected(settings, intake) as connection:
        wait_until(pinged.is_set, "four pings, though nobody reads their answers")
        assert not connection.ended.is_set()
        assert take(intake, 2) == [1, 2]


def test_a_broker_that_answers_pings_keeps_its_connection_and_a_dead_one_loses_it() -> None:
    answered, go_silent = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.welcome()
        for _ in range(3):
            assert peer.read() == (PINGREQ, b"")
            peer.send(b"\xd0\x00")
        answered.set()
        go_silent.wait(30)
        peer.until_gone(answer_pings=False)

    with scripted_broker(script, keepalive_s=1) as settings, connected(settings) as connection:
        wait_until(answered.is_set, "three pings")
        assert not connection.ended.is_set()
        go_silent.set()
        assert connection.ended.wait(30)
        assert "it does not answer" in connection.end_reason


ENDS = [
    pytest.param(b"\xe0\x02\x8e\x00", "another client connected under the same client_id", id="taken over"),
    pytest.param(b"\xe0\x08\x8b\x06\x1f\x00\x03bye", "(Server shutting down: bye)", id="shut down"),
    pytest.param(b"", "(it closed the connection); if this repeats, look for a second collector", id="closed"),
    pytest.param(b"\x10\x00", "a packet that a client is never sent", id="garbage"),
    pytest.param(b"\x32\x05\x00\x01a\x00\x00", "without a packet id", id="malformed"),
]


@pytest.mark.parametrize(("last_words", "reason"), ENDS)
def test_how_a_connection_ended_is_one_line(last_words: bytes, reason: str) -> None:
    def script(peer: Peer) -> None:
        peer.welcome()
        assert peer.read()[0] == PUBLISH
        peer.send(last_words)

    with scripted_broker(script) as settings, connected(settings) as connection:
        connection.publish("a/ack", b"")
        assert connection.ended.wait(30)
        assert reason in connection.end_reason
        assert "\n" not in connection.end_reason
        connection.acknowledge([1])
        connection.publish("a/ack", b"")


def answer(data: bytes) -> "contextlib.AbstractContextManager[BrokerSettings]":
    def script(peer: Peer) -> None:
        assert peer.read()[0] == CONNECT
        peer.send(data)

    return scripted_broker(script)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x20\x03\x00\x87\x00", "(Not authorized): check username, password_file"),
        (b"\x20\x03\x00\x86\x00", "(Bad user name or password): check username"),
        (b"\x20\x09\x00\x85\x06\x1f\x00\x03why", "refuses the client id (Client identifier not valid: why)"),
        (b"\x20\x03\x00\x97\x00", "(Quota exceeded)"),
        (b"HTTP/1.1 400 Bad Request\r\n" * 9, "is it MQTT?"),
        (b"\xd0\x00", "answers a CONNECT with something else: is it MQTT?"),
    ],
)
def test_a_broker_that_says_no_or_is_none_is_one_clear_line(data: bytes, words: str) -> None:
    with answer(data) as settings:
        assert words in refused(settings)


def test_a_broker_that_hangs_up_is_asked_in_the_older_version_too() -> None:
    levels = []

    def script(peer: Peer) -> None:
        _, body = peer.read()
        levels.append(body[6])

    with scripted_broker(script, script) as settings:
        assert "closed the connection before it answered" in refused(settings)
    assert levels == [5, 4]


def test_a_broker_of_the_older_version_is_understood_at_once_and_from_then_on_spoken_to_so() -> None:
    def refuse(peer: Peer) -> None:
        _, body = peer.read()
        assert body[6] == 5
        peer.send(b"\x20\x02\x00\x01")

    def accept(peer: Peer) -> None:
        peer.welcome("3.1.1")
        assert [kind for kind, _ in peer.until_gone()] == [DISCONNECT]

    with scripted_broker(refuse, accept, accept) as settings:
        with connected(settings):
            pass
        with connected(settings):
            pass


def test_a_fixed_version_is_not_left() -> None:
    with answer(b"\x20\x02\x00\x01") as settings:
        fixed = msgspec.structs.replace(settings, protocol="5")
        assert 'set protocol = "auto"' in refused(fixed)


@pytest.mark.parametrize(("code", "words"), [(0x87, "Not authorized"), (0x9E, "Shared subscriptions not supported")])
def test_a_refused_subscription_is_told_with_its_filter(code: int, words: str) -> None:
    def script(peer: Peer) -> None:
        peer.welcome(codes=bytes((code, 1, 1, 1, 1)))
        peer.until_gone()

    with scripted_broker(script) as settings:
        line = refused(settings)
    assert words in line
    assert "edgejoule/v1/lab/+/windows" in line


def test_one_of_a_group_shares_what_one_has_to_store_and_hears_of_every_device() -> None:
    wanted = []

    def script(peer: Peer) -> None:
        kind, hello = peer.read()
        assert kind == CONNECT
        assert hello[7] & 2, "a clean session"
        assert b"\x11" not in hello[10:13], "that ends with the connection"
        peer.send(b"\x20\x03\x00\x00\x00")
        _, body = peer.read()
        wanted.append(body)
        peer.send(b"\x90\x0a" + body[:2] + b"\x00" + b"\x01" * 6 + b"\x00")
        peer.until_gone()

    with scripted_broker(script) as settings, connected(settings, session=Session("a", "+", "both", files=True)):
        pass
    shared = wanted[0].count(b"$share/both/edgejoule/v1/+/+/")
    assert (shared, wanted[0].count(b"edgejoule/v1/+/+/")) == (4, 7)


def test_a_kept_session_is_asked_for_and_not_cleaned() -> None:
    def script(peer: Peer) -> None:
        _, hello = peer.read()
        assert not hello[7] & 2
        assert hello[10:12] == b"\x08\x11", "a session expiry, and Receive Maximum"
        peer.send(b"\x20\x02\x00\x00")

    with scripted_broker(script) as settings, pytest.raises(BrokerUnavailableError):
        connect(settings, SESSION, Intake())
