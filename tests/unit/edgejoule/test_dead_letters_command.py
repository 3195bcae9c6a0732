"""``edgejoule collector dead-letters`` over a journal on disk that a collector has open."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from collector.config import journal_path
from collector.dead_letters import NewLetter
from collector.ingest import Received, ingest
from collector.journal import Journal
from edge_agent.wire.codec import encode
from edgejoule.cli import main
from tests.fakes.benches import make_bench
from tests.fakes.delivery import make_birth
from tests.fakes.windows import BOOT_ID, FLEET, PI4, T0_UNIX_NS, make_batch, make_window

DEVICE = PI4.device_id
EVIL = b'\x1b[2J\x1b]0;owned\x07{"schema_version":9}\xff'


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Stay open as a collector's does, while the commands run."""
    with closing(Journal(journal_path(tmp_path))) as journal:
        yield journal


def take(journal: Journal, channel: str, payload: bytes, t_unix_ns: int = T0_UNIX_NS) -> None:
    with journal.transaction():
        ingest(journal, Received(f"edgejoule/v1/{FLEET}/{DEVICE}/{channel}", payload, t_unix_ns))


def run(tmp_path: Path, *words: str) -> int:
    return main(["collector", "dead-letters", words[0], "--state-dir", str(tmp_path), *words[1:]])


