"""What the store keeps, and what of it is new."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.carbon.revisions import IntensityRevision, SourcePassport, known_at
from collector.carbon.steps import HeldSteps, held_steps
from collector.intensity.store import IntensityStore, Touched
from edge_agent.wire.errors import ConfigurationError

HOUR_NS = 3_600_000_000_000
PASSPORT = SourcePassport(id="one", name="One", url="https://one.example", scope="s", licence="CC0", method="m")


def said(
    hour: int,
    value: float,
    fetched_at: int,
    *,
    zone: str = "GB",
    source: str = "one",
    hours: int = 1,
    forecast: bool = False,
    estimated: bool = False,
) -> IntensityRevision:
    return IntensityRevision(
        source=source,
        zone=zone,
        kind="average",
        valid_from_unix_ns=hour * HOUR_NS,
        valid_to_unix_ns=(hour + hours) * HOUR_NS,
        gco2e_per_kwh=value,
        fetched_at_unix_ns=fetched_at,
        is_forecast=forecast,
        is_estimated=estimated,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[IntensityStore]:
    with closing(IntensityStore(tmp_path / "state" / "intensity.sqlite3")) as opened:
        yield opened


def values(store: IntensityStore, *, known_at_unix_ns: int | None = None, end: int = 100) -> list[tuple[int, float]]:
    found = store.revisions("GB", "average", 0, end * HOUR_NS, known_at_unix_ns=known_at_unix_ns)
    return [(one.valid_from_unix_ns // HOUR_NS, one.gco2e_per_kwh) for one in found]


def test_only_what_is_new_is_stored(store: IntensityStore) -> None:
    assert store.add([said(0, 100.0, 10), said(1, 200.0, 10)]) == 2
    assert store.add([said(0, 100.0, 20), said(1, 205.0, 20)]) == 1
    assert store.add([said(0, 100.0, 30), said(1, 205.0, 30)]) == 0
    assert store.add([said(1, 200.0, 40)]) == 1, "a value that came back is a revision"
    assert values(store) == [(0, 100.0), (1, 200.0), (1, 205.0), (1, 200.0)]
    assert values(store, known_at_unix_ns=15) == [(0, 100.0), (1, 200.0)]
    assert values(store, known_at_unix_ns=9) == []


def test_an_estimate_that_becomes_published_with_the_same_value_is_a_revision(store: IntensityStore) -> None:
    assert store.add([said(0, 100.0, 10, estimated=True)]) == 1
    assert store.add([said(0, 100.0, 20)]) == 1
    assert store.add([said(0, 100.0, 20, forecast=True)]) == 1


def test_what_is_imported_later_but_was_known_earlier_is_stored(store: IntensityStore) -> None:
    store.add([said(0, 110.0, 50)])
    assert store.add([said(0, 100.0, 20)]) == 1
    assert values(store, known_at_unix_ns=30) == [(0, 100.0)]


def test_the_same_value_again_after_another_one_that_spoke_of_more_is_stored(store: IntensityStore) -> None:
    """A longer stretch held in between; without the third row it would hold on."""
    store.add([said(0, 100.0, 10)])
    store.add([said(0, 120.0, 20, hours=2)])
    assert store.add([said(0, 100.0, 30)]) == 1
    held = held_steps(store.revisions("GB", "average", 0, HOUR_NS))
    assert held.timeline.gco2e_per_kwh.tolist() == [100.0, 120.0]


def test_one_answer_with_two_values_is_refused_and_nothing_of_it_is_kept(store: IntensityStore) -> None:
    with pytest.raises(ValueError, match="overlap"):
        store.add([said(5, 1.0, 10), said(0, 100.0, 10), said(0, 101.0, 10)])
    store.add([said(0, 100.0, 10)])
    with pytest.raises(ValueError, match="100 g/kWh is stored and 101 comes"):
        store.add([said(6, 1.0, 9), said(0, 101.0, 10)])
    assert values(store) == [(0, 100.0)]


def test_a_long_stretch_is_found_from_within(store: IntensityStore) -> None:
    store.add([said(40, 150.0, 2)])
    store.add([said(0, 100.0, 1, hours=50)])
    found = store.revisions("GB", "average", 45 * HOUR_NS, 46 * HOUR_NS)
    assert [one.gco2e_per_kwh for one in found] == [100.0]
    assert store.revisions("GB", "average", 50 * HOUR_NS, 60 * HOUR_NS) == []
    assert store.revisions("GB", "marginal", 0, 60 * HOUR_NS) == []
    assert store.revisions("GB", "average", 0, 60 * HOUR_NS, sources=["other"]) == []


def test_a_reader_sees_what_another_process_writes_and_a_missing_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "intensity.sqlite3"
    reader = IntensityStore(path, read_only=True)
    assert values(reader) == []
    assert reader.extents() == []
    assert reader.passports() == {}
    with closing(IntensityStore(path)) as writer:
        writer.add_passport(PASSPORT)
        before = writer.version()
        writer.add([said(0, 100.0, 10), said(1, 90.0, 12)])
        assert writer.version() != before
        assert values(reader) == [(0, 100.0), (1, 90.0)]
        assert reader.passports() == {"one": PASSPORT}
        extent = reader.extent("one", "GB", "average")
        assert extent is not None
        assert (extent.revisions, extent.first_unix_ns, extent.last_unix_ns) == (2, 0, 2 * HOUR_NS)
        with pytest.raises(ConfigurationError, match="only to read"):
            reader.add([said(0, 1.0, 1)])
        with closing(IntensityStore(path)) as other:
            seen = writer.version()
            other.add([said(9, 1.0, 13)])
            assert writer.version() != seen, "what another process added shows"


def test_what_was_touched_is_joined(store: IntensityStore) -> None:
    store.add([said(0, 100.0, 10), said(1, 100.0, 10)])
    number = store.newest()
    assert store.touched_after(number) == []
    store.add([said(1, 110.0, 20), said(2, 100.0, 20), said(7, 100.0, 20), said(0, 5.0, 20, zone="DE")])
    stretches = [
        (one.zone, one.start_unix_ns // HOUR_NS, one.end_unix_ns // HOUR_NS) for one in store.touched_after(number)
    ]
    assert stretches == [("DE", 0, 1), ("GB", 1, 3), ("GB", 7, 8)]
    assert isinstance(store.touched_after(number)[0], Touched)


def test_two_processes_that_start_at_once_share_one_file(tmp_path: Path) -> None:
    path = tmp_path / "intensity.sqlite3"
    path.touch()
    assert IntensityStore(path, read_only=True).extents() == [], "about to be made"
    script = (
        "import sys; from pathlib import Path; from collector.intensity.store import IntensityStore;"
        "from tests.unit.collector.test_intensity_store import said;"
        "store = IntensityStore(Path(sys.argv[1]));"
        "[store.add([said(hour, 1.0, 1, zone=sys.argv[2])]) for hour in range(20)]; store.close()"
    )
    root = Path(__file__).parents[3]
    started = [subprocess.Popen([sys.executable, "-c", script, str(path), zone], cwd=root) for zone in "ABC"]
    assert [one.wait(timeout=120) for one in started] == [0, 0, 0]
    extents = IntensityStore(path, read_only=True).extents()
    assert [(one.zone, one.revisions) for one in extents] == [("A", 20), ("B", 20), ("C", 20)]


def test_another_file_is_refused_in_one_line(tmp_path: Path) -> None:
    text = tmp_path / "text.sqlite3"
    text.write_text("no database " * 1000)
    with pytest.raises(ConfigurationError, match="cannot read the stored intensities"):
        IntensityStore(text)
    other = tmp_path / "other.sqlite3"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE t (a)")
    for read_only in (False, True):
        with pytest.raises(ConfigurationError, match="not a store of intensities"):
            IntensityStore(other, read_only=read_only).revisions("GB", "average", 0, 1)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=30
    ),
    st.integers(0, 31),
)
def test_leaving_out_what_is_known_never_changes_what_holds(
    tmp_path_factory: pytest.TempPathFactory, answers: list[tuple[int, int, int, bool]], t: int
) -> None:
    """As known at any moment, the steps from the store are those from everything that was ever said."""
    everything = [
        said(hour, 100.0 + value, fetched, hours=hours, forecast=forecast)
        for fetched, (hour, hours, value, forecast) in enumerate(answers)
    ]
    folder = tmp_path_factory.mktemp("store")
    with closing(IntensityStore(folder / "intensity.sqlite3")) as store:
        for one in everything:
            store.add([one])
            assert store.add([one]) == 0
        kept = held_steps(store.revisions("GB", "average", 0, 100 * HOUR_NS, known_at_unix_ns=t))
    whole = held_steps(known_at(everything, t))
    assert by_hour(kept) == by_hour(whole)


def by_hour(held: HeldSteps) -> list[tuple[float, str] | None]:
    """Return value and quality of each hour, None where nothing holds."""
    steps = held.timeline
    found: list[tuple[float, str] | None] = [None] * 9
    for start, end, value, quality in zip(
        steps.starts_unix_ns.tolist(), steps.ends_unix_ns.tolist(), steps.gco2e_per_kwh, steps.quality, strict=True
    ):
        found[start // HOUR_NS : end // HOUR_NS] = [(float(value), quality)] * ((end - start) // HOUR_NS)
    return found


@given(
    stretches=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 4)), min_size=1, max_size=8),
    at=st.integers(0, 24),
    asked=st.integers(0, 24),
)
def test_a_source_was_heard_on_the_stretch_without_holes_around_the_moment(
    tmp_path_factory: pytest.TempPathFactory, stretches: list[tuple[int, int]], at: int, asked: int
) -> None:
    answer = [said(hour, 1.0, 0, hours=hours) for hour, hours in stretches]
    with closing(IntensityStore(tmp_path_factory.mktemp("said") / "i.sqlite3")) as store:
        store.add([said(0, 1.0, 0)])
        store.note_said(answer, at * HOUR_NS)
        found = store.said_at("one", "GB", "average", asked * HOUR_NS)
    spoken_of = {hour + more for hour, hours in stretches for more in range(hours)}
    heard = all(hour in spoken_of for hour in range(min(at, asked), max(at, asked) + 1))
    assert found == (at * HOUR_NS if heard else None)


def test_a_file_of_an_earlier_version_gets_what_is_new_and_is_read_without(tmp_path: Path) -> None:
    path = tmp_path / "i.sqlite3"
    with closing(IntensityStore(path)) as store:
        store.add([said(0, 1.0, 0)])
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE said")
    with closing(IntensityStore(path, read_only=True)) as reader:
        assert reader.said_at("one", "GB", "average", 0) is None
    with closing(IntensityStore(path)) as store:
        store.note_said([said(0, 1.0, 0)], 5)
        assert store.said_at("one", "GB", "average", 0) == 5
