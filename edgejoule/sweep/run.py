"""Runs a sweep: a process for each bench, so that none inherits another one's memory, threads or crash.

While a bench runs, this process only waits for its next line: what it would do besides costs energy too.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import msgspec

from edgejoule.parent import environment_of_child
from edgejoule.sweep.held import held_record
from edgejoule.sweep.plan import Combination, is_done, reasons_against, seconds_left

ALIKE_IN_A_ROW: Final = 3
"""So many failures that say the same are a meter or a configuration, not a model: the sweep ends."""
Outcome = Literal["held", "valid", "rejected", "failed", "not_tried"]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one combination; ``reason``: of a rejected or failed one. ``file``: its record, "" without."""

    combination: str
    outcome: Outcome
    file: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Sweep:
    """``words_of``: the words of ``edgejoule`` for a combination and its record's file. ``planned_s``: one bench."""

    combinations: Sequence[Combination]
    folder: Path
    words_of: Callable[[Combination, Path], list[str]]
    planned_s: float
    smoke: bool


@dataclass(slots=True)
class Stopper:
    """The first request ends the sweep after the bench that runs, the second one that bench too."""

    requests: int = 0
    at_once: bool = False
    process: subprocess.Popen[str] | None = None

    def request(self, *, at_once: bool = False) -> None:
        """Ask for the end; safe in a signal handler."""
        self.requests += 1
        self.at_once = self.at_once or at_once or self.requests > 1
        self.end_process()

    def end_process(self) -> None:
        """Ask the bench that runs to stop, if it shall at once."""
        if self.at_once and self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Stand:
    """How far a sweep is: ``done`` of ``total`` are over, ``left_s`` seconds are left; ``phase`` of this bench."""

    combination: Combination
    done: int
    total: int
    left_s: float
    phase: str = ""


@dataclass(slots=True)
class _State:
    results: list[Result] = field(default_factory=list)
    taken_s: list[float] = field(default_factory=list)
    alike: int = 0
    last_reason: str = ""

    def note(self, result: Result, began_s: float) -> None:
        """Add what became of a bench that began at ``began_s`` and has just ended."""
        self.results.append(result)
        if result.outcome != "failed":
            self.taken_s.append(time.monotonic() - began_s)
        is_same = result.outcome == "failed" and result.reason == self.last_reason
        self.alike = self.alike + 1 if is_same else int(result.outcome == "failed")
        self.last_reason = result.reason


def run_sweep(sweep: Sweep, stopper: Stopper, show: Callable[[Stand], None]) -> list[Result]:
    """Bench what the folder does not hold; return what became of each combination, in order."""
    state = _State()
    held = {one for one in sweep.combinations if _is_held(one, sweep)}
    for number, one in enumerate(sweep.combinations):
        path = sweep.folder / one.file_name
        if one in held:
            state.results.append(Result(combination=one.text, outcome="held", file=str(path)))
        elif stopper.requests or state.alike >= ALIKE_IN_A_ROW:
            state.results.append(Result(combination=one.text, outcome="not_tried", file=""))
        else:
            left = sum(later not in held for later in sweep.combinations[number:])
            stand = Stand(one, number, len(sweep.combinations), seconds_left(left, sweep.planned_s, state.taken_s))
            began_s = time.monotonic()
            state.note(_bench(sweep, stand, path, stopper, show), began_s)
    return state.results


def _is_held(one: Combination, sweep: Sweep) -> bool:
    record = held_record(sweep.folder / one.file_name)
    is_of_it = record is not None and record.model_sha256 == one.model.sha256
    return record is not None and is_of_it and is_done(record, smoke=sweep.smoke)


def _bench(sweep: Sweep, stand: Stand, path: Path, stopper: Stopper, show: Callable[[Stand], None]) -> Result:
    """Run one bench to its end, and say how it ended."""
    before, one = held_record(path), stand.combination
    show(stand)
    last_line = _listen(sweep.words_of(one, path), stopper, lambda line: show(_at(stand, line)))
    record = held_record(path)
    if record is None or (before is not None and record.bench_id == before.bench_id):
        reason = last_line.removeprefix("edgejoule: ") or "it ended without a word"
        return Result(combination=one.text, outcome="failed", file="", reason=reason)
    if record.model_sha256 != one.model.sha256:
        reason = f"the file of {one.model.model_id} changed while the sweep ran; begin the sweep again"
        return Result(combination=one.text, outcome="failed", file=str(path), reason=reason)
    if is_done(record, smoke=sweep.smoke):
        return Result(combination=one.text, outcome="valid", file=str(path))
    reason = "; ".join(reasons_against(record, smoke=sweep.smoke)) or "it has no result"
    return Result(combination=one.text, outcome="rejected", file=str(path), reason=reason)


def _listen(words: Sequence[str], stopper: Stopper, hear: Callable[[str], None]) -> str:
    """Run ``edgejoule <words>`` and hear what it says on standard error; return its last line.

    It has a process group of its own: a Ctrl-C on the terminal is for the sweep, which lets a bench end.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "edgejoule", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment_of_child(),
        process_group=0,
    ) as process:
        stopper.process = process
        stopper.end_process()  # of a request that came while it was started
        last_line = ""
        assert process.stderr is not None
        for line in process.stderr:
            last_line = line.strip() or last_line
            hear(line.strip())
    stopper.process = None
    return last_line


def _at(stand: Stand, line: str) -> Stand:
    """Return the stand at a line of the bench's progress, "window 3, about 20 s left"."""
    phase, about, _ = line.partition(", about ")
    return Stand(stand.combination, stand.done, stand.total, stand.left_s, phase if about else stand.phase)
