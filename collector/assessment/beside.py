"""What stands beside a group's grams: water, energy, elements and waste, and the making of the models that ran."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from collector.assessment.cells import NO_MODEL, Cell, CellKey
from collector.assessment.hardware import Hardware
from collector.carbon.development import Development, development_charge
from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.impacts import ImpactModel
from collector.carbon.linear_model import GramModel
from collector.carbon.montecarlo import Draws


class Where(NamedTuple):
    """Where a device draws its power and what it is; "" for what is not known. ``zone``: as factor tables name it."""

    zone: str
    site: str
    hardware: str


class BesideModels:
    """The sums by cause behind the impacts and the development of all groups.

    ``developments``: by model id. ``observed``: all inferences of each model in the period, which share the making of
    a model that is planned for no number of them.
    """

    def __init__(
        self,
        factors: Iterable[Factor],
        developments: Iterable[Development],
        observed: Mapping[str, float],
        draws: Draws,
    ) -> None:
        self.impacts = ImpactModel(factors, draws=draws)
        self.development = GramModel(draws=draws)
        self.made = {one.model_id: one for one in developments}
        self.observed = observed

    def factors(self) -> tuple[Factor, ...]:
        """Return the factors behind these figures."""
        ran = (one for name, one in self.made.items() if self.observed.get(name))
        return (*self.impacts.factors(), *dict.fromkeys(factor for one in ran for factor in one.factors))


class Beside:
    """What one group used, gathered from its cells."""

    def __init__(self) -> None:
        self._energy: dict[tuple[Where, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        self._charged: dict[tuple[int, str], tuple[Hardware, float]] = {}
        self._inferences: dict[str, float] = defaultdict(float)

    def add(self, key: CellKey, cell: Cell, hardware: Hardware, where: Where) -> None:
        """Add one cell of a device."""
        sums = self._energy[where, key.systematic_id]
        for index, name in enumerate(("energy_j", "energy_u_systematic_j", "energy_u_independent_j2")):
            sums[index] += cell[name]
        if cell["inference_count"] > 0.0:
            self._inferences[key.model_id] += cell["inference_count"]
        known = hardware.plan is not None
        kind = (hardware.kind if known else -1, where.hardware)
        charged = cell["charged_ratio"] if known else 0.0
        self._charged[kind] = hardware, self._charged.get(kind, (hardware, 0.0))[1] + charged

    def impacts(self, group: str, models: BesideModels) -> dict[str, Estimate | None]:
        """Return the impacts by name, None where a factor is missing."""
        for (where, systematic_id), (energy_j, u_systematic_j, variance_j2) in self._energy.items():
            models.impacts.add_energy(
                group,
                energy_j,
                zone=where.zone,
                site=where.site,
                systematic_id=systematic_id,
                u_systematic_j=u_systematic_j,
                variance_j2=variance_j2,
            )
        for (_, name), (hardware, charged_ratio) in self._charged.items():
            known = hardware.plan is not None
            models.impacts.add_hardware(
                group, hardware.parts if known else (), charged_ratio, hardware=name if known else ""
            )
        return models.impacts.estimates(group)

    def development(self, group: str, models: BesideModels) -> Estimate | None:
        """Return what the making of the models that ran is charged here; None as soon as one is not known."""
        ran = {name: count for name, count in self._inferences.items() if name != NO_MODEL}
        if not ran or len(ran) < len(self._inferences) or not all(name in models.made for name in ran):
            return None
        for name, count in ran.items():
            charge = development_charge(models.made[name], count, observed=models.observed.get(name))
            models.development.add_development(group, models.made[name], charge.share_ratio)
        return models.development.estimate(group, "development")
