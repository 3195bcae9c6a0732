"""Sets of sequence numbers as ranges: ordered, disjoint pairs of first and last, both within. Pure."""

from collections.abc import Iterable

Ranges = list[tuple[int, int]]


def union(*parts: Iterable[tuple[int, int]]) -> Ranges:
    """Return everything that is in any of ``parts``, whose ranges may overlap and come in any order."""
    joined: Ranges = []
    for first, last in sorted(pair for part in parts for pair in part):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def without(ranges: Ranges, taken: Ranges) -> Ranges:
    """Return what is in ``ranges`` and not in ``taken``, in one pass over both."""
    left: Ranges = []
    index = 0
    for first, last in ranges:
        start = first
        while index < len(taken) and taken[index][1] < start:
            index += 1
        here = index
        while here < len(taken) and taken[here][0] <= last:
            if start < taken[here][0]:
                left.append((start, taken[here][0] - 1))
            start = taken[here][1] + 1
            here += 1
        if start <= last:
            left.append((start, last))
    return left


def size(ranges: Ranges) -> int:
    """Return how many numbers they hold."""
    return sum(last - first + 1 for first, last in ranges)
