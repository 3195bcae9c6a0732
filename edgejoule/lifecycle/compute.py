"""Compute the phases of models, in every drawn world."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from collector.carbon.estimate import F64, Estimate, exactly
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import Draws, estimate_of
from collector.carbon.phases import OUTCOMES, break_even, break_evens, development_share
from collector.carbon.units import GCO2E, J_PER_KWH, JOULE
from edge_agent.wire.errors import ConfigurationError
from edgejoule.lifecycle.joules import KERNELS, Joules, making
from edgejoule.lifecycle.scenario import LifecycleScenario, Range, Run
from edgejoule.lifecycle.values import Group, Lifecycle, Phases, Turn
from edgejoule.zoo.entry import Catalog, Family, ModelEntry

AT: Final = (1e3, 1e6, 1e9, 1e12)
RATIO: Final = "ratio"
AVERAGES_NOTE: Final = (
    "grams by yearly average intensities, as an inventory has them; what a decision changes asks for marginal ones"
)
NOT_COUNTED: Final = (
    "making the hardware on either side (edgejoule carbon embodied)",
    "making the data, where the scenario has no run of it",
    "trainings that were tried and thrown away, where the scenario has no run of them",
)


@dataclass(frozen=True, slots=True)
class Amount:
    """A quantity at its medians and in every world."""

    middle: float
    drawn: F64

    def estimate(self, unit: str, source: str) -> Estimate:
        """Return it with its P5 and P95."""
        return estimate_of(self.middle, self.drawn, unit, source)

    def plus(self, other: "Amount", times: float = 1.0) -> "Amount":
        """Return the sum, world by world; ``times`` of the other one."""
        return Amount(self.middle + times * other.middle, self.drawn + times * other.drawn)

    def over(self, other: "Amount") -> "Amount":
        """Return the quotient, world by world."""
        return Amount(self.middle / other.middle, self.drawn / other.drawn)


@dataclass(frozen=True, slots=True)
class Rates:
    """What a joule of making and a joule of use count for: grams, or joules again. ``factors``: what they rest on."""

    unit: str
    making: Amount
    using: Amount
    factors: tuple[Factor, ...] = ()


def grid_notes(rates: Rates) -> tuple[str, ...]:
    """Return what a reader of grams has to know of the kind of their intensities."""
    return (AVERAGES_NOTE,) if rates.unit == GCO2E else ()


def rates_of(draws: Draws, development: Factor | None, pue: float, deployment: Factor | None) -> Rates:
    """Return grams per joule by two intensities (gCO2e/kWh), or one per joule without them.

    Raises ConfigurationError for one without the other.
    """
    if (development is None) is not (deployment is None):
        raise ConfigurationError("lifecycle: grams need development_zone and deployment_zone; give both or none")
    if development is None or deployment is None:
        return Rates(JOULE, Amount(pue, np.full(draws.count, pue)), Amount(1.0, np.ones(draws.count)))

    def rate(factor: Factor, times: float) -> Amount:
        scale = times / J_PER_KWH
        return Amount(factor.estimate.value * scale, draws.of(factor.id, factor.estimate) * scale)

    factors = tuple({one.id: one for one in (development, deployment)}.values())
    return Rates(GCO2E, rate(development, pue), rate(deployment, 1.0), factors)


class Compute:
    """One question over a catalogue. ``deployed``: joules per inference by model id."""

    def __init__(
        self, catalog: Catalog, scenario: LifecycleScenario, deployed: Mapping[str, Joules], rates: Rates, draws: Draws
    ) -> None:
        """Take everything; raises ConfigurationError for a run of what is not in the catalogue."""
        self._catalog, self._scenario, self._deployed = catalog, scenario, deployed
        self._rates, self._draws, self.unit = rates, draws, rates.unit
        self._families = {one.id: one for one in catalog.family}
        self.factors: dict[str, Factor] = {one.id: one for one in rates.factors}
        known = {*self._families, *(one.id for one in catalog.model)}
        for run in scenario.run:
            if run.of not in known:
                raise ConfigurationError(
                    f"run of {run.of!r}: no such family or model; edgejoule models list names them"
                )
            if (run.runs is None) is (run.energy_j is None):
                raise ConfigurationError(f"run of {run.of!r}: give runs, or energy_j; one of the two")

    def families(self) -> list[list[Family]]:
        """Return the families that can be compared, by task and test set. Raises ConfigurationError for none."""
        wanted = self._scenario.task.casefold()
        sets: dict[tuple[str, str], list[Family]] = defaultdict(list)
        for family in self._catalog.family:
            if wanted in family.task.casefold():
                sets[family.task, family.test_set].append(family)
        if not sets:
            tasks = "; ".join(sorted({one.task for one in self._catalog.family}))
            raise ConfigurationError(f"no task has {self._scenario.task!r} in it; tasks: {tasks}")
        return list(sets.values())

    def groups(self) -> tuple[Group, ...]:
        """Return the models by task and test set. Raises ConfigurationError for a baseline that is none of them."""
        found = tuple(self._group(families) for families in self.families())
        names = {one.baseline for one in found}
        if self._scenario.baseline and self._scenario.baseline not in names:
            raise ConfigurationError(f"lifecycle: baseline {self._scenario.baseline!r} is no model of these tasks")
        return found

    def _group(self, families: Sequence[Family]) -> Group:
        models = [model for family in families for model in self._catalog.members(family.id)]
        base = self._baseline(families, models)
        return Group(
            task=families[0].task,
            metric=families[0].metric,
            baseline=base.id,
            models=tuple(self._phases(model, base) for model in models),
        )

    def _baseline(self, families: Sequence[Family], models: Sequence[ModelEntry]) -> ModelEntry:
        named = next((one for one in models if one.id == self._scenario.baseline), None)
        if named is not None:
            return named
        reused = {name for one in families if one.development for name in one.development.reused}
        first = next((one for one in families if one.id in reused), families[0])
        members = [one for one in models if one.family == first.id]
        return next((one for one in members if one.precision == "float32"), members[0])

    def _phases(self, model: ModelEntry, base: ModelEntry) -> Phases:
        made, base_made = self.development(model), self.development(base)
        used, base_used = self.use(model), self.use(base)
        extra = self._extra(model, base, made, base_made)
        unit, joules = self._rates.unit, self._deployed.get(model.id)
        source = "" if joules is None else joules.text
        data = self._runs(model, data=True)
        return Phases(
            model_id=model.id,
            family=model.family,
            precision=model.precision,
            variant=_variant(model, base),
            baseline=model.id == base.id,
            score=model.score,
            score_change=_change(model, base),
            data=None if data is None else data.estimate(unit, "scenario"),
            development=None if made is None else made.estimate(unit, "making"),
            development_ratio=_ratio(made, base_made),
            extra=None if extra is None else extra.estimate(unit, "making"),
            per_inference=None if used is None else used.estimate(unit, source),
            deployment_ratio=_ratio(used, base_used),
            origin=None if joules is None else joules.origin,
            origin_text=source,
            turn=None if model.id == base.id else _turn(extra, used, base_used),
            half_inferences=None if made is None or used is None else made.over(used).estimate("inferences", source),
            development_share=_shares(made, used),
        )

    def use(self, model: ModelEntry) -> Amount | None:
        """Return what one inference takes, None where nobody knows."""
        joules = self._deployed.get(model.id)
        if joules is None:
            return None
        self._note(joules)
        drawn, rate = joules.drawn_j(self._draws), self._rates.using
        return Amount(joules.value_j * rate.middle, drawn * rate.drawn)

    def development(self, model: ModelEntry) -> Amount | None:
        """Return its recipe's run, those of the families that it builds on, and what the scenario adds."""
        whole: Amount | None = None
        for family_id in self._lineage(model.family):
            one = self._recipe(family_id)
            if one is None:
                return None
            whole = one if whole is None else whole.plus(one)
        more = self._runs(model, data=False)
        return whole if whole is None or more is None else whole.plus(more)

    def _lineage(self, family_id: str) -> list[str]:
        found, waiting = [], [family_id]
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found.append(name)
            family = self._families.get(name)
            waiting += [] if family is None or family.development is None else family.development.reused
        return found

    def _recipe(self, family_id: str) -> Amount | None:
        family = self._families.get(family_id)
        if family is None or family.development is None:
            return None
        joules = making(family_id, family.development)
        self._note(joules)
        rate = self._rates.making
        return Amount(joules.value_j * rate.middle, joules.drawn_j(self._draws) * rate.drawn)

    def _runs(self, model: ModelEntry, *, data: bool) -> Amount | None:
        found: Amount | None = None
        for run in self._scenario.run:
            of_it = run.of == model.id or run.of in self._lineage(model.family)
            if not of_it or (run.what == "data") is not data:
                continue
            one = self._run(run)
            found = one if found is None else found.plus(one)
        return found

    def _run(self, run: Run) -> Amount:
        family = run.of if run.of in self._families else self._catalog_family(run.of)
        if run.runs is not None:
            one = self._recipe(family)
            if one is None:
                raise ConfigurationError(
                    f"run of {run.of!r}: nobody knows what a run of its recipe takes; give energy_j"
                )
            return Amount(run.runs * one.middle, run.runs * one.drawn)
        given, name = run.energy_j, f"{run.what} of {run.of}"
        assert given is not None, "it is one or the other"
        try:
            estimate = (
                Estimate(given.value, given.low, given.high, JOULE, run.source)
                if isinstance(given, Range)
                else exactly(given, JOULE, run.source)
            )
        except ValueError as error:
            raise ConfigurationError(f"run of {run.of!r}: {error}; give low <= value <= high") from error
        self.factors[name] = Factor(
            id=name, name=name, estimate=estimate, scope="as stated in the scenario", source=run.source,
            licence="user's own", vintage="scenario", method=run.source,
        )  # fmt: skip
        rate = self._rates.making
        return Amount(estimate.value * rate.middle, self._draws.of(name, estimate) * rate.drawn)

    def _catalog_family(self, model_id: str) -> str:
        return next(one.family for one in self._catalog.model if one.id == model_id)

    def _extra(
        self, model: ModelEntry, base: ModelEntry, made: Amount | None, base_made: Amount | None
    ) -> Amount | None:
        """Return what its making takes more; of two that one run makes only what the scenario says of either."""
        if made is None or base_made is None:
            return None
        own = any(run.of in (model.id, base.id) for run in self._scenario.run)
        return None if model.family == base.family and not own else made.plus(base_made, -1.0)

    def _note(self, joules: Joules) -> None:
        if joules.watts is not None:
            self.factors[joules.watts.id] = joules.watts
        if joules.kernels:
            self.factors[KERNELS.id] = KERNELS


