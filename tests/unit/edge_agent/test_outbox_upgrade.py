"""A file that an agent before schema 2 wrote: opened, carried over whole, and interrupted without loss."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from edge_agent.outbox import Outbox
from edge_agent.outbox_file import PAGE_BYTES
from edge_agent.wire.records import DroppedRange, InferenceWindow
from tests.fakes.windows import T0_UNIX_NS, make_window

SCHEMA_1 = """
CREATE TABLE windows (
  row_id INTEGER PRIMARY KEY AUTOINCREMENT, boot_id TEXT NOT NULL, seq INTEGER NOT NULL,
  t_unix_ns INTEGER, payload BLOB NOT NULL, UNIQUE (boot_id, seq));
CREATE TABLE boots (
  position INTEGER PRIMARY KEY AUTOINCREMENT, boot_id TEXT NOT NULL UNIQUE,
  last_seq INTEGER NOT NULL, acked_seq INTEGER NOT NULL);
CREATE TABLE drops (
  boot_id TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = 1;
"""


def own_boot_id(tmp_path: Path) -> str:
    """The id that today's agent gives the boot, for the file id below: it has to be the one of before."""
    probe = tmp_path / "probe.sqlite3"
    with closing(sqlite3.connect(probe)) as db, db:
        db.executescript(SCHEMA_1)
        db.execute("INSERT INTO state VALUES ('file_id', 'ab'), ('dropped_windows', '0')")
    with closing(Outbox(probe, "boot-b")) as outbox:
        return outbox.boot_id


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    """Boot "earlier" holds 4 and 6, dropped 1..3 and declares 2..3, lost 5; the current one is all acknowledged."""
    path = tmp_path / "outbox.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(SCHEMA_1)
        db.execute("INSERT INTO state VALUES ('file_id', 'ab'), ('dropped_windows', '4')")
        db.execute("INSERT INTO boots VALUES (3, 'earlier', 6, 1), (7, ?, 9, 9)", (own_boot_id(tmp_path),))
        db.executemany("INSERT INTO drops VALUES ('earlier', ?, ?, ?)", [(2, 3, "outbox_full"), (5, 5, "corrupt")])
        for seq in (4, 6):
            window = make_window(seq)
            db.execute(
                "INSERT INTO windows (boot_id, seq, t_unix_ns, payload) VALUES ('earlier', ?, ?, ?)",
                (seq, window.t_start_unix_ns, msgspec.json.encode(window)),
            )
        db.commit()
    return path


def check(outbox: Outbox) -> None:
    (backlog,) = outbox.backlogs()
    assert (backlog.boot_id, backlog.oldest_seq, backlog.last_seq, backlog.acked_seq) == ("earlier", 4, 6, 1)
    assert backlog.dropped == (
        DroppedRange(first_seq=2, last_seq=3, reason="outbox_full"),
        DroppedRange(first_seq=5, last_seq=5, reason="corrupt"),
    )
    assert outbox.pending("earlier", 0, 10) == [make_window(4), make_window(6)]
    stats = outbox.stats()
    assert (stats.windows, stats.last_seq, stats.acked_seq, stats.dropped_windows) == (2, 9, 9, 4)


def test_everything_is_carried_over_and_numbers_go_on(old_file: Path) -> None:
    with closing(Outbox(old_file, "boot-b")) as outbox:
        check(outbox)
        (page_bytes,) = outbox._db.execute("PRAGMA page_size").fetchone()
        (mode,) = outbox._db.execute("PRAGMA journal_mode").fetchone()
        assert (page_bytes, mode) == (PAGE_BYTES, "wal")
        assert outbox.append(make_window).seq == 10
    with closing(Outbox(old_file, "boot-b")) as again:
        assert [backlog.boot_id for backlog in again.backlogs()] == ["earlier", again.boot_id]


def test_a_window_of_before_that_was_never_dated_goes_out_as_it_is(old_file: Path) -> None:
    window = make_window(7, clock_state="unsynchronised", t_start_unix_ns=1000)
    with closing(sqlite3.connect(old_file)) as db, db:
        db.execute("UPDATE boots SET last_seq = 7 WHERE boot_id = 'earlier'")
        db.execute(
            "INSERT INTO windows (boot_id, seq, t_unix_ns, payload) VALUES ('earlier', 7, NULL, ?)",
            (msgspec.json.encode(window),),
        )
    with closing(Outbox(old_file, "boot-b", now_unix_ns=lambda: T0_UNIX_NS)) as outbox:
        sent: list[InferenceWindow] = outbox.pending("earlier", 6, 10)
        assert sent == [window]
        assert not outbox.waits_for_clock
