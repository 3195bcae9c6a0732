"""How many cases are worked on at a time: memory hangs on a constant, not on the number of cases or draws."""

from collections.abc import Callable, Iterator
from typing import Final

from collector.analysis.comparison.problem import Pair, Problem
from collector.analysis.comparison.sweep import between
from collector.carbon.montecarlo import DEFAULT_DRAWS

MANY_CASES: Final = 100
DRAWS_OF_MANY: Final = 1_000
CHUNK_BYTES: Final = 32_000_000
_LIVE_ARRAYS: Final = 10
"""So many arrays of (cases, draws) are alive at once, at most."""
_FLOAT_BYTES: Final = 8
Progress = Callable[[int, int], None]
"""Called with what is done and what there is to do."""


def default_draws(case_count: int) -> int:
    """Return how many draws a table of so many cases has unless told otherwise."""
    return DRAWS_OF_MANY if case_count > MANY_CASES else DEFAULT_DRAWS


def chunks(problem: Problem, draws: int, memory_bytes: int = CHUNK_BYTES) -> Iterator[Pair]:
    """Yield every pair in some of its cases at a time, whose arrays take some ``memory_bytes``."""
    for pair in problem.pairs:
        for start, stop in ranges(len(pair.cases), draws, memory_bytes):
            yield between(pair, start, stop)


def ranges(count: int, draws: int, memory_bytes: int = CHUNK_BYTES) -> Iterator[tuple[int, int]]:
    """Yield the first of so many cases, and the one after the last, of each chunk."""
    size = max(1, memory_bytes // (_FLOAT_BYTES * _LIVE_ARRAYS * draws))
    for start in range(0, count, size):
        yield start, min(start + size, count)
