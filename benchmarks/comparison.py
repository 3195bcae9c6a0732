"""Ten thousand cases in a thousand worlds, in all four views, against the bare arithmetic of the same answer.

The floor has everything prepared: the draws of each factor, and what each case multiplies them with. It adds both
sides up, takes P5, P50 and P95 of either side and of their difference from a sort, which is several times faster than
``numpy.percentile`` where NumPy sorts with wide registers, and counts the worlds in which the edge is lower. Ours
starts from the problem, and also gives every cause, four break-evens, water, cost and energy, as Arrow tables. Memory
is what each holds above its imports and its problem, each in a process of its own.
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.harness import Comparison, Measurement, benchmark
from collector.analysis.comparison.answers import View
from collector.analysis.comparison.problem import Problem
from collector.analysis.comparison.rows import case_rows
from collector.analysis.comparison.sides import pair_terms, pair_views
from collector.analysis.comparison.terms import Evaluator, Value
from collector.analysis.comparison.world import Drawn
from collector.carbon.estimate import F64
from collector.carbon.montecarlo import Draws
from tests.fakes.comparison_problem import many_cases

STEPS: Final = 10
DRAWS: Final = 1_000
SEED: Final = 1
MOST_RATIO: Final = 5.0
MOST_BYTES: Final = 128e6
ROUNDS: Final = 3
_CASES_AT_ONCE: Final = 400
"""As many as ours takes at a time; all at once would be 80 MB for each array."""
Prepared = dict[View, tuple[list[Value], list[Value]]]


@dataclass(frozen=True, slots=True)
class Figures:
    """P5, P50 and P95 of edge, cloud and difference, shape (3, 3, cases), and the probability, (cases,)."""

    ends: F64
    probability: F64


def prepared(problem: Problem) -> Prepared:
    """Return what each view adds up, the products of factors drawn already."""
    (pair,) = problem.pairs
    terms, at = pair_terms(pair, problem.unit.inferences), Evaluator(Drawn(Draws(seed=SEED, count=DRAWS)))
    made: Prepared = {}
    for view in pair_views(pair):
        edge, cloud = (
            [at.value(term) for of_cause in terms.all_grams(side, view).values() for term in of_cause]
            for side in (terms.edge, terms.cloud)
        )
        made[view] = (edge, cloud)
    return made


def floor(values: Prepared, cases: int) -> dict[View, Figures]:
    """Return the bare figures of every view."""
    made: dict[View, Figures] = {}
    for view, (edge, cloud) in values.items():
        ends, probability = np.empty((3, 3, cases)), np.empty(cases)
        for start in range(0, cases, _CASES_AT_ONCE):
            rows = slice(start, start + _CASES_AT_ONCE)
            sides = [_added(edge, rows, cases), _added(cloud, rows, cases)]
            difference = sides[0] - sides[1]
            for place, drawn in enumerate((*sides, difference)):
                ends[place, :, rows] = _ends(drawn)
            probability[rows] = np.mean(difference < 0.0, axis=1)
        made[view] = Figures(ends, probability)
    return made


def ours(problem: Problem) -> int:
    """Return the number of rows of the whole table, which is not kept."""
    return sum(table.num_rows for table in case_rows(problem, seed=SEED, draws=DRAWS))


@benchmark
def ten_thousand_cases() -> Iterator[Comparison | Measurement]:
    problem = many_cases(STEPS)
    values = prepared(problem)
    _check(problem, floor(values, problem.case_count))
    yield Comparison(
        name=f"{problem.case_count} cases in {DRAWS} worlds, four views: every cause, break-evens, a table",
        ours=lambda: ours(problem),
        other=lambda: floor(values, problem.case_count),
        other_name="numpy adds prepared arrays, sorts for percentiles, counts worlds",
        kind="floor",
        operations=problem.case_count,
        limit_ratio=MOST_RATIO,
    )
    yield Measurement(
        name=f"memory of {problem.case_count} cases above the problem's own",
        ours=[float(_memory_bytes("ours")) for _ in range(ROUNDS)],
        other=[MOST_BYTES] * ROUNDS,
        other_name="128 MB: 64 MB of chunks and draws, and what Arrow and numpy load on first use",
        kind="budget",
        unit="bytes",
        limit_ratio=1.0,
    )


def _ends(drawn: F64) -> F64:
    """Return P5, P50 and P95 of every row, shape (3, rows), linear between two of a row's sorted values."""
    ordered = np.sort(drawn, axis=1)
    places = np.array((0.05, 0.50, 0.95)) * (DRAWS - 1)
    below = places.astype(np.int64)
    low, high = ordered[:, below], ordered[:, below + 1]
    return np.asarray((low + (high - low) * (places - below)).T, dtype=np.float64)


def _added(values: list[Value], rows: slice, cases: int) -> F64:
    total = np.zeros((len(range(cases)[rows]), DRAWS))
    for value in values:
        worlds = value.worlds if value.place is None else value.worlds[value.place[rows]]
        coefficient = value.coefficient if value.coefficient.size == 1 else value.coefficient[rows]
        total += coefficient[:, np.newaxis] * worlds
    return total


def _check(problem: Problem, bare: dict[View, Figures]) -> None:
    """Raise RuntimeError unless both give the same figures."""
    views = list(bare)
    for table in case_rows(problem, seed=SEED, draws=DRAWS):
        cases = table["case"].to_numpy()[:: len(views)]
        for place, view in enumerate(views):
            of_view = table.take(np.arange(place, table.num_rows, len(views)))
            expected = bare[view]
            for side, name in enumerate(("edge", "cloud", "difference")):
                for end, ours_at in enumerate(of_view[f"{name}_g_{p}"].to_numpy() for p in ("p5", "p50", "p95")):
                    if not np.allclose(ours_at, expected.ends[side, end, cases], rtol=1e-9, atol=1e-12):
                        raise RuntimeError(f"{view}: {name} differs from the bare arithmetic")
            if not np.allclose(of_view["probability_edge_lower"].to_numpy(), expected.probability[cases], atol=1e-9):
                raise RuntimeError(f"{view}: the probability differs from the bare arithmetic")


def _memory_bytes(side: str) -> int:
    command = [sys.executable, "-m", "benchmarks.comparison", side]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def _peak_bytes() -> int:
    """Return the greatest memory of this process; what getrusage says holds that of the parent before exec, too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1_024 for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    """Print by how much the peak memory of this process grows while the table is made."""
    problem = many_cases(STEPS)
    before_bytes = _peak_bytes()
    ours(problem)
    sys.stdout.write(str(_peak_bytes() - before_bytes))


if __name__ == "__main__":
    main()
