"""The thread that hears orders, judges them, sees to what waits, and answers. The measurement runs beside it."""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from edge_agent.clock import HostClock
from edge_agent.config import AgentConfig
from edge_agent.jobs.grid_board import GridBoard
from edge_agent.jobs.planner import settle
from edge_agent.jobs.queue import MAX_JOBS, Job, JobQueue, QueueFullError
from edge_agent.jobs.recurring import put_recurring
from edge_agent.outbox import Outbox
from edge_agent.publisher import Publisher
from edge_agent.remote.answers import Answers, Voice
from edge_agent.remote.book import Accepted, CommandBook
from edge_agent.remote.carrying import Carrier, Tools, conclude
from edge_agent.remote.counts import OrderCounts
from edge_agent.remote.desk import Desk, Report
from edge_agent.remote.diagnostics import Examined, LastWords, diagnosed
from edge_agent.remote.guard import Guard, Now, Order, Refusal, Signer, kind_of
from edge_agent.remote.inbox import Inbox, Message
from edge_agent.remote.model_files import ModelFiles
from edge_agent.remote.settings import SettingsFile
from edge_agent.reply_spool import ReplySpool
from edge_agent.wire import codec
from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.orders import BlobChunk, BlobRequest, ChangeModel, CollectDiagnostics, Command
from firmware_bridge.meter import Meter

TELL_S: Final = 60.0
RECURRING_S: Final = 5.0
RESTARTED: Final = "the agent was restarted while it was at work"
TAKEN_BACK: Final = "the agent was restarted before it had proved itself, so what was before holds again"
_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the office works with once the agent's parts are together. ``effective``: the configuration as it holds."""

    publisher: Publisher
    meter: Meter
    outbox: Outbox
    settings: SettingsFile
    effective: Callable[[], AgentConfig]


