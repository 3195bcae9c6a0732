"""Series that nobody meant to write: each is refused in one line that says where, and none gives a wrong figure."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.carbon.revisions import IntensityRevision
from collector.intensity.sources.series import read_series
from edge_agent.wire.errors import ConfigurationError

HOUR_NS = 3_600_000_000_000


def read(path: Path, **columns: str) -> list[IntensityRevision]:
    return read_series(path, columns, source="mine", zone="DE", kind="average", now_unix_ns=7)


def csv(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "series.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("start,end,value", "2024-03-05T00:00Z,2024-03-05T01:00Z,1", "2024-03-05T01:00Z,,1"), "row 2: column 'end'"),
        (("start,value", "9998-01-01T00:00Z,1", "9998-01-01T01:00Z,1"), "row 1: .* years 1823 to 2262"),
        (("start,value", "1600-01-01T00:00Z,1", "1600-01-01T01:00Z,1"), "row 1: .* years 1823 to 2262"),
        (("start,value", "2024-03-05T00:00Z,1e308", "2024-03-05T01:00Z,1"), "row 1: .* grams for a kilowatt-hour"),
        (
            ("start,value,high", "2024-03-05T00:00Z,1,1e9", "2024-03-05T01:00Z,1,"),
            "row 1: .* grams for a kilowatt-hour",
        ),
        (("start,value,value", "2024-03-05T00:00Z,1,2", "2024-03-05T01:00Z,1,2"), "'value' stands twice"),
        (("start,value", "2024-03-05T00:00Z,100,5", "2024-03-05T01:00Z,100,6"), "row 1 has more cells"),
    ],
)
def test_a_fault_is_one_line(tmp_path: Path, lines: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        read(csv(tmp_path, *lines), value="value")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("heading", ["Time (UTC+01:00)", "utc + 2", "UTC-5", "outcome"])
def test_a_column_some_hours_off_utc_is_not_utc(tmp_path: Path, heading: str) -> None:
    path = csv(tmp_path, f"{heading},gco2e_per_kwh", "2024-03-05T00:00,1", "2024-03-05T01:00,2")
    with pytest.raises(ConfigurationError, match="does not say its time zone"):
        read(path, start=heading)


@pytest.mark.parametrize("heading", ["Datetime (UTC)", "HourUTC", "utc", "time_utc", "UTC time"])
def test_a_column_of_utc_is(tmp_path: Path, heading: str) -> None:
    path = csv(tmp_path, f"{heading},gco2e_per_kwh", "2024-03-05T00:00,1", "2024-03-05T01:00,2")
    assert read(path, start=heading)[0].valid_from_unix_ns == 1_709_596_800_000_000_000


def test_blanks_around_a_zone_are_not_part_of_its_name(tmp_path: Path) -> None:
    path = csv(tmp_path, "zone,start,gco2e_per_kwh", " SE ,2024-03-05T00:00Z,1", "SE,2024-03-05T01:00Z,2")
    assert [one.zone for one in read(path)] == ["SE", "SE"]


def test_days_when_the_clocks_change(tmp_path: Path) -> None:
    """23 and 25 hours of local time are as many hours; the hour that comes twice is told apart by its offset."""
    first = dt.datetime(2024, 10, 26, 22, tzinfo=dt.UTC)
    winter = dt.datetime(2024, 10, 27, 1, tzinfo=dt.UTC)
    local = [
        at.astimezone(dt.timezone(dt.timedelta(hours=2 if at < winter else 1)))
        for at in (first + dt.timedelta(hours=n) for n in range(25))
    ]
    found = read(csv(tmp_path, "start,gco2e_per_kwh", *(f"{at.isoformat()},{n}" for n, at in enumerate(local))))
    assert [one.gco2e_per_kwh for one in found] == list(range(25))
    assert {one.valid_to_unix_ns - one.valid_from_unix_ns for one in found} == {HOUR_NS}


def test_parquet_with_two_columns_of_a_name_or_moments_out_of_reach(tmp_path: Path) -> None:
    path = tmp_path / "series.PARQUET"
    at = pa.array([dt.datetime(2024, 3, 5, n, tzinfo=dt.UTC) for n in range(2)])
    values = pa.array([1.0, 2.0])
    pq.write_table(pa.table([at, values], names=["start", "value"]), path)
    assert [one.gco2e_per_kwh for one in read(path, value="value")] == [1.0, 2.0]
    pq.write_table(pa.table([at, values, values], names=["start", "value", "value"]), path)
    with pytest.raises(ConfigurationError, match="'value' stands twice"):
        read(path, value="value")
    far = pa.array([2**62, 2**62 + 1], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table([far, values], names=["start", "value"]), path)
    with pytest.raises(ConfigurationError, match="cannot read it as Parquet"):
        read(path, value="value")
