"""The journal alone: duplicates, disorder, drops, the account, readers in other processes. Real SQLite files."""

import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import account
from collector.arrivals import CommitOutcome
from collector.dead_letters import NewLetter
from collector.journal import Journal
from collector.journal_file import JournalGoneError, why_not_written
from collector.values import LedgerLine
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import DroppedRange, Status, WindowBatch
from tests.fakes.delivery import make_health
from tests.fakes.windows import BOOT_ID, FLEET, JETSON, PI4, T0_UNIX_NS, make_batch, make_window

NOW = T0_UNIX_NS + 10**12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        yield journal


def commit(journal: Journal, batch: WindowBatch) -> CommitOutcome:
    return journal.commit_batch(FLEET, batch, NOW)


def only_line(journal: Journal) -> LedgerLine:
    (line,) = journal.ledger()
    return line


def drop(first_seq: int, last_seq: int) -> DroppedRange:
    return DroppedRange(first_seq=first_seq, last_seq=last_seq, reason="outbox_full")


def test_windows_come_back_in_the_order_of_their_commit(journal: Journal) -> None:
    assert commit(journal, make_batch(range(1, 4))) == CommitOutcome(stored=3, duplicates=0)
    commit(journal, make_batch(range(1, 2), profile=JETSON))
    rows = journal.rows_after(0, 100)
    assert [(row.row_id, row.device_id, row.window.seq) for row in rows] == [
        (1, "pi4-01", 1),
        (2, "pi4-01", 2),
        (3, "pi4-01", 3),
        (4, "jetson-01", 1),
    ]
    assert rows[0].window == make_window(1)
    assert (rows[0].fleet, rows[0].boot_id, rows[0].received_unix_ns) == (FLEET, BOOT_ID, NOW)
    assert [row.row_id for row in journal.rows_after(2, 1)] == [3]
    assert journal.count_after(1, 100) == 3
    assert journal.count_after(1, 2) == 2
    assert journal.last_row_id() == 4


def test_a_window_that_comes_again_is_counted_and_not_stored(journal: Journal) -> None:
    commit(journal, make_batch(range(1, 4)))
    assert commit(journal, make_batch(range(2, 6))) == CommitOutcome(stored=2, duplicates=2)
    line = only_line(journal)
    assert (line.stored, line.duplicates, line.sent) == (5, 2, 5)


def test_the_high_water_waits_for_the_hole_to_be_filled(journal: Journal) -> None:
    commit(journal, make_batch(range(1, 3), last_seq=6))
    commit(journal, make_batch(range(5, 7), oldest_seq=3))
    assert journal.high_waters(PI4.device_id) == {BOOT_ID: 2}
    assert only_line(journal).pending == 2
    commit(journal, make_batch(range(3, 5), last_seq=6))
    assert journal.high_waters(PI4.device_id) == {BOOT_ID: 6}
    assert only_line(journal).adds_up


def test_a_declared_drop_counts_and_lets_the_high_water_pass(journal: Journal) -> None:
    commit(journal, make_batch(range(6, 8), dropped=(drop(1, 5),)))
    assert journal.high_waters(PI4.device_id) == {BOOT_ID: 7}
    line = only_line(journal)
    assert (line.sent, line.stored, line.dropped, line.pending, line.missing) == (7, 2, 5, 0, 0)


def test_a_window_that_was_declared_dropped_and_arrives_all_the_same_is_stored(journal: Journal) -> None:
    commit(journal, make_batch(range(6, 8), dropped=(drop(1, 5),)))
    commit(journal, make_batch(range(4, 6), oldest_seq=1, last_seq=5))
    line = only_line(journal)
    assert (line.sent, line.stored, line.dropped, line.missing) == (7, 4, 3, 0)
    assert line.adds_up


def test_a_growing_dropped_range_is_one_row(journal: Journal, path: Path) -> None:
    for last in range(3, 9):
        commit(journal, make_batch(range(last + 1, last + 2), dropped=(drop(1, last),)))
    commit(journal, make_batch(range(5, 6), oldest_seq=1, dropped=(drop(2, 4),)))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT first_seq, last_seq FROM dropped").fetchall() == [(1, 8)]


