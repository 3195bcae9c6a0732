import math
import re
import tracemalloc
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from collector.analysis.comparison.answers import CASE_COLUMNS, Comparison, PairAnswer, View
from collector.analysis.comparison.counts import count_cases, no_counts, tally
from collector.analysis.comparison.grams import edge_and_cloud
from collector.analysis.comparison.problem import Axis, Pair, Problem
from collector.analysis.comparison.rows import case_rows, case_schema
from collector.analysis.comparison.run import answer
from collector.analysis.comparison.sides import pair_terms
from collector.analysis.comparison.sweep import swept
from collector.analysis.comparison.tornado import tornados
from collector.analysis.comparison.world import Drawn, OneDrawn
from collector.carbon.embodied import Part
from collector.carbon.montecarlo import Draws
from collector.carbon.variance import Cell, cause_shares
from tests.fakes.comparison_problem import NAN, column, exact, many_cases, one_pair, problem_of, unit

INVENTORY = View("average", "average")


def answered(pair: Pair, draws: int = 400) -> PairAnswer:
    (one,) = answer(problem_of(pair), seed=1, draws=draws).pairs
    return one


def test_the_same_seed_gives_the_same_answer_and_it_survives_json() -> None:
    problem = problem_of(one_pair())
    first, again, other = (answer(problem, seed=seed, draws=200) for seed in (1, 1, 2))
    assert msgspec.json.encode(first) == msgspec.json.encode(again)
    assert first.pairs[0].views != other.pairs[0].views
    assert msgspec.json.decode(msgspec.json.encode(first), type=Comparison) == first


def test_the_reference_case_is_answered_in_every_respect() -> None:
    one = answered(one_pair())
    assert one.admissible
    assert one.faults == {}
    assert len(one.views) == 4
    assert len(one.break_evens) == 16
    assert len(one.tornados) == len(one.maps) == 4
    assert {curve.question for curve in one.curves} == {"inferences_per_day", "edge_grid"}
    assert one.gaps == ("nothing is left out",)
    for view in one.views:
        assert view.edge.total.unit == ("gCO2e" if view.view.intensity == "average" else "gCO2e (marginal)")
        assert view.edge_minus_cloud.p5 < view.middle_g < view.edge_minus_cloud.p95
    grid = one_pair().edge.grid
    assert grid.average is not None
    assert grid.marginal is not None
    here_g = {"average": grid.average.factors[0].estimate.value, "marginal": grid.marginal.factors[0].estimate.value}
    for curve in one.curves:
        assert len(curve.points) == 41
        by_rate = curve.question == "inferences_per_day"
        assert curve.here == (one_pair().per_day[0] if by_rate else here_g[curve.view.intensity])
    for board in one.maps:
        assert np.shape(board.probability_edge_lower) == (
            len(board.edge_grid_gco2e_per_kwh), len(board.inferences_per_day)
        )  # fmt: skip
        assert board.inferences_per_day[0] == 1.0
        assert board.inferences_per_day[-1] == pytest.approx(86_400.0 / 0.05)


def test_a_point_of_a_curve_and_a_cell_of_a_map_are_that_case_computed_anew() -> None:
    for inferences in (1_000.0, None):
        asked = unit(inferences)
        (one,) = answer(problem_of(one_pair(), asked), seed=1, draws=300).pairs
        for curve in one.curves:
            for point in (curve.points[7], curve.points[30]):
                moved = swept(one_pair(), curve.question, exact(point.value))
                edge, cloud = edge_and_cloud(moved, Drawn(Draws(seed=1, count=300)), inferences)[curve.view]
                assert point.edge.p50 == pytest.approx(float(np.percentile(edge, 50)))
                assert point.cloud.p95 == pytest.approx(float(np.percentile(cloud, 95)))
                assert point.probability_edge_lower == pytest.approx(float(np.mean(edge < cloud)), abs=0.004)
        for board in one.maps:
            for row, column_ in ((0, 0), (3, 20), (14, 24)):
                grid_g, rate = board.edge_grid_gco2e_per_kwh[row], board.inferences_per_day[column_]
                moved = swept(swept(one_pair(), "edge_grid", exact(grid_g)), "inferences_per_day", exact(rate))
                edge, cloud = edge_and_cloud(moved, Drawn(Draws(seed=1, count=300)), inferences)[board.view]
                chance = board.probability_edge_lower[row][column_]
                assert chance == pytest.approx(float(np.mean(edge < cloud)), abs=0.004)


