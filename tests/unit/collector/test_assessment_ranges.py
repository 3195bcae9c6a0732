"""What an assessment says for one inference, of ranges, and of energy and mass outside of the planned service."""

from pathlib import Path

import pytest

from collector.assessment.values import Options, TimeBasis
from tests.fakes.windows import make_fleet_rows, make_stored
from tests.unit.collector.test_assessment import DAY_NS, DAY_UNIX_NS, FEW, INVENTORY, NS, a_lake, assessed, steady


def test_a_range_for_one_inference_keeps_what_both_sides_share(tmp_path: Path) -> None:
    found = assessed(a_lake(tmp_path, make_fleet_rows(10)))
    for one in (found.total, *found.groups["device"]):
        assert one.grams.total is not None
        assert one.per_inference.total is not None
        assert one.coverage_ratio == 1.0
        scaled = one.grams.total.scaled(1.0 / one.inference_count)
        assert one.per_inference.total.range == pytest.approx(scaled.range, rel=1e-9)


def test_time_without_samples_is_taken_at_the_mean_power_for_one_inference(tmp_path: Path) -> None:
    rows = [make_stored(i, t_start_unix_ns=DAY_UNIX_NS + i * 60 * NS, duration_s=10.0, gap_s=5.0) for i in (1, 2)]
    total = assessed(a_lake(tmp_path, rows)).total
    assert total.per_inference.operational is not None
    assert total.per_inference.embodied is not None
    assert total.per_inference.total is not None
    assert total.grams.operational is not None
    assert total.per_inference.operational.value == pytest.approx(
        2.0 * total.grams.operational.value / total.inference_count
    )
    assert total.per_inference.total.value == pytest.approx(
        total.per_inference.operational.value + total.per_inference.embodied.value
    )
    assert total.sci is not None
    assert total.sci.sci_gco2e_per_unit.range == pytest.approx(total.per_inference.total.range)
    assert total.sci.energy_kwh_per_unit == pytest.approx(2.0 * total.energy_j / 3.6e6 / total.inference_count)


def test_the_same_intensity_gives_the_same_range_by_year_and_by_time(tmp_path: Path) -> None:
    found = assessed(a_lake(tmp_path, make_fleet_rows(10)))
    for one in (found.total, *found.groups["device"]):
        assert one.grams.operational is not None
        assert one.yearly_operational_gco2e is not None
        assert one.yearly_operational_gco2e.range == pytest.approx(one.grams.operational.range, rel=0.05)
        value, low, high = one.yearly_operational_gco2e.range
        by_meter = one.energy_u_systematic_j / one.energy_j
        assert high - low > 2.0 * by_meter * value, "the meter's error is in it"


@pytest.mark.parametrize("basis", ["in_service", "observed"])
def test_windows_before_service_are_told(tmp_path: Path, basis: TimeBasis) -> None:
    lake = a_lake(tmp_path, steady(36.0))
    next_day = INVENTORY.replace("[[device]]", "[[device]]\nin_service_since = 2025-10-10", 1)
    found = assessed(
        lake,
        inventory=next_day,
        period=(DAY_UNIX_NS - 9 * DAY_NS, DAY_UNIX_NS + 2 * DAY_NS),
        options=Options(time_basis=basis, draws=FEW),
    )
    assert found.total.before_service_s == pytest.approx(86_400.0)
    assert "windows before their devices came into service, as the inventory says: 24.0 device hours" in "".join(
        found.notes
    )


@pytest.mark.parametrize(
    ("residue", "words"),
    [("carried_to_successor", "successors carry through their own lives"), ("written_off_to_fleet", "written off")],
)
def test_where_the_residue_of_a_retirement_lands_is_told(tmp_path: Path, residue: str, words: str) -> None:
    carried = residue == "carried_to_successor"
    lines = ["in_service_since = 2024-10-10", "retired_on = 2025-10-10", f'residue = "{residue}"']
    lines += ['successor = "zero-01"'] if carried else []
    inventory = INVENTORY.replace("[[device]]", "\n".join(["[[device]]", *lines]), 1)
    found = assessed(
        a_lake(tmp_path, steady(24.0)), inventory=inventory, period=(DAY_UNIX_NS, DAY_UNIX_NS + 2 * DAY_NS)
    )
    (note,) = (one for one in found.notes if "left over" in one)
    assert words in note
    assert ("no device" in note) is not carried
