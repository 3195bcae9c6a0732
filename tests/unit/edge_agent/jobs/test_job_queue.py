"""Work that waits on disk: begun once or reported, whatever is cut off in between."""

import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from edge_agent.jobs.grid_board import GridBoard
from edge_agent.jobs.planner import NS_PER_S
from edge_agent.jobs.queue import FILE_NAME, MAX_JOBS, JobQueue, QueueFullError
from edge_agent.wire.codec import encode
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.grid import GridForecast, GridSlot
from edge_agent.wire.orders import Deferral, RunBench
from tests.fakes.delivery import wait_until

T0: Final = 1_800_000_000 * NS_PER_S
TOPIC: Final = "edgejoule/v1/demo/grid/DE"
BENCH: Final = RunBench()
DEFER: Final = Deferral(deadline_unix_ns=T0 + 30 * NS_PER_S, duration_s=5.0)


def at(seconds: float) -> int:
    return T0 + round(seconds * NS_PER_S)


def forecast(*values: float, start_s: float = 0.0) -> bytes:
    slots = tuple(
        GridSlot(t_start_unix_ns=at(start_s + 10 * n), duration_s=10.0, gco2e_per_kwh=value)
        for n, value in enumerate(values)
    )
    return encode(GridForecast(zone="DE", kind="average", source="s", t_unix_ns=at(start_s), slots=slots))


def board_of(directory: Path, *values: float) -> GridBoard:
    board = GridBoard(directory, "demo", "DE")
    if values:
        board.take(TOPIC, forecast(*values))
    return board


def test_a_job_waits_for_its_hour_and_is_begun_once(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path, board_of(tmp_path, 400.0, 200.0, 300.0))
    job = queue.put("a", BENCH, DEFER, T0)
    assert job.plan.start_unix_ns == at(10) == queue.next_start_unix_ns()
    assert queue.due(at(9.9)) is None
    assert queue.put("a", BENCH, DEFER, at(5)) == job, "asked for twice, it stands once"
    found = queue.due(at(10))
    assert found == job
    started = queue.begin("a", at(10.1))
    assert (started.state, started.plan.start_unix_ns) == ("begun", at(10.1))
    assert queue.due(at(20)) is None
    with pytest.raises(KeyError):
        queue.begin("a", at(10.2))
    assert queue.cancel("a") is None, "what has begun is not cancelled here"
    assert queue.finish("a") == started
    assert queue.finish("a") is None
    assert queue.waiting == ()


def test_without_a_forecast_it_is_due_at_once_and_a_forecast_that_comes_in_time_still_moves_it(tmp_path: Path) -> None:
    board = board_of(tmp_path)
    queue = JobQueue(tmp_path, board, forecast_wait_s=0.0)
    queue.put("a", BENCH, DEFER, T0)
    assert queue.due(T0) is not None
    assert board.take(TOPIC, forecast(400.0, 200.0, 300.0))
    (moved,) = queue.plan_again(at(1))
    assert (moved.plan.start_unix_ns, moved.plan.at_once_gco2e_per_kwh) == (at(10), 400.0)
    assert queue.due(at(1)) is None
    queue.put("late", BENCH, DEFER, T0)
    assert board.take(TOPIC, b"")
    queue.put("b", BENCH, DEFER, T0)
    assert board.take(TOPIC, forecast(400.0, 200.0, 100.0))
    assert [job.plan.at_once_gco2e_per_kwh for job in queue.plan_again(at(12))] == [400.0] * 3, "when it was asked for"
    queue.cancel("b")
    queue.cancel("late")
    board.take(TOPIC, forecast(100.0, 400.0, 400.0))
    assert [job.plan.start_unix_ns for job in queue.plan_again(at(2))] == [at(2)]
    assert queue.plan_again(at(2)) == ()


def test_after_a_restart_a_first_forecast_is_waited_for_a_moment(tmp_path: Path) -> None:
    now_s = [0.0]
    board = board_of(tmp_path)
    queue = JobQueue(tmp_path, board, forecast_wait_s=15.0, monotonic_s=lambda: now_s[0])
    job = queue.put("a", BENCH, DEFER, T0)
    assert (job.plan.why_now, queue.due(at(1))) == ("no_forecast", None)
    assert queue.due(at(25)) is not None, "the last moment to begin"
    now_s[0] = 15.0
    assert queue.due(at(1)) is not None
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    nowhere = JobQueue(elsewhere, GridBoard(elsewhere, "demo", ""), forecast_wait_s=15.0)
    nowhere.put("b", BENCH, DEFER, T0)
    assert nowhere.due(T0) is not None, "without a zone none will come"


