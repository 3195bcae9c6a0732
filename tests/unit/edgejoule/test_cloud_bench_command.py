"""``edgejoule cloud bench``: the record in a file, the page on eighty columns, and one line for what is wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collector.analysis.cloud_record import read_cloud_record
from edgejoule.cli import main
from edgejoule.cloud_bench.page import print_record
from edgejoule.output import stdout_console
from tests.fakes.cloud_records import make_batch, make_record

QUICK = ["--batches", "4", "--windows", "4", "--seconds", "0.2", "--idle", "0", "--warm-up", "0", "--threads", "1"]


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_a_modelled_bench_says_so_and_its_record_can_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cloud.json"
    words = [
        "cloud",
        "bench",
        "digits_mlp_float32",
        *QUICK,
        "--cpu-watts",
        "2-4",
        "--region",
        "eu",
        "--json",
        str(path),
    ]
    code = main(words)
    out = capsys.readouterr()
    text = json.loads(path.read_text())
    assert code == (1 if text["rejections"] else 0)
    assert "MODELLED" in out.out
    assert [line for line in out.out.splitlines() if len(line) > 80 and "written" not in line] == []
    assert "batch 4, about" in out.err
    if not text["rejections"]:  # a busy machine may make it drift
        record = read_cloud_record(path)
        assert (record.origin, record.host.region, record.batches[0].batch_size) == ("modelled", "eu", 4)
    assert main([*words]) == 2
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ("on a processor, 4 of 8 threads", "idle: 24 W", "does not see: the rest")),
        ({"simulated": True}, ("SIMULATED",)),
        ({"rejections": ("the counter stands still",)}, ("REJECTED", "REJECTED: the counter stands still")),
        ({"idle_before": None, "idle_after": None, "batches": (make_batch(net=None),)}, ("idle: not known",)),
        ({"accuracy_ratio": 0.985, "accuracy_count": 200}, ("right for 98.5% of 200 held-out inputs",)),
        ({"roc_auc": 0.91, "accuracy_count": 200}, ("ROC AUC 0.910",)),
    ],
)
def test_the_page(changes: dict[str, object], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    print_record(make_record(**changes), stdout_console())
    text = capsys.readouterr().out
    assert [line for line in text.splitlines() if len(line) > 80] == []
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cpu-watts", "many"], "write LOW-HIGH in watts"),
        (["--cpu-watts", "4-2"], "write LOW-HIGH in watts"),
        (["--cpu-watts", "0"], "write LOW-HIGH in watts"),
        (["--windows", "3"], "a spread needs 4 windows at least"),
        (["--cpu-watts", "table", "--json", "/nowhere/cloud.json"], "its directory is not there"),
        (["--cpu-watts", "table", "--json", "{folder}/file/cloud.json"], "its directory is not there"),
        (["--cpu-watts", "table", "--json", "{folder}", "--force"], "it is a directory"),
        (["--cpu-watts", "table", "--threads", "100000"], "--threads 100000: this process may use"),
        (["--gpu", "0", "--cpu-watts", "table"], "exclude each other"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    words = [word.format(folder=tmp_path) for word in words]
    assert main(["cloud", "bench", "digits_mlp_float32", *QUICK[:-2], *words]) == 2
    text = capsys.readouterr().err
    assert said in text
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["--batches", "1,0"],
        ["--batches", "a"],
        ["--batches", "1000001"],
        ["--batches", ",".join(map(str, range(1, 66)))],
        ["--seconds", "0.1"],
        ["--threads", "0"],
    ],
)
def test_numbers_have_limits(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["cloud", "bench", "digits_mlp_float32", *words])
    assert words[0] in capsys.readouterr().err


@pytest.mark.compiler
def test_the_drivers_library_is_found_as_the_loader_finds_it(tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    assert compiler is not None
    source = Path(__file__).parents[2] / "fakes" / "nvml.c"
    flags = ["-shared", "-fPIC", "-DPOWER_MW=100000u", "-DBUSY_PERCENT=0"]
    subprocess.run([compiler, *flags, "-o", tmp_path / "libnvidia-ml.so.1", source], check=True, timeout=60)
    ask = (
        "from firmware_bridge.internal import nvml; print([one.facts().title for one in nvml.cards_of(nvml.LIBRARY)])"
    )
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    words = [sys.executable, "-c", ask]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True, env=environment)
    assert done.stdout == "['Played Card']\n"
