import math
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.analysis.comparison.answers import View
from collector.analysis.comparison.grams import view_grams
from collector.analysis.comparison.problem import Column, Life, Pair
from collector.analysis.comparison.sides import charged_per_s, pair_terms, pair_views
from collector.analysis.comparison.sweep import at_row, swept
from collector.analysis.comparison.terms import Evaluator
from collector.analysis.comparison.world import Drawn, Medians
from collector.carbon.amortisation import LifePlan, charge
from collector.carbon.estimate import Estimate
from collector.carbon.montecarlo import Draws
from collector.carbon.units import S_PER_YEAR
from tests.fakes.comparison_problem import column, exact, factor, many_cases, one_pair, thin_client

DAY_S = 86_400.0
INVENTORY = View("average", "average")


def medians(pair: Pair, view: View = INVENTORY, inferences: float | None = 1.0) -> dict[str, dict[str, float]]:
    """Return grams by side and cause at the medians, and their sum as "total"."""
    for grams in view_grams(pair_terms(pair, inferences), Evaluator(Medians())):
        if grams.view == view:
            return {
                side: {
                    **{cause: float(ends[1, 0]) for cause, ends in grams.causes[side].items()},
                    "total": float(grams.totals[side][0, 0]),
                }
                for side in ("edge", "cloud")
            }
    raise AssertionError(view)


def value(of: Any) -> float:
    return float(of.factors[0].estimate.value)


def by_hand(pair: Pair, network_kwh_per_gb: float, edge_g: float, cloud_g: float) -> dict[str, dict[str, float]]:
    """Return the same in plain Python, for one inference of a dedicated device beside a server of known powers."""
    edge, cloud, net, client = pair.edge, pair.cloud, pair.network, pair.thin_client
    assert client is not None
    day_s = DAY_S / float(pair.per_day[0])
    board_kg, host_kg, camera_kg = 10.0, 1_300.0, 3.0  # 0.3 m + 2 * 0.35 m
    time_s, load = value(cloud.time_s), float(cloud.utilisation_ratio[0])
    work_j = (value(cloud.max_power) + value(cloud.other_power)) * time_s
    idle_j = (value(cloud.idle_power) + value(cloud.other_power)) * time_s * (1.0 - load) / load
    kwh = 3.6e6
    edge_causes = {
        "work": value(edge.energy) * edge_g / kwh,
        "idle": value(edge.idle_power) * (day_s - float(edge.time_s[0])) * edge_g / kwh,
        "network": float(edge.sent_bytes[0]) / 1e9 * network_kwh_per_gb * edge_g,
        "hardware": board_kg * 1e3 * day_s / (5 * 365 * DAY_S),
    }
    moved_bytes = float(net.sent_bytes[0] + net.received_bytes[0])
    cloud_causes = {
        "work": work_j * cloud_g / kwh,
        "idle": idle_j * cloud_g / kwh,
        "overhead": (work_j + idle_j) * (value(cloud.pue) - 1.0) * cloud_g / kwh,
        "network": moved_bytes / 1e9 * network_kwh_per_gb * edge_g,
        "hardware": host_kg * 1e3 * 0.125 * (time_s / load) / (4 * 365 * DAY_S),
        "client_energy": (0.4 * day_s + 0.03) * edge_g / kwh,
        "client_hardware": camera_kg * 1e3 * day_s / (6 * 365 * DAY_S),
    }
    return {
        "edge": {**edge_causes, "total": math.fsum(edge_causes.values())},
        "cloud": {**cloud_causes, "total": math.fsum(cloud_causes.values())},
    }


@pytest.mark.parametrize(
    ("view", "figures"),
    [
        (View("average", "average"), (0.0065, 342.0, 280.0)),
        (View("marginal", "average"), (0.00011, 342.0, 280.0)),
        (View("average", "marginal"), (0.0065, 650.0, 450.0)),
        (View("marginal", "marginal"), (0.00011, 650.0, 450.0)),
    ],
)
def test_plain_arithmetic_gives_the_same_at_the_medians(view: View, figures: tuple[float, float, float]) -> None:
    made, expected = medians(one_pair(), view), by_hand(one_pair(), *figures)
    for side in ("edge", "cloud"):
        assert made[side] == pytest.approx(expected[side], rel=1e-12)


# facts: 50 kB to a T4 for 5 ms at 70 W behind a PUE of 1.15, or a Raspberry Pi at 4 W for 50 ms
@pytest.mark.parametrize(("model", "kwh"), [("average", 3.25e-7), ("marginal", 5.5e-9)])
def test_the_worked_example_of_an_image(model: Any, kwh: float) -> None:
    base = one_pair()
    pair = replace(
        base,
        edge=replace(base.edge, attribution="shared"),
        cloud=replace(
            base.cloud,
            max_power=column("p", 70.0, "W"),
            other_power=None,
            utilisation_ratio=exact(1.0),
            pue=column("pue", 1.15, "ratio"),
            grid=base.edge.grid,
        ),
        network=replace(base.network, sent_bytes=exact(50_000.0), received_bytes=exact(0.0)),
        thin_client=None,
    )
    made = medians(pair, View(model, "average"))
    assert (made["cloud"]["work"] + made["cloud"]["overhead"]) / 342.0 == pytest.approx(1.12e-7, rel=0.01)
    assert made["edge"]["work"] / 342.0 == pytest.approx(5.6e-8, rel=0.01)
    assert made["cloud"]["network"] / 342.0 == pytest.approx(kwh)
    assert made["cloud"]["idle"] == 0.0


