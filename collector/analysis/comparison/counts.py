"""How all cases of a comparison come out."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.analysis.comparison.admissible import admissible, rules
from collector.analysis.comparison.answers import View
from collector.analysis.comparison.chunks import Progress, chunks
from collector.analysis.comparison.grams import lower_in, view_grams
from collector.analysis.comparison.problem import I64, Pair, Problem
from collector.analysis.comparison.sides import pair_terms
from collector.analysis.comparison.terms import Evaluator
from collector.analysis.comparison.verdict import WINNERS, winners_of
from collector.analysis.comparison.world import Drawn
from collector.carbon.montecarlo import Draws

INADMISSIBLE: Final = "inadmissible"


def no_counts() -> dict[str, int]:
    """Return the counts of no case."""
    return {**dict.fromkeys(WINNERS, 0), INADMISSIBLE: 0}


def count_cases(problem: Problem, draws: Draws, progress: Progress | None = None) -> dict[str, int]:
    """Return how many cases, over pairs and views, are won by whom, open, or inadmissible."""
    counts = no_counts()
    whole, done = sum(len(pair.cases) for pair in problem.pairs), 0
    for pair in chunks(problem, draws.count):
        good = admissible(rules(problem.unit, pair), len(pair.cases))
        by_view = winner_places(pair, draws)
        counts[INADMISSIBLE] += 0 if by_view else len(pair.cases)
        for places in by_view.values():
            counts[INADMISSIBLE] += int(np.count_nonzero(~good))
            for place, winner in enumerate(WINNERS):
                counts[winner] += int(np.count_nonzero(good & (places == place)))
        done += len(pair.cases)
        if progress is not None:
            progress(done, whole)
    return counts


def tally(counts: dict[str, int], rows: pa.Table) -> None:
    """Add a table of ``case_rows`` to the counts."""
    for entry in pc.value_counts(rows["winner"]).to_pylist():
        counts[entry["values"] or INADMISSIBLE] += entry["counts"]


def winner_places(pair: Pair, draws: Draws) -> dict[View, I64]:
    """Return who is ahead in each case of a pair, by view: places in WINNERS, shape ``(n,)``."""
    found: dict[View, I64] = {}
    for grams in view_grams(pair_terms(pair, 1.0), Evaluator(Drawn(draws)), spreads=False):
        places = winners_of(*lower_in(grams.edge_minus_cloud))
        found[grams.view] = np.broadcast_to(places, (len(pair.cases),))
    return found
