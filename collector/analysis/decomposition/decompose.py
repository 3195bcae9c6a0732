"""The change between two sides of a fleet's account, as effects that sum to it: LMDI-I with the errors' causes.

Grams a day are, for each group g, D (n/D) (E/n) I + D' (M/D'): mean devices, inferences per device, joules per
inference, grams per joule, and charged devices with their embodied grams. The two terms are decomposed apart, then
added (docs/decomposition.md).
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

from collector.analysis.decomposition.effects import UNIT, Worlds, drawn_effects, group_effects
from collector.analysis.decomposition.notes import notes_of
from collector.analysis.decomposition.portions import (
    NO_ENERGY,
    NO_HARDWARE,
    NO_HARDWARE_THERE,
    NO_INTENSITY,
    ON_THE_OTHER,
    REASONS,
    Portion,
    Side,
    Without,
    side_of,
)
from collector.analysis.decomposition.rebound import rebound_of
from collector.analysis.decomposition.selection import Selection
from collector.analysis.decomposition.values import (
    EFFECTS,
    Decomposition,
    Effect,
    GroupChange,
    Levels,
    Question,
    SideFigures,
)
from collector.assessment.assess import Gathered
from collector.assessment.summary import MANY_GROUPS
from collector.carbon.estimate import F64, Estimate
from collector.carbon.factors import Factor
from collector.carbon.lmdi import ratio_effects
from collector.carbon.montecarlo import Draws, estimate_of
from collector.inventory import Inventory
from collector.numbers import some_of
from edge_agent.wire.errors import ConfigurationError

Gather = Callable[[Selection], Gathered]
_REMEDIES: Final = {
    NO_INTENSITY: "give them a zone in the inventory, and name that with --inventory FILE or --config FILE",
    NO_ENERGY: "name a period with samples of their meters",
    ON_THE_OTHER: "compare devices that are known on both sides",
}
_SOURCE: Final = "the lake's windows, the inventory and the factors named"


def decompose(
    before: Selection, after: Selection, gather: Gather, inventory: Inventory, question: Question | None = None
) -> Decomposition:
    """Return the change from ``before`` to ``after``. ``gather``: gives what a side's period holds.

    Raises ConfigurationError where a side holds no windows or nothing is known of it, and what ``gather`` raises.
    """
    asked = question or Question()
    gathered = gather(before), gather(after)
    sides = _sides((before, after), gathered, inventory, asked)
    names = sorted(sides[0].groups.keys() | sides[1].groups.keys())
    many = len(names) > MANY_GROUPS
    draws = Draws(seed=asked.seed, count=max(asked.draws // 5, min(asked.draws, 1000)) if many else asked.draws)
    sums = _Sums(draws)
    groups = [sums.add(name, *(side.groups.get(name, Portion()) for side in sides)) for name in names]
    has_embodied = any(portion.parts for side in sides for portion in side.groups.values())
    figures = [_figures(side, sums, index, has_embodied=has_embodied) for index, side in enumerate(sides)]
    effects = sums.effects()
    start, end = (math.fsum(sums.middles(index)) for index in (0, 1))
    ratios = ratio_effects([one.value for one in effects], start, end)
    change = end - start
    largest = max(start, end, *(abs(one.value) for one in effects))
    return Decomposition(
        before=figures[0],
        after=figures[1],
        by=asked.by,
        change=estimate_of(change, sums.drawn(1) - sums.drawn(0), UNIT, _SOURCE),
        rise_probability=float(np.mean(sums.drawn(1) > sums.drawn(0))),
        ratio=end / start if start > 0.0 else None,
        effects=tuple(
            Effect(name=name, gco2e_per_day=one, ratio=None if ratios is None else ratios[index])
            for index, (name, one) in enumerate(zip(EFFECTS, effects, strict=True))
        ),
        groups=tuple(groups),
        rebound=rebound_of(sums.value, sums.of, groups),
        residual_ratio=(math.fsum(one.value for one in effects) - change) / largest if largest > 0.0 else 0.0,
        simulated=any(side.simulated_windows for side in sides),
        has_embodied=has_embodied,
        notes=tuple(notes_of(sides, groups, asked, gathered)),
        factors=_factors(sides, gathered),
        silent_days=asked.silent_days,
        seed=asked.seed,
        draws=draws.count,
    )


def _sides(
    selections: tuple[Selection, Selection],
    gathered: tuple[Gathered, Gathered],
    inventory: Inventory,
    asked: Question,
) -> tuple[Side, Side]:
    """Return both sides. What is unknown on one of them is left out of both: a device, or all that is embodied.

    Raises ConfigurationError where nothing operational is left of a side: unknown is not zero.
    """
    sides = [side_of(*pair, inventory, asked) for pair in zip(selections, gathered, strict=True)]
    _check_known(sides)
    first, last = sides
    operational = (first.unknown | last.unknown) & (first.devices & last.devices)
    embodied = set() if first.hardware and last.hardware else first.devices | last.devices
    if without := Without(operational, embodied):
        sides = [side_of(*pair, inventory, asked, without) for pair in zip(selections, gathered, strict=True)]
        _check_known(sides)
    return sides[0], sides[1]


def _check_known(sides: Iterable[Side]) -> None:
    for side in sides:
        if not side.counted:
            reason = next(one for one in _REMEDIES if side.left_out.get(one))
            raise ConfigurationError(
                f"decompose {side.selection.words!r}: nothing is known of what it emitted: {reason}: "
                f"{some_of(sorted(side.left_out[reason]))}; {_REMEDIES[reason]}"
            )


class _Sums:
    """The sums over groups: effects at the middle and in each world, and what both sides come to."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._values: dict[str, list[float]] = {name: [] for name in EFFECTS}
        self._drawn: dict[str, F64] = {name: np.zeros(draws.count) for name in EFFECTS}
        self._levels: tuple[list[Levels], list[Levels]] = ([], [])
        self._sides = [[np.zeros(draws.count), np.zeros(draws.count)] for _ in range(2)]

    def add(self, name: str, before: Portion, after: Portion) -> GroupChange:
        """Add a group, and return what became of it."""
        levels = before.levels, after.levels
        effects = group_effects(*levels)
        worlds = Worlds(before, self._draws, f"A, {name}"), Worlds(after, self._draws, f"B, {name}")
        for effect, drawn in drawn_effects(*worlds).items():
            self._values[effect].append(effects[effect])
            self._drawn[effect] = self._drawn[effect] + drawn
        for index, one in enumerate(worlds):
            self._levels[index].append(levels[index])
            self._sides[index][0] += one.operational
            self._sides[index][1] += one.embodied
        start, end = (one.operational_gco2e + one.embodied_gco2e for one in levels)
        return GroupChange(
            name=name, before=levels[0], after=levels[1], effects=effects, change_gco2e_per_day=end - start
        )

    def value(self, *names: str) -> float:
        """Return the sum of some effects at the middle."""
        return math.fsum(value for name in names for value in self._values[name])

    def of(self, *names: str) -> F64:
        """Return the sum of some effects in each world."""
        return np.asarray(np.sum([self._drawn[name] for name in names], axis=0), dtype=np.float64)

    def effects(self) -> list[Estimate]:
        """Return every effect with its range, in the order of ``EFFECTS``."""
        return [estimate_of(self.value(name), self.of(name), UNIT, _SOURCE) for name in EFFECTS]

    def middles(self, side: int) -> list[float]:
        """Return the groups' grams on one side, operational ones and embodied ones."""
        return [grams for one in self._levels[side] for grams in (one.operational_gco2e, one.embodied_gco2e)]

    def drawn(self, side: int) -> F64:
        """Return one side's grams in each world."""
        return np.asarray(self._sides[side][0] + self._sides[side][1], dtype=np.float64)

    def estimate(self, side: int, term: int) -> Estimate:
        """Return one side's operational (0) or embodied (1) grams with their range."""
        return estimate_of(math.fsum(self.middles(side)[term::2]), self._sides[side][term], UNIT, _SOURCE)

    def total(self, side: int) -> Estimate:
        """Return both together."""
        return estimate_of(math.fsum(self.middles(side)), self.drawn(side), UNIT, _SOURCE)

    def levels(self, side: int) -> Levels:
        """Return the sums of all levels."""
        names = Levels.__struct_fields__
        summed: Any = {name: math.fsum(getattr(one, name) for one in self._levels[side]) for name in names}
        return Levels(**summed)


