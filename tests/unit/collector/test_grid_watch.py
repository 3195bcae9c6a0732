"""What the collector asks of its sources of intensities, and which windows it assesses again for it."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
import structlog

from collector.assess import Assessor
from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.grid_watch import ASSESSED_NOTE, FIRST_PAUSE_S, GridWatch, Revisions, watching
from collector.intensity.configured import ConfiguredSource
from collector.intensity.errors import SourceError
from collector.intensity.store import IntensityStore
from collector.intensity.stored import SourceZone
from collector.inventory import parse_inventory
from collector.journal import Journal
from collector.reassess import Reassessed, days_of
from collector.sinks.influx_rows import StoreAwayError
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.delivery import wait_until
from tests.fakes.intensities import GivenIntensity
from tests.fakes.windows import commit_rows, make_stored

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
NOW = 20_370 * DAY_NS + 10 * HOUR_NS
INVENTORY = """
[[device]]
id = "a"
zone = "GB"
[[device]]
id = "b"
zone = "gb"
[[device]]
id = "c"
zone = "DK"
"""
ZONES: dict[IntensityKind, dict[str, tuple[SourceZone, ...]]] = {
    "average": {"GB": (("uk", "national"),), "DK": (("dk", "DK1"), ("uk", "wales"))},
    "marginal": {"DK": (("dk", "DK1"),)},
}
Run = tuple[int, int, frozenset[str] | None]


def revision(
    start: int, end: int, source: str = "uk", zone: str = "national", *, value: float = 100.0, at: int = NOW,
    kind: IntensityKind = "average",
) -> IntensityRevision:  # fmt: skip
    return IntensityRevision(
        source=source, zone=zone, kind=kind, valid_from_unix_ns=start, valid_to_unix_ns=end, gco2e_per_kwh=value,
        fetched_at_unix_ns=at,
    )  # fmt: skip


@dataclass
class Recorder:
    """Takes the place of InfluxDB: it notes what is to be assessed again, or is away."""

    runs: list[Run] = field(default_factory=list)
    away: bool = False
    live_name: str = "influxdb"

    def run(
        self,
        start_unix_ns: int,
        end_unix_ns: int,
        devices: frozenset[str] | None = None,
        *,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Reassessed:
        assert not stopping()
        if self.away:
            raise StoreAwayError("away")
        self.runs.append((start_unix_ns, end_unix_ns, devices))
        return Reassessed(windows=1)


@dataclass
class GivenSource:
    """A source that answers what it is told to, and notes what it was asked."""

    answer: Callable[[], list[IntensityRevision]]
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    kind: IntensityKind = "average"
    resolution_s: float = 1800.0
    passport: SourcePassport = field(
        default_factory=lambda: SourcePassport(
            id="uk", name="uk", url="", scope="generation", licence="CC-BY-4.0", method="given"
        )
    )

    def fetch(self, zone: str, start_unix_ns: int, end_unix_ns: int, now_unix_ns: int) -> list[IntensityRevision]:
        assert now_unix_ns == NOW
        self.asked.append((zone, start_unix_ns, end_unix_ns))
        return self.answer()

    def check_zone(self, zone: str, where: str) -> None:
        pass


@dataclass
class Parts:
    journal: Journal
    store: IntensityStore
    recorder: Recorder
    assessor: Assessor
    revisions: Revisions
    stopping: threading.Event = field(default_factory=threading.Event)

    def catch_up(self) -> list[Run]:
        self.recorder.runs.clear()
        self.revisions.catch_up(self.stopping)
        return list(self.recorder.runs)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    with (
        contextlib.closing(Journal(tmp_path / "journal.sqlite3")) as journal,
        contextlib.closing(IntensityStore(tmp_path / "intensity.sqlite3")) as store,
    ):
        recorder = Recorder()
        assessor = Assessor(parse_inventory(INVENTORY), GivenIntensity("GB", []))
        revisions = Revisions(journal, store, ZONES, assessor, recorder, lambda: NOW)
        yield Parts(journal, store, recorder, assessor, revisions)


def test_what_a_revision_touches_is_assessed_once_for_the_devices_of_its_zone(parts: Parts) -> None:
    assert parts.catch_up() == []
    parts.store.add([revision(NOW - 3 * HOUR_NS, NOW - 2 * HOUR_NS)])
    ((start, end, devices),) = parts.catch_up()
    assert start < NOW - 3 * HOUR_NS, "a window that begins before may reach into it"
    assert end == NOW - 2 * HOUR_NS
    assert devices == frozenset("ab")
    assert parts.catch_up() == []
    parts.store.add([revision(NOW - 3 * HOUR_NS, NOW - 2 * HOUR_NS, at=NOW + 1)])
    assert parts.catch_up() == [], "the same value is no news"
    parts.store.add([revision(NOW - 3 * HOUR_NS, NOW - 2 * HOUR_NS, value=101.0, at=NOW + 2)])
    assert parts.catch_up() == [(start, end, devices)]


def test_days_are_assessed_apart_and_the_newest_first(parts: Parts) -> None:
    parts.store.add([
        revision(NOW - 2 * DAY_NS, NOW - 2 * DAY_NS + HOUR_NS),
        revision(NOW - HOUR_NS, NOW, "dk", "DK1"),
        revision(NOW - 5 * HOUR_NS, NOW - 4 * HOUR_NS),
    ])  # fmt: skip
    runs = parts.catch_up()
    assert [devices for _, _, devices in runs] == [frozenset("abc"), frozenset("ab")]
    assert runs[0][0] < NOW - 5 * HOUR_NS
    assert runs[0][1] == NOW
    assert runs[1][1] == NOW - 2 * DAY_NS + HOUR_NS


def test_what_lies_ahead_or_concerns_nobody_is_passed_over(parts: Parts) -> None:
    parts.store.add([
        revision(NOW + HOUR_NS, NOW + 2 * HOUR_NS),
        revision(NOW - HOUR_NS, NOW, zone="scotland"),
        revision(NOW - HOUR_NS, NOW, kind="marginal"),
    ])  # fmt: skip
    assert parts.catch_up() == [], "of the marginal kind this source is asked for nothing"
    assert parts.journal.note(ASSESSED_NOTE) == f"{parts.store.newest()} {NOW}"


def test_a_marginal_revision_is_for_the_devices_of_its_own_sources(parts: Parts) -> None:
    parts.store.add([revision(NOW - HOUR_NS, NOW, "dk", "DK1", kind="marginal")])
    ((_, end, devices),) = parts.catch_up()
    assert (end, devices) == (NOW, frozenset("c"))
    parts.store.add([revision(NOW - HOUR_NS, NOW, "uk", "wales", kind="marginal")])
    assert parts.catch_up() == []


def test_another_file_with_as_many_revisions_is_news(parts: Parts, tmp_path: Path) -> None:
    """A lost file is made anew, or an old copy is brought back: the same numbers are other revisions then."""
    values = [revision(NOW - hour * HOUR_NS, NOW - (hour - 1) * HOUR_NS) for hour in range(1, 5)]
    parts.store.add(values)
    assert len(parts.catch_up()) == 1
    with contextlib.closing(IntensityStore(tmp_path / "anew.sqlite3")) as anew:
        other = Revisions(parts.journal, anew, ZONES, parts.assessor, parts.recorder, lambda: NOW)
        parts.recorder.runs.clear()
        assert other.catch_up(parts.stopping) == 0, "it is empty"
        for added in ([values[0]], values[1:]):
            anew.add([msgspec.structs.replace(one, gco2e_per_kwh=7.0, fetched_at_unix_ns=NOW + 9) for one in added])
            assert other.catch_up(parts.stopping) == 1
            assert other.catch_up(parts.stopping) == 0
    assert [end for _, end, _ in parts.recorder.runs] == [NOW, NOW - HOUR_NS]


def test_a_file_that_is_removed_while_it_is_open_is_told_with_the_remedy(parts: Parts) -> None:
    parts.store.path.unlink()
    with pytest.raises(ConfigurationError, match=r"removed or replaced while it was open: start the collector again"):
        parts.catch_up()


def test_a_store_that_was_away_is_made_good_later(parts: Parts) -> None:
    parts.store.add([revision(NOW - HOUR_NS, NOW)])
    parts.recorder.away = True
    with pytest.raises(StoreAwayError):
        parts.catch_up()
    parts.recorder.away = False
    assert len(parts.catch_up()) == 1


def test_lines_that_were_made_before_are_waited_for(parts: Parts) -> None:
    """A line that is on its way was assessed with what is forgotten now; it must not come last."""
    commit_rows(parts.journal, [make_stored(1)])
    parts.store.add([revision(NOW - HOUR_NS, NOW)])
    working = threading.Thread(target=parts.catch_up)
    working.start()
    try:
        working.join(0.5)
        assert working.is_alive()
        assert parts.recorder.runs == []
    finally:
        parts.journal.set_cursor("influxdb", 1)
        working.join(30)
    assert len(parts.recorder.runs) == 1


def test_a_source_is_asked_from_what_is_known_and_for_what_lies_ahead(parts: Parts) -> None:
    source = GivenSource(list)
    configured = ConfiguredSource(source, ("national",), every_s=3600.0, history_s=7200.0, ahead_s=1800.0)

    def asked() -> tuple[str, int, int]:
        source.asked.clear()
        with watching(GridWatch([configured], parts.store, lambda _: 0, lambda: NOW)):
            wait_until(lambda: bool(source.asked), "it is asked at once")
        return source.asked[0][0], source.asked[0][1], source.asked[-1][2]

    assert asked() == ("national", NOW - 2 * HOUR_NS, NOW + HOUR_NS // 2)
    parts.store.add([revision(NOW - 9 * DAY_NS, NOW - 8 * DAY_NS)])
    assert asked() == ("national", NOW - 8 * DAY_NS, NOW + HOUR_NS // 2), "while no collector ran, time went on"
    parts.store.add([revision(NOW - HOUR_NS, NOW)])
    assert asked() == ("national", NOW - 2 * HOUR_NS, NOW + HOUR_NS // 2)


def test_values_are_stored_and_then_assessed_again(parts: Parts) -> None:
    source = GivenSource(lambda: [revision(NOW - HOUR_NS, NOW)])
    configured = ConfiguredSource(source, ("national",), every_s=3600.0, history_s=7200.0, ahead_s=0.0)
    with watching(GridWatch([configured], parts.store, parts.revisions.catch_up, lambda: NOW)) as (watch,):
        wait_until(lambda: bool(parts.recorder.runs), "what came is assessed again")
        alive = [watch.alive]
    assert [*alive, watch.alive] == [True, False]
    assert parts.store.passports().keys() == {"uk"}
    with watching(None) as nothing:
        assert nothing == []


@pytest.mark.parametrize("error", [SourceError("no answer", retry=True), SourceError("no key", retry=False)])
def test_a_source_that_fails_is_told_once_and_asked_again_with_pauses(parts: Parts, error: SourceError) -> None:
    def fail() -> list[IntensityRevision]:
        raise error

    source = GivenSource(fail)
    configured = ConfiguredSource(source, ("national",), every_s=86_400.0, history_s=7200.0, ahead_s=0.0)
    watch = GridWatch([configured], parts.store, lambda _: 0, lambda: NOW)
    with structlog.testing.capture_logs() as logs:
        pauses = [watch._ask(0, configured) for _ in range(3)]
    assert [entry["reason"] for entry in logs] == [str(error)]
    assert pauses == ([FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S] if error.retry else [86_400.0] * 3)
    source.answer = list
    assert watch._ask(0, configured) == 86_400.0


def test_stretches_are_cut_at_days_and_widened_to_hours() -> None:
    midnight = 20_370 * DAY_NS
    assert days_of(midnight - 1, midnight + HOUR_NS + 1) == [
        (midnight, midnight + 2 * HOUR_NS),
        (midnight - HOUR_NS, midnight),
    ]
    assert days_of(midnight, midnight) == []
