"""A sum of vectors whose error does not grow with the number of terms. Pure.

Neumaier's compensated sum (A. Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen,
ZAMM 54 (1974)), in plain floats: for the few columns of a register a numpy call costs more than the arithmetic.
"""

from collections.abc import Iterable


class CompensatedSum:
    """``width`` sums side by side, all zero at first."""

    def __init__(self, width: int) -> None:
        self._sums = [0.0] * width
        self._lost = [0.0] * width

    @property
    def values(self) -> list[float]:
        """Return all sums."""
        return [one + lost for one, lost in zip(self._sums, self._lost, strict=True)]

    def value(self, column: int) -> float:
        """Return one sum."""
        return self._sums[column] + self._lost[column]

    def add(self, terms: Iterable[tuple[int, float]]) -> None:
        """Add terms, each to the sum of its column."""
        sums, lost = self._sums, self._lost
        for column, term in terms:
            before = sums[column]
            total = sums[column] = before + term
            lost[column] += (before - total) + term if abs(before) >= abs(term) else (term - total) + before
