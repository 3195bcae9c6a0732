"""``edgejoule fleet`` over a journal on disk: exit codes, JSON alone on stdout, one clear line for a fault."""

import json
import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from collector.config import journal_path
from collector.journal import SHARED_GROUP, Journal
from collector.sinks.lake import LakeSink
from edge_agent.wire.codec import BenchName
from edgejoule.cli import main
from tests.fakes.benches import make_bench
from tests.fakes.windows import FLEET, commit_rows, make_batch, make_fleet_rows, make_stored

INVENTORY = """
[defaults]
lifetime_years = 5.0
zone = "DE"
[[device]]
id = "pi4-01"
hardware = "raspberry-pi-4b-4gb"
"""


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    journal = Journal(journal_path(directory))
    commit_rows(journal, make_fleet_rows(6))
    LakeSink(directory / "lake").write(journal.rows_after(0, 10))
    journal.set_cursor("lake", 10)
    journal.close()
    return directory


def test_report_as_json_counts_lake_and_journal_once(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "report", "--state-dir", str(state_dir), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["total"]["windows"] == 18
    assert report["simulated"] is True
    assert report["total"]["total_gco2e"] is None


def test_report_on_a_terminal_says_how_far_it_is_and_what_is_quicker(state_dir: Path) -> None:
    with closing(sqlite3.connect(journal_path(state_dir))) as db, db:
        db.execute("UPDATE windows SET row_id = 6000000 WHERE row_id = 18")
    ours, theirs = pty.openpty()
    try:
        command = [sys.executable, "-m", "edgejoule", "fleet", "report", "--state-dir", str(state_dir), "--json"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=theirs, timeout=120)
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert json.loads(done.stdout)["total"]["windows"] == 18
    assert "reading windows" in shown
    assert "100%" in shown
    assert "quicker with: edgejoule carbon assess" in shown


def test_report_for_people_with_the_inventory_of_the_configuration(
    state_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "inventory.toml").write_text(INVENTORY)
    config = tmp_path / "collector.toml"
    config.write_text('state_dir = "state"\n[inventory]\nfile = "inventory.toml"\n')
    assert main(["fleet", "report", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "SIMULATED METERS" in shown
    assert "raspberry-pi-4b-4gb" in shown
    assert "operational grams unknown for jetson-01, zero-01" in shown


def test_report_as_a_page(state_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    assert main(["fleet", "report", "--state-dir", str(state_dir), "--json", "--html", str(page)]) == 0
    json.loads(capsys.readouterr().out)
    assert page.read_text().startswith("<!doctype html>")


def test_ledger_says_yes_then_no(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "ledger", "--state-dir", str(state_dir), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["adds_up"] is True
    journal = Journal(journal_path(state_dir))
    commit_rows(journal, [make_stored(99, seq=9)])
    journal.close()
    assert main(["fleet", "ledger", "--state-dir", str(state_dir)]) == 1
    assert "NO" in capsys.readouterr().out


def test_the_ledger_has_a_total_and_every_boot(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "ledger", "--state-dir", str(state_dir), "--json", "--boots"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["total"]["sent"], found["total"]["stored"], found["total"]["pending"]) == (18, 18, 0)
    assert [[boot["stored"] for boot in device["boots"]] for device in found["devices"]] == [[6], [6], [6]]
    assert main(["fleet", "ledger", "--state-dir", str(state_dir), "--boots"]) == 0
    shown = capsys.readouterr().out
    assert "total" in shown
    assert "Every boot" in shown
    main(["fleet", "ledger", "--state-dir", str(state_dir), "--json"])
    assert "boots" not in json.loads(capsys.readouterr().out)["devices"][0]


def test_one_line_says_which_device_lacks_how_many(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Journal(journal_path(state_dir))) as journal:
        commit_rows(journal, [make_stored(99, seq=9)])
    assert main(["fleet", "ledger", "--state-dir", str(state_dir), "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["adds_up"] is False
    assert err == "edgejoule: the ledger does not add up: lab/pi4-01: 2 of 9 windows are in no place\n"


def test_the_journals_of_a_group_add_up_together_and_one_alone_is_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seqs in (("a", range(1, 4)), ("b", range(4, 6))):
        with closing(Journal(journal_path(tmp_path / name))) as journal:
            journal.commit_batch(FLEET, make_batch(seqs, oldest_seq=seqs.start), 1)
            journal.set_note(SHARED_GROUP, "lab-group")
    (tmp_path / "b.toml").write_text('state_dir = "b"\nclient_id = "b"\nshared_group = "lab-group"\n')
    words = ["fleet", "ledger", "--json", "--config", str(tmp_path / "b.toml")]
    assert main([*words, "--state-dir", str(tmp_path / "b")]) == 1
    err = capsys.readouterr().err
    assert "group 'lab-group'" in err
    assert "name their journals too" in err
    assert main([*words, "--state-dir", str(tmp_path / "a")]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["total"]["stored"] == 5


def test_devices(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "devices", "--state-dir", str(state_dir), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [device["device_id"] for device in answer["devices"]] == ["jetson-01", "pi4-01", "zero-01"]
    assert not any(answer["alive"].values())
    assert main(["fleet", "devices", "--state-dir", str(state_dir)]) == 0
    assert "silent" in capsys.readouterr().out


def test_benches_with_their_uncertainty_and_why_one_is_not_valid(
    state_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    words = ["fleet", "benches", "--state-dir", str(state_dir)]
    assert main(words) == 0
    assert "no bench is stored" in capsys.readouterr().out
    with closing(Journal(journal_path(state_dir))) as journal:
        journal.put_bench("lab", make_bench("good"), 1)
        hot_bench = make_bench(
            "hot", simulated=False, rejections=("throttled in window 2",), accuracy_ratio=None, roc_auc=0.8712
        )
        journal.put_bench("lab", hot_bench, 2)
        name = BenchName(schema_version=1, device_id="pi4-01", bench_id="odd")
        journal.refuse("lab", name, b"{}", "Object missing required field", 3)
    assert main([*words, "--json"]) == 0
    good, hot, odd = json.loads(capsys.readouterr().out)["benches"]
    assert (good["valid"], good["bench"]["gross"]["expanded_u_j"], good["bench"]["simulated"]) == (True, 6e-05, True)
    assert (hot["valid"], hot["bench"]["rejections"]) == (False, ["throttled in window 2"])
    assert (odd["valid"], odd["bench"], odd["refused"]) == (False, None, "Object missing required field")
    assert main(words) == 0
    text = capsys.readouterr().out.replace("\N{NO-BREAK SPACE}", " ")
    for shown in (
        "10.000",
        "± 0.060 mJ",
        "3.000",
        "± 0.080 mJ",
        "210 µs",
        "97.5 %",
        " 0.871 ",
        "litert 2.1.0, xnnpack, 1 thread",
    ):
        assert shown in text
    assert "hot is not valid: throttled in window 2" in text
    assert "odd is not valid: its record cannot be read: Object missing" in text
    assert text.count("simulated") == 1


@pytest.mark.parametrize("what", ["report", "ledger", "devices", "benches"])
def test_a_directory_without_a_journal_is_one_line(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", what, "--state-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no journal here" in error


def test_neither_state_nor_configuration_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "report"]) == 2
    assert "--state-dir" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_one_line(
    state_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "absent" / "report.html"
    assert main(["fleet", "report", "--state-dir", str(state_dir), "--html", str(page)]) == 2
    assert "No such file or directory" in capsys.readouterr().err
