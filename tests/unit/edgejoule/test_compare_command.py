"""``edgejoule compare`` on the shipped scenarios and on a user's: verdicts, files, cases, measurements, faults."""

import csv
import io
import json
from collections import Counter
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import msgspec
import pyarrow.parquet
import pytest
from rich.console import Console, Group

from collector.analysis.comparison.answers import CASE_COLUMNS, Comparison, PairAnswer, View
from collector.config import journal_path
from collector.journal import Journal
from edgejoule.cli import main
from edgejoule.comparison_tables import comparison_parts
from tests.fakes.windows import JETSON, PI4, make_batch

EXAMPLES = Path(__file__).parents[3] / "examples"
SCENARIOS = ("compare-keyword-spotting", "wake-word-pi-zero", "person-detection-jetson", "vibration-pi4-mobile")
SITES = EXAMPLES / "person-detection-sites.csv"
INVENTORY = View("average", "average")
DECISION = View("marginal", "marginal")
Capture = pytest.CaptureFixture[str]


def path_of(name: str) -> str:
    return str(EXAMPLES / f"{name}.toml")


def compared(capsys: Capture, *words: str) -> Comparison:
    """Return the JSON as what it is of: everything that it holds has to fit the types."""
    assert main(["compare", *words, "--draws", "200", "--json"]) == 0
    return msgspec.json.decode(capsys.readouterr().out, type=Comparison)


@cache
def shipped(name: str) -> Comparison:
    """Return the answer to an example, asked once for all tests."""
    with redirect_stdout(io.StringIO()) as out:
        assert main(["compare", path_of(name), "--draws", "200", "--json"]) == 0
    return msgspec.json.decode(out.getvalue(), type=Comparison)


def winners(pair: PairAnswer) -> dict[View, str]:
    return {view.view: view.winner for view in pair.views}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_shipped_scenario_is_answered(name: str) -> None:
    answer = shipped(name)
    console = Console(file=io.StringIO(), width=80, highlight=False)
    console.print(Group(*comparison_parts(answer)))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert "…" not in text
    for words in ("functional unit: ", "modelled: ", "both average", "both marginal", "not counted: ", "SCREENING"):
        assert words in text, words
    assert set(answer.views) == {
        View(network, kind) for network in ("average", "marginal") for kind in ("average", "marginal")
    }
    for pair in answer.pairs:
        assert pair.verdict
        assert len(pair.views) == (4 if pair.admissible else 0)
    for factor in answer.factors:
        for said in (factor.source, factor.licence, factor.vintage, factor.scope):
            assert said.strip(), factor.id


def test_the_network_model_turns_the_verdict_over_mobile_data(capsys: Capture) -> None:
    (pair,) = shipped("vibration-pi4-mobile").pairs
    assert winners(pair)[INVENTORY] == "edge"
    assert winners(pair)[DECISION] == "cloud"
    assert any("network model turns the verdict" in flip for flip in pair.flips)
    assert main(["compare", path_of("vibration-pi4-mobile"), "--draws", "200"]) == 0
    assert "! The network model turns the verdict" in " ".join(capsys.readouterr().out.split())


