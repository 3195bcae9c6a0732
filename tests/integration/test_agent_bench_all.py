"""A sweep from end to end: real benches on an emulated meter, stopped and gone on with, failures named; its ledger."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgejoule.cli import main
from edgejoule.sweep.held import held_record
from tests.fakes.agent import agent_toml
from tests.fakes.bench_command import LENIENT, bench_meter, bench_settings
from tests.fakes.delivery import wait_until

pytestmark = pytest.mark.timing

SHORT = ("--smoke", "--seconds", "0.2", "--baseline", "0", "--warm-up", "0", "--align", "none", "--no-publish")
BENCHED = {"valid", "rejected"}
"""A machine that runs other tests may starve the emulated meter: the bench says so, and the sweep goes on."""


def config_of(directory: Path) -> Path:
    meter = f'driver = "powersensor3"\nport = "{directory / "tty"}"\nboundary = "dc_input"\n'
    return agent_toml(directory, meter=meter, bench=LENIENT)


def started(config: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    """Start a sweep; what it says on standard error goes to a file beside the configuration."""
    with config.with_name("sweep.err").open("w", encoding="utf-8") as err:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "edgejoule", "agent", "bench-all", "--config", str(config)),
                *("--out", str(out), "--models", "digits_mlp_int8", "--json", *words),
            ],
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )


def said(config: Path) -> str:
    return config.with_name("sweep.err").read_text(encoding="utf-8")


def outcomes(process: subprocess.Popen[str]) -> tuple[int, dict[str, str], list[str]]:
    """Return the exit code, what became of each combination by its delegate, and the reasons."""
    out, _ = process.communicate(timeout=120.0)
    results = json.loads(out)["results"]
    by_delegate = {one["combination"].split("delegate ")[1].split(",")[0]: one["outcome"] for one in results}
    return process.returncode, by_delegate, [one["reason"] for one in results if one["reason"]]


def test_it_stops_between_benches_goes_on_and_names_what_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = config_of(tmp_path), tmp_path / "out"
    words = (*SHORT, "--delegates", "none,auto,./no_such_delegate.so", "--seed", "1")
    with bench_meter(tmp_path, "powersensor3", bench_settings(tmp_path)):
        process = started(config, out, *words)
        wait_until(lambda: "bench 1 of 3, about" in said(config) or process.poll() is not None, "the first bench")
        process.send_signal(signal.SIGINT)
        code, by_delegate, _ = outcomes(process)
        assert code == 1
        assert "stopping after this bench" in said(config)
        # Which one comes first is drawn: it ends as it would have, and no other one is begun.
        assert sorted(by_delegate.values()).count("not_tried") == 2
        first = next(delegate for delegate, outcome in by_delegate.items() if outcome != "not_tried")
        ended = by_delegate[first]
        assert ended in ({"failed"} if first.startswith(".") else BENCHED)

        code, by_delegate, reasons = outcomes(started(config, out, *words))
    assert code == 1
    done = {"none", "auto"}
    assert {by_delegate[delegate] for delegate in done} <= {"held", *BENCHED}
    assert by_delegate["./no_such_delegate.so"] == "failed"
    if ended == "valid":
        assert by_delegate[first] == "held", "what the folder holds is not benched again"
    assert sum("the library cannot be loaded" in reason for reason in reasons) == 1
    records = [held_record(path) for path in out.glob("*.json")]
    assert sorted(one.runtime.delegate[:7] for one in records if one is not None) == ["none", "xnnpack"]
    assert all(one is not None and one.simulated for one in records)

    assert main(["models", "ledger", "--records", str(out), "--include-rejected", "--draws", "100", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["simulated"] is True
    assert {row["precision"] for row in found["rows"]} == {"int8"}
    assert found["spreads"][0]["model_id"] == "digits_mlp_int8"


def test_a_second_request_stops_the_bench_that_runs(tmp_path: Path) -> None:
    config, out = config_of(tmp_path), tmp_path / "out"
    with bench_meter(tmp_path, "powersensor3", bench_settings(tmp_path)):
        process = started(config, out, "--seconds", "600", "--align", "none", "--no-publish")
        wait_until((tmp_path / "agent.pid").exists, "the bench that runs")
        process.send_signal(signal.SIGINT)
        wait_until(lambda: "stopping after this bench" in said(config), "the first request")
        process.send_signal(signal.SIGINT)
        code, by_delegate, reasons = outcomes(process)
    assert (code, by_delegate) == (1, {"auto": "failed"})
    assert "stopped: there is no result" in reasons[0]
    assert list(out.iterdir()) == []


def test_a_meter_that_is_not_there_ends_the_sweep_early(tmp_path: Path) -> None:
    config, out = config_of(tmp_path), tmp_path / "out"
    process = started(config, out, *SHORT, "--threads", "1,2,3,4")
    code = process.wait(timeout=120.0)
    results = json.loads(process.communicate()[0])["results"]
    assert code == 1
    assert [one["outcome"] for one in results] == ["failed"] * 3 + ["not_tried"]
    assert all(str(tmp_path / "tty") in one["reason"] for one in results[:3])
