"""Old windows leave the journal once every store has them: they stay counted, and come back as duplicates only."""

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from collector import removed
from collector.arrivals import CommitOutcome
from collector.config import parse_config
from collector.journal import Journal
from collector.retention import NS_PER_DAY, ROWS_PER_STEP, Retention
from collector.values import LedgerLine
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import DroppedRange, StoredRange
from tests.fakes.delivery import journal_disk_full, wait_until
from tests.fakes.windows import BOOT_ID, FLEET, JETSON, PI4, T0_UNIX_NS, make_batch

LATER = T0_UNIX_NS + 1


def add(journal: Journal, seqs: range, *, received_unix_ns: int = T0_UNIX_NS, **changes: object) -> CommitOutcome:
    return journal.commit_batch(FLEET, make_batch(seqs, **changes), received_unix_ns)  # type: ignore[arg-type]


def remove(journal: Journal, before_unix_ns: int = LATER, limit: int = 1000) -> int:
    return journal.remove_old(["lake"], before_unix_ns, limit)


def pi4(journal: Journal) -> LedgerLine:
    return next(line for line in journal.ledger() if line.device_id == PI4.device_id)


def removed_ranges(path: Path) -> list[tuple[str, int, int]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT device_id, first_seq, last_seq FROM removed ORDER BY 1, 2").fetchall()


def schema_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_what_every_store_has_and_is_old_goes_and_stays_counted(journal: Journal, path: Path) -> None:
    add(journal, range(1, 6))
    add(journal, range(6, 9), received_unix_ns=LATER)
    journal.set_cursor("lake", 8)
    before = pi4(journal)
    assert remove(journal) == 5
    assert [row.window.seq for row in journal.rows_after(0, 100)] == [6, 7, 8]
    assert (journal.first_row_id(), journal.last_row_id(), journal.count_after(0, 100)) == (6, 8, 3)
    assert journal.count_after(7, 100) == 1
    assert pi4(journal) == before
    assert before.adds_up
    assert removed_ranges(path) == [(PI4.device_id, 1, 5)]


def test_the_slowest_store_decides(journal: Journal) -> None:
    add(journal, range(1, 10))
    journal.set_cursor("lake", 9)
    journal.set_cursor("influxdb", 4)
    assert journal.remove_old(["lake", "influxdb"], LATER, 100) == 4
    assert journal.remove_old(["lake", "influxdb", "new"], LATER, 100) == 0
    assert journal.remove_old([], LATER, 100) == 0, "without a store only the journal has the windows"


def test_a_store_that_is_no_longer_configured_keeps_nothing(journal: Journal) -> None:
    add(journal, range(1, 10))
    journal.set_cursor("gone", 2)
    journal.set_cursor("lake", 9)
    assert remove(journal) == 8, "the newest window of all stays"


def test_a_removed_window_that_comes_again_is_a_duplicate(journal: Journal) -> None:
    add(journal, range(1, 9))
    journal.set_cursor("lake", 8)
    remove(journal, limit=4)
    assert add(journal, range(3, 11)) == CommitOutcome(stored=2, duplicates=6)
    assert [row.window.seq for row in journal.rows_after(0, 100)] == [5, 6, 7, 8, 9, 10]
    line = pi4(journal)
    assert (line.sent, line.stored, line.duplicates, line.missing) == (10, 10, 6, 0)
    assert line.adds_up


def test_a_drop_that_is_declared_of_removed_windows_changes_nothing(journal: Journal) -> None:
    add(journal, range(1, 9))
    journal.set_cursor("lake", 8)
    remove(journal)
    dropped = DroppedRange(first_seq=1, last_seq=8, reason="outbox_full")
    add(journal, range(9, 10), dropped=(dropped,))
    line = pi4(journal)
    assert (line.sent, line.stored, line.dropped, line.missing) == (9, 9, 0, 0)


def test_a_hole_is_filled_after_what_lies_above_it_was_removed(journal: Journal) -> None:
    add(journal, range(4, 7), oldest_seq=1)
    add(journal, range(1, 2), oldest_seq=1, last_seq=6, received_unix_ns=LATER)
    journal.set_cursor("lake", 4)
    assert remove(journal) == 3
    waters = journal.high_waters(PI4.device_id)
    assert waters == {BOOT_ID: 1}
    assert journal.stored_above(PI4.device_id, waters) == (StoredRange(boot_id=BOOT_ID, first_seq=4, last_seq=6),)
    assert (pi4(journal).pending, pi4(journal).missing) == (2, 0)
    add(journal, range(2, 4), oldest_seq=1, last_seq=6)
    assert journal.high_waters(PI4.device_id) == {BOOT_ID: 6}
    assert pi4(journal).adds_up


def test_ranges_of_a_boot_grow_together(journal: Journal, path: Path) -> None:
    for seq in range(1, 21):
        add(journal, range(seq, seq + 1))
        add(journal, range(seq, seq + 1), profile=JETSON)
    journal.set_cursor("lake", 40)
    while remove(journal, limit=3):
        pass
    assert removed_ranges(path) == [(JETSON.device_id, 1, 19), (PI4.device_id, 1, 20)]


def test_a_file_of_which_nothing_was_removed_is_one_for_older_versions_too(journal: Journal, path: Path) -> None:
    add(journal, range(1, 5))
    journal.set_cursor("lake", 4)
    assert remove(journal, T0_UNIX_NS) == 0
    assert schema_of(path) == 1
    remove(journal)
    assert schema_of(path) == removed.SCHEMA_VERSION == 2
    with closing(Journal(path, read_only=True)) as reader:
        assert reader.ledger() == journal.ledger()


def test_a_journal_from_before_there_was_retention_opens_without_loss(path: Path) -> None:
    with closing(Journal(path)) as journal:
        add(journal, range(1, 5))
        before = journal.ledger()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE removed")
        db.execute("ALTER TABLE boots DROP COLUMN late")
        db.commit()
    with closing(Journal(path, read_only=True)) as reader:
        assert reader.ledger()[0].stored == 4
    with closing(Journal(path)) as journal:
        assert journal.ledger()[0].stored == before[0].stored == 4
        journal.set_cursor("lake", 4)
        assert remove(journal) == 3


def test_nothing_is_removed_halfway(journal: Journal, path: Path) -> None:
    add(journal, range(1, 200))
    journal.set_cursor("lake", 199)

    def go_on_until_the_disk_is_full() -> None:
        for _ in range(200):
            add(journal, range(200, 260), boot_id=f"boot-{_}")
            remove(journal, limit=1)

    with journal_disk_full(journal), pytest.raises(sqlite3.OperationalError):
        go_on_until_the_disk_is_full()
    stored = {row.window.seq for row in journal.rows_after(0, 1000) if row.boot_id == BOOT_ID}
    gone = {seq for _, first, last in removed_ranges(path) for seq in range(first, last + 1)}
    assert stored | gone == set(range(1, 200))
    assert not stored & gone


def retention(journal: Journal, *names: str, keep_days: float = 1.0, days_later: float = 2.0) -> Retention:
    now_unix_ns = T0_UNIX_NS + round(days_later * NS_PER_DAY)
    return Retention(journal, names, keep_days, now_unix_ns=lambda: now_unix_ns)


def test_the_thread_removes_all_that_it_may_and_ends(journal: Journal) -> None:
    count = 2 * ROWS_PER_STEP + 10
    with journal.transaction():
        for first in range(1, count, 60):
            add(journal, range(first, min(first + 60, count + 1)))
    journal.set_cursor("lake", count)
    thread = retention(journal, "lake")
    thread.start()
    try:
        wait_until(lambda: journal.first_row_id() == count, "only the newest window is left")
        assert thread.alive
    finally:
        thread.close()
    assert pi4(journal).stored == count


@pytest.mark.parametrize(("names", "keep_days"), [(("lake",), 0.0), ((), 1.0)])
def test_for_ever_means_that_no_thread_runs(journal: Journal, names: tuple[str, ...], keep_days: float) -> None:
    add(journal, range(1, 5))
    journal.set_cursor("lake", 4)
    thread = retention(journal, *names, keep_days=keep_days)
    thread.start()
    assert thread.alive, "nothing died"
    time.sleep(0.05)
    thread.close()
    assert journal.first_row_id() == 1


def test_a_store_that_starts_behind_what_is_gone_is_told_of(journal: Journal) -> None:
    add(journal, range(1, 9))
    journal.set_cursor("lake", 8)
    remove(journal)
    with capture_logs() as logs:
        thread = retention(journal, "lake", "influxdb", keep_days=0.0)
        thread.start()
        thread.close()
    assert [(line["event"], line["sink"], line["windows"]) for line in logs] == [("store_starts_later", "influxdb", 7)]


def test_a_file_that_was_removed_is_told_of_once(journal: Journal, path: Path) -> None:
    add(journal, range(1, 9))
    journal.set_cursor("lake", 8)
    path.unlink()
    thread = retention(journal, "lake")
    with capture_logs() as logs:
        assert [thread._step()[0] for _ in range(3)] == [0, 0, 0]
    assert [line["event"] for line in logs] == ["journal_keeps_old_windows"]
    assert len(journal.rows_after(0, 100)) == 8


def test_keep_days_is_read_and_checked() -> None:
    assert parse_config("[journal]\nkeep_days = 0\n", "collector.toml", Path("/")).journal.keep_days == 0.0
    with pytest.raises(ConfigurationError, match="keep_days"):
        parse_config("[journal]\nkeep_days = -1\n", "collector.toml", Path("/"))


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 12)), min_size=1, max_size=12), st.integers(1, 7))
def test_whatever_is_removed_and_comes_again_the_account_stays(spans: list[tuple[int, int]], limit: int) -> None:
    with tempfile.TemporaryDirectory() as directory, closing(Journal(Path(directory) / "j.sqlite3")) as journal:
        seen: set[int] = set()
        for first, length in spans:
            seqs = range(first, first + length)
            outcome = add(journal, seqs, oldest_seq=1, last_seq=52)
            assert outcome.stored == len(set(seqs) - seen)
            seen |= set(seqs)
            journal.set_cursor("lake", journal.last_row_id())
            remove(journal, limit=limit)
            line = pi4(journal)
            assert (line.stored, line.pending, line.missing) == (len(seen), 52 - len(seen), 0)
            assert journal.high_waters(PI4.device_id)[BOOT_ID] == min(set(range(1, 54)) - seen) - 1