def listed(tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert run(tmp_path, "list", "--json", *words) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["letters"]
    return found


def bad_window(journal: Journal) -> bytes:
    """Commit a batch of which window 2 is spoiled, and return it as it should have been."""
    good = make_batch(range(1, 4))
    spoiled = encode(good).replace(b'"seq":2,', b'"seq":2,"duration_s":-1,', 1)
    assert spoiled != encode(good)
    take(journal, "windows", spoiled)
    return msgspec.json.encode(make_window(2))


def heal(journal: Journal, payload: bytes) -> None:
    """Let the letters hold what a newer version can read."""
    with journal.transaction() as db:
        db.execute("UPDATE dead_letters SET payload = ?", (payload,))
        db.execute("UPDATE letter_details SET full_bytes = ?", (len(payload),))


def test_what_a_stranger_sent_is_shown_without_harm(
    journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    take(journal, "windows", EVIL)
    assert run(tmp_path, "list") == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert f"{FLEET}/{DEVICE}" in shown
    (letter,) = listed(tmp_path, capsys)
    assert (letter["kept_bytes"], letter["full_bytes"], letter["cut"]) == (len(EVIL), len(EVIL), False)
    assert "\\x1b[2J" in str(letter["excerpt"])


def test_show_gives_every_byte(journal: Journal, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    take(journal, "windows", EVIL)
    assert run(tmp_path, "show", "1") == 0
    out, err = capfdbinary.readouterr()
    assert out == EVIL
    assert b"\x1b" not in err
    assert run(tmp_path, "show", "1", "--output", str(tmp_path / "letter")) == 0
    assert (tmp_path / "letter").read_bytes() == EVIL


def test_a_window_that_can_be_read_now_is_stored_and_leaves_the_list(
    journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = bad_window(journal)
    assert run(tmp_path, "replay", "--all") == 1, "it is still no window"
    assert "1 refused again" in capsys.readouterr().out
    heal(journal, good)
    assert run(tmp_path, "replay", "--kind", "window", "--dry-run") == 0
    assert "would be: 1 accepted" in capsys.readouterr().out
    assert len(listed(tmp_path, capsys)) == 1
    assert run(tmp_path, "replay", "1") == 0
    assert listed(tmp_path, capsys) == []
    (line,) = journal.ledger()
    assert (line.stored, line.refused, line.letters_replayed, line.adds_up) == (3, 0, 1, True)
    assert [row.window for row in journal.rows_after(0, 9) if row.window.seq == 2] == [make_window(2)]
    assert journal.high_waters(DEVICE) == {BOOT_ID: 3}


def test_a_message_that_is_refused_again_stays_with_the_new_reason(
    journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take(journal, "windows", b"{}")
    heal(journal, b'{"schema_version":7}')
    assert run(tmp_path, "replay", "--device", DEVICE) == 1
    (letter,) = listed(tmp_path, capsys)
    assert "schema_version" in str(letter["reason"])
    assert "Invalid enum value 7" in str(letter["reason"])
    heal(journal, encode(make_batch(range(1, 61))))
    assert run(tmp_path, "replay", "--reason", "ENUM") == 0
    (line,) = journal.ledger()
    assert (line.stored, line.dead_letters, line.letters_replayed) == (60, 0, 1)


def test_a_bench_that_was_refused_is_taken_when_it_can_be_read(
    journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = make_bench("b-1")
    good = encode(bench)
    take(journal, "bench", good.replace(b'"load_s":', b'"load_s":-'))
    assert len(listed(tmp_path, capsys)) == 1
    assert run(tmp_path, "replay", "--all") == 1, "still no bench: it must not be lost"
    assert len(listed(tmp_path, capsys)) == 1
    heal(journal, good)
    assert run(tmp_path, "replay", "--all") == 0
    assert [row.bench for row in journal.benches_after(0, 9)] == [bench]


def test_an_old_birth_does_not_come_back(journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    take(journal, "birth", b"{}", T0_UNIX_NS)
    take(journal, "birth", encode(make_birth(DEVICE, "new")), T0_UNIX_NS + 5)
    heal(journal, encode(make_birth(DEVICE, "old")))
    assert run(tmp_path, "replay", "--all") == 0
    assert "newer ones of their devices are known" in capsys.readouterr().out
    (state,) = journal.devices()
    assert state.birth is not None
    assert state.birth.boot_id == "new"


def test_many_letters_of_all_kinds_in_one_go(
    journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What one letter brings stays, whatever becomes of those beside it."""
    journal.put_birth(FLEET, make_birth(DEVICE, "new"), T0_UNIX_NS + 10**9)
    for number in range(150):
        take(journal, "windows", b"{}" if number % 3 else b"[]")
        take(journal, "birth", b"{}")
    with journal.transaction() as db:
        for number in range(150):
            payload = encode(make_batch(range(number * 10 + 1, number * 10 + 11), oldest_seq=1, last_seq=1500))
            db.execute("UPDATE dead_letters SET payload = ? WHERE id = ?", (payload, 2 * number + 1))
            db.execute(
                "UPDATE dead_letters SET payload = ? WHERE id = ?",
                (encode(make_birth(DEVICE, "old")) if number % 2 else b"{}", 2 * number + 2),
            )
        db.execute(
            "UPDATE letter_details SET full_bytes = (SELECT length(payload) FROM dead_letters d "
            "WHERE d.id = letter_details.id)"
        )
    assert run(tmp_path, "replay", "--all") == 1
    (line,) = journal.ledger()
    assert (line.stored, line.sent, line.letters_replayed, line.dead_letters) == (1500, 1500, 150 + 75, 75)
    assert line.adds_up
    (state,) = journal.devices()
    assert state.birth is not None
    assert state.birth.boot_id == "new"


def test_a_row_needs_its_store(journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal.commit_batch(FLEET, make_batch(range(1, 2)), T0_UNIX_NS)
    topic = f"sink/influxdb/{FLEET}/{DEVICE}/{BOOT_ID}/1"
    payload = msgspec.json.encode(make_window(1))
    journal.add_dead_letter(NewLetter(topic, payload, "type conflict", 1, FLEET, DEVICE, sink="influxdb"))
    assert run(tmp_path, "replay", "--all") == 1
    assert "no store 'influxdb' is configured" in capsys.readouterr().out
    assert len(listed(tmp_path, capsys)) == 1


def test_dropping_asks_and_counts(journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        take(journal, "windows", b"{}")
    journal.commit_batch(FLEET, make_batch(range(1, 2)), T0_UNIX_NS)
    assert run(tmp_path, "drop", "--all") == 2
    assert "add --yes" in capsys.readouterr().err
    assert run(tmp_path, "drop", "--all", "--dry-run") == 0
    assert len(listed(tmp_path, capsys)) == 3
    assert run(tmp_path, "drop", "2", "3", "--yes") == 0
    assert [letter["id"] for letter in listed(tmp_path, capsys)] == [1]
    (line,) = journal.ledger()
    assert (line.dead_letters, line.letters_dropped) == (1, 2)
    assert main(["fleet", "ledger", "--state-dir", str(tmp_path)]) == 0
    assert "2 were dropped by hand" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay"], "which ones?"),
        (["drop", "--yes"], "which ones?"),
        (["drop", "1", "--all"], "contradict"),
        (["replay", "77"], "no dead letter has the number 77"),
        (["show", "77"], "no dead letter has the number 77"),
    ],
)
def test_faults_are_one_line(
    journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    take(journal, "windows", b"{}")
    assert run(tmp_path, *words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert len(listed(tmp_path, capsys)) == 1


def test_nothing_is_created_where_no_journal_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "replay", "--all") == 2
    assert "no journal here" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_times_and_limits(journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        take(journal, "windows", b"{}", T0_UNIX_NS + number * 10**9)
    assert [letter["id"] for letter in listed(tmp_path, capsys, "--limit", "2")] == [3, 2]
    assert len(listed(tmp_path, capsys, "--since", "2025-10-09T08:53:21")) == 2
    assert listed(tmp_path, capsys, "--since", "1m") == []
    with pytest.raises(SystemExit):
        run(tmp_path, "list", "--since", "yesterday")
    assert "is no time" in capsys.readouterr().err
