"""Lists and ranges in a scenario: each is an axis, and the cases are their product."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta

from collector.analysis.comparison.problem import I64, Axis
from collector.analysis.comparison.scenario import LARGEST
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.toml_config import convert_document

MOST_CASES: Final = 1_000_000
Scalar = str | float | int | bool


class RangeOfValues(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from"}):
    """``steps`` values from ``from`` to ``to``, both included, at equal distances or (log) at equal ratios.

    ``reference``: what the detailed answer takes; it joins the values where it is none of them. Absent: the middle.
    """

    start: float
    to: float
    steps: Annotated[int, Meta(ge=2, le=MOST_CASES)]
    scale: Literal["linear", "log"] = "linear"
    reference: float | None = None


@dataclass(frozen=True, slots=True)
class Variation:
    """The values that a field takes, as they stand in the file, and which of them the reference case has.

    ``stepped``: they are the steps of a range.
    """

    values: tuple[object, ...]
    reference: int = 0
    stepped: bool = False


@dataclass(frozen=True, slots=True)
class Cases:
    """The cases, numbered from 0. ``values``: by axis name, the value's index in each case, shape ``(count,)``."""

    count: int
    axes: tuple[Axis, ...]
    values: dict[str, I64]
    reference: int

    def seen_from(self, case: int) -> "Cases":
        """Return the same cases with another reference. Raises ConfigurationError for one that is not there."""
        if not 0 <= case < self.count:
            raise ConfigurationError(f"there is no case {case}; the cases are 0 to {self.count - 1}")
        axes = tuple(replace(axis, reference=int(self.values[axis.name][case])) for axis in self.axes)
        return Cases(self.count, axes, self.values, case)


def variation(value: object, path: str) -> Variation | None:
    """Return what a list or a range stands for, None for a single value. Raises ConfigurationError."""
    if isinstance(value, list):
        return _listed(value, path)
    if isinstance(value, dict) and "steps" in value:
        return _stepped(convert_document(value, RangeOfValues, path), path)
    return None


def product(axes: Sequence[Axis]) -> Cases:
    """Return every combination, the last axis changing fastest. Raises ConfigurationError for too many."""
    lengths = [len(axis.values) for axis in axes]
    count = math.prod(lengths)
    if count > MOST_CASES:
        made_of = ", ".join(f"{axis.name} ({length:,})" for axis, length in zip(axes, lengths, strict=True))
        raise ConfigurationError(
            f"the lists and ranges make {count:,} cases, more than {MOST_CASES:,}: {made_of}; shorten one of them"
        )
    values: dict[str, I64] = {}
    reference, stride = 0, count
    number = np.arange(count, dtype=np.int64)
    for axis, length in zip(axes, lengths, strict=True):
        stride //= length
        values[axis.name] = (number // stride) % length
        reference += axis.reference * stride
    return Cases(count, tuple(axes), values, reference)


def labels(values: Sequence[Any]) -> tuple[Scalar, ...]:
    """Return a scalar for each value of an axis: itself, or words for a table; no two are alike."""
    found = [value if isinstance(value, str | float | int | bool) else _words(value) for value in values]
    seen: dict[Scalar, int] = {}
    for index, label in enumerate(found):
        seen[label] = seen.get(label, 0) + 1
        if seen[label] > 1:
            found[index] = f"{label} ({seen[label]})"
    return tuple(found)


def _words(table: Any) -> str:
    if getattr(table, "zone", None) is not None:
        hours = "" if table.hours is None else f", {table.hours[0]} to {table.hours[1]} h"
        return f"{table.zone} {table.start} to {table.to}{hours}"
    if getattr(table, "name", None) is not None:
        return str(table.name)
    return f"{table.value} ({table.low} to {table.high})"


def _listed(values: list[object], path: str) -> Variation:
    if not values:
        raise ConfigurationError(f"{path}: the list is empty; give at least one value")
    if len(values) > MOST_CASES:
        raise ConfigurationError(
            f"{path}: {len(values):,} values are more than {MOST_CASES:,} cases; shorten the list"
        )
    seen: set[tuple[str, str]] = set()
    for value in values:
        if isinstance(value, list):
            raise ConfigurationError(f"{path}: a list within the list; give single values")
        key = type(value).__name__, repr(value)
        if key in seen:
            raise ConfigurationError(f"{path}: {value!r} stands twice in the list; remove one")
        seen.add(key)
    return Variation(tuple(values))


def _stepped(given: RangeOfValues, path: str) -> Variation:
    ends = (given.start, given.to, given.start if given.reference is None else given.reference)
    if given.start == given.to:
        raise ConfigurationError(f"{path}: a range goes from one number to another; correct from or to")
    if not all(abs(end) <= LARGEST for end in ends):
        raise ConfigurationError(f"{path}: numbers of a range lie within {LARGEST:g}; correct from, to and reference")
    if given.scale == "log" and min(ends) <= 0.0:
        raise ConfigurationError(f"{path}: equal ratios need numbers above 0; correct from, to and reference")
    if given.scale == "log":
        steps = np.geomspace(given.start, given.to, given.steps)
    else:
        steps = np.linspace(given.start, given.to, given.steps)
    values = [float(f"{step:.6g}") for step in steps]  # for readers: 3162.28, and 0.1 x 3 is 0.3
    if len(set(values)) < given.steps:
        values = [float(f"{step:.15g}") for step in steps]
    values[0], values[-1] = given.start, given.to
    if given.reference is not None and given.reference not in values:
        if not min(given.start, given.to) < given.reference < max(given.start, given.to):
            raise ConfigurationError(f"{path}: reference {given.reference:g} lies outside of the range; correct it")
        values = sorted((*values, given.reference), reverse=given.start > given.to)
    values = list(dict.fromkeys(values))
    middle = (len(values) - 1) // 2
    reference = middle if given.reference is None else values.index(given.reference)
    return Variation(tuple(values), reference, stepped=True)
