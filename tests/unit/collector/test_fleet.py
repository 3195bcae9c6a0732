"""The fleet report against a slow, plain reckoning, and its rules about what is unknown."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.assess import Assessor
from collector.carbon.embodied import embodied_gco2e
from collector.carbon.estimate import total as sum_of
from collector.fleet.report import fleet_report
from collector.fleet.sums import Sums, add_up
from collector.fleet.window_sums import WindowSums
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.journal import Journal
from collector.sinks.lake import LakeSink, rows_to_table
from collector.values import StoredWindow
from tests.fakes.windows import JETSON, PI4, PI_ZERO, PROFILES, commit_rows, make_fleet_rows, make_stored

INVENTORY = """
[defaults]
lifetime_years = 5.0
zone = "DE"
[[device]]
id = "pi4-01"
hardware = "raspberry-pi-4b-4gb"
[[device]]
id = "zero-01"
hardware = "raspberry-pi-zero-2-w"
[[device]]
id = "jetson-01"
hardware = "raspberry-pi-4b-4gb"
"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.sqlite3")
    yield made
    made.close()


def an_assessor(inventory: str = INVENTORY) -> Assessor:
    return Assessor(parse_inventory(inventory), load_yearly_table())


def sums_of(table: pa.Table) -> Sums:
    found = WindowSums()
    found.add(table)
    return add_up(group for key in found.devices() for group in found.groups(key))


def energy_of(rows: list[StoredWindow]) -> float:
    return math.fsum(row.window.energy_j for row in rows)


def test_sums_by_device_and_in_total(journal: Journal) -> None:
    rows = make_fleet_rows(30)
    commit_rows(journal, rows)
    report = fleet_report(journal, None, an_assessor())
    assert [device.device_id for device in report.devices] == ["jetson-01", "pi4-01", "zero-01"]
    for device in report.devices:
        mine = [row for row in rows if row.device_id == device.device_id]
        joules = energy_of(mine)
        count = sum(row.window.inference_count for row in mine)
        assert device.windows == 30
        assert device.energy_j == pytest.approx(joules, rel=1e-12)
        assert device.power_w == pytest.approx(joules / 300.0)
        assert device.inferences_per_s == pytest.approx(count / 300.0)
        assert device.j_per_inference == pytest.approx(joules / count)
        assert device.coverage_ratio == 1.0
    assert report.total.windows == 90
    assert report.total.energy_j == pytest.approx(energy_of(rows), rel=1e-12)
    assert report.total.power_w == pytest.approx(energy_of(rows) / 300.0)  # three devices, at once
    assert report.total.inferences_per_s == pytest.approx(sum(row.window.inference_count for row in rows) / 300.0)
    assert report.simulated
    assert "simulated" in report.notes[0]


def test_systematic_parts_add_linearly_within_a_type_of_meter_and_in_quadrature_between() -> None:
    rows = make_fleet_rows(40)
    sums = sums_of(rows_to_table(rows))
    linear = [math.fsum(r.window.energy_u_systematic_j for r in rows if r.device_id == p.device_id) for p in PROFILES]
    independent = math.fsum(r.window.energy_u_j**2 - r.window.energy_u_systematic_j**2 for r in rows)
    assert sums.energy.u_systematic_j == pytest.approx(math.hypot(*linear))
    assert sums.energy.u_j == pytest.approx(math.sqrt(math.hypot(*linear) ** 2 + independent))
    assert sums.energy.u_j > math.sqrt(math.fsum(row.window.energy_u_j**2 for row in rows))


@pytest.mark.parametrize("said", [("", ""), ("tc66c", ""), ("tc66c", "tc66c")], ids=["old", "old_and_new", "new"])
def test_meters_of_one_type_err_alike_whether_the_agent_says_so_or_is_too_old_to(said: tuple[str, str]) -> None:
    rows = [
        make_stored(1, systematic_id=said[0]),
        make_stored(2, profile=PI_ZERO, meter_driver="tc66c", meter_id="another", systematic_id=said[1]),
    ]
    sums = sums_of(rows_to_table(rows))
    assert sums.energy.u_systematic_j == pytest.approx(math.fsum(r.window.energy_u_systematic_j for r in rows))


