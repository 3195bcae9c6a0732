"""The effects of every group, at the factors' middles and in each drawn world. Arrays have shape ``(draws,)``.

A cause (a grid, a coefficient of silicon, the gain of a type of meter) has the same draw on both sides and in all
groups: what both sides share leaves their difference.
"""

from typing import Final

import numpy as np

from collector.analysis.decomposition.portions import EnergyRow, Portion
from collector.analysis.decomposition.values import EFFECTS, EffectName, Levels
from collector.carbon.estimate import F64, Estimate, sample
from collector.carbon.linear_model import GramModel
from collector.carbon.lmdi import chain_effects
from collector.carbon.montecarlo import Draws
from collector.carbon.operational import gram_unit

_LEAST: Final = 1e-3
"""No world has less than this part of a measured energy: a normal error has no end, an energy has one at zero."""
_FULL: Final[tuple[EffectName, ...]] = (
    "fleet_size",
    "inferences_per_device",
    "energy_per_inference",
    "grid_intensity",
)
_WITHOUT_WORK: Final[tuple[EffectName, ...]] = ("fleet_size", "energy_per_device", "grid_intensity")
_EMBODIED: Final[tuple[EffectName, ...]] = ("embodied_fleet_size", "embodied_per_device")
ByEffect = dict[EffectName, F64]


class Worlds:
    """One group on one side in each world: joules, operational and embodied grams a day.

    ``name``: of group and side, for the errors that are each window's own.
    """

    def __init__(self, portion: Portion, draws: Draws, name: str) -> None:
        self.levels = portion.levels
        self.energy_j, self.operational = np.zeros(draws.count), np.zeros(draws.count)
        for (cause, systematic_id), row in portion.energy.items():
            energy_j = _energy(row, draws, systematic_id, f"{name}, {cause}, {systematic_id}")
            self.energy_j = self.energy_j + energy_j
            rate = Estimate(*row.g_per_j, "gCO2e/J", cause)
            self.operational = self.operational + energy_j * sample(rate, draws.normal(cause))
        self.embodied = _embodied(portion, draws)


def group_effects(before: Levels, after: Levels) -> dict[EffectName, float]:
    """Return a group's effects on the change of its grams a day, each factor at its middle; all of ``EFFECTS``."""
    sides = ((one, one.energy_j, one.operational_gco2e, one.embodied_gco2e) for one in (before, after))
    return {name: float(values) for name, values in _effects(*sides).items()}


def drawn_effects(before: Worlds, after: Worlds) -> ByEffect:
    """Return the same in each world."""
    sides = ((one.levels, one.energy_j, one.operational, one.embodied) for one in (before, after))
    return _effects(*sides)


_Side = tuple[Levels, "F64 | float", "F64 | float", "F64 | float"]


def _effects(before: _Side, after: _Side) -> ByEffect:
    shape = np.broadcast_shapes(np.shape(before[1]), np.shape(after[1]))
    found: ByEffect = dict.fromkeys(EFFECTS, np.zeros(shape))
    without_work = any(levels.inferences == 0.0 and levels.energy_j > 0.0 for levels, *_ in (before, after))
    chains = []
    for levels, energy_j, operational, _ in (before, after):
        work = () if without_work else (levels.inferences,)
        chains.append((levels.devices, *work, energy_j, operational))
    found |= dict(zip(_WITHOUT_WORK if without_work else _FULL, chain_effects(*chains), strict=True))
    uncounted = any(levels.charged_devices == 0.0 and levels.embodied_gco2e > 0.0 for levels, *_ in (before, after))
    charged = [
        (embodied,) if uncounted else (levels.charged_devices, embodied) for levels, _, _, embodied in (before, after)
    ]
    return found | dict(zip(_EMBODIED[1:] if uncounted else _EMBODIED, chain_effects(*charged), strict=True))


def _energy(row: EnergyRow, draws: Draws, systematic_id: str, own: str) -> F64:
    """Return the joules in each world: the meters' common error, and what is the windows' own."""
    drawn = np.full(draws.count, row.energy_j)
    if row.u_systematic_j > 0.0:
        drawn = drawn + row.u_systematic_j * draws.normal(systematic_id)
    if row.variance_j2 > 0.0:
        drawn = drawn + np.sqrt(row.variance_j2) * draws.normal(own)
    return np.asarray(np.maximum(drawn, _LEAST * row.energy_j), dtype=np.float64)


def _embodied(portion: Portion, draws: Draws) -> F64:
    model = GramModel(draws=draws)
    for parts, share in portion.parts.values():
        if share > 0.0:
            model.add_parts("group", parts, share)
    drawn = model.drawn("group", "embodied")
    return np.zeros(draws.count) if drawn is None else np.maximum(drawn, 0.0)


UNIT: Final = gram_unit("average")
