"""The list of dead letters: bounded, whole, and nothing leaves it uncounted. Real SQLite files."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import dead_letters
from collector.dead_letters import LetterCounts, NewLetter, Wanted
from collector.journal import Journal
from edge_agent.wire.records import MAX_PAYLOAD_BYTES
from tests.fakes.windows import FLEET, JETSON, PI4, T0_UNIX_NS, make_batch

TOPIC = f"edgejoule/v1/{FLEET}/{PI4.device_id}/windows"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        journal.commit_batch(FLEET, make_batch(range(1, 3)), T0_UNIX_NS)
        yield journal


def letter(
    number: int, payload: bytes = b"{}", reason: str = "bad", device_id: str = PI4.device_id, topic: str = TOPIC
) -> NewLetter:
    return NewLetter(topic, payload, reason, T0_UNIX_NS + number, FLEET, device_id)


def test_a_letter_is_kept_whole_up_to_what_a_replay_needs(journal: Journal) -> None:
    payload = bytes(range(256)) * 1024
    assert len(payload) == MAX_PAYLOAD_BYTES
    with journal.transaction() as db:
        dead_letters.add(db, letter(1, payload))
        dead_letters.add(db, letter(2, payload + b"!"))
        whole, cut = dead_letters.letters(db, dead_letters.ids(db, Wanted()))
    assert (whole.payload, whole.cut, whole.full_bytes) == (payload, False, MAX_PAYLOAD_BYTES)
    assert (cut.payload, cut.cut, cut.full_bytes) == (payload, True, MAX_PAYLOAD_BYTES + 1)


@pytest.mark.parametrize(("max_letters", "max_bytes"), [(3, 10**6), (10**6, 30)])
def test_the_oldest_make_room_and_are_counted(journal: Journal, max_letters: int, max_bytes: int) -> None:
    with journal.transaction() as db:
        for number in range(7):
            dead_letters.add(db, letter(number, b"0123456789"), max_letters, max_bytes)
        found = list(dead_letters.letters(db, dead_letters.ids(db, Wanted())))
        assert [one.t_unix_ns - T0_UNIX_NS for one in found] == [4, 5, 6]
        assert dead_letters.counts(db) == {(FLEET, PI4.device_id): LetterCounts(kept=3, evicted=4)}
        assert dead_letters.kept_bytes(db) == 30
    (line,) = journal.ledger()
    assert (line.dead_letters, line.letters_evicted) == (3, 4)


def test_what_strangers_send_has_one_count(journal: Journal) -> None:
    with journal.transaction() as db:
        for number in range(20):
            dead_letters.add(db, letter(number, device_id=f"stranger-{number}"), 5)
        assert dead_letters.counts(db)["", ""].evicted == 15
    (line,) = journal.ledger()
    assert (line.dead_letters, line.letters_evicted) == (0, 0)


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Wanted(), [0, 1, 2, 3]),
        (Wanted(device_id=JETSON.device_id), [1]),
        (Wanted(reason="WRONG"), [1, 2]),
        (Wanted(since_unix_ns=T0_UNIX_NS + 2), [2, 3]),
        (Wanted(kind="row"), [3]),
        (Wanted(kind="window"), [2]),
        (Wanted(ids=(2, 4, 99)), [1, 3]),
        (Wanted(reason="%"), []),
        (Wanted(reason="wrong", since_unix_ns=T0_UNIX_NS + 2, kind="window", device_id=PI4.device_id), [2]),
    ],
)
def test_filters(journal: Journal, wanted: Wanted, numbers: list[int]) -> None:
    with journal.transaction() as db:
        dead_letters.add(db, letter(0, reason="no schema"))
        dead_letters.add(db, letter(1, reason="a wrong device", device_id=JETSON.device_id))
        dead_letters.add(db, letter(2, reason="Wrong type", topic=f"windows/{FLEET}/{PI4.device_id}/b/7"))
        dead_letters.add(db, letter(3, topic=f"sink/influxdb/{FLEET}/{PI4.device_id}/b/8"))
        found = dead_letters.letters(db, dead_letters.ids(db, wanted))
        assert [one.t_unix_ns - T0_UNIX_NS for one in found] == numbers
        assert dead_letters.counts_by_kind(db) == {"message": 2, "window": 1, "row": 1}


@settings(max_examples=40)
@given(
    steps=st.lists(
        st.one_of(
            st.integers(0, 40).map(lambda size: ("add", size)),
            st.sampled_from(["dropped", "replayed"]).map(lambda fate: (fate, 0)),
        ),
        max_size=40,
    )
)
def test_whatever_happens_every_letter_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[dead_letters.Fate | str, int]]
) -> None:
    path = tmp_path_factory.mktemp("letters") / "journal.sqlite3"
    added = 0
    with closing(Journal(path)) as journal, journal.transaction() as db:
        for what, size in steps:
            if what == "add":
                dead_letters.add(db, letter(added, b"x" * size), 6, 90)
                added += 1
            elif found := dead_letters.ids(db, Wanted()):
                dead_letters.remove(db, found[0], "dropped" if what == "dropped" else "replayed")
        held = list(dead_letters.letters(db, dead_letters.ids(db, Wanted())))
        assert sum(map(sum, dead_letters.counts(db).values())) == added
        assert dead_letters.kept_bytes(db) == sum(len(one.payload) for one in held) <= 90
        assert len(held) <= 6


def as_an_older_version_left_it(path: Path) -> None:
    with closing(Journal(path)) as journal:
        journal.commit_batch(FLEET, make_batch(range(1, 3)), T0_UNIX_NS)
    with closing(sqlite3.connect(path)) as db:
        for name in (*dead_letters.TABLES, "births", "notes"):
            db.execute(f"DROP TABLE {name}")
        for name in ("letter_comes", "letter_goes"):
            db.execute(f"DROP TRIGGER {name}")
        for topic, size in (
            (TOPIC, 65_536),
            (f"windows/{FLEET}/{PI4.device_id}/b/1", 4),
            (f"sink/influxdb/bench/{FLEET}/{PI4.device_id}/bench-1", 5),
        ):
            db.execute(
                "INSERT INTO dead_letters (t_unix_ns, topic, device_id, payload, reason) VALUES (?, ?, ?, ?, ?)",
                (T0_UNIX_NS, topic, PI4.device_id, b"x" * size, "old"),
            )
        db.commit()


@pytest.mark.parametrize("read_only", [True, False])
def test_an_older_versions_list_is_taken_over(path: Path, *, read_only: bool) -> None:
    as_an_older_version_left_it(path)
    for _ in range(2):
        with closing(Journal(path, read_only=read_only)) as journal, journal.snapshot() as db:
            found = list(dead_letters.letters(db, dead_letters.ids(db, Wanted())))
            assert [(one.kind, one.fleet, one.full_bytes) for one in found] == [
                ("message", FLEET, None),
                ("window", FLEET, 4),
                ("row", FLEET, 5),
            ]
            assert dead_letters.kept_bytes(db) == 65_545
            (line,) = journal.ledger()
            assert line.dead_letters == 3


def test_an_older_version_may_write_to_a_newer_file(journal: Journal, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "INSERT INTO dead_letters (t_unix_ns, topic, device_id, payload, reason) VALUES (1, 't', '', x'00', 'r')"
        )
        db.commit()
    journal.close()
    with closing(Journal(path)) as again, again.snapshot() as db:
        assert dead_letters.counts_by_kind(db)["message"] == 1
        assert dead_letters.kept_bytes(db) == 1
