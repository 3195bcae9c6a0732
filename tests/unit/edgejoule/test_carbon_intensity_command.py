"""``edgejoule carbon intensity`` from the command line to the store and back."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.config import journal_path
from collector.journal import Journal
from edgejoule.cli import main
from tests.fakes.http_server import serving
from tests.fakes.windows import commit_rows, make_stored

HOUR_NS = 3_600_000_000_000
START = 1_709_596_800_000_000_000
"""2024-03-05T00:00Z."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "state" / "intensity.sqlite3"


def imported(store: Path, tmp_path: Path, name: str, text: str, *more: str) -> int:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    whose = ("--id", "mine", "--name", "My utility", "--licence", "own", "--scope", "generation", "--method", "meters")
    return main(["carbon", "intensity", "import", str(path), *whose, *more, "--store", str(store)])


def day_of(values: list[float | str], zone: str = "GB") -> str:
    lines = [f"{zone},2024-03-05T{hour:02}:00Z,{value}" for hour, value in enumerate(values)]
    return "\n".join(["zone,start,gco2e_per_kwh", *lines]) + "\n"


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """Return what a verb says as JSON."""
    capsys.readouterr()
    assert main(["carbon", "intensity", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_without_a_verb_it_lists_yearly_averages(capsys: pytest.CaptureFixture[str]) -> None:
    assert [one["id"] for one in told(capsys, "DE", "fr")] == ["DEU", "FRA"]
    assert [one["id"] for one in told(capsys, "list", "SE")] == ["SWE"]
    assert len(told(capsys)) > 30
    assert main(["carbon", "intensity", "DX"]) == 2
    assert "unknown 'DX'" in capsys.readouterr().err


def test_a_series_is_kept_and_shown(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert imported(store, tmp_path, "a.csv", day_of([100.0, "", 140.0, 150.0])) == 0
    assert "3 values of 2024-03-05 00:00 to 2024-03-05 04:00 UTC, 3 new" in capsys.readouterr().out
    assert imported(store, tmp_path, "a.csv", day_of([100.0, "", 140.0, 150.0])) == 0
    assert "3 values of 2024-03-05 00:00 to 2024-03-05 04:00 UTC, 0 new" in capsys.readouterr().out
    kept = told(capsys, "stored", "--store", str(store))
    assert [(one["source"], one["zone"], one["revisions"]) for one in kept["extents"]] == [("mine", "GB", 3)]
    assert kept["passports"]["mine"]["licence"] == "own"
    shown = told(capsys, "show", "gb", "--store", str(store), "--from", "2024-03-05", "--to", "2024-03-05T04:00")
    (gb,) = shown["zones"]
    assert [round(step["gco2e_per_kwh"]) for step in gb["steps"]] == [100, 216, 140, 150]
    assert [step["source"] for step in gb["steps"]] == ["mine", None, "mine", "mine"]
    assert gb["mean_gco2e_per_kwh"] == pytest.approx((100 + 140 + 150 + gb["yearly_gco2e_per_kwh"]) / 4)
    assert gb["quality_ratio"] == pytest.approx({"actual": 0.75, "estimated": 0.0, "forecast": 0.0, "yearly": 0.25})
    assert [one["id"] for one in gb["factors"]] == ["mine:GB:average", "GBR"]


def test_as_known_at(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for value, since in ((100.0, "2024-03-06"), (104.0, "2024-03-07")):
        assert imported(store, tmp_path, "a.csv", day_of([value, value]), "--known-since", since) == 0
    place = ("--store", str(store), "--from", "2024-03-05", "--to", "2024-03-05T01:00")

    def mean(*more: str) -> float:
        value: float = told(capsys, "show", "GB", *place, *more)["zones"][0]["mean_gco2e_per_kwh"]
        return round(value)

    assert [mean("--as-known-at", at) for at in ("2024-03-05", "2024-03-06T12:00", "2024-03-08")] == [216, 100, 104]
    assert mean() == 104
    said = told(capsys, "show", "GB", *place, "--revisions")["zones"][0]["revisions"]
    assert [one["gco2e_per_kwh"] for one in said] == [100.0, 104.0]
    assert main(["carbon", "intensity", "show", "GB", *place, "--revisions"]) == 0
    out = capsys.readouterr().out
    assert "104.0" in out
    assert "known for 100" in out


def test_what_if_finds_the_cheapest_start_and_place(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(store, tmp_path, "a.csv", day_of([300.0, 100.0, 100.0, 500.0])) == 0
    plot = tmp_path / "what-if.svg"
    words = ["what-if", "GB", "SE", "--power-w", "1000", "--hours", "2", "--from", "2024-03-05"]
    place = ["--to", "2024-03-05T05:00", "--step-min", "60", "--store", str(store), "--plot", str(plot)]
    found = told(capsys, *words, *place, "--measured-only")
    gb, se = found["places"]
    assert (gb["zone"], gb["cheapest"]["start_unix_ns"], gb["cheapest"]["gco2e"]) == ("GB", START + HOUR_NS, 200.0)
    assert gb["dearest"]["gco2e"] == 600.0
    assert gb["yearly_gco2e"] == pytest.approx(431.58)
    assert [one["gco2e"] for one in gb["starts"]] == [400.0, 200.0, 600.0, None]
    assert (se["cheapest"], se["yearly_gco2e"]) == (None, pytest.approx(71.78))
    assert {one["id"] for one in found["factors"]["GB"]} == {"mine:GB:average", "GBR"}
    assert plot.read_text().count("<svg") == 1
    assert told(capsys, *words, *place)["places"][0]["zone"] == "SE"
    assert main(["carbon", "intensity", *words, *place]) == 0
    out = capsys.readouterr().out
    assert "1000 W for 2 h: gCO2e by start" in out
    assert "yearly 100" in out


def test_what_if_a_device_had_done_its_work_at_another_hour(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its windows: 10 s of 3600 J each, over five minutes."""
    state = tmp_path / "state"
    rows = [make_stored(n, energy_j=3600.0, t_start_unix_ns=START + 10 * (n - 1) * 10**9) for n in range(1, 31)]
    with closing(Journal(journal_path(state))) as journal:
        commit_rows(journal, rows)
    assert imported(state / "intensity.sqlite3", tmp_path, "a.csv", day_of([300.0, 100.0, 500.0])) == 0
    words = ["what-if", "GB", "--device", "pi4-01", "--state-dir", str(state), "--from", "2024-03-05"]
    times = ["--worked-from", "2024-03-05", "--worked-to", "2024-03-05T00:10", "--to", "2024-03-05T03:00"]
    found = told(capsys, *words, *times)
    (gb,) = found["places"]
    assert (gb["energy_j"], gb["duration_s"]) == (30 * 3600.0, 600.0)
    assert gb["cheapest"]["gco2e"] == pytest.approx(0.03 * 100.0)
    assert gb["dearest"]["gco2e"] == pytest.approx(0.03 * 500.0)
    assert found["note"].startswith("30 windows cover 50")
    assert main(["carbon", "intensity", *words, *times]) == 0
    assert "the rest of the time is unknown" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_a_plot_of_what_is_known(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    assert imported(store, tmp_path, "a.csv", day_of([300.0, "", 100.0, 100.0, 500.0])) == 0
    plot = tmp_path / f"plot{suffix}"
    words = ["carbon", "intensity", "show", "GB", "FR", "--store", str(store), "--plot"]
    assert main([*words, str(plot)]) == 0
    first = plot.read_bytes()
    assert len(first) > 1000
    assert main([*words, str(plot)]) == 0
    assert plot.read_bytes() == first, "the same picture every time"
    assert main([*words, str(tmp_path / "plot.xyz")]) == 2
    assert "plot.xyz: name a file that ends in .svg, .png, .pdf" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["stored"], "nothing says where the values are kept; give --store FILE"),
        (["show", "GX", "--store", "{store}"], "no intensity for zone 'GX'"),
        (["show", "GB", "--store", "{store}"], "nothing is stored for GB; give --from and --to"),
        (["show", "GB", "--store", "{store}", "--from", "2024-03-05", "--to", "2024-03-05"], "--to is not after"),
        (["show", "GB", "--store", "{store}", "--signal", "marginal"], "no marginal intensity for zone 'GB'"),
        (["fetch", "--store", "{store}"], "name a SOURCE and its ZONEs"),
        (["fetch", "uk_carbon", "GB", "--store", "{store}"], "did you mean uk_carbon_intensity?"),
        (["fetch", "energidataservice", "--store", "{store}"], "name the zones of energidataservice: "),
        (["fetch", "electricity_maps", "DE", "--store", "{store}"], "needs a key"),
        (["fetch", "energidataservice", "DK1", "--signal", "marginal", "--store", "{store}"], "gives average"),
        (["sources", "nowhere"], "there is no source of intensities 'nowhere'"),
        (
            ["what-if", "GB", "--power-w", "1", "--hours", "9", "--from", "2024-03-05", "--to", "2024-03-05T08:00",
             "--store", "{store}"],
            "9 h do not fit between",
        ),
        (
            ["what-if", "GB", "--hours", "9", "--from", "2024-03-05", "--to", "2024-03-06", "--store", "{store}"],
            "say which work: --power-w and --hours, or --device",
        ),
        (
            ["what-if", "GB", "--device", "x", "--from", "2024-03-05", "--to", "2024-03-06", "--store", "{store}"],
            "--device takes --worked-from, and --worked-to after it",
        ),
        (
            ["import", "/none.csv", "--id", "x", "--name", "x", "--licence", "x", "--scope", "x", "--method", "x",
             "--store", "{store}"],
            "/none.csv: cannot read it",
        ),
        (
            ["import", "x.csv", "--id", "entsoe", "--name", "x", "--licence", "x", "--scope", "x", "--method", "x",
             "--store", "{store}"],
            "--id entsoe: a source that edgejoule asks itself has this name",
        ),
        (
            ["import", "x.csv", "--id", "x", "--name", "x", "--licence", "", "--scope", "x", "--method", "x",
             "--store", "{store}"],
            "the passport's licence is empty",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(
    words: list[str], line: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["carbon", "intensity", *(word.format(store=store) for word in words)]) == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1


def test_a_series_that_contradicts_what_is_stored_is_refused(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    since = ("--known-since", "2024-03-06")
    assert imported(store, tmp_path, "a.csv", day_of([100.0, 110.0]), *since) == 0
    assert imported(store, tmp_path, "a.csv", day_of([100.0, 111.0]), *since) == 2
    assert "110 g/kWh is stored and 111 comes" in capsys.readouterr().err
    assert imported(store, tmp_path, "b.csv", "start,gco2e_per_kwh\n2024-03-05T00:00Z,1\n2024-03-05T01:00Z,2\n") == 2
    assert "do not say their zone; give --zone" in capsys.readouterr().err


@contextmanager
def danish_server(status: int = 200) -> Iterator[str]:
    """A server that answers as Energi Data Service does, for two five-minute steps."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            first = "offset=0" in self.path or "offset" not in self.path
            records = [
                {"Minutes5UTC": f"2024-03-05T00:0{minute}:00", "PriceArea": "DK1", "CO2Emission": value}
                for minute, value in ((0, 120.0), (5, 130.0))
            ]
            shown = records if first and "CO2EmisProg" not in self.path else []
            body = msgspec.json.encode(
                {"total": len(records), "limit": 10_000, "dataset": "CO2Emis", "records": shown}
            )
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}"


def test_fetching_keeps_what_a_source_says(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stretch = ("--from", "2024-03-05", "--to", "2024-03-05T00:10", "--store", str(store))
    with danish_server() as url:
        words = ("fetch", "energidataservice", "DK1", *stretch, "--url", url)
        assert [(one["values"], one["new"]) for one in told(capsys, *words)["fetched"]] == [(2, 2)]
        assert [(one["values"], one["new"]) for one in told(capsys, *words)["fetched"]] == [(2, 0)]
    shown = told(capsys, "show", "DK1", "--store", str(store), "--from", "2024-03-05", "--to", "2024-03-05T00:10")
    assert shown["zones"][0]["mean_gco2e_per_kwh"] == 125.0
    assert shown["zones"][0]["factors"][0]["licence"].startswith("CC-BY")


def test_a_source_that_does_not_answer_is_told_and_is_exit_code_1(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with danish_server(status=404) as url:
        words = ["fetch", "energidataservice", "DK1", "--from", "2024-03-05", "--to", "2024-03-06", "--url", url]
        assert main(["carbon", "intensity", *words, "--retries", "0", "--store", str(store)]) == 1
    error = capsys.readouterr().err
    assert "failed: " in error
    assert url in error


def test_the_configured_sources_are_fetched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with danish_server() as url:
        config = tmp_path / "collector.toml"
        config.write_text(
            f"""
[intensity]
yearly_zones = {{ west = "DK" }}
[[intensity.source]]
kind = "energidataservice"
zones = {{ west = "DK1" }}
url = "{url}"
"""
        )
        place = ("--config", str(config))
        found = told(capsys, "fetch", *place, "--from", "2024-03-05", "--to", "2024-03-05T00:10")
        assert [(one["zone"], one["new"], one["error"]) for one in found["fetched"]] == [("DK1", 2, "")]
    shown = told(capsys, "show", "west", *place, "--from", "2024-03-05", "--to", "2024-03-05T00:20")
    assert [round(one["gco2e_per_kwh"]) for one in shown["zones"][0]["steps"]] == [120, 130, 143]
    assert (tmp_path / "collector-state" / "intensity.sqlite3").is_file()


def test_every_source_is_listed_with_its_licence(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "sources")
    assert {"series", "energidataservice", "uk_carbon_intensity"} <= {one["name"] for one in found}
    assert all(one["passport"]["licence"] for one in found)
    assert main(["carbon", "intensity", "sources", "energidataservice"]) == 0
    assert "licence: CC-BY" in capsys.readouterr().out
