"""Windows that come long after their end: counted per boot, once; files of a version that did not count them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.journal import Journal
from edge_agent.wire.records import WindowBatch
from tests.fakes.windows import BOOT_ID, FLEET, JETSON, PI4, T0_UNIX_NS, WINDOW_S, make_batch

LATE_AFTER_S = 300.0
IN_TIME_NS = T0_UNIX_NS + round((WINDOW_S + LATE_AFTER_S) * 1e9)
"""The last moment at which the first window is not late."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path, late_after_s=LATE_AFTER_S)) as journal:
        yield journal


def late_by_boot(path: Path) -> dict[tuple[str, str], int]:
    with closing(sqlite3.connect(path)) as db:
        return {
            (device_id, boot_id): late
            for device_id, boot_id, late in db.execute("SELECT device_id, boot_id, late FROM boots")
        }


@pytest.mark.parametrize(("after_ns", "late"), [(0, 0), (1_000, 1)])
def test_a_window_is_late_only_beyond_the_limit(journal: Journal, path: Path, after_ns: int, late: int) -> None:
    journal.commit_batch(FLEET, make_batch(range(1, 2)), IN_TIME_NS + after_ns)
    assert late_by_boot(path) == {(PI4.device_id, BOOT_ID): late}


def test_each_window_has_an_end_of_its_own(journal: Journal, path: Path) -> None:
    journal.commit_batch(FLEET, make_batch(range(1, 11)), IN_TIME_NS + round(3.5 * WINDOW_S * 1e9))
    assert late_by_boot(path) == {(PI4.device_id, BOOT_ID): 4}


def test_a_duplicate_is_not_late_a_second_time(journal: Journal, path: Path) -> None:
    for _ in range(3):
        journal.commit_batch(FLEET, make_batch(range(1, 4)), IN_TIME_NS + 10**15)
    assert late_by_boot(path) == {(PI4.device_id, BOOT_ID): 3}


def test_a_window_that_came_in_time_does_not_become_late(journal: Journal, path: Path) -> None:
    journal.commit_batch(FLEET, make_batch(range(1, 4)), T0_UNIX_NS)
    journal.commit_batch(FLEET, make_batch(range(1, 4)), IN_TIME_NS + 10**15)
    assert late_by_boot(path) == {(PI4.device_id, BOOT_ID): 0}


def test_boots_and_devices_are_counted_apart(journal: Journal, path: Path) -> None:
    journal.commit_batch(FLEET, make_batch(range(1, 3)), IN_TIME_NS + 10**15)
    journal.commit_batch(FLEET, make_batch(range(1, 6), boot_id="two"), IN_TIME_NS + 10**15)
    journal.commit_batch(FLEET, make_batch(range(1, 6), profile=JETSON), T0_UNIX_NS)
    assert late_by_boot(path) == {
        (PI4.device_id, BOOT_ID): 2,
        (PI4.device_id, "two"): 5,
        (JETSON.device_id, BOOT_ID): 0,
    }


def without_late(path: Path, batch: WindowBatch) -> None:
    """Write a journal as a version did that did not count late windows."""
    with closing(Journal(path)) as journal:
        journal.commit_batch(FLEET, batch, T0_UNIX_NS)
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE boots DROP COLUMN late")
        db.commit()


def test_a_file_without_the_count_is_read_and_then_counts(path: Path) -> None:
    without_late(path, make_batch(range(1, 4)))
    with closing(Journal(path, read_only=True)) as reader:
        (line,) = reader.ledger()
        assert (line.stored, line.adds_up) == (3, True)
        assert reader._db.execute("SELECT late FROM boots").fetchall() == [(0,)]
    for _ in range(2):
        with closing(Journal(path)) as journal:
            journal.commit_batch(FLEET, make_batch(range(1, 6)), IN_TIME_NS + 10**15)
    assert late_by_boot(path) == {(PI4.device_id, BOOT_ID): 2}
