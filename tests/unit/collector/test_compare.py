import math
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.analysis.compare import BreakEven, Comparison, break_even_per_day, compare
from collector.analysis.footprint import NetworkModel, World, cloud_footprint, edge_footprint
from collector.analysis.resolve import MeasuredEdge, Resolved, resolve
from collector.analysis.scenario import Scenario, parse_scenario, read_scenario
from collector.carbon.estimate import Estimate
from collector.carbon.montecarlo import Draws, estimate_of, percentiles
from collector.intensity.yearly_table import load_yearly_table
from edge_agent.wire.errors import ConfigurationError

EXAMPLE = Path(__file__).parents[3] / "examples" / "compare-keyword-spotting.toml"
TABLE = load_yearly_table()

# 50 kB image: a T4 for 5 ms at 70 W behind a PUE of 1.15, or a Raspberry Pi at 4 W for 50 ms.
WORKED = """
title = "worked example"
functional_unit = "one image of 50 kB classified"
[edge]
grid = "DE"
embodied_kgco2e = 9.3
lifetime_years = 5.0
inferences_per_day = 86400
attribution = "shared"
j_per_inference = 0.2
time_per_inference_s = 0.05
[cloud]
grid = "DE"
pue = 1.15
time_per_inference_s = 0.005
utilisation_ratio = 1.0
idle_power_w = 8
max_power_w = 70
embodied_kgco2e = 0.0
lifetime_years = 4.0
[network]
access = "fixed"
payload_up_bytes = 50000
payload_down_bytes = 0
"""


def changed(*changes: tuple[str, str], text: str = WORKED) -> Scenario:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_scenario(text)


def resolved(*changes: tuple[str, str]) -> Resolved:
    return resolve(changed(*changes), TABLE)


def kwh_per_inference(grams: float) -> float:
    return grams / 342.06


@pytest.mark.parametrize(
    ("access", "average_kwh", "marginal_kwh"), [("fixed", 3.3e-7, 5.6e-9), ("mobile", 5.0e-6, 1.7e-7)]
)
def test_worked_example_of_the_network(access: str, average_kwh: float, marginal_kwh: float) -> None:
    made = resolved(('"fixed"', f'"{access}"'))
    edge, cloud = edge_footprint(made, World(None)), cloud_footprint(made, World(None))
    assert kwh_per_inference(float(cloud.operational_g[0])) == pytest.approx(1.12e-7, rel=0.01)
    assert kwh_per_inference(float(edge.operational_g[0])) == pytest.approx(5.6e-8, rel=0.01)
    assert kwh_per_inference(float(cloud.network_g["average"][0])) == pytest.approx(average_kwh, rel=0.02)
    assert kwh_per_inference(float(cloud.network_g["marginal"][0])) == pytest.approx(marginal_kwh, rel=0.02)


def test_the_network_model_can_turn_the_verdict() -> None:
    comparison = compare(resolved(("embodied_kgco2e = 9.3", "embodied_kgco2e = 4.0"), ("= 0.2\n", "= 0.6\n")))
    average, marginal = comparison.differences
    assert (average.network_model, marginal.network_model) == ("average", "marginal")
    assert average.edge_minus_cloud.p50 < 0.0 < marginal.edge_minus_cloud.p50
    assert "depends on the network model" in comparison.verdict


def test_the_same_seed_gives_the_same_figures_and_another_seed_does_not() -> None:
    scenario = resolve(read_scenario(EXAMPLE), TABLE)
    first, again, other = (compare(scenario, seed=seed, draws=500) for seed in (1, 1, 2))
    assert msgspec.json.encode(first) == msgspec.json.encode(again)
    assert first.differences != other.differences


def test_monte_carlo_median_agrees_with_the_analytic_value() -> None:
    made = resolved(
        ("j_per_inference = 0.2", "j_per_inference = 0.2\nj_per_inference_u = 0.01"),
        ("pue = 1.15", 'pue = {value = 1.2, low = 1.0, high = 1.44, source = "symmetric in the logarithm"}'),
        (
            'grid = "DE"',
            'grid = {name = "own", kind = "average", value = 300, low = 200, high = 450, source = "log-symmetric"}',
        ),
    )
    drawn, median = World(Draws(seed=5, count=200_000)), World(None)
    for side in (edge_footprint, cloud_footprint):
        grams, middle = side(made, drawn).operational_g, float(side(made, median).operational_g[0])
        assert np.percentile(grams, 50) == pytest.approx(middle, rel=0.01)


