"""What a store-ack names above the high water: what is stored or settled there, in as few ranges as possible."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.journal import Journal
from collector.stored_ranges import boot_ranges
from edge_agent.wire.codec import BadRecord
from edge_agent.wire.records import MAX_STORED_RANGES, DroppedRange
from tests.fakes.windows import BOOT_ID, FLEET, PI4, T0_UNIX_NS, make_batch


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def above(journal: Journal) -> list[tuple[int, int]]:
    ranges = journal.stored_above(PI4.device_id, journal.high_waters(PI4.device_id))
    assert all(one.boot_id == BOOT_ID for one in ranges)
    return [(one.first_seq, one.last_seq) for one in ranges]


def store(journal: Journal, *seqs: int, last_seq: int = 2000) -> None:
    for seq in seqs:
        batch = make_batch(range(seq, seq + 1), oldest_seq=1, last_seq=last_seq)
        journal.commit_batch(FLEET, batch, T0_UNIX_NS)


def test_without_a_hole_there_is_nothing_to_name(journal: Journal) -> None:
    assert journal.stored_above(PI4.device_id, {}) == ()
    store(journal, 1, 2, 3)
    assert above(journal) == []


def test_what_came_before_older_ones_is_named_until_they_come(journal: Journal) -> None:
    store(journal, 1, 4, 5, 9)
    assert above(journal) == [(4, 5), (9, 9)]
    store(journal, 2, 3)
    assert journal.high_waters(PI4.device_id) == {BOOT_ID: 5}
    assert above(journal) == [(9, 9)]


def test_dropped_and_refused_windows_join_the_ranges(journal: Journal) -> None:
    dropped = DroppedRange(first_seq=5, last_seq=6, reason="outbox_full")
    batch = make_batch(range(4, 5), oldest_seq=1, last_seq=20, dropped=(dropped,))
    journal.commit_batch(FLEET, batch, T0_UNIX_NS, (BadRecord(7, b"{}", "bad"),))
    assert journal.high_waters(PI4.device_id) == {BOOT_ID: 0}
    assert above(journal) == [(4, 7)]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(seqs=st.sets(st.integers(1, 30), max_size=25))
def test_high_water_and_ranges_together_are_what_is_stored(tmp_path: Path, seqs: set[int]) -> None:
    path = tmp_path / f"{hash(frozenset(seqs))}.sqlite3"
    path.unlink(missing_ok=True)
    with closing(Journal(path)) as journal:
        store(journal, *sorted(seqs, reverse=True), last_seq=30)
        high_water = journal.high_waters(PI4.device_id).get(BOOT_ID, 0)
        named = [seq for first, last in above(journal) for seq in range(first, last + 1)]
        assert sorted(seqs) == [*range(1, high_water + 1), *named]
        assert all(
            later[0] > earlier[1] + 1 for earlier, later in zip(above(journal), above(journal)[1:], strict=False)
        )


def test_too_many_ranges_are_the_oldest_and_the_newest(journal: Journal) -> None:
    seqs = range(2, 2 * (MAX_STORED_RANGES + 50), 2)
    with journal.transaction():
        store(journal, *seqs)
    ranges = above(journal)
    assert len(ranges) == MAX_STORED_RANGES
    assert ranges[0] == (2, 2)
    assert ranges[-1] == (seqs[-1], seqs[-1])
    assert ranges == sorted(ranges)


def test_of_a_long_record_above_a_hole_both_ends_are_looked_at(journal: Journal) -> None:
    store(journal, 2, 3, 4, 5, 6)
    with journal.snapshot() as db:
        assert boot_ranges(db, PI4.device_id, BOOT_ID, 0, max_rows=4) == [(2, 3), (5, 6)]
        assert boot_ranges(db, PI4.device_id, BOOT_ID, 0, max_rows=10) == [(2, 6)]


def steps_of_refusals(journal: Journal, seqs: range) -> int:
    """Return what it costs SQLite to refuse each second window, in hundreds of its own steps."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with journal.transaction() as db:
        db.set_progress_handler(count, 100)
        for seq in seqs:
            batch = make_batch(range(0), oldest_seq=1, last_seq=seqs[-1])
            journal.commit_batch(FLEET, batch, T0_UNIX_NS, (BadRecord(seq, b"{}", "bad"),))
        db.set_progress_handler(None, 0)
    return steps


def test_many_scattered_refusals_do_not_make_the_next_ones_dearer(journal: Journal) -> None:
    first = steps_of_refusals(journal, range(2, 200, 2))
    steps_of_refusals(journal, range(202, 3000, 2))
    last = steps_of_refusals(journal, range(3002, 3200, 2))
    assert last < 2 * first
    (line,) = journal.ledger()
    assert line.refused == len(range(2, 200, 2)) + len(range(202, 3000, 2)) + len(range(3002, 3200, 2))
