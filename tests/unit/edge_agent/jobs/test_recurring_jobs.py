"""The device's own recurring jobs: once in each period, and what the configuration may say of them."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.jobs.config import JobConfig, check_jobs
from edge_agent.jobs.grid_board import GridBoard
from edge_agent.jobs.planner import NS_PER_S
from edge_agent.jobs.queue import JobQueue
from edge_agent.jobs.recurring import put_recurring
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.orders import RunBatch, RunBench

HOUR = 3600 * NS_PER_S
T0 = 500_000 * HOUR
NIGHTLY = JobConfig(name="nightly", action="bench", every_s=3600.0, duration_s=60.0)


def queue_in(directory: Path) -> JobQueue:
    return JobQueue(directory, GridBoard(directory, "demo", "DE"))


def test_a_job_is_put_once_in_each_period_also_over_a_restart(tmp_path: Path) -> None:
    queue = queue_in(tmp_path)
    (job,) = put_recurring((NIGHTLY,), queue, T0 + HOUR // 2)
    assert (job.job_id, job.origin, job.action) == ("job.nightly.500000", "recurring", RunBench())
    assert job.defer.deadline_unix_ns == T0 + HOUR
    assert put_recurring((NIGHTLY,), queue, T0 + HOUR // 2 + 1) == ()
    queue.begin(job.job_id, T0 + HOUR // 2 + 2)
    queue.finish(job.job_id)
    assert put_recurring((NIGHTLY,), queue_in(tmp_path), T0 + HOUR - 1) == ()
    assert [one.job_id for one in put_recurring((NIGHTLY,), queue_in(tmp_path), T0 + HOUR)] == ["job.nightly.500001"]


def test_a_period_found_too_late_is_left_out(tmp_path: Path) -> None:
    early = msgspec.structs.replace(NIGHTLY, deadline_s=600.0)
    queue = queue_in(tmp_path)
    assert put_recurring((early,), queue, T0 + 541 * NS_PER_S) == ()
    assert put_recurring((early,), queue, T0 + 542 * NS_PER_S) == ()
    (job,) = put_recurring((early,), queue, T0 + HOUR)
    assert job.defer.deadline_unix_ns == T0 + HOUR + 600 * NS_PER_S


def test_a_clock_that_is_set_back_a_little_begins_nothing_twice_and_one_that_was_far_ahead_stops_nothing(
    tmp_path: Path,
) -> None:
    queue = queue_in(tmp_path)

    def put(t_unix_ns: int) -> list[str]:
        jobs = put_recurring((NIGHTLY,), queue, t_unix_ns)
        for job in jobs:
            queue.finish(job.job_id)
        return [job.job_id for job in jobs]

    assert put(T0 - HOUR // 2) == ["job.nightly.499999"]
    assert put(T0) == ["job.nightly.500000"]
    assert put(T0 - NS_PER_S) == put(T0 + NS_PER_S) == []
    assert put(T0 + HOUR) == ["job.nightly.500001"]
    assert put(T0 + 9 * HOUR) == ["job.nightly.500009"]
    assert put(T0 + 2 * HOUR) == ["job.nightly.500002"]


def test_the_energy_that_the_configuration_states_goes_with_the_job(tmp_path: Path) -> None:
    queue = queue_in(tmp_path)
    stated = msgspec.structs.replace(NIGHTLY, name="stated", energy_j=40.0)
    found = put_recurring((NIGHTLY, stated), queue, T0)
    assert [job.defer.energy_j for job in found] == [None, 40.0], "0 is for the meter"


@given(st.lists(st.integers(0, 20_000), max_size=40))
def test_however_the_clock_is_looked_at_no_period_has_two(
    tmp_path_factory: pytest.TempPathFactory, seconds: list[int]
) -> None:
    queue = queue_in(tmp_path_factory.mktemp("q"))
    seen: list[str] = []
    for second in sorted(seconds):
        for job in put_recurring((NIGHTLY,), queue, T0 + second * NS_PER_S):
            seen.append(job.job_id)
            queue.finish(job.job_id)
    assert len(seen) == len(set(seen))
    assert all(
        second % 3600 > 3540 or f"job.nightly.{500_000 + second // 3600}" in seen for second in seconds
    ) or not (seconds)


def decoded(**changed: Any) -> JobConfig:
    fields = {"name": "n", "action": "bench", "every_s": 3600.0, "duration_s": 60.0}
    return msgspec.convert(fields | changed, JobConfig)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"action": "batch"}, "which needs it"),
        ({"folder": "photos"}, "folder is for"),
        ({"deadline_s": 3601.0}, "later than every_s"),
        ({"duration_s": 3601.0}, "longer than the time"),
        ({"deadline_s": 30.0}, "longer than the time"),
        ({"every_s": 1.0}, ">= 60"),
        ({"name": "a" * 25}, "matching regex"),
        ({"colour": "green"}, "unknown field"),
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        decoded(**changed)


def test_folders_and_names_are_checked() -> None:
    batch = decoded(action="batch", folder="photos", name="b")
    assert batch.what == RunBatch(folder="photos")
    check_jobs((NIGHTLY, batch), {"photos"})
    with pytest.raises(ConfigurationError, match="no folder 'photos'"):
        check_jobs((batch,), {})
    with pytest.raises(ConfigurationError, match="stands twice"):
        check_jobs((NIGHTLY, NIGHTLY), {})
