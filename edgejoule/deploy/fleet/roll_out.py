"""Wave after wave: boards side by side inside one, and a stop when too many of it fail."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.fleet.outcome import Outcome
from edgejoule.deploy.fleet.planning import Plan
from edgejoule.deploy.fleet.problems import BoardError, Problem, problem_here

Work = Callable[[Plan], Outcome]
_WAIT_S: Final = 0.2
INTERRUPTED: Final = "interrupted: boards that had begun went on to their end"


class Watcher(Protocol):
    """Who shows how it goes."""

    def wave(self, number: int, count: int, boards: Sequence[str]) -> None:
        """Hear that a wave begins."""

    def ended(self, outcome: Outcome) -> None:
        """Hear what became of a board."""


class Stop(msgspec.Struct, frozen=True):
    """``soon``: begin no more boards. ``now``: do not even wait for those that have begun."""

    soon: threading.Event
    now: threading.Event


def roll_out(
    plans: Mapping[str, Plan],
    waves: Sequence[Sequence[str]],
    work: Work,
    watcher: Watcher,
    stop: Stop,
    *,
    max_failed: int,
    parallel: int,
) -> tuple[dict[str, Outcome], str]:
    """Return what became of the boards of ``waves``, and why it ended early, "" if it did not."""
    outcomes: dict[str, Outcome] = {}
    for number, boards in enumerate(waves, 1):
        watcher.wave(number, len(waves), boards)
        wave = _Wave(number, [plans[board] for board in boards], work, watcher, stop, max_failed)
        outcomes.update(wave.run(parallel))
        if wave.failed > max_failed:
            return outcomes, (
                f"wave {number} of {len(waves)} had {wave.failed} failed board{'s' * (wave.failed > 1)}, and "
                f"{max_failed or 'none'} may fail"
            )
        if stop.soon.is_set():
            return outcomes, INTERRUPTED
    return outcomes, ""


class _Wave:
    """Some boards, ``parallel`` at a time."""

    def __init__(
        self, number: int, plans: Sequence[Plan], work: Work, watcher: Watcher, stop: Stop, max_failed: int
    ) -> None:
        self.failed = 0
        self._number, self._work, self._watcher, self._stop = number, work, watcher, stop
        self._max_failed = max_failed
        self._waiting: queue.SimpleQueue[Plan] = queue.SimpleQueue()
        for plan in plans:
            self._waiting.put(plan)
        self._outcomes: dict[str, Outcome] = {}
        self._begun: dict[str, Plan] = {}
        self._lock = threading.Lock()

    def run(self, parallel: int) -> dict[str, Outcome]:
        # Daemons: whoever breaks off for good does not wait for a board that is away.
        threads = [
            threading.Thread(target=self._serve, name=f"board {number}", daemon=True)
            for number in range(min(parallel, self._waiting.qsize()))
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) and not self._stop.now.is_set():
            for thread in threads:
                thread.join(_WAIT_S)
        with self._lock:
            left = {name: self._left(plan) for name, plan in self._begun.items() if name not in self._outcomes}
            if not self._stop.now.is_set():
                self.failed += len(left)  # nobody knows what became of them
            return {**left, **self._outcomes}

    def _serve(self) -> None:
        while not self._stop.soon.is_set() and self.failed <= self._max_failed:
            try:
                plan = self._waiting.get_nowait()
            except queue.Empty:
                return
            self._begun[plan.device.id] = plan
            begin_s = time.monotonic()
            outcome = _tried(self._work, plan)
            outcome = msgspec.structs.replace(outcome, wave=self._number, seconds=time.monotonic() - begin_s)
            with self._lock:
                self.failed += outcome.failed
                self._outcomes[plan.device.id] = outcome
            self._watcher.ended(outcome)

    def _left(self, plan: Plan) -> Outcome:
        problem = Problem(
            kind="left", text="was on its way when this was broken off", remedy="run this again: it finds out"
        )
        return Outcome(
            device=plan.device.id,
            site=plan.device.site,
            status="left",
            wave=self._number,
            why=plan.why,
            problem=problem,
        )


def _tried(work: Work, plan: Plan) -> Outcome:
    try:
        return work(plan)
    except BoardError as error:
        problem = error.problem
    except (OSError, ConfigurationError) as error:
        problem = problem_here(error)
    was = plan.report.current if plan.report is not None else None
    return Outcome(
        device=plan.device.id,
        site=plan.device.site,
        status="left" if problem.kind == "left" else "failed",
        was=was,
        now=was,
        why=plan.why,
        problem=problem,
    )