def test_what_stands_beside_the_grams_is_computed_by_hand() -> None:
    one = answered(one_pair(), draws=2_000)
    edge, cloud = one.beside["edge"], one.beside["cloud"]
    edge_j = 0.2 + 2.7 * 0.95 + 40 / 1e9 * 0.0065 * 3.6e6
    assert edge.energy.p50 == pytest.approx(1_000 * edge_j, rel=0.01)
    assert edge.water is not None
    assert edge.water.p50 == pytest.approx(1_000 * 2.0 * edge_j / 3.6e6, rel=0.02)
    assert edge.cost is not None
    bought = 60.0 / (5 * 365 * 86_400) + 40 / 1e9 * 0.09
    assert edge.cost.p50 == pytest.approx(1_000 * (bought + 0.3 * (0.2 + 2.7 * 0.95) / 3.6e6), rel=0.02)
    assert edge.cost.unit == "EUR"
    assert (edge.latency_s, edge.accuracy_ratio) == (0.06, 0.9)
    assert cloud.latency_s == pytest.approx(0.1)
    assert cloud.accuracy_ratio == 0.92


def test_litres_joules_and_money_of_the_table_are_those_at_the_medians() -> None:
    (table,) = case_rows(problem_of(one_pair()), seed=1, draws=50)
    row = table.to_pylist()[0]
    computers_j = (119.0 + 39.0 * (1 / 0.3 - 1)) * 0.005
    elsewhere_j = 0.43 + 32_400 / 1e9 * 0.0065 * 3.6e6
    assert row["cloud_energy_j"] == pytest.approx(1_000 * (1.2 * computers_j + elsewhere_j))
    litres = (computers_j * (0.2 + 1.2 * 2.0) + elsewhere_j * 2.0) / 3.6e6
    assert row["cloud_water_l"] == pytest.approx(1_000 * litres)
    money = 0.5 * 0.005 / 0.3 / 3_600 + 32_400 / 1e9 * 0.09 + 20 / (6 * 365 * 86_400) + 0.3 * 0.43 / 3.6e6
    assert row["cloud_cost"] == pytest.approx(1_000 * money)


def test_what_is_unknown_stands_beside_the_grams_as_unknown() -> None:
    base = one_pair()
    dry = replace(base, cloud=replace(base.cloud, on_site_water=None, price_per_hour=NAN))
    one = answered(replace(dry, edge=replace(dry.edge, grid=replace(dry.edge.grid, water=None), latency_s=NAN)))
    assert one.beside["edge"].water is one.beside["cloud"].water is one.beside["cloud"].cost is None
    assert one.beside["edge"].latency_s is None
    assert one.beside["edge"].cost is not None
    free = answered(replace(base, network=replace(base.network, price_per_gb=NAN)))
    assert free.beside["edge"].cost is free.beside["cloud"].cost is None


@pytest.mark.parametrize(
    ("asked", "side", "words"),
    [
        (unit(accuracy=0.91), "edge", "its accuracy is 0.9, and the unit asks for at least 0.91"),
        (unit(latency_s=0.09), "cloud", "its latency is 0.1 s, and the unit asks for at most 0.09 s"),
    ],
)
def test_a_candidate_that_misses_a_limit_is_shown_and_not_compared(asked: object, side: str, words: str) -> None:
    assert isinstance(asked, type(unit()))
    comparison = answer(problem_of(one_pair(), asked), seed=1, draws=50)
    (one,) = comparison.pairs
    assert not one.admissible
    assert one.faults == {side: (words,)}
    assert one.verdict == f"Not compared, since {side}: {words}."
    assert (one.views, one.curves, one.maps, one.tornados, one.beside) == ((), (), (), (), {})
    assert comparison.case_counts == {**no_counts(), "inadmissible": 4}
    (table,) = case_rows(problem_of(one_pair(), asked), seed=1, draws=50)
    assert table["faults"].to_pylist() == [f"{side}: {words}"] * 4
    assert table["edge_g_p50"].null_count == table["winner"].null_count == table["edge_energy_j"].null_count == 4


