"""From cells to figures: grams with their range, for one group or for everything."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np

from collector.assessment.beside import Beside, BesideModels, Where
from collector.assessment.cells import COLUMNS, Cell, CellKey, total_of
from collector.assessment.hardware import Hardware
from collector.assessment.query import QUALITY_COLUMNS
from collector.assessment.values import Grams, GroupFigures, Options
from collector.carbon.embodied import Part
from collector.carbon.estimate import F64, Estimate, Range, exactly
from collector.carbon.linear_model import GramModel
from collector.carbon.montecarlo import DEFAULT_SEED, Draws
from collector.carbon.operational import CarbonIntensity
from collector.carbon.sci import SciDeclaration, SciScore, sci_score
from collector.carbon.units import J_PER_KWH, JOULE
from collector.data.tables import IMPACTS, shipped_factors
from collector.fleet.sums import Uncertain

_SLIGHT: Final = 1e-9
"""A part of the energy that is smaller is the rounding of sums, and not unknown."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures need to know of one device. ``cause``: whose error its intensity has; "" without a zone.

    ``board``: the name of its hardware in the inventory.
    """

    hardware: Hardware
    board: str = ""
    site: str = ""
    zone: str = ""
    cause: str = ""
    yearly: CarbonIntensity | None = None


class Models:
    """The sums by cause behind all figures: as assessed, with yearly intensities, and what is left over of lives.

    ``observed``: all inferences of each model.
    """

    def __init__(self, options: Options, observed: Mapping[str, float]) -> None:
        worlds = Draws(seed=DEFAULT_SEED, count=options.draws)
        factors = (*options.impact_factors, *shipped_factors(IMPACTS))
        self.beside = BesideModels(factors, options.developments, observed, worlds)
        self.assessed, self.yearly, self.residue = (GramModel(draws=worlds) for _ in range(3))


class Group:
    """The cells of one name, gathered."""

    def __init__(self) -> None:
        self.devices: set[str] = set()
        self.unknown_hardware: set[str] = set()
        self.energy = Uncertain()
        self._rows: list[F64] = []
        self._operational: dict[tuple[str, str], F64] = defaultdict(lambda: np.zeros(len(COLUMNS)))
        self._yearly: dict[tuple[str, str], F64] = defaultdict(lambda: np.zeros(len(COLUMNS)))
        self._years: dict[str, CarbonIntensity] = {}
        self._has_unknown_year = False
        self._shares: dict[int, tuple[tuple[Part, ...], float, float]] = {}
        self._knows_service = False
        self._beside = Beside()

    def add(self, key: CellKey, cell: Cell, place: Place) -> None:
        """Add one cell of a device at its place."""
        self.devices.add(key.device_id)
        self._rows.append(cell.sums)
        zone = place.zone if place.yearly is None else place.yearly.factor.id
        self._beside.add(key, cell, place.hardware, Where(zone, place.site, place.board))
        energy_j = cell["energy_j"]
        self.energy.add(key.systematic_id, energy_j, cell["energy_u_systematic_j"], cell["energy_u_independent_j2"])
        self._operational[place.cause, key.systematic_id] += cell.sums
        if place.yearly is None:
            self._has_unknown_year = True
        else:
            self._years[place.yearly.factor.id] = place.yearly
            self._yearly[place.yearly.factor.id, key.systematic_id] += cell.sums
        plan = place.hardware.plan
        if plan is None:
            self.unknown_hardware.add(key.device_id)
            return
        parts, due, left = self._shares.get(place.hardware.kind, (place.hardware.parts, 0.0, 0.0))
        self._shares[place.hardware.kind] = parts, due + cell["charged_ratio"], left + cell["residue_ratio"]
        self._knows_service |= plan.in_service_since_unix_s is not None

    def figures(self, group: str, name: str, models: Models, declaration: SciDeclaration) -> GroupFigures:
        """Return what the group used, did and emitted. ``group``: its name in ``models``, ``name``: for readers."""
        sums = total_of(self._rows)
        self._fill(models, group)
        known = _grams(models.assessed, group)
        missing = self._missing_ratio(sums)
        has_operational = missing <= _SLIGHT
        has_all = has_operational and not self.unknown_hardware
        grams = Grams(
            operational=known.operational if has_operational else None,
            embodied=None if self.unknown_hardware else known.embodied,
            total=known.total if has_all else None,
        )
        covered_s = sums["duration_s"] - sums["gap_s"]
        coverage = covered_s / sums["duration_s"] if sums["duration_s"] > 0.0 else None
        count = round(sums["inference_count"])
        per_inference = (
            Grams() if count <= 0 or not coverage else self._per_inference(models, group, grams, count, coverage)
        )
        return GroupFigures(
            name=name,
            devices=len(self.devices),
            windows=round(sums["windows"]),
            simulated_windows=round(sums["simulated_windows"]),
            duration_s=sums["duration_s"],
            gap_s=sums["gap_s"],
            coverage_ratio=coverage,
            energy_j=sums["energy_j"],
            energy_u_j=self.energy.u_j,
            energy_u_systematic_j=self.energy.u_systematic_j,
            inference_count=count,
            j_per_inference=sums["energy_j"] / coverage / count if coverage and count else None,
            grams=grams,
            grams_of_known=known,
            unknown_operational_ratio=missing if missing > _SLIGHT else 0.0,
            unknown_embodied_devices=len(self.unknown_hardware),
            yearly_operational_gco2e=None if self._has_unknown_year else models.yearly.estimate(group),
            intensity_ratio=_qualities(sums, missing),
            per_inference=per_inference,
            per_1000=_times_1000(per_inference),
            embodied_share_ratio=models.assessed.share(group, "embodied") if has_all else None,
            sci=_sci(per_inference, sums["energy_j"] / coverage if coverage else 0.0, count, declaration),
            impacts=self._beside.impacts(group, models.beside),
            development_gco2e=self._beside.development(group, models.beside),
            variance_shares=models.assessed.variance_shares(group, "operational", "embodied") if has_all else (),
            beyond_lifetime_s=sums["beyond_lifetime_s"] if self._knows_service else None,
            before_service_s=sums["before_service_s"],
            after_retirement_s=sums["after_retirement_s"],
            residue_gco2e=models.residue.estimate(group),
        )

    def _per_inference(self, models: Models, group: str, grams: Grams, count: int, coverage_ratio: float) -> Grams:
        """Return grams for one inference, the operational ones at the mean power of covered time."""
        both = _scaled(grams.total, 1.0 / count)
        if grams.total is not None and coverage_ratio < 1.0:
            # One side grows, so the sum is drawn anew: what both sides share stays in its range.
            grown = f"{group}, at the mean power of covered time"
            self._fill_assessed(models.assessed, grown, 1.0 / coverage_ratio)
            both = models.assessed.estimate(grown, "operational", "embodied", per=count)
        return Grams(
            operational=_scaled(grams.operational, 1.0 / count / coverage_ratio),
            embodied=_scaled(grams.embodied, 1.0 / count),
            total=both,
        )

    def _missing_ratio(self, sums: Cell) -> float:
        """Return which part of the energy has no intensity, 0..1."""
        energy_j = sums["energy_j"]
        known_j = sum(sums[f"{name}_j"] for name in QUALITY_COLUMNS)
        if energy_j <= 0.0:
            return 1.0 if any(not cause for cause, _ in self._operational) else 0.0
        return min(max(1.0 - known_j / energy_j, 0.0), 1.0)

    def _fill(self, models: Models, group: str) -> None:
        self._fill_assessed(models.assessed, group)
        for (name, systematic_id), row in self._yearly.items():
            cell, factor = Cell(row), self._years[name].factor
            value, low, high = (end / J_PER_KWH for end in factor.estimate.range)
            models.yearly.add_energy(
                group,
                _in_order(*(cell["energy_j"] * end for end in (value, low, high))),
                cause=name,
                systematic_id=systematic_id,
                u_systematic=cell["energy_u_systematic_j"] * value,
                variance=cell["energy_u_independent_j2"] * value**2,
            )
        for parts, _, left in self._shares.values():
            if left:
                models.residue.add_parts(group, parts, left)

    def _fill_assessed(self, model: GramModel, group: str, uncovered_ratio: float = 1.0) -> None:
        """Add both sides; ``uncovered_ratio``: by which the operational one grows for time without samples."""
        for (cause, systematic_id), row in self._operational.items():
            cell = Cell(row)
            idle = cell["windows"] > 0.0 and cell["energy_j"] == 0.0
            if cause and (idle or any(cell[f"{name}_j"] for name in QUALITY_COLUMNS)):
                ends = (cell[name] * uncovered_ratio for name in ("gco2e", "gco2e_low", "gco2e_high"))
                model.add_energy(
                    group,
                    _in_order(*ends),
                    cause=cause,
                    systematic_id=systematic_id,
                    u_systematic=cell["gco2e_u_systematic"] * uncovered_ratio,
                    variance=cell["gco2e_u_independent2"] * uncovered_ratio**2,
                )
        for parts, due, _ in self._shares.values():
            model.add_parts(group, parts, due)


def _in_order(value: float, low: float, high: float) -> Range:
    """Return a range whose ends rounding, or a negative energy, may have put on the wrong side."""
    return value, min(low, value, high), max(low, value, high)


def _grams(model: GramModel, group: str) -> Grams:
    return Grams(
        operational=model.estimate(group, "operational"),
        embodied=model.estimate(group, "embodied"),
        total=model.estimate(group, "operational", "embodied"),
    )


def _times_1000(grams: Grams) -> Grams:
    return Grams(
        operational=_scaled(grams.operational, 1000.0),
        embodied=_scaled(grams.embodied, 1000.0),
        total=_scaled(grams.total, 1000.0),
    )


def _scaled(estimate: Estimate | None, factor: float) -> Estimate | None:
    return None if estimate is None else estimate.scaled(factor)


def _qualities(sums: Cell, missing_ratio: float) -> dict[str, float]:
    energy_j = sums["energy_j"]
    known = {name: sums[f"{name}_j"] / energy_j if energy_j > 0.0 else 0.0 for name in QUALITY_COLUMNS}
    return known | {"unknown": missing_ratio if missing_ratio > _SLIGHT else 0.0}


def _sci(per_inference: Grams, energy_j: float, count: int, declaration: SciDeclaration) -> SciScore | None:
    """Return the score of all inferences, time without samples at the mean power of covered time."""
    operational, embodied, total = (
        _scaled(one, count) for one in (per_inference.operational, per_inference.embodied, per_inference.total)
    )
    if operational is None or embodied is None:
        return None
    energy = exactly(energy_j, JOULE, "metered")
    return sci_score(operational, embodied, float(count), declaration, total=total, energy=energy)
