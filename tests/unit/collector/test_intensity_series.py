"""A user's own series: CSV and Parquet, and what is wrong with one, in one line."""

import datetime as dt
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.revisions import SourcePassport
from collector.intensity.errors import SourceError
from collector.intensity.series_rows import columns_of, revisions_of
from collector.intensity.source import IntensitySource, SourceOptions, all_sources, source_kind, source_names
from edge_agent.wire.errors import ConfigurationError

HOUR_NS = 3_600_000_000_000
START = 1_709_596_800_000_000_000
"""2024-03-05T00:00Z."""
PASSPORT = SourcePassport(id="mine", name="Mine", url="", scope="s", licence="own", method="metered")


def source(path: Path, **columns: str) -> IntensitySource:
    return source_kind("series", "here").build(SourceOptions(url=str(path), passport=PASSPORT, columns=columns))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "series.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plain_series_with_a_hole(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "start,gco2e_per_kwh,low,high\n2024-03-05T00:00Z,350,300,400\n2024-03-05T02:00+01:00,340,,\n"
        "2024-03-05T02:00Z,,,\n2024-03-05T03:00Z,330,,\n2024-03-05T06:00Z,310,,\n",
    )
    mine = source(path)
    found = mine.fetch("DE", START, START + 24 * HOUR_NS, 77)
    assert [(one.valid_from_unix_ns - START) // HOUR_NS for one in found] == [0, 1, 3, 6]
    assert [(one.valid_to_unix_ns - one.valid_from_unix_ns) / HOUR_NS for one in found] == [1.0] * 4
    assert [(one.gco2e_per_kwh, one.low, one.high) for one in found][:2] == [(350, 300, 400), (340, None, None)]
    assert {(one.zone, one.source, one.fetched_at_unix_ns) for one in found} == {("DE", "mine", 77)}
    assert mine.resolution_s == 3600.0
    assert [one.gco2e_per_kwh for one in mine.fetch("DE", START + HOUR_NS, START + HOUR_NS + 1, 77)] == [340.0]


def test_zones_revisions_and_flags(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "zone,valid_from,valid_to,Carbon intensity,fetched_at,is_estimated,is_forecast\n"
        "SE,2024-03-05T00:00Z,2024-03-05T01:00Z,20,2024-03-05T02:00Z,true,no\n"
        "SE,2024-03-05T00:00Z,2024-03-05T01:00Z,23,2024-03-06T02:00Z,0,0\n"
        "NO,2024-03-05T00:00Z,2024-03-05T01:00Z,30,2024-03-04T00:00Z,,1\n",
    )
    mine = source(path, value="carbon intensity")
    found = mine.fetch("SE", START, START + HOUR_NS, 77)
    assert [(one.gco2e_per_kwh, one.is_estimated) for one in found] == [(20.0, True), (23.0, False)]
    assert found[0].fetched_at_unix_ns == START + 2 * HOUR_NS
    assert mine.fetch("NO", START, START + HOUR_NS, 77)[0].is_forecast
    mine.check_zone("NO", "here")
    with pytest.raises(ConfigurationError, match="no zone 'FI' in it; near names: NO, SE"):
        mine.check_zone("FI", "here")


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, "start,end,gco2e_per_kwh\n2024-03-05T00:00Z,2024-03-05T01:00Z,350\n")
    mine = source(path)
    path.write_text("start,end,gco2e_per_kwh\n2024-03-05T00:00Z,2024-03-05T01:00Z,351.5\n")
    assert [one.gco2e_per_kwh for one in mine.fetch("DE", START, START + HOUR_NS, 1)] == [351.5]
    path.write_text("nonsense\n")
    with pytest.raises(SourceError, match="no column for the start"):
        mine.fetch("DE", START, START + HOUR_NS, 1)
    path.unlink()
    with pytest.raises(SourceError, match="cannot read it"):
        mine.fetch("DE", START, START + HOUR_NS, 1)


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "series.parquet"
    moments = [dt.datetime(2024, 3, 5, hour, tzinfo=dt.UTC) for hour in (0, 1)]
    pq.write_table(pa.table({"datetime": moments, "carbonIntensity": [350.0, None]}), path)
    assert [one.gco2e_per_kwh for one in source(path).fetch("DE", START, START + 9 * HOUR_NS, 1)] == [350.0]
    path.write_bytes(b"PAR1 no")
    with pytest.raises(ConfigurationError, match="cannot read it as Parquet"):
        source(path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("start,gco2e_per_kwh\n2024-03-05T00:00Z,350\n2024-03-05T01:00Z,-3\n", "row 2: .* 0 or more, not -3"),
        ("start,gco2e_per_kwh\n2024-03-05T00:00,350\n", "row 1: .*does not say its time zone"),
        ("start,gco2e_per_kwh\n5 March,350\n", "row 1: '5 March' is no moment"),
        ("start,gco2e_per_kwh\n2024-03-05T00:00Z,12 g\n", "row 1: .*'12 g', which is no number"),
        ("start,gco2e_per_kwh\n,12\n", "row 1: column 'start' is empty"),
        ("start,gco2e_per_kwh\n2024-03-05T00:00Z,12\n", "no column for its end; add a column 'end'"),
        ("start,end,gco2e_per_kwh\n2024-03-05T01:00Z,2024-03-05T01:00Z,12\n", "row 1: .*valid_to after valid_from"),
        ("start,intensity\n", "no column for the value; name it .*the columns: start, intensity"),
        ("start,gco2e_per_kwh\n", "no values in it"),
        ("", "no column for the start"),
        (
            "start,end,gco2e_per_kwh\n2024-03-05T00:00Z,2024-03-05T02:00Z,1\n2024-03-05T01:00Z,2024-03-05T02:00Z,2\n",
            "overlap: 1 and 2 g/kWh",
        ),
        (
            "start,end,gco2e_per_kwh,is_forecast\n2024-03-05T00:00Z,2024-03-05T02:00Z,1,maybe\n",
            "row 1: is_forecast is 'maybe'; write true or false",
        ),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"series\.csv: .*{fault}") as refused:
        source(written(tmp_path, text))
    assert "\n" not in str(refused.value)


