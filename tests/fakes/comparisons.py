"""Comparisons with figures of a small model of their own, for whoever shows them."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from collector.analysis.comparison.answers import (
    AxisAnswer,
    Beside,
    BreakEven,
    Cause,
    Comparison,
    Curve,
    CurvePoint,
    FactorSwing,
    NetworkModel,
    PairAnswer,
    Question,
    SideGrams,
    Tornado,
    VerdictMap,
    View,
    ViewAnswer,
    Winner,
)
from collector.carbon.estimate import F64, Estimate
from collector.carbon.factors import Factor
from collector.carbon.montecarlo import Draws, Percentiles, percentiles
from collector.carbon.operational import INTENSITY_KINDS

NETWORKS: Final[tuple[NetworkModel, ...]] = ("average", "marginal")
VIEWS: Final = tuple(View(network, kind) for network in NETWORKS for kind in INTENSITY_KINDS)
RATE: Final = 86_400.0
SCENARIO: Final = 'title = "Keyword spotting <&> friends"\n[unit]\ninferences = 1\n'
_DRAWS: Final = Draws(seed=7, count=400)
_KWH_PER_GB: Final = {"average": 0.06, "marginal": 0.00011}
_INTENSITY: Final = {"average": 342.0, "marginal": 650.0}


def _drawn(cause: str, middle: float, spread: float) -> F64:
    return _DRAWS.of(cause, Estimate(middle, middle / spread, middle * spread, "1", "made up"))


def _grams(draws: F64) -> Percentiles:
    return percentiles(draws, "gCO2e")


def sides(view: View, rate: float = RATE, grid: float | None = None) -> tuple[dict[Cause, F64], dict[Cause, F64]]:
    """Return each side's grams per inference by cause, in every world."""
    intensity = _drawn("grid", _INTENSITY[view.intensity] if grid is None else grid, 1.1) / 3.6e6
    abroad = _drawn("cloud-grid", 0.8 * _INTENSITY[view.intensity], 1.15) / 3.6e6
    edge: dict[Cause, F64] = {
        "work": 0.2 * intensity,
        "idle": 2.7 * _drawn("idle", 1.0, 1.2) * (86_400.0 / rate - 0.05) * intensity,
        "hardware": _drawn("board", 27_000.0, 1.8) / (5 * 365 * rate),
    }
    work = _drawn("t4", 0.55, 1.5) * abroad
    cloud: dict[Cause, F64] = {
        "work": work,
        "idle": 0.6 * work,
        "overhead": 0.2 * work,
        "network": _drawn(f"network-{view.network}", _KWH_PER_GB[view.network], 2.5) * 3.24e-5 * abroad * 3.6e6,
        "hardware": _drawn("host", 1e-6, 2.0),
        "client_energy": 1.4 * (86_400.0 / rate) * intensity,
        "client_hardware": _drawn("client", 9_000.0, 2.0) / (5 * 365 * rate),
    }
    return edge, cloud


def _total(causes: dict[Cause, F64]) -> F64:
    return np.asarray(np.sum(list(causes.values()), axis=0), dtype=np.float64)


def _side(causes: dict[Cause, F64]) -> SideGrams:
    return SideGrams(total=_grams(_total(causes)), causes={name: _grams(draws) for name, draws in causes.items()})


def _winner(probability: float) -> Winner:
    if probability >= 0.95:
        return "edge"
    return "cloud" if probability <= 0.05 else "open"


def _chance(view: View, rate: float = RATE, grid: float | None = None) -> float:
    edge, cloud = sides(view, rate, grid)
    return float(np.mean(_total(edge) < _total(cloud)))


def make_view(view: View) -> ViewAnswer:
    """Return who is lower in one view."""
    edge, cloud = sides(view)
    difference = _total(edge) - _total(cloud)
    probability = float(np.mean(difference < 0.0))
    return ViewAnswer(
        view=view,
        edge=_side(edge),
        cloud=_side(cloud),
        edge_minus_cloud=_grams(difference),
        middle_g=float(np.median(difference)),
        probability_edge_lower=probability,
        winner=_winner(probability),
    )