def test_what_waits_outlives_a_restart_and_what_had_begun_is_reported_as_cut_off(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path, board_of(tmp_path, 400.0, 200.0, 300.0))
    for name in ("a", "b", "c"):
        queue.put(name, BENCH, DEFER, T0)
    queue.begin("b", at(10))
    queue.note_period("nightly", 7)
    assert queue.cancel("c") is not None
    again = JobQueue(tmp_path, board_of(tmp_path))
    assert [job.job_id for job in again.waiting] == ["a"]
    assert [job.job_id for job in again.interrupted] == ["b"]
    assert (again.last_period("nightly"), again.last_period("other")) == (7, -1)
    with pytest.raises(KeyError):
        again.begin("b", at(11))
    again.finish("b")
    assert again.interrupted == ()
    assert JobQueue(tmp_path, board_of(tmp_path)).interrupted == ()


def test_a_job_whose_deadline_passed_while_the_device_was_off_is_missed(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path, board_of(tmp_path, 400.0, 200.0, 300.0))
    job = queue.put("a", BENCH, DEFER, T0)
    again = JobQueue(tmp_path, board_of(tmp_path))
    assert again.missed(at(29)) == ()
    assert again.due(at(29)) == job, "late, but before its deadline"
    assert again.missed(at(30)) == (job,)
    assert again.due(at(30)) is None
    past = queue.put("b", BENCH, DEFER, at(40))
    assert (past.plan.why_now, queue.due(at(41))) == ("deadline", past)


def test_a_job_that_comes_too_late_for_its_hour_takes_the_greenest_of_those_that_are_left(tmp_path: Path) -> None:
    board = board_of(tmp_path, 400.0, 100.0, 300.0, 200.0)
    defer = Deferral(deadline_unix_ns=at(40), duration_s=5.0)
    queue = JobQueue(tmp_path, board)
    assert queue.put("a", BENCH, defer, T0).plan.start_unix_ns == at(10)
    assert queue.due(at(14)) is not None, "late, but nothing that is left is greener"
    assert queue.due(at(22)) is None
    (job,) = JobQueue(tmp_path, board).waiting
    assert (job.plan.start_unix_ns, job.plan.chosen_gco2e_per_kwh, job.plan.at_once_gco2e_per_kwh) == (
        at(30),
        200.0,
        400.0,
    )
    assert queue.due(at(30)) == job
    assert queue.due(at(39)) == job, "nothing is left to wait for"


def test_what_began_at_once_by_a_clock_that_was_ahead_does_not_wait_for_that_time(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path, board_of(tmp_path, 400.0))
    job = queue.put("a", BENCH, DEFER, at(1e6), clock_known=False)
    assert queue.due(at(1e6), clock_known=False) == job, "at once"
    assert queue.due(at(1)) == job


def test_where_the_clock_is_not_set_work_waits_for_it_a_while_and_then_begins(tmp_path: Path) -> None:
    now_s = [0.0]
    board = board_of(tmp_path, 400.0, 200.0, 300.0)
    JobQueue(tmp_path, board).put("a", BENCH, DEFER, T0)
    queue = JobQueue(tmp_path, board, clock_wait_s=60.0, monotonic_s=lambda: now_s[0])
    assert queue.due(5, clock_known=False) is None
    now_s[0] = 60.0
    assert queue.due(5, clock_known=False) is not None
    asked = queue.put("b", BENCH, DEFER, 6, clock_known=False)
    assert asked.plan.why_now == "clock"
    assert queue.begin("b", 7, clock_known=False).plan.chosen_gco2e_per_kwh is None


def test_no_more_wait_than_a_few_and_a_full_disk_keeps_none(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path, board_of(tmp_path))
    for number in range(MAX_JOBS):
        queue.put(f"j{number}", BENCH, DEFER, T0)
    with pytest.raises(QueueFullError, match="cancel one"):
        queue.put("more", BENCH, DEFER, T0)
    queue.finish("j0")
    (tmp_path / f"{FILE_NAME}.new").mkdir()  # nothing can be written there
    with pytest.raises(OSError, match="directory"):
        queue.put("more", BENCH, DEFER, T0)
    with pytest.raises(OSError, match="directory"):
        queue.begin("j1", T0)
    assert "more" not in [job.job_id for job in queue.waiting]
    assert "j1" in [job.job_id for job in queue.waiting]


def test_a_damaged_file_is_set_aside_and_one_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b'{"schema_version":1,"jobs":[{')
    assert JobQueue(tmp_path, board_of(tmp_path)).waiting == ()
    assert (tmp_path / f"{FILE_NAME}.damaged").exists()
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(ConfigurationError, match="cannot read what waits"):
        JobQueue(tmp_path, board_of(tmp_path))


names = st.sampled_from(["a", "b", "c", "d"])