def test_windows_that_the_device_no_longer_holds_and_nobody_has_are_missing(journal: Journal) -> None:
    commit(journal, make_batch(range(5, 7)))
    line = only_line(journal)
    assert (line.sent, line.stored, line.missing) == (6, 2, 4)
    assert not line.adds_up
    assert journal.high_waters(PI4.device_id) == {BOOT_ID: 6}, "there is nothing left to wait for"


def test_a_drop_above_the_oldest_window_is_not_pending_too(journal: Journal) -> None:
    corrupt = DroppedRange(first_seq=3, last_seq=3, reason="corrupt")
    commit(journal, make_batch(range(1, 2), oldest_seq=1, last_seq=5, dropped=(corrupt,)))
    line = only_line(journal)
    assert (line.sent, line.stored, line.dropped, line.pending, line.missing) == (5, 1, 1, 3, 0)


def test_an_old_message_moves_nothing_backwards(journal: Journal) -> None:
    commit(journal, make_batch(range(1, 9)))
    commit(journal, make_batch(range(9, 11)))
    before = journal.high_waters(PI4.device_id), only_line(journal).pending
    commit(journal, make_batch(range(1, 3), oldest_seq=1, last_seq=2))
    assert (journal.high_waters(PI4.device_id), only_line(journal).pending) == before
    assert only_line(journal).sent == 10


def test_health_tells_of_windows_that_are_still_on_the_device(journal: Journal) -> None:
    commit(journal, make_batch(range(1, 3)))
    journal.put_health(FLEET, make_health(last_seq=7), NOW)
    line = only_line(journal)
    assert (line.sent, line.stored, line.pending, line.missing) == (7, 2, 5, 0)
    assert journal.high_waters(PI4.device_id) == {BOOT_ID: 2}


def test_health_tells_what_the_device_holds_no_longer(journal: Journal) -> None:
    """A new journal hears from a device whose windows an older journal had: they are missing, not pending."""
    journal.put_health(FLEET, make_health(9, acked_seq=7), NOW)
    line = only_line(journal)
    assert (line.sent, line.pending, line.missing) == (9, 2, 7)
    assert not line.adds_up


def test_boots_have_accounts_of_their_own(journal: Journal) -> None:
    commit(journal, make_batch(range(1, 4), boot_id="one", last_seq=5))
    commit(journal, make_batch(range(1, 2), boot_id="two"))
    assert journal.high_waters(PI4.device_id) == {"one": 3, "two": 1}
    line = only_line(journal)
    assert (line.sent, line.stored, line.pending) == (6, 4, 2)


def test_only_the_latest_boots_are_acknowledged(journal: Journal) -> None:
    for number in range(20):
        commit(journal, make_batch(range(1, 2), boot_id=f"boot-{number}"))
    commit(journal, make_batch(range(1, 2), boot_id="boot-2"))
    acknowledged = journal.high_waters(PI4.device_id)
    assert len(acknowledged) == 16
    assert "boot-2" in acknowledged, "it spoke last"
    assert "boot-0" not in acknowledged


def test_nothing_of_a_failed_transaction_remains(journal: Journal) -> None:
    def fail_half_way() -> None:
        with journal.transaction():
            commit(journal, make_batch(range(1, 4)))
            with journal.transaction():
                journal.set_cursor("lake", 2)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert journal.last_row_id() == 0
    assert journal.cursor("lake") == 0
    assert journal.ledger() == []
    assert commit(journal, make_batch(range(1, 4))).stored == 3


def test_the_latest_status_is_kept_and_a_last_will_is_no_sign_of_life(journal: Journal) -> None:
    commit(journal, make_batch(range(1, 2)))
    will = Status(device_id=PI4.device_id, boot_id=BOOT_ID, online=False, t_unix_ns=T0_UNIX_NS, reason="gone")
    journal.put_status(FLEET, will, NOW + 10**9)
    (state,) = journal.devices()
    assert state.status == will
    assert state.last_seen_unix_ns == NOW


def test_cursors_and_dead_letters_survive_closing(path: Path) -> None:
    with closing(Journal(path)) as journal:
        journal.set_cursor("lake", 5)
        journal.set_cursor("lake", 9)
        journal.add_dead_letter(NewLetter("some/topic", b"\x00\xff", "because", NOW, device_id="pi4-01"))
    with closing(Journal(path, read_only=True)) as journal:
        assert journal.cursor("lake") == 9
        assert journal.cursor("influxdb") == 0
        assert journal.dead_letters() == [("some/topic", b"\x00\xff", "because", NOW)]


