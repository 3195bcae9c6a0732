"""What the inventory says about the making of a model, and what that emitted."""

from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from collector.carbon.development import Development, training_energy_j
from collector.carbon.estimate import Estimate, exactly
from collector.carbon.factors import Factor
from collector.carbon.operational import CarbonIntensity
from collector.carbon.units import KGCO2E
from edge_agent.wire.errors import ConfigurationError

Text = Annotated[str, Meta(min_length=1)]
NonNegative = Annotated[float, Meta(ge=0.0, le=1e15)]
Positive = Annotated[float, Meta(gt=0.0, le=1e24)]


class Spread(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A figure of one's own with P5 and P95; without them it is taken as exact."""

    value: NonNegative
    low: NonNegative | None = None
    high: NonNegative | None = None


class ModelRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The making of one model: ``kgco2e`` outright, or ``energy_kwh`` and the ``zone`` of the grid it came from.

    ``pue``: where the energy is that of the computers alone. ``runs``: how many such trainings, searches and failures
    included. ``lifetime_inferences``: for how many inferences the model was made, in all places together; absent, the
    inferences of a report share all of it.
    """

    id: Text
    source: Text
    vintage: Text
    kgco2e: Spread | None = None
    energy_kwh: Spread | None = None
    zone: str = ""
    pue: Annotated[float, Meta(ge=1.0, le=100.0)] | None = None
    runs: Positive = 1.0
    lifetime_inferences: Positive | None = None
    licence: Text = "user's own"


class ModelMaking(msgspec.Struct, frozen=True, kw_only=True):
    """What the making of a model took and emitted, all ``runs`` of it, whoever uses the model; no device's account.

    ``energy_j``: None where only its grams are stated. ``gco2e``: at the yearly intensity of ``zone``, None where that
    is not known. ``source``: the inventory's word for where the figure comes from.
    """

    model_id: str
    energy_j: Estimate | None
    gco2e: Estimate | None
    zone: str
    runs: float
    lifetime_inferences: float | None
    factors: tuple[Factor, ...]
    source: str
    vintage: str


def check_models(rows: Iterable[ModelRow], where: str) -> tuple[ModelRow, ...]:
    """Return the rows. Raises ConfigurationError for a model that stands twice, or is said in no way or in two."""
    checked: dict[str, ModelRow] = {}
    for row in rows:
        place = f"{where}: model {row.id!r}"
        if row.id in checked:
            raise ConfigurationError(f"{place} stands twice; remove one")
        if (row.kgco2e is None) is (row.energy_kwh is None):
            raise ConfigurationError(f"{place}: give kgco2e, or energy_kwh with a zone; one of the two")
        if (row.energy_kwh is not None) is not bool(row.zone):
            raise ConfigurationError(f"{place}: energy_kwh and zone belong together; give both or none")
        if row.pue is not None and row.energy_kwh is None:
            raise ConfigurationError(f"{place}: a pue belongs to an energy_kwh; remove it")
        _own(row, place)
        checked[row.id] = row
    return tuple(checked.values())


def developments(
    rows: Iterable[ModelRow], yearly: Callable[[str], CarbonIntensity | None], where: str
) -> tuple[Development, ...]:
    """Return what the making of each model emitted. ``yearly``: a zone's yearly average intensity.

    Training is charged at a yearly average: nobody wrote down its hours. Raises ConfigurationError for a zone that
    has none.
    """
    return tuple(_development(row, yearly, f"{where}: model {row.id!r}") for row in rows)


def makings(rows: Iterable[ModelRow], yearly: Callable[[str], CarbonIntensity | None]) -> tuple[ModelMaking, ...]:
    """Return what the making of each model took and emitted; grams of a zone without an intensity are unknown."""
    return tuple(_making(row, yearly) for row in rows)


def _making(row: ModelRow, yearly: Callable[[str], CarbonIntensity | None]) -> ModelMaking:
    made = None if row.zone and yearly(row.zone) is None else _development(row, yearly, f"model {row.id!r}")
    factors = _own(row, f"model {row.id!r}") if made is None else made.factors
    return ModelMaking(
        model_id=row.id,
        energy_j=training_energy_j(factors, row.runs),
        gco2e=None if made is None else made.whole_gco2e(),
        zone=row.zone,
        runs=row.runs,
        lifetime_inferences=row.lifetime_inferences,
        factors=factors,
        source=row.source,
        vintage=row.vintage,
    )


def _development(row: ModelRow, yearly: Callable[[str], CarbonIntensity | None], place: str) -> Development:
    factors = _own(row, place)
    if row.zone:
        intensity = yearly(row.zone)
        if intensity is None:
            raise ConfigurationError(
                f"{place}: no yearly intensity for zone {row.zone!r}; see: edgejoule carbon intensity list, or give "
                "kgco2e"
            )
        factors = (*factors, intensity.factor)
    return Development(model_id=row.id, factors=factors, runs=row.runs, lifetime_inferences=row.lifetime_inferences)


def _own(row: ModelRow, place: str) -> tuple[Factor, ...]:
    """Return the factors that the row itself states."""
    try:
        made = [
            _factor(row, *named) for named in (("making", row.kgco2e, KGCO2E), ("training", row.energy_kwh, "kWh"))
        ]
    except ValueError as error:
        raise ConfigurationError(f"{place}: {error}; give low <= value <= high") from error
    if row.pue is not None:
        made.append(_named(row, "pue", exactly(row.pue, "ratio", row.source)))
    return tuple(factor for factor in made if factor is not None)


def _factor(row: ModelRow, what: str, given: Spread | None, unit: str) -> Factor | None:
    if given is None:
        return None
    low = given.value if given.low is None else given.low
    high = given.value if given.high is None else given.high
    return _named(row, what, Estimate(given.value, low, high, unit, row.source))


def _named(row: ModelRow, what: str, estimate: Estimate) -> Factor:
    return Factor(
        id=f"model-{row.id}-{what}",
        name=f"{what} of the model {row.id}",
        estimate=estimate,
        scope="one training run" if what == "training" else "as declared",
        source=row.source,
        licence=row.licence,
        vintage=row.vintage,
        method="stated in the inventory",
    )