def test_a_wake_word_stays_on_the_device_whatever_network_the_server_runs() -> None:
    pairs = shipped("wake-word-pi-zero").pairs
    assert [pair.cloud for pair in pairs] == ["speech-server", "same-network"]
    assert {winner for pair in pairs for winner in winners(pair).values()} == {"edge"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_shipped_scenario_is_fair(name: str) -> None:
    """Something stays at the edge in the cloud case, and the server's machine and its making are charged."""
    for pair in shipped(name).pairs:
        for view in pair.views:
            assert {"client_energy", "client_hardware", "idle", "overhead", "hardware"} <= set(view.cloud.causes)
            assert {"work", "idle", "hardware"} <= set(view.edge.causes)


def test_a_network_that_misses_the_accuracy_is_named_and_not_compared() -> None:
    answer = shipped("person-detection-jetson")
    assert [(pair.edge, pair.cloud, pair.admissible) for pair in answer.pairs] == [
        ("orin-fp16", "t4", True),
        ("orin-fp16", "h100", True),
        ("orin-int8", "t4", False),
        ("orin-int8", "h100", False),
    ]
    assert all("accuracy" in pair.faults["edge"][0] for pair in answer.pairs[2:])
    assert answer.case_count > 20


def test_a_file_of_cases_fills_files_of_rows(tmp_path: Path, capsys: Capture) -> None:
    outputs = [f"--csv={tmp_path / 'cases.csv'}", f"--parquet={tmp_path / 'cases.parquet'}"]
    answer = compared(capsys, path_of("person-detection-jetson"), "--cases", str(SITES), *outputs)
    with SITES.open(encoding="utf-8", newline="") as file:
        sites = list(csv.DictReader(file))
    table = pyarrow.parquet.read_table(tmp_path / "cases.parquet")
    with (tmp_path / "cases.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert answer.case_count == len(sites)
    assert len(rows) == table.num_rows == len(sites) * len(answer.pairs) * len(answer.views)
    assert list(rows[0]) == table.column_names
    assert {axis.name for axis in answer.axes} == set(sites[0])
    assert set(table.column_names) <= {*sites[0], *CASE_COLUMNS}
    for row in rows:
        site = sites[int(row["case"])]
        assert (row["edge.grid"], row["network.access"]) == (site["edge.grid"], site["network.access"])
    counted = Counter(row["winner"] or "inadmissible" for row in rows)
    assert answer.case_counts == {name: counted[name] for name in answer.case_counts}
    assert {axis.name: axis.reference for axis in answer.axes}["edge.grid"] == sites[0]["edge.grid"]


def test_another_case_in_detail_is_its_row(tmp_path: Path, capsys: Capture) -> None:
    """The rows and the detail are computed apart; with the same draws they say the same."""
    out = tmp_path / "cases.parquet"
    words = (path_of("person-detection-jetson"), "--cases", str(SITES))
    answer = compared(capsys, *words, "--case", "3", f"--parquet={out}")
    assert {axis.name: axis.reference for axis in answer.axes}["edge.grid"] == "SE"
    rows = {
        (row["edge"], row["cloud"], row["network_model"], row["intensity_kind"]): row
        for row in pyarrow.parquet.read_table(out).to_pylist()
        if row["case"] == 3
    }
    for pair in answer.pairs:
        for view in pair.views:
            row = rows[pair.edge, pair.cloud, view.view.network, view.view.intensity]
            assert row["winner"] == view.winner
            assert row["probability_edge_lower"] == view.probability_edge_lower
            for side, grams in (("edge", view.edge), ("cloud", view.cloud)):
                assert row[f"{side}_g_p50"] == pytest.approx(grams.total.p50, rel=1e-9)
                for cause, figure in grams.causes.items():
                    assert row[f"{side}_{cause}_g_p95"] == pytest.approx(figure.p95, rel=1e-9)


def test_many_cases_are_drawn_less_often_and_that_is_said(tmp_path: Path, capsys: Capture) -> None:
    text = Path(path_of("compare-keyword-spotting")).read_text(encoding="utf-8")
    scenario = tmp_path / "many.toml"
    scenario.write_text(
        text.replace("inferences_per_day = 86400", "inferences_per_day = { from = 100, to = 86400, steps = 101 }"),
        encoding="utf-8",
    )
    assert main(["compare", str(scenario), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["case_count"], answer["draws"]) == (101, 20_000)
    assert "each of the 101 cases has 1,000 draws, the one in detail 20,000" in answer["notes"]


def test_the_page_holds_the_scenario_and_the_verdict(tmp_path: Path, capsys: Capture) -> None:
    page = tmp_path / "report.html"
    answer = compared(capsys, path_of("compare-keyword-spotting"), f"--html={page}")
    text = page.read_text(encoding="utf-8")
    assert answer.title in text
    assert "Does keyword spotting belong on a Raspberry Pi" in text
    assert "edgejoule compare compare-keyword-spotting.toml --draws 200 --seed 20260101 --html report.html" in text


def test_what_a_device_measured_is_compared(tmp_path: Path, capsys: Capture) -> None:
    journal = Journal(journal_path(tmp_path / "state"))
    for profile in (PI4, JETSON):
        journal.commit_batch("lab", make_batch(range(1, 7), profile=profile), 1)
    journal.close()
    scenario = tmp_path / "measured.toml"
    text = Path(path_of("compare-keyword-spotting")).read_text(encoding="utf-8")
    stated = (
        "j_per_inference = 0.04",
        "j_per_inference_u",
        "time_per_inference_s = 0.01",
        "idle_power_w = { value = 2.7",
    )
    lines = [line for line in text.splitlines() if not line.startswith(stated)]
    lines.insert(lines.index("[edge]") + 1, 'device_id = "pi4-01"')
    scenario.write_text("\n".join(lines), encoding="utf-8")
    answer = compared(capsys, str(scenario), "--state-dir", str(tmp_path / "state"))
    (pair,) = answer.pairs
    assert answer.simulated
    assert pair.edge_origin == "simulated"
    assert "lab/pi4-01" in pair.edge_origin_text
    assert main(["compare", str(scenario), "--draws", "200"]) == 2
    assert "--state-dir" in capsys.readouterr().err


def test_nothing_compared_is_exit_code_one(tmp_path: Path, capsys: Capture) -> None:
    scenario = tmp_path / "strict.toml"
    text = Path(path_of("compare-keyword-spotting")).read_text(encoding="utf-8")
    scenario.write_text(text.replace("[unit]", "[unit]\nminimum_accuracy_ratio = 0.9"), encoding="utf-8")
    assert main(["compare", str(scenario), "--draws", "200"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "edge inadmissible: its accuracy is unknown" in shown
    assert "cloud inadmissible: its accuracy is unknown" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--draws", "5"], "--draws 5: give 100 to 1000000"),
        (["--case", "22"], "there is no case 22; the cases are 0 to 21"),
        (["--csv", "{}/nowhere/cases.csv"], "there is no directory"),
        (["--csv", "{}/a", "--parquet", "{}/a"], "name the same file"),
        (["--csv", "{0}/../{1}/a", "--html", "{0}/a"], "--html and --csv name the same file"),
        (["--html", path_of("vibration-pi4-mobile")], "the scenario and --html name the same file"),
        (["--cases", str(SITES), "--parquet", str(SITES)], "--cases and --parquet name the same file"),
        (["--html", "{}"], "cannot write it; name a file in another place"),
        (["--parquet", "{}"], "cannot write it; name a file in another place"),
        (["--cases", "{}/none.csv"], "none.csv: cannot read it"),
        (["--state-dir", "{}/nowhere"], "no journal here"),
        (["--table", "{}/none.toml"], "none.toml"),
    ],
)
def test_a_fault_is_one_line_and_exit_code_two(
    tmp_path: Path, capsys: Capture, words: list[str], message: str
) -> None:
    words = [word.format(tmp_path, tmp_path.name) for word in words]
    assert main(["compare", path_of("vibration-pi4-mobile"), *words]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []
