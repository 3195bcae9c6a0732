"""Ranges against plain sets of numbers."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from collector.seq_ranges import Ranges, size, union, without

RANGES = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=12
)


def numbers(ranges: Ranges) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(a=RANGES, b=RANGES)
def test_they_are_what_sets_say(a: Ranges, b: Ranges) -> None:
    joined, left = union(a, b), without(union(a), union(b))
    assert numbers(joined) == numbers(a) | numbers(b)
    assert numbers(left) == numbers(a) - numbers(b)
    assert size(joined) == len(numbers(joined))
    for ranges in (joined, left):
        assert all(first <= last < next_first for (first, last), (next_first, _) in pairwise([*ranges, (99, 99)]))


def test_neighbours_become_one() -> None:
    assert union([(4, 6)], [(1, 3)], [(8, 9)]) == [(1, 6), (8, 9)]
