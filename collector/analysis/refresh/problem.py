"""A refresh in figures, each with a source; nothing computed yet but powers from what is known of a device."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from collector.analysis.refresh.scenario import Measured, RefreshScenario
from collector.carbon.embodied import Part
from collector.carbon.estimate import F64
from collector.carbon.factors import Factor
from collector.carbon.operational import IntensityKind
from collector.carbon.units import G_PER_KG

Origin = Literal["measured", "simulated", "modelled", "stated"]
Look = Callable[[Factor], F64]
"""What a factor is in every world that is looked at, shape ``(worlds,)``."""


@dataclass(frozen=True, slots=True)
class Power:
    """Watts of one device: ``mean``; or ``idle``, and ``busy`` watts or gross ``energy`` in J per inference.

    ``duty_ratio``: of the time at work; ``per_second``: inferences of one device.
    """

    origin: Origin
    origin_text: str
    mean: Factor | None = None
    idle: Factor | None = None
    busy: Factor | None = None
    energy: Factor | None = None
    duty_ratio: float = 0.0
    per_second: float = 0.0

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Return what it rests on."""
        return tuple(one for one in (self.mean, self.idle, self.busy, self.energy) if one is not None)

    def mean_w(self, look: Look) -> F64:
        """Return the mean power of one device in every world."""
        if self.mean is not None:
            return look(self.mean)
        assert self.idle is not None, "it is one or the other"
        waiting = look(self.idle) * (1.0 - self.duty_ratio)
        if self.busy is not None:
            return np.asarray(waiting + look(self.busy) * self.duty_ratio, dtype=np.float64)
        assert self.energy is not None, "the resolver has seen to it"
        return np.asarray(waiting + look(self.energy) * self.per_second, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Side:
    """``devices`` of a kind that do all the work together. ``parts``: of one of them, () where its mass is unknown."""

    name: str
    devices: int
    power: Power
    parts: tuple[Part, ...]

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Return what it rests on."""
        return (*self.power.factors, *(factor for part in self.parts for factor in part.factors))

    def total_w(self, look: Look) -> F64:
        """Return the mean power of all its devices in every world."""
        return np.asarray(self.devices * self.power.mean_w(look), dtype=np.float64)

    def mass_g(self, look: Look) -> F64:
        """Return what making all of them emitted in every world."""
        total = np.zeros(1)
        for part in self.parts:
            one = np.full(1, part.multiplier * self.devices * G_PER_KG)
            for factor in part.factors:
                one = one * look(factor)
            total = total + one
        return total


@dataclass(frozen=True, slots=True)
class GridPath:
    """A grid from now on: ``now`` and how much cleaner it gets each year (``fall``), or ``by_year`` as stated."""

    name: str
    kind: IntensityKind
    now: Factor | None
    fall: Factor | None
    by_year: tuple[float, ...] = ()

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Return what it rests on."""
        return tuple(one for one in (self.now, self.fall) if one is not None)


@dataclass(frozen=True, slots=True)
class Refresh:
    """A scenario in figures. ``power_fall``: by which part next year's offer needs less power."""

    scenario: RefreshScenario
    old: Side
    new: Side
    power_fall: Factor
    grids: tuple[GridPath, ...]
    notes: tuple[str, ...] = field(default=())

    def factors(self) -> tuple[Factor, ...]:
        """Return every factor, each once."""
        given = (
            *self.old.factors,
            *self.new.factors,
            self.power_fall,
            *(f for grid in self.grids for f in grid.factors),
        )
        return tuple({factor.id: factor for factor in given}.values())


MeanPower = Callable[[Measured, str], tuple[Factor, bool]]
"""What asks a lake for the mean power of devices: the factor in W, and whether a simulated meter was among them."""
