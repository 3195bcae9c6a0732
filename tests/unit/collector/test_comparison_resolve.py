import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collector.analysis.comparison.document import read_tables
from collector.analysis.comparison.problem import Column, Pair
from collector.analysis.comparison.resolve import resolve
from collector.analysis.comparison.sources import Sources
from collector.carbon.factors import Factor
from collector.data.tables import CLOUD, NETWORK_ENERGY, shipped_factors
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.scenarios import SCENARIO, THIN_CLIENT, Gone, document, problem


def only(column: Column | None) -> Factor:
    assert column is not None
    assert column.place is None
    (factor,) = column.factors
    return factor


def one_pair(changes: dict[str, Any] | None = None) -> Pair:
    (pair,) = problem(changes).pairs
    return pair


def shipped(table: str, name: str) -> Factor:
    return next(factor for factor in shipped_factors(table) if factor.id == name)


def test_every_figure_of_a_single_case_has_its_source() -> None:
    found = problem()
    (pair,) = found.pairs
    assert (found.case_count, found.axes, found.currency, found.reference_case) == (1, (), "", 0)
    assert (found.unit.inferences, math.isnan(found.unit.minimum_accuracy_ratio)) == (1000.0, True)
    energy, idle = only(pair.edge.energy), only(pair.edge.idle_power)
    assert energy.estimate.range == pytest.approx((0.2, 0.2 - 1.645 * 0.004, 0.2 + 1.645 * 0.004), abs=1e-5)
    assert (energy.id, idle.id, idle.estimate.low) == ("edge.j_per_inference", "edge.idle_power_w", 2.4)
    assert (pair.edge.origin, pair.cloud.origin) == ("stated", "modelled")
    assert (only(pair.edge.grid.average).id, only(pair.edge.grid.marginal).id) == ("DEU", "marginal-DEU")
    assert only(pair.cloud.grid.water).id == "water-grid-IRL"
    assert pair.cloud.energy is None
    assert only(pair.cloud.max_power) == shipped(CLOUD, "t4-max")
    assert only(pair.network.average) == shipped(NETWORK_ENERGY, "network-average-fixed")
    assert pair.network.grid == pair.edge.grid
    assert pair.thin_client is None
    assert any("thin_client" in gap for gap in pair.gaps)
    assert {part.name for part in pair.edge.mass.bills[0]} >= {"memory card 32 GB, flash"}
    assert (pair.edge.life.policy, pair.edge.life.lifetime_years.tolist()) == ("linear_in_time", [5.0])
    assert len({factor.id for factor in found.factors}) == len(found.factors)
    assert {"DEU", "IRL", "marginal-DEU", "t4-idle", "network-marginal-fixed", "host-g4dn"} <= {
        factor.id for factor in found.factors
    }


def test_a_range_by_uncertainty_ends_at_zero() -> None:
    energy = only(one_pair({"edge.j_per_inference_u": 0.3}).edge.energy)
    assert (energy.estimate.low, energy.estimate.value) == (0.0, 0.2)
    assert energy.estimate.high == pytest.approx(0.2 + 1.645 * 0.3, abs=1e-3)


def test_power_times_time_keeps_the_cause_and_the_first_figure() -> None:
    changes = {
        "edge.j_per_inference": Gone,
        "edge.j_per_inference_u": Gone,
        "edge.active_power_w": {"value": 4.0, "low": 3.0, "high": 6.0, "source": "a plug"},
    }
    found = problem(changes)
    energy = only(found.pairs[0].edge.energy)
    assert energy.estimate.range == pytest.approx((0.2, 0.15, 0.3))
    assert (energy.id, energy.estimate.unit, found.pairs[0].edge.origin) == ("edge.active_power_w", "J", "modelled")
    (listed,) = (factor for factor in found.factors if factor.id == "edge.active_power_w")
    assert (listed.estimate.value, listed.estimate.unit, listed.source) == (4.0, "W", "a plug")


@pytest.mark.parametrize(
    ("changes", "range_s"),
    [
        ({"cloud.time_per_batch_s": {"value": 0.04, "low": 0.02, "high": 0.1, "source": "x"}, "cloud.batch": 8},
         (0.005, 0.0025, 0.0125)),
        ({"cloud.inferences_per_s": {"value": 100.0, "low": 50.0, "high": 400.0, "source": "x"}},
         (0.01, 0.0025, 0.02)),
    ],
)  # fmt: skip
def test_busy_time_can_be_a_batch_s_or_a_rate(changes: dict[str, Any], range_s: tuple[float, ...]) -> None:
    pair = one_pair({"cloud.time_per_inference_s": Gone, **changes})
    assert only(pair.cloud.time_s).estimate.range == pytest.approx(range_s)
    assert only(pair.cloud.time_s).estimate.unit == "s"