def test_an_unknown_quality_does_not_keep_a_limit_and_a_full_day_is_not_too_full() -> None:
    base = one_pair()
    (one,) = answer(
        problem_of(replace(base, edge=replace(base.edge, accuracy_ratio=NAN)), unit(accuracy=0.5)), seed=1, draws=50
    ).pairs
    assert one.faults == {"edge": ("its accuracy is unknown, and the unit asks for at least 0.5; state it",)}
    full, too_full = (replace(base, per_day=exact(rate)) for rate in (86_400 / 0.05, 86_400 / 0.05 + 1))
    assert answered(full, draws=50).admissible
    assert "do not fit into a day of one device" in answered(too_full, draws=50).faults["edge"][0]


def test_a_verdict_that_the_network_model_turns_says_so() -> None:
    base = one_pair()
    far = replace(
        base,
        edge=replace(base.edge, attribution="shared", energy=column("edge.energy", 1.5, "J", 1.02)),
        cloud=replace(base.cloud, time_s=column("cloud.time", 0.001, "s", 1.02)),
        network=replace(
            base.network,
            average=column("network-average", 0.1, "kWh/GB", 1.5),
            marginal=column("network-marginal", 0.0034, "kWh/GB", 1.5),
        ),
        thin_client=None,
    )
    one = answered(far)
    winners = {view.view: view.winner for view in one.views}
    assert winners[INVENTORY] == winners[View("average", "marginal")] == "edge"
    assert winners[View("marginal", "average")] == winners[View("marginal", "marginal")] == "cloud"
    (flip,) = one.flips
    assert flip.startswith("The network model turns the verdict: the edge is ahead with the average network model, ")
    assert flip.endswith("the cloud is ahead with the marginal one, with either kind of grid intensity.")
    assert "the edge is ahead for an inventory (average network model and grid intensities): it emits " in one.verdict
    assert (
        ". The cloud is ahead for a decision (marginal network model and grid intensities): the edge " in one.verdict
    )
    assert one.verdict.endswith(". The answer depends on the network model.")
    assert one.verdict.count("average network model") == 1


def test_a_simulated_meter_is_said_first() -> None:
    base = one_pair()
    comparison = answer(problem_of(replace(base, edge=replace(base.edge, origin="simulated"))), seed=1, draws=50)
    assert comparison.simulated
    assert comparison.pairs[0].verdict.startswith(
        "With joules from a simulated meter: at 86\N{NO-BREAK SPACE}400 inferences a day"
    )


def test_a_field_that_turns_the_verdict_is_named_with_its_values() -> None:
    problem = many_cases(4)
    (one,) = answer(problem, seed=1, draws=200).pairs
    turned = [sentence for sentence in one.flips if "(unit.inferences_per_day)" in sentence]
    assert turned
    words = r"the cloud is ahead with 100; the edge is ahead with 80\s000; it stays open with 8\s618\.$"
    assert re.search(words, turned[0])
    table = next(case_rows(problem, seed=1, draws=200))
    row = table.slice(0, 1).to_pylist()[0]
    assert (row["winner"], row["case"]) == (one.views[0].winner, 0)


def test_a_value_that_no_device_can_do_turns_nothing() -> None:
    base = one_pair()
    pair = replace(base, cases=np.arange(3), per_day=np.array([100.0, 80_000.0, 1e9]))
    axis = Axis("unit.inferences_per_day", (100.0, 80_000.0, 1e9))
    problem = Problem("rates", unit(), 3, (axis,), {axis.name: np.arange(3)}, 0, (pair,), ())
    comparison = answer(problem, seed=1, draws=100)
    assert comparison.case_counts["inadmissible"] == 4
    said = " ".join(comparison.pairs[0].flips)
    assert "80\N{NO-BREAK SPACE}000" in said
    assert "000\N{NO-BREAK SPACE}000" not in said


