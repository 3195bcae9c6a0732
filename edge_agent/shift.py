"""The measuring thread: usual work, interrupted where an order wants the meter, the model or other settings.

What an order changes is on trial until the first window was recorded under it. If that does not come in time, or the
work cannot go on, everything is as it was before.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from edge_agent.assembly import BlockTap, Executor, Prepared, Present
from edge_agent.config import AgentConfig
from edge_agent.inference.errors import InferenceError
from edge_agent.measurement import Parts
from edge_agent.ordered_work import Bed, run_ordered_batch, run_ordered_bench
from edge_agent.preparing import prepare_work
from edge_agent.remote.desk import Desk, Report, ResultValue, Task
from edge_agent.remote.model_files import ModelFiles
from edge_agent.remote.settings import Settings, SettingsFile
from edge_agent.service import StopFlag
from edge_agent.sources import Source, open_source
from edge_agent.stretch import Stretches
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.orders import RunBatch, RunBench
from edge_agent.wire.records import InferenceWindow
from firmware_bridge.stream import host_time_s

TRIAL_MARGIN_S: Final = 60.0
"""So much longer than a window and the meter's slowness may the first window of a change take."""
WHOLE_RATIO: Final = 0.999
_LOG = structlog.get_logger()


class TurnFlag(StopFlag):
    """Asks a stretch of work to end: for good, or for something else to be done."""

    def __init__(self, stop: StopFlag, turn: Callable[[], bool]) -> None:
        super().__init__()
        self._stop, self._turn = stop, turn

    @property
    def requested(self) -> bool:
        """Return whether the stretch shall end."""
        return self._stop.requested or self._turn()


class Running:
    """The model and the inputs that run now; ``close`` lets go of them. Exchanged as a whole."""

    def __init__(self, config: AgentConfig, prepared: Prepared | None = None) -> None:
        """Open them. Raises ConfigurationError or InferenceError, with nothing left open."""
        self.config, self.prepared = config, prepared or prepare_work(config)
        self._stack = ExitStack()  # which what was opened goes on to put its own into
        with ExitStack() as on_failure:
            on_failure.push(self._stack)
            self.source: Source = open_source(config, self.prepared, self._stack)
            on_failure.pop_all()

    @property
    def executor(self) -> Executor:
        """Return what runs the model."""
        return self.source.executor

    def put_into(self, present: Present) -> None:
        """Make this what runs."""
        present.config, present.prepared = self.config, self.prepared
        present.executor, present.close = self.executor, self.close

    def close(self) -> None:
        """Let go of the inputs."""
        self._stack.close()


def first_running(base: AgentConfig, settings: SettingsFile, files: ModelFiles) -> Running:
    """Open what the configuration and earlier orders say.

    What was tried and did not prove itself is taken back. Where what was ordered does not work, the configuration file
    holds. Raises ConfigurationError, InferenceError where that does not either.
    """
    if settings.trial is not None and settings.trial.tried:
        settings.roll_back()
    settings.note_tried(tried=True)
    if settings.settings == Settings():
        return Running(base)
    try:
        return Running(settings.settings.over(base, files))
    except (ConfigurationError, InferenceError) as error:
        _LOG.exception("ordered_settings_do_not_work", note="the configuration file holds", reason=str(error))
        settings.forget()
        return Running(base)


@dataclass(frozen=True, slots=True)
class _Trial:
    command_id: str
    until_s: float