def test_accelerators_stand_beside_their_machine() -> None:
    pair = one_pair(
        {
            "cloud.embodied_kgco2e": "server-cpu",
            "cloud.accelerator_embodied_kgco2e": "gpu-h100",
            "cloud.accelerator_count": 8,
        }
    )
    (bill,) = pair.cloud.mass.bills
    assert [(part.factor.id, part.quantity) for part in bill] == [("server-cpu", 1.0), ("gpu-h100", 8.0)]


def test_wifi_adds_the_router_to_the_average_alone() -> None:
    pair = one_pair({"network.access": "wifi"})
    assert only(pair.network.average).estimate.value == pytest.approx(0.0065 + 0.025)
    assert only(pair.network.marginal).id == "network-marginal-fixed"
    own = one_pair({"network.average_kwh_per_gb": 0.02})
    assert only(own.network.average).estimate.value == 0.02


def test_latency_of_the_network_is_the_round_trip_and_both_transfers() -> None:
    changes = {"network.round_trip_s": 0.03, "network.bandwidth_up_bps": 1e6, "network.bandwidth_down_bps": 4e6}
    pair = one_pair(changes)
    assert pair.network.latency_s == pytest.approx([0.03 + 32000 * 8 / 1e6 + 400 * 8 / 4e6])
    unknown = one_pair({"network.round_trip_s": 0.03})
    assert np.isnan(unknown.network.latency_s).all()
    assert any("bandwidth_up_bps and bandwidth_down_bps not stated" in gap for gap in unknown.gaps)
    nothing = one_pair({"network.round_trip_s": 0.03, "network.payload_up_bytes": 0, "network.payload_down_bytes": 0})
    assert nothing.network.latency_s.tolist() == [0.03]


def test_what_a_grid_does_not_have_is_said_and_stays_unknown() -> None:
    own = {"name": "roof", "value": 45.0, "low": 30.0, "high": 60.0, "kind": "marginal", "source": "own meter"}
    pair = one_pair({"edge.grid": own})
    assert pair.edge.grid.average is None
    assert only(pair.edge.grid.marginal).id == "roof"
    assert pair.edge.grid.water is None
    assert any("no average intensity of roof" in gap for gap in pair.gaps)
    bare = one_pair({"edge.grid": 350})
    assert (only(bare.edge.grid.average).estimate.value, bare.edge.grid.marginal) == (350.0, None)


def test_cases_that_know_different_things_are_told_apart() -> None:
    found = problem({"edge.grid": ["DE", 350, "FR"], "cloud.utilisation_ratio": [0.1, 0.5]})
    assert [pair.cases.tolist() for pair in found.pairs] == [[0, 1, 4, 5], [2, 3]]
    known, bare = found.pairs
    assert known.edge.grid.zones == ("DEU", "FRA")
    assert known.edge.grid.marginal is not None
    assert known.edge.grid.marginal.place is not None
    assert known.edge.grid.marginal.place.tolist() == [0, 0, 1, 1]
    assert known.cloud.utilisation_ratio.tolist() == [0.1, 0.5, 0.1, 0.5]
    assert bare.edge.grid.marginal is None


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("edge.attribution", ["dedicated", "shared"]),
        ("network.access", ["fixed", "wifi", "mobile"]),
        ("edge.policy", ["linear_in_time", "sunk"]),
        ("cloud.policy", ["linear_in_time", "sunk"]),
    ],
)
def test_what_changes_the_arithmetic_makes_pairs(path: str, values: list[str]) -> None:
    found = problem({path: values, "edge.lifetime_years": [3.0, 5.0]})
    assert len(found.pairs) == len(values)
    assert sorted(case for pair in found.pairs for case in pair.cases) == list(range(2 * len(values)))
    for pair in found.pairs:
        assert sorted(pair.edge.life.lifetime_years.tolist()) == [3.0, 5.0]


def test_every_edge_meets_every_cloud_and_alike_lists_are_one_axis() -> None:
    edges = [SCENARIO["edge"] | {"name": name, "grid": ["DE", "SE"]} for name in ("a", "b")]
    clouds = [
        SCENARIO["cloud"] | {"name": "t4", "utilisation_ratio": [0.1, 0.2]},
        SCENARIO["cloud"] | {"name": "small", "utilisation_ratio": [0.1, 0.3]},
    ]
    found = problem({"edge": edges, "cloud": clouds})
    assert [axis.name for axis in found.axes] == [
        "edge.grid", "cloud.t4.utilisation_ratio", "cloud.small.utilisation_ratio",
    ]  # fmt: skip
    assert found.case_count == 8
    assert [(pair.edge.name, pair.cloud.name) for pair in found.pairs] == [
        ("a", "t4"), ("a", "small"), ("b", "t4"), ("b", "small"),
    ]  # fmt: skip
    assert only(found.pairs[3].edge.energy).id == "edge.b.j_per_inference"


