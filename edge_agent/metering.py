"""Meter your own inference loop from Python, in its own process: no rewriting, no broker needed.

::

    from edge_agent.metering import MeteredAgent

    with MeteredAgent.from_config("agent.toml") as agent:
        with agent.window("my_model") as window:
            for frame in frames:
                infer(frame)
                window.count()
        print(window.result.energy_per_inference_j, window.result.energy_per_inference_u_j)

The agent runs in a thread of this process: meter, outbox and publisher are those of ``edgejoule agent run``, and what
is measured goes to the collector as well. Its configuration has ``[input] source = "application"``; see
docs/application-metering.md. What the whole device draws is measured, this program's other work included.
"""

import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog

from edge_agent.app import measure, prepare
from edge_agent.application.models import ModelTable
from edge_agent.application.span import Span, WindowResult
from edge_agent.application.work import ApplicationWork, WindowRefusedError
from edge_agent.assembly import Present, assembled, flush, state_of
from edge_agent.config import AgentConfig, load_config
from edge_agent.measurement import Parts
from edge_agent.service import StopFlag
from edge_agent.sources import application_executor, spin_until
from edge_agent.uncertainty.net import MeterLimits
from edge_agent.work.protocol import ModelName
from firmware_bridge.stream import host_time_s

__all__ = ["MeteredAgent", "MeteredWindow", "WindowRefusedError", "WindowResult"]

RESULT_TIMEOUT_S: Final = 15.0
FLUSH_TIMEOUT_S: Final = 5.0


class MeteredWindow:
    """One window. All methods may be called from any thread.

    It ends with the ``with`` block, also when that raises.
    """

    def __init__(self, work: ApplicationWork, model: ModelName, timeout_s: float) -> None:
        self._work, self._model, self._timeout_s = work, model, timeout_s
        self._span: Span | None = None

    def __enter__(self) -> Self:
        """Open it. Raises WindowRefusedError while another one is open."""
        self._span = self._work.begin(self._model)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work.end(self._begun())

    def count(self, number: int = 1, latency_s: float | None = None) -> None:
        """Count ``number`` inferences that just ended; ``latency_s``: what each of them took, where it is known."""
        self._work.count(self._begun(), number, latency_s)

    def inference(self) -> "_TimedInference":
        """Time one inference, as a ``with`` block, and count it. One that raises is not counted."""
        return _TimedInference(self)

    @property
    def result(self) -> WindowResult:
        """Return what the window came to, once the meter has reached its end: at most one sample later.

        Raises WindowRefusedError before the window has ended, TimeoutError when the meter does not get there.
        """
        return self._work.result(self._begun(), self._timeout_s)

    def _begun(self) -> Span:
        if self._span is None:
            raise WindowRefusedError("the window is not open: use it in a with statement")
        return self._span


class _TimedInference:
    def __init__(self, window: MeteredWindow) -> None:
        self._window = window
        self._t_begin_s = 0.0

    def __enter__(self) -> None:
        self._t_begin_s = host_time_s()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._window.count(1, host_time_s() - self._t_begin_s)


class MeteredAgent:
    """The whole agent in this process, for the length of a ``with`` block. One window at a time."""

    def __init__(self, config: AgentConfig) -> None:
        self._config = config
        self._stop = StopFlag()
        self._stack = ExitStack()
        self._work: ApplicationWork | None = None
        self._models: ModelTable | None = None
        self._timeout_s = RESULT_TIMEOUT_S

    @classmethod
    def from_config(cls, path: str | Path) -> Self:
        """Read the configuration file. Raises ConfigurationError: one line."""
        return cls(load_config(Path(path)))

    def __enter__(self) -> Self:
        """Open the meter, measure the baseline if one is configured, and begin with windows.

        Raises ConfigurationError or a FirmwareBridgeError if it cannot start; nothing is left open then.
        """
        if not structlog.is_configured():  # a library does not write to its program's standard output
            structlog.configure(
                wrapper_class=structlog.make_filtering_bound_logger("warning"),
                logger_factory=lambda *_arguments: structlog.PrintLogger(sys.stderr),
            )
        executor = application_executor(self._config)
        prepared = prepare(self._config)
        self._models = ModelTable(self._config, prepared.model)
        with ExitStack() as stack:
            state_dir = stack.enter_context(state_of(self._config))
            parts = stack.enter_context(assembled(Present(self._config, prepared, executor), state_dir, None))
            self._start(stack, parts)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close an open window, deliver what can be delivered in a few seconds, and end. The rest stays on disk."""
        self._stack.close()

    def window(self, model_id: str) -> MeteredWindow:
        """Return a window for inferences of ``model_id``, to be used in a ``with`` statement.

        Raises ConfigurationError for a model that is neither configured nor in the catalog.
        """
        if self._work is None or self._models is None:
            raise WindowRefusedError("the agent does not run: use it in a with statement")
        return MeteredWindow(self._work, self._models.find(model_id), self._timeout_s)

    def _start(self, stack: ExitStack, parts: Parts) -> None:
        """Start the measuring thread and wait until the first window is open; raise what stopped it before."""
        self._timeout_s = RESULT_TIMEOUT_S + 2.0 * parts.sheet.max_interval_s
        self._stop = StopFlag()
        began = threading.Event()

        def make_work(t_first_s: float) -> ApplicationWork:
            limits = MeterLimits(parts.sheet, parts.calibration)
            self._work = ApplicationWork(t_first_s, parts.config.window.window_s, limits, host_time_s)
            began.set()
            return self._work

        thread = stack.enter_context(ThreadPoolExecutor(1, "metering"))
        measured = thread.submit(measure, parts, make_work, spin_until, self._stop)
        measured.add_done_callback(lambda _: began.set())
        stack.callback(self._finish, measured, parts)
        began.wait()
        if self._work is None:
            measured.result()

    def _finish(self, measured: "Future[None]", parts: Parts) -> None:
        self._stop.request()
        wait([measured])
        if self._work is not None:
            self._work.close()
            self._work = None
        flush(parts.publisher, parts.outbox, self._stop, FLUSH_TIMEOUT_S)
        measured.result()
