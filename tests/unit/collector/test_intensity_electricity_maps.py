"""Electricity Maps by the hour, from a server that speaks the documented schema, for tokens of any contract."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.carbon.revisions import IntensityRevision
from collector.intensity.errors import SourceError
from collector.intensity.http import JsonClient, Waits
from collector.intensity.source import SourceOptions, source_kind
from collector.intensity.sources.electricity_maps import ElectricityMaps
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.electricity_maps_server import HOUR, ElectricityMapsApi
from tests.fakes.json_server import JsonServer, RecordedWaits, Reply, as_json, json_server

TOKEN = "em-t0ken"
NOW = datetime(2025, 3, 1, 12, 20, tzinfo=UTC)
THIS_HOUR = NOW.replace(minute=0)
DAY = timedelta(days=1)


def ns(at: datetime) -> int:
    return int(at.timestamp()) * 10**9


@pytest.fixture
def api() -> ElectricityMapsApi:
    return ElectricityMapsApi(NOW, TOKEN)


@pytest.fixture
def server(api: ElectricityMapsApi) -> Iterator[JsonServer]:
    with json_server(api) as running:
        yield running


@pytest.fixture(scope="module")
def everything() -> Iterator[JsonServer]:
    with json_server(ElectricityMapsApi(NOW, TOKEN)) as running:
        yield running


def source(server: JsonServer, token: str = TOKEN) -> ElectricityMaps:
    clock = RecordedWaits()
    waits = Waits(sleep=clock.sleep, unix_s=clock.unix_s)
    return ElectricityMaps(JsonClient(server.url, retries=2, headers={"auth-token": token}, waits=waits))


def fetch(server: JsonServer, start: datetime, end: datetime, zone: str = "DE") -> list[IntensityRevision]:
    return source(server).fetch(zone, ns(start), ns(end), ns(NOW))


def doors(server: JsonServer) -> list[str]:
    return [path.rpartition("/")[2] for path in server.paths]


def test_hours_say_whether_they_are_estimated(server: JsonServer, api: ElectricityMapsApi) -> None:
    found = fetch(server, THIS_HOUR - 3 * HOUR, THIS_HOUR)
    assert found[0] == IntensityRevision(
        source="electricity_maps",
        zone="DE",
        kind="average",
        valid_from_unix_ns=ns(THIS_HOUR - 3 * HOUR),
        valid_to_unix_ns=ns(THIS_HOUR - 2 * HOUR),
        gco2e_per_kwh=api.value(THIS_HOUR - 3 * HOUR),
        fetched_at_unix_ns=ns(NOW),
    )
    assert [one.is_estimated for one in found] == [False, True, True]
    assert doors(server) == ["history"]
    assert server.asked[0].params["emissionFactorType"] == "lifecycle"


@settings(max_examples=25)
@given(
    before_min=st.one_of(
        st.integers(0, 3_000), st.integers(0, 40 * 1440), st.sampled_from([1440, 1441, 14_400, 14_401])
    ),
    length_min=st.one_of(st.integers(1, 150), st.integers(1, 45 * 1440)),
)
def test_whatever_the_stretch_each_hour_that_it_touches_comes_once(
    everything: JsonServer, before_min: int, length_min: int
) -> None:
    start = NOW - timedelta(minutes=before_min)
    end = start + timedelta(minutes=length_min)
    found = fetch(everything, start, end)
    first = start.replace(minute=0)
    past = [first + HOUR * n for n in range(2_100) if first + HOUR * n < min(end, THIS_HOUR + HOUR)]
    assert [one.valid_from_unix_ns for one in found if not one.is_forecast] == [ns(at) for at in past]
    ahead = [THIS_HOUR + HOUR * n for n in range(73) if first <= THIS_HOUR + HOUR * n < end] if end > NOW else []
    assert {one.valid_from_unix_ns for one in found if one.is_forecast} >= {ns(at) for at in ahead if at < end}


def test_a_forecast_is_asked_for_as_far_as_needed(server: JsonServer) -> None:
    for hours, horizon in ((1, "6"), (6, "6"), (7, "24"), (48, "48"), (49, "72"), (400, "72")):
        found = fetch(server, NOW, NOW + hours * HOUR)
        assert not found[0].is_forecast
        assert server.asked[-1].params["horizonHours"] == horizon
        assert found[-1].is_forecast
    assert doors(server) == ["history", "forecast"] * 6


def test_ten_days_are_one_answer_and_more_are_several(server: JsonServer) -> None:
    assert len(fetch(server, THIS_HOUR - 25 * DAY, THIS_HOUR)) == 25 * 24
    assert doors(server) == ["past-range"] * 3


def test_a_token_for_the_past_day_gets_the_past_day(server: JsonServer, api: ElectricityMapsApi) -> None:
    api.covered = {"history"}
    found = fetch(server, THIS_HOUR - 3 * DAY, THIS_HOUR + DAY)
    assert len(found) == 24
    assert not any(one.is_forecast for one in found)
    assert doors(server) == ["past-range", "history", "forecast"]


def test_a_token_that_may_know_nothing_of_a_stretch_is_said(server: JsonServer, api: ElectricityMapsApi) -> None:
    api.covered = {"history"}
    with pytest.raises(SourceError, match=r"past-range.* answers 403: .*check key_file and what the contract covers"):
        fetch(server, THIS_HOUR - 9 * DAY, THIS_HOUR - 8 * DAY)
    with pytest.raises(SourceError, match=r"forecast.* answers 403"):
        fetch(server, NOW + HOUR, NOW + DAY)


def test_a_wrong_token_is_said_once_and_not_shown(server: JsonServer) -> None:
    with pytest.raises(SourceError, match=r"answers 401: .*check key_file") as caught:
        source(server, "wrong-t0ken").fetch("DE", ns(THIS_HOUR - HOUR), ns(THIS_HOUR), ns(NOW))
    assert "t0ken" not in str(caught.value)
    assert not caught.value.retry


def test_a_zone_that_the_server_lacks_is_not_answered_by_where_we_are(
    server: JsonServer, api: ElectricityMapsApi
) -> None:
    with pytest.raises(SourceError, match=r"answers 404: .*XX.*check the zone"):
        fetch(server, THIS_HOUR - HOUR, THIS_HOUR, "XX")
    server.replies.append(as_json({"zone": "DK-DK1", "history": []}))
    with pytest.raises(SourceError, match=r"was asked for DE, answers for DK-DK1"):
        fetch(server, THIS_HOUR - HOUR, THIS_HOUR)


def test_an_hour_without_a_value_stays_unknown(server: JsonServer, api: ElectricityMapsApi) -> None:
    api.unknown = {THIS_HOUR - 2 * HOUR}
    found = fetch(server, THIS_HOUR - 3 * HOUR, THIS_HOUR)
    assert [one.valid_from_unix_ns for one in found] == [ns(THIS_HOUR - 3 * HOUR), ns(THIS_HOUR - HOUR)]


def test_other_emission_factors_are_said_in_the_scope(server: JsonServer, api: ElectricityMapsApi) -> None:
    api.factors = "direct"
    (found,) = fetch(server, THIS_HOUR - HOUR, THIS_HOUR)
    assert found.scope == "direct emissions only"


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (as_json({"zone": "DE", "data": []}), "the answer has no list of hours"),
        (as_json({"zone": "DE", "history": [{"carbonIntensity": 1}]}), "not as its documentation"),
        (as_json({"zone": "DE", "history": [{"carbonIntensity": 1, "datetime": "now"}]}), "'now' is no moment"),
        (
            as_json({"zone": "DE", "history": [{"carbonIntensity": -1, "datetime": "2025-03-01T10:00:00.000Z"}]}),
            "DE at 2025-03-01T10:00Z: an intensity is a finite number",
        ),
    ],
)
def test_an_answer_that_means_nothing_is_refused_in_one_line(server: JsonServer, reply: Reply, says: str) -> None:
    server.replies.append(reply)
    with pytest.raises(SourceError) as caught:
        fetch(server, THIS_HOUR - HOUR, THIS_HOUR)
    assert says in str(caught.value)
    assert not caught.value.retry


def test_zones(server: JsonServer) -> None:
    for zone in ("DE", "de", "DK-DK1", "US-CAL-CISO"):
        source(server).check_zone(zone, "here")
    with pytest.raises(ConfigurationError, match=r"^here: .* no zone 'DEU'; near names: DE"):
        source(server).check_zone("DEU", "here")
    with pytest.raises(ConfigurationError, match=r"no zone '50\.1,8\.6'; it knows codes such as DE"):
        source(server).check_zone("50.1,8.6", "here")
    with pytest.raises(SourceError, match=r"has no zone 'DEU'"):
        fetch(server, THIS_HOUR - HOUR, THIS_HOUR, "DEU")


def test_the_registry_builds_it_with_a_token_from_a_file(server: JsonServer, tmp_path: Path) -> None:
    kind = source_kind("electricity_maps", "here")
    key_file = tmp_path / "token"
    key_file.write_text(f"{TOKEN}\n")
    built = kind.build(SourceOptions(url=server.url, key_file=key_file, zone_map={"lab": "DE"}))
    built.check_zone("lab", "here")
    found = built.fetch("lab", ns(THIS_HOUR - HOUR), ns(THIS_HOUR), ns(NOW))
    assert [(one.zone, one.source) for one in found] == [("lab", kind.passport.id)]
    assert not kind.passport.may_ship
    with pytest.raises(ConfigurationError, match=r"electricity_maps: needs a key"):
        kind.build(SourceOptions(url=server.url))
