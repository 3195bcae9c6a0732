"""Work that waits for its hour, on disk: it outlives a restart and a power cut, and none is begun twice.

One file, written whole at every change. A job is marked as begun before its work starts. What is found so marked after
a restart was cut off in the middle: it is handed out by ``interrupted`` to be reported as failed, and not begun again.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import structlog

from edge_agent.durable_file import write_durably
from edge_agent.jobs.grid_board import GridBoard
from edge_agent.jobs.planner import Plan, begun, is_late, ns_of, planned_again
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.orders import Action, CommandId, Deferral

FILE_NAME: Final = "jobs.json"
MAX_JOBS: Final = 64
CLOCK_WAIT_S: Final = 300.0
"""After a restart the clock may be set late: so long waiting work goes on waiting for the time; then it is begun."""
FORECAST_WAIT_S: Final = 15.0
"""After a restart the broker may bring a forecast any moment: so long none is begun without one."""
_LOG = structlog.get_logger()


class QueueFullError(Exception):
    """No more work can wait; the text is one line for the user."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work. ``job_id``: a command's id, or name and number of a recurring job; it never comes again.

    ``origin``: who asked for it. ``plan``: as it stands; of a job that has begun, as it came true.
    """

    job_id: CommandId
    origin: Literal["order", "recurring"]
    action: Action
    defer: Deferral
    plan: Plan
    state: Literal["waiting", "begun"] = "waiting"


class _File(msgspec.Struct, frozen=True, kw_only=True):
    schema_version: Literal[1] = 1
    jobs: Annotated[tuple[Job, ...], msgspec.Meta(max_length=MAX_JOBS)] = ()
    last_periods: dict[str, int] = {}


_DECODER: Final = msgspec.json.Decoder(_File)


class JobQueue:
    """See the module's text. Thread-safe; for the one process that holds the state directory's lock.

    ``clock_wait_s``, ``forecast_wait_s``: how long after the start waiting work waits for a clock that is not set, and
    for a first forecast; ``monotonic_s``: counts that time.
    """

    def __init__(
        self,
        state_dir: Path,
        board: GridBoard,
        *,
        clock_wait_s: float = CLOCK_WAIT_S,
        forecast_wait_s: float = FORECAST_WAIT_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read what waited before the restart. Raises ConfigurationError for a file that cannot be read."""
        self._path = state_dir / FILE_NAME
        self._board = board
        self._lock = threading.Lock()
        self._monotonic_s = monotonic_s
        self._clock_until_s = monotonic_s() + clock_wait_s
        self._forecast_until_s = monotonic_s() + forecast_wait_s
        found = self._read()
        self._jobs = {job.job_id: job for job in found.jobs}
        self._last_periods = dict(found.last_periods)
        self._cut_off = tuple(job for job in found.jobs if job.state == "begun")

    @property
    def interrupted(self) -> tuple[Job, ...]:
        """Return the jobs that an earlier process began and did not finish, until ``finish`` is called for each."""
        with self._lock:
            return tuple(job for job in self._cut_off if job.job_id in self._jobs)

    @property
    def waiting(self) -> tuple[Job, ...]:
        """Return the jobs that have not begun, the next first."""
        with self._lock:
            return self._in_order()

    def put(
        self,
        job_id: str,
        action: Action,
        defer: Deferral,
        now_unix_ns: int,
        *,
        clock_known: bool = True,
        origin: Literal["order", "recurring"] = "order",
    ) -> Job:
        """Plan the work and keep it; it is on the disk when this returns. A job of that id is returned as it is.

        Raises QueueFullError, and OSError where the disk refuses: the job is not kept then.
        """
        made = self._board.plan(now_unix_ns, defer, clock_known=clock_known)
        job = Job(job_id=job_id, origin=origin, action=action, defer=defer, plan=made)
        with self._lock:
            known = self._jobs.get(job_id)
            if known is not None:
                return known
            if len(self._jobs) >= MAX_JOBS:
                raise QueueFullError(f"{len(self._jobs)} jobs wait already, and that is the most: cancel one")
            self._write(self._jobs | {job_id: job})
        return job

    def plan_again(self, now_unix_ns: int) -> tuple[Job, ...]:
        """Look at what waits by what is known now; return the jobs whose start moved. Raises OSError.

        For whenever ``GridBoard.take`` returned True, with a clock that is set.
        """
        moved: dict[str, Job] = {}
        with self._lock:
            for job in self._in_order():
                fresh = self._board.plan(now_unix_ns, job.defer, asked_unix_ns=job.plan.asked_unix_ns)
                better = planned_again(job.plan, fresh)
                if better.start_unix_ns != job.plan.start_unix_ns:
                    moved[job.job_id] = msgspec.structs.replace(job, plan=better)
            if moved:
                self._write(self._jobs | moved)
        return tuple(moved.values())

    def due(self, now_unix_ns: int, *, clock_known: bool = True) -> Job | None:
        """Return the job that should begin now, None while none should. A job past its deadline is none: ``missed``.

        One whose hour has gone by, as the device was off or at other work, is planned again first. Where the clock is
        not set, nobody can say when the hour has come: after a while of patience it has. Raises OSError.
        """
        with self._lock:
            for job in self._in_order():
                if not clock_known:
                    if job.plan.why_now or self._monotonic_s() >= self._clock_until_s:
                        return job
                elif self._hour_has_come(job, now_unix_ns) and not self._put_off_again(job, now_unix_ns):
                    return job
        return None

    def missed(self, now_unix_ns: int) -> tuple[Job, ...]:
        """Return the jobs whose deadline passed before they began, as the device was off. Only with a set clock."""
        with self._lock:
            return tuple(job for job in self._in_order() if _missed(job, now_unix_ns))

    def begin(self, job_id: str, now_unix_ns: int, *, clock_known: bool = True) -> Job:
        """Mark the job as begun and return it, its plan as it came true. Raises KeyError, and OSError: do not begin.

        Call it before the work starts.
        """
        with self._lock:
            job = self._jobs[job_id]
            if job.state != "waiting":
                raise KeyError(job_id)
            fresh = self._board.plan(now_unix_ns, job.defer, clock_known=clock_known)
            started = msgspec.structs.replace(job, state="begun", plan=begun(job.plan, fresh))
            self._write(self._jobs | {job_id: started})
        return started

    def finish(self, job_id: str) -> Job | None:
        """Forget a job that is done, failed, missed or was cut off, after its reply is kept. Raises OSError."""
        return self._remove(job_id)

    def cancel(self, job_id: str) -> Job | None:
        """Forget a job that has not begun and return it; None where there is none such. Raises OSError."""
        return self._remove(job_id, only="waiting")

    def next_start_unix_ns(self) -> int | None:
        """Return when the next job begins as planned, None where none waits."""
        with self._lock:
            return min((job.plan.start_unix_ns for job in self._in_order()), default=None)

    def last_period(self, name: str) -> int:
        """Return the number of the last period for which a recurring job was put, -1 for none."""
        with self._lock:
            return self._last_periods.get(name, -1)

    def note_period(self, name: str, period: int) -> None:
        """Remember that a recurring job was put, or left out, for that period. Raises OSError."""
        with self._lock:
            periods = self._last_periods | {name: period}
            self._write(self._jobs, periods)

    def _remove(self, job_id: str, only: str = "") -> Job | None:
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None or (only and job.state != only):
                return None
            self._write({name: other for name, other in self._jobs.items() if name != job_id})
        return job

    def _hour_has_come(self, job: Job, now_unix_ns: int) -> bool:
        if not job.plan.why_now and now_unix_ns < job.plan.start_unix_ns:
            return False
        return not (_missed(job, now_unix_ns) or self._awaits_forecast(job, now_unix_ns))

    def _put_off_again(self, job: Job, now_unix_ns: int) -> bool:
        """Tell whether a job that comes too late for its hour has a greener one ahead, which then is its plan."""
        if job.plan.why_now or not is_late(job.plan, now_unix_ns):
            return False
        fresh = self._board.plan(now_unix_ns, job.defer, asked_unix_ns=job.plan.asked_unix_ns)
        better = planned_again(job.plan, fresh)
        if better.start_unix_ns <= now_unix_ns:
            return False
        self._write(self._jobs | {job.job_id: msgspec.structs.replace(job, plan=better)})
        return True

    def _awaits_forecast(self, job: Job, now_unix_ns: int) -> bool:
        """Tell whether a forecast that may come any moment could still put the job off."""
        last_unix_ns = job.defer.deadline_unix_ns - ns_of(job.defer.duration_s)
        asks = job.plan.why_now in {"no_forecast", "stale"} and now_unix_ns < last_unix_ns
        return asks and self._monotonic_s() < self._forecast_until_s

    def _in_order(self) -> tuple[Job, ...]:
        waiting = (job for job in self._jobs.values() if job.state == "waiting")
        return tuple(sorted(waiting, key=lambda job: (job.plan.start_unix_ns, job.plan.deadline_unix_ns, job.job_id)))

    def _write(self, jobs: dict[str, Job], last_periods: dict[str, int] | None = None) -> None:
        """Put this state on the disk, and only then in memory. Raises OSError."""
        periods = self._last_periods if last_periods is None else last_periods
        write_durably(self._path, msgspec.json.encode(_File(jobs=tuple(jobs.values()), last_periods=periods)))
        self._jobs, self._last_periods = jobs, periods

    def _read(self) -> _File:
        try:
            return _DECODER.decode(self._path.read_bytes())
        except FileNotFoundError:
            return _File()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            aside = self._path.with_name(f"{FILE_NAME}.damaged")
            self._path.replace(aside)
            _LOG.warning("waiting_jobs_lost", file=str(aside), reason=f"the file is damaged: {error}")
            return _File()
        except OSError as error:
            raise ConfigurationError(f"{self._path}: cannot read what waits: {error.strerror}; check owner") from error


def _missed(job: Job, now_unix_ns: int) -> bool:
    """Tell whether its deadline passed while it waited, and not before it was asked for."""
    return now_unix_ns >= job.defer.deadline_unix_ns > job.plan.asked_unix_ns
