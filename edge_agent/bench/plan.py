"""What a bench does and how long it takes, phase by phase. Pure.

The order: the engine loads the model (metered by itself), the clocks are tied together, the device idles (baseline
before), the check set and the warm-up run, then the windows, back to back and without a pause in the load, then the
device idles again (baseline after). Load runs on for a while on both sides of the windows, and idling on both sides of
a baseline: by more than the clocks of meter and host may differ, so that no edge lies where the power steps.

The declared idle state, before and after: the agent's process alive with the model loaded, its meter read and its
progress shown as during the windows, no inference.
"""

from dataclasses import dataclass
from typing import Final

from edge_agent.config import BenchSection
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import MAX_BENCH_WINDOWS
from firmware_bridge.driver import DataSheet

BASELINE_PARTS: Final = 5
MIN_WINDOWS: Final = 5
MIN_WINDOW_S: Final = 10.0
"""MLPerf Tiny: five runs, each of at least ten seconds, and their median (MLPerfTiny_Rules, energy mode)."""
MIN_SMOKE_WINDOWS: Final = 4
MIN_SMOKE_WINDOW_S: Final = 0.2
SETTLE_S: Final = 2.0
"""Idling that is not measured before each baseline: tasks of the load's end, caches written, clocks lowered."""
SMOKE_SETTLE_S: Final = 0.3
MIN_GUARD_S: Final = 0.2
GUARD_INTERVALS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of a bench, and how many seconds it is expected to take."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The lengths of everything. ``guard_s``: how long a state lasts beyond an edge, besides the sync residual.

    ``align_s``: what tying the clocks together takes. ``smoke``: a trial, whose record is marked as rejected.
    """

    section: BenchSection
    guard_s: float
    align_s: float = 0.0
    smoke: bool = False

    @property
    def settle_s(self) -> float:
        """Return how long the device idles before a baseline is measured."""
        return SMOKE_SETTLE_S if self.smoke else SETTLE_S

    @property
    def has_baseline(self) -> bool:
        """Return whether the idle state is measured at all."""
        return self.section.baseline_s > 0.0

    def phases(self, residual_s: float = 0.0) -> tuple[Phase, ...]:
        """Return the phases in order; ``residual_s``: limit (+-) of the offset between the clocks."""
        section, margin_s = self.section, self.guard_s + residual_s
        idle_s = self.settle_s + section.baseline_s + 2.0 * margin_s
        before = (Phase("baseline before", idle_s),) if self.has_baseline else ()
        after = (Phase("baseline after", idle_s),) if self.has_baseline else ()
        return (
            Phase("load", 0.0),
            Phase("alignment", self.align_s),
            *before,
            Phase("check set", 0.0),
            Phase("warm-up", section.warm_up_s + margin_s),
            *(Phase(f"window {number}", section.window_s) for number in range(1, section.windows + 1)),
            Phase("run-out", margin_s),
            *after,
        )


def make_plan(section: BenchSection, sheet: DataSheet, *, align_s: float = 0.0, smoke: bool = False) -> Plan:
    """Return the plan for a meter with data sheet ``sheet``. Raises ConfigurationError: see ``check_lengths``."""
    check_lengths(section, smoke=smoke)
    slowest_s = max(sheet.sample_interval_s, sheet.refresh_interval_s or 0.0)
    return Plan(section, max(MIN_GUARD_S, GUARD_INTERVALS * slowest_s), align_s, smoke)


def check_lengths(section: BenchSection, *, smoke: bool) -> None:
    """Raise ConfigurationError for too few or too short windows, unless ``smoke``, and for what cannot work at all."""
    few, short = (MIN_SMOKE_WINDOWS, MIN_SMOKE_WINDOW_S) if smoke else (MIN_WINDOWS, MIN_WINDOW_S)
    remedy = "" if smoke else "; take more, or say --smoke for a trial whose record is marked as rejected"
    if section.windows < few:
        raise ConfigurationError(f"{section.windows} windows are too few: {few} are the least{remedy}")
    if section.windows > MAX_BENCH_WINDOWS:
        raise ConfigurationError(
            f"{section.windows} windows are too many: a record holds {MAX_BENCH_WINDOWS}; take longer windows instead"
        )
    if section.window_s < short:
        raise ConfigurationError(f"windows of {section.window_s:g} s are too short: {short:g} s is the least{remedy}")


def smoke_rejection(section: BenchSection) -> str:
    """Return the reason that marks the record of a trial."""
    return (
        f"smoke run: {section.windows} windows of {section.window_s:g} s; bench again without --smoke for a figure "
        f"that may be used ({MIN_WINDOWS} windows of {MIN_WINDOW_S:g} s at least)"
    )