def test_one_grid_moves_both_sides_together() -> None:
    wide = 'grid = {name = "own", kind = "average", value = 300, low = 30, high = 3000, source = "wide"}'
    apart = ('[cloud]\ngrid = "DE"', "[cloud]\n" + wide.replace('"own"', '"other"'))
    shared = compare(
        resolved(('[edge]\ngrid = "DE"', f"[edge]\n{wide}"), ('[cloud]\ngrid = "DE"', f"[cloud]\n{wide}"))
    )
    separate = compare(resolved(('[edge]\ngrid = "DE"', f"[edge]\n{wide}"), apart))

    def width(comparison: Comparison) -> float:
        spread = comparison.differences[1].edge_minus_cloud
        return spread.p95 - spread.p5

    assert width(shared) < 0.8 * width(separate)


def test_average_and_marginal_grids_are_not_compared() -> None:
    own = 'grid = {name = "m", kind = "marginal", value = 650, low = 500, high = 800, source = "own"}'
    with pytest.raises(ConfigurationError, match="mixes average and marginal"):
        resolved(('[cloud]\ngrid = "DE"', f"[cloud]\n{own}"))
    comparison = compare(resolved(('grid = "DE"', own)), draws=200)
    assert comparison.intensity_kind == "marginal"
    assert comparison.edge.operational.unit == "gCO2e (marginal)"


def test_a_dedicated_device_is_charged_its_whole_day() -> None:
    made = resolved(('"shared"', '"dedicated"\nidle_power_w = 2.0'), ("= 86400", "= 1000"))
    edge = edge_footprint(made, World(None))
    per_day_j = 1000 * 0.2 + 2.0 * (86400 - 1000 * 0.05)
    assert float(edge.energy_j[0]) * 1000 == pytest.approx(per_day_j)
    assert float(edge.embodied_g[0]) * 1000 * 365 * 5 == pytest.approx(9300.0)
    whole = float(edge.fixed_g_per_day[0] + 1000 * edge.per_inference_g[0])
    assert whole == pytest.approx(1000 * float(edge.operational_g[0] + edge.embodied_g[0]))


def test_waiting_is_charged_to_the_inferences_that_a_server_does() -> None:
    busy, half = (cloud_footprint(resolved(("= 1.0\n", f"= {u}\n")), World(None)) for u in (1.0, 0.5))
    assert float(busy.energy_j[0]) == pytest.approx(70 * 0.005 * 1.15)
    assert float(half.energy_j[0]) == pytest.approx((8 + 0.5 * 62) * 0.005 / 0.5 * 1.15)


@given(st.floats(min_value=1.0, max_value=1e6), st.sampled_from(["average", "marginal"]))
def test_at_the_break_even_both_sides_emit_the_same(idle_scale: float, model: NetworkModel) -> None:
    made = resolved(
        ('"shared"', f'"dedicated"\nidle_power_w = {idle_scale * 1e-6}'),
        ("embodied_kgco2e = 0.0", "embodied_kgco2e = 3000"),
    )
    edge, cloud = edge_footprint(made, World(None)), cloud_footprint(made, World(None))
    (number,) = break_even_per_day(edge, cloud, model)
    if np.isfinite(number):
        of_edge = edge.fixed_g_per_day[0] + number * (edge.per_inference_g[0] + edge.network_g[model][0])
        of_cloud = number * (cloud.per_inference_g[0] + cloud.network_g[model][0])
        assert of_edge == pytest.approx(of_cloud)
    else:
        assert cloud.per_inference_g[0] + cloud.network_g[model][0] <= edge.per_inference_g[0]


def break_even_of(comparison: Comparison) -> BreakEven:
    return comparison.break_even[1]


def test_a_break_even_that_does_not_exist_is_a_sign() -> None:
    never = break_even_of(compare(resolved(("= 0.2\n", "= 200\n")), draws=300))
    assert (never.outcome, never.inferences_per_day, never.probability_exists) == ("edge_never_lower", None, 0.0)
    assert never.low is None
    assert never.high is None
    always = break_even_of(compare(resolved(("= 0.2\n", "= 0.001\n"), ("= 9.3", "= 0.0")), draws=300))
    assert (always.outcome, always.inferences_per_day) == ("edge_always_lower", None)
    some = break_even_of(
        compare(resolved(('"shared"', '"dedicated"\nidle_power_w = 1.0'), ("= 0.0\n", "= 3000\n")), draws=300)
    )
    assert some.outcome == "edge_lower_above"
    assert some.inferences_per_day is not None
    assert some.feasible == (some.inferences_per_day * 0.05 <= 86400)