class Office:
    """See the module's text. ``start`` once the publisher and the meter run; ``close`` before they end."""

    def __init__(self, config: AgentConfig, state_dir: Path) -> None:
        """Read what was left by an earlier run. Raises ConfigurationError."""
        self._config, self._state_dir = config, state_dir
        device, remote = config.device, config.remote
        self.counts, self.desk = OrderCounts(), Desk()
        self.inbox = Inbox(device.fleet, device.id, self.counts, orders=bool(remote.operators), zone=config.grid.zone)
        self.replies = ReplySpool(state_dir)
        self._book = CommandBook(state_dir)
        self._board = GridBoard(
            state_dir, device.fleet, config.grid.zone, kind=config.grid.kind, max_age_s=config.grid.max_age_s
        )
        self._queue = JobQueue(state_dir, self._board)
        operators: Mapping[str, Signer] = {}
        if remote.operators:
            from edge_agent.remote.operators import load_operators  # noqa: PLC0415  cryptography, where it is used

            operators = load_operators(Path(remote.operators))
        self._guard = Guard(config, operators, self._book, self._hindrance)
        self._clock = HostClock()
        self._untold: Counter[str] = Counter()
        self._last_reason = ""
        self._t_tell_s = self._t_recurring_s = 0.0
        self._stopping = False
        self._last_words = LastWords()
        self._thread = threading.Thread(target=self._run, name="orders")
        self.desk.on_report = self.inbox.wake

    def start(self, around: Surroundings) -> None:
        """Begin to work."""
        self._around = around
        self._answers = Answers(self.replies, self._voice(around))
        tools = Tools(
            settings=around.settings,
            files=ModelFiles(self._state_dir),
            book=self._book,
            queue=self._queue,
            answers=self._answers,
            counts=self.counts,
            desk=self.desk,
            meter=around.meter,
            ask=self._ask,
            now_unix_ns=lambda: self._now().unix_ns,
        )
        self._carrier = Carrier(self._config, tools)
        self._last_words.open()
        self._resume()
        self._thread.start()

    def close(self) -> None:
        """Take the last reports, and end. What is in hand is taken up or reported after the restart."""
        self._stopping = True
        self.inbox.wake()
        if self._thread.is_alive():
            self._thread.join()
        self._last_words.close()

    def _run(self) -> None:
        while not self._stopping:
            message = self.inbox.next(self._carrier.wait_s())
            if message is not None:
                self._take(message)
            self._carrier.tend()
            self._answers.retry()
            self._see_to_jobs()
            self._tell()
        self._carrier.tend()
        self._carrier.close()
        self._answers.retry()

    # --- what comes ------------------------------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        if message.topic == self.inbox.run_topic:
            self._take_command(message)
        elif message.topic == self.inbox.blob_topic:
            try:
                self._carrier.take(codec.decode(message.payload, BlobChunk))
            except RejectedRecordError as error:
                _LOG.debug("chunk_rejected", reason=str(error))
        elif self._board.take(message.topic, message.payload):
            self._plan_again()

    def _take_command(self, message: Message) -> None:
        verdict = self._guard.judge(message.payload, self._now(), retained=message.retained)
        if isinstance(verdict, Order):
            self._accept(verdict)
            return
        self.counts.refused(verdict.kind)
        self._untold[verdict.kind] += 1
        self._last_reason = verdict.reason
        self._answer_refusal(verdict)

    def _answer_refusal(self, refusal: Refusal) -> None:
        command = refusal.command
        if command is None:
            return
        if refusal.known:
            self._answers.say_again(command.command_id)
        else:
            self._answers.refuse(command.command_id, kind_of(command.action), refusal.kind, refusal.reason)

    def _accept(self, order: Order) -> None:
        command = order.command
        kind = kind_of(command.action)
        _LOG.info("order_accepted", command=command.command_id, kind=kind, operator=order.operator)
        if isinstance(command.action, CollectDiagnostics):
            self._diagnose(command)
            return
        self._answers.say(command.command_id, kind, "accepted")
        if command.defer is None:
            self._carrier.begin(command.command_id, command.action)
        else:
            self._put(command)

    def _put(self, command: Command) -> None:
        assert command.defer is not None
        now, kind = self._now(), kind_of(command.action)
        clock_known = now.clock_state != "unsynchronised"
        try:
            job = self._queue.put(
                command.command_id, command.action, command.defer, now.unix_ns, clock_known=clock_known
            )
        except (QueueFullError, OSError) as error:
            self._conclude(Report(command.command_id, "failed", f"it cannot wait here: {error}"), kind)
            return
        self._answers.say(command.command_id, kind, "waiting", _planned(job), carbon=settle(job.plan))

    def _diagnose(self, command: Command) -> None:
        around = self._around
        device = Examined(
            around.effective,
            around.meter,
            around.outbox,
            around.settings,
            self._state_dir,
            self._last_words,
        )
        try:
            found = diagnosed(device)
            report = Report(command.command_id, "done", result=found)
        except (OSError, sqlite3.Error) as error:
            report = Report(command.command_id, "failed", str(error))
        conclude(self._answers, self.counts, report, kind_of(command.action), report.result)
        self._carrier.forget(command.command_id)

    def _hindrance(self, command: Command) -> str:
        """Return why a command cannot be taken up now, "" for nothing."""
        if self._answers.too_many_wait:
            return "too many of its answers wait for a collector"
        if isinstance(command.action, CollectDiagnostics):
            return ""
        if command.defer is not None:
            waiting = len(self._queue.waiting)
            return f"{waiting} jobs wait already" if waiting >= MAX_JOBS - 1 else ""
        work = self._carrier.in_hand
        return "" if work is None else f"{work.kind!r} is in hand ({work.command_id})"

    # --- what waits ------------------------------------------------------------------------------------------------

    def _see_to_jobs(self) -> None:
        now = self._now()
        clock_known = now.clock_state != "unsynchronised"
        try:
            if clock_known:
                self._put_recurring(now)
                for job in self._queue.missed(now.unix_ns):
                    self._end_job(job, "its deadline passed while this device was off or at other work")
            if self._carrier.in_hand is None and not self._stopping:
                due = self._queue.due(now.unix_ns, clock_known=clock_known)
                if due is not None:
                    begun = self._queue.begin(due.job_id, now.unix_ns, clock_known=clock_known)
                    self._carrier.begin(begun.job_id, begun.action, begun)
        except OSError as error:
            self._untold["disk"] += 1
            self._last_reason = f"{error.filename}: {error.strerror}"

    def _put_recurring(self, now: Now) -> None:
        if self._config.job and time.monotonic() >= self._t_recurring_s:
            self._t_recurring_s = time.monotonic() + RECURRING_S
            for job in put_recurring(self._config.job, self._queue, now.unix_ns):
                self._answers.say(job.job_id, kind_of(job.action), "waiting", _planned(job), carbon=settle(job.plan))

    def _plan_again(self) -> None:
        now = self._now()
        if now.clock_state == "unsynchronised":
            return
        try:
            for job in self._queue.plan_again(now.unix_ns):
                _LOG.info("job_moved", job=job.job_id, start_unix_ns=job.plan.start_unix_ns)
        except OSError as error:
            _LOG.warning("job_not_moved", reason=error.strerror)

    def _end_job(self, job: Job, reason: str) -> None:
        report = Report(job.job_id, "failed", reason)
        conclude(self._answers, self.counts, report, kind_of(job.action), carbon=settle(job.plan))
        self._carrier.forget(job.job_id)

    def _conclude(self, report: Report, kind: str) -> None:
        conclude(self._answers, self.counts, report, kind, report.result)
        self._carrier.forget(report.command_id)

    # --- what an earlier run left ----------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Answer for what was cut off, or take it up where that can be done."""
        interrupted = {job.job_id: job for job in self._queue.interrupted}
        waiting = {job.job_id for job in self._queue.waiting}
        for entry in self._book.open_commands():
            goes_on = entry.command_id in waiting and not self._guard.withdrawn(entry)
            if entry.command is not None and not goes_on:
                self._resume_one(entry, entry.command, interrupted.pop(entry.command_id, None))
        for job in interrupted.values():
            if self._answers.final(job.job_id) is not None:
                self._carrier.forget(job.job_id)
            else:
                self._end_job(job, RESTARTED)

    def _resume_one(self, entry: Accepted, command: Command, job: Job | None) -> None:
        report = self._end_of(entry)
        trial, withdrawn = self._around.settings.trial, self._guard.withdrawn(entry)
        if self._answers.final(command.command_id) is not None:
            self._carrier.forget(command.command_id)
        elif report is not None:
            self._conclude(report, kind_of(command.action))
        elif trial is not None and trial.command_id == command.command_id:
            self._carrier.resume_trial(command.command_id, command.action, job)
        elif withdrawn:
            self._conclude(Report(command.command_id, "failed", withdrawn), kind_of(command.action))
        elif command.defer is not None and job is None:
            self._put(command)
        elif isinstance(command.action, ChangeModel) and self._carrier.in_hand is None:
            self._carrier.begin(command.command_id, command.action, job)
        elif job is not None:
            self._end_job(job, RESTARTED)
        else:
            self._conclude(Report(command.command_id, "failed", RESTARTED), kind_of(command.action))

    def _end_of(self, entry: Accepted) -> Report | None:
        """Return how a command ended that was not answered any more, None where it did not end."""
        decided = self._around.settings.decided
        if decided is not None and decided.command_id == entry.command_id:
            why = "" if decided.stage == "done" else TAKEN_BACK
            return Report(entry.command_id, decided.stage, why)
        if entry.self_tested and self._around.settings.trial is None:
            return Report(entry.command_id, "failed", "the agent was restarted during the self-test")
        return None

    # --- the rest --------------------------------------------------------------------------------------------------

    def _now(self) -> Now:
        placing = self._around.outbox.placing
        return Now(self._clock.best_unix_ns(placing), self._clock.state(placing))

    def _ask(self, sha256: str, offset: int) -> bool:
        request = BlobRequest(device_id=self._config.device.id, sha256=sha256, offset=offset)
        return self._around.publisher.publish_once("fetch", codec.encode(request))

    def _voice(self, around: Surroundings) -> Voice:
        return Voice(
            device_id=self._config.device.id,
            boot_id=around.outbox.boot_id,
            now=self._now,
            monotonic_s=time.monotonic,
            notify=around.publisher.notify,
            publish_once=lambda payload: around.publisher.publish_once("reply", payload),
        )

    def _tell(self) -> None:
        """Say in the log what was refused, at most once a minute: a flood must not fill the disk."""
        if self._untold and time.monotonic() >= self._t_tell_s:
            self._t_tell_s = time.monotonic() + TELL_S
            _LOG.warning("orders_refused", **dict(self._untold), latest=self._last_reason)
            self._untold.clear()


def _planned(job: Job) -> str:
    plan = job.plan
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(plan.start_unix_ns / 1e9))
    return f"planned for {start}" + (f": at once, {plan.why_now}" if plan.why_now else "")