def test_a_field_that_changes_the_pair_itself_turns_the_verdict_across_pairs() -> None:
    base = one_pair()
    shared = replace(
        base,
        cases=np.array([1]),
        edge=replace(base.edge, attribution="shared", energy=column("edge.energy", 1e-4, "J")),
    )
    dedicated = replace(base, edge=replace(base.edge, energy=column("edge.energy", 1e3, "J")))
    axis = Axis("edge.attribution", ("dedicated", "shared"))
    places = {"edge.attribution": np.array([0, 1])}
    problem = Problem("both", unit(), 2, (axis,), places, 0, (dedicated, shared), ())
    comparison = answer(problem, seed=1, draws=100)
    assert len(comparison.pairs) == 1
    assert any(
        sentence.startswith("The attribution of the edge (edge.attribution) turns the verdict ")
        and "the edge is ahead with shared" in sentence
        for sentence in comparison.pairs[0].flips
    )
    tables = list(case_rows(problem, seed=1, draws=100))
    assert [table["edge.attribution"][0].as_py() for table in tables] == ["dedicated", "shared"]
    assert tables[1]["edge_idle_g_p50"].null_count == tables[1].num_rows


def test_a_row_of_the_table_is_the_detailed_answer() -> None:
    problem = problem_of(one_pair())
    comparison = answer(problem, seed=5, draws=300)
    (table,) = case_rows(problem, seed=5, draws=300)
    assert table.schema == case_schema(problem)
    for view, row in zip(comparison.pairs[0].views, table.to_pylist(), strict=True):
        assert (row["network_model"], row["intensity_kind"]) == (view.view.network, view.view.intensity)
        for name, side in (("edge", view.edge), ("cloud", view.cloud)):
            for end in ("p5", "p50", "p95"):
                assert row[f"{name}_g_{end}"] == pytest.approx(getattr(side.total, end))
                for cause, spread in side.causes.items():
                    assert row[f"{name}_{cause}_g_{end}"] == pytest.approx(getattr(spread, end))
        assert row["difference_g_p50"] == pytest.approx(view.edge_minus_cloud.p50)
        assert (row["probability_edge_lower"], row["winner"]) == (view.probability_edge_lower, view.winner)
        for one in comparison.pairs[0].break_evens:
            if one.view == view.view:
                assert row[f"break_even_{one.question}"] == pytest.approx(one.value)
                assert row[f"break_even_{one.question}_outcome"] == one.outcome
        assert row["edge_latency_s"] == 0.06
    left_out = set(CASE_COLUMNS) - set(table.schema.names)
    assert {name.rpartition("_g_")[0] for name in left_out} == {
        "edge_overhead", "edge_client_energy", "edge_client_hardware"
    }  # fmt: skip


def test_chunks_do_not_change_a_figure() -> None:
    problem = many_cases(3)
    (whole,) = case_rows(problem, seed=2, draws=64)
    of_seven = 8 * 10 * 64 * 7
    steps: list[tuple[int, int]] = []
    parts = list(
        case_rows(
            problem,
            seed=2,
            draws=64,
            memory_bytes=of_seven,
            progress=lambda done, to_do: steps.append((done, to_do)),
        )
    )
    assert len(parts) == math.ceil(81 / 7)
    assert steps[-1] == (81, 81)
    joined = pa.concat_tables(parts).combine_chunks()
    for name in whole.schema.names:
        ours, theirs = joined[name].to_pylist(), whole[name].to_pylist()
        assert ours == (pytest.approx(theirs) if isinstance(theirs[0], float) else theirs), name
    counts = no_counts()
    tally(counts, joined)
    assert counts == count_cases(problem, Draws(seed=2, count=64))
    assert sum(counts.values()) == 81 * 4


def test_more_cases_do_not_take_more_memory() -> None:
    peaks: list[int] = []
    for steps in (2, 2, 3):  # what is loaded on first use is in the first peak
        problem = many_cases(steps)
        tracemalloc.start()
        tables = case_rows(problem, seed=1, draws=2_000, memory_bytes=2_000_000)
        rows = sum(table.num_rows for table in tables)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert rows == 4 * steps**4
    assert peaks[2] < 1.2 * peaks[1]
    assert peaks[2] < 5e6


