"""ENTSO-E over HTTP: areas, parts of a long stretch, late types, refusals, and a token that is never shown."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.carbon.revisions import IntensityRevision
from collector.intensity.entsoe_areas import AREAS
from collector.intensity.errors import SourceError
from collector.intensity.source import IntensitySource, SourceOptions, source_kind
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.entsoe_platform import TOKEN, Platform, Series
from tests.fakes.json_server import JsonServer, Reply, json_server

START_S = 1_709_596_800
DAY_S = 86_400
NOW_S = START_S + DAY_S
NS = 10**9


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def server(platform: Platform) -> Iterator[JsonServer]:
    with json_server(platform) as state:
        yield state


def source(server: JsonServer, folder: Path, token: str = TOKEN) -> IntensitySource:
    file = folder / "token"
    file.write_text(token, encoding="ascii")
    options = SourceOptions(url=server.url, key_file=file, retries=0, zone_map={"plant": "DK1"})
    return source_kind("entsoe", "test").build(options)


def ask(
    server: JsonServer, folder: Path, zone: str, quarters: tuple[int, int], now_s: int = NOW_S
) -> list[IntensityRevision]:
    begin, end = ((START_S + 900 * quarter) * NS for quarter in quarters)
    return source(server, folder).fetch(zone, begin, end, now_s * NS)


def day(psr_type: str, mw: float, **more: object) -> Series:
    """Return two days of one value, the day before ``START_S`` first."""
    return Series(psr_type, [mw] * 192, START_S - DAY_S, **more)  # type: ignore[arg-type]


def test_a_mix_becomes_grams_with_a_range(server: JsonServer, platform: Platform, tmp_path: Path) -> None:
    platform.areas[AREAS["DE"]] = [day("B05", 100.0), day("B19", 300.0, curve="A03")]
    found = ask(server, tmp_path, "DE", (4, 8))
    assert [(one.valid_from_unix_ns // NS - START_S) // 900 for one in found] == [4, 5, 6, 7]
    one = found[0]
    assert one.gco2e_per_kwh == pytest.approx(0.25 * 820 + 0.75 * 11)
    assert one.low is not None
    assert one.high is not None
    assert one.low < one.gco2e_per_kwh < one.high
    assert (one.source, one.zone, one.kind, one.scope, one.fetched_at_unix_ns) == (
        "entsoe",
        "DE",
        "average",
        "",
        NOW_S * NS,
    )
    assert not one.is_estimated
    assert not one.is_forecast


def test_pumping_is_taken_off_before_the_mix(server: JsonServer, platform: Platform, tmp_path: Path) -> None:
    platform.areas[AREAS["AT"]] = [day("B12", 100.0), day("B10", 50.0), day("B10", 50.0, consumed=True)]
    (one,) = ask(server, tmp_path, "AT", (0, 1))
    assert (one.gco2e_per_kwh, one.low) == (24.0, 6.0)
    assert one.high == pytest.approx(147.0)


@pytest.mark.parametrize("zone", ["DK1", "dk1", "10YDK-1--------W", "plant"])
def test_an_area_has_a_name_and_a_code(server: JsonServer, platform: Platform, tmp_path: Path, zone: str) -> None:
    platform.areas[AREAS["DK1"]] = [day("B19", 1.0)]
    (one,) = ask(server, tmp_path, zone, (0, 1))
    assert one.zone == zone
    assert server.asked[-1].params["in_Domain"] == "10YDK-1--------W"


def test_countries_have_two_or_three_letters(server: JsonServer, platform: Platform, tmp_path: Path) -> None:
    platform.areas[AREAS["DE"]] = [day("B19", 1.0)]
    assert len(ask(server, tmp_path, "DEU", (0, 1))) == 1


def test_the_day_before_shows_what_is_late(server: JsonServer, platform: Platform, tmp_path: Path) -> None:
    coal = Series("B05", [100.0] * 96, START_S - DAY_S)
    platform.areas[AREAS["PL"]] = [coal, day("B19", 100.0)]
    assert ask(server, tmp_path, "PL", (0, 4)) == []
    assert server.asked[0].params["periodStart"] == "202403040000"
    assert server.asked[0].params["periodEnd"] == "202403050100"


def test_what_has_no_factor_is_said(server: JsonServer, platform: Platform, tmp_path: Path) -> None:
    platform.areas[AREAS["NL"]] = [day("B04", 96.0), day("B20", 4.0)]
    (one,) = ask(server, tmp_path, "NL", (0, 1))
    assert one.scope.endswith("no grid losses; 96 % of the generation has a factor")
    assert one.gco2e_per_kwh == 490.0


def test_nothing_is_known_of_what_has_not_ended(server: JsonServer, platform: Platform, tmp_path: Path) -> None:
    platform.areas[AREAS["DE"]] = [day("B05", 1.0)]
    now_s = START_S + 900 * 4 + 60
    found = ask(server, tmp_path, "DE", (0, 90), now_s)
    assert max(one.valid_to_unix_ns for one in found) <= now_s * NS
    assert len(found) == 4
    assert ask(server, tmp_path, "DE", (10, 20), now_s) == []


def test_a_long_stretch_is_asked_in_parts_that_join(server: JsonServer, platform: Platform, tmp_path: Path) -> None:
    platform.areas[AREAS["DE"]] = [
        Series("B05", [float(i) for i in range(24 * 70)], START_S - 68 * DAY_S, step_s=3_600)
    ]
    found = source(server, tmp_path).fetch("DE", (START_S - 66 * DAY_S) * NS, START_S * NS, NOW_S * NS)
    spans = [(one.params["periodStart"], one.params["periodEnd"]) for one in server.asked]
    assert len(spans) == 3
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]
    assert len(found) == 66 * 24
    assert all(a.valid_to_unix_ns == b.valid_from_unix_ns for a, b in itertools.pairwise(found))


@pytest.mark.parametrize("status", [200, 400])
def test_no_data_is_no_value_whichever_status_says_so(
    server: JsonServer, platform: Platform, tmp_path: Path, status: int
) -> None:
    platform.no_data_status = status
    assert ask(server, tmp_path, "DE", (0, 4)) == []


def test_a_wrong_token_is_one_line_that_does_not_show_it(server: JsonServer, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"answers 401: Unauthorized.*key_file") as caught:
        source(server, tmp_path, "secret-token").fetch("DE", START_S * NS, NOW_S * NS, NOW_S * NS)
    assert "secret-token" not in str(caught.value)
    assert not caught.value.retry


@pytest.mark.parametrize(
    ("reply", "says", "retry"),
    [
        (Reply(503), "answers 503", True),
        (Reply(200, b"<html>down</html>"), "html instead of GL_MarketDocument", False),
        (Reply(200, b"<GL_MarketDocument", send_only_bytes=9), "not reachable", True),
        (Reply(200, b"<GL_MarketDocument><TimeSeries>"), "no XML", True),
        (Reply(drop=True), "not reachable", True),
    ],
)
def test_faults_say_whether_another_try_helps(
    server: JsonServer, tmp_path: Path, reply: Reply, says: str, *, retry: bool
) -> None:
    server.replies.append(reply)
    with pytest.raises(SourceError) as caught:
        ask(server, tmp_path, "DE", (0, 4))
    assert says in str(caught.value)
    assert caught.value.retry == retry
    assert TOKEN not in str(caught.value)


def test_zones_and_kinds_are_checked_before_anything_is_asked(server: JsonServer, tmp_path: Path) -> None:
    asked = source(server, tmp_path)
    for zone in ("DE", "SWE", "NO2", "10YFR-RTE------C"):
        asked.check_zone(zone, "here")
    with pytest.raises(ConfigurationError, match=r"^here: entsoe has no zone 'DK3'; near names: DK"):
        asked.check_zone("DK3", "here")
    with pytest.raises(ConfigurationError, match="EIC"):
        asked.check_zone("10YFR-RTE------D", "here")
    with pytest.raises(SourceError, match="no zone 'US'"):
        ask(server, tmp_path, "US", (0, 1))
    with pytest.raises(ConfigurationError, match="average intensities, not marginal"):
        source_kind("entsoe", "test").build(SourceOptions(kind="marginal"))
    assert server.asked == []