def test_a_stated_energy_holds_the_waiting_but_not_what_its_counter_does_not_see() -> None:
    base = one_pair()
    stated = replace(base.cloud, energy=column("cloud.energy", 0.4, "J"), idle_power=None)
    cloud = medians(replace(base, cloud=stated))["cloud"]
    waits_s = 0.005 * (1.0 / 0.3 - 1.0)
    assert cloud["work"] == pytest.approx((0.4 + 9.0 * 0.005) * 280.0 / 3.6e6)
    assert cloud["idle"] == pytest.approx(9.0 * waits_s * 280.0 / 3.6e6)
    without = medians(replace(base, cloud=replace(stated, other_power=None)))["cloud"]
    assert "idle" not in without
    assert without["work"] == pytest.approx(0.4 * 280.0 / 3.6e6)


def test_a_shared_device_is_charged_its_own_seconds_only() -> None:
    base = one_pair()
    edge = medians(replace(base, edge=replace(base.edge, attribution="shared", idle_power=None)))["edge"]
    assert "idle" not in edge
    assert edge["hardware"] == pytest.approx(10.0e3 * 0.05 / (5 * S_PER_YEAR))


def test_a_client_that_needs_nothing_to_send_has_its_day_alone() -> None:
    pair = replace(one_pair(), thin_client=replace(thin_client(), energy=None))
    assert medians(pair)["cloud"]["client_energy"] == pytest.approx(0.4 * 342.0 / 3.6e6)


@given(
    years=st.floats(min_value=0.3, max_value=12.0),
    year=st.integers(min_value=1, max_value=14),
    decline=st.floats(min_value=0.01, max_value=1.0),
)
def test_a_year_of_a_front_loaded_life_is_charged_as_the_life_plan_says(
    years: float, year: int, decline: float
) -> None:
    plan = LifePlan(
        lifetime_s=years * S_PER_YEAR, policy="front_loaded", in_service_since_unix_s=0.0, decline_ratio=decline
    )
    life = Life("front_loaded", exact(years), year=exact(float(year)), decline_ratio=exact(decline))
    end_s = min(year, max(years, year - 1)) * S_PER_YEAR
    seconds = end_s - (year - 1) * S_PER_YEAR
    charged = charge(plan, (year - 1) * S_PER_YEAR, end_s).share_ratio
    assert float(charged_per_s(life)[0]) * seconds == pytest.approx(charged, rel=1e-6, abs=1e-9)


def test_what_is_sunk_is_charged_nothing_and_what_is_charged_by_use_does_not_wait() -> None:
    base = one_pair()
    sunk = medians(replace(base, edge=replace(base.edge, life=Life("sunk", exact(5.0)))))
    assert sunk["edge"]["hardware"] == 0.0
    uses = Life("by_use", exact(5.0), lifetime_uses=exact(1e6))
    both = replace(base, edge=replace(base.edge, life=uses), cloud=replace(base.cloud, life=uses))
    assert medians(both)["edge"]["hardware"] == pytest.approx(10.0e3 / 1e6)
    assert medians(both)["cloud"]["hardware"] == pytest.approx(0.125 * 1_300.0e3 / 1e6)


def test_a_view_needs_the_intensities_of_every_grid() -> None:
    base = one_pair()
    averages = replace(base, cloud=replace(base.cloud, grid=replace(base.cloud.grid, marginal=None)))
    assert pair_views(averages) == (View("average", "average"), View("marginal", "average"))
    assert len(pair_views(base)) == 4


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(min_value=0, max_value=2**31),
    rate=st.floats(min_value=1e-3, max_value=1.7e6),
    load=st.floats(min_value=1e-3, max_value=1.0),
    sent=st.sampled_from([0.0, 1.0, 1e9]),
    client=st.booleans(),
)
def test_causes_sum_to_the_total_in_every_world(
    *, seed: int, rate: float, load: float, sent: float, client: bool
) -> None:
    base = one_pair()
    pair = replace(
        base,
        per_day=exact(rate),
        edge=replace(base.edge, sent_bytes=exact(sent)),
        cloud=replace(base.cloud, utilisation_ratio=exact(load)),
        thin_client=base.thin_client if client else None,
    )
    terms, at = pair_terms(pair, 1_000.0), Evaluator(Drawn(Draws(seed=seed, count=50)))
    for grams in view_grams(terms, at):
        for name, side in terms.sides.items():
            parts = terms.all_grams(side, grams.view)
            total = sum(at.dense(of_cause) for of_cause in parts.values())
            assert np.allclose(total, grams.totals[name], rtol=1e-12, atol=0.0)
            assert set(parts) == set(grams.causes[name])