def make_curve(view: View, question: Question = "inferences_per_day") -> Curve:
    """Return a sweep of the rate, or of the edge's grid."""
    rates = question == "inferences_per_day"
    points = []
    for value in np.geomspace(1.0, 1.7e6, 21) if rates else np.linspace(0.0, 1000.0, 11):
        edge, cloud = sides(view, float(value)) if rates else sides(view, grid=float(value))
        points.append(
            CurvePoint(
                value=float(value),
                edge=_grams(_total(edge)),
                cloud=_grams(_total(cloud)),
                probability_edge_lower=float(np.mean(_total(edge) < _total(cloud))),
            )
        )
    return Curve(
        question=question, unit="1/day" if rates else "gCO2e/kWh", view=view,
        here=RATE if rates else _INTENSITY[view.intensity], points=tuple(points),
    )  # fmt: skip


def make_break_evens(view: View) -> tuple[BreakEven, ...]:
    """Return one of each kind of answer."""
    always = view.network == "average"
    return (
        BreakEven(
            question="inferences_per_day", view=view, outcome="edge_above", value=123_456.0, low=45_000.0,
            high=400_000.0, unit="1/day", probability_exists=0.97, feasible=True,
        ),
        BreakEven(
            question="edge_grid", view=view, outcome="edge_below", value=187.0, low=60.0, high=310.0,
            unit="gCO2e/kWh", probability_exists=1.0, feasible=True,
        ),
        BreakEven(
            question="edge_lifetime", view=view, outcome="edge_never", value=None, low=None, high=None,
            unit="years", probability_exists=0.0, feasible=None,
        ),
        BreakEven(
            question="cloud_utilisation", view=view, outcome="edge_always" if always else "not_asked", value=None,
            low=None, high=None, unit="ratio", probability_exists=0.02 if always else 0.0, feasible=None,
            why="" if always else "waiting is in the energy of the server already",
        ),
    )  # fmt: skip


def make_tornado(view: View) -> Tornado:
    """Return three factors; the first turns the answer."""
    middle = make_view(view).middle_g
    swings = tuple(
        FactorSwing(
            factor_id=f"factor-{name}", name=f"{name}, with a rather long name that tells what it is about",
            at_low_g=middle - size * abs(middle), at_high_g=middle + 1.3 * size * abs(middle),
            turns=size > 1.0, variance_ratio=share,
        )
        for name, size, share in (("Board", 1.4, 0.7), ("Network", 0.5, 0.2), ("Grid <&>", 0.1, 0.004))
    )  # fmt: skip
    return Tornado(view=view, middle_g=middle, swings=swings)


def make_map(view: View) -> VerdictMap:
    """Return a map of nine rates and seven intensities."""
    rates, grids = np.geomspace(100.0, 1.7e6, 9), np.geomspace(10.0, 1000.0, 7)
    return VerdictMap(
        view=view,
        inferences_per_day=tuple(map(float, rates)),
        edge_grid_gco2e_per_kwh=tuple(map(float, grids)),
        probability_edge_lower=tuple(tuple(_chance(view, float(x), float(y)) for x in rates) for y in grids),
    )


def make_pair(edge: str = "Raspberry Pi 4", cloud: str = "T4 in Ireland", views: Sequence[View] = VIEWS) -> PairAnswer:
    """Return an admissible pair with everything that an answer can have."""
    answers = tuple(make_view(view) for view in views)
    energy = Percentiles(p5=0.18, p50=0.2, p95=0.23, unit="J")
    return PairAnswer(
        edge=edge,
        cloud=cloud,
        edge_origin="simulated",
        cloud_origin="modelled",
        edge_origin_text="bench record pi4.json, 12 windows behind a TC66C",
        cloud_origin_text="power of the accelerator times its busy seconds",
        admissible=True,
        faults={},
        verdict="At 86,400 inferences a day the answer depends on the network model.",
        flips=("network model: average says edge, marginal says cloud <&>",),
        views=answers,
        break_evens=tuple(one for view in views for one in make_break_evens(view)),
        tornados=tuple(make_tornado(view) for view in views),
        beside={
            "edge": Beside(energy=energy, water=None, cost=energy, latency_s=0.05, accuracy_ratio=0.93),
            "cloud": Beside(
                energy=energy, water=Percentiles(p5=1e-6, p50=2e-6, p95=5e-6, unit="L"),
                cost=Percentiles(p5=1e-7, p50=2.5e-7, p95=4e-7, unit="EUR"), latency_s=None, accuracy_ratio=0.93,
            ),
        },
        curves=tuple(make_curve(view, question) for question in ("inferences_per_day", "edge_grid") for view in views),
        maps=tuple(make_map(view) for view in views),
        gaps=("no marginal intensity is known for the network's grid",),
    )  # fmt: skip