def test_a_series_says_where_it_comes_from() -> None:
    kind = source_kind("series", "here")
    with pytest.raises(ConfigurationError, match="name the CSV or Parquet file as url"):
        kind.build(SourceOptions())
    with pytest.raises(ConfigurationError, match="say where its values come from"):
        kind.build(SourceOptions(url="x.csv"))


def test_a_columns_name_that_says_utc_needs_no_offsets() -> None:
    columns = columns_of(["Datetime (UTC)", "end utc", "value"], {"value": "VALUE", "end": "End UTC"})
    rows = [{"Datetime (UTC)": "2024-03-05 00:00:00", "end utc": "2024-03-05 01:00", "value": "1"}]
    found = revisions_of(rows, columns, source="s", zone="z", kind="marginal", now_unix_ns=0)
    assert (found[0].valid_from_unix_ns, found[0].kind) == (START, "marginal")


@given(st.lists(st.integers(0, 200), min_size=2, max_size=60, unique=True))
def test_steps_without_ends_never_overlap_and_keep_their_starts(hours: list[int]) -> None:
    rows = [
        {"start": dt.datetime(2024, 3, 5, tzinfo=dt.UTC) + dt.timedelta(hours=hour), "gco2e_per_kwh": float(hour)}
        for hour in hours
    ]
    columns = columns_of(["start", "gco2e_per_kwh"], {})
    found = revisions_of(rows, columns, source="s", zone="z", kind="average", now_unix_ns=0)
    assert [one.gco2e_per_kwh for one in found] == sorted(hours)
    assert all(a.valid_to_unix_ns <= b.valid_from_unix_ns for a, b in pairwise(found))


def test_every_source_is_found_by_its_file() -> None:
    assert "series" in source_names()
    for kind in all_sources():
        assert kind.name in source_names()
        assert kind.kinds
        assert all((kind.passport.licence, kind.passport.scope, kind.passport.method, kind.zones_help))
    with pytest.raises(
        ConfigurationError, match=r"here: there is no source of intensities 'serie'; did you mean series"
    ):
        source_kind("serie", "here")
