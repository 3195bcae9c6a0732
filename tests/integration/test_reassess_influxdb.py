"""Grams assessed again on the real influxd 1.6.7: the same points, the same figures as if they had been written so."""

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.assess import Assessor
from collector.inventory import parse_inventory
from collector.journal import Journal
from collector.journal_identity import journal_id
from collector.reassess import Reassessed, Reassessment, Target
from collector.sinks import tag_places
from collector.sinks.hourly import HOUR_NS, KEPT_HOURS, HourlySink, write_changed
from collector.sinks.influx_rows import InfluxSink, StoreAwayError
from collector.sinks.influx_writing import Answer
from collector.sinks.influxdb_v1 import InfluxV1Writer
from collector.sinks.lake import LakeSink
from collector.sinks.line_protocol import LineEncoder
from collector.values import StoredWindow
from tests.fakes.influxd import InfluxServer, running_influxd
from tests.fakes.intensities import GivenIntensity, half_hours
from tests.fakes.windows import T0_UNIX_NS, commit_rows, make_fleet_rows, make_stored

pytestmark = pytest.mark.influxdb
RAW, HOURLY = "edgejoule", "edgejoule_hourly"
FIRST_HOUR_NS = T0_UNIX_NS // HOUR_NS * HOUR_NS
GRAMS = ("operational_gco2e", "operational_gco2e_low", "operational_gco2e_high", "operational_yearly_gco2e")
HALVES = 12
INVENTORY = """
[defaults]
lifetime_years = 5.0
zone = "GB"
site = "hall"
[[device]]
id = "pi4-01"
hardware = "raspberry-pi-4b-4gb"
[[device]]
id = "zero-01"
[[device]]
id = "jetson-01"
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    with running_influxd(tmp_path_factory.mktemp("influxd")) as server:
        yield server


@pytest.fixture
def server(running: InfluxServer) -> InfluxServer:
    for name in (RAW, HOURLY):
        running.query(f"DROP DATABASE {name}")
        running.query(f"CREATE DATABASE {name}")
    return running


def intensity(scale: float = 1.0) -> GivenIntensity:
    """Return half hours from the first window's hour on, of which later ones are known by the year only."""
    values = [scale * (100.0 + 37.0 * number) for number in range(5)]
    return GivenIntensity("GB", half_hours(FIRST_HOUR_NS, values), 210.0, fills=True)


def spread_rows() -> list[StoredWindow]:
    """Return rows of three devices over four hours."""
    rows = make_fleet_rows(40)
    return [
        msgspec.structs.replace(
            row,
            window=msgspec.structs.replace(
                row.window, t_start_unix_ns=row.window.t_start_unix_ns + (row.row_id % 4) * HOUR_NS
            ),
        )
        for row in rows
    ]