def test_reading_where_no_collector_ran_says_so(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no journal here; name the state_dir"):
        Journal(path, read_only=True)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, *, read_only: bool) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(b"no database at all" * 300)
    with pytest.raises(ConfigurationError, match="journal"):
        Journal(path, read_only=read_only)
    assert path.read_bytes() == b"no database at all" * 300


def test_a_journal_of_a_later_version_is_left_alone(journal: Journal, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match="journal of schema 99"):
        Journal(path)


def test_a_reader_cannot_write(journal: Journal, path: Path) -> None:
    with closing(Journal(path, read_only=True)) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.set_cursor("lake", 1)


def test_another_process_reads_a_whole_ledger_while_the_collector_writes(journal: Journal, path: Path) -> None:
    commit(journal, make_batch(range(1, 2)))
    script = (
        "import sys; from pathlib import Path; from collector.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]), read_only=True)\n"
        "for _ in range(200):\n"
        "    (line,) = journal.ledger()\n"
        "    assert line.adds_up and line.sent == line.stored, line\n"
        "print(line.stored > 1)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        seq = 2
        while process.poll() is None:
            commit(journal, make_batch(range(seq, seq + 1)))
            seq += 1
        assert process.stdout is not None
        assert process.stderr is not None
        assert (process.stdout.read(), process.stderr.read()) == ("True\n", "")


def test_threads_share_one_journal(journal: Journal) -> None:
    def write(boot: int) -> None:
        for seq in range(1, 31):
            commit(journal, make_batch(range(seq, seq + 1), boot_id=f"boot-{boot}"))

    threads = [threading.Thread(target=write, args=(boot,)) for boot in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        rows = journal.rows_after(0, 1000)
        assert [row.row_id for row in rows] == list(range(1, len(rows) + 1))
    for thread in threads:
        thread.join()
    assert only_line(journal).stored == 90


@given(
    st.integers(1, 60),
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 12)), max_size=6),
)
def test_uncovered_is_the_difference_of_sets(first: int, length: int, spans: list[tuple[int, int]]) -> None:
    known: list[tuple[int, int]] = []
    taken: set[int] = set()
    for start, width in sorted(spans):
        if not taken & set(range(start, start + width + 1)):
            known.append((start, start + width))
            taken |= set(range(start, start + width + 1))
    got = account.uncovered(first, first + length, known)
    numbers = [seq for low, high in got for seq in range(low, high + 1)]
    assert numbers == sorted(set(range(first, first + length + 1)) - taken)


def test_long_histories_in_random_order_end_in_one_high_water(journal: Journal) -> None:
    numbers = list(range(1, 301))
    random.Random(4).shuffle(numbers)
    with journal.transaction():
        for seq in numbers:
            commit(journal, make_batch(range(seq, seq + 1), oldest_seq=1, last_seq=300))
    assert journal.high_waters(PI4.device_id) == {BOOT_ID: 300}
    assert only_line(journal).adds_up


def test_a_log_that_a_removed_journal_left_behind_is_not_applied_to_the_new_one(path: Path) -> None:
    with closing(Journal(path)) as old:
        commit(old, make_batch(range(1, 9)))
        log = path.with_name(path.name + "-wal").read_bytes()
    path.unlink()
    path.with_name(path.name + "-wal").write_bytes(log)
    with closing(Journal(path)) as new:
        assert new.last_row_id() == 0
        assert new.ledger() == []


@pytest.mark.parametrize("replaced", [False, True])
def test_nothing_is_committed_to_a_file_that_was_removed(journal: Journal, path: Path, *, replaced: bool) -> None:
    commit(journal, make_batch(range(1, 3)))
    path.unlink()
    if replaced:
        path.write_bytes(b"something else")
    with pytest.raises(JournalGoneError, match="removed or replaced"):
        commit(journal, make_batch(range(3, 5)))
    assert journal.last_row_id() == 2


def test_a_journal_that_another_process_holds_is_not_called_a_full_disk(path: Path) -> None:
    with closing(Journal(path)), closing(sqlite3.connect(path)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with closing(sqlite3.connect(path, timeout=0.0)) as other, pytest.raises(sqlite3.OperationalError) as held:
            other.execute("BEGIN IMMEDIATE")
        assert "another process holds the journal" in why_not_written(held.value)
        assert "free space" in why_not_written(sqlite3.OperationalError("database or disk is full"))
