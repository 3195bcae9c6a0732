"""The measuring thread with orders: an emulated meter, a real model and outbox, in this process."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_agent import shift as shift_module
from edge_agent.assembly import BlockTap, Ordered, Present, assembled
from edge_agent.config import AgentConfig, load_config
from edge_agent.jobs.grid_board import GridBoard
from edge_agent.jobs.queue import JobQueue
from edge_agent.measurement import Parts
from edge_agent.model_catalog import find_model
from edge_agent.ordered_work import Bed, run_ordered_batch, run_ordered_bench
from edge_agent.remote.book import CommandBook
from edge_agent.remote.counts import OrderCounts
from edge_agent.remote.desk import Desk, Report, Task
from edge_agent.remote.inbox import Inbox
from edge_agent.remote.office import Office, Surroundings
from edge_agent.remote.settings import ModelChoice, Settings, SettingsFile
from edge_agent.reply_spool import ReplySpool
from edge_agent.service import StopFlag
from edge_agent.shift import Running, Shift
from edge_agent.stretch import Stretches
from edge_agent.wire.codec import decode
from edge_agent.wire.orders import (
    Action,
    ChangeModel,
    Deferral,
    ResetSettings,
    RunBatch,
    RunBench,
    SetDutyCycle,
    SetWindow,
)
from edge_agent.wire.records import BenchRecord, InferenceWindow
from tests.fakes.agent import BUSY_W, DEVICE_ID, IDLE_W, agent_toml, emulated_meter, outbox_windows
from tests.fakes.delivery import wait_until
from tests.fakes.orders import FakeOperator

pytestmark = pytest.mark.xdist_group("ordered_work")
PATIENCE_S = 60.0
PRESENT, OTHER = find_model("digits_mlp_int8"), find_model("digits_mlp_float32")
NOTHING = ChangeModel(model_id="any", sha256="a" * 64)


@dataclass
class Site:
    config: AgentConfig
    state_dir: Path
    present: Present
    parts: Parts
    tap: BlockTap
    running: Running

    def windows(self) -> list[InferenceWindow]:
        return outbox_windows(self.state_dir / "outbox.sqlite3")

    def count_up(self) -> Callable[[], bool]:
        """Return whether two more windows have come since now."""
        seen = len(self.windows())
        return lambda: len(self.windows()) >= seen + 2


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "agent.pid").write_text(f"{os.getpid()}\n", encoding="ascii")
    (tmp_path / "night").mkdir()
    FakeOperator().write_to(tmp_path / "operators.toml")
    remote = 'operators = "operators.toml"\nbatch_folders = {night = "night"}'
    config = load_config(agent_toml(tmp_path, window="window_s = 0.5", remote=remote))
    state_dir, counts, tap = tmp_path / "state", OrderCounts(), BlockTap()
    state_dir.mkdir()
    running = Running(config)
    present = Present(config, running.prepared, running.executor, running.close)
    inbox = Inbox("demo", DEVICE_ID, counts, orders=True)
    ordered = Ordered(inbox, ReplySpool(state_dir), counts, tap)
    with emulated_meter(tmp_path), assembled(present, state_dir, None, ordered) as parts:
        yield Site(config, state_dir, present, parts, tap, running)
    present.release()


class AtWork:
    """A shift in a thread of its own."""

    def __init__(self, site: Site) -> None:
        self.site, self.desk, self.stop = site, Desk(), StopFlag()
        self.settings = SettingsFile(site.state_dir)
        self._shift = Shift(
            site.config,
            site.running,
            site.present,
            site.parts,
            desk=self.desk,
            tap=site.tap,
            settings=self.settings,
            state_dir=site.state_dir,
            stop=self.stop,
        )
        self._thread = threading.Thread(target=self._shift.run)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self.stop.request()
        self._thread.join()

    def done(self, action: Action, settings: Settings | None = None) -> Report:
        found: list[Report] = []
        self.desk.offer(Task(f"c-{action}"[:40], action, settings))

        def has_come() -> bool:
            found.extend(self.desk.reports())
            return bool(found)

        wait_until(has_come, f"a report on {action}", PATIENCE_S)
        return found[0]


@contextmanager
def at_work(site: Site) -> Iterator[AtWork]:
    work = AtWork(site)
    work.begin()
    try:
        yield work
    finally:
        work.end()


def test_what_is_changed_holds_from_the_next_window_on_and_is_taken_back(site: Site) -> None:
    choice = ModelChoice(model_id=OTHER.model_id, sha256=OTHER.sha256)
    with at_work(site) as work:
        report = work.done(SetWindow(window_s=1.0), Settings(window_s=1.0))
        assert (report.stage, report.result["window_s"]) == ("done", 1.0)
        report = work.done(SetDutyCycle(duty_ratio=0.1), Settings(window_s=1.0, duty_ratio=0.1))
        assert report.result["duty_ratio"] == 0.1
        report = work.done(NOTHING, Settings(window_s=1.0, duty_ratio=0.1, model=choice))
        assert report.result["model_sha256"] == OTHER.sha256
        assert site.parts.identity().model_id == OTHER.model_id
        wait_until(site.count_up(), "windows of it", PATIENCE_S)
        last = site.windows()[-1]
        assert (last.model_sha256, last.duration_s) == (OTHER.sha256, 1.0)
        assert last.busy_s < 0.3
        assert work.done(ResetSettings(), Settings()).stage == "done"
        wait_until(site.count_up(), "windows as before", PATIENCE_S)
    windows = site.windows()
    assert windows[-2].model_sha256 == PRESENT.sha256
    assert windows[-2].duration_s == 0.5
    assert [window.seq for window in windows] == list(range(1, len(windows) + 1))
    assert SettingsFile(site.state_dir).settings == Settings()
    assert SettingsFile(site.state_dir).trial is None


def test_what_cannot_be_opened_changes_nothing(site: Site) -> None:
    lost = ModelChoice(model_id="lost", sha256="a" * 64, suffix=".tflite")
    with at_work(site) as work:
        report = work.done(NOTHING, Settings(model=lost))
        assert report.stage == "rolled_back"
        assert "cannot read the model" in report.reason
        wait_until(site.count_up(), "windows go on", PATIENCE_S)
    assert {window.model_sha256 for window in site.windows()} == {PRESENT.sha256}
    assert SettingsFile(site.state_dir).settings == Settings()


def test_a_change_that_brings_no_window_in_time_is_taken_back(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it matter that the operators are just being edited."""
    (tmp_path / "operators.toml").write_text("[[operator]]\nname = ", encoding="utf-8")
    interval_s = site.parts.sheet.max_interval_s
    monkeypatch.setattr(shift_module, "TRIAL_MARGIN_S", 2.0 - 600.0 - 10.0 * interval_s)
    with at_work(site) as work:
        report = work.done(SetWindow(window_s=600.0), Settings(window_s=600.0))
        assert report.stage == "rolled_back"
        assert report.reason.startswith("no window with an inference was recorded within 2 s")
        wait_until(site.count_up(), "windows go on", PATIENCE_S)
        assert site.windows()[-1].duration_s == 0.5
    assert SettingsFile(site.state_dir).trial is None


