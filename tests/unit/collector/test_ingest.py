"""From bytes to the journal: every message is stored or becomes a dead letter, and nothing else happens."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.ingest import Received, ingest
from collector.journal import Journal
from edge_agent.wire.codec import WireRecord, encode
from edge_agent.wire.records import DroppedRange, Status
from edge_agent.wire.topics import UP_CHANNELS, topic_for
from tests.fakes.delivery import make_birth
from tests.fakes.windows import BOOT_ID, FLEET, T0_UNIX_NS, make_batch

NOW = T0_UNIX_NS + 10**15
WINDOWS = topic_for(FLEET, "pi4-01", "windows")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def only_reason(journal: Journal) -> str:
    ((_, _, reason, _),) = journal.dead_letters()
    return reason


def take(journal: Journal, topic: str, record: WireRecord | bytes, *, retained: bool = False) -> bool:
    payload = record if isinstance(record, bytes) else encode(record)
    with journal.transaction():
        return ingest(journal, Received(topic, payload, NOW, retained)) is not None


def test_good_records_are_stored(journal: Journal) -> None:
    assert take(journal, WINDOWS, make_batch(range(1, 3)))
    assert take(journal, topic_for(FLEET, "pi4-01", "birth"), make_birth("pi4-01", BOOT_ID))
    (state,) = journal.devices()
    assert state.birth == make_birth("pi4-01", BOOT_ID)
    assert state.last_seen_unix_ns == NOW
    assert journal.last_row_id() == 2
    assert journal.dead_letters() == []


def test_what_the_broker_had_kept_says_nothing_about_now(journal: Journal) -> None:
    assert take(journal, topic_for(FLEET, "pi4-01", "birth"), make_birth("pi4-01", BOOT_ID), retained=True)
    (state,) = journal.devices()
    assert state.last_seen_unix_ns == T0_UNIX_NS


@pytest.mark.parametrize(
    ("topic", "record", "words"),
    [
        (topic_for(FLEET, "other", "windows"), make_batch(range(1, 2)), "the payload is of device 'pi4-01'"),
        (
            topic_for(FLEET, "other", "status"),
            Status(device_id="pi4-01", boot_id="b", online=True, t_unix_ns=0),
            "the payload is of device 'pi4-01'",
        ),
        (topic_for("a fleet", "pi4-01", "windows"), make_batch(range(1, 2)), "fleet 'a fleet'"),
        (WINDOWS, b"garbage", "no schema_version"),
        (WINDOWS, b'{"schema_version":1}', "missing required field"),
        (topic_for(FLEET, "pi4-01", "bench"), b"{}", "no schema_version in the payload"),
        ("edgejoule/v9/lab/pi4-01/windows", make_batch(range(1, 2)), "is not edgejoule/v1"),
        (WINDOWS, make_batch(range(1, 2), last_seq=0, oldest_seq=1), "window 1 is above last_seq 0"),
        (WINDOWS, make_batch(range(1, 2), oldest_seq=9), "oldest_seq 9 is above last_seq 1"),
        (
            WINDOWS,
            make_batch(range(5, 6), dropped=(DroppedRange(first_seq=3, last_seq=2, reason="too_old"),)),
            "dropped range 3..2",
        ),
        (
            WINDOWS,
            make_batch(range(5, 6), dropped=(DroppedRange(first_seq=3, last_seq=9, reason="too_old"),)),
            "dropped range 3..9",
        ),
    ],
)
def test_bad_messages_become_dead_letters_with_the_reason(
    journal: Journal, topic: str, record: WireRecord | bytes, words: str
) -> None:
    assert not take(journal, topic, record)
    ((kept_topic, payload, reason, t_unix_ns),) = journal.dead_letters()
    assert words in reason
    assert (kept_topic, t_unix_ns) == (topic, NOW)
    assert payload == (record if isinstance(record, bytes) else encode(record))
    assert journal.last_row_id() == 0
    assert journal.devices() == []


def test_a_bad_message_leaves_the_good_ones_of_its_transaction_alone(journal: Journal) -> None:
    with journal.transaction():
        for payload in (encode(make_batch(range(1, 2))), b"garbage", encode(make_batch(range(2, 3)))):
            ingest(journal, Received(WINDOWS, payload, NOW))
    (line,) = journal.ledger()
    assert (line.stored, line.dead_letters) == (2, 1)


GOOD = json.loads(encode(make_batch(range(1, 3))))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    messages=st.lists(
        st.tuples(
            st.sampled_from([topic_for(FLEET, "pi4-01", channel) for channel in UP_CHANNELS]) | st.text(max_size=20),
            st.binary(max_size=40)
            | st.tuples(st.sampled_from([*GOOD, *GOOD["records"][0]]), json_values).map(
                lambda change: json.dumps(GOOD | {change[0]: change[1]}).encode()
            )
            | st.tuples(st.sampled_from([*GOOD["records"][0]]), json_values).map(
                lambda change: json.dumps(
                    GOOD | {"records": [GOOD["records"][0] | {change[0]: change[1]}, GOOD["records"][1]]}
                ).encode()
            ),
        ),
        max_size=5,
    )
)
def test_whatever_comes_the_journal_goes_on(messages: list[tuple[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as directory, closing(Journal(Path(directory) / "j.sqlite3")) as journal:
        taken = sum(take(journal, topic, payload) for topic, payload in messages)
        assert taken + len(journal.dead_letters()) >= len(messages)
        assert all(line.adds_up for line in journal.ledger())
        assert take(journal, WINDOWS, make_batch(range(1, 3)))
        assert {row.window.seq for row in journal.rows_after(0, 100)} >= {1, 2}
