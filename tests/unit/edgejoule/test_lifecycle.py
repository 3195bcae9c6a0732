"""Making against using, over the real catalogue and over numbers that can be checked by hand."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.factors import Factor
from collector.carbon.montecarlo import Draws
from collector.carbon.pareto import drawn_score, on_front, step_costs
from collector.carbon.phases import OUTCOMES, break_even, break_evens, development_share
from collector.intensity.yearly_table import load_yearly_table
from edge_agent.model_catalog import models_dir
from edge_agent.wire.errors import ConfigurationError
from edgejoule.compute_ledger.values import Energy, Ledger, Row, Tally
from edgejoule.frontier.compute import frontier
from edgejoule.frontier.values import Front
from edgejoule.lifecycle.asked import Found
from edgejoule.lifecycle.compute import Rates, lifecycle, rates_of
from edgejoule.lifecycle.joules import KERNELS, Joules, deployments
from edgejoule.lifecycle.report import count_text, rows_of, turn_words
from edgejoule.lifecycle.scenario import LifecycleScenario, Run
from edgejoule.lifecycle.values import Lifecycle, Phases
from edgejoule.zoo.catalog_file import read_catalog
from edgejoule.zoo.entry import ModelEntry
from edgejoule.zoo.latency import read_latencies

CATALOG = read_catalog(models_dir())
LATENCIES = read_latencies(models_dir())
AMOUNTS = st.floats(-1e6, 1e6)


def draws_of() -> Draws:
    return Draws(seed=3, count=400)


def in_joules(draws: Draws) -> Rates:
    return rates_of(draws, None, 1.0, None)


def answered(*runs: Run, rates: Rates | None = None, **changes: str) -> Lifecycle:
    draws = draws_of()
    scenario = LifecycleScenario(task="clothes", run=runs, **changes)  # type: ignore[arg-type]
    deployed = deployments(CATALOG.model, LATENCIES, None)
    return lifecycle(CATALOG, scenario, deployed, rates or in_joules(draws), draws, where="here")


def phases(found: Lifecycle, model_id: str) -> Phases:
    return next(one for group in found.groups for one in group.models if one.model_id == model_id)


def family_j(name: str) -> float:
    made = next(one for one in CATALOG.family if one.id == name).development
    assert made is not None
    return made.development_energy_j


def model(model_id: str) -> ModelEntry:
    return next(one for one in CATALOG.model if one.id == model_id)


def test_a_distilled_model_carries_its_teacher_and_is_worth_it_from_a_number_on() -> None:
    found = answered()
    base, student = phases(found, "resnet8_float32"), phases(found, "resnet8_distilled_int8")
    assert found.groups[0].baseline == base.model_id
    assert student.development is not None
    assert student.development.value == pytest.approx(family_j("resnet8") + family_j("resnet8_distilled"))
    assert base.per_inference is not None
    assert student.per_inference is not None
    saved_j = base.per_inference.value - student.per_inference.value
    assert student.turn is not None
    assert student.turn.outcome == "from"
    assert student.turn.inferences == pytest.approx(family_j("resnet8_distilled") / saved_j)
    assert student.half_inferences is not None
    assert student.half_inferences.value == pytest.approx(student.development.value / student.per_inference.value)
    assert student.score_change == pytest.approx(0.9026 - 0.9172)


def test_the_watts_of_one_processor_cancel_in_a_ratio_and_those_of_each_models_kernels_do_not() -> None:
    found = answered()
    one = phases(found, "resnet8_distilled_int8")
    assert one.per_inference is not None
    assert one.per_inference.high > 1.3 * one.per_inference.value
    assert one.development_ratio is not None
    assert one.development_ratio.high == pytest.approx(one.development_ratio.low)
    assert one.deployment_ratio is not None
    low, value, high = (one.deployment_ratio.low, one.deployment_ratio.value, one.deployment_ratio.high)
    for ratio in (high / value, value / low):  # of two files, each 0.8 to 1.25 times: 1.25 to the square root of two
        assert ratio == pytest.approx(1.25**2**0.5, rel=0.08)
    assert one.origin == "modelled"
    assert KERNELS.id in {factor.id for factor in found.factors}


def test_two_files_that_take_nearly_the_same_time_are_not_told_apart() -> None:
    """Pruning weights one by one leaves the kernels as they are: two per cent of latency prove nothing."""
    turn = phases(answered(), "resnet8_pruned_weights_float32").turn
    assert turn is not None
    assert turn.probability < 0.8
    assert "of worlds" in turn_words(turn)


def test_of_two_that_one_run_makes_the_own_part_is_unknown_until_it_is_said() -> None:
    assert phases(answered(), "resnet8_int8").turn is None
    said = Run(of="resnet8_int8", what="quantisation", energy_j=100.0, source="x")
    one = phases(answered(said), "resnet8_int8")
    assert one.extra is not None
    assert one.extra.value == pytest.approx(100.0)
    assert one.turn is not None
    assert one.turn.outcome == "from"
    assert turn_words(phases(answered(), "resnet8_int8").turn) == "own part unknown"


def test_a_search_counts_for_all_that_builds_on_it_and_data_stand_apart() -> None:
    search = Run(of="resnet8", what="search", runs=20.0, source="x")
    data = Run(of="resnet8", what="data", energy_j=5.0, source="x")
    found = answered(search, data)
    for name, own in (("resnet8_float32", 0.0), ("resnet8_distilled_int8", family_j("resnet8_distilled"))):
        one = phases(found, name)
        assert one.development is not None
        assert one.development.value == pytest.approx(21.0 * family_j("resnet8") + own)
        assert one.data is not None
        assert one.data.value == pytest.approx(5.0)
    assert {"data of resnet8"} <= {factor.id for factor in found.factors}


def test_grams_weigh_making_and_using_by_their_own_grids() -> None:
    draws = draws_of()
    table = load_yearly_table()

    def zone(name: str) -> Factor:
        known = table.yearly(name)
        assert known is not None
        return known.factor

    ireland, germany = zone("IE"), zone("DE")
    found = answered(rates=rates_of(draws, ireland, 1.5, germany))
    one = phases(found, "resnet8_float32")
    assert found.unit == "gCO2e"
    assert one.development is not None
    assert one.development.value == pytest.approx(family_j("resnet8") * 1.5 * ireland.estimate.value / 3.6e6)
    joules = phases(answered(), "resnet8_float32").per_inference
    assert joules is not None
    assert one.per_inference is not None
    assert one.per_inference.value == pytest.approx(joules.value * germany.estimate.value / 3.6e6)
    assert {ireland.id, germany.id} <= {factor.id for factor in found.factors}
    assert any("marginal" in note for note in found.notes)
    assert not any("marginal" in note for note in answered().notes)
    with pytest.raises(ConfigurationError, match="development_zone and deployment_zone"):
        rates_of(draws, ireland, 1.0, None)


def test_faults_name_what_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match="no such family or model"):
        answered(Run(of="resnet9", what="search", runs=1.0, source="x"))
    with pytest.raises(ConfigurationError, match="one of the two"):
        answered(Run(of="resnet8", what="search", source="x"))
    with pytest.raises(ConfigurationError, match="baseline 'x'"):
        answered(baseline="x")
    assert len(rows_of(answered())) == len(answered().groups[0].models)


def test_benches_go_before_the_model_and_their_shared_error_cancels() -> None:
    chosen = [model("resnet8_float32"), model("resnet8_int8")]

    def row(one: ModelEntry, value_j: float) -> Row:
        energy = Energy(value_j=value_j, u_j=0.1 * value_j, own_u_j=0.0, shared_j={"gain": 0.1 * value_j})
        return Row(
            model_id=one.id, model_sha256=one.sha256, family=one.family, precision=one.precision, runtime="litert",
            runtime_version="2", delegate="none", threads=1, macs=None, parameters=None, size_bytes=None,
            latency_p50_s=None, gross=energy, net=None, rejected=False, bench_ids=["b"],
        )  # fmt: skip

    tally = Tally(
        read=2, used=2, rejected=0, without_result=0, unreadable=0, other_device=0, simulated_aside=0, measured_aside=0
    )
    ledger = Ledger(
        device_id="pi", device_classes=[], boundary="usb_dc", simulated=True, meters=[], groups=[], inversions=[],
        rows=[row(chosen[0], 4e-3), row(chosen[1], 1e-3), row(chosen[1], 2e-3)], comparable_pairs=0, spreads=[],
        tally=tally, notes=[], seed=0, draws=100,
    )  # fmt: skip
    found = deployments(CATALOG.model, LATENCIES, ledger)
    assert set(found) == {"resnet8_float32", "resnet8_int8"}
    one, other = (found[entry.id] for entry in chosen)
    assert (one.origin, other.value_j) == ("simulated", 1e-3)
    draws = draws_of()
    assert np.allclose(one.drawn_j(draws) / other.drawn_j(draws), 4.0)
    assert deployments(CATALOG.model, LATENCIES, ledger, net=True) == {}


def front_of(costs: dict[str, float]) -> Front:
    deployed = {name: Joules(value, "measured", "x") for name, value in costs.items()}
    draws = draws_of()
    found = frontier(Found(CATALOG, deployed, "here", ()), "clothes", in_joules(draws), draws, None)
    (front,) = found.fronts
    return front


def test_the_frontier_of_three_models() -> None:
    front = front_of({"resnet8_int8": 10e-3, "resnet8_distilled_int8": 1e-3, "resnet8_pruned_channels_int8": 2e-3})
    stands = {one.model_id: one.standing for one in front.points}
    assert stands == {
        "resnet8_int8": "on",
        "resnet8_distilled_int8": "on",
        "resnet8_pruned_channels_int8": "perhaps" if front.points[1].probability_on_front > 0.05 else "beaten",
    }
    (step,) = front.steps
    assert (step.first, step.second) == ("resnet8_distilled_int8", "resnet8_int8")
    assert step.cost_per_point == pytest.approx(9e-3 / (100 * (0.9176 - 0.9026)))
    words = front.last_half.replace("\N{NO-BREAK SPACE}", " ")
    assert words.startswith("90 % of what an inference of resnet8_int8 takes goes into its last 1.5 points")
    assert words.endswith("of the drawn worlds it does score lower.")
    assert "resnet8_float32" in front.left_out


def test_scores_that_lie_within_their_intervals_leave_the_front_open() -> None:
    front = front_of({"resnet8_int8": 1e-3, "resnet8_float32": 2e-3})
    by_id = {one.model_id: one for one in front.points}
    assert by_id["resnet8_int8"].standing == "on"
    assert by_id["resnet8_float32"].standing == "perhaps"
    assert 0.3 < by_id["resnet8_float32"].probability_on_front < 0.6


def test_making_spread_over_inferences_is_part_of_the_cost() -> None:
    draws = draws_of()
    deployed = {"resnet8_int8": Joules(1e-3, "measured", "x")}
    found = frontier(Found(CATALOG, deployed, "here", ()), "clothes", in_joules(draws), draws, 1e6)
    (point,) = found.fronts[0].points
    assert point.cost.value == pytest.approx(1e-3 + family_j("resnet8") / 1e6)


@given(extra=AMOUNTS, saved=AMOUNTS)
def test_break_even_in_words_and_in_arrays_says_the_same(extra: float, saved: float) -> None:
    outcome, inferences = break_even(extra, saved)
    kinds, numbers = break_evens(np.array([extra]), np.array([saved]))
    assert OUTCOMES[int(kinds[0])] == outcome
    if inferences is None:
        assert np.isnan(numbers[0])
        for count in (0.0, 1e3, 1e15):  # the sign of what is left tells always from never
            left = count * saved - extra
            assert left >= 0.0 if outcome == "always" else left <= 0.0
    else:
        assert inferences == numbers[0] >= 0.0
        if abs(saved) > 1e-200:
            assert inferences * saved == pytest.approx(extra)


@given(made=st.floats(0.0, 1e9), used=st.floats(1e-9, 1e3), count=st.floats(0.0, 1e12))
def test_shares_of_the_phases_sum_to_one_and_fall(made: float, used: float, count: float) -> None:
    share = float(development_share(np.array([made]), np.array([used]), count + 1.0)[0])
    assert 0.0 <= share <= 1.0
    assert share * (made + (count + 1.0) * used) == pytest.approx(made)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8))
def test_the_front_is_what_nobody_beats(models: list[tuple[int, int]]) -> None:
    scores, costs = (np.array([[float(one[k])] for one in models]) for k in (0, 1))
    expected = [
        not any((a >= score and b <= cost) and (a, b) != (score, cost) for a, b in models) for score, cost in models
    ]
    assert on_front(scores, costs)[:, 0].tolist() == expected
    assert any(expected)


@given(st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3).map(sorted))
def test_a_drawn_score_has_its_interval_back_and_stays_a_score(ends: list[float]) -> None:
    low, value, high = ends
    z = np.array([-1.959963984540054, 0.0, 1.959963984540054, -9.0, 9.0])
    drawn = drawn_score(value, low, high, z)
    assert drawn[:3] == pytest.approx([low, value, high], abs=2e-6)
    assert ((drawn >= 0.0) & (drawn <= 1.0)).all()


def test_a_step_without_a_higher_score_has_no_price() -> None:
    each = step_costs(np.array([[0.9, 0.9], [0.92, 0.89]]), np.array([[1.0, 1.0], [5.0, 5.0]]))
    assert each[0] == pytest.approx(2.0)
    assert np.isnan(each[1])
    with pytest.raises(ValueError, match="low <= value <= high"):
        drawn_score(0.5, 0.6, 0.7, np.zeros(1))


@pytest.mark.parametrize(
    ("number", "words"),
    [(12.0, "12"), (840_000.0, "840,000"), (6.96e6, "6.96 million"), (1e9, "1.00 billion"), (2e17, "200000 trillion")],
)
def test_numbers_of_inferences_are_said_as_people_do(number: float, words: str) -> None:
    assert count_text(number).replace("\N{NO-BREAK SPACE}", " ") == words


def test_structs_become_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(answered()))["unit"] == "J"
