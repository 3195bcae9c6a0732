"""``edgejoule agent bench`` from end to end: emulated meters on ptys, a real model, the emulator's truth beside it."""

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from collector.journal import Journal
from edge_agent.bench_spool import BenchSpool
from edge_agent.model_catalog import find_model
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.records import BenchRecord
from firmware_bridge.faults import Faults
from firmware_bridge.loads import ProfileLoad
from tests.fakes.agent import DEVICE_ID, agent_toml, running_agent
from tests.fakes.bench_command import (
    BUSY_W,
    IDLE_W,
    LENIENT,
    bench_command,
    bench_meter,
    bench_settings,
    running_bench,
    true_baselines_w,
    true_j_per_inference,
)
from tests.fakes.benches import make_bench
from tests.fakes.brokers import running_broker
from tests.fakes.cable import pull_cable
from tests.fakes.delivery import running_subscriber, wait_until

pytestmark = pytest.mark.timing

SMOKE = ("--smoke", "--no-publish", "--align", "none", "--json")
REASONS = "smoke run:"


def toml(directory: Path, driver: str = "tc66c", boundary: str = "usb_dc", bench: str = LENIENT, **more: str) -> Path:
    meter = f'driver = "{driver}"\nport = "{directory / "tty"}"\nboundary = "{boundary}"\n' + more.pop("meter", "")
    return agent_toml(directory, meter=meter, bench=bench, **more)


def other_reasons(record: BenchRecord) -> list[str]:
    return [reason for reason in record.rejections if not reason.startswith(REASONS)]


@pytest.mark.parametrize(
    ("driver", "boundary", "options"),
    [
        ("tc66c", "usb_dc", ""),
        ("ppk2", "dc_input", "[meter.options]\nvoltage_mv = 5000\n"),
    ],
)
def test_the_truth_lies_within_u(driver: str, boundary: str, options: str, tmp_path: Path) -> None:
    with bench_meter(tmp_path, driver, bench_settings(tmp_path)) as meter:
        config = toml(tmp_path, driver, boundary, meter=options)
        done = bench_command(config, *SMOKE, "--windows", "5")
    assert done.code == 1, done.err
    record = done.record
    assert [reason.partition(":")[0] for reason in record.rejections] == ["smoke run"]
    assert record.gross is not None
    assert record.net is not None
    gross_j, net_j = true_j_per_inference(tmp_path, record)
    # Half as much again as U: one draw in twenty is beyond U, and five are made.
    assert abs(record.gross.value_j - gross_j) < 1.5 * record.gross.expanded_u_j
    assert abs(record.net.value_j - net_j) < 1.5 * record.net.expanded_u_j
    assert record.simulated
    facts = find_model("digits_mlp_int8").facts
    assert record.accuracy_ratio == pytest.approx(facts.accuracy_ratio, abs=0.005)
    assert (record.model_macs, record.model_bytes) == (50_432, facts.size_bytes)
    assert record.model_accuracy_ratio == facts.accuracy_ratio
    assert record.baseline_before is not None
    before_w, _ = true_baselines_w(tmp_path, record)
    assert abs(record.baseline_before.power_w - before_w) < 3.0 * record.baseline_before.power_u_w
    assert IDLE_W - 0.05 < before_w < (IDLE_W + BUSY_W) / 2.0, "the baseline was taken while nothing was inferred"
    assert meter.dropped_bytes or all(window.gap_s < 0.002 for window in record.windows)
    assert (tmp_path / f"state/bench/pending/{record.bench_id}.json").is_file()


@pytest.mark.slow
def test_a_bench_of_full_length_is_valid_and_reported_in_full(tmp_path: Path) -> None:
    report = tmp_path / "bench.html"
    with bench_meter(tmp_path, "powersensor3", bench_settings(tmp_path)):
        config = toml(tmp_path, "powersensor3", "dc_input")
        done = bench_command(config, "--no-publish", "--baseline", "5", "--json", "--report", str(report))
    assert done.code == 0, done.err
    record = done.record
    assert record.rejections == ()
    assert record.sync_method in {"serial_marker", "arrival_fit"}, "marks hold unless the machine stands still"
    assert record.sync_residual_s < 0.5
    assert len(record.windows) == 5
    assert all(10.0 <= window.duration_s < 11.0 for window in record.windows)
    gross_j, net_j = true_j_per_inference(tmp_path, record)
    assert record.gross is not None
    assert record.net is not None
    assert abs(record.gross.value_j - gross_j) < 1.5 * record.gross.expanded_u_j
    assert abs(record.net.value_j - net_j) < 1.5 * record.net.expanded_u_j
    page = report.read_text(encoding="utf-8")
    for line in (*record.gross.budget, *record.net.budget):
        assert line.name in page
    assert "SIMULATED METER" in page
    assert "REJECTED" not in page
    assert "window 5, about" in done.err, "a line for each phase where there is no terminal"


def test_a_cable_that_is_pulled_ends_it_with_a_record(tmp_path: Path) -> None:
    config = toml(tmp_path, "powersensor3", "dc_input")
    words = (*SMOKE, "--windows", "100", "--seconds", "5")
    with (
        bench_meter(tmp_path, "powersensor3", bench_settings(tmp_path)) as meter,
        running_bench(config, *words) as bench,
    ):
        bench.wait_for_phase("warm-up")
        pull_cable(meter, 1000.0)
        done = bench.done(timeout_s=100.0)  # much less than the windows would take
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    assert done.record.gross is None
    assert any("the meter was lost in phase" in reason for reason in done.record.rejections)


