"""What the collector tells devices of their grid: what sources say of it, and when it is said anew."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.build import build_grid_publisher
from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision
from collector.config import CollectorConfig, parse_config
from collector.grid_publisher import CHECK_S, FLEETS_S, LOOK_AGAIN_S, NS_PER_S, GridPublisher, fleets_of, forecast_of
from collector.intensity.configured import load_yearly
from collector.intensity.store import IntensityStore
from collector.intensity.stored import StoredIntensity
from collector.intensity_config import IntensityConfig
from collector.journal import Journal
from edge_agent.wire.codec import decode
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.grid import MAX_SLOTS, GridForecast
from tests.fakes.windows import make_batch

HOUR = 3600 * NS_PER_S
NOW = 500_000 * HOUR + HOUR // 4
ZONES = {"DE": (("own", "DE-LU"), ("spare", "DE-LU"))}


def said(
    hour: int, value: float, *, hours: int = 1, source: str = "own", at: int = NOW, kind: IntensityKind = "average"
) -> IntensityRevision:
    start = 500_000 * HOUR + hour * HOUR
    return IntensityRevision(
        source=source, zone="DE-LU", kind=kind, valid_from_unix_ns=start, valid_to_unix_ns=start + hours * HOUR,
        gco2e_per_kwh=value, fetched_at_unix_ns=at, is_forecast=hour > 0,
    )  # fmt: skip


@contextlib.contextmanager
def stored(directory: Path, *revisions: IntensityRevision) -> Iterator[tuple[IntensityStore, StoredIntensity]]:
    with contextlib.closing(IntensityStore(directory / "intensity.sqlite3")) as store:
        store.add(revisions)
        yield store, StoredIntensity(store, load_yearly(IntensityConfig()), "average", ZONES)


@dataclass
class Connection:
    """Takes what is published."""

    sent: list[tuple[str, GridForecast]] = field(default_factory=list)

    def publish(self, topic: str, payload: bytes) -> None:
        self.sent.append((topic, decode(payload, GridForecast)))


def test_the_hours_of_sources_go_out_with_their_holes_and_never_the_yearly_average(tmp_path: Path) -> None:
    with stored(tmp_path, said(-1, 1.0), said(0, 400.0), said(1, 200.0), said(3, 300.0, source="spare")) as (_, known):
        assert known.yearly("DE") is not None
        found = forecast_of(known, "DE", NOW, 2 * 86_400.0)
    assert found is not None
    hours = [(slot.t_start_unix_ns // HOUR - 500_000, slot.gco2e_per_kwh, slot.forecast) for slot in found.slots]
    assert hours == [(0, 400.0, False), (1, 200.0, True), (3, 300.0, True)]
    assert {slot.duration_s for slot in found.slots} == {3600.0}
    assert (found.source, found.kind, found.said_unix_ns, found.simulated) == ("own, spare", "average", NOW, False)


def test_where_no_source_speaks_there_is_nothing_to_say(tmp_path: Path) -> None:
    with stored(tmp_path, said(-5, 1.0), said(60, 1.0)) as (_, known):
        assert forecast_of(known, "DE", NOW, 2 * 86_400.0) is None
        assert forecast_of(known, "FR", NOW, 2 * 86_400.0) is None


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.sets(st.integers(-3, 60), max_size=40), st.integers(1, 60))
def test_exactly_the_hours_from_now_to_the_horizon_go_out(
    tmp_path_factory: pytest.TempPathFactory, hours: set[int], horizon_h: int
) -> None:
    with stored(tmp_path_factory.mktemp("s"), *(said(hour, 10.0 * hour + 50) for hour in hours)) as (_, known):
        found = forecast_of(known, "DE", NOW, horizon_h * 3600.0)
    out = [] if found is None else [slot.t_start_unix_ns // HOUR - 500_000 for slot in found.slots]
    assert out == sorted(hour for hour in hours if 0 <= hour <= horizon_h)


def test_a_message_holds_the_first_slots_where_there_are_too_many(tmp_path: Path) -> None:
    minutes = [
        IntensityRevision(
            source="own", zone="DE-LU", kind="average", valid_from_unix_ns=NOW + n * 60 * NS_PER_S,
            valid_to_unix_ns=NOW + (n + 1) * 60 * NS_PER_S, gco2e_per_kwh=float(n), fetched_at_unix_ns=NOW,
        )
        for n in range(MAX_SLOTS + 50)
    ]  # fmt: skip
    with stored(tmp_path, *minutes) as (_, known):
        found = forecast_of(known, "DE", NOW, 86_400.0)
    assert found is not None
    assert [slot.gco2e_per_kwh for slot in found.slots] == [float(n) for n in range(MAX_SLOTS)]


def test_it_is_said_once_and_anew_when_something_changed(tmp_path: Path) -> None:
    first, second = Connection(), Connection()
    now_on: list[Connection | None] = [None]
    fleets = ["demo"]
    with stored(tmp_path, said(0, 400.0), said(1, 200.0)) as (store, known):
        publisher = GridPublisher(
            known, ["DE", "DE", "FR", "no topic/zone"], version=store.version, fleets=lambda: fleets,
            connection=lambda: now_on[0], horizon_s=86_400.0,
        )  # fmt: skip
        assert publisher.turn(NOW) == 0, "no connection"
        now_on[0] = first
        assert publisher.turn(NOW) == 1
        assert [topic for topic, _ in first.sent] == ["edgejoule/v1/demo/grid/DE"]
        assert publisher.turn(NOW + NS_PER_S) == 0
        assert publisher.turn(NOW + round((LOOK_AGAIN_S + 1) * NS_PER_S)) == 0, "nothing new"
        store.add([said(1, 100.0, at=NOW + 1)])
        assert publisher.turn(NOW + 100 * NS_PER_S) == 1, "a revision"
        assert [slot.gco2e_per_kwh for slot in first.sent[-1][1].slots] == [400.0, 100.0]
        fleets.append("other")
        assert publisher.turn(NOW + round((100 + FLEETS_S + 1) * NS_PER_S)) == 1, "a new fleet"
        now_on[0] = second
        assert publisher.turn(NOW + 120 * NS_PER_S) == 2, "a new connection"
        assert publisher.turn(NOW + HOUR) == 2, "the present slot has ended"
        assert [slot.gco2e_per_kwh for slot in second.sent[-1][1].slots] == [100.0]
        assert publisher.turn(NOW + 2 * HOUR) == 0, "nothing is known any more, and devices see that"


def test_devices_hear_of_the_end_of_a_slot_when_it_comes_and_that_a_source_still_speaks(tmp_path: Path) -> None:
    """By the latter they know that the collector is not the last to believe it."""
    connection = Connection()
    with stored(tmp_path, said(0, 400.0), said(1, 200.0)) as (store, known):
        publisher = GridPublisher(
            known, ["DE"], version=store.version, fleets=lambda: ["demo"], connection=lambda: connection, horizon_s=1e5
        )
        end = NOW + 3 * HOUR // 4
        assert publisher.turn(end - 10 * NS_PER_S) == 1
        assert publisher.turn(end - NS_PER_S) == 0
        assert publisher.turn(end) == 1, "a slot ended"
        store.note_said([said(1, 200.0)], end + NS_PER_S)
        assert publisher.turn(end + round(LOOK_AGAIN_S * NS_PER_S) - 1) == 0
        assert publisher.turn(end + round(LOOK_AGAIN_S * NS_PER_S)) == 1, "said again"
    assert [message.said_unix_ns for _, message in connection.sent] == [NOW, NOW, end + NS_PER_S]


def test_who_is_told_is_who_was_ever_heard(tmp_path: Path) -> None:
    with contextlib.closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        assert fleets_of(journal) == []
        for fleet in ("b", "a"):
            journal.commit_batch(fleet, make_batch(range(1, 2)), NOW)
        assert fleets_of(journal) == ["a", "b"]


def config_of(directory: Path, text: str) -> CollectorConfig:
    (directory / "s.csv").write_text("start,end,gco2e_per_kwh\n2026-01-01T00:00Z,2026-01-01T01:00Z,100\n")
    (directory / "i.toml").write_text('[[device]]\nid = "a"\nzone = "de"\n[[device]]\nid = "b"\nzone = "FR"\n')
    source = (
        '[[intensity.source]]\nkind = "series"\nzones = {"DE" = "DE-LU"}\nurl = "s.csv"\n[intensity.source.passport]\n'
        'id = "own"\nname = "n"\nscope = "s"\nlicence = "l"\nmethod = "m"\n'
    )
    return parse_config(text + '[inventory]\nfile = "i.toml"\n' + source, "c", directory)


def test_the_configuration_says_whether_by_what_and_how_far(tmp_path: Path) -> None:
    with (
        contextlib.closing(Journal(tmp_path / "journal.sqlite3")) as journal,
        contextlib.closing(IntensityStore(tmp_path / "intensity.sqlite3")) as store,
    ):
        store.add([said(0, 400.0)])
        connection = Connection()
        config = config_of(tmp_path, 'fleet = "demo"\n[grid_forecast]\nsimulated = true\n')
        publisher = build_grid_publisher(config, store, journal, lambda: connection)
        assert publisher is not None
        assert publisher.turn(NOW) == 2
        assert [topic for topic, _ in connection.sent] == ["edgejoule/v1/demo/grid/de", "edgejoule/v1/demo/grid/DE"]
        assert connection.sent[0][1].simulated
        off = config_of(tmp_path, "[grid_forecast]\nenabled = false\n")
        assert build_grid_publisher(off, store, journal, lambda: None) is None
        assert build_grid_publisher(config, None, journal, lambda: None) is None
        marginal = config_of(tmp_path, '[grid_forecast]\nkind = "marginal"\n')
        with pytest.raises(ConfigurationError, match=r"no \[\[intensity.source\]\] gives marginal"):
            build_grid_publisher(marginal, store, journal, lambda: None)


def test_what_cannot_be_read_is_said_once_and_tried_again(tmp_path: Path) -> None:
    looks = threading.Semaphore(0)

    def fleets() -> list[str]:
        looks.release()
        raise ConfigurationError("the store is away")

    with stored(tmp_path, said(0, 1.0)) as (store, known), structlog.testing.capture_logs() as logs:
        publisher = GridPublisher(
            known, ["DE"], version=store.version, fleets=fleets, connection=Connection, horizon_s=3600.0
        )
        publisher.start()
        try:
            assert all(looks.acquire(timeout=60.0) for _ in range(2)), f"looked at every {CHECK_S} s"
            assert publisher.alive
        finally:
            publisher.close()
    assert [line["event"] for line in logs] == ["grid_forecast_not_published"]
