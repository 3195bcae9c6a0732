"""Great Britain's half hours, from a server that speaks the documented schema."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.carbon.revisions import IntensityRevision
from collector.intensity.errors import SourceError
from collector.intensity.http import JsonClient, Waits
from collector.intensity.source import SourceOptions, source_kind
from collector.intensity.sources.uk_carbon_intensity import REGIONS, UkCarbonIntensity
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.json_server import JsonServer, RecordedWaits, Reply, as_json, json_server
from tests.fakes.uk_carbon_server import SLOT, UkCarbonApi

START = datetime(2024, 12, 1, tzinfo=UTC)
NOW = datetime(2025, 1, 10, 12, 10, tzinfo=UTC)
DAYS = 50


def ns(at: datetime) -> int:
    return int(at.timestamp()) * 10**9


@pytest.fixture(scope="module")
def everything() -> Iterator[JsonServer]:
    with json_server(UkCarbonApi(START, DAYS * 48, NOW.replace(minute=0))) as server:
        yield server


@pytest.fixture
def api() -> UkCarbonApi:
    return UkCarbonApi(START, DAYS * 48, NOW.replace(minute=0))


@pytest.fixture
def server(api: UkCarbonApi) -> Iterator[JsonServer]:
    with json_server(api) as running:
        yield running


def source(server: JsonServer) -> UkCarbonIntensity:
    waits = RecordedWaits()
    return UkCarbonIntensity(JsonClient(server.url, retries=2, waits=Waits(sleep=waits.sleep, unix_s=waits.unix_s)))


def fetch(
    server: JsonServer, zone: str, start: datetime, end: datetime, now: datetime = NOW
) -> list[IntensityRevision]:
    return source(server).fetch(zone, ns(start), ns(end), ns(now))


def test_a_metered_half_hour_is_given_as_such_and_what_is_not_yet_as_a_forecast(server: JsonServer) -> None:
    first, second = fetch(server, "GB", NOW.replace(hour=11, minute=30), NOW.replace(hour=12, minute=30))
    api = UkCarbonApi(START, 0, NOW)
    assert first == IntensityRevision(
        source="uk_carbon_intensity",
        zone="GB",
        kind="average",
        valid_from_unix_ns=ns(NOW.replace(hour=11, minute=30)),
        valid_to_unix_ns=ns(NOW.replace(hour=12, minute=0)),
        gco2e_per_kwh=api.forecast(NOW.replace(hour=11, minute=30), 0) + 5,
        fetched_at_unix_ns=ns(NOW),
    )
    assert second.is_forecast
    assert second.gco2e_per_kwh == api.forecast(NOW.replace(hour=12, minute=0), 0)


def test_a_region_has_forecasts_only_also_for_the_past(server: JsonServer) -> None:
    found = fetch(server, "GB-LONDON", START, START + SLOT)
    assert [(one.zone, one.gco2e_per_kwh, one.is_forecast) for one in found] == [("GB-LONDON", 230.0, True)]
    assert server.paths == ["/regional/intensity/2024-12-01T00:00Z/2024-12-01T00:30Z/regionid/13"]


@settings(max_examples=20)
@example(start_min=0, length_min=31 * 1440 - 1, zone="GB")
@example(start_min=0, length_min=31 * 1440, zone="GB-7")
@example(start_min=31 * 1440 - 1, length_min=1, zone="GB")
@example(start_min=31 * 1440, length_min=1, zone="GB")
@given(
    start_min=st.integers(0, DAYS * 1440),
    length_min=st.one_of(st.integers(1, 90), st.integers(1, DAYS * 1440), st.sampled_from([14 * 1440, 14 * 1440 + 1])),
    zone=st.sampled_from(["GB", "GB-7"]),
)
def test_whatever_the_stretch_each_half_hour_that_it_touches_comes_once(
    everything: JsonServer, start_min: int, length_min: int, zone: str
) -> None:
    start = START + timedelta(minutes=start_min)
    end = start + timedelta(minutes=length_min)
    found = fetch(everything, zone, start, end)
    known_until = min(end, START + timedelta(days=DAYS), NOW + timedelta(days=4, minutes=20))
    first = START + (start - START) // SLOT * SLOT
    expected = [first + SLOT * n for n in range(DAYS * 48) if first + SLOT * n < known_until]
    assert [one.valid_from_unix_ns for one in found] == [ns(at) for at in expected]
    assert {one.valid_to_unix_ns - one.valid_from_unix_ns for one in found} <= {1_800 * 10**9}


def test_the_end_of_a_year_is_no_hole(server: JsonServer) -> None:
    found = fetch(server, "GB", datetime(2024, 12, 30, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC))
    assert len(found) == 3 * 48
    assert len(server.asked) == 2


def test_nothing_is_asked_about_a_future_that_nobody_forecasts(server: JsonServer) -> None:
    assert fetch(server, "GB", NOW + timedelta(days=9), NOW + timedelta(days=12)) == []
    assert server.asked == []


def test_a_half_hour_that_the_server_lacks_stays_unknown(server: JsonServer, api: UkCarbonApi) -> None:
    api.unknown = {START + SLOT}
    found = fetch(server, "GB", START, START + 3 * SLOT)
    assert [one.valid_from_unix_ns for one in found] == [ns(START), ns(START + 2 * SLOT)]
    server.replies.append(
        as_json({"data": [{"from": "2024-12-01T00:00Z", "to": "2024-12-01T00:30Z", "intensity": {"forecast": None}}]})
    )
    assert fetch(server, "GB", START, START + SLOT) == []


def test_of_a_half_hour_said_twice_the_last_holds(server: JsonServer, api: UkCarbonApi) -> None:
    api.twice = {START: 17}
    (found,) = fetch(server, "GB", START, START + SLOT)
    assert found.gco2e_per_kwh == 17.0


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (as_json({"data": [{"from": "soon", "to": "later", "intensity": {"actual": 1}}]}), "'soon' is no moment"),
        (as_json({"data": [{"from": "2024-12-01T00:00Z", "intensity": {"actual": 1}}]}), "not as its documentation"),
        (
            as_json({"data": [{"from": "2024-12-01T00:00Z", "to": "2024-12-01T00:30Z", "intensity": {"actual": -1}}]}),
            "GB at 2024-12-01T00:00Z: an intensity is a finite number of g/kWh, 0 or more, not -1",
        ),
        (
            as_json({"data": [{"from": "2024-12-01T00:30Z", "to": "2024-12-01T00:00Z", "intensity": {"actual": 1}}]}),
            "valid_to after valid_from",
        ),
        (as_json({"data": {"regionid": 1}}), "not as its documentation"),
    ],
)
def test_an_answer_that_means_nothing_is_refused_in_one_line(server: JsonServer, reply: Reply, says: str) -> None:
    server.replies.append(reply)
    with pytest.raises(SourceError) as caught:
        fetch(server, "GB", START, START + SLOT)
    assert says in str(caught.value)
    assert str(caught.value).startswith(server.url)
    assert len(str(caught.value).splitlines()) == 1
    assert not caught.value.retry


def test_an_answer_about_another_region_is_refused(server: JsonServer) -> None:
    server.replies.append(as_json({"data": {"regionid": 3, "data": []}}))
    with pytest.raises(SourceError, match=r"the answer is about region 3"):
        fetch(server, "GB-13", START, START + SLOT)


def test_a_hiccup_is_passed_over_and_a_long_one_is_said(server: JsonServer) -> None:
    server.replies.extend([Reply(500, b'{"error": {"message": "Requested resource not found."}}'), Reply(drop=True)])
    assert len(fetch(server, "GB", START, START + SLOT)) == 1
    server.replies.extend([Reply(429)] * 3)
    with pytest.raises(SourceError, match=r"answers 429; given up after 3 tries") as caught:
        fetch(server, "GB", START, START + SLOT)
    assert caught.value.retry


@pytest.mark.parametrize(
    "zone", ["GB", "gb", "GBR", "UK", "GB-1", "GB-17", "gb-london", "GB-NORTH-WALES-AND-MERSEYSIDE"]
)
def test_zones_that_it_knows(server: JsonServer, zone: str) -> None:
    source(server).check_zone(zone, "here")
    assert all(one.zone == zone for one in fetch(server, zone, START, START + SLOT))


def test_an_unknown_zone_comes_with_near_names(server: JsonServer) -> None:
    with pytest.raises(ConfigurationError, match=r"^here: .* no zone 'GB-LODNON'; near names: GB-LONDON"):
        source(server).check_zone("GB-LODNON", "here")
    with pytest.raises(ConfigurationError, match=r"it knows GB, and its regions"):
        source(server).check_zone("DE", "here")
    with pytest.raises(SourceError, match=r"has no zone 'DE'"):
        fetch(server, "DE", START, START + SLOT)
    assert sorted(REGIONS.values()) == list(range(1, 18))


def test_the_registry_builds_it(server: JsonServer) -> None:
    kind = source_kind("uk_carbon_intensity", "here")
    built = kind.build(SourceOptions(url=server.url, zone_map={"site": "GB-15"}))
    built.check_zone("site", "here")
    found = built.fetch("site", ns(START), ns(START + SLOT), ns(NOW))
    assert [(one.zone, one.source) for one in found] == [("site", kind.passport.id)]
    with pytest.raises(ConfigurationError, match=r"gives average intensities, not marginal"):
        kind.build(SourceOptions(kind="marginal"))
