"""A store that keeps up gets the very rows that lie in the file: in order, none twice, none that was not committed."""

from contextlib import closing
from pathlib import Path

import pytest

from collector.journal import Journal
from collector.recent_rows import RecentRows
from collector.values import StoredWindow
from tests.fakes.windows import BOOT_ID, FLEET, PI4, T0_UNIX_NS, make_batch, make_window


def add(journal: Journal, first: int, last: int) -> None:
    journal.commit_batch(FLEET, make_batch(range(first, last + 1)), T0_UNIX_NS)


def fail_after(journal: Journal, first: int, last: int) -> None:
    with journal.transaction():
        add(journal, first, last)
        raise OSError("the disk is full")


def row(row_id: int) -> StoredWindow:
    return StoredWindow(row_id, FLEET, PI4.device_id, BOOT_ID, T0_UNIX_NS, make_window(row_id))


def ids(rows: list[StoredWindow]) -> list[int]:
    return [one.row_id for one in rows]


def test_rows_are_those_of_the_file_from_any_place_on(journal: Journal, path: Path) -> None:
    add(journal, 1, 3)
    add(journal, 2, 8)
    add(journal, 9, 9)
    with closing(Journal(path, read_only=True)) as reader:
        for row_id in range(11):
            for limit in (1, 4, 100):
                assert journal.rows_after(row_id, limit) == reader.rows_after(row_id, limit)


def test_what_was_rolled_back_is_never_seen(journal: Journal) -> None:
    add(journal, 1, 2)
    with pytest.raises(OSError, match="full"):
        fail_after(journal, 3, 5)
    journal.set_cursor("store", 1)
    assert ids(journal.rows_after(0, 100)) == [1, 2]
    add(journal, 7, 8)
    assert [(one.row_id, one.window.seq) for one in journal.rows_after(1, 100)] == [(2, 2), (3, 7), (4, 8)]


def test_what_another_process_wrote_in_between_is_not_passed_over(journal: Journal, path: Path) -> None:
    add(journal, 1, 2)
    with closing(Journal(path)) as other:
        add(other, 3, 4)
    assert ids(journal.rows_after(0, 100)) == [1, 2, 3, 4]
    add(journal, 5, 6)
    assert [one.window.seq for one in journal.rows_after(0, 100)] == [1, 2, 3, 4, 5, 6]
    assert ids(journal.rows_after(3, 2)) == [4, 5]


def test_removed_rows_are_gone(journal: Journal) -> None:
    add(journal, 1, 5)
    journal.set_cursor("store", 5)
    assert journal.remove_old(["store"], T0_UNIX_NS + 1, 3) == 3
    assert ids(journal.rows_after(0, 100)) == [4, 5]


def test_only_so_many_bytes_are_held() -> None:
    recent = RecentRows(max_bytes=250)
    for first in (1, 3, 5):
        recent.stage([row(first), row(first + 1)], 100)
        recent.publish()
    assert recent.after(0, 9) == recent.after(1, 9) == [], "the first two had to go"
    assert ids(recent.after(2, 9)) == [3, 4, 5, 6]
    assert ids(recent.after(3, 2)) == [4, 5]
    assert recent.after(6, 9) == []


def test_a_transaction_beyond_the_bound_holds_its_end() -> None:
    recent = RecentRows(max_bytes=250)
    for row_id in range(1, 8):
        recent.stage([row(row_id)], 100)
    assert recent.after(0, 9) == [], "nothing is committed yet"
    recent.publish()
    assert ids(recent.after(5, 9)) == [6, 7]
    recent.stage([row(8)], 1000)
    recent.publish()
    assert recent.after(7, 9) == [], "longer than all that may be held"
