"""One run after the other: read, recompute, compare, and say what it is worth."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from edge_agent.mlperf.budget import ReplayBudget, replay_budget
from edge_agent.mlperf.check import FigureCheck, check_figures, edge_shift, integrator_agrees, match_windows
from edge_agent.mlperf.errors import TraceError, TraceMissingError
from edge_agent.mlperf.published import Published, RunnerLog
from edge_agent.mlperf.recompute import RunEnergy, recompute
from edge_agent.mlperf.repository import EnergyRun, RunFiles, read_run
from edge_agent.mlperf.traces import Trace, TraceWindow
from firmware_bridge.driver import DataSheet

ASSUMED_METER: Final = "lpm01a"
"""The meter of the rules' bill of materials, taken where neither the log nor the user names one."""

MeterOrigin = Literal["named by log.txt", "given", "assumed"]


@dataclass(frozen=True, slots=True)
class MeterUsed:
    """Which meter's limits the uncertainty takes, and who says that it was this one.

    ``limits_known``: False where there is no data sheet of it here. ``voltage_known``: False where no file states the
    supply; then ``voltage_v`` is the meter's highest, which bounds what an offset of current can do.
    """

    name: str
    origin: MeterOrigin
    limits_known: bool
    voltage_v: float
    voltage_known: bool


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One run: published against recomputed. ``edge_shifts``: by window, see ``check.edge_shift``."""

    label: str
    folder: Path
    run: RunEnergy
    published: Published | None
    checks: tuple[FigureCheck, ...]
    edge_shifts: tuple[tuple[int, int] | None, ...]
    integrator_agrees: bool
    budget: ReplayBudget
    meter: MeterUsed

    @property
    def reproduced(self) -> bool | None:
        """Tell whether all figures and both ways agree; None where nothing was published."""
        if self.published is None:
            return None
        return self.integrator_agrees and all(one.reproduced for one in self.checks)


@dataclass(frozen=True, slots=True)
class ReplayProblem:
    """A run that could not be recomputed. ``is_missing``: its trace is not here; else a file is damaged."""

    label: str
    folder: Path
    reason: str
    is_missing: bool


@dataclass(frozen=True, slots=True)
class Replay:
    """All runs. ``passed_over``: how many runs were of performance or accuracy, without energy."""

    rows: tuple[ReplayRow, ...]
    problems: tuple[ReplayProblem, ...]
    passed_over: int

    @property
    def compared(self) -> list[ReplayRow]:
        """Return the rows that have published figures to be compared with."""
        return [row for row in self.rows if row.published is not None]

    @property
    def is_good(self) -> bool:
        """Tell whether something was recomputed, all of it came out as published, and no file is damaged."""
        return (
            bool(self.rows)
            and all(row.reproduced for row in self.compared)
            and all(problem.is_missing for problem in self.problems)
        )


SheetOf = Callable[[str], DataSheet | None]


@dataclass(frozen=True, slots=True)
class MeterChoice:
    """How to find the meter of a run. ``given``: the user's name for it, over what the log says.

    ``sheet_of``: a meter's data sheet by its name, None for one that is not known here. ``own_limits``: a sheet with
    the user's limits, over any meter's.
    """

    sheet_of: SheetOf
    given: str | None = None
    own_limits: DataSheet | None = None

    def choose(self, log: RunnerLog, stated_v: float | None) -> tuple[MeterUsed, DataSheet]:
        """Return the meter of a run, and the data sheet to integrate with."""
        name: str = ASSUMED_METER
        origin: MeterOrigin = "assumed"
        if self.given is not None:
            name, origin = self.given, "given"
        elif log.meter is not None:
            name, origin = log.meter, "named by log.txt"
        sheet = self.own_limits or self.sheet_of(name)
        register_sheet = sheet or self.sheet_of(ASSUMED_METER)
        assert register_sheet is not None
        voltage_v = stated_v if stated_v is not None and stated_v > 0.0 else log.voltage_v
        used = MeterUsed(
            name=name,
            origin=origin,
            limits_known=sheet is not None,
            voltage_v=register_sheet.max_voltage_v if voltage_v is None else voltage_v,
            voltage_known=voltage_v is not None,
        )
        return used, register_sheet


def replay(runs: Iterable[RunFiles], choice: MeterChoice, on_done: Callable[[], None] = lambda: None) -> Replay:
    """Recompute all ``runs``; ``on_done`` is called after each."""
    rows: list[ReplayRow] = []
    problems: list[ReplayProblem] = []
    passed_over = 0
    for files in runs:
        try:
            run = read_run(files)
            if run is None:
                passed_over += 1
            else:
                rows.append(replay_run(files, run, choice))
        except TraceError as error:
            is_missing = isinstance(error, TraceMissingError)
            problems.append(ReplayProblem(files.label, files.folder, str(error), is_missing))
        on_done()
    return Replay(tuple(rows), tuple(problems), passed_over)


def replay_run(files: RunFiles, run: EnergyRun, choice: MeterChoice) -> ReplayRow:
    """Recompute one run. Raises TraceError where traces and published figures do not belong together."""
    matched = [] if run.published is None else match_windows(run.traces, run.published)
    windows: list[tuple[Trace, TraceWindow, int]]
    if run.published is None:
        windows = [(one, own, own.inferences or 0) for one in run.traces for own in one.windows]
    else:
        windows = [(trace, own, own.inferences or said.inferences) for trace, own, said in matched]
    meter, sheet = choice.choose(run.log, run.traces[0].voltage_v)
    energy = recompute(windows, sheet, voltage_v=meter.voltage_v, limits_known=meter.limits_known)
    return ReplayRow(
        label=files.label,
        folder=files.folder,
        run=energy,
        published=run.published,
        checks=() if run.published is None else tuple(check_figures(run.published, energy, matched)),
        edge_shifts=tuple(edge_shift(*one) for one in matched),
        integrator_agrees=integrator_agrees(run.published, energy),
        budget=replay_budget(energy),
        meter=meter,
    )
