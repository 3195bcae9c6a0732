"""``edgejoule models ledger``: from record files, folders and a collector's journal to tables, pages and figures."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from collector.config import journal_path
from collector.journal import Journal
from edge_agent.wire import codec
from edge_agent.wire.records import BenchRecord
from edgejoule.cli import main
from edgejoule.zoo.catalog_file import write_catalog
from tests.fakes.ledger_benches import CATALOG, ENTRIES, bench_of, zoo_benches

LEDGER = ["models", "ledger", "--draws", "200"]


def write_all(folder: Path, records: list[BenchRecord]) -> Path:
    folder.mkdir(exist_ok=True)
    for record in records:
        (folder / f"{record.bench_id}.json").write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2))
    return folder


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return write_all(tmp_path / "sweep", zoo_benches(simulated=True))


@pytest.fixture
def catalog_dir(tmp_path: Path) -> Path:
    write_catalog(tmp_path / "catalog", CATALOG)
    return tmp_path / "catalog"


def test_json_has_every_row_and_says_simulated(
    sweep: Path, catalog_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*LEDGER, "--records", str(sweep), "--catalog-dir", str(catalog_dir), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["simulated"] is True
    assert len(found["rows"]) == 36
    assert {row["precision"] for row in found["rows"]} == {"int8", "float32", "dynamic_range"}
    assert 0.0 < found["groups"][0]["gross"]["macs"]["value"] < 1.0
    assert found["inversions"][0]["lighter"].startswith("kws")


def test_the_terminal_has_eighty_columns(
    sweep: Path, catalog_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["models", "ledger", "--help"])
    main([*LEDGER, "--records", str(sweep), "--catalog-dir", str(catalog_dir)])
    text = capsys.readouterr().out
    lines = text.splitlines()
    soft = [line for line in lines if line.startswith(("note:", "tau-b against", "fewer MACs, more"))]
    assert [line for line in lines if len(line) > 80 and line not in soft] == []
    for word in ("SIMULATED METER", "kws_float32", "2,600,000", "Fewer MACs, more joules", "precision int8"):
        assert word in text
    assert "…" not in text


def test_a_collectors_journal_is_read_too_and_a_bench_in_both_counts_once(
    tmp_path: Path, sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state_dir = tmp_path / "collector"
    state_dir.mkdir()
    journal = Journal(journal_path(state_dir))
    extra = bench_of(ENTRIES[0], 1.0, "only-here", simulated=True, model_sha256="0" * 64)
    for record in (zoo_benches(simulated=True)[0], extra):
        journal.put_bench("lab", record, 1)
    journal.close()
    assert main([*LEDGER, "--records", str(sweep), "--state-dir", str(state_dir), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tally"]["read"] == 37
    assert sum(len(row["bench_ids"]) for row in found["rows"]) == 37


def test_page_markdown_figure_and_rows_are_written(
    tmp_path: Path, catalog_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = write_all(tmp_path / "few", zoo_benches(simulated=True)[4:10])
    page, text, png, svg, rows = (tmp_path / f"ledger.{kind}" for kind in ("html", "md", "png", "0.svg", "csv"))
    words = [*LEDGER, "--records", str(few), "--catalog-dir", str(catalog_dir)]
    assert main([*words, "--report", str(page), "--plot", str(png), "--csv", str(rows)]) == 0
    assert f"written: {page}" in capsys.readouterr().out
    assert main([*words, "--report", str(text), "--plot", str(svg), "--energy", "net"]) == 0
    html = page.read_text(encoding="utf-8")
    for word in ("SIMULATED METER", "<svg", "MACs of an inference", "kws_int8", "What orders net joules"):
        assert word in html
    assert not re.search(r'(?:src|href)="(?!#)', html), "the page asks no other server"
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "![net joules per inference](ledger.svg)" in text.read_text(encoding="utf-8")
    beside = tmp_path / "ledger.svg"
    assert "net joules per inference" in beside.read_text(encoding="utf-8")
    assert beside.read_bytes() == svg.read_bytes(), "the same benches, the same figure"
    assert len(rows.read_text(encoding="utf-8").splitlines()) == 7


def test_a_record_as_it_goes_on_the_wire_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for record in zoo_benches()[:3]:
        paths.append(tmp_path / f"{record.bench_id}.json")
        paths[-1].write_bytes(codec.encode(record))
    assert main([*LEDGER, *map(str, paths), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tally"]["used"] == 3


def test_what_is_no_bench_is_an_error_where_named_and_passed_over_in_a_folder(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = sweep / "zzz.json"
    broken.write_text('{"device_id": 1', encoding="utf-8")
    assert main([*LEDGER, str(broken)]) == 2
    said = capsys.readouterr().err
    assert "zzz.json: no bench record" in said
    assert said.count("\n") == 1
    assert main([*LEDGER, "--records", str(sweep), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tally"]["unreadable"] == 1
    assert any("1 could not be read, such as" in note for note in found["notes"])
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (2 << 20))
    assert main([*LEDGER, str(large)]) == 2
    assert "too large for a bench record" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing to read"),
        (["missing.json"], "missing.json: cannot be read: No such file or directory; name a file"),
        (["."], ".: a folder, no bench record; for a ledger of all in it: --records ."),
        (["--records", "nowhere"], "nowhere: there is no such folder"),
        (["--records", "."], "holds no .json file"),
        (["--state-dir", "nowhere"], "nowhere"),
        (["x.json", "--draws", "3"], "--draws 3: draw 100 to 100000 times"),
        (["x.json", "--plot", "a.pdf"], "--plot a.pdf: name a file that ends in .svg or .png"),
        (["x.json", "--report", "a.txt"], "--report a.txt: name a file that ends in .html or .md"),
        (["x.json", "--csv", "no/where.csv"], "its directory is not there"),
    ],
)
def test_bad_words_are_one_line(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["models", "ledger", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