def test_a_certificate_makes_a_meters_error_its_own() -> None:
    rows = [
        make_stored(1, systematic_id="tc66c"),
        make_stored(2, profile=PI_ZERO, meter_driver="tc66c", systematic_id="tc66c:8A33:K-2025-1"),
    ]
    sums = sums_of(rows_to_table(rows))
    assert sums.energy.u_systematic_j == pytest.approx(math.hypot(*(r.window.energy_u_systematic_j for r in rows)))


@given(
    devices=st.integers(1, 40),
    windows=st.integers(1, 5),
    energy_j=st.floats(0.1, 1e4),
    net_ratio=st.floats(0.05, 0.9),
    systematic_ratio=st.floats(1e-4, 0.1),
    independent_ratio=st.floats(0.0, 0.1),
)
def test_a_fleet_of_equal_meters_has_the_relative_systematic_uncertainty_of_one(
    devices: int, windows: int, energy_j: float, net_ratio: float, systematic_ratio: float, independent_ratio: float
) -> None:
    """So has its net energy; what is independent averages out over all windows of all devices."""
    net_j, independent_j = energy_j * net_ratio, energy_j * independent_ratio
    rows = [
        make_stored(
            1 + i,
            profile=replace(PI4, device_id=f"pi-{i % devices}", meter_id=f"unit-{i % devices}"),
            seq=1 + i // devices,
            energy_j=energy_j,
            energy_u_systematic_j=energy_j * systematic_ratio,
            energy_u_j=math.hypot(energy_j * systematic_ratio, independent_j),
            systematic_id="tc66c",
            net_energy_j=net_j,
            net_energy_u_j=math.hypot(net_j * systematic_ratio, independent_j),
        )
        for i in range(devices * windows)
    ]
    sums = sums_of(rows_to_table(rows))
    count = devices * windows
    assert sums.energy.u_systematic_j / sums.energy.energy_j == pytest.approx(systematic_ratio)
    averaged_j2 = energy_j**2 * (systematic_ratio**2 + independent_ratio**2 / count)
    assert sums.energy.u_j / count == pytest.approx(math.sqrt(averaged_j2))
    net, net_u = sums.net_per_inference()
    assert net is not None
    assert net_u is not None
    assert sums.net_energy.energy_j == pytest.approx(count * net_j)
    expected = math.hypot(systematic_ratio, independent_ratio / net_ratio / math.sqrt(count))
    assert net_u / net == pytest.approx(expected, rel=1e-4)


def test_a_gap_is_neither_zero_joules_nor_lost_inferences(journal: Journal) -> None:
    """Half of the second window has no samples: 5 s at 4 W were metered, 100 inferences ran in all 10 s."""
    commit_rows(
        journal,
        [
            make_stored(1, energy_j=40.0, inference_count=100),
            make_stored(2, energy_j=20.0, gap_s=5.0, inference_count=100),
        ],
    )
    (device,) = fleet_report(journal, None, an_assessor()).devices
    assert device.energy_j == 60.0
    assert device.gap_s == 5.0
    assert device.coverage_ratio == 0.75
    assert device.power_w == pytest.approx(4.0)
    assert device.j_per_inference == pytest.approx(0.4)
    assert device.operational_gco2e is not None
    assert device.operational_gco2e_per_1000 is not None
    assert device.operational_gco2e_per_1000.value == pytest.approx(device.operational_gco2e.value / 200 * 1000 / 0.75)