def test_the_same_board_waits_as_the_edge_does_and_once() -> None:
    pair = one_pair({"thin_client": {"same_board": True, "j_per_inference": 0.01}})
    client = pair.thin_client
    assert client is not None
    assert client.idle_power == pair.edge.idle_power
    assert (client.mass, client.life) == (pair.edge.mass, pair.edge.life)
    assert only(client.energy).estimate.value == 0.01
    assert not any("thin_client" in gap for gap in pair.gaps)


def test_a_board_that_is_there_anyway_is_charged_to_neither_side() -> None:
    pair = one_pair({"edge.attribution": "shared", "thin_client": {"same_board": True, "j_per_inference": 0.01}})
    assert pair.thin_client is not None
    assert only(pair.thin_client.idle_power).estimate.range == (0.0, 0.0, 0.0)
    assert pair.thin_client.mass.bills == ((),)
    assert any("charged to neither side" in gap for gap in pair.gaps)


def test_another_board_has_its_own_hardware_and_life() -> None:
    pair = one_pair({"thin_client": THIN_CLIENT})
    assert pair.thin_client is not None
    assert (pair.thin_client.life.policy, pair.thin_client.life.lifetime_years.tolist()) == ("linear_in_time", [5.0])
    assert pair.thin_client.mass.bills[0]


def test_policies_bring_their_numbers() -> None:
    by_use = one_pair({"edge.policy": "by_use", "edge.lifetime_uses": [1e6, 2e6]}).edge.life
    assert by_use.lifetime_uses is not None
    assert by_use.lifetime_uses.tolist() == [1e6, 2e6]
    front = one_pair({"cloud.policy": "front_loaded", "cloud.year": 2, "cloud.decline_ratio": 0.4}).cloud.life
    assert front.year is not None
    assert (front.year.tolist(), front.lifetime_uses) == ([2.0], None)


def test_prices_have_a_currency() -> None:
    found = problem(
        {
            "prices": {"currency": "EUR", "electricity_per_kwh": [0.2, 0.4]},
            "edge.price_per_device": 60.0,
            "cloud.price_per_hour": 0.5,
        }
    )
    assert found.currency == "EUR"
    assert found.pairs[0].electricity_price_per_kwh.tolist() == [0.2, 0.4]
    assert found.pairs[0].edge.price_per_device.tolist() == [60.0]
    assert np.isnan(found.pairs[0].cloud.price_per_1000).all()


def test_a_figure_that_varies_stands_in_the_list_with_the_reference_value() -> None:
    found = problem({"edge.idle_power_w": {"from": 1, "to": 3, "steps": 5, "reference": 2.5}})
    (idle,) = (factor for factor in found.factors if factor.id == "edge.idle_power_w")
    assert idle.estimate.value == 2.5


def test_a_figure_behind_another_varies_with_it() -> None:
    changes = {
        "edge.j_per_inference": Gone,
        "edge.j_per_inference_u": Gone,
        "edge.active_power_w": {"from": 2, "to": 6, "steps": 5, "reference": 5},
        "edge.attribution": ["dedicated", "shared"],
    }
    (power,) = (factor for factor in problem(changes).factors if factor.id == "edge.active_power_w")
    assert power.estimate.value == 5.0


def test_another_case_can_be_the_reference() -> None:
    tables = read_tables(document({"edge.lifetime_years": [3, 4], "edge.idle_power_w": [1, 2, 3]}), None, 5)
    found = resolve(tables, Sources(), Path())
    assert (found.reference_case, [axis.reference for axis in found.axes]) == (5, [1, 2])
    (idle,) = (factor for factor in found.factors if factor.id == "edge.idle_power_w")
    assert idle.estimate.value == 3.0
    with pytest.raises(ConfigurationError, match="there is no case 6; the cases are 0 to 5"):
        read_tables(document({"edge.lifetime_years": [3, 4], "edge.idle_power_w": [1, 2, 3]}), None, 6)


def test_each_distinct_value_is_looked_at_once() -> None:
    """Ten thousand cases of four axes have forty distinct values; what is found out of them is found out once."""
    ten = {"from": 1.0, "to": 2.0, "steps": 10}
    changes = {
        "unit.inferences_per_day": {"from": 10, "to": 86400, "steps": 10, "scale": "log"},
        "edge.idle_power_w": ten,
        "edge.lifetime_years": ten,
        "cloud.utilisation_ratio": {"from": 0.1, "to": 0.9, "steps": 10},
    }
    found = problem(changes)
    (pair,) = found.pairs
    assert found.case_count == 10_000
    assert pair.edge.idle_power is not None
    assert len(pair.edge.idle_power.factors) == 10
