"""Stores that cannot be read: one line each, and a folder that a reader may not write to is no hindrance."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.intensity import store_file
from collector.intensity.store import IntensityStore
from edge_agent.wire.errors import ConfigurationError

HOUR_NS = 3_600_000_000_000
VALUE = IntensityRevision(
    source="uk",
    zone="GB",
    kind="average",
    valid_from_unix_ns=0,
    valid_to_unix_ns=HOUR_NS,
    gco2e_per_kwh=200.0,
    fetched_at_unix_ns=1,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a store with one value, closed."""
    path = tmp_path / "kept" / "intensity.sqlite3"
    with closing(IntensityStore(path)) as store:
        store.add([VALUE])
        store.add_passport(SourcePassport(id="uk", name="n", url="", scope="s", licence="l", method="m"))
    return path


def read(path: Path) -> list[IntensityRevision]:
    store = IntensityStore(path, read_only=True)
    assert list(store.passports()) == ["uk"]
    return store.revisions("GB", "average", 0, HOUR_NS)


@pytest.mark.parametrize("damage", ["UPDATE revisions SET gco2e_per_kwh = -5", "UPDATE passports SET passport = '{}'"])
def test_what_is_no_intensity_is_said_to_be_none(path: Path, damage: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(damage)
    with pytest.raises(ConfigurationError, match="holds what is no intensity"):
        read(path)


def test_a_path_through_a_file_is_no_store(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Not a directory"):
        read(path / "store")


def test_a_folder_that_may_only_be_read(path: Path) -> None:
    """A file that nobody has open is read as it lies; root may write everywhere, so the mode is asked for."""
    assert store_file.read_mode(path, may_write=True) == "ro"
    as_it_lies = store_file.read_mode(path, may_write=False)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode={as_it_lies}", uri=True)) as db:
        assert db.execute("SELECT count(*) FROM revisions").fetchone() == (1,)
    assert sorted(one.name for one in path.parent.iterdir()) == [path.name]
    with closing(IntensityStore(path)) as store:
        store.add([])
        assert store_file.read_mode(path, may_write=False) == "ro"
    path.parent.chmod(0o555)
    try:
        assert read(path) == [VALUE]
    finally:
        path.parent.chmod(0o755)