def test_without_samples_or_inferences_the_ratios_are_unknown(journal: Journal) -> None:
    commit_rows(
        journal,
        [
            make_stored(1, energy_j=0.0, energy_u_j=0.0, energy_u_systematic_j=0.0, gap_s=10.0),
            make_stored(2, profile=PI_ZERO, inference_count=0),
        ],
    )
    dark, lazy = fleet_report(journal, None, an_assessor()).devices
    assert (dark.power_w, dark.j_per_inference, dark.operational_gco2e_per_1000) == (None, None, None)
    assert (lazy.j_per_inference, lazy.total_gco2e_per_1000) == (None, None)
    assert lazy.power_w == pytest.approx(PI_ZERO.power_w)


def test_net_energy_only_from_windows_with_a_baseline(journal: Journal) -> None:
    commit_rows(
        journal,
        [
            make_stored(1, energy_j=40.0, inference_count=100, idle_power_w=3.0, idle_power_u_w=0.1),
            make_stored(2, energy_j=90.0, inference_count=100, idle_power_w=None, idle_power_u_w=None),
            make_stored(3, profile=JETSON),
        ],
    )
    jetson, pi4 = fleet_report(journal, None, None).devices
    assert (pi4.windows, pi4.net_windows) == (2, 1)
    assert pi4.net_j_per_inference == pytest.approx(0.1)
    assert pi4.net_j_per_inference_u is not None
    assert pi4.net_j_per_inference_u > 0.01
    assert (jetson.net_windows, jetson.net_j_per_inference) == (0, None)


def test_net_energy_is_what_the_device_says_it_is_and_may_be_negative(journal: Journal) -> None:
    """Two windows of 40 J and 3 W idle: one states 10 J +- 0.5 J, of which 0.3 J is common; the other -2 J."""
    plain: dict[str, Any] = {"energy_j": 40.0, "energy_u_systematic_j": 0.6, "energy_u_j": math.hypot(0.6, 0.4)}
    said: dict[str, Any] = {"idle_power_w": 3.0, "net_energy_u_j": 0.5, "inference_count": 100}
    rows = [
        make_stored(1, **plain, **said, net_energy_j=10.0),
        make_stored(2, **plain, **said, net_energy_j=-2.0, flags=("net_negative",)),
    ]
    commit_rows(journal, rows)
    report = fleet_report(journal, None, None)
    (device,) = report.devices
    assert device.net_j_per_inference == pytest.approx(8.0 / 200)
    assert device.net_j_per_inference_u == pytest.approx(math.hypot(2 * 0.3, 0.4 * math.sqrt(2)) / 200)
    assert device.flagged_windows == {"net_negative": 1}
    assert any("pi4-01 (1 net_negative)" in note for note in report.notes)


def test_older_and_newer_windows_of_one_device_add_up(journal: Journal) -> None:
    rows = [
        make_stored(1, energy_j=40.0, idle_power_w=3.0, idle_power_u_w=0.01, inference_count=100),
        make_stored(2, energy_j=40.0, idle_power_w=3.0, net_energy_j=10.0, net_energy_u_j=0.2, inference_count=100),
    ]
    commit_rows(journal, rows)
    (device,) = fleet_report(journal, None, None).devices
    assert device.net_windows == 2
    assert device.net_j_per_inference == pytest.approx(0.1)
    assert device.net_j_per_inference_u is not None
    commit_rows(journal, [make_stored(3, seq=3, idle_power_u_w=None)])
    (device,) = fleet_report(journal, None, None).devices
    assert device.net_j_per_inference_u is None, "one window's is unknown"


def test_the_report_says_that_meters_of_one_type_are_taken_to_err_alike(journal: Journal) -> None:
    twin = replace(PI4, device_id="pi4-02", meter_id="tc66c:8A33")
    commit_rows(journal, [make_stored(1), make_stored(2, profile=twin), make_stored(3, profile=JETSON)])
    report = fleet_report(journal, None, None)
    (note,) = (note for note in report.notes if "err alike" in note)
    assert "tc66c (2 devices)" in note
    assert "powersensor3" not in note
    assert report.systematic_u_j.keys() == {"tc66c", "powersensor3"}
    assert math.hypot(*report.systematic_u_j.values()) == pytest.approx(report.total.energy_u_systematic_j)
    assert {d.device_id: d.systematic_ids for d in report.devices}["pi4-02"] == ("tc66c",)


