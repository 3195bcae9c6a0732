"""The fleet report at the intensities of the time, with the yearly result beside it."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.assess import Assessor
from collector.fleet.report import fleet_report
from collector.inventory import parse_inventory
from collector.journal import Journal
from collector.numbers import si
from tests.fakes.intensities import HALF_HOUR_NS, RANGE_RATIO, GivenIntensity, half_hours
from tests.fakes.windows import T0_UNIX_NS, commit_rows, make_fleet_rows, make_stored


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.sqlite3")
    yield made
    made.close()


def test_a_report_takes_the_intensity_of_each_windows_time_and_names_the_yearly_result(journal: Journal) -> None:
    """Two steps of 100 and 300 g/kWh, a window in each and one that lies over the edge between them."""
    steps = half_hours(T0_UNIX_NS, [100.0]) + half_hours(T0_UNIX_NS + HALF_HOUR_NS, [300.0], "forecast")
    edge = T0_UNIX_NS + HALF_HOUR_NS
    starts = (T0_UNIX_NS, edge - 5_000_000_000, edge + 20_000_000_000)
    plain: dict[str, Any] = {"energy_j": 3.6e6, "energy_u_j": 0.0, "energy_u_systematic_j": 0.0}
    commit_rows(journal, [make_stored(i + 1, t_start_unix_ns=start, **plain) for i, start in enumerate(starts)])
    assessor = Assessor(parse_inventory('[[device]]\nid = "pi4-01"\nzone = "GB"'), GivenIntensity("GB", steps, 150.0))
    report = fleet_report(journal, None, assessor)
    total = report.total
    assert total.operational_gco2e is not None
    assert total.operational_yearly_gco2e is not None
    assert total.operational_gco2e.value == pytest.approx(100.0 + 200.0 + 300.0)
    assert total.operational_gco2e.low == pytest.approx(600.0 / RANGE_RATIO)
    assert total.operational_gco2e.high == pytest.approx(600.0 * RANGE_RATIO)
    assert total.operational_yearly_gco2e.value == pytest.approx(450.0)
    assert total.intensity_ratio == pytest.approx({"actual": 0.5, "forecast": 0.5})
    assert any(f"{si(600.0, 'g')} so far, against {si(450.0, 'g')} at yearly" in note for note in report.notes)
    assert any("estimates or forecasts" in note for note in report.notes)
    assert [factor.id for factor in report.factors] == ["given-GB"]


def test_a_window_without_an_intensity_leaves_its_device_unknown_and_says_how_much_is_known(journal: Journal) -> None:
    commit_rows(journal, [make_stored(1), make_stored(2, t_start_unix_ns=T0_UNIX_NS + HALF_HOUR_NS)])
    given_one = GivenIntensity("GB", half_hours(T0_UNIX_NS, [100.0]), 150.0)
    assessor = Assessor(parse_inventory('[[device]]\nid = "pi4-01"\nzone = "GB"'), given_one)
    report = fleet_report(journal, None, assessor)
    assert report.total.operational_gco2e is None
    assert report.unknown_operational == ("pi4-01",)
    assert report.total.intensity_ratio == pytest.approx({"actual": 0.5})
    assert report.total.operational_yearly_gco2e is not None


def test_windows_find_their_device_in_any_order(journal: Journal) -> None:
    rows = [*make_fleet_rows(7)[::-1], make_stored(1, fleet="other", seq=77)]
    commit_rows(journal, rows)
    found = {(device.fleet, device.device_id): device for device in fleet_report(journal, None, None).devices}
    assert found.keys() == {(row.fleet, row.device_id) for row in rows}
    for key, device in found.items():
        mine = [row.window for row in rows if (row.fleet, row.device_id) == key]
        assert device.energy_j == pytest.approx(math.fsum(window.energy_j for window in mine))
        assert device.first_unix_ns == min(window.t_start_unix_ns for window in mine)
