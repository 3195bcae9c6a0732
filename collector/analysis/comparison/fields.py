"""A field of the scenario in every case: its distinct values, and which of them each case has.

What is found out about a value is found out once, however many cases have it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from collector.analysis.comparison.problem import I64
from collector.carbon.estimate import F64

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """``path``: such as edge.grid, for messages. ``place``: shape ``(n,)``, or None where one value holds for all."""

    path: str
    values: tuple[T, ...]
    place: I64 | None = None

    def mapped(self, of: Callable[[T], U]) -> "Field[U]":
        """Return what ``of`` makes of each value."""
        return Field(self.path, tuple(of(value) for value in self.values), self.place)

    def at(self, cases: I64) -> "Field[T]":
        """Return the field in these cases alone, with the values that they have."""
        if self.place is None:
            return self
        used, place = np.unique(self.place[cases], return_inverse=True)
        values = tuple(self.values[index] for index in used)
        return Field(self.path, values, None if len(used) == 1 else place.astype(np.int64))

    def distinct(self) -> "Field[T]":
        """Return the field with each value once, where several places have the same."""
        order = {value: index for index, value in enumerate(dict.fromkeys(self.values))}
        if self.place is None or len(order) == len(self.values):
            return self
        renumbered = np.array([order[value] for value in self.values], dtype=np.int64)
        return Field(self.path, tuple(order), renumbered[self.place] if len(order) > 1 else None)

    @property
    def only(self) -> T:
        """Return the value of a field that does not vary here. Raises ValueError for one that does."""
        (value,) = self.values
        return value


def numbers(field: Field[Any] | None) -> F64:
    """Return a field's numbers, shape ``(n,)`` or ``(1,)``; NaN where the field is absent."""
    if field is None:
        return np.array([np.nan])
    found = np.array(field.values, dtype=np.float64)
    return found if field.place is None else found[field.place]


def joined(*fields: Field[Any]) -> Field[tuple[Any, ...]]:
    """Return the fields as one, with each combination of values that occurs."""
    path = fields[0].path
    varying = [field for field in fields if field.place is not None]
    if not varying:
        return Field(path, (tuple(field.only for field in fields),))
    first, place = _combinations(varying)
    values = tuple(
        tuple(field.only if field.place is None else field.values[field.place[case]] for field in fields)
        for case in first
    )
    return Field(path, values, place)


def groups(fields: Sequence[Field[Any]], count: int) -> list[I64]:
    """Return the cases (numbers from 0) in which all of these fields have the same values, in order of first case."""
    varying = [field for field in fields if field.place is not None]
    if not varying:
        return [np.arange(count, dtype=np.int64)]
    first, place = _combinations(varying)
    by_group = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place, minlength=len(first)))[:-1]
    split = np.split(by_group.astype(np.int64), ends)
    return [split[index] for index in np.argsort(first, kind="stable")]


def _combinations(varying: Sequence[Field[Any]]) -> tuple[I64, I64]:
    """Return the first case of each combination of values, and the combination of each case."""
    code: I64 | None = None
    first = np.zeros(0, dtype=np.int64)
    for field in varying:
        assert field.place is not None
        mixed = field.place if code is None else code * len(field.values) + field.place
        _, first, code = np.unique(mixed, return_index=True, return_inverse=True)
    assert code is not None
    return first.astype(np.int64), code.astype(np.int64)


class Fields:
    """One table of the scenario in every case. ``path``: its own, such as edge or cloud.t4."""

    def __init__(self, path: str, fields: dict[str, Field[Any]]) -> None:
        self.path = path
        self._fields = fields

    def get(self, name: str) -> Field[Any] | None:
        """Return a field, None where the scenario does not give it."""
        return self._fields.get(name)

    def given(self, *names: str) -> list[str]:
        """Return those of these fields that the scenario gives."""
        return [name for name in names if name in self._fields]

    def has(self, name: str) -> bool:
        """Return whether the scenario gives a field."""
        return name in self._fields

    def where(self, name: str) -> str:
        """Return the path of a field, also of one that is absent."""
        return f"{self.path}.{name}"

    def at(self, cases: I64) -> "Fields":
        """Return the table in these cases alone."""
        return Fields(self.path, {name: field.at(cases) for name, field in self._fields.items()})

    def with_field(self, name: str, value: object) -> "Fields":
        """Return the table with one more field, the same in all cases."""
        return Fields(self.path, {**self._fields, name: Field(self.where(name), (value,))})
