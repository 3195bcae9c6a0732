"""The one piece of work in hand: begun, carried through its steps, ended with exactly one final answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from edge_agent.baseline import await_reading
from edge_agent.config import AgentConfig
from edge_agent.jobs.planner import settle
from edge_agent.jobs.queue import Job, JobQueue
from edge_agent.remote.answers import Answers
from edge_agent.remote.book import CommandBook
from edge_agent.remote.changing import ModelChange, ModelUnfitError
from edge_agent.remote.counts import OrderCounts
from edge_agent.remote.desk import Desk, Report, Task
from edge_agent.remote.fetching import FetchError
from edge_agent.remote.guard import kind_of
from edge_agent.remote.model_files import ModelFiles
from edge_agent.remote.settings import Settings, SettingsFile
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.orders import (
    Action,
    BlobChunk,
    CarbonTiming,
    ChangeModel,
    ResetSettings,
    SetDutyCycle,
    SetWindow,
)
from firmware_bridge.energy import energy_between
from firmware_bridge.meter import Meter
from firmware_bridge.samples import EnergyReading
from firmware_bridge.stream import host_time_s

IDLE_WAIT_S: Final = 0.5
PROGRESS_S: Final = 5.0
_LOG = structlog.get_logger()


class Asker(Protocol):
    """Sends a request for bytes of a file; returns whether there is a connection."""

    def __call__(self, sha256: str, offset: int) -> bool:
        """Ask for bytes from ``offset`` on."""


@dataclass(slots=True)
class InHand:
    """What is being done. ``job``: of work that might have waited; ``start``: the meter when it began."""

    command_id: str
    action: Action
    job: Job | None = None
    began_unix_ns: int = 0
    t_began_s: float = 0.0
    start: EnergyReading | None = None
    change: ModelChange | None = None

    @property
    def kind(self) -> str:
        """Return what it is, as lists of what is allowed have it."""
        return kind_of(self.action)


@dataclass(frozen=True, slots=True)
class Tools:
    """What work is done with. ``ask``: for bytes of a file; ``now_unix_ns``: as well as it is known."""

    settings: SettingsFile
    files: ModelFiles
    book: CommandBook
    queue: JobQueue
    answers: Answers
    counts: OrderCounts
    desk: Desk
    meter: Meter
    ask: Asker
    now_unix_ns: Callable[[], int]


class Carrier:
    """See the module's text. For one thread; the measuring one is asked by the desk."""

    def __init__(self, config: AgentConfig, tools: Tools) -> None:
        """``config``: of the file, without what orders have changed."""
        self._config, self._tools = config, tools
        self._t_told_s = 0.0
        self.in_hand: InHand | None = None

    def wait_s(self) -> float:
        """Return for how long there is nothing to do unless something comes."""
        change = None if self.in_hand is None else self.in_hand.change
        return IDLE_WAIT_S if change is None else min(IDLE_WAIT_S, change.wait_s())

    def begin(self, command_id: str, action: Action, job: Job | None = None) -> None:
        """Take work in hand. Nothing else may be."""
        assert self.in_hand is None
        self.in_hand = work = InHand(command_id, action, job, self._tools.now_unix_ns(), host_time_s())
        if job is not None:
            work.start = await_reading(self._tools.meter, work.t_began_s)
        self._tools.answers.say(command_id, work.kind, "running")
        _LOG.info("order_begins", command=command_id, kind=work.kind)
        if isinstance(action, ChangeModel):
            self._begin_change(work, action)
        else:
            self._tools.desk.offer(Task(command_id, action, self._settings_for(action)))

    def resume_trial(self, command_id: str, action: Action, job: Job | None) -> None:
        """Take up a change that the measuring thread is trying already."""
        self.in_hand = InHand(command_id, action, job, self._tools.now_unix_ns(), host_time_s())

    def take(self, chunk: BlobChunk) -> None:
        """Take a chunk of a file, if one is being fetched."""
        work = self.in_hand
        if work is not None and work.change is not None:
            self._step(work, work.change, chunk)

    def tend(self) -> None:
        """Go on with what is in hand, and end what the measuring thread has reported."""
        for report in self._tools.desk.reports():
            self.end(report)
        work = self.in_hand
        if work is not None and work.change is not None:
            self._step(work, work.change, None)

    def end(self, report: Report) -> None:
        """Give the final answer. One for anything but what is in hand is left: it has its answer."""
        work = self.in_hand
        if work is None or work.command_id != report.command_id:
            return
        self.in_hand = None
        result = dict(report.result)
        if work.change is not None:
            work.change.close()
            result |= _of_test(work.change)
        carbon = None if work.job is None else self._carbon(work, work.job)
        conclude(self._tools.answers, self._tools.counts, report, work.kind, result, carbon)
        self.forget(work.command_id)

    def forget(self, command_id: str) -> None:
        """Close a command that has its final answer."""
        try:
            self._tools.queue.finish(command_id)
        except OSError as error:
            _LOG.warning("job_not_forgotten", job=command_id, reason=error.strerror)
        if self._tools.answers.all_kept:  # else it stays open: after a restart it is answered again
            self._tools.book.close(command_id)

    def close(self) -> None:
        """End what runs apart; what is in hand is taken up or reported after the restart."""
        if self.in_hand is not None and self.in_hand.change is not None:
            self.in_hand.change.close()

    def _begin_change(self, work: InHand, action: ChangeModel) -> None:
        def before_test() -> None:
            if work.job is None or work.job.origin == "order":
                self._tools.book.note_self_test(work.command_id)

        try:
            work.change = ModelChange(
                action, self._config, self._tools.settings, self._tools.files, self._tools.ask, before_test
            )
        except (FetchError, OSError) as error:
            self.end(Report(work.command_id, "failed", _words(error)))

    def _step(self, work: InHand, change: ModelChange, chunk: BlobChunk | None) -> None:
        if change.ready is not None:
            return
        try:
            if chunk is not None:
                change.take(chunk)
            else:
                change.tend()
        except (FetchError, ConfigurationError, OSError) as error:
            self.end(Report(work.command_id, "failed", _words(error)))
        except ModelUnfitError as error:
            self.end(Report(work.command_id, "rolled_back", str(error)))
        else:
            self._go_on(work, change)

    def _go_on(self, work: InHand, change: ModelChange) -> None:
        if change.ready is not None:
            self._tools.desk.offer(Task(work.command_id, work.action, change.ready))
        elif change.is_fetching and time.monotonic() >= self._t_told_s:
            self._t_told_s = time.monotonic() + PROGRESS_S
            self._tools.answers.progress(work.command_id, work.kind, change.progress_ratio, "fetching")

    def _settings_for(self, action: Action) -> Settings | None:
        now = self._tools.settings.settings
        if isinstance(action, SetWindow):
            return Settings(window_s=action.window_s, duty_ratio=now.duty_ratio, model=now.model)
        if isinstance(action, SetDutyCycle):
            return Settings(window_s=now.window_s, duty_ratio=action.duty_ratio, model=now.model)
        return Settings() if isinstance(action, ResetSettings) else None

    def _carbon(self, work: InHand, job: Job) -> CarbonTiming:
        t_end_s = host_time_s()
        end = None if work.start is None else await_reading(self._tools.meter, t_end_s)
        delta = None if work.start is None or end is None else energy_between(work.start, end)
        return settle(
            job.plan,
            started_unix_ns=work.began_unix_ns,
            took_s=t_end_s - work.t_began_s,
            measured_j=None if delta is None or delta.gap_s > 0.0 else max(0.0, delta.energy_j),
            stated_j=job.defer.energy_j,
            simulated=self._tools.meter.is_simulated or self._config.meter.simulated,
        )


def conclude(
    answers: Answers,
    counts: OrderCounts,
    report: Report,
    kind: str,
    result: dict[str, str | int | float | bool | None] | None = None,
    carbon: CarbonTiming | None = None,
) -> None:
    """Say how a command ended, to everybody."""
    answers.say(report.command_id, kind, report.stage, report.reason, result=result, carbon=carbon)
    if report.stage == "done":
        counts.done()
        _LOG.info("order_done", command=report.command_id, kind=kind)
    else:
        _LOG.warning(f"order_{report.stage}", command=report.command_id, kind=kind, reason=report.reason)


def _of_test(change: ModelChange) -> dict[str, str | int | float | bool | None]:
    tested = change.tested
    return {
        "self_test_inputs": tested.inputs,
        "self_test_latency_p95_s": tested.latency_p95_s,
        "self_test_accuracy_ratio": tested.accuracy_ratio,
    }


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'its disk'}: {error.strerror}"
    return str(error)