def cells(pair: Pair, view: View) -> list[Cell]:
    """Return edge minus cloud as cells, a product with one factor less 1 being two of them."""
    made: dict[tuple[str, ...], tuple[float, Cell]] = {}

    def add(coefficient: float, factors: tuple[Part, ...] | tuple[object, ...]) -> None:
        key = tuple(sorted(one.id for one in factors))  # type: ignore[attr-defined]
        pairs = tuple((one.id, one.estimate) for one in factors)  # type: ignore[attr-defined]
        before = made[key][0] if key in made else 0.0
        made[key] = (before + coefficient, Cell(before + coefficient, pairs))

    terms = pair_terms(pair, 1.0)
    for sign, side in ((1.0, terms.edge), (-1.0, terms.cloud)):
        for of_cause in terms.all_grams(side, view).values():
            for term in of_cause:
                for product in term.products:
                    expanded: list[tuple[float, tuple[object, ...]]] = [(sign * float(term.coefficient[0]), ())]
                    for link in product:
                        if hasattr(link.column, "bills"):
                            options = [(part.multiplier, part.factors) for part in link.column.bills[0]]
                        else:
                            options = [(1.0, link.column.factors)]
                        if link.less_one:
                            options.append((-1.0, ()))
                        expanded = [(c * m, (*had, *more)) for c, had in expanded for m, more in options]
                    for coefficient, factors in expanded:
                        add(coefficient, factors)
    return [cell for coefficient, cell in made.values() if abs(coefficient) > 0.0]


def test_the_shares_of_the_variance_are_those_of_the_carbon_account() -> None:
    draws = Draws(seed=8, count=20_000)
    pair = one_pair()
    found = {one.view: one for one in tornados(pair, 1.0, draws)}
    for view in (INVENTORY, View("marginal", "marginal")):
        mine = {swing.factor_id: swing.variance_ratio for swing in found[view].swings}
        peer = {share.cause: share.share_ratio for share in cause_shares(cells(pair, view), 0.0, draws)}
        assert set(mine) == set(peer)
        assert 0.8 < sum(mine.values()) < 1.05
        for cause, share in peer.items():  # the peer also deals out what causes do only together
            assert mine[cause] == pytest.approx(share, abs=0.05)


def test_the_mean_given_one_cause_has_the_mean_of_all_worlds() -> None:
    draws = Draws(seed=8, count=20_000)
    pair = one_pair()
    for view, (edge, cloud) in edge_and_cloud(pair, Drawn(draws)).items():
        for cause in ("network-average", "cloud.time", "silicon"):
            of_edge, of_cloud = edge_and_cloud(pair, OneDrawn(draws, cause))[view]
            assert np.mean(of_edge) == pytest.approx(np.mean(edge), rel=0.003)
            assert np.mean(of_cloud) == pytest.approx(np.mean(cloud), rel=0.01)


def test_a_tornado_moves_one_factor_at_a_time() -> None:
    (tornado, *_) = answered(one_pair()).tornados
    widths = [abs(swing.at_high_g - swing.at_low_g) for swing in tornado.swings]
    assert widths == sorted(widths, reverse=True)
    assert "network-marginal" not in {swing.factor_id for swing in tornado.swings}
    idle = next(swing for swing in tornado.swings if swing.factor_id == "edge.idle_power")
    step_g = 1_000 * 2.7 * 0.1 * 0.95 * 342.0 / 3.6e6
    assert idle.at_high_g - tornado.middle_g == pytest.approx(step_g)
    assert all(swing.turns == ((swing.at_low_g < 0) != (swing.at_high_g < 0)) for swing in tornado.swings)


def test_without_a_thin_client_the_answer_says_what_is_not_counted() -> None:
    with_client = answer(problem_of(one_pair()), seed=1, draws=50)
    without = answer(problem_of(replace(one_pair(), thin_client=None)), seed=1, draws=50)
    assert len(without.not_counted) == len(with_client.not_counted) + 1
    assert "client_energy" not in without.pairs[0].views[0].cloud.causes
