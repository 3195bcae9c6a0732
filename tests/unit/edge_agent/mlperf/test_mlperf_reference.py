"""Four published runs come out of their raw traces. EDGEJOULE_REFERENCE_DATA names the folder that holds them.

Without the variable this file is not collected: see conftest.py.
"""

import os
from pathlib import Path

import pytest

from edge_agent.mlperf.replay import MeterChoice, ReplayRow, replay
from edge_agent.mlperf.repository import find_runs
from firmware_bridge.registry import get_driver


@pytest.fixture(scope="module")
def rows() -> dict[str, ReplayRow]:
    folder = Path(os.environ["EDGEJOULE_REFERENCE_DATA"]) / "mlperf_tiny_traces"
    result = replay(find_runs([folder]), MeterChoice(lambda name: get_driver(name).data_sheet))
    assert result.problems == ()
    return {row.label: row for row in result.rows}


V13 = {
    "STMicroelectronics_NUCLEO_L4R5ZI-P_ad": (160.4232e-6, 2200),
    "STMicroelectronics_NUCLEO_U575ZI_Q_kws": (664.4239e-6, 400),
}
V12 = {
    "v1.2_STMicroelectronics_NUCLEO_U575ZI_Q_ad_energy": (81.875e-6, 3000),
    "v1.2_STMicroelectronics_NUCLEO_U575ZI_Q_kws_energy": (656.163e-6, 400),
}


def test_all_four_runs_are_there(rows: dict[str, ReplayRow]) -> None:
    assert set(rows) == {*V13, *V12}


@pytest.mark.parametrize("label", V13)
def test_v13_comes_out_to_every_digit_of_every_figure(rows: dict[str, ReplayRow], label: str) -> None:
    row, (median_j, inferences) = rows[label], V13[label]

    assert len(row.checks) == 5 * 5 + 1
    assert [one for one in row.checks if not one.every_digit] == []
    assert {one.inferences for one in row.run.windows} == {inferences}
    assert row.run.plain_j == pytest.approx(median_j, abs=0.5e-10)
    for one in row.run.windows:
        assert one.register_j == pytest.approx(one.plain_j, rel=1e-14)


@pytest.mark.parametrize("label", V12)
def test_v12_comes_out_within_1e_3_and_with_the_edges_moved_by_a_sample_to_every_digit(
    rows: dict[str, ReplayRow], label: str
) -> None:
    row, (median_j, inferences) = rows[label], V12[label]
    energies = [one for one in row.checks if one.figure not in {"duration", "run time"}]

    assert row.reproduced
    assert max(abs(one.residual_ratio) for one in energies) < 1e-4
    assert None not in row.edge_shifts
    assert {one.inferences for one in row.run.windows} == {inferences}
    assert row.run.plain_j == pytest.approx(median_j, rel=1e-4)
    for one in row.run.windows:
        assert one.register_j == pytest.approx(one.plain_j, rel=1e-12)


def test_net_of_a_board_that_was_busier_before_is_negative_and_flagged(rows: dict[str, ReplayRow]) -> None:
    run = rows["STMicroelectronics_NUCLEO_L4R5ZI-P_ad"].run

    assert run.net_j is not None
    assert run.net_j / run.plain_j == pytest.approx(-0.24, abs=0.005)
    assert "negative" in run.net_flags


@pytest.mark.parametrize("label", [*V13, *V12])
def test_the_spread_of_windows_is_tiny_beside_the_meters_limits(rows: dict[str, ReplayRow], label: str) -> None:
    row = rows[label]

    assert row.run.cv_ratio is not None
    assert row.run.cv_ratio < 2e-3
    assert row.budget.expanded_j is not None
    assert row.budget.type_a_j is not None
    assert row.budget.meter_j is not None
    assert row.budget.type_a_j < 0.1 * row.budget.meter_j
    assert row.budget.expanded_j / row.run.plain_j == pytest.approx(0.0258, abs=0.0005)
