"""Replies to orders in the collector: taken once, acknowledged by name, folded into what became of each order."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from collector import replies
from collector.ingest import Received, ingest
from collector.journal import Journal
from collector.letter_replay import LetterReplay
from edge_agent.wire.codec import encode
from edge_agent.wire.orders import BlobRequest, CommandReply
from edge_agent.wire.topics import topic_for
from tests.fakes.order_replies import make_reply
from tests.fakes.windows import FLEET, T0_UNIX_NS

TOPIC = topic_for(FLEET, "pi4-01", "reply")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def take(journal: Journal, record: CommandReply | BlobRequest | bytes, topic: str = TOPIC) -> bool:
    payload = record if isinstance(record, bytes) else encode(record)
    with journal.transaction():
        return ingest(journal, Received(topic, payload, T0_UNIX_NS)) is not None


def stored(journal: Journal) -> list[tuple[str, str]]:
    with journal.snapshot() as db:
        return [(row.fleet, row.reply.reply_id) for row in replies.stored(db)]


def test_a_reply_is_stored_once_whatever_comes_again(journal: Journal) -> None:
    assert take(journal, make_reply("accepted"))
    assert take(journal, make_reply("done"))
    assert take(journal, make_reply("accepted"))
    assert take(journal, make_reply("done"), topic_for("another-fleet", "pi4-01", "reply"))
    assert stored(journal) == [("another-fleet", "bench-1.done"), (FLEET, "bench-1.accepted"), (FLEET, "bench-1.done")]
    with journal.snapshot() as db:
        assert replies.counts(db) == {("bench", "accepted"): 1, ("bench", "done"): 2}
    assert journal.dead_letters() == []
    assert [state.fleet for state in journal.devices()] == ["another-fleet", FLEET]


def test_of_a_running_orders_progress_the_latest_is_kept(journal: Journal) -> None:
    for progress_ratio in (0.2, 0.6, None):
        take(journal, msgspec.structs.replace(make_reply("running"), progress_ratio=progress_ratio))
        take(journal, msgspec.structs.replace(make_reply("done"), progress_ratio=progress_ratio))
    with journal.snapshot() as db:
        assert [row.reply.progress_ratio for row in replies.stored(db)] == [0.6, 0.2]


def test_the_latest_64_are_acknowledged_and_one_that_comes_again_is_among_them(journal: Journal) -> None:
    for number in range(70):
        take(journal, make_reply("done", f"o-{number}"))
    assert journal.reply_ids(FLEET, "pi4-01") == tuple(f"o-{number}.done" for number in range(69, 5, -1))
    take(journal, make_reply("done", "o-3"))
    assert journal.reply_ids(FLEET, "pi4-01")[:2] == ("o-3.done", "o-69.done")
    assert journal.reply_ids("another-fleet", "pi4-01") == ()


def effort(journal: Journal) -> int:
    """Return how much SQLite does to store one more reply and to say what is stored."""
    steps = [0]

    def count() -> None:
        steps[0] += 1

    with journal.transaction() as db:
        db.set_progress_handler(count, 10)
        journal.put_reply(FLEET, make_reply("done", "one-more"), T0_UNIX_NS)
        journal.reply_ids(FLEET, "pi4-01")
        db.set_progress_handler(None, 0)
    return steps[0]


def test_what_a_device_said_in_years_does_not_slow_down_what_it_says_now(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with closing(Journal(path)) as journal, journal.transaction() as db:
        for number in range(100):
            journal.put_reply(FLEET, make_reply("done", f"o-{number}"), T0_UNIX_NS)
        db.execute("DROP INDEX replies_by_touch")
    with closing(Journal(path)) as journal:  # as an earlier version left it
        few = effort(journal)
        with journal.transaction():
            for number in range(100, 2000):
                journal.put_reply(FLEET, make_reply("done", f"o-{number}"), T0_UNIX_NS)
        assert effort(journal) < 1.5 * few


def test_what_names_a_reply_but_is_none_is_one_dead_letter_and_need_not_come_again(journal: Journal) -> None:
    bad = encode(make_reply("done")).replace(b'"synchronised"', b'"roughly"')
    for _ in range(3):
        assert take(journal, bad)
    ((topic, payload, reason, _),) = journal.dead_letters()
    assert (topic, payload) == (TOPIC, bad)
    assert "clock_state" in reason
    assert journal.reply_ids(FLEET, "pi4-01") == ("bench-1.done",)
    assert stored(journal) == []
    assert take(journal, make_reply("done")), "a valid one takes its place"
    assert stored(journal) == [(FLEET, "bench-1.done")]


@pytest.mark.parametrize("fault", ["no_json", "other_device", "other_version", "other_device_and_bad"])
def test_what_cannot_be_told_apart_is_a_dead_letter_and_not_acknowledged(journal: Journal, fault: str) -> None:
    payload = encode(make_reply("done"))
    if fault == "no_json":
        payload = payload[:-5]
    elif fault == "other_version":
        payload = payload.replace(b'"schema_version":1', b'"schema_version":2')
    else:
        payload = payload.replace(b'"pi4-01"', b'"liar"')
    if fault == "other_device_and_bad":
        payload = payload.replace(b'"synchronised"', b'"roughly"')
    assert not take(journal, payload)
    assert len(journal.dead_letters()) == 1
    assert journal.reply_ids(FLEET, "pi4-01") == journal.reply_ids(FLEET, "liar") == ()


def test_a_dead_letter_of_a_reply_can_be_tried_again(journal: Journal) -> None:
    with journal.transaction() as db:
        assert not take(journal, make_reply("done"), TOPIC.replace("pi4-01", "liar"))
        db.execute("UPDATE dead_letters SET topic = ?", (TOPIC,))
        ((letter_id,),) = db.execute("SELECT id FROM dead_letters").fetchall()
    assert LetterReplay(journal, {}).run([letter_id]).outcomes["accepted"] == 1
    assert stored(journal) == [(FLEET, "bench-1.done")]


def test_what_a_device_fetches_is_looked_at_and_not_kept(journal: Journal) -> None:
    topic = topic_for(FLEET, "pi4-01", "fetch")
    request = BlobRequest(device_id="pi4-01", sha256="0" * 64, offset=0)
    assert take(journal, request, topic)
    assert journal.dead_letters() == []
    assert not take(journal, request, topic.replace("pi4-01", "liar"))
    assert not take(journal, encode(request).replace(b'"offset":0', b'"offset":-1'), topic)
    assert len(journal.dead_letters()) == 2


def test_a_journal_of_an_earlier_version_gets_its_table_and_a_reader_does_without(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    Journal(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE replies")
        db.commit()
    with closing(Journal(path, read_only=True)) as reader:
        assert stored(reader) == []
    with closing(Journal(path)) as journal:
        assert take(journal, make_reply("done"))
        assert len(stored(journal)) == 1