def test_grams_add_up_and_shares_are_of_the_total(journal: Journal) -> None:
    commit_rows(journal, make_fleet_rows(20))
    report = fleet_report(journal, None, an_assessor())
    total = report.total
    assert total.operational_gco2e is not None
    assert total.embodied_gco2e is not None
    assert total.total_gco2e is not None
    parts = [device.total_gco2e.value for device in report.devices if device.total_gco2e]
    assert total.total_gco2e.value == pytest.approx(math.fsum(parts))
    assert total.embodied_share_ratio == pytest.approx(total.embodied_gco2e.value / total.total_gco2e.value)
    widths = [d.operational_gco2e.high - d.operational_gco2e.value for d in report.devices if d.operational_gco2e]
    assert total.operational_gco2e.high - total.operational_gco2e.value == pytest.approx(math.fsum(widths))
    assert {factor.id for factor in report.factors} >= {"logic-silicon", "die-raspberry-pi-3", "die-raspberry-pi-4"}
    assert all(factor.source and factor.licence and factor.vintage for factor in report.factors)


def test_windows_outside_of_the_time_in_service_are_charged_nothing_and_named(journal: Journal) -> None:
    rows = make_fleet_rows(30)
    commit_rows(journal, rows)
    dates = INVENTORY.replace('id = "pi4-01"', 'id = "pi4-01"\nin_service_since = 2999-01-01').replace(
        'id = "zero-01"', 'id = "zero-01"\nin_service_since = 2001-01-01\nretired_on = 2001-02-01'
    )
    report = fleet_report(journal, None, an_assessor(dates))
    outside = {device.device_id: device.outside_service_s for device in report.devices}
    seconds = {name: sum(row.window.duration_s for row in rows if row.device_id == name) for name in outside}
    assert outside == pytest.approx({**seconds, "jetson-01": 0.0})
    (note,) = [note for note in report.notes if "first day of service" in note]
    assert "pi4-01" in note
    assert "zero-01" in note
    assert "jetson-01" not in note
    by_id = {device.device_id: device for device in report.devices}
    assert by_id["pi4-01"].embodied_gco2e is not None
    assert by_id["pi4-01"].embodied_gco2e.value == 0.0


def test_what_boards_of_several_kinds_have_in_common_stays_common_in_the_total(journal: Journal) -> None:
    commit_rows(journal, make_fleet_rows(20))
    report = fleet_report(journal, None, an_assessor())
    charged = []
    for device in report.devices:
        hardware = an_assessor().hardware(device.device_id)
        assert device.embodied_gco2e is not None
        charged_ratio = device.embodied_gco2e.value / embodied_gco2e(hardware).value
        charged += [part.shared(charged_ratio) for part in hardware]
    together, found = embodied_gco2e(tuple(charged)), report.total.embodied_gco2e
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((together.value, together.low, together.high))
    boards = {d.hardware: d.embodied_gco2e for d in report.devices if d.hardware and d.embodied_gco2e}
    assert len(boards) > 1, "else they would have everything in common"
    apart = sum_of([d.embodied_gco2e for d in report.devices if d.embodied_gco2e], correlation=0.0)
    assert found.high - found.value > 1.1 * (apart.high - apart.value)


