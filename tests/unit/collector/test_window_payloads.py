"""A window lies in the journal as it came, with what this version does not know, if it can surely be read again."""

import json
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collector.ingest import Received, ingest
from collector.journal import MAX_ARRIVALS, Journal
from edge_agent.wire.codec import encode
from edge_agent.wire.topics import topic_for
from tests.fakes.windows import FLEET, JETSON, PI4, T0_UNIX_NS, make_batch

WINDOWS = topic_for(FLEET, PI4.device_id, "windows")


def changed(**fields: Any) -> bytes:
    batch = json.loads(encode(make_batch(range(1, 3))))
    batch["records"][0] |= fields
    return json.dumps(batch, ensure_ascii=False).encode()


def take(journal: Journal, *payloads: bytes) -> None:
    with journal.transaction():
        for payload in payloads:
            assert ingest(journal, Received(WINDOWS, payload, T0_UNIX_NS)) is not None


def kept(journal: Journal, path: Path) -> list[dict[str, Any]]:
    """Return the payloads of the file, after they were read as a store gets them."""
    with closing(Journal(path, read_only=True)) as reader, reader.snapshot() as db:
        assert reader.rows_after(0, 100) == journal.rows_after(0, 100)
        assert [row.window.seq for row in reader.rows_after(0, 100)] == [1, 2]
        return [json.loads(payload) for (payload,) in db.execute("SELECT payload FROM windows ORDER BY row_id")]


@pytest.mark.parametrize(
    "value", [7, 'text with \u0000 and é and \\ and "', [1, [2, [3]]], {"inner": {"x": None}}, "[[[" * 5, " | "]
)
def test_what_nobody_knows_is_kept(journal: Journal, path: Path, value: object) -> None:
    take(journal, changed(of_tomorrow=value))
    assert kept(journal, path)[0]["of_tomorrow"] == value


def test_what_is_just_flat_enough_can_be_read(journal: Journal, path: Path) -> None:
    take(journal, changed(of_tomorrow="HERE").replace(b'"HERE"', b"[" * 400 + b"]" * 400))
    assert "of_tomorrow" in kept(journal, path)[0]


@pytest.mark.parametrize("depth", [500, 900, 20_000])
def test_what_is_nested_without_end_is_not_kept(journal: Journal, path: Path, depth: int) -> None:
    payload = changed(of_tomorrow="HERE").replace(b'"HERE"', b"[" * depth + b"]" * depth)
    with journal.transaction():
        ingest(journal, Received(WINDOWS, payload, T0_UNIX_NS))
    if journal.dead_letters():
        assert journal.last_row_id() <= 1, "too deep to be taken apart at all"
        return
    assert "of_tomorrow" not in kept(journal, path)[0]


def test_messages_of_one_transaction_are_one_account(journal: Journal) -> None:
    batches = [make_batch(range(first, first + 3), oldest_seq=1, last_seq=30) for first in (1, 10, 4, 1, 7)]
    take(journal, *map(encode, batches))
    (line,) = journal.ledger()
    assert (line.stored, line.duplicates, line.pending, line.missing) == (12, 3, 18, 0)
    assert list(journal.high_waters(PI4.device_id).values()) == [12]


def test_a_transaction_sees_what_it_wrote_and_others_do_not(journal: Journal, path: Path) -> None:
    with closing(Journal(path, read_only=True)) as other, journal.transaction():
        ingest(journal, Received(WINDOWS, encode(make_batch(range(1, 4))), T0_UNIX_NS))
        assert [row.window.seq for row in journal.rows_after(0, 10)] == [1, 2, 3]
        assert other.last_row_id() == 0
    assert journal.last_row_id() == 3


def test_more_windows_than_are_written_at_once_are_one_transaction(journal: Journal) -> None:
    count = MAX_ARRIVALS + 130
    spans = [range(first, min(first + 60, count + 1)) for first in range(1, count + 1, 60)]
    with pytest.raises(RuntimeError, match="the end"), journal.transaction():  # noqa: PT012
        for span in spans:
            ingest(journal, Received(WINDOWS, encode(make_batch(span)), T0_UNIX_NS))
        raise RuntimeError("the end")
    assert (journal.last_row_id(), journal.ledger()) == (0, [])
    take(journal, *(encode(make_batch(span)) for span in spans))
    assert [row.window.seq for row in journal.rows_after(0, 2 * count)] == list(range(1, count + 1))
    assert journal.rows_after(count - 2, 1)[0].row_id == count - 1


def test_names_of_every_length_lie_side_by_side(journal: Journal) -> None:
    names = ["a", "b" * 64, "pi4-01", "with.dots_and-dashes"]
    with journal.transaction():
        for name in names:
            payload = json.loads(encode(make_batch(range(1, 3), profile=JETSON))) | {
                "device_id": name,
                "boot_id": name[::-1],
            }
            ingest(journal, Received(topic_for(FLEET, name, "windows"), json.dumps(payload).encode(), T0_UNIX_NS))
    assert [(row.device_id, row.boot_id, row.window.seq) for row in journal.rows_after(0, 100)] == [
        (name, name[::-1], seq) for name in names for seq in (1, 2)
    ]


def test_an_open_transaction_holds_up_no_store_that_reads(journal: Journal) -> None:
    take(journal, encode(make_batch(range(1, 4))))
    read: list[tuple[int, int, int]] = []

    def read_as_a_pump_does() -> None:
        read.append((len(journal.rows_after(0, 10)), journal.count_after(0, 10), journal.cursor("lake")))

    with journal.transaction():
        journal.set_cursor("lake", 3)
        ingest(journal, Received(WINDOWS, encode(make_batch(range(4, 9))), T0_UNIX_NS))
        thread = threading.Thread(target=read_as_a_pump_does)
        thread.start()
        thread.join(30)
        assert read == [(3, 3, 0)], "what was committed before, and at once"
    assert journal.cursor("lake") == 3
