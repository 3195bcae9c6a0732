"""Published against recomputed, figure by figure. Pure.

The results of v1.3 have to come out to every digit that is printed. The traces of the older runner give their edges
rounded to a millisecond, one sample: a window's sum may be off by a sample at each edge, about 1e-4 of ten seconds.
``EEMBC_TOLERANCE_RATIO`` allows for it; ``edge_shift`` says which edges give the printed energy to the last digit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from edge_agent.mlperf.errors import TraceError
from edge_agent.mlperf.published import Printed, Published, PublishedWindow
from edge_agent.mlperf.recompute import RunEnergy, WindowEnergy, plain_energy_j
from edge_agent.mlperf.traces import Trace, TraceWindow

EEMBC_TOLERANCE_RATIO: Final = 1e-3
AGREEMENT_RATIO: Final = 1e-12
"""Plain sum and register add the same numbers in different orders: they differ by rounding only."""

_SINGLE_ROUNDING_RATIO: Final = 6e-8
"""The traces of the older runner hold float32: half a step is 2^-24 of a sample, the same way for equal samples."""

Matched = tuple[Trace, TraceWindow, PublishedWindow]


@dataclass(frozen=True, slots=True)
class FigureCheck:
    """One printed figure. ``window``: its name, empty for the median. Values in SI units."""

    figure: str
    window: str
    published: float
    recomputed: float
    residual_ratio: float
    every_digit: bool
    reproduced: bool


def match_windows(traces: Sequence[Trace], published: Published) -> list[Matched]:
    """Pair the traces' windows with the published ones: in order, else by the time at which they begin.

    Raises TraceError if a published window is in no trace.
    """
    ours = [(trace, window) for trace in traces for window in trace.windows]
    if len(ours) == len(published.windows):
        return [(trace, window, one) for (trace, window), one in zip(ours, published.windows, strict=True)]
    matched = []
    for one in published.windows:
        found = next((pair for pair in ours if _is_same(pair[1], one)), None)
        if found is None:
            raise TraceError(
                f"results.txt has {len(published.windows)} windows and the traces {len(ours)}; "
                f"window {one.name} is in none of the traces: they belong to another run"
            )
        ours.remove(found)
        matched.append((*found, one))
    return matched


def _is_same(window: TraceWindow, one: PublishedWindow) -> bool:
    if one.start_s is None:
        return False
    pairs = (one.start_s, window.start_s), (one.duration_s, window.duration_s)
    return all(abs(printed.value - value) <= printed.step for printed, value in pairs)


def check_figures(published: Published, run: RunEnergy, matched: Sequence[Matched]) -> list[FigureCheck]:
    """Compare every printed figure. Those of the older runner may be off by ``EEMBC_TOLERANCE_RATIO``."""
    tolerance_ratio = 0.0 if published.runner == "mlcommons" else EEMBC_TOLERANCE_RATIO
    checks = []
    for (_, own, one), window in zip(matched, run.windows, strict=True):
        checks += [_check(tolerance_ratio, name, one.name, *pair) for name, pair in _pairs(one, window).items()]
        if own.inferences is not None:
            checks.append(_check(0.0, "inferences", one.name, Printed(one.inferences, 1.0), own.inferences))
    checks.append(_check(tolerance_ratio, "median energy per inference", "", published.median_j, run.plain_j))
    return checks


def _pairs(one: PublishedWindow, window: WindowEnergy) -> dict[str, tuple[Printed, float]]:
    pairs = {
        "duration": (one.duration_s, window.duration_s),
        "energy": (one.energy_j, window.plain_j),
        "power": (one.power_w, window.mean_power_w),
        "energy per inference": (one.energy_per_inference_j, window.plain_per_inference_j),
    }
    if one.runtime_s is not None:
        pairs["run time"] = one.runtime_s, window.duration_s
    return pairs


def _check(tolerance_ratio: float, figure: str, window: str, printed: Printed, value: float) -> FigureCheck:
    residual_ratio = printed.residual_ratio(value)
    every_digit = printed.shows(value)
    reproduced = every_digit or abs(residual_ratio) <= tolerance_ratio
    return FigureCheck(figure, window, printed.value, value, residual_ratio, every_digit, reproduced)


def integrator_agrees(published: Published | None, run: RunEnergy) -> bool:
    """Tell whether our own path gives what the plain sum gives, for every window."""
    eembc = published is None or published.runner == "eembc"
    allowed_ratio = EEMBC_TOLERANCE_RATIO if eembc else AGREEMENT_RATIO
    return all(abs(one.register_j - one.plain_j) <= allowed_ratio * abs(one.plain_j) for one in run.windows)


def edge_shift(trace: Trace, window: TraceWindow, one: PublishedWindow) -> tuple[int, int] | None:
    """Return by how many samples (begin, end; at most one) to move the edges to get every digit of the energy.

    None where no such move does. The smallest is returned.
    """
    moves = product((-1, 0, 1), (-1, 0, 1))
    for shift in sorted(moves, key=lambda by: (abs(by[0]) + abs(by[1]), by)):
        value_j = plain_energy_j(trace, window, shift)
        slack_j = _SINGLE_ROUNDING_RATIO * abs(value_j)
        if abs(value_j - one.energy_j.value) <= 0.5 * one.energy_j.step + slack_j:
            return shift
    return None