def make_inadmissible() -> PairAnswer:
    """Return a pair whose cloud is too slow."""
    return PairAnswer(
        edge="Raspberry Pi 4",
        cloud="T4 in Iowa",
        edge_origin="measured",
        cloud_origin="stated",
        edge_origin_text="bench record",
        cloud_origin_text="the author's word",
        admissible=False,
        faults={"cloud": ("latency of 0.9 s, at most 0.5 s is asked for",)},
        verdict="T4 in Iowa is inadmissible.",
    )


FACTOR: Final = Factor(
    id="grid-deu",
    name="Germany <&>",
    estimate=Estimate(342.0, 310.0, 380.0, "gCO2e/kWh", "Ember 2024"),
    scope="all generation",
    source="Ember, yearly electricity data, 2024",
    licence="CC-BY-4.0",
    vintage="2024",
    method="published mean; range: spread of four tables",
    label="screening estimate, not a product footprint",
)


def make_comparison(
    pairs: Sequence[PairAnswer] | None = None, *, simulated: bool = True, axes: Sequence[AxisAnswer] = ()
) -> Comparison:
    """Return a comparison of one pair, or of those given."""
    cases = int(np.prod([len(axis.values) for axis in axes])) if axes else 1
    return Comparison(
        title="Keyword spotting",
        functional_unit="one keyword decision on one second of audio, at 90 % accuracy, within 500 ms",
        inferences_per_day=RATE,
        unit_inferences=1.0,
        simulated=simulated,
        views=VIEWS,
        pairs=(make_pair(),) if pairs is None else tuple(pairs),
        axes=tuple(axes),
        case_count=cases,
        case_counts={"edge": cases, "cloud": 2 * cases, "open": cases, "inadmissible": 0},
        currency="EUR",
        seed=7,
        draws=400,
        notes=("yearly mean intensities",),
        not_counted=("the training of the model",),
        factors=(FACTOR,),
    )


def make_cases(axes: Sequence[AxisAnswer], views: Sequence[View] = VIEWS) -> pa.Table:
    """Return rows of one pair for every combination of the axes; by turns edge, cloud, open and inadmissible."""
    values = np.array(np.meshgrid(*(range(len(axis.values)) for axis in axes), indexing="ij")).reshape(len(axes), -1)
    rows = []
    for case in range(values.shape[1]):
        for view in views:
            winner = (*("edge", "cloud", "open"), None)[case % 4]
            grams = {
                f"{side}_g_{end}": 1e-4 * (case + 1) for side in ("edge", "cloud") for end in ("p5", "p50", "p95")
            }
            rows.append(
                {axis.name: axis.values[values[place, case]] for place, axis in enumerate(axes)}
                | {
                    "case": case, "edge": "Raspberry Pi 4", "cloud": "T4 in Ireland", "network_model": view.network,
                    "intensity_kind": view.intensity, "admissible": winner is not None, "winner": winner,
                    "faults": "cloud: latency of 0.9 s, at most 0.5 s is asked for" if winner is None else "",
                    "probability_edge_lower": None if winner is None else 0.5,
                }
                | (grams if winner else dict.fromkeys(grams))
            )  # fmt: skip
    return pa.Table.from_pylist(rows)
