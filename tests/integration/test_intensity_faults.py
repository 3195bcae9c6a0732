"""Servers that answer nonsense: each is refused in one line, nothing of it is stored, and what was kept stays."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from collector.intensity.errors import SourceError
from collector.intensity.fetch import PART_DAYS, fetch_into, part_count
from collector.intensity.http import JsonClient
from collector.intensity.source import SourceOptions, source_kind
from collector.intensity.sources.uk_carbon_intensity import UkCarbonIntensity
from collector.intensity.store import IntensityStore
from edgejoule.cli import main
from tests.fakes.entsoe_platform import TOKEN, acknowledgement
from tests.fakes.json_server import Asked, Reply, as_json, json_server

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
SLOT = timedelta(minutes=30)


def ns(at: datetime) -> int:
    return int(at.timestamp()) * 10**9


def half_hour(start: str, end: str, value: float) -> dict[str, object]:
    return {"from": start, "to": end, "intensity": {"forecast": value, "actual": value}}


OVERLAP = [
    half_hour("2026-03-19T00:00Z", "2026-03-19T01:00Z", 1.0),
    half_hour("2026-03-19T00:30Z", "2026-03-19T01:00Z", 2.0),
]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (as_json({"data": OVERLAP}), "overlap: 1 and 2 g/kWh both from 2026-03-19T00:30:00Z"),
        (as_json({"data": [half_hour("9999-01-01T00:00Z", "9999-01-01T01:00Z", 1.0)]}), "is no moment"),
        (as_json({"data": [half_hour("0001-01-01T00:00+14:00", "2026-03-19T01:00Z", 1.0)]}), "is no moment"),
        (as_json({"data": [half_hour("2026-03-19T00:00Z", "2026-03-19T01:00Z", 1e300)]}), "grams for a kilowatt-hour"),
        (Reply(body=b'{"data":[],"more":' + b"[" * 200_000 + b"]" * 200_000 + b"}"), "nested deeper"),
    ],
)
def test_the_command_says_it_in_one_line(
    tmp_path: Path, reply: Reply, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "intensity.sqlite3"
    with json_server(lambda _: reply) as server:
        asked = ("uk_carbon_intensity", "GB", "--from", "2026-03-18", "--to", "2026-03-20", "--retries", "0")
        assert main(["carbon", "intensity", "fetch", *asked, "--url", server.url, "--store", str(store)]) == 1
    said = capsys.readouterr()
    assert words in said.err
    assert len(said.err.splitlines()) == 1
    with closing(IntensityStore(store)) as kept:
        assert kept.extents() == []


def test_a_value_that_changes_while_a_long_stretch_is_asked_for(tmp_path: Path) -> None:
    """Two parts never share a step, so one fetch cannot say two things of it."""
    start = NOW - timedelta(days=PART_DAYS + 4, minutes=-10)
    asked = 0

    def api(question: Asked) -> Reply:
        nonlocal asked
        asked += 1
        begin, end = (datetime.fromisoformat(text) for text in question.path.split("/")[2:])
        slots = (begin + SLOT * n for n in range(-1, (end - begin) // SLOT))
        times = ((f"{at:%Y-%m-%dT%H:%MZ}", f"{at + SLOT:%Y-%m-%dT%H:%MZ}") for at in slots)
        return as_json({"data": [half_hour(*at, float(asked)) for at in times]})

    with json_server(api) as server, closing(IntensityStore(tmp_path / "i.sqlite3")) as store:
        source = UkCarbonIntensity(JsonClient(server.url, retries=0))
        parts = list(fetch_into(store, source, "GB", ns(start), ns(NOW), ns(NOW)))
        assert len(parts) == part_count(ns(start), ns(NOW)) == 2
        assert [part.added for part in parts] == [part.values for part in parts]
        assert (parts[0].start_unix_ns, parts[-1].end_unix_ns) == (ns(start), ns(NOW))
        assert parts[0].end_unix_ns == parts[1].start_unix_ns
        kept = store.revisions("GB", "average", ns(start), ns(NOW))
        assert sum(one.valid_to_unix_ns - one.valid_from_unix_ns for one in kept) == ns(NOW) - ns(start) + 10 * 60e9


def test_a_series_whose_dated_values_were_changed_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was published at a moment cannot become something else: it is said, and what is stored stays."""
    config, file = tmp_path / "collector.toml", tmp_path / "mine.csv"
    config.write_text(
        f'state_dir = "{tmp_path}"\n[[intensity.source]]\nkind = "series"\nzones = ["DE"]\nurl = "{file}"\n'
        "history_s = 3e8\n"
        '[intensity.source.passport]\nid = "mine"\nname = "m"\nscope = "s"\nlicence = "own"\nmethod = "m"\n',
        encoding="utf-8",
    )
    rows = "start,end,gco2e_per_kwh,fetched_at\n2026-03-05T00:00Z,2026-03-05T01:00Z,{},2026-03-06T00:00Z\n"
    for value, code in ((100, 0), (101, 1)):
        file.write_text(rows.format(value), encoding="utf-8")
        assert main(["carbon", "intensity", "fetch", "--config", str(config)]) == code
    assert "overlap: 100 g/kWh is stored and 101 comes" in capsys.readouterr().err


def test_words_beside_a_refusal_are_not_waited_for_without_end() -> None:
    slow = Reply(500, b"x" * 60_000, trickle=True)
    with json_server(lambda _: slow) as server, pytest.raises(SourceError, match="answers 500: xx") as caught:
        JsonClient(server.url, retries=0, timeout_s=0.3).get_json("/", {}, msgspec.Raw)
    assert caught.value.retry


def test_a_refusal_that_repeats_the_token_does_not_show_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN, encoding="ascii")
    with json_server(lambda _: acknowledgement(f"no right to A75 with securityToken={TOKEN}")) as server:
        options = SourceOptions(url=server.url, key_file=file, retries=0)
        source = source_kind("entsoe", "test").build(options)
        with pytest.raises(SourceError, match=r"refused: no right to A75 with securityToken=\*\*\*") as caught:
            source.fetch("DE", ns(NOW - timedelta(hours=2)), ns(NOW), ns(NOW))
    assert TOKEN not in caught.value.said
