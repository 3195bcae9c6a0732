"""A small harness: each thing is timed in turn with its floor or peer, and the ratio is what counts.

Absolute times change from machine to machine and from minute to minute; a ratio of two things timed side by side
changes less. So every round times ours, then the other (the next round the other way round), and a comparison reports
the minimum, median and maximum of ours / other over the rounds. Below 1 ours is faster.

To add a benchmark, write ``benchmarks/anything.py`` with a generator function under ``@benchmark`` that yields one or
more ``Comparison``; what stands before a yield prepares, what stands after it cleans up::

    from collections.abc import Iterator
    from benchmarks.harness import Comparison, benchmark

    @benchmark
    def wire_decode() -> Iterator[Comparison]:
        payload = make_payload()
        assert ours(payload) == plain(payload)  # the same answer first
        yield Comparison(
            name="decode a batch of 60 windows",
            ours=lambda: ours(payload),
            other=lambda: plain(payload),
            other_name="json.loads, nothing checked",
            kind="floor",
            operations=60,
        )

``kind``: "floor" is the least work that anybody has to do, "peer" another way to do the same, "budget" a time that
must not be exceeded, such as real time: give ``budget_s`` for one call instead of ``other``. What cannot be called
again and again (the CPU time of a thread, memory after an hour) is measured by the benchmark itself and yielded as a
``Measurement``.

``limit_ratio``: the median ratio that is promised. The command ends with 1 if a promise is not kept.

``python -m benchmarks [NAME ...] [--json FILE]`` runs those whose file or function starts with a NAME; ``make bench``
runs all.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

Kind = Literal["floor", "peer", "budget"]
Make = Callable[[], Iterator["Comparison | Measurement"]]
Unit = Literal["s", "bytes", "hz"]
Clock = Callable[[], float]

METERS_VARIABLE = "EDGEJOULE_BENCH_METERS"
"""Names of meters, comma between: benchmarks of all meters then run with these only."""

REGISTRY: dict[str, Make] = {}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What to time. ``ours`` and ``other`` each do ``operations`` of the same kind in one call."""

    name: str
    ours: Callable[[], Any]
    other_name: str
    kind: Kind
    other: Callable[[], Any] | None = None
    budget_s: float | None = None
    operations: int = 1
    limit_ratio: float | None = None

    def __post_init__(self) -> None:
        if (self.other is None) == (self.budget_s is None) or (self.kind == "budget") != (self.other is None):
            raise ValueError(f'{self.name}: give either other, or budget_s with kind="budget"')
        if self.operations < 1 or (self.budget_s is not None and self.budget_s <= 0.0):
            raise ValueError(f"{self.name}: operations and budget_s have to be positive")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a benchmark has measured itself, one figure of each side for each round, both in ``unit``."""

    name: str
    ours: Sequence[float]
    other: Sequence[float]
    other_name: str
    kind: Kind
    unit: Unit = "s"
    limit_ratio: float | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison's outcome: ``ratio_*`` of ours / other over the rounds, and medians for one operation."""

    benchmark: str
    name: str
    kind: Kind
    other_name: str
    rounds: int
    ratio_min: float
    ratio_median: float
    ratio_max: float
    ours_s: float | None = None
    other_s: float | None = None
    ours_bytes: float | None = None
    other_bytes: float | None = None
    ours_hz: float | None = None
    other_hz: float | None = None
    limit_ratio: float | None = None

    @property
    def kept(self) -> bool:
        """Is the promised ratio kept, if there is one?"""
        return self.limit_ratio is None or self.ratio_median <= self.limit_ratio


def benchmark(make: Make) -> Make:
    """Register a generator function as "file.function"."""
    name = f"{make.__module__.rpartition('.')[2]}.{make.__qualname__}"
    if name in REGISTRY:
        raise ValueError(f"there are two benchmarks named {name}")
    REGISTRY[name] = make
    return make


def chosen(names: Sequence[str]) -> dict[str, Make]:
    """Return the registered benchmarks that start with one of ``names``, by file or by function; all without names.

    Raises LookupError for a name that fits none.
    """
    for name in names:
        if not any(_fits(known, name) for known in REGISTRY):
            raise LookupError(f"no benchmark is named {name!r}; there are: {', '.join(sorted(REGISTRY))}")
    wanted = sorted(known for known in REGISTRY if not names or any(_fits(known, name) for name in names))
    return {known: REGISTRY[known] for known in wanted}


def _fits(known: str, name: str) -> bool:
    return known.startswith(name) or known.partition(".")[2].startswith(name)


def run(
    names: Sequence[str] = (), *, rounds: int = 9, least_s: float = 0.02, clock: Clock = time.perf_counter
) -> Iterator[Result]:
    """Run benchmarks one after the other; each side of each round lasts ``least_s`` or longer."""
    for name, make in chosen(names).items():
        for one in make():
            if isinstance(one, Measurement):
                yield result_of(name, one)
            else:
                yield compare(name, one, rounds=rounds, least_s=least_s, clock=clock)


def compare(name: str, comparison: Comparison, *, rounds: int, least_s: float, clock: Clock) -> Result:
    """Time one comparison. The first calls, which warm caches up, are not counted."""
    ours = _Side(comparison.ours, least_s, clock)
    other = _Side(comparison.other, least_s, clock) if comparison.other is not None else None
    ours_s: list[float] = []
    other_s: list[float] = []
    for number in range(rounds):
        if other is None:
            ours_s.append(ours.time_s())
            other_s.append(comparison.budget_s or 0.0)
        elif number % 2 == 0:
            ours_s.append(ours.time_s())
            other_s.append(other.time_s())
        else:
            other_s.append(other.time_s())
            ours_s.append(ours.time_s())
    return result_of(
        name,
        Measurement(
            name=comparison.name,
            ours=[one / comparison.operations for one in ours_s],
            other=[one / comparison.operations for one in other_s],
            other_name=comparison.other_name,
            kind=comparison.kind,
            limit_ratio=comparison.limit_ratio,
        ),
    )


def result_of(name: str, measured: Measurement) -> Result:
    """Return the ratios of what was measured."""
    ratios = [one / two for one, two in zip(measured.ours, measured.other, strict=True)]
    ours, other = statistics.median(measured.ours), statistics.median(measured.other)
    unit = measured.unit
    return Result(
        benchmark=name,
        name=measured.name,
        kind=measured.kind,
        other_name=measured.other_name,
        rounds=len(ratios),
        ratio_min=min(ratios),
        ratio_median=statistics.median(ratios),
        ratio_max=max(ratios),
        ours_s=ours if unit == "s" else None,
        other_s=other if unit == "s" else None,
        ours_bytes=ours if unit == "bytes" else None,
        other_bytes=other if unit == "bytes" else None,
        ours_hz=ours if unit == "hz" else None,
        other_hz=other if unit == "hz" else None,
        limit_ratio=measured.limit_ratio,
    )


class _Side:
    """One side of a comparison, and how many calls make a time that can be trusted."""

    def __init__(self, call: Callable[[], Any], least_s: float, clock: Clock) -> None:
        self._call, self._clock = call, clock
        call()
        self._calls = 1
        while (spent_s := self._spend_s()) < least_s:
            self._calls = max(self._calls * 2, int(self._calls * least_s / max(spent_s, 1e-9)))

    def time_s(self) -> float:
        """Return the seconds of one call."""
        return max(self._spend_s(), 1e-12) / self._calls

    def _spend_s(self) -> float:
        call = self._call
        started_s = self._clock()
        for _ in range(self._calls):
            call()
        return self._clock() - started_s
