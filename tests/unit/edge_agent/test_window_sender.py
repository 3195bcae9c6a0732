"""Which windows go out when: the sender alone, with a real outbox, time as an argument, and no broker."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edge_agent.config import PublishSection
from edge_agent.outbox import Outbox
from edge_agent.window_sender import MAX_MESSAGES_IN_FLIGHT, WindowSender
from edge_agent.wire.codec import decode
from edge_agent.wire.records import MAX_PAYLOAD_BYTES, BootAck, StoreAck, StoredRange, WindowBatch
from tests.fakes.windows import T0_UNIX_NS, make_window

RESEND_S = 5.0


class Wire:
    """Takes what is sent; acknowledges what a test wants."""

    def __init__(self, outbox: Outbox, publish: PublishSection | None = None) -> None:
        self.outbox = outbox
        self.sender = WindowSender("d", outbox, publish or PublishSection(), RESEND_S, lambda: T0_UNIX_NS)
        self.batches: list[WindowBatch] = []
        self.taken = 0

    def send(self, payload: bytes) -> None:
        assert len(payload) <= MAX_PAYLOAD_BYTES
        self.batches.append(decode(payload, WindowBatch))

    def tick(self, now_s: float = 0.0, *, hurry: bool = False) -> list[tuple[int, int]]:
        """Return first and last number of each message that went out now; (0, 0) for one without windows."""
        with capture_logs():
            self.wait_s = self.sender.send_what_fits(self.send, now_s, hurry=hurry)
        fresh, self.taken = self.batches[self.taken :], len(self.batches)
        return [(one.records[0].seq, one.records[-1].seq) if one.records else (0, 0) for one in fresh]

    def append(self, count: int) -> None:
        for _ in range(count):
            self.outbox.append(make_window)

    def ack(self, seq: int, *ranges: tuple[int, int]) -> None:
        boot_id = self.outbox.boot_id
        stored = tuple(StoredRange(boot_id=boot_id, first_seq=first, last_seq=last) for first, last in ranges)
        self.outbox.apply_ack(
            StoreAck(device_id="d", t_unix_ns=0, acks=(BootAck(boot_id=boot_id, seq=seq),), stored=stored)
        )


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with closing(Outbox(tmp_path / "outbox.sqlite3", "boot", synchronous="NORMAL")) as outbox:
        yield outbox


def test_a_new_window_goes_out_at_once_beside_a_backlog_and_both_progress(outbox: Outbox) -> None:
    wire = Wire(outbox)
    wire.append(1000)
    wire.sender.begin()
    full = [(1 + 60 * n, 60 + 60 * n) for n in range(7)]
    assert wire.tick() == full, "one place is kept"
    wire.append(1)
    assert wire.tick() == [(1001, 1001)]
    wire.append(2)
    assert wire.tick() == [], "the kept place is taken"
    wire.ack(0, (1001, 1001))
    assert wire.tick() == [(1002, 1003)]
    wire.ack(60, (1001, 1003))
    assert wire.tick() == [(421, 480)]
    wire.append(1)
    assert wire.tick() == [(1004, 1004)]


def test_without_a_backlog_every_place_is_for_new_windows(outbox: Outbox) -> None:
    wire = Wire(outbox)
    wire.sender.begin()
    for seq in range(1, 10):
        wire.append(1)
        assert wire.tick() == ([(seq, seq)] if seq <= MAX_MESSAGES_IN_FLIGHT else [])
    wire.ack(3)
    assert wire.tick() == [(9, 9)]


def test_new_windows_that_nobody_acknowledges_join_the_backlog_and_later_ones_are_new_again(outbox: Outbox) -> None:
    wire = Wire(outbox)
    wire.sender.begin()
    wire.append(3)
    assert wire.tick(0.0) == [(1, 3)]
    assert wire.wait_s == RESEND_S
    wire.append(1)
    assert wire.tick(1.0) == [(4, 4)]
    assert wire.tick(RESEND_S) == [(1, 4)], "the collector was silent"
    wire.append(1)
    assert wire.tick(RESEND_S + 0.1) == [(5, 5)]
    wire.ack(5)
    assert wire.tick(RESEND_S + 0.2) == []
    assert wire.wait_s is None


def test_a_slow_collector_gets_fewer_messages_of_the_backlog_and_nothing_twice(outbox: Outbox) -> None:
    wire = Wire(outbox)
    wire.append(1000)
    wire.sender.begin()
    assert len(wire.tick(0.0)) == 7
    wire.ack(60)
    wire.tick(0.5)
    for number in range(2, 8):
        wire.ack(60 * number)
        sent = wire.tick(4.0 * number)
        assert all(first > 420 for first, _ in sent), "what is on its way is waited for, beyond the first pause"
    assert sum(flight.count for flight in wire.sender._flights.values()) <= 4


def test_an_answer_to_live_windows_that_were_sent_again_says_nothing_about_the_delay(outbox: Outbox) -> None:
    wire = Wire(outbox)
    wire.sender.begin()
    wire.append(3)
    wire.tick(0.0)
    assert wire.tick(RESEND_S) == [(1, 3)]
    wire.ack(3)
    wire.tick(RESEND_S + 0.1)
    wire.append(1)
    wire.tick(6.0)
    assert wire.wait_s == 2 * RESEND_S, "the pause stays long until one that was sent once is answered"


def test_a_message_waits_for_more_windows_as_configured_but_a_backlog_does_not(outbox: Outbox) -> None:
    wire = Wire(outbox, PublishSection(max_windows=4, max_wait_s=100.0))
    wire.append(10)
    wire.sender.begin()
    assert wire.tick(0.0) == [(1, 4), (5, 8), (9, 10)]
    wire.ack(10)
    wire.append(1)
    assert wire.tick(10.0) == []
    assert wire.wait_s == 100.0
    wire.append(2)
    assert wire.tick(60.0) == []
    assert wire.wait_s == 50.0
    assert wire.tick(110.0) == [(11, 13)]
    wire.append(5)
    assert wire.tick(111.0) == [(14, 17)], "a full one goes at once"
    assert wire.tick(112.0, hurry=True) == [(18, 18)], "at the end nothing waits"


def test_a_message_is_full_by_size_too(outbox: Outbox) -> None:
    wire = Wire(outbox, PublishSection(max_wait_s=100.0))
    wire.sender.begin()
    for number in range(5):
        sent = wire.tick(float(number))
        outbox.append(lambda seq: make_window(seq, meter_id="m" * 100_000))
        if number >= 3:
            assert sent
    assert all(len(batch.records) < 3 for batch in wire.batches)


def test_several_boots_go_oldest_first_and_new_windows_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite3"
    with closing(Outbox(path, "first", synchronous="NORMAL")) as before:
        for _ in range(100):
            before.append(make_window)
        first_id = before.boot_id
    with closing(Outbox(path, "second", synchronous="NORMAL")) as outbox:
        wire = Wire(outbox)
        wire.append(70)
        wire.sender.begin()
        wire.append(1)
        assert wire.tick() == [(71, 71), (1, 60), (61, 100), (1, 60), (61, 70)]
        assert [batch.boot_id == first_id for batch in wire.batches] == [False, True, True, False, False]


def test_the_question_for_the_time_is_a_batch_without_windows(outbox: Outbox) -> None:
    wire = Wire(outbox)
    wire.sender.ask(wire.send)
    wire.append(2)
    wire.sender.ask(wire.send)
    assert [(one.oldest_seq, one.last_seq, one.records) for one in wire.batches] == [(1, 0, ()), (1, 2, ())]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 80)),
        st.tuples(st.just("store"), st.integers(0, 20)),
        st.tuples(st.just("lose"), st.integers(0, 20)),
        st.tuples(st.just("later"), st.integers(1, 30)),
        st.tuples(st.just("connect"), st.just(0)),
    ),
    max_size=25,
)


class Network:
    """Messages on their way to a store; the store acknowledges, with ranges above holes or as a collector before."""

    def __init__(self, wire: Wire, *, ranges: bool) -> None:
        self.wire, self.ranges = wire, ranges
        self.stored: set[int] = set()
        self.on_the_way: list[WindowBatch] = []
        self.now_s = 0.0

    def tick(self) -> None:
        before = len(self.wire.batches)
        self.wire.tick(self.now_s)
        self.on_the_way.extend(self.wire.batches[before:])

    def store(self, number: int) -> None:
        if not self.on_the_way:
            return
        batch = self.on_the_way.pop(number % len(self.on_the_way))
        self.stored.update(window.seq for window in batch.records)
        for one in batch.dropped:
            self.stored.update(range(one.first_seq, one.last_seq + 1))
        high = next(seq for seq in range(10**6) if seq + 1 not in self.stored)
        above = [(seq, seq) for seq in sorted(self.stored) if seq > high][:256] if self.ranges else []
        self.wire.ack(high, *above)

    def lose(self, number: int) -> None:
        if self.on_the_way:
            self.on_the_way.pop(number % len(self.on_the_way))

    def append(self, number: int) -> None:
        with capture_logs():
            self.wire.append(number)

    def later(self, number: int) -> None:
        self.now_s += number

    def connect(self, _number: int) -> None:
        self.on_the_way.clear()
        self.wire.sender.begin()

    def settle(self) -> None:
        for _ in range(200):
            while self.on_the_way:
                self.store(0)
            if not self.wire.outbox.backlogs():
                return
            self.now_s += 10.0
            self.tick()


@settings(max_examples=150, deadline=None)
@given(steps=steps, ranges=st.booleans(), max_bytes=st.sampled_from([10**9, 8000]))
def test_whatever_is_lost_everything_arrives_and_never_too_much_is_on_its_way(
    *, steps: list[tuple[str, int]], ranges: bool, max_bytes: int
) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        closing(Outbox(Path(directory) / "outbox", "boot", synchronous="NORMAL", max_bytes=max_bytes)) as outbox,
    ):
        wire = Wire(outbox)
        wire.sender.begin()
        network = Network(wire, ranges=ranges)
        for name, number in steps:
            getattr(network, name)(number)
            network.tick()
            in_flight = sum(one.count for one in wire.sender._flights.values()) + wire.sender._live.count
            assert in_flight <= 2 * MAX_MESSAGES_IN_FLIGHT - 1
        network.settle()
        assert outbox.backlogs() == []
        assert network.stored >= set(range(1, outbox.stats().last_seq + 1))