def _figures(side: Side, sums: _Sums, index: int, *, has_embodied: bool) -> SideFigures:
    period = side.selection.period
    return SideFigures(
        words=side.selection.words,
        start_unix_ns=period.start_unix_ns,
        end_unix_ns=period.end_unix_ns,
        days=side.days,
        days_with_data=side.days_with_data,
        device_count=len(side.seen),
        windows=side.windows,
        simulated_windows=side.simulated_windows,
        coverage_ratio=1.0 - side.gap_s / side.duration_s if side.duration_s > 0.0 else None,
        levels=sums.levels(index),
        operational=sums.estimate(index, 0),
        embodied=sums.estimate(index, 1) if has_embodied else None,
        total=sums.total(index),
        left_out={reason: tuple(sorted(side.left_out[reason])) for reason in REASONS if side.left_out.get(reason)},
    )


def _factors(sides: Iterable[Side], gathered: Iterable[Gathered]) -> tuple[Factor, ...]:
    """Return every factor of both sides, the yearly ones that nothing rests on left out."""
    used: dict[tuple[str, str], Factor] = {}
    for side, found in zip(sides, gathered, strict=True):
        for device_id in sorted(side.devices):
            place = found.places.at(device_id)
            uncharged = any(device_id in side.left_out.get(one, ()) for one in (NO_HARDWARE, NO_HARDWARE_THERE))
            made_of = () if uncharged else (factor for part in place.hardware.parts for factor in part.factors)
            grid = found.places.passports.get(place.zone, ()) if device_id in side.counted else ()
            for factor in (*grid, *made_of):
                used.setdefault((factor.id, factor.vintage), factor)
    return tuple(used.values())
