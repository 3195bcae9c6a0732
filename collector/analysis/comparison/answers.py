"""What a comparison says. Grams are of CO2e per functional unit; None is unknown, never zero.

A view is a network model and a kind of grid intensity. Averages of both are an inventory; marginals of both ask what
a decision changes. Grams of the two kinds of intensity are never added.
"""

from typing import Final, Literal

import msgspec

from collector.analysis.comparison.problem import Origin
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import Percentiles
from collector.carbon.operational import IntensityKind

NetworkModel = Literal["average", "marginal"]
Winner = Literal["edge", "cloud", "open"]
"""``open``: neither is lower in 95 of 100 drawn worlds."""
Cause = Literal["work", "idle", "overhead", "network", "hardware", "client_energy", "client_hardware"]
CAUSES: Final[tuple[Cause, ...]] = (
    "work", "idle", "overhead", "network", "hardware", "client_energy", "client_hardware",
)  # fmt: skip
"""``work``: joules of inferring; ``idle``: of waiting, where it is charged apart; ``overhead``: of the data centre's
building; ``hardware``: its making; ``client_...``: the thin client that remains at the edge in the cloud case."""
Question = Literal["inferences_per_day", "edge_grid", "edge_lifetime", "cloud_utilisation"]
Outcome = Literal["edge_above", "edge_below", "edge_always", "edge_never", "not_asked"]


class View(msgspec.Struct, frozen=True, order=True):
    """Which network model and which kind of intensity."""

    network: NetworkModel
    intensity: IntensityKind


class SideGrams(msgspec.Struct, frozen=True, kw_only=True):
    """One side in one view: the whole, and its parts, which sum to it in every world."""

    total: Percentiles
    causes: dict[Cause, Percentiles]


class ViewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Who emits less in one view. ``middle_g``: edge minus cloud with every factor at its median."""

    view: View
    edge: SideGrams
    cloud: SideGrams
    edge_minus_cloud: Percentiles
    middle_g: float
    probability_edge_lower: float
    winner: Winner


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
    """Where both sides are alike. ``value`` at the medians, None unless the outcome is edge_above or edge_below.

    ``low``, ``high``: P5 and P95 of the drawn worlds that have one, None where fewer than 5 % have.
    ``probability_exists``: of the worlds that have one. ``feasible``: whether it can be reached (a rate that the
    device can do, a utilisation up to 1). ``why``: for not_asked, the reason.
    """

    question: Question
    view: View
    outcome: Outcome
    value: float | None
    low: float | None
    high: float | None
    unit: str
    probability_exists: float
    feasible: bool | None
    why: str = ""


class FactorSwing(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of a tornado: edge minus cloud, g per unit, with this factor at its low and high, the rest at medians.

    ``turns``: whether the sign changes in between. ``variance_ratio``: its first-order share of the difference's
    variance.
    """

    factor_id: str
    name: str
    at_low_g: float
    at_high_g: float
    turns: bool
    variance_ratio: float


class Tornado(msgspec.Struct, frozen=True, kw_only=True):
    """The factors that decide, largest swing first. ``middle_g``: with all at their medians."""

    view: View
    middle_g: float
    swings: tuple[FactorSwing, ...]


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside the grams of one side, per functional unit.

    ``energy``: J, all of it, at the plugs; ``water``: litres; ``cost``: of the scenario's currency; ``latency_s``:
    from input to answer; ``accuracy_ratio``. None: unknown.
    """

    energy: Percentiles
    water: Percentiles | None
    cost: Percentiles | None
    latency_s: float | None
    accuracy_ratio: float | None


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Both sides at one value of a swept quantity, g per unit."""

    value: float
    edge: Percentiles
    cloud: Percentiles
    probability_edge_lower: float


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep of one quantity, the rest as in the reference case. ``here``: what the quantity is in that case."""

    question: Question
    unit: str
    view: View
    here: float
    points: tuple[CurvePoint, ...]


class VerdictMap(msgspec.Struct, frozen=True, kw_only=True):
    """Probability that the edge is lower: a row for each intensity of the edge's grid, a column for each rate."""

    view: View
    inferences_per_day: tuple[float, ...]
    edge_grid_gco2e_per_kwh: tuple[float, ...]
    probability_edge_lower: tuple[tuple[float, ...], ...]


class PairAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One edge candidate against one cloud candidate in the reference case.

    ``faults``: why a side is inadmissible, by side; then ``admissible`` is False and nothing is compared: views and
    what follows are empty. ``verdict``: who is ahead, in some sentences. ``flips``: one for each choice that turns it.
    """

    edge: str
    cloud: str
    edge_origin: Origin
    cloud_origin: Origin
    edge_origin_text: str
    cloud_origin_text: str
    admissible: bool
    faults: dict[Literal["edge", "cloud"], tuple[str, ...]]
    verdict: str
    flips: tuple[str, ...] = ()
    views: tuple[ViewAnswer, ...] = ()
    break_evens: tuple[BreakEven, ...] = ()
    tornados: tuple[Tornado, ...] = ()
    beside: dict[Literal["edge", "cloud"], Beside] = {}
    curves: tuple[Curve, ...] = ()
    maps: tuple[VerdictMap, ...] = ()
    gaps: tuple[str, ...] = ()


class AxisAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A field that varies over the cases, and what the reference case has."""

    name: str
    values: tuple[str | float | int | bool, ...]
    reference: str | float | int | bool


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, and all that is needed to argue with it. The rows of all cases stand in a table beside it.

    ``case_counts``: over cases, pairs and views: how many are won by edge, by cloud, open, or inadmissible.
    """

    title: str
    functional_unit: str
    inferences_per_day: float
    unit_inferences: float
    simulated: bool
    views: tuple[View, ...]
    pairs: tuple[PairAnswer, ...]
    axes: tuple[AxisAnswer, ...]
    case_count: int
    case_counts: dict[str, int]
    currency: str
    seed: int
    draws: int
    notes: tuple[str, ...]
    not_counted: tuple[str, ...]
    factors: tuple[Factor, ...]


CASE_COLUMNS: Final = (
    "case", "edge", "cloud", "network_model", "intensity_kind", "admissible", "faults",
    "edge_g_p5", "edge_g_p50", "edge_g_p95", "cloud_g_p5", "cloud_g_p50", "cloud_g_p95",
    "difference_g_p5", "difference_g_p50", "difference_g_p95", "probability_edge_lower", "winner",
    *(f"{side}_{cause}_g_{end}" for side in ("edge", "cloud") for cause in CAUSES for end in ("p5", "p50", "p95")),
    *(f"break_even_{what}{end}" for what in ("inferences_per_day", "edge_grid", "edge_lifetime", "cloud_utilisation")
      for end in ("", "_outcome")),
    *(f"{side}_{what}" for side in ("edge", "cloud") for what in ("energy_j", "water_l", "cost", "latency_s")),
)  # fmt: skip
"""Of the table of cases: one row for each case, pair and view, after a column for each axis (its path as name).
Columns of what a side never has are left out. ``energy_j`` to ``latency_s``: at the medians, null unknown."""