def test_a_cable_that_is_pulled_and_put_back_is_rejected_with_its_figure(tmp_path: Path) -> None:
    config = toml(tmp_path, "powersensor3", "dc_input")
    words = (*SMOKE, "--seconds", "2")
    with (
        bench_meter(tmp_path, "powersensor3", bench_settings(tmp_path)) as meter,
        running_bench(config, *words) as bench,
    ):
        bench.wait_for_phase("window 1")
        pull_cable(meter, 0.5)
        done = bench.done()
    assert done.code == 1
    reasons = " ".join(other_reasons(done.record))
    assert "the meter was lost 1 times" in reasons
    assert "of a window, more than 5 %" in reasons
    assert done.record.gross is not None


def test_lost_samples_and_other_processes_are_rejected(tmp_path: Path) -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with bench_meter(tmp_path, "powersensor3", bench_settings(tmp_path, faults=Faults(loss_ratio=0.01))):
            limits = LENIENT.replace("64.0", "0.1").replace("max_lost_ratio = 0.05\n", "")
            done = bench_command(toml(tmp_path, "powersensor3", "dc_input", limits), *SMOKE, "--seconds", "0.5")
    finally:
        busy.kill()
        busy.wait()
    assert done.code == 1
    reasons = " ".join(other_reasons(done.record))
    assert "of a window, more than 0.1 %: check cable" in reasons
    assert "other processes used" in reasons
    assert done.record.gross is not None


def test_a_baseline_that_moves_is_rejected(tmp_path: Path) -> None:
    load = ProfileLoad([(0.5 * step, 3.0 + 0.1 * step, None) for step in range(200)])
    limits = LENIENT.replace("max_baseline_drift_ratio = 1.0\n", "")
    with bench_meter(tmp_path, "tc66c", bench_settings(tmp_path), load):
        done = bench_command(toml(tmp_path, bench=limits), *SMOKE)
    assert any("the baseline moved by" in reason for reason in other_reasons(done.record))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_without_a_trace(number: signal.Signals, tmp_path: Path) -> None:
    config = toml(tmp_path)
    out = tmp_path / "out.json"
    words = ("--no-publish", "--align", "none", "--json", str(out))
    with bench_meter(tmp_path, "tc66c", bench_settings(tmp_path)):
        with running_bench(config, *words) as bench:
            bench.wait_for_phase("baseline before")
            bench.signal(number)
            done = bench.done(timeout_s=60.0)
        assert done.code == 1, done.err
        assert done.err.splitlines()[-1] == "edgejoule: stopped: there is no result, and nothing was written"
        assert done.out == ""
        assert not out.exists()
        assert BenchSpool(tmp_path / "state").pending_ids() == []
        assert not (tmp_path / "agent.pid").exists()


def test_a_running_agent_has_the_meter_and_says_so(tmp_path: Path) -> None:
    config = toml(tmp_path)
    with bench_meter(tmp_path, "tc66c", bench_settings(tmp_path)), running_agent(config) as agent:
        wait_until((tmp_path / "agent.pid").exists, "the agent to start")
        done = bench_command(config, *SMOKE)
    assert done.code == 2
    assert f"another agent (process {agent.pid}) runs in it; stop that one" in done.err
    assert done.err.count("\n") == 1


def test_no_meter_is_one_line(tmp_path: Path) -> None:
    done = bench_command(toml(tmp_path), *SMOKE)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith(f"edgejoule: {tmp_path / 'tty'}: ")
    assert "Traceback" not in done.err


def test_the_collector_has_it_before_the_command_ends_or_it_waits_for_the_next_run(tmp_path: Path) -> None:
    with (
        bench_meter(tmp_path, "tc66c", bench_settings(tmp_path)),
        running_broker("embedded", tmp_path) as broker,
        closing(Journal(tmp_path / "journal.sqlite3")) as journal,
        running_subscriber(journal, BrokerSettings(url=broker.url)),
    ):
        config = agent_toml(tmp_path, broker.url, bench=LENIENT)
        kept = make_bench("bench-before", device_id=DEVICE_ID)
        BenchSpool(tmp_path / "state").add(kept)
        out, report = tmp_path / "out.json", tmp_path / "out.md"
        words = ("--smoke", "--align", "none", "--json", str(out), "--report", str(report), "--quiet")
        done = bench_command(config, *words)
        assert done.code == 1
        assert "delivered: the collector has stored it" in done.out
        assert "REJECTED: smoke run" in done.out
        sent = msgspec.json.decode(out.read_bytes(), type=BenchRecord)
        assert sent.bench_id in report.read_text(encoding="utf-8")
        wait_until(lambda: BenchSpool(tmp_path / "state").pending_ids() == [], "the earlier bench to go out too")
        stored = {row.bench.bench_id: row.bench for row in journal.benches_after(0, 10)}
        assert stored == {kept.bench_id: kept, sent.bench_id: sent}
