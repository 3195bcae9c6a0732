"""Feeding a store: cursor, patience, refusals, back-off, final flush. A real journal and a sink that we command."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collector.feeds import WindowFeed
from collector.journal import Journal
from collector.pump import Pump
from collector.values import RejectedRow, StoredWindow, WriteOutcome
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.delivery import journal_disk_full, wait_until
from tests.fakes.windows import FLEET, T0_UNIX_NS, make_batch


class CommandedSink:
    """Stores in a dictionary, as ``rule`` says; the real sinks have tests of their own."""

    name = "commanded"

    def __init__(self, max_rows: int = 10, max_wait_s: float = 0.05) -> None:
        self.max_rows = max_rows
        self.max_wait_s = max_wait_s
        self.stored: dict[int, StoredWindow] = {}
        self.writes: list[list[int]] = []
        self.closed = False
        self.rule: Callable[[list[StoredWindow]], WriteOutcome[StoredWindow]] = lambda rows: WriteOutcome(len(rows))

    def write(self, rows: list[StoredWindow]) -> WriteOutcome[StoredWindow]:
        outcome = self.rule(rows)
        self.writes.append([row.row_id for row in rows])
        refused = {rejected.row.row_id for rejected in outcome.rejected}
        done = rows[: outcome.accepted + len(outcome.rejected)]
        self.stored |= {row.row_id: row for row in done if row.row_id not in refused}
        return outcome

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


@contextmanager
def pumping_later(journal: Journal, sink: CommandedSink) -> Iterator[Pump[StoredWindow]]:
    pump = Pump(journal, WindowFeed(journal), sink)
    try:
        yield pump
    finally:
        pump.close()


@contextmanager
def pumping(journal: Journal, sink: CommandedSink) -> Iterator[Pump[StoredWindow]]:
    with pumping_later(journal, sink) as pump:
        pump.start()
        yield pump


def add(journal: Journal, first: int, last: int) -> None:
    journal.commit_batch(FLEET, make_batch(range(first, last + 1)), T0_UNIX_NS)


def test_rows_go_out_in_order_and_the_cursor_follows(journal: Journal) -> None:
    sink = CommandedSink(max_rows=10)
    add(journal, 1, 35)
    with pumping(journal, sink) as pump:
        wait_until(lambda: len(sink.stored) == 35, "all stored")
        add(journal, 36, 40)
        pump.notify()
        wait_until(lambda: len(sink.stored) == 40, "the later ones too")
    assert [row_id for write in sink.writes for row_id in write] == list(range(1, 41))
    assert max(map(len, sink.writes)) == 10
    assert journal.cursor("commanded") == 40
    assert sink.closed


def test_rows_wait_for_company_but_not_for_ever(journal: Journal) -> None:
    sink = CommandedSink(max_rows=10, max_wait_s=0.4)
    with pumping(journal, sink) as pump:
        began_s = time.monotonic()
        add(journal, 1, 3)
        pump.notify()
        wait_until(lambda: bool(sink.writes), "written after the wait")
        assert time.monotonic() - began_s >= 0.4
        add(journal, 4, 13)
        pump.notify()
        began_s = time.monotonic()
        wait_until(lambda: len(sink.stored) == 13, "written at once when enough")
        assert time.monotonic() - began_s < 0.35
    assert sink.writes == [[1, 2, 3], list(range(4, 14))]


def test_closing_writes_what_is_there(journal: Journal) -> None:
    sink = CommandedSink(max_rows=10, max_wait_s=3600.0)
    with pumping(journal, sink) as pump:
        add(journal, 1, 25)
        pump.notify()
        wait_until(lambda: len(sink.stored) >= 20, "full writes")
    assert len(sink.stored) == 25


def test_a_sink_that_lacks_what_it_assesses_with_waits_and_goes_on(journal: Journal) -> None:
    """Such as intensities in a file that is damaged: no row is lost, and no other sink stops for it."""
    sink = CommandedSink()
    broken = True

    def assess(rows: list[StoredWindow]) -> WriteOutcome[StoredWindow]:
        if broken:
            raise ConfigurationError("intensity.sqlite3: database disk image is malformed")
        return WriteOutcome(len(rows))

    sink.rule = assess
    with capture_logs() as logs, pumping(journal, sink) as pump:
        add(journal, 1, 5)
        pump.notify()
        wait_until(lambda: bool(logs), "it is told")
        assert pump.alive
        broken = False
        wait_until(lambda: len(sink.stored) == 5, "all stored")
    kept, again = logs
    assert (kept["event"], again["event"]) == ("sink_keeps_rows", "sink_writes_again")
    assert kept["reason"] == "intensity.sqlite3: database disk image is malformed"


def test_a_refused_row_becomes_a_dead_letter_and_the_rest_goes_on(journal: Journal) -> None:
    sink = CommandedSink()

    def refuse_seq_2(rows: list[StoredWindow]) -> WriteOutcome[StoredWindow]:
        bad = tuple(RejectedRow(row, "field type conflict") for row in rows if row.window.seq == 2)
        return WriteOutcome(len(rows) - len(bad), bad)

    sink.rule = refuse_seq_2
    add(journal, 1, 4)
    with pumping(journal, sink):
        wait_until(lambda: journal.cursor("commanded") == 4, "all done")
    assert sorted(sink.stored) == [1, 3, 4]
    ((topic, _, reason, _),) = journal.dead_letters()
    assert topic == "sink/commanded/lab/pi4-01/boot-0001/2"
    assert reason == "field type conflict"


def test_kept_rows_come_again_until_the_store_is_back_and_it_is_said_twice(journal: Journal) -> None:
    sink = CommandedSink()
    sink.rule = lambda rows: WriteOutcome(min(2, len(rows)), kept=max(0, len(rows) - 2), retry_reason="store is down")
    add(journal, 1, 10)
    with capture_logs() as logs, pumping(journal, sink):
        wait_until(lambda: journal.cursor("commanded") == 4, "a second attempt after a pause")
        assert len(sink.writes) == 2
        sink.rule = lambda rows: WriteOutcome(len(rows))
        wait_until(lambda: len(sink.stored) == 10, "all stored")
        wait_until(lambda: len(logs) == 2, "recovery was logged")
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("sink_keeps_rows", "warning"),
        ("sink_writes_again", "info"),
    ]
    assert sink.writes[1][0] == 3


def test_a_store_that_is_down_does_not_hold_up_the_closing(journal: Journal) -> None:
    sink = CommandedSink()
    sink.rule = lambda rows: WriteOutcome(0, kept=len(rows), retry_reason="store is down")
    add(journal, 1, 10)
    with capture_logs():
        pump = Pump(journal, WindowFeed(journal), sink)
        pump.start()
        wait_until(lambda: bool(sink.writes), "an attempt")
        began_s = time.monotonic()
        pump.close()
    assert time.monotonic() - began_s < 2
    assert journal.cursor("commanded") == 0
    assert sink.closed


def test_a_full_disk_under_the_journal_makes_the_pump_wait(journal: Journal) -> None:
    sink = CommandedSink(max_rows=20)
    sink.rule = lambda rows: WriteOutcome(0, tuple(RejectedRow(row, "refused") for row in rows))
    add(journal, 1, 20)
    with capture_logs() as logs, pumping_later(journal, sink) as pump:
        with journal_disk_full(journal):
            pump.start()
            wait_until(lambda: bool(logs), "it said so")
            assert "free space on the disk" in logs[0]["reason"]
            assert journal.cursor("commanded") == 0
            assert journal.dead_letters() == []
            assert pump.alive
        wait_until(lambda: journal.cursor("commanded") == 20, "all done when there is space again")
    assert len(journal.dead_letters()) == 20


def test_one_slow_store_does_not_hold_up_another(journal: Journal) -> None:
    slow, quick = CommandedSink(), CommandedSink()
    slow.name = "slow"
    release = threading.Event()

    def block(rows: list[StoredWindow]) -> WriteOutcome[StoredWindow]:
        release.wait(20)
        return WriteOutcome(len(rows))

    slow.rule = block
    add(journal, 1, 10)
    with pumping(journal, slow), pumping(journal, quick):
        wait_until(lambda: len(quick.stored) == 10, "the quick one has all")
        assert not slow.stored
        release.set()
    assert len(slow.stored) == 10


def test_after_a_crash_between_write_and_cursor_the_same_rows_come_again_from_the_same_first(
    journal: Journal,
) -> None:
    add(journal, 1, 5)
    for _ in range(2):
        sink = CommandedSink()
        with pumping(journal, sink):
            wait_until(lambda: len(sink.stored) == 5, "written")  # noqa: B023  called inside the loop
        assert sink.writes[0][0] == 1
        journal.set_cursor("commanded", 0)


def test_a_pump_that_ends_leaves_a_long_backlog_to_the_next_start(journal: Journal) -> None:
    sink = CommandedSink(max_rows=1)
    add(journal, 1, 50)
    pump = Pump(journal, WindowFeed(journal), sink, finish_s=0.0)
    writing, go_on = threading.Event(), threading.Event()

    def hold(rows: list[StoredWindow]) -> WriteOutcome[StoredWindow]:
        writing.set()
        go_on.wait(30.0)
        return WriteOutcome(len(rows))

    sink.rule = hold
    pump.start()
    assert writing.wait(30.0)
    closing_it = threading.Thread(target=pump.close)
    closing_it.start()
    wait_until(lambda: pump._closing, "it is told to end")
    go_on.set()
    closing_it.join(30.0)
    assert not pump.alive
    assert len(sink.stored) == 2, "what was under way, and once more"
    assert journal.cursor(sink.name) == 2
