"""The lake at addresses that fsspec reaches: an object store in memory, a directory, and a real FTP server."""

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from collector.fleet.rows import window_pages
from collector.journal import Journal
from collector.journal_identity import journal_id, known_journal_id
from collector.sinks.lake import LakeSink, read_lake
from collector.sinks.lake_benches import BenchLakeSink, read_lake_benches
from collector.sinks.lake_place import place_of
from collector.store_config import LakeUrl, LakeWhere
from edge_agent.wire.errors import ConfigurationError
from edgejoule.doctor.lake import check_lake_address
from tests.fakes.benches import make_stored_bench
from tests.fakes.ftp_server import PASSWORD, USER, running_ftp_server
from tests.fakes.windows import T0_UNIX_NS, commit_rows, make_fleet_rows, make_stored

ONE, TWO = "0123456789abcdef", "fedcba9876543210"
DAY_NS = 86_400_000_000_000


@pytest.fixture(params=["directory", "file", "memory", "ftp"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LakeWhere]:
    if request.param == "directory":
        yield tmp_path / "lake"
    elif request.param == "file":
        yield LakeUrl(f"file://{tmp_path}/lake")
    elif request.param == "memory":
        yield LakeUrl(f"memory://{tmp_path.name}/lake")
        fsspec.filesystem("memory").store.clear()
    else:
        (tmp_path / "secret").write_text(f"{PASSWORD}\n")
        options = {"username": USER, "password": {"file": str(tmp_path / "secret")}, "timeout": 30}
        with running_ftp_server(tmp_path / "served") as port:
            yield LakeUrl(f"ftp://127.0.0.1:{port}/lake", options)
            gc.collect()  # FTPFileSystem ends its connection with itself


def row_ids(where: LakeWhere, journal: str = "") -> list[int]:
    return sorted(read_lake(where, ["row_id"], journal=journal)["row_id"].to_pylist())


@contextlib.contextmanager
def a_sink(where: LakeWhere, journal: str = "") -> Iterator[LakeSink]:
    sink = LakeSink(where, journal=journal)
    yield sink
    sink.close()


def test_rows_are_there_once_however_often_they_are_written(where: LakeWhere) -> None:
    assert row_ids(where) == []
    rows = [make_stored(i, t_start_unix_ns=T0_UNIX_NS + (i % 3) * DAY_NS) for i in range(1, 21)]
    for step in (20, 7, 3):  # killed before the cursor moved, and again, with batches of another length
        with a_sink(where, ONE) as sink:
            for start in range(0, 20, step):
                assert sink.write(rows[start : start + step]).accepted == len(rows[start : start + step])
        assert row_ids(where) == list(range(1, 21))
    assert sorted(read_lake(where, ["row_id"], last_row_id=5)["row_id"].to_pylist()) == [1, 2, 3, 4, 5]
    assert not [name for name in place_of(where).names() if ".tmp" in name]


def test_two_collectors_share_a_lake_and_each_finds_its_own(where: LakeWhere) -> None:
    with a_sink(where, ONE) as one, a_sink(where, TWO) as two:
        assert one.write(make_fleet_rows(2)).accepted == 6
        assert two.write([make_stored(1, boot_id="boot-9"), make_stored(2, boot_id="boot-9")]).accepted == 2
        assert one.write([make_stored(7)]).accepted == 1
    assert (row_ids(where, ONE), row_ids(where, TWO)) == ([1, 2, 3, 4, 5, 6, 7], [1, 2])
    assert row_ids(where) == [1, 1, 2, 2, 3, 4, 5, 6, 7]


def test_a_journal_that_was_put_back_from_a_copy_overwrites_nothing(where: LakeWhere) -> None:
    with a_sink(where, ONE) as sink:
        sink.write([make_stored(1), make_stored(2)])
        outcome = sink.write([make_stored(1, boot_id="boot-after")])
        elsewhere = sink.write([make_stored(1, t_start_unix_ns=T0_UNIX_NS + DAY_NS)])
    for refused in (outcome, elsewhere):
        assert (refused.accepted, refused.kept) == (0, 1)
        assert "another journal" in refused.retry_reason
    assert set(read_lake(where)["boot_id"].to_pylist()) == {"boot-0001"}


def test_an_upgraded_collector_goes_on_with_the_files_of_before(where: LakeWhere) -> None:
    """Rows 1 to 3 lie under a name without an id, and the cursor did not move: they come again after the upgrade."""
    rows = make_fleet_rows(2)
    with a_sink(where) as old:
        old.write(rows[:3])
    with a_sink(where, ONE) as new:
        assert new.write(rows[:2]).accepted == 2
        assert new.write(rows[2:]).accepted == 4
    assert row_ids(where) == row_ids(where, ONE) == [1, 2, 3, 4, 5, 6]
    with a_sink(where, TWO) as another:
        assert another.write([make_stored(1, boot_id="boot-9")]).accepted == 1
    assert row_ids(where, TWO) == [1], "files without an id are of the collector that began the lake"
    assert row_ids(where, ONE) == [1, 2, 3, 4, 5, 6]


def test_benches_lie_beside_the_windows(where: LakeWhere) -> None:
    for _ in range(2):
        sink = BenchLakeSink(where, journal=ONE)
        assert sink.write([make_stored_bench(1)]).accepted == 1
        sink.close()
    with a_sink(where, ONE) as windows:
        windows.write(make_fleet_rows(1))
    assert read_lake_benches(where)["row_id"].to_pylist() == [1]
    assert row_ids(where) == [1, 2, 3]


def test_a_report_reads_the_lake_of_its_own_journal(where: LakeWhere, tmp_path: Path) -> None:
    rows = make_fleet_rows(3)
    with contextlib.closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        commit_rows(journal, rows)
        assert known_journal_id(journal) == ""
        own = journal_id(journal)
        assert (known_journal_id(journal), journal_id(journal)) == (own, own)
        with a_sink(where, own) as sink, a_sink(where, TWO) as other:
            sink.write(journal.rows_after(0, 5))
            journal.set_cursor(sink.name, 5)
            other.write([make_stored(1, boot_id="boot-9")])
        assert sorted(
            row_id for page in window_pages(journal, where) for row_id in page["row_id"].to_pylist()
        ) == list(range(1, 10))


def test_the_doctor_tries_the_address(where: LakeWhere) -> None:
    if isinstance(where, LakeUrl):
        assert check_lake_address(where).level == "ok"
        assert row_ids(where) == []


def test_a_store_that_is_away_keeps_the_rows_and_takes_them_when_it_is_back(tmp_path: Path) -> None:
    with running_ftp_server(tmp_path / "one") as port:
        where = LakeUrl(f"ftp://127.0.0.1:{port}/lake", {"username": USER, "password": PASSWORD, "timeout": 30})
        sink = LakeSink(where, journal=ONE)
        assert sink.write([make_stored(1)]).accepted == 1
    outcome = sink.write([make_stored(2)])
    assert (outcome.accepted, outcome.kept) == (0, 1)
    assert outcome.retry_reason.startswith(f"ftp://127.0.0.1:{port}/lake: ")
    assert "\n" not in outcome.retry_reason
    with pytest.raises(ConfigurationError, match="cannot read it"):
        read_lake(where)
    assert check_lake_address(where).level == "failure"
    sink.close()
    gc.collect()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense://bucket/x", "fsspec knows no nonsense://"),
        ("oss://bucket/x", "oss:// needs a package: pip install ossfs"),
        ("adl://host/x", "adl:// needs a package: pip install adlfs"),
    ],
)
def test_an_address_that_cannot_be_reached_from_here_is_one_line(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        LakeSink(LakeUrl(url))


def test_a_secret_that_cannot_be_read_is_told() -> None:
    where = LakeUrl("memory://secret", {"key": {"file": "/nowhere/at/all"}})
    assert "lake.options.key /nowhere/at/all" in LakeSink(where).write([make_stored(1)]).retry_reason
