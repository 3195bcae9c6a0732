"""One bad window in a message is refused alone: the others are stored, the device is let go, the account adds up."""

import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.ingest import Received, ingest
from collector.journal import Journal
from collector.values import LedgerLine
from edge_agent.wire.codec import encode
from edge_agent.wire.topics import topic_for
from tests.fakes.windows import BOOT_ID, FLEET, PI4, T0_UNIX_NS, make_batch

WINDOWS = topic_for(FLEET, PI4.device_id, "windows")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def spoiled(seqs: range, bad: set[int], *, last_seq: int | None = None, oldest_seq: int | None = None) -> bytes:
    """Return a batch in which the windows ``bad`` break a bound of this version."""
    batch: dict[str, Any] = json.loads(encode(make_batch(seqs, last_seq=last_seq, oldest_seq=oldest_seq)))
    for record in batch["records"]:
        if record["seq"] in bad:
            record["gap_s"] = -1.0
    return json.dumps(batch).encode()


def take(journal: Journal, payload: bytes) -> bool:
    with journal.transaction():
        return ingest(journal, Received(WINDOWS, payload, T0_UNIX_NS)) is not None


def only_line(journal: Journal) -> LedgerLine:
    (line,) = journal.ledger()
    return line


def stored(journal: Journal) -> list[int]:
    return sorted(row.window.seq for row in journal.rows_after(0, 10_000))


def test_one_bad_window_is_refused_alone_and_passed_by_the_high_water(journal: Journal) -> None:
    assert take(journal, spoiled(range(1, 6), {3}))
    assert stored(journal) == [1, 2, 4, 5]
    assert journal.high_waters(PI4.device_id) == {BOOT_ID: 5}
    line = only_line(journal)
    assert (line.sent, line.stored, line.refused, line.dropped, line.pending, line.missing) == (5, 4, 1, 0, 0, 0)
    assert line.adds_up
    ((topic, payload, reason, _),) = journal.dead_letters()
    assert topic == f"windows/{FLEET}/{PI4.device_id}/{BOOT_ID}/3"
    assert json.loads(payload)["seq"] == 3, "the window itself is kept, whole"
    assert "gap_s" in reason


def test_a_refused_window_that_comes_again_is_no_second_dead_letter(journal: Journal) -> None:
    for _ in range(3):
        assert take(journal, spoiled(range(1, 4), {2}))
    line = only_line(journal)
    assert (line.stored, line.refused, line.duplicates, line.dead_letters) == (2, 1, 4, 1)


def test_a_window_that_was_refused_and_comes_well_is_stored(journal: Journal) -> None:
    take(journal, spoiled(range(1, 4), {2}))
    take(journal, spoiled(range(2, 3), set(), oldest_seq=1, last_seq=3))
    line = only_line(journal)
    assert (line.stored, line.refused, line.missing) == (3, 0, 0)
    assert line.adds_up


def test_a_stored_window_that_comes_spoiled_stays_stored(journal: Journal) -> None:
    take(journal, spoiled(range(1, 4), set()))
    take(journal, spoiled(range(1, 4), {2}))
    line = only_line(journal)
    assert (line.stored, line.refused, line.dead_letters) == (3, 0, 0)


def test_a_window_without_a_number_stays_with_the_device(journal: Journal) -> None:
    batch = json.loads(encode(make_batch(range(1, 4))))
    batch["records"][1] = {"seq": "two"}
    assert take(journal, json.dumps(batch).encode())
    assert journal.high_waters(PI4.device_id) == {BOOT_ID: 1}
    line = only_line(journal)
    assert (line.stored, line.refused, line.pending, line.dead_letters) == (2, 0, 1, 1)


@pytest.mark.parametrize(
    "change",
    [{"schema_version": 2}, {"last_seq": 2}, {"device_id": "other"}, {"oldest_seq": 0}, {"records": 7}],
)
def test_an_envelope_that_is_at_fault_condemns_no_window(journal: Journal, change: dict[str, Any]) -> None:
    batch = json.loads(spoiled(range(1, 4), {2})) | change
    assert not take(journal, json.dumps(batch).encode())
    assert journal.ledger() == [], "nothing is acknowledged, the device keeps everything"


def test_what_is_too_long_is_not_taken_apart(journal: Journal) -> None:
    assert not take(journal, spoiled(range(1, 4), {2}) + b" " * 262_144)
    assert journal.ledger() == []


@given(bad=st.sets(st.integers(1, 40)), seed=st.integers(0, 2**32))
def test_messages_in_any_order_and_number_end_in_one_account(bad: set[int], seed: int) -> None:
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as directory, closing(Journal(Path(directory) / "j.sqlite3")) as journal:
        spans = [(first, min(41, first + draw.randint(1, 9))) for first in range(1, 41, 3)]
        spans += draw.choices(spans, k=5)
        draw.shuffle(spans)
        for first, end in spans:
            assert take(journal, spoiled(range(first, end), bad, oldest_seq=1, last_seq=40))
            assert only_line(journal).adds_up
        covered = {seq for first, end in spans for seq in range(first, end)}
        line = only_line(journal)
        assert stored(journal) == sorted(covered - bad)
        assert line.refused == len(covered & bad) == line.dead_letters
        assert line.pending == 40 - len(covered)
        held_back = min(set(range(1, 42)) - covered)
        assert journal.high_waters(PI4.device_id) == {BOOT_ID: held_back - 1}
