"""Carbon of making a model: its training runs, charged to the inferences for which it was made. Pure.

Development and deployment are phases of their own (Wright et al. 2023; Luccioni et al. 2023 for BLOOM): the first is
emitted once, whoever uses the model, and says nothing about a device.
"""

import math
from collections.abc import Sequence
from functools import reduce
from typing import Literal

import msgspec

from collector.carbon.estimate import Estimate, times
from collector.carbon.factors import Factor
from collector.carbon.units import G_PER_KG, GCO2E, GCO2E_PER_KWH, J_PER_KWH, JOULE, KGCO2E

DevelopmentPolicy = Literal["by_planned_inferences", "by_observed_inferences"]


class Development(msgspec.Struct, frozen=True, kw_only=True):
    """What one model's making emitted: ``multiplier`` x the product of ``factors``, in grams.

    ``factors``: one in gCO2e or kgCO2e; or energy in kWh and an intensity in gCO2e/kWh, and a PUE (ratio) if the
    energy is that of the computers alone. ``runs``: how many such trainings there were, searches and failures
    included. ``lifetime_inferences``: for how many the model was made, in all places; None: not planned.
    Raises ValueError for other units, a count that is not positive, or a factor below zero.
    """

    model_id: str
    factors: tuple[Factor, ...]
    runs: float = 1.0
    lifetime_inferences: float | None = None

    def __post_init__(self) -> None:
        units = [factor.estimate.unit for factor in self.factors]
        if sorted(units) not in _ALLOWED:
            raise ValueError(
                f"model {self.model_id!r}: its making is {GCO2E}, {KGCO2E}, or kWh times {GCO2E_PER_KWH} "
                f"(times a PUE ratio), not {' times '.join(units) or 'nothing'}"
            )
        if any(factor.estimate.low < 0.0 for factor in self.factors):
            raise ValueError(f"model {self.model_id!r}: making a model cannot take less than nothing")
        for name, count in (("runs", self.runs), ("lifetime_inferences", self.lifetime_inferences)):
            if count is not None and not 0.0 < count < math.inf:
                raise ValueError(f"model {self.model_id!r}: {name} is a positive number, not {count}")

    @property
    def multiplier(self) -> float:
        """Return the exact number by which the product of the factors gives grams."""
        return self.runs * (G_PER_KG if self.factors[0].estimate.unit == KGCO2E else 1.0)

    @property
    def policy(self) -> DevelopmentPolicy:
        """Return how inferences are charged: each its part of a plan, or all seen so far the whole."""
        return "by_observed_inferences" if self.lifetime_inferences is None else "by_planned_inferences"

    def whole_gco2e(self) -> Estimate:
        """Return all that the making emitted, the errors of the factors independent."""
        return _product(self.factors, GCO2E).scaled(self.multiplier, unit=GCO2E)

    def energy_j(self) -> Estimate | None:
        """Return the electricity of the making, PUE and all runs included; None where only its grams are known."""
        return training_energy_j(self.factors, self.runs)


class DevelopmentCharge(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a model's making some inferences are charged, by which policy.

    ``beyond_plan``: inferences after the planned number; they are charged nothing, since by then the whole is. None
    when nobody knows how many went before.
    """

    share_ratio: float
    policy: DevelopmentPolicy
    beyond_plan: float | None


def development_charge(
    made: Development, inferences: float, *, before: float | None = None, observed: float | None = None
) -> DevelopmentCharge:
    """Return what ``inferences`` are charged of making a model.

    With a plan: ``inferences / lifetime_inferences``, and nothing after the plan is fulfilled; ``before``: how many
    there were earlier, in all places, None if unknown: then no end of the plan is seen before these alone reach it,
    and never more than the whole is charged. Without a plan:
    ``inferences / observed``, of all that were seen so far, so each new one lowers what the others were charged.
    Raises ValueError for a negative number, or without a plan when ``observed`` does not contain the inferences.
    """
    if inferences < 0.0 or (before is not None and before < 0.0):
        raise ValueError(f"model {made.model_id!r}: a number of inferences cannot be negative")
    planned = made.lifetime_inferences
    if planned is None:
        if observed is None or observed < inferences or observed <= 0.0:
            raise ValueError(
                f"model {made.model_id!r} has no lifetime_inferences, so its making is shared by all inferences "
                f"observed; {observed} do not contain these {inferences}"
            )
        return DevelopmentCharge(share_ratio=inferences / observed, policy=made.policy, beyond_plan=None)
    charged = min(inferences, max(planned - (before or 0.0), 0.0))
    beyond = None if before is None else inferences - charged
    return DevelopmentCharge(share_ratio=charged / planned, policy=made.policy, beyond_plan=beyond)


def training_energy_j(factors: Sequence[Factor], runs: float) -> Estimate | None:
    """Return the electricity of ``runs`` trainings; None where no factor is in kWh. Other factors are passed over."""
    of_energy = [factor for factor in factors if factor.estimate.unit in _ENERGY]
    if not any(factor.estimate.unit == "kWh" for factor in of_energy):
        return None
    return _product(of_energy, "kWh").scaled(runs * J_PER_KWH, unit=JOULE)


def _product(factors: Sequence[Factor], unit: str) -> Estimate:
    """Return the product of one factor or more."""
    return reduce(
        lambda a, b: times(a, b, unit=unit, source=f"{a.source} x {b.source}"),
        (factor.estimate for factor in factors),
    )


_ENERGY = ("kWh", "ratio")
_ALLOWED = ([GCO2E], [KGCO2E], [GCO2E_PER_KWH, "kWh"], [GCO2E_PER_KWH, "kWh", "ratio"])