def lifecycle(
    catalog: Catalog,
    scenario: LifecycleScenario,
    deployed: Mapping[str, Joules],
    rates: Rates,
    draws: Draws,
    *,
    where: str,
    notes: Sequence[str] = (),
) -> Lifecycle:
    """Return the answer. ``where``: on what the joules per inference were found. Raises ConfigurationError."""
    compute = Compute(catalog, scenario, deployed, rates, draws)
    groups = compute.groups()
    return Lifecycle(
        title=scenario.title,
        unit=rates.unit,
        simulated=any(one.origin == "simulated" for one in deployed.values()),
        where=where,
        groups=groups,
        notes=(*notes, *grid_notes(rates)),
        not_counted=NOT_COUNTED,
        factors=tuple(compute.factors.values()),
        seed=draws.seed,
        draws=draws.count,
    )


def _variant(model: ModelEntry, base: ModelEntry) -> str:
    """Return in words what was done to the baseline."""
    family = model.family.removeprefix(f"{base.family}_").replace("_", " ") if model.family != base.family else ""
    number = {"float32": "", "int8": "quantised", "dynamic_range": "weights quantised"}.get(model.precision, "mixed")
    return ", ".join(part for part in (family, number) if part) or ("baseline" if model.id == base.id else "as it is")


def _change(model: ModelEntry, base: ModelEntry) -> float | None:
    return None if model.score is None or base.score is None else model.score.value - base.score.value