def test_one_unknown_device_makes_the_total_unknown_and_is_named(journal: Journal) -> None:
    commit_rows(journal, make_fleet_rows(3))
    inventory = '[[device]]\nid = "pi4-01"\nzone = "DE"\nhardware = "raspberry-pi-4b-4gb"\nlifetime_years = 5.0\n'
    report = fleet_report(journal, None, an_assessor(inventory))
    assert report.unknown_operational == ("jetson-01", "zero-01")
    assert report.unknown_embodied == ("jetson-01", "zero-01")
    of_both = [note for note in report.notes if "grams unknown for jetson-01, zero-01: the inventory has no" in note]
    assert [note.split()[0] for note in of_both] == ["operational", "embodied"]
    assert report.total.total_gco2e is None
    assert report.total.operational_gco2e_per_1000 is None
    known = next(device for device in report.devices if device.device_id == "pi4-01")
    assert known.total_gco2e is not None


def test_a_row_is_counted_once_wherever_lake_and_cursor_stand(journal: Journal, tmp_path: Path) -> None:
    rows = make_fleet_rows(10)
    commit_rows(journal, rows)
    lake = tmp_path / "lake"
    stored = journal.rows_after(0, 100)
    LakeSink(lake).write(stored[:12])
    for cursor in (0, 5, 12):
        journal.set_cursor("lake", cursor)
        report = fleet_report(journal, lake, None)
        assert report.total.windows == 30
        assert report.total.energy_j == pytest.approx(energy_of(rows), rel=1e-12)


def test_a_report_says_how_far_it_is_over_lake_and_journal(journal: Journal, tmp_path: Path) -> None:
    commit_rows(journal, make_fleet_rows(10))
    LakeSink(tmp_path / "lake").write(journal.rows_after(0, 12))
    journal.set_cursor("lake", 12)
    heard: list[tuple[int, int]] = []
    fleet_report(journal, tmp_path / "lake", None, lambda done, of: heard.append((done, of)))
    assert heard == [(30, 60), (60, 60)]


def test_a_lake_that_was_moved_away_is_made_good_from_the_journal(journal: Journal, tmp_path: Path) -> None:
    commit_rows(journal, make_fleet_rows(4))
    journal.set_cursor("lake", 12)
    assert fleet_report(journal, tmp_path / "gone", None).total.windows == 12


def test_an_empty_journal_reports_nothing_and_no_zeroes(journal: Journal) -> None:
    report = fleet_report(journal, None, an_assessor())
    assert report.devices == ()
    assert report.series == ()
    assert report.total.windows == 0
    assert (report.total.power_w, report.total.total_gco2e) == (None, None)
    assert not report.simulated


def test_boundaries_are_named_when_they_differ(journal: Journal) -> None:
    commit_rows(journal, [make_stored(1, simulated=False), make_stored(2, profile=JETSON, simulated=False)])
    report = fleet_report(journal, None, an_assessor())
    assert any("dc_input, usb_dc" in note for note in report.notes)
    assert not report.simulated


@given(
    hours=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    energies=st.lists(st.floats(0.0, 1e4), min_size=12, max_size=12),
    gaps=st.lists(st.floats(0.0, 10.0), min_size=12, max_size=12),
)
def test_the_grouping_loses_and_invents_nothing(hours: list[int], energies: list[float], gaps: list[float]) -> None:
    rows = [
        make_stored(
            i + 1,
            profile=PROFILES[i % 3],
            t_start_unix_ns=1_760_000_000_000_000_000 + hour * 3_600_000_000_000 + i,
            energy_j=energies[i],
            energy_u_j=energies[i] * 0.01,
            energy_u_systematic_j=energies[i] * 0.008,
            gap_s=gaps[i],
        )
        for i, hour in enumerate(hours)
    ]
    table = rows_to_table(rows)
    sums = sums_of(table)
    assert sums.windows == len(rows)
    assert sums.energy.energy_j == pytest.approx(energy_of(rows), rel=1e-12)
    assert sums.gap_s == pytest.approx(math.fsum(gaps[: len(rows)]))
    assert sums.covered_s + sums.gap_s == pytest.approx(10.0 * len(rows))
    assert sums.energy.u_j >= sums.energy.u_systematic_j
