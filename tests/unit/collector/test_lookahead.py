"""Rows that are prepared while the store still answers: the same, in the same order, none twice, none forgotten."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collector.feeds import WindowFeed
from collector.journal import Journal
from collector.pump import Pump
from collector.values import RejectedRow, StoredWindow, WriteOutcome
from tests.fakes.delivery import wait_until
from tests.fakes.windows import FLEET, T0_UNIX_NS, make_batch


class PreparedSink:
    """Stores the rows that were prepared for it, as ``rule`` says."""

    name = "prepared"
    max_rows = 10
    max_wait_s = 0.05

    def __init__(self) -> None:
        self.prepared: list[list[int]] = []
        self.stored: list[int] = []
        self.written: list[list[int]] = []
        self.rule: Callable[[list[StoredWindow]], WriteOutcome[StoredWindow]] = lambda rows: WriteOutcome(len(rows))

    def prepare(self, rows: list[StoredWindow]) -> list[str]:
        self.prepared.append([row.row_id for row in rows])
        return [f"line {row.row_id}" for row in rows]

    def write_prepared(self, rows: list[StoredWindow], lines: list[str]) -> WriteOutcome[StoredWindow]:
        assert lines == [f"line {row.row_id}" for row in rows]
        self.written.append([row.row_id for row in rows])
        outcome = self.rule(rows)
        self.stored += [row.row_id for row in rows[: outcome.accepted + len(outcome.rejected)]]
        return outcome

    def write(self, rows: list[StoredWindow]) -> WriteOutcome[StoredWindow]:
        return self.write_prepared(rows, self.prepare(rows))

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


@pytest.fixture
def sink() -> PreparedSink:
    return PreparedSink()


def add(journal: Journal, first: int, last: int) -> None:
    journal.commit_batch(FLEET, make_batch(range(first, last + 1)), T0_UNIX_NS)


def run(journal: Journal, sink: PreparedSink, until: Callable[[], bool]) -> None:
    with closing(Pump(journal, WindowFeed(journal), sink)) as pump:
        pump.start()
        wait_until(until, "all stored")


def test_rows_arrive_once_and_in_order(journal: Journal, sink: PreparedSink) -> None:
    add(journal, 1, 55)
    run(journal, sink, lambda: len(sink.stored) == 55)
    assert sink.stored == list(range(1, 56))
    assert journal.cursor("prepared") == 55


def test_the_next_rows_are_prepared_while_the_store_answers(journal: Journal, sink: PreparedSink) -> None:
    ahead = threading.Event()

    def answer_after_the_next_were_prepared(rows: list[StoredWindow]) -> WriteOutcome[StoredWindow]:
        if rows[0].row_id == 1:
            wait_until(lambda: [sink.prepared[-1][0], sink.prepared[-1][-1]] == [11, 20], "the next ten are prepared")
            ahead.set()
        return WriteOutcome(len(rows))

    sink.rule = answer_after_the_next_were_prepared
    add(journal, 1, 20)
    run(journal, sink, lambda: len(sink.stored) == 20)
    assert ahead.is_set()
    assert sink.prepared[:2] == [list(range(1, 11)), list(range(11, 21))]


def test_what_was_prepared_behind_kept_rows_is_not_written_before_them(journal: Journal, sink: PreparedSink) -> None:
    answers = iter([3, 10, 2])

    def keep_some(rows: list[StoredWindow]) -> WriteOutcome[StoredWindow]:
        accepted = min(len(rows), next(answers, len(rows)))
        kept = len(rows) - accepted
        return WriteOutcome(accepted, kept=kept, retry_reason="not yet" if kept else "")

    sink.rule = keep_some
    add(journal, 1, 40)
    with capture_logs():
        run(journal, sink, lambda: len(sink.stored) == 40)
    assert sink.stored == list(range(1, 41))


def test_a_refused_row_is_a_dead_letter_here_too(journal: Journal, sink: PreparedSink) -> None:
    def refuse_17(rows: list[StoredWindow]) -> WriteOutcome[StoredWindow]:
        bad = tuple(RejectedRow(row, "refused") for row in rows if row.row_id == 17)
        return WriteOutcome(len(rows) - len(bad), bad)

    sink.rule = refuse_17
    add(journal, 1, 30)
    run(journal, sink, lambda: journal.cursor("prepared") == 30)
    assert [letter[0] for letter in journal.dead_letters()] == ["sink/prepared/lab/pi4-01/boot-0001/17"]


def test_few_rows_that_were_read_early_wait_for_company_and_are_not_read_again(
    journal: Journal, sink: PreparedSink
) -> None:
    def add_more_meanwhile(rows: list[StoredWindow]) -> WriteOutcome[StoredWindow]:
        if rows[0].row_id == 1:
            wait_until(lambda: len(sink.prepared) >= 2, "the three behind it were read")
            add(journal, 14, 30)
        return WriteOutcome(len(rows))

    sink.rule = add_more_meanwhile
    add(journal, 1, 13)
    run(journal, sink, lambda: len(sink.stored) == 30)
    assert sink.stored == list(range(1, 31))
    assert list(range(11, 21)) in sink.written, "not the three alone"
    assert sorted(row_id for rows in sink.prepared for row_id in rows) == list(range(1, 31)), "none twice"
