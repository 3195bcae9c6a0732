"""Whole numbers as ranges: what of a hundred thousand windows is still held takes a few pairs. Pure."""

from bisect import bisect_left, bisect_right


class RangeSet:
    """Disjoint ranges ``first..last``, both ends included, in order; neighbours are joined."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self.count = 0

    def append(self, first: int, last: int) -> None:
        """Add a range above all that is here. Raises ValueError for any other."""
        if last < first or (self._lasts and first <= self._lasts[-1]):
            raise ValueError(f"{first}..{last} does not lie above {self._lasts[-1:]}")
        if self._lasts and first == self._lasts[-1] + 1:
            self._lasts[-1] = last
        else:
            self._firsts.append(first)
            self._lasts.append(last)
        self.count += last - first + 1

    def first_above(self, number: int) -> int | None:
        """Return the smallest member above ``number``, None without one."""
        at = bisect_right(self._lasts, number)
        return max(self._firsts[at], number + 1) if at < len(self._lasts) else None

    def count_up_to(self, number: int) -> int:
        """Return how many members are not above ``number``."""
        at = bisect_right(self._lasts, number)
        whole = sum(last - first + 1 for first, last in zip(self._firsts[:at], self._lasts[:at], strict=True))
        return whole + (max(0, number - self._firsts[at] + 1) if at < len(self._firsts) else 0)

    def take_above(self, number: int, limit: int, up_to: int) -> list[int]:
        """Return the ``limit`` smallest members above ``number`` and not above ``up_to``, in order."""
        taken: list[int] = []
        for at in range(bisect_right(self._lasts, number), len(self._lasts)):
            first, last = max(self._firsts[at], number + 1), min(self._lasts[at], up_to)
            taken += range(first, min(last, first + limit - len(taken) - 1) + 1)
            if len(taken) >= limit or self._lasts[at] >= up_to:
                break
        return taken

    def remove(self, first: int, last: int) -> list[tuple[int, int]]:
        """Take ``first..last`` out, and return the parts of it that were here."""
        begin, end = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
        if begin >= end:
            return []
        gone = [
            (max(first, one), min(last, other))
            for one, other in zip(self._firsts[begin:end], self._lasts[begin:end], strict=True)
        ]
        left = [(self._firsts[begin], first - 1), (last + 1, self._lasts[end - 1])]
        left = [(one, other) for one, other in left if one <= other]
        self._firsts[begin:end] = [one for one, _ in left]
        self._lasts[begin:end] = [other for _, other in left]
        self.count -= sum(other - one + 1 for one, other in gone)
        return gone