def test_a_disk_that_takes_no_settings_leaves_them(site: Site) -> None:
    (site.state_dir / "settings.json.new").mkdir()
    with at_work(site) as work:
        report = work.done(SetWindow(window_s=1.0), Settings(window_s=1.0))
        assert report.stage == "failed"
        assert "free space" in report.reason
        wait_until(site.count_up(), "windows go on", PATIENCE_S)


def test_an_ordinary_end_leaves_what_is_on_trial_to_the_next_start(site: Site) -> None:
    with at_work(site) as work:
        work.desk.offer(Task("long", SetWindow(window_s=600.0), Settings(window_s=600.0)))
        wait_until(lambda: site.present.config.window.window_s == 600.0, "the change", PATIENCE_S)
    trial = SettingsFile(site.state_dir).trial
    assert trial is not None
    assert (trial.command_id, trial.tried) == ("long", False)


def test_a_change_is_done_only_once_that_is_on_the_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    confirm, refusals = SettingsFile.confirm, iter([OSError(28, "No space left on device")] * 2)

    def confirm_later(settings: SettingsFile) -> None:
        for refusal in refusals:
            raise refusal
        confirm(settings)

    monkeypatch.setattr(SettingsFile, "confirm", confirm_later)
    with at_work(site) as work:
        assert work.done(SetWindow(window_s=1.0), Settings(window_s=1.0)).stage == "done"
        found = SettingsFile(site.state_dir)
        assert (found.settings, found.trial) == (Settings(window_s=1.0), None)
    assert next(refusals, None) is None


