"""Stretches of metered work, one after the other on one meter, that share the alignment of clocks and the baseline."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Self

from edge_agent.alignment.align import Aligner
from edge_agent.alignment.play import BusyTimes, play_pattern
from edge_agent.baseline import measure_baseline
from edge_agent.device.observer import DeviceObserver
from edge_agent.measurement import Measurement, Parts
from edge_agent.outbox import Outbox
from edge_agent.recorder import WindowRecorder
from edge_agent.service import StopFlag
from edge_agent.sources import WorkUntil
from edge_agent.window import IdleBaseline
from edge_agent.wire.records import InferenceWindow
from edge_agent.work.protocol import Work
from firmware_bridge.step_pattern import StepPattern
from firmware_bridge.stream import host_time_s


class Stretches:
    """See the module's text; a context manager. ``work_until``: what loads the machine for the alignment."""

    def __init__(self, parts: Parts, work_until: WorkUntil, stop: StopFlag) -> None:
        """Open the line. Raises ConfigurationError for an alignment that cannot be with this meter."""
        self.work_until = work_until
        self._watchdog, self._stop = parts.watchdog, stop
        self._idle: IdleBaseline | None = None
        self.aligner = Aligner(parts.meter, parts.config.align, self._play, stopped=self._stopped)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.aligner.close()

    def begin(self, parts: Parts) -> None:
        """Align the clocks, and idle for the baseline."""
        self.aligner.start()
        baseline_s = parts.config.window.baseline_s
        if baseline_s > 0.0 and not self._stop.requested:
            self._idle = measure_baseline(parts.meter, parts.sheet, baseline_s, self._stop, parts.watchdog)

    def run(
        self,
        parts: Parts,
        make_work: Callable[[float], Work],
        stop: StopFlag,
        on_stored: Callable[[InferenceWindow], None] | None = None,
    ) -> None:
        """Measure the work that ``make_work`` returns for its begin, until ``stop`` or its end.

        ``on_stored``: called with each window that is in the outbox. Raises ConfigurationError or InferenceError where
        there is no going on.
        """
        t_first_s = host_time_s()
        store = parts.outbox if on_stored is None else _Watched(parts.outbox, on_stored)
        recorder = WindowRecorder(parts.meter, parts.sheet, store, parts.identity(), t_first_s, parts.calibration)
        with ExitStack() as stack:
            observer = stack.enter_context(closing(DeviceObserver(t_first_s)))
            Measurement(parts, make_work(t_first_s), recorder, observer, self.aligner, self._idle).run(stop)

    def _stopped(self) -> bool:
        if self._watchdog is not None:
            self._watchdog.feed(host_time_s())
        return self._stop.requested

    def _play(self, pattern: StepPattern) -> BusyTimes:
        return play_pattern(pattern, self.work_until, self._stopped)


class _Watched:
    """An outbox that tells of each window that it holds."""

    def __init__(self, outbox: Outbox, on_stored: Callable[[InferenceWindow], None]) -> None:
        self._outbox, self._on_stored = outbox, on_stored

    def append(self, make: Callable[[int], InferenceWindow]) -> InferenceWindow:
        """See ``Outbox.append``."""
        window = self._outbox.append(make)
        self._on_stored(window)
        return window