def _ratio(one: Amount | None, base: Amount | None) -> Estimate | None:
    if one is None or base is None or base.middle <= 0.0 or np.any(base.drawn <= 0.0):
        return None
    return one.over(base).estimate(RATIO, "both in one world")


def _turn(extra: Amount | None, used: Amount | None, base_used: Amount | None) -> Turn | None:
    if extra is None or used is None or base_used is None:
        return None
    saved = base_used.plus(used, -1.0)
    outcome, inferences = break_even(extra.middle, saved.middle)
    kinds, numbers = break_evens(extra.drawn, saved.drawn)
    same = kinds == OUTCOMES.index(outcome)
    ends = np.percentile(numbers[same], (5.0, 95.0)) if inferences is not None and np.any(same) else None
    return Turn(
        outcome=outcome,
        inferences=inferences,
        low=None if ends is None else float(ends[0]),
        high=None if ends is None else float(ends[1]),
        probability=float(np.mean(same)),
    )


def _shares(made: Amount | None, used: Amount | None) -> dict[str, Estimate]:
    if made is None or used is None:
        return {}
    middle = np.array([made.middle]), np.array([used.middle])
    return {
        f"{count:g}": estimate_of(
            float(development_share(*middle, count)[0]),
            development_share(made.drawn, used.drawn, count),
            RATIO,
            "making over all",
        )
        for count in AT
    }