def test_what_a_dismissed_operator_had_put_off_is_not_begun(site: Site, tmp_path: Path) -> None:
    dismissed = FakeOperator(DEVICE_ID)
    defer = Deferral(deadline_unix_ns=time.time_ns() + 10**13, duration_s=1.0)
    command = dismissed.command(RunBatch(folder="night"), defer=defer)
    CommandBook(site.state_dir).accept(dismissed.key_id, command, time.time_ns())
    board = GridBoard(site.state_dir, "demo", "", kind="average", max_age_s=3600.0)
    JobQueue(site.state_dir, board).put(command.command_id, command.action, defer, time.time_ns())
    office = Office(site.config, site.state_dir)
    settings = SettingsFile(site.state_dir)
    around = Surroundings(site.parts.publisher, site.parts.meter, site.parts.outbox, settings, lambda: site.config)
    with closing(office):
        office.start(around)
    answer = ReplySpool(site.state_dir).find(f"{command.command_id}.failed")
    assert answer is not None
    assert answer.reason == "its operator is not in operators.toml any more"
    assert not office.desk.wanted
    assert JobQueue(site.state_dir, board).waiting == ()
    assert CommandBook(site.state_dir).open_commands() == []


def bed(site: Site, stretches: Stretches, stop: StopFlag) -> Bed:
    return Bed(site.present, site.parts, stretches, site.tap, site.state_dir, stop, smoke=True)


def test_a_bench_runs_on_the_agents_own_meter_and_its_record_waits_for_the_collector(site: Site) -> None:
    action = msgspec.structs.replace(RunBench(), window_s=0.4, baseline_s=0.5)
    stop = StopFlag()
    with Stretches(site.parts, site.running.source.work_until, stop) as stretches:
        stretches.begin(site.parts)
        report = run_ordered_bench(bed(site, stretches, stop), "c-1", action)
        stop.request()
        stopped = run_ordered_bench(bed(site, stretches, stop), "c-2", action)
    assert report.stage == "done", report
    assert report.result["valid"] is False, "a trial of seconds"
    (path,) = (site.state_dir / "bench" / "pending").glob("*.json")
    record = decode(path.read_bytes(), BenchRecord)
    assert record.bench_id == report.result["bench_id"]
    assert len(record.windows) == 5
    assert record.gross is not None
    mean_w = sum(one.energy_j for one in record.windows) / sum(one.duration_s for one in record.windows)
    assert IDLE_W < mean_w < BUSY_W + 0.5
    assert record.accuracy_ratio == pytest.approx(0.9244, abs=0.01)
    assert (stopped.stage, stopped.reason) == ("failed", "the agent was stopped while it was at work")
    assert site.tap.listener is None


def test_a_batch_runs_each_input_once_inside_windows_and_keeps_what_comes_out(site: Site, tmp_path: Path) -> None:
    inputs = np.random.default_rng(1).integers(-128, 127, (40_000, 64), np.int8)
    np.save(tmp_path / "night" / "many.npy", inputs)
    np.save(tmp_path / "night" / "one.npy", inputs[0])
    stop = StopFlag()
    with Stretches(site.parts, site.running.source.work_until, stop) as stretches:
        report = run_ordered_batch(bed(site, stretches, stop), "c-1", RunBatch(folder="night"))
    assert report.stage == "done", report
    result, out = report.result, site.state_dir / "batches" / "c-1"
    assert result["inputs"] == 40_001
    assert sum(window.inference_count for window in site.windows()) == 40_001
    assert np.load(out / "many.npy.out.npy").shape[0] == 40_000
    runner = site.running.executor.runner
    assert runner is not None
    assert (np.load(out / "one.npy.out.npy")[0] == runner.infer(inputs[:1].reshape(runner.input_shape))).all()
    energy_j, duration_s = result["energy_j"], result["duration_s"]
    assert isinstance(energy_j, float)
    assert isinstance(duration_s, float)
    assert IDLE_W * duration_s * 0.8 < energy_j < (BUSY_W + 1.0) * duration_s


@pytest.mark.parametrize("fault", ["empty", "shape", "stopped", "gone"])
def test_a_batch_that_cannot_be_says_why_and_stops_nothing(site: Site, tmp_path: Path, fault: str) -> None:
    stop = StopFlag()
    if fault != "empty":
        np.save(tmp_path / "night" / "a.npy", np.zeros((5, 7 if fault == "shape" else 64), np.int8))
    if fault == "stopped":
        stop.request()
    with Stretches(site.parts, site.running.source.work_until, stop) as stretches:
        folder = "gone" if fault == "gone" else "night"
        report = run_ordered_batch(bed(site, stretches, stop), "c-1", RunBatch(folder=folder))
    words = {
        "empty": "no .npy or .npz file in it",
        "shape": "but the model takes int8",
        "stopped": "was stopped",
        "gone": "is not in [remote]",
    }
    assert report.stage == "failed"
    assert words[fault] in report.reason
