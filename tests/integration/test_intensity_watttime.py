"""WattTime over HTTP: the token, both signals, and what a contract does not cover."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision
from collector.carbon.units import GCO2E_PER_KWH_PER_LB_PER_MWH
from collector.intensity.errors import SourceError
from collector.intensity.source import IntensitySource, SourceOptions, source_kind
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.json_server import JsonServer, as_json, json_server
from tests.fakes.watttime_server import PASSWORD, USER, Watttime

NOW_S = 1_709_650_800
NS = 10**9
HOUR_S = 3_600


@pytest.fixture
def account() -> Watttime:
    history: dict[int, float | None] = {NOW_S - 300 * i: 800.0 + i for i in range(1, 25)}
    return Watttime(points={"co2_moer": history, "co2_aoer": {NOW_S - HOUR_S: 500.0}})


@pytest.fixture
def server(account: Watttime) -> Iterator[JsonServer]:
    with json_server(account) as state:
        yield state


def source(
    server: JsonServer, folder: Path, kind: IntensityKind | None = None, *, key: str = f"{USER}:{PASSWORD}"
) -> IntensitySource:
    file = folder / "key"
    file.write_text(f"{key}\n", encoding="ascii")
    options = SourceOptions(
        url=server.url,
        key_file=file,
        retries=0,
        kind=kind,
        cache_dir=folder / "cache",
        zone_map={"home": "CAISO_NORTH"},
    )
    return source_kind("watttime", "test").build(options)


def ask(asked: IntensitySource, start_s: int, end_s: int, now_s: int = NOW_S) -> list[IntensityRevision]:
    return asked.fetch("CAISO_NORTH", start_s * NS, end_s * NS, now_s * NS)


def test_marginal_steps_of_five_minutes_in_grams(server: JsonServer, tmp_path: Path) -> None:
    found = ask(source(server, tmp_path), NOW_S - 900, NOW_S)
    assert [one.gco2e_per_kwh for one in found] == [
        pytest.approx(pounds * 0.45359237) for pounds in (803.0, 802.0, 801.0)
    ]
    assert {(one.kind, one.source, one.zone, one.is_forecast) for one in found} == {
        ("marginal", "watttime", "CAISO_NORTH", False)
    }
    assert [(one.valid_from_unix_ns // NS, one.valid_to_unix_ns // NS) for one in found] == [
        (NOW_S - 300 * i, NOW_S - 300 * (i - 1)) for i in (3, 2, 1)
    ]
    assert {one.fetched_at_unix_ns for one in found} == {NOW_S * NS}


def test_the_average_is_another_kind_with_its_own_scope(server: JsonServer, account: Watttime, tmp_path: Path) -> None:
    account.period_s = None
    (one,) = ask(source(server, tmp_path, "average"), NOW_S - HOUR_S, NOW_S)
    assert one.kind == "average"
    assert one.gco2e_per_kwh == pytest.approx(500.0 * GCO2E_PER_KWH_PER_LB_PER_MWH)
    assert one.valid_to_unix_ns - one.valid_from_unix_ns == HOUR_S * NS
    assert "average of all" in one.scope


def test_imputed_values_are_estimates_and_missing_ones_are_left_out(
    server: JsonServer, account: Watttime, tmp_path: Path
) -> None:
    account.imputed = frozenset({NOW_S - 300})
    account.points["co2_moer"][NOW_S - 600] = None
    found = ask(source(server, tmp_path), NOW_S - 900, NOW_S)
    assert [(one.valid_from_unix_ns // NS - NOW_S, one.is_estimated) for one in found] == [(-900, False), (-300, True)]


def test_what_is_ahead_is_a_forecast(server: JsonServer, account: Watttime, tmp_path: Path) -> None:
    account.forecast = {NOW_S + 300 * i: 100.0 + i for i in range(40)}
    found = ask(source(server, tmp_path), NOW_S - 300, NOW_S + HOUR_S)
    assert [one.is_forecast for one in found] == [False] + [True] * 12
    assert server.asked[-1].params["horizon_hours"] == "1"


def test_a_contract_without_forecasts_still_gives_history(
    server: JsonServer, account: Watttime, tmp_path: Path
) -> None:
    account.has_forecast = False
    asked = source(server, tmp_path)
    assert len(ask(asked, NOW_S - 300, NOW_S + HOUR_S)) == 1
    with pytest.raises(SourceError, match="Your plan does not cover this"):
        ask(asked, NOW_S + 60, NOW_S + HOUR_S)


def test_a_token_serves_many_questions_and_is_renewed_in_time(server: JsonServer, tmp_path: Path) -> None:
    asked = source(server, tmp_path)
    for minutes in (0, 5, 24):
        ask(asked, NOW_S - 900, NOW_S, NOW_S + 60 * minutes)
    assert server.paths.count("/login") == 1
    ask(asked, NOW_S - 900, NOW_S, NOW_S + 60 * 26)
    assert server.paths.count("/login") == 2


def test_a_token_that_was_forgotten_is_replaced_once(server: JsonServer, account: Watttime, tmp_path: Path) -> None:
    asked = source(server, tmp_path)
    ask(asked, NOW_S - 900, NOW_S)
    account.forgotten = {"token-1"}
    assert len(ask(asked, NOW_S - 900, NOW_S)) == 3
    account.forgotten = {"token-2", "token-3", "token-4"}
    with pytest.raises(SourceError, match="answers 401"):
        ask(asked, NOW_S - 900, NOW_S)
    assert account.tokens == ["token-1", "token-2", "token-3"]


def test_a_wrong_password_is_one_line_without_it(server: JsonServer, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"/login: answers 403.*key_file") as caught:
        ask(source(server, tmp_path, key=f"{USER}:wrong-secret"), NOW_S - 900, NOW_S)
    assert "wrong-secret" not in str(caught.value)
    assert not caught.value.retry


def test_no_token_and_no_password_is_left_on_the_disk(server: JsonServer, tmp_path: Path) -> None:
    ask(source(server, tmp_path), NOW_S - 900, NOW_S)
    kept = (
        b"".join(file.read_bytes() for file in (tmp_path / "cache").glob("*"))
        if (tmp_path / "cache").exists()
        else b""
    )
    assert b"token-1" not in kept
    assert PASSWORD.encode() not in kept


def test_long_stretches_are_asked_in_parts_without_overlap(server: JsonServer, tmp_path: Path) -> None:
    ask(source(server, tmp_path), NOW_S - 70 * 86_400, NOW_S)
    spans = [(one.params["start"], one.params["end"]) for one in server.asked if one.path == "/v3/historical"]
    assert len(spans) == 3
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))


@pytest.mark.parametrize(
    ("meta", "says"),
    [
        ({"units": "kg_co2_per_mwh"}, "values in 'kg_co2_per_mwh'"),
        ({"signal_type": "co2_aoer"}, "was asked for co2_moer of CAISO_NORTH, answers with co2_aoer"),
        ({"region": "DE"}, "answers with co2_moer of DE"),
        ({"region": 5}, "not as its documentation says"),
    ],
)
def test_another_unit_signal_or_region_is_refused(
    server: JsonServer, tmp_path: Path, meta: dict[str, object], says: str
) -> None:
    good = {"region": "CAISO_NORTH", "signal_type": "co2_moer", "units": "lbs_co2_per_mwh"}
    server.replies.append(as_json({"token": "t"}))
    server.replies.append(as_json({"data": [], "meta": good | meta}))
    with pytest.raises(SourceError) as caught:
        ask(source(server, tmp_path), NOW_S - 900, NOW_S)
    assert says in str(caught.value)
    assert not caught.value.retry


def test_less_than_nothing_is_refused(server: JsonServer, account: Watttime, tmp_path: Path) -> None:
    account.points["co2_moer"][NOW_S - 300] = -1.0
    with pytest.raises(SourceError, match="0 or more"):
        ask(source(server, tmp_path), NOW_S - 900, NOW_S)


def test_zones_keys_and_kinds_are_checked_before_anything_is_asked(server: JsonServer, tmp_path: Path) -> None:
    asked = source(server, tmp_path)
    asked.check_zone("home", "here")
    assert len(asked.fetch("home", (NOW_S - 900) * NS, NOW_S * NS, NOW_S * NS)) == 3
    with pytest.raises(
        ConfigurationError, match=r"^here: watttime has no zone 'CAISO-NORTH'; near names: CAISO_NORTH"
    ):
        asked.check_zone("CAISO-NORTH", "here")
    with pytest.raises(ConfigurationError, match="write user:password there"):
        source(server, tmp_path, key="only-a-token")
    with pytest.raises(ConfigurationError, match="needs a key"):
        source_kind("watttime", "test").build(SourceOptions())