class Queue(RuleBasedStateMachine):
    """Against a model: what is on the disk is what was returned, after any number of restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[str, str] = {}
        self.begun: list[str] = []
        self.now_s = 0.0
        self.directory = Path(tempfile.mkdtemp(dir=Queue.base))
        self.board = board_of(self.directory, 400.0, 200.0, 300.0)
        self.queue = JobQueue(self.directory, self.board)

    base = ""

    @rule(name=names)
    def put(self, name: str) -> None:
        if name in self.begun:
            return  # an id never comes again
        self.queue.put(name, BENCH, DEFER, at(self.now_s))
        self.states.setdefault(name, "waiting")

    @rule(seconds=st.floats(0.0, 10.0))
    def wait(self, seconds: float) -> None:
        self.now_s = min(self.now_s + seconds, 29.0)

    @rule()
    def begin(self) -> None:
        job = self.queue.due(at(self.now_s))
        if job is not None:
            assert self.states[job.job_id] == "waiting"
            self.queue.begin(job.job_id, at(self.now_s))
            self.begun.append(job.job_id)
            self.states[job.job_id] = "begun"

    @rule(name=names)
    def finish(self, name: str) -> None:
        if self.states.get(name) == "begun":
            assert self.queue.finish(name) is not None
            del self.states[name]

    @rule(name=names)
    def cancel(self, name: str) -> None:
        found = self.queue.cancel(name)
        assert (found is not None) == (self.states.get(name) == "waiting")
        if found is not None:
            del self.states[name]

    @rule(value=st.floats(0.0, 500.0))
    def hear(self, value: float) -> None:
        self.board.take(TOPIC, forecast(400.0, value, 300.0))
        self.queue.plan_again(at(self.now_s))

    @rule()
    def restart(self) -> None:
        self.queue = JobQueue(self.directory, self.board, forecast_wait_s=0.0)
        assert {job.job_id for job in self.queue.interrupted} == {n for n, s in self.states.items() if s == "begun"}

    @invariant()
    def nothing_is_lost_begun_twice_or_put_off_too_long(self) -> None:
        waiting = self.queue.waiting
        assert {job.job_id for job in waiting} == {n for n, s in self.states.items() if s == "waiting"}
        assert len(set(self.begun)) == len(self.begun)
        for job in waiting:
            assert job.plan.start_unix_ns <= max(at(25), job.plan.asked_unix_ns)


def test_any_order_of_things(tmp_path: Path) -> None:
    Queue.base = str(tmp_path)
    run_state_machine_as_test(
        Queue,
        settings=settings(max_examples=40, stateful_step_count=25, suppress_health_check=list(HealthCheck)),
    )


WORKER = """
import os, sys, time
from pathlib import Path
from edge_agent.jobs.grid_board import GridBoard
from edge_agent.jobs.queue import JobQueue
from edge_agent.wire.orders import Deferral, RunBench

directory = Path(sys.argv[1])
log = os.open(directory / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
queue = JobQueue(directory, GridBoard(directory, "demo", ""))
for job in queue.interrupted:
    os.write(log, f"failed {job.job_id}\\n".encode())
    queue.finish(job.job_id)
number = queue.last_period("n") + 1
while True:
    defer = Deferral(deadline_unix_ns=time.time_ns() + 10**12, duration_s=1.0)
    queue.put(f"j{number}", RunBench(), defer, time.time_ns())
    queue.note_period("n", number)
    number += 1
    job = queue.due(time.time_ns())
    queue.begin(job.job_id, time.time_ns())
    os.write(log, f"begun {job.job_id}\\n".encode())
    os.write(log, f"done {job.job_id}\\n".encode())
    queue.finish(job.job_id)
"""


def test_killed_at_any_moment_a_job_is_begun_once_or_reported_as_failed(tmp_path: Path) -> None:
    """The worker may be cut off between telling of a job and forgetting it: told of twice it may be, never begun."""
    log = tmp_path / "log"
    chance = random.Random(7)
    for _ in range(6):
        size = log.stat().st_size if log.exists() else 0
        worker = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)])
        try:
            wanted = size + chance.randrange(200, 2000)
            wait_until(lambda size=wanted: log.exists() and log.stat().st_size > size, "it works", 60.0)  # type: ignore[misc]
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
    queue = JobQueue(tmp_path, board_of(tmp_path))
    lines = [line.split() for line in log.read_text().splitlines()]
    begun = [name for what, name in lines if what == "begun"]
    told = {name for what, name in lines if what in {"done", "failed"}}
    assert len(begun) == len(set(begun)) > 10
    left = {job.job_id for job in (*queue.interrupted, *queue.waiting)}
    assert {f"j{n}" for n in range(queue.last_period("n") + 1)} <= told | left
    assert not {job.job_id for job in queue.waiting} & set(begun)
