"""Denmark's five-minute steps, from a server that speaks the documented schema: one area, all pages, UTC."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.carbon.revisions import IntensityRevision
from collector.intensity.errors import SourceError
from collector.intensity.http import JsonClient, Waits
from collector.intensity.source import SourceOptions, source_kind
from collector.intensity.sources.energidataservice import SHUT_OUT_S, Energidataservice
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.energidataservice_server import STEP, EnergiDataApi, utc
from tests.fakes.json_server import JsonServer, RecordedWaits, Reply, as_json, json_server

START = utc("2024-03-30T22:00")
NOW = utc("2024-03-31T09:20")
PAST_UNTIL = utc("2024-03-31T09:00")
AHEAD_UNTIL = utc("2024-03-31T20:00")
"""Danish clocks went forward in the night between."""


def ns(at: datetime) -> int:
    return int(at.timestamp()) * 10**9


@pytest.fixture
def api() -> EnergiDataApi:
    return EnergiDataApi(START, PAST_UNTIL, AHEAD_UNTIL)


@pytest.fixture
def server(api: EnergiDataApi) -> Iterator[JsonServer]:
    with json_server(api) as running:
        yield running


@pytest.fixture(scope="module")
def everything() -> Iterator[JsonServer]:
    with json_server(EnergiDataApi(START, PAST_UNTIL, AHEAD_UNTIL)) as running:
        yield running


def source(server: JsonServer, page_rows: int = 10_000) -> Energidataservice:
    clock = RecordedWaits()
    waits = Waits(sleep=clock.sleep, unix_s=clock.unix_s, too_many_s=SHUT_OUT_S)
    return Energidataservice(JsonClient(server.url, retries=2, waits=waits), page_rows=page_rows)


def fetch(
    server: JsonServer, zone: str, start: datetime, end: datetime, page_rows: int = 10_000
) -> list[IntensityRevision]:
    return source(server, page_rows).fetch(zone, ns(start), ns(end), ns(NOW))


@pytest.mark.parametrize("zone", ["DK1", "DK2", "DK-DK2"])
def test_each_area_has_its_own_values_and_what_is_ahead_is_a_forecast(
    server: JsonServer, api: EnergiDataApi, zone: str
) -> None:
    past, ahead = fetch(server, zone, PAST_UNTIL - STEP, PAST_UNTIL + STEP)
    area = zone[-3:]
    assert past == IntensityRevision(
        source="energidataservice",
        zone=zone,
        kind="average",
        valid_from_unix_ns=ns(PAST_UNTIL - STEP),
        valid_to_unix_ns=ns(PAST_UNTIL),
        gco2e_per_kwh=api.value("CO2Emis", area, PAST_UNTIL - STEP),
        fetched_at_unix_ns=ns(NOW),
    )
    assert (ahead.gco2e_per_kwh, ahead.is_forecast) == (api.value("CO2EmisProg", area, PAST_UNTIL), True)
    assert ahead.valid_from_unix_ns == ns(PAST_UNTIL)


@settings(max_examples=25)
@given(
    start_min=st.integers(0, 22 * 60),
    length_min=st.one_of(st.integers(1, 16), st.integers(1, 22 * 60)),
    page_rows=st.sampled_from([1, 2, 11, 12, 13, 144, 10_000]),
    zone=st.sampled_from(["DK1", "DK2"]),
)
def test_whatever_the_stretch_and_the_page_each_step_comes_once(
    everything: JsonServer, start_min: int, length_min: int, page_rows: int, zone: str
) -> None:
    start = START + timedelta(minutes=start_min)
    end = min(start + timedelta(minutes=length_min), start + 60 * page_rows * STEP)
    found = fetch(everything, zone, start, end, page_rows)
    first = START + (start - START) // STEP * STEP
    expected = [first + STEP * n for n in range(300) if first + STEP * n < min(end, AHEAD_UNTIL)]
    assert [one.valid_from_unix_ns for one in found] == [ns(at) for at in expected]
    assert [one.is_forecast for one in found] == [at >= PAST_UNTIL for at in expected]


@pytest.mark.parametrize("says_total", [True, False])
def test_pages_that_end_exactly_are_no_trap(server: JsonServer, api: EnergiDataApi, *, says_total: bool) -> None:
    api.says_total = says_total
    assert len(fetch(server, "DK1", START, START + 24 * STEP, page_rows=12)) == 24
    assert {asked.params["offset"] for asked in server.asked} == {"0", "12"} | (set() if says_total else {"24"})


def test_a_forecast_is_not_asked_for_where_the_past_is_known(server: JsonServer) -> None:
    fetch(server, "DK1", START, START + 3 * STEP)
    fetch(server, "DK1", NOW + STEP, NOW + 3 * STEP)
    assert server.paths == ["/dataset/CO2Emis", "/dataset/CO2EmisProg"]


def test_a_step_without_a_value_stays_unknown(server: JsonServer) -> None:
    rows = [{"Minutes5UTC": "2024-03-30T22:00:00", "PriceArea": "DK1", "CO2Emission": None}]
    server.replies.extend([as_json({"total": 1, "records": rows}), as_json({"total": 0, "records": []})])
    assert fetch(server, "DK1", START, START + STEP) == []


def test_rows_of_another_area_are_refused(server: JsonServer, api: EnergiDataApi) -> None:
    api.mixes_areas = True
    with pytest.raises(SourceError, match=r"was asked for DK1 and answers for DK2"):
        fetch(server, "DK1", START, START + 6 * STEP)


@pytest.mark.parametrize("says_total", [True, False])
def test_a_server_that_never_comes_to_an_end_is_left(
    server: JsonServer, api: EnergiDataApi, *, says_total: bool
) -> None:
    api.ignores_offset, api.says_total = True, says_total
    if says_total:
        server.replies.append(as_json({"total": 24, "records": []}))
    with pytest.raises(SourceError, match=r"promises 24 rows and gives 0|gives 36 rows for 24 steps"):
        fetch(server, "DK1", START, START + 24 * STEP, page_rows=12)


def test_whoever_is_shut_out_stays_away_for_five_minutes(server: JsonServer) -> None:
    server.replies.append(Reply(429, b"Max allowed requests per 10 seconds from each unique IP is max up to 40 only."))
    with pytest.raises(SourceError, match=r"answers 429, to be asked again in 300 s: Max allowed") as caught:
        fetch(server, "DK1", START, START + STEP)
    assert (caught.value.retry, caught.value.retry_after_s) == (True, 300.0)
    assert len(server.asked) == 1


def test_a_page_that_fails_is_asked_for_again_and_no_other(server: JsonServer, api: EnergiDataApi) -> None:
    fetch(server, "DK1", START, START + 24 * STEP, page_rows=12)
    whole = api(server.asked[0])
    server.asked.clear()
    server.replies.extend([whole, Reply(503), Reply(body=b'{"records": [', send_only_bytes=5)])
    assert len(fetch(server, "DK1", START, START + 24 * STEP, page_rows=12)) == 24
    assert [asked.params["offset"] for asked in server.asked] == ["0", "12", "12", "12"]


def test_zones(server: JsonServer) -> None:
    source(server).check_zone("dk1", "here")
    with pytest.raises(ConfigurationError, match=r"^here: energidataservice has no zone 'DK'; near names: DK"):
        source(server).check_zone("DK", "here")
    with pytest.raises(ConfigurationError, match=r"it knows the Danish price areas DK1 \(west\) and DK2 \(east\)"):
        source(server).check_zone("GB", "here")
    with pytest.raises(SourceError, match=r"has no zone 'GB'"):
        fetch(server, "GB", START, START + STEP)


def test_the_registry_builds_it(server: JsonServer) -> None:
    kind = source_kind("energidataservice", "here")
    built = kind.build(SourceOptions(url=server.url, zone_map={"aarhus": "DK1"}))
    built.check_zone("aarhus", "here")
    found = built.fetch("aarhus", ns(START), ns(START + STEP), ns(NOW))
    assert [(one.zone, one.source) for one in found] == [("aarhus", kind.passport.id)]