@given(st.floats(min_value=1e-3, max_value=1e9))
def test_a_unit_of_more_inferences_is_that_many_times_one(inferences: float) -> None:
    one, many = medians(one_pair()), medians(one_pair(), inferences=inferences)
    for side in ("edge", "cloud"):
        assert many[side] == pytest.approx({cause: grams * inferences for cause, grams in one[side].items()})
    assert medians(one_pair(), inferences=None) == medians(one_pair(), inferences=86_400.0)


def test_a_row_of_many_cases_is_that_case_alone() -> None:
    problem = many_cases(3)
    whole = problem.pairs[0]
    at = Evaluator(Drawn(Draws(seed=3, count=40)))
    together = {grams.view: grams for grams in view_grams(pair_terms(whole, 1.0), at)}
    for row in (0, 13, 80):
        alone = at_row(whole, row)
        assert alone.cases.tolist() == [row]
        assert alone.edge.grid.zones == (f"Z{problem.case_values['edge.grid'][row]}",)
        for grams in view_grams(pair_terms(alone, 1.0), at):
            other = together[grams.view]
            for side in ("edge", "cloud"):
                assert np.allclose(grams.totals[side][0], other.totals[side][row], rtol=1e-12)
                for cause, ends in grams.causes[side].items():
                    assert np.allclose(ends[:, 0], np.broadcast_to(other.causes[side][cause], (3, 81))[:, row])
            assert np.allclose(grams.edge_minus_cloud[0], other.edge_minus_cloud[row])


def test_every_combination_of_factors_is_its_own() -> None:
    base = one_pair()
    energies = tuple(factor("edge.energy", joules, "J") for joules in (0.1, 1.0, 10.0))
    zones = tuple(factor(f"zone-{grams}", grams, "gCO2e/kWh") for grams in (20.0, 300.0, 700.0))
    pair = replace(
        base,
        cases=np.arange(9),
        edge=replace(
            base.edge,
            energy=Column(energies, np.repeat(np.arange(3), 3)),
            grid=replace(base.edge.grid, average=Column(zones, np.tile(np.arange(3), 3))),
        ),
    )
    (work,) = pair_terms(pair, 3.6e6).grams(pair_terms(pair, 3.6e6).edge, "average")["work"]
    value = Evaluator(Medians()).value(work)
    expected = [joules * grams for joules in (0.1, 1.0, 10.0) for grams in (20.0, 300.0, 700.0)]
    assert value.dense()[:, 0] == pytest.approx(np.array(expected))
    assert value.spread()[1] == pytest.approx(np.array(expected))


def test_moving_the_device_moves_its_client_and_its_network_but_not_the_cloud() -> None:
    base = one_pair()
    same = replace(base, cloud=replace(base.cloud, grid=base.edge.grid))
    moved = medians(swept(same, "edge_grid", exact(0.0)))
    assert moved["edge"]["work"] == moved["cloud"]["client_energy"] == moved["cloud"]["network"] == 0.0
    assert moved["cloud"]["work"] == medians(same)["cloud"]["work"] > 0.0
    abroad = replace(base, network=replace(base.network, grid=base.cloud.grid))
    assert medians(swept(abroad, "edge_grid", exact(0.0)))["cloud"]["network"] > 0.0


def test_only_the_cases_whose_network_is_on_the_edges_grid_move_with_it() -> None:
    whole = many_cases(2).pairs[0]
    zones = whole.edge.grid.average
    assert zones is not None
    assert zones.place is not None
    here = replace(whole.network.grid, average=Column(zones.factors, 1 - zones.place))
    apart = replace(whole, network=replace(whole.network, grid=here))
    for pair, moves in ((whole, True), (apart, False)):
        terms = pair_terms(swept(pair, "edge_grid", exact(0.0)), 1.0)
        grams = Evaluator(Medians()).dense(terms.network_grams(terms.cloud, INVENTORY))
        assert np.all(grams == 0.0) if moves else np.all(grams > 0.0)


def test_a_pue_whose_range_starts_at_one_is_never_drawn_below_it() -> None:
    base = one_pair()
    pue = msgspec.structs.replace(
        factor("cloud.pue", 1.1, "ratio"), estimate=Estimate(1.1, 1.0, 1.3, "ratio", "made up")
    )
    pair = replace(base, cloud=replace(base.cloud, pue=Column((pue,))))
    draws = Drawn(Draws(seed=3, count=400))
    assert float(draws.of(pue).min()) < 0.99
    for grams in view_grams(pair_terms(pair, 1.0), Evaluator(draws)):
        free = replace(pair, cloud=replace(pair.cloud, pue=Column((factor("none", 1.0, "ratio", 1.0),))))
        without = next(one for one in view_grams(pair_terms(free, 1.0), Evaluator(draws)) if one.view == grams.view)
        assert np.all(grams.totals["cloud"] >= without.totals["cloud"] * (1.0 - 1e-12))
