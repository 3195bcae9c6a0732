"""Senders whose numbers and words are beyond reason: refused, or stored without filling memory, and never a crash."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collector import dead_letters, ingest, window_rows
from collector.dead_letters import MAX_WORDS, NewLetter, Wanted
from collector.ingest import Received
from collector.journal import Journal
from collector.sinks.hourly import HourlySink
from collector.sinks.influx_writing import STORED, Answer
from collector.sinks.lake import LakeSink
from collector.sinks.line_protocol import LineEncoder
from edge_agent.wire.codec import encode
from edge_agent.wire.topics import topic_for
from tests.fakes.windows import FLEET, PI4, T0_UNIX_NS, make_batch, make_stored

WINDOWS = topic_for(FLEET, PI4.device_id, "windows")


class Taker:
    """A store that takes all."""

    def post(self, body: bytes) -> Answer:
        assert body
        return STORED

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def batch_with(**fields: Any) -> bytes:
    """Return three windows, the second of them with ``fields``."""
    batch = json.loads(encode(make_batch(range(1, 4))))
    runtime = batch["records"][1]["runtime"] | fields.pop("runtime", {})
    batch["records"][1] |= {**fields, "runtime": runtime}
    return json.dumps(batch).encode()


def take(journal: Journal, payload: bytes) -> None:
    with journal.transaction():
        ingest.ingest(journal, Received(WINDOWS, payload, T0_UNIX_NS))


@pytest.mark.parametrize("number", [2**41, 2**63, 2**64, 10**30])
@pytest.mark.parametrize("name", ["inference_count", "frame_error_count", "threads"])
def test_a_number_that_no_store_can_hold_is_refused_alone(
    journal: Journal, tmp_path: Path, name: str, number: int
) -> None:
    take(journal, batch_with(**({"runtime": {name: number}} if name == "threads" else {name: number})))
    rows = journal.rows_after(0, 10)
    assert [row.window.seq for row in rows] == [1, 3]
    assert len(journal.dead_letters()) == 1
    assert LakeSink(tmp_path / "lake").write(rows).accepted == 2
    assert HourlySink(journal, "0" * 16, Taker()).write(rows).accepted == 2


def test_the_largest_numbers_go_into_every_store(journal: Journal, tmp_path: Path) -> None:
    take(journal, batch_with(inference_count=2**40, frame_error_count=2**40, runtime={"threads": 2**31 - 1}))
    rows = journal.rows_after(0, 10)
    assert len(rows) == 3
    assert LakeSink(tmp_path / "lake").write(rows).accepted == 3
    assert HourlySink(journal, "0" * 16, Taker()).write(rows).accepted == 3


def test_huge_windows_are_read_a_few_at_a_time(journal: Journal) -> None:
    take(journal, batch_with(governor="g" * 5000))
    seen: list[list[int]] = []
    with journal.snapshot() as db:
        while rows := window_rows.after(db, sum(map(len, seen)), 10, read_bytes=4000, call_bytes=4000):
            seen.append([row.window.seq for row in rows])
        whole = window_rows.after(db, 0, 10, read_bytes=1)
    assert seen == [[1, 2], [3]], "one window at least, and no more once it is enough"
    assert [row.window.seq for row in whole] == [1, 2, 3]


def test_huge_words_of_windows_are_not_remembered() -> None:
    encoder = LineEncoder()
    for seq in range(1, 4):
        line = encoder.encode(make_stored(seq, governor=str(seq) * 100_000))
        assert f'governor="{str(seq) * 100_000}"' in line
    assert not encoder._templates
    encoder.encode(make_stored(4))
    assert encoder._templates


def test_a_huge_topic_is_not_remembered_and_its_letter_is_short(journal: Journal) -> None:
    topic = f"edgejoule/v1/{FLEET}/{'d' * 60_000}/windows"
    remembered = ingest._parse.cache_info().currsize
    with journal.transaction() as db:
        assert ingest.ingest(journal, Received(topic, batch_with(), T0_UNIX_NS)) is None
        (letter,) = dead_letters.letters(db, dead_letters.ids(db, Wanted()))
    assert ingest._parse.cache_info().currsize == remembered
    assert (len(letter.topic), letter.device_id) == (MAX_WORDS, "")
    assert len(letter.reason) < MAX_WORDS + 10
    assert "the topic of" in letter.reason


def test_a_long_reason_keeps_both_ends(journal: Journal) -> None:
    with journal.transaction() as db:
        dead_letters.add(db, NewLetter("topic", b"", "first " + "x" * 100_000 + " last", T0_UNIX_NS))
        (letter,) = dead_letters.letters(db, dead_letters.ids(db, Wanted()))
    assert letter.reason.startswith("first x")
    assert letter.reason.endswith("x last")
    assert len(letter.reason) < MAX_WORDS + 10
