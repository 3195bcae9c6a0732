"""What a recomputed result is worth: its standard uncertainty, line by line (JCGM 100:2008, 5.1.2). Pure.

``type A``: the spread of the windows, with what the median of few has more than the mean of many.
``meter``: gain and offset from the data sheet, which all windows share: more windows do not make it smaller.
``edges``: begin and end of a window are known to a sample. Taken for one window, though the median of several is off
    by less: on the safe side.

No published result states any of them.
"""

import math
from dataclasses import dataclass
from typing import Final

from edge_agent.mlperf.recompute import RunEnergy
from edge_agent.uncertainty.type_a import MIN_VALUES, median_u

COVERAGE_FACTOR: Final = 2.0


@dataclass(frozen=True, slots=True)
class ReplayBudget:
    """Standard uncertainties (k = 1) in joules per inference; None where one is unknown."""

    type_a_j: float | None
    meter_j: float | None
    edges_j: float

    @property
    def combined_j(self) -> float | None:
        """Return the combined standard uncertainty, None where a part is unknown."""
        if self.type_a_j is None or self.meter_j is None:
            return None
        return math.hypot(self.type_a_j, self.meter_j, self.edges_j)

    @property
    def expanded_j(self) -> float | None:
        """Return the expanded uncertainty U, k = 2."""
        combined_j = self.combined_j
        return None if combined_j is None else COVERAGE_FACTOR * combined_j


def replay_budget(run: RunEnergy) -> ReplayBudget:
    """Return the budget of the median over the windows. Fewer than four windows have no type A."""
    values = [one.register_per_inference_j for one in run.windows]
    meter = [one.systematic_u_j / one.inferences for one in run.windows if one.systematic_u_j is not None]
    return ReplayBudget(
        type_a_j=median_u(values) if len(values) >= MIN_VALUES else None,
        meter_j=max(meter) if len(meter) == len(run.windows) else None,
        edges_j=max(one.edge_u_j / one.inferences for one in run.windows),
    )
