"""What a refresh comes to. Grams are of CO2e; None is unknown, or never where the field says so."""

import msgspec

from collector.analysis.refresh.problem import Origin
from collector.carbon.amortisation import Policy, Residue
from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import Percentiles
from collector.carbon.operational import IntensityKind


class Payback(msgspec.Struct, frozen=True, kw_only=True):
    """After how many years new hardware has saved what its making emits. None: never.

    ``years``: with every factor at its median; ``low``, ``high``: P5 and P95 of all drawn worlds, in which never comes
    last. ``probability_ever``, ``probability_within_life``: of the worlds that pay it back at all, and before the new
    device's own life ends.
    """

    years: float | None
    low: float | None
    high: float | None
    probability_ever: float
    probability_within_life: float


class WaitRow(msgspec.Struct, frozen=True, kw_only=True):
    """The old devices stay ``wait_years`` more. ``total_g``: emitted from now to the horizon, ``middle_g`` at medians.

    ``more_than_best_g``: against the best row. ``probability_best``: of the worlds in which no other row is lower.
    ``residue_g``: what is left over of the old devices' mass at that time; ``account_g``: ``middle_g`` with what the
    policies charge of the old mass between now and the horizon. Both None where that mass is unknown.
    """

    wait_years: int
    replaced: bool
    middle_g: float
    total_g: Percentiles
    more_than_best_g: Percentiles
    probability_best: float
    residue_g: float | None
    account_g: float | None


class CycleRow(msgspec.Struct, frozen=True, kw_only=True):
    """Every device serves ``cycle_years``, from now on. ``g_per_year``: on average to the horizon, and at medians.

    ``probability_best``: of the worlds in which no other cycle takes less.
    """

    cycle_years: int
    middle_g_per_year: float
    g_per_year: Percentiles
    probability_best: float


class Joint(msgspec.Struct, frozen=True, kw_only=True):
    """The moment and the cycle with the least grams at the medians, if both may be chosen."""

    wait_years: int
    cycle_years: int
    middle_g: float


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """What is emitted until this year when all stays, and when all is replaced now and its whole mass counts."""

    year: int
    keep_g: Percentiles
    replace_g: Percentiles


class GridAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer on one grid. ``intensity``: of this year; ``last_year_gco2e_per_kwh``: of the horizon's last one."""

    name: str
    kind: IntensityKind
    intensity: Estimate
    last_year_gco2e_per_kwh: float
    payback: Payback
    rows: tuple[WaitRow, ...]
    best_wait_years: int
    verdict: str
    cycles: tuple[CycleRow, ...]
    best_cycle_years: int
    joint: Joint
    curve: tuple[CurvePoint, ...]


class SideAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One side: how many devices, the power of one of them in W, the making of one in kgCO2e (None: unknown)."""

    name: str
    devices: int
    power: Estimate
    origin: Origin
    origin_text: str
    embodied: Estimate | None
    lifetime_years: float


class RefreshAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer, and all that is needed to argue with it."""

    title: str
    work: str
    inferences_per_day: float | None
    horizon_years: int
    simulated: bool
    old: SideAnswer
    new: SideAnswer
    age_years: float
    policy: Policy
    residue: Residue
    grids: tuple[GridAnswer, ...]
    notes: tuple[str, ...]
    not_counted: tuple[str, ...]
    factors: tuple[Factor, ...]
    seed: int
    draws: int