class Shift:
    """See the module's text. ``present`` is what others read of it."""

    def __init__(  # noqa: PLR0913  what the thread works with
        self,
        base: AgentConfig,
        running: Running,
        present: Present,
        parts: Parts,
        *,
        desk: Desk,
        tap: BlockTap,
        settings: SettingsFile,
        state_dir: Path,
        stop: StopFlag,
    ) -> None:
        self._base, self._running, self._present, self._parts = base, running, present, parts
        self._desk, self._tap, self._settings, self._stop = desk, tap, settings, stop
        self._state_dir, self._files = state_dir, ModelFiles(state_dir)
        self._flag = TurnFlag(stop, self._is_turn)
        self._trial: _Trial | None = None
        self._has_recorded = False
        if settings.trial is not None:
            self._trial = self._new_trial(settings.trial.command_id)

    def run(self) -> None:
        """Work until the end. Raises ConfigurationError or InferenceError where the usual work cannot go on."""
        with Stretches(self._parts, self._work_until, self._stop) as stretches:
            stretches.begin(self._parts)
            while not self._stop.requested and self._usual(stretches):
                task = self._desk.take()
                if task is not None:
                    self._do(stretches, task)
        self._settings.note_tried(tried=False)

    def _work_until(self, until_s: float) -> tuple[float, float]:
        return self._running.source.work_until(until_s)

    def _usual(self, stretches: Stretches) -> bool:
        """Do the usual work until there is something else; return whether there is more to come."""
        make_work = partial(self._running.source.make_work, self._parts)
        try:
            stretches.run(self._parts, make_work, self._flag, self._note_window)
        except (ConfigurationError, InferenceError) as error:
            if self._trial is None:
                raise
            self._take_back(str(error))
            return True
        if self._is_overdue():
            self._take_back(f"no window with an inference was recorded within {self._allowed_s():.0f} s")
            return True
        return self._desk.wanted

    def _is_turn(self) -> bool:
        return (self._desk.wanted and not self._must_record_first()) or self._is_overdue()

    def _must_record_first(self) -> bool:
        """Tell whether a bench waits for the first window: whoever put this version here waits for one too."""
        task = None if self._has_recorded else self._desk.first
        return task is not None and isinstance(task.action, RunBench)

    def _is_overdue(self) -> bool:
        return self._trial is not None and host_time_s() >= self._trial.until_s

    def _do(self, stretches: Stretches, task: Task) -> None:
        if task.settings is not None:
            self._change(task, task.settings)
            return
        bed = Bed(self._present, self._parts, stretches, self._tap, self._state_dir, self._stop)
        if isinstance(task.action, RunBench):
            self._desk.report(run_ordered_bench(bed, task.command_id, task.action))
        elif isinstance(task.action, RunBatch):
            self._desk.report(run_ordered_batch(bed, task.command_id, task.action))
        else:
            self._desk.report(Report(task.command_id, "failed", f"nobody here can do {task.action!r}"))

    # --- changes ---------------------------------------------------------------------------------------------------

    def _change(self, task: Task, settings: Settings) -> None:
        """Begin to run with other settings, on trial."""
        try:
            self._settings.begin(settings, task.command_id)
        except OSError as error:
            reason = f"{self._settings.path}: cannot write it down: {error.strerror}; free space"
            self._desk.report(Report(task.command_id, "failed", reason))
            return
        try:
            self._run_with(Running(settings.over(self._base, self._files)))
        except (ConfigurationError, InferenceError) as error:
            self._settings.roll_back()
            self._desk.report(Report(task.command_id, "rolled_back", str(error)))
            return
        self._trial = self._new_trial(task.command_id)

    def _note_window(self, window: InferenceWindow) -> None:
        """Take a window that is in the outbox: it may prove what is on trial."""
        self._has_recorded = True
        if self._trial is not None and self._proves(window):
            self._confirm(self._trial)

    def _proves(self, window: InferenceWindow) -> bool:
        """Tell whether it is a whole window with an inference of the present model, not what a stop has cut off."""
        whole_s = WHOLE_RATIO * self._running.config.window.window_s
        return (
            window.inference_count > 0
            and window.duration_s >= whole_s
            and window.model_sha256 == self._running.prepared.model.sha256
        )

    def _confirm(self, trial: _Trial) -> None:
        try:
            self._settings.confirm()
        except OSError as error:  # else a restart would take back what was called done: the next window tries again
            _LOG.warning("settings_not_written", path=str(self._settings.path), reason=error.strerror)
            return
        self._trial = None
        try:
            self._files.keep_only(
                {sha256 for one in self._settings.models for sha256 in (one.sha256, one.check_set_sha256) if sha256}
            )
        except OSError as error:
            _LOG.warning("old_models_not_removed", path=str(self._files.directory), reason=error.strerror)
        model, config = self._running.prepared.model, self._running.config
        result: dict[str, ResultValue] = {
            "model_id": model.model_id,
            "model_sha256": model.sha256,
            "window_s": config.window.window_s,
            "duty_ratio": config.workload.duty_ratio,
        }
        self._desk.report(Report(trial.command_id, "done", result=result))

    def _take_back(self, reason: str) -> None:
        """Go back to what was before. Raises ConfigurationError, InferenceError where that does not work either."""
        assert self._trial is not None
        trial, self._trial = self._trial, None
        self._settings.roll_back()
        self._run_with(Running(self._settings.settings.over(self._base, self._files)))
        self._desk.report(Report(trial.command_id, "rolled_back", f"{reason}; what was before holds again"))

    def _run_with(self, running: Running) -> None:
        before, self._running = self._running, running
        running.put_into(self._present)
        before.close()
        self._parts = replace(self._parts, config=running.config)
        self._parts.publisher.announce()
        _LOG.info("settings_changed", model=running.prepared.model.model_id, window_s=running.config.window.window_s)

    def _new_trial(self, command_id: str) -> _Trial:
        return _Trial(command_id, host_time_s() + self._allowed_s())

    def _allowed_s(self) -> float:
        return self._running.config.window.window_s + 10.0 * self._parts.sheet.max_interval_s + TRIAL_MARGIN_S