def test_measured_figures_go_before_stated_ones() -> None:
    measured = MeasuredEdge(
        device_id="pi4-01", j_per_inference=0.01, j_per_inference_u=0.0001, time_per_inference_s=0.0024,
        idle_power_w=2.9, simulated=True,
    )  # fmt: skip
    made = resolve(read_scenario(EXAMPLE), TABLE, measured)
    comparison = compare(made, draws=300)
    assert made.edge.energy.source == "measured by pi4-01"
    assert made.edge.idle_power is not None
    assert made.edge.idle_power.estimate.value == 2.9
    assert comparison.simulated
    assert comparison.verdict.startswith("With joules from a simulated meter")


def test_the_example_answers_in_one_sentence_with_sources() -> None:
    comparison = compare(resolve(read_scenario(EXAMPLE), TABLE))
    assert comparison.verdict.count(". ") == 0
    assert comparison.verdict.endswith(".")
    assert "90 % range" in comparison.verdict
    assert {"DEU", "IRL", "pue-aws", "logic-silicon", "dram", "network-average-fixed"} <= {
        factor.id for factor in comparison.factors
    }
    assert all(factor.source and factor.licence and factor.vintage for factor in comparison.factors)
    assert comparison.not_counted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('grid = "DE"', 'grid = "DX"'), "edge.grid: no intensity for zone 'DX'"),
        (("pue = 1.15", 'pue = "pue-awz"'), "cloud.pue: unknown 'pue-awz'; near names: pue-aws"),
        (("pue = 1.15", 'pue = "t4-max"'), "cloud.pue: 't4-max' is in W, and ratio is needed here"),
        (("pue = 1.15", "pue = -1"), "cloud.pue: -1 is negative"),
        (("pue = 1.15", 'pue = {value=1, low=2, high=3, source="x"}'), "cloud.pue: an estimate needs low <= value"),
        (("pue = 1.15", "pue = 0.8"), "cloud.pue: 0.8 is below 1"),
        (("pue = 1.15", "pue = nan"), "cloud.pue: nan is not a usable number"),
        (("idle_power_w = 8", "idle_power_w = inf"), "cloud.idle_power_w: inf is not a usable number"),
        (("= 0.2", "= 0.2\nj_per_inference_u = -0.1"), "Expected `float` >= 0.0 in `edge.j_per_inference_u`"),
        (("max_power_w = 70\n", ""), "cloud: give either j_per_inference, or both idle_power_w and max_power_w"),
        (("idle_power_w = 8", "idle_power_w = 8\nj_per_inference = 1"), "cloud: give either j_per_inference"),
        (('"shared"', '"dedicated"'), "edge.idle_power_w is unknown"),
        (("= 86400", "= 1e7"), "do not fit into a day of one device"),
        (("j_per_inference = 0.2\n", ""), "edge: j_per_inference and time_per_inference_s are needed"),
        (("embodied_kgco2e = 9.3\n", ""), "edge: name its hardware"),
    ],
)
def test_faults_in_a_scenario_are_one_clear_line(change: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolved(change)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.data())
def test_no_number_in_a_scenario_is_a_crash(data: st.DataObject) -> None:
    lines = [line for line in WORKED.splitlines() if re.search(r"= [0-9.]+$", line)]
    line = data.draw(st.sampled_from(lines))
    number = data.draw(st.sampled_from(["inf", "-inf", "nan", "-1", "0", "1e-300", "1e-12", "1e15", "1e300"]))
    fault, total_g = "", 0.0
    try:
        comparison = compare(resolved((line, f"{line.partition('=')[0]}= {number}")), draws=100)
        total_g = comparison.edge.total_average.value + comparison.cloud.total_average.value
    except ConfigurationError as error:
        fault = str(error)
    assert "\n" not in fault
    assert math.isfinite(total_g)


def test_unknown_keys_are_refused_with_their_path() -> None:
    with pytest.raises(ConfigurationError, match="unknown key `pu` in `cloud`"):
        changed(("pue = 1.15", "pu = 1.15"))


def test_draws_depend_on_the_cause_not_on_the_order() -> None:
    first, second = Draws(seed=3, count=100), Draws(seed=3, count=100)
    first.normal("a")
    assert np.array_equal(first.normal("b"), second.normal("b"))
    assert not np.array_equal(first.normal("a"), first.normal("b"))
    with pytest.raises(ValueError, match="at least one"):
        Draws(seed=3, count=0)


def test_draws_reproduce_the_percentiles_of_their_estimate() -> None:
    drawn = Draws(seed=11, count=200_000).of("x", Estimate(9.3, 2.3, 25.6, "kg", "t"))
    spread = percentiles(drawn, "kg")
    assert (spread.p5, spread.p50, spread.p95) == pytest.approx((2.3, 9.3, 25.6), rel=0.02)
    assert estimate_of(9.3, drawn, "kg", "t").value == 9.3
