"""The ledger over the journals of collectors that share one fleet's messages, against one that had all of them."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import ledger
from collector.dead_letters import NewLetter
from collector.journal import Journal
from collector.values import FleetLedger, LedgerLine
from edge_agent.wire.codec import BadRecord
from edge_agent.wire.records import DroppedRange, WindowBatch
from tests.fakes.delivery import make_birth
from tests.fakes.windows import BOOT_ID, FLEET, JETSON, PI4, T0_UNIX_NS, make_batch

OF_THE_DEVICE = ("sent", "stored", "dropped", "refused", "pending", "missing")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Journal]]:
    with closing(Journal(tmp_path / "a.sqlite3")) as a, closing(Journal(tmp_path / "b.sqlite3")) as b:
        yield [a, b]


def read(journals: list[Journal], *, boots: bool = False) -> FleetLedger:
    with ExitStack() as snapshots:
        return ledger.read([snapshots.enter_context(journal.snapshot()) for journal in journals], boots=boots)


def only(journals: list[Journal]) -> LedgerLine:
    (line,) = read(journals).devices
    return line


def commit(journal: Journal, batch: WindowBatch, bad: tuple[BadRecord, ...] = ()) -> None:
    journal.commit_batch(FLEET, batch, T0_UNIX_NS, bad)


def drop(first_seq: int, last_seq: int) -> DroppedRange:
    return DroppedRange(first_seq=first_seq, last_seq=last_seq, reason="too_old")


def test_a_window_that_both_stored_counts_once_and_as_a_duplicate(pair: list[Journal]) -> None:
    a, b = pair
    commit(a, make_batch(range(1, 7), last_seq=10))
    commit(b, make_batch(range(5, 11), oldest_seq=5))
    commit(b, make_batch(range(9, 11), oldest_seq=5))
    line = only(pair)
    assert (line.sent, line.stored, line.duplicates, line.missing) == (10, 10, 2 + 2, 0)
    assert read(pair).adds_up
    assert not read([b]).adds_up, "alone the other's windows are missing"


def test_what_one_knows_of_drops_and_refusals_both_know(pair: list[Journal]) -> None:
    a, b = pair
    commit(a, make_batch(range(4, 6), last_seq=5, oldest_seq=4, dropped=(drop(1, 3),)))
    commit(a, make_batch(range(0), last_seq=6, oldest_seq=6), (BadRecord(6, b"{}", "no window"),))
    commit(b, make_batch(range(2, 3), oldest_seq=1, last_seq=9))
    line = only(pair)
    assert (line.sent, line.stored, line.dropped, line.refused, line.pending) == (9, 3, 2, 1, 3)
    assert line.adds_up


def test_a_hole_that_neither_can_fill_is_missing(pair: list[Journal]) -> None:
    a, b = pair
    commit(a, make_batch(range(1, 4), last_seq=9))
    commit(b, make_batch(range(8, 10), oldest_seq=8))
    line = only(pair)
    assert (line.sent, line.stored, line.missing, line.adds_up) == (9, 5, 4, False)


def test_the_birth_that_came_last_says_which_boots_are_held_whatever_its_stamp(pair: list[Journal]) -> None:
    a, b = pair
    commit(a, make_batch(range(1, 3), last_seq=5, boot_id="old"))
    a.put_birth(FLEET, make_birth(PI4.device_id, "old", ("old",)), 100)
    assert only(pair).pending == 3
    b.put_birth(FLEET, make_birth(PI4.device_id, "new", ("new",)), 101)
    assert (only(pair).pending, only(pair).missing) == (0, 3)
    a.put_birth(FLEET, make_birth(PI4.device_id, "new", ("new", "old")), 102)
    assert (only(pair).pending, only(pair).missing) == (3, 0)


def test_devices_and_letters_of_both(pair: list[Journal]) -> None:
    a, b = pair
    commit(a, make_batch(range(1, 3)))
    commit(b, make_batch(range(1, 3), profile=JETSON))
    b.add_dead_letter(NewLetter("t", b"{}", "why", 1, FLEET, PI4.device_id))
    a.add_dead_letter(NewLetter("t", b"{}", "why", 1))
    found = read(pair, boots=True)
    assert [(line.device_id, line.stored, line.dead_letters) for line in found.devices] == [
        (JETSON.device_id, 2, 0),
        (PI4.device_id, 2, 1),
    ]
    assert (found.total.stored, found.total.dead_letters, found.strangers) == (4, 2, 1)
    assert [boot.boot_id for line in found.devices for boot in line.boots or ()] == [BOOT_ID, BOOT_ID]


def test_what_is_stored_while_the_journals_are_read_is_not_taken_for_lost(pair: list[Journal], tmp_path: Path) -> None:
    """A window comes to A after A was looked at, the device lets it go, and B hears of that before B is looked at."""
    a, b = pair
    commit(a, make_batch(range(1, 4), last_seq=3))
    commit(b, make_batch(range(4, 6), oldest_seq=1, last_seq=5))
    before = ledger.progress([a._db, b._db])
    with closing(Journal(tmp_path / "a.sqlite3", read_only=True)) as reader, reader.snapshot() as old_a:
        assert len(ledger.read([old_a]).devices) == 1
        commit(a, make_batch(range(6, 8), oldest_seq=1))
        commit(b, make_batch(range(8, 9), oldest_seq=8))
        with b.snapshot() as new_b:
            assert ledger.read([old_a, new_b]).total.missing == 2
            found = ledger.read([old_a, new_b], before=before)
    assert (found.total.missing, found.total.pending, found.adds_up) == (0, 2, True)


def test_a_boot_that_only_one_journal_has_seen_yet_is_judged_by_what_was_known_before(
    pair: list[Journal], tmp_path: Path
) -> None:
    a, b = pair
    commit(b, make_batch(range(1, 2), boot_id="other"))
    before = ledger.progress([a._db, b._db])
    with closing(Journal(tmp_path / "b.sqlite3", read_only=True)) as reader, reader.snapshot() as old_b:
        assert len(ledger.read([old_b]).devices) == 1
        commit(b, make_batch(range(1, 4)))
        commit(a, make_batch(range(4, 5), oldest_seq=4))
        with a.snapshot() as new_a:
            assert ledger.read([old_b, new_a], before=before).total.missing == 0


@settings(max_examples=25)  # each makes four journals
@given(seed=st.integers(0, 2**32))
def test_however_messages_are_dealt_out_the_union_is_what_one_collector_would_say(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    source = random.Random(seed)
    directory = tmp_path_factory.mktemp("union")
    with ExitStack() as opened:
        one, *shared = [opened.enter_context(closing(Journal(directory / f"{name}.sqlite3"))) for name in "oabc"]
        with ExitStack() as transactions:  # one commit each, since each waits for the disk
            for journal in (one, *shared):
                transactions.enter_context(journal.transaction())
            for _ in range(12):
                first = source.randint(1, 30)
                batch = make_batch(
                    range(first, first + source.randint(0, 5)),
                    oldest_seq=source.randint(1, 12),
                    last_seq=40,
                    boot_id=source.choice(["one", "two"]),
                    dropped=(drop(low := source.randint(1, 15), low + 4),) if source.random() < 0.3 else (),
                )
                commit(one, batch)
                commit(source.choice(shared), batch)
        together, alone = only(shared), only([one])
        for field in OF_THE_DEVICE:
            assert getattr(together, field) == getattr(alone, field), (field, msgspec.json.encode(together))
        assert together.duplicates == alone.duplicates