class Site:
    """A collector's journal, lake and two stores, without its threads."""

    def __init__(self, journal: Journal, lake: Path, server: InfluxServer, inventory: str = INVENTORY) -> None:
        self.journal, self.lake, self.server, self.inventory = journal, lake, server, inventory

    def assessor(self, given: GivenIntensity) -> Assessor:
        return Assessor(parse_inventory(self.inventory), given)

    def store(
        self, given: GivenIntensity, now_unix_ns: int = T0_UNIX_NS, lake_rows: int = 10**6, but: str = ""
    ) -> None:
        """Write everything that waits, as the pumps do; the lake gets its first ``lake_rows``, ``but`` one nothing."""
        assessor = self.assessor(given)
        hourly = HourlySink(
            self.journal, journal_id(self.journal), self.writer(HOURLY), assessor, now_unix_ns=lambda: now_unix_ns
        )
        live = InfluxSink(self.writer(RAW), LineEncoder(assessor))
        lake = LakeSink(self.lake, journal=journal_id(self.journal))
        for sink in (live, hourly, lake):
            self.note_places(sink.name, assessor)
            rows = self.journal.rows_after(self.journal.cursor(sink.name), 10_000)
            rows = [row for row in rows if sink is not lake or row.row_id <= lake_rows]
            if rows and sink.name != but:
                assert sink.write(rows).accepted == len(rows)
                self.journal.set_cursor(sink.name, rows[-1].row_id)
            sink.close()

    def note_places(self, name: str, assessor: Assessor) -> None:
        places = {device_id: assessor.describe(device_id) for device_id in assessor.device_ids}
        with self.journal.transaction() as db:
            tag_places.note(db, name, self.journal.cursor(name), places)

    def writer(self, database: str) -> InfluxV1Writer:
        return InfluxV1Writer(self.server.url, database)

    def reassess(
        self,
        given: GivenIntensity,
        start: int = FIRST_HOUR_NS,
        end: int = FIRST_HOUR_NS + 6 * HOUR_NS,
        devices: frozenset[str] | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Reassessed:
        live, hourly = Target("influxdb", self.writer(RAW)), Target("influxdb/hourly", self.writer(HOURLY))
        identity, assessor = journal_id(self.journal), self.assessor(given)
        with contextlib.closing(
            Reassessment(self.journal, identity, self.lake, assessor, live=live, hourly=hourly)
        ) as again:
            return again.run(start, end, devices, stopping=stopping)

    def points(self, database: str, measurement: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Return every point with all its fields, by tags and time."""
        found = {}
        for series in self.server.query(f"SELECT * FROM {measurement} GROUP BY *", database):
            for row in series.values:
                fields = dict(zip(series.columns, row, strict=True))
                key = *sorted(tag for tag in series.tags.items() if tag[1]), fields.pop("time")
                found[key] = {name: value for name, value in fields.items() if value is not None}
        return found

    def both(self) -> tuple[dict[tuple[Any, ...], dict[str, Any]], dict[tuple[Any, ...], dict[str, Any]]]:
        return self.points(RAW, "inference_window"), self.points(HOURLY, "inference_hourly")


@pytest.fixture
def site(server: InfluxServer, tmp_path: Path) -> Iterator[Site]:
    with contextlib.closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        commit_rows(journal, spread_rows())
        yield Site(journal, tmp_path / "lake", server)


def wiped(server: InfluxServer) -> None:
    for name in (RAW, HOURLY):
        server.query(f"DROP DATABASE {name}")
        server.query(f"CREATE DATABASE {name}")


def test_the_stores_look_as_if_the_new_intensities_had_always_been_known(
    site: Site, server: InfluxServer, tmp_path: Path
) -> None:
    site.store(intensity(), lake_rows=70)
    first = site.both()
    done = site.reassess(intensity(scale=1.5))
    assert (done.windows, done.points, done.refused, done.unknown, done.hours_left) == (120, 120, 0, 0, {})
    assert done.hours == len(first[1]) == 12
    again = site.both()
    assert again != first
    wiped(server)
    for name in ("influxdb", "influxdb/hourly", "influxdb/hourly/summed"):
        site.journal.set_cursor(name, 0)
    with site.journal.transaction() as db:
        db.execute("DELETE FROM hourly")
    site.store(intensity(scale=1.5))
    assert site.both() == again, "to the last digit, and with the same tags and stamps"


def test_to_assess_again_with_the_same_changes_nothing(site: Site) -> None:
    site.store(intensity())
    first = site.both()
    for _ in range(2):
        site.reassess(intensity())
    assert site.both() == first


def test_hours_are_the_sums_of_their_windows_grams(site: Site) -> None:
    site.store(intensity())
    site.reassess(intensity(scale=0.7))
    raw, hourly = site.both()
    for name in GRAMS:
        of_windows = math.fsum(fields[name] for fields in raw.values())
        assert math.fsum(fields[name] for fields in hourly.values()) == pytest.approx(of_windows, rel=1e-12)
    energy = {q: math.fsum(h[f"energy_{q}_j"] for h in hourly.values()) for q in ("actual", "yearly")}
    for quality, joules in energy.items():
        mine = [f["energy_j"] for f in raw.values() if f["intensity_quality"] == quality]
        assert mine
        assert joules == pytest.approx(math.fsum(mine), rel=1e-12)


def test_only_the_hours_and_devices_that_are_asked_for_change(site: Site) -> None:
    site.store(intensity())
    raw_before, hourly_before = site.both()
    hour = FIRST_HOUR_NS + HOUR_NS
    done = site.reassess(intensity(scale=2.0), hour + 5, hour + 6, frozenset({"pi4-01"}))
    assert done.hours == 1
    raw, hourly = site.both()
    changed = {key for key in raw if raw[key] != raw_before[key]}
    assert len(changed) == done.windows == done.points > 0
    assert all(("device", "pi4-01") in key and hour <= key[-1] < hour + HOUR_NS for key in changed)
    changed = {key for key in hourly if hourly[key] != hourly_before[key]}
    assert [(("device", "pi4-01") in key, key[-1]) for key in changed] == [(True, hour)]


def test_a_device_that_has_moved_since_keeps_the_tags_of_its_old_points(site: Site) -> None:
    site.store(intensity())
    keys = [set(points) for points in site.both()]
    site.inventory = INVENTORY.replace('site = "hall"', 'site = "roof"\ndevice_class = "moved"')
    late = make_stored(121, seq=999, t_start_unix_ns=T0_UNIX_NS + 60 * 10**9)
    commit_rows(site.journal, [late])
    site.store(intensity())
    with_late = [set(points) for points in site.both()]
    assert [len(new - old) for new, old in zip(with_late, keys, strict=True)] == [1, 1]
    done = site.reassess(intensity(scale=3.0))
    assert (done.windows, done.hours, done.hours_left) == (121, 13, {})
    assert [set(points) for points in site.both()] == with_late, "no point was added"


@pytest.mark.parametrize("behind", ["", "influxdb", "influxdb/hourly"])
def test_late_windows_are_in_their_hours_too_whichever_store_is_behind(site: Site, behind: str) -> None:
    site.store(intensity())
    late = [make_stored(121 + i, seq=900 + i, t_start_unix_ns=T0_UNIX_NS + i) for i in range(5)]
    commit_rows(site.journal, late)
    site.store(intensity(), lake_rows=120, but=behind)
    done = site.reassess(intensity(scale=1.25))
    assert (done.windows, done.points, done.hours_left) == (125, 120 if behind == "influxdb" else 125, {})
    site.store(intensity(scale=1.25))
    raw, hourly = site.both()
    assert sum(fields["windows"] for fields in hourly.values()) == len(raw) == 125
    for name in GRAMS:
        of_windows = math.fsum(fields[name] for fields in raw.values())
        assert math.fsum(fields[name] for fields in hourly.values()) == pytest.approx(of_windows, rel=1e-12)


@pytest.mark.parametrize("closed_again", [False, True])
def test_closed_hours_are_written_over_too_and_later_points_beside_them_stay_right(
    site: Site, *, closed_again: bool
) -> None:
    long_after_ns = T0_UNIX_NS + (KEPT_HOURS + 9) * HOUR_NS
    site.store(intensity(), now_unix_ns=long_after_ns)
    late = [make_stored(121 + i, seq=900 + i, t_start_unix_ns=T0_UNIX_NS + i) for i in range(3)]
    commit_rows(site.journal, late)
    site.store(intensity(), now_unix_ns=long_after_ns if closed_again else T0_UNIX_NS)
    _, hourly = site.both()
    assert len(hourly) == 13, "the first hour of one device has two points"
    done = site.reassess(intensity(scale=2.0))
    assert (done.hours, done.hours_left) == (12 if closed_again else 13, {})
    raw, hourly = site.both()
    for name in GRAMS:
        of_windows = math.fsum(fields[name] for fields in raw.values())
        assert math.fsum(fields[name] for fields in hourly.values()) == pytest.approx(of_windows, rel=1e-12)
    assert sum(fields["operational_windows"] for fields in hourly.values()) == 123


def test_an_hour_whose_windows_are_not_all_there_any_more_keeps_its_grams_and_is_told(site: Site) -> None:
    site.store(intensity())
    _, before = site.both()
    for path in site.lake.rglob("*.parquet"):
        path.unlink()
    done = site.reassess(intensity(scale=2.0))
    assert (done.windows, done.hours) == (0, 0)
    assert list(done.hours_left.values()) == [12]
    assert site.both()[1] == before


class Overtaken(InfluxV1Writer):
    """Before its first body arrives, another writer of hours adds windows and writes them."""

    def __init__(self, url: str, first: Callable[[], None]) -> None:
        super().__init__(url, HOURLY)
        self._first: list[Callable[[], None]] = [first]

    def post(self, body: bytes) -> Answer:
        if self._first:
            self._first.pop()()
        return super().post(body)


def test_of_two_writers_of_hours_the_slower_one_does_not_leave_old_sums(site: Site) -> None:
    def add_a_late_window() -> None:
        commit_rows(site.journal, [make_stored(121, seq=999, t_start_unix_ns=T0_UNIX_NS + 1)])
        site.store(intensity())

    site.store(intensity())
    slow = Overtaken(site.server.url, add_a_late_window)
    with site.journal.transaction() as db:
        db.execute("UPDATE hourly SET dirty = 1")
    assert not write_changed(site.journal, slow)
    slow.close()
    raw, hourly = site.both()
    assert sum(fields["windows"] for fields in hourly.values()) == len(raw) == 121


def test_what_is_not_known_any_more_is_called_unknown(site: Site) -> None:
    site.store(intensity())
    nothing = GivenIntensity("GB", [])
    done = site.reassess(nothing)
    assert (done.unknown, done.points) == (120, 120)
    raw, hourly = site.both()
    assert {fields["intensity_quality"] for fields in raw.values()} == {"unknown"}
    assert {fields["operational_windows"] for fields in hourly.values()} == {0}
    assert {fields["yearly_windows"] for fields in hourly.values()} == {0}
    assert {fields["energy_actual_j"] for fields in hourly.values()} == {0.0}


def test_a_window_that_the_store_refused_gets_no_point(site: Site) -> None:
    site.store(intensity())
    row = make_stored(121, seq=999, t_start_unix_ns=T0_UNIX_NS)
    commit_rows(site.journal, [row])
    site.journal.set_cursor("influxdb", 121)
    with site.journal.transaction() as db:
        db.execute(
            "INSERT INTO dead_letters (t_unix_ns, topic, device_id, payload, reason) VALUES (1, ?, 'pi4-01', '', 'x')",
            ("sink/influxdb/lab/pi4-01/boot-0001/999",),
        )
    done = site.reassess(intensity(scale=2.0))
    assert (done.windows, done.points) == (121, 120)
    assert len(site.both()[0]) == 120


def test_a_collector_that_is_told_to_stop_need_not_finish_the_day(site: Site) -> None:
    site.store(intensity())
    raw, hourly = site.both()
    with pytest.raises(StoreAwayError, match="stopped before all grams were assessed again"):
        site.reassess(intensity(scale=2.0), stopping=lambda: True)
    assert site.both() == (raw, hourly)


def test_a_store_that_is_away_is_told_and_doing_it_again_repairs(site: Site) -> None:
    site.store(intensity())
    identity, assessor = journal_id(site.journal), site.assessor(intensity(scale=2.0))
    gone = Target("influxdb/hourly", InfluxV1Writer("http://127.0.0.1:9", HOURLY))
    with (
        contextlib.closing(
            Reassessment(
                site.journal, identity, site.lake, assessor, live=Target("influxdb", site.writer(RAW)), hourly=gone
            )
        ) as again,
        pytest.raises(StoreAwayError, match="not reachable"),
    ):
        again.run(FIRST_HOUR_NS, FIRST_HOUR_NS + 6 * HOUR_NS)
    site.reassess(intensity(scale=2.0))
    raw, hourly = site.both()
    for name in GRAMS:
        of_windows = math.fsum(fields[name] for fields in raw.values())
        assert math.fsum(fields[name] for fields in hourly.values()) == pytest.approx(of_windows, rel=1e-12)
