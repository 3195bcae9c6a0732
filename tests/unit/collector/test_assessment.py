"""The assessment of a fleet against plain reckonings and against the fleet report, and what it says of the unknown."""

import math
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
import pytest

from collector.assess import Assessor
from collector.assessment.assess import Period, Stored, assess
from collector.assessment.csv_text import csv_text
from collector.assessment.values import BY, FleetAssessment, Options
from collector.carbon.revisions import IntensityRevision
from collector.carbon.units import J_PER_KWH, S_PER_YEAR
from collector.fleet.report import fleet_report
from collector.intensity.provider import IntensityProvider
from collector.intensity.store import IntensityStore
from collector.intensity.stored import StoredIntensity
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.journal import Journal
from collector.sinks.lake import LakeSink
from collector.values import StoredWindow
from edge_agent.wire.errors import ConfigurationError
from tests.fakes.stepped_intensity import SteppedIntensity
from tests.fakes.windows import PI4, T0_UNIX_NS, commit_rows, make_fleet_rows, make_stored

NS: Final = 1_000_000_000
HOUR_NS: Final = 3600 * NS
DAY_NS: Final = 24 * HOUR_NS
DAY_UNIX_NS: Final = T0_UNIX_NS - T0_UNIX_NS % DAY_NS
ONE, TWO = "0123456789abcdef", "fedcba9876543210"
INVENTORY: Final = """
[defaults]
lifetime_years = 5.0
zone = "DE"
site = "lab"
hardware = "raspberry-pi-4b-4gb"
[[device]]
id = "pi4-01"
site = "roof"
[[device]]
id = "zero-01"
hardware = "raspberry-pi-zero-2-w"
zone = "SE"
[[device]]
id = "jetson-01"
"""
SERVICE: Final = INVENTORY.replace("[[device]]", "[[device]]\nin_service_since = 2025-01-01")
FEW: Final = 2000
"""Draws: the tests look at values, and at ranges only for their order."""


def a_lake(directory: Path, rows: list[StoredWindow], journal: str = ONE, at_once: int = 1000) -> Path:
    sink = LakeSink(directory, journal=journal)
    for first in range(0, len(rows), at_once):
        assert sink.write(rows[first : first + at_once]).accepted == len(rows[first : first + at_once])
    sink.close()
    return directory


def assessed(
    stored: Path | Stored,
    intensity: IntensityProvider | None = None,
    inventory: str = INVENTORY,
    period: tuple[int, int] = (DAY_UNIX_NS, DAY_UNIX_NS + DAY_NS),
    options: Options | None = None,
) -> FleetAssessment:
    return assess(
        Stored(lake=stored) if isinstance(stored, Path) else stored,
        parse_inventory(inventory),
        intensity or load_yearly_table(),
        Period(start_unix_ns=period[0], end_unix_ns=period[1]),
        options or Options(by=BY, draws=FEW),
    )


def steady(hours: float, *, start_unix_ns: int = DAY_UNIX_NS, duration_s: float = 600.0) -> list[StoredWindow]:
    """Return windows of pi4-01 back to back, 1 W each."""
    return [
        make_stored(
            1 + i,
            t_start_unix_ns=start_unix_ns + round(i * duration_s * NS),
            duration_s=duration_s,
            energy_j=duration_s,
            energy_u_j=0.005 * duration_s,
            energy_u_systematic_j=0.004 * duration_s,
            inference_count=100,
        )
        for i in range(round(hours * 3600 / duration_s))
    ]


def test_agrees_with_the_fleet_report_where_intensities_are_yearly(tmp_path: Path) -> None:
    rows = make_fleet_rows(40)
    journal = Journal(tmp_path / "journal.sqlite3")
    commit_rows(journal, rows)
    report = fleet_report(journal, None, Assessor(parse_inventory(INVENTORY), load_yearly_table()))
    journal.close()
    found = assessed(a_lake(tmp_path / "lake", rows))
    for device, one in zip(report.devices, found.groups["device"], strict=True):
        assert (one.name, one.windows, one.inference_count) == (
            device.device_id,
            device.windows,
            device.inference_count,
        )
        assert one.energy_j == pytest.approx(device.energy_j, rel=1e-12)
        assert one.energy_u_j == pytest.approx(device.energy_u_j, rel=1e-9)
        assert one.j_per_inference == pytest.approx(device.j_per_inference, rel=1e-12)
        assert device.operational_gco2e is not None
        assert one.grams.operational is not None
        assert one.grams.operational.value == pytest.approx(device.operational_gco2e.value, rel=1e-9)
        assert device.embodied_gco2e is not None
        assert one.grams.embodied is not None
        assert one.grams.embodied.value == pytest.approx(device.embodied_gco2e.value, rel=1e-9)
    assert found.total.energy_u_j == pytest.approx(report.total.energy_u_j, rel=1e-9)
    assert found.systematic_u_j == pytest.approx(report.systematic_u_j)
    assert found.simulated
    assert "simulated" in found.notes[0]


def test_grams_are_energy_times_the_intensity_of_each_hour(tmp_path: Path) -> None:
    lake = a_lake(tmp_path, steady(24.0, duration_s=700.0))  # windows across the edges of hours
    found = assessed(lake, SteppedIntensity(lambda s: 100.0 + s // 3600 % 24))
    expected = sum(3600.0 * (100.0 + hour) / J_PER_KWH for hour in range(23))
    expected += (found.total.energy_j - 23 * 3600.0) * 123.0 / J_PER_KWH
    assert found.total.grams.operational is not None
    assert found.total.grams.operational.value == pytest.approx(expected, rel=1e-9)
    assert found.total.yearly_operational_gco2e is not None
    assert found.total.yearly_operational_gco2e.value == pytest.approx(
        found.total.energy_j * 342.0 / J_PER_KWH, rel=0.2
    )
    assert found.total.intensity_ratio["actual"] == pytest.approx(1.0)


def test_windows_of_an_hour_meet_intensities_of_five_minutes(tmp_path: Path) -> None:
    lake = a_lake(tmp_path, steady(6.0, duration_s=3600.0))
    found = assessed(lake, SteppedIntensity(lambda s: float(s // 300 % 7), step_s=300))
    begins_s = DAY_UNIX_NS // NS
    expected = sum(300.0 * ((begins_s + 300 * step) // 300 % 7) / J_PER_KWH for step in range(72))
    assert found.total.grams.operational is not None
    assert found.total.grams.operational.value == pytest.approx(expected, rel=1e-9)


def test_what_has_no_intensity_is_unknown_and_what_is_known_stands_apart(tmp_path: Path) -> None:
    lake = a_lake(tmp_path, steady(4.0))
    noon_s = DAY_UNIX_NS // NS + 3 * 3600
    found = assessed(lake, SteppedIntensity(lambda s: 360.0 if s < noon_s else None, quality="estimated"))
    total = found.total
    assert total.grams.operational is None
    assert total.grams.total is None
    assert total.per_1000.operational is None
    assert total.sci is None
    assert total.unknown_operational_ratio == pytest.approx(0.25)
    assert total.intensity_ratio == pytest.approx(
        {"actual": 0.0, "estimated": 0.75, "forecast": 0.0, "yearly": 0.0, "unknown": 0.25}
    )
    assert total.grams_of_known.operational is not None
    assert total.grams_of_known.operational.value == pytest.approx(3 * 3600.0 * 360.0 / J_PER_KWH)


def test_a_device_that_nobody_listed_makes_its_groups_unknown_and_no_others(tmp_path: Path) -> None:
    found = assessed(
        a_lake(tmp_path, make_fleet_rows(10)), inventory=INVENTORY.replace('id = "jetson-01"', 'id = "x"')
    )
    by_name = {one.name: one for one in found.groups["device"]}
    assert by_name["jetson-01"].grams.total is None
    assert by_name["pi4-01"].grams.total is not None
    assert found.total.grams.total is None
    assert found.total.grams_of_known.total is not None
    assert found.total.unknown_embodied_devices == 1
    assert (found.unknown_operational, found.unknown_embodied) == (("jetson-01",), ("jetson-01",))
    assert {one.name for one in found.groups["site"]} == {"roof", "lab", "not known"}


def test_groups_of_every_kind_add_up_to_the_total(tmp_path: Path) -> None:
    rows = make_fleet_rows(30)
    later = [
        make_stored(1000 + i, profile=PI4, seq=1000 + i, t_start_unix_ns=DAY_UNIX_NS + (30 * 24 + i) * HOUR_NS)
        for i in range(3)
    ]
    lake = a_lake(tmp_path, [*rows, *later])
    found = assessed(lake, inventory=SERVICE, period=(DAY_UNIX_NS, DAY_UNIX_NS + 60 * DAY_NS))
    for by in BY:
        groups = found.groups[by]
        assert sum(one.windows for one in groups) == found.total.windows == 93
        for name in ("operational", "embodied", "total"):
            values = [getattr(one.grams, name) or getattr(one.grams_of_known, name) for one in groups]
            known = math.fsum(value.value for value in values if value is not None)
            if name == "total":  # of a month without windows only the hardware is known
                idle = [one.grams.embodied for one in groups if not one.windows]
                known += math.fsum(one.value for one in idle if one is not None)
            assert known == pytest.approx(getattr(found.total.grams, name).value, rel=1e-9), (by, name)
        assert all((one.grams.operational is None) is (one.windows == 0) for one in groups), "never zero where unknown"
    assert [one.name for one in found.groups["month"]] == ["2025-10", "2025-11", "2025-12"]
    assert math.fsum(day.embodied_gco2e for day in found.days) == pytest.approx(found.total.grams.embodied.value)  # type: ignore[union-attr]
    assert math.fsum(day.operational_gco2e for day in found.days) == pytest.approx(
        found.total.grams.operational.value  # type: ignore[union-attr]
    )


def test_hardware_is_charged_for_its_time_in_service_or_only_for_what_windows_cover(tmp_path: Path) -> None:
    lake = a_lake(tmp_path, steady(6.0))
    whole = assessed(lake, inventory=SERVICE)
    seen = assessed(lake, inventory=SERVICE, options=Options(time_basis="observed", draws=FEW))
    assert whole.total.grams.embodied is not None
    assert seen.total.grams.embodied is not None
    assert whole.total.grams.embodied.value == pytest.approx(4.0 * seen.total.grams.embodied.value)
    assert whole.policies == ("linear_in_time, for all time in service: 1 device",)
    assert "in service as the inventory says" in " ".join(whole.notes)  # the other two have no windows
    mass = seen.total.grams.embodied.value * 5.0 * S_PER_YEAR / (6 * 3600.0)
    assert 2e3 < mass < 30e3


def test_a_period_cuts_windows_at_its_edges(tmp_path: Path) -> None:
    rows = steady(24.0, duration_s=7000.0)
    lake = a_lake(tmp_path, rows)
    begin, end = DAY_UNIX_NS + 2 * HOUR_NS + 600 * NS, DAY_UNIX_NS + 5 * HOUR_NS
    found = assessed(lake, period=(begin, end))
    assert found.total.energy_j == pytest.approx((end - begin) / NS, rel=1e-9)
    parts = [
        assessed(lake, period=(DAY_UNIX_NS + i * 6 * HOUR_NS, DAY_UNIX_NS + (i + 1) * 6 * HOUR_NS)) for i in range(4)
    ]
    whole = assessed(lake)
    assert math.fsum(one.total.energy_j for one in parts) == pytest.approx(whole.total.energy_j, rel=1e-9)
    assert sum(one.total.windows for one in parts) == whole.total.windows == len(rows)


def test_a_window_begun_the_day_before_gives_this_day_its_part(tmp_path: Path) -> None:
    lake = a_lake(tmp_path, steady(1.0, start_unix_ns=DAY_UNIX_NS - 1000 * NS, duration_s=3600.0))
    found = assessed(lake)
    assert found.total.energy_j == pytest.approx(2600.0)
    assert found.total.windows == 0  # it is counted where it starts


def test_rows_of_two_collectors_count_once(tmp_path: Path) -> None:
    rows = steady(4.0)
    a_lake(tmp_path, rows[:20], ONE)
    again = [msgspec.structs.replace(row, row_id=i) for i, row in enumerate(rows[12:], start=1)]
    a_lake(tmp_path, again, TWO)
    found = assessed(tmp_path)
    assert found.total.windows == len(rows)
    assert found.total.energy_j == pytest.approx(4 * 3600.0)
    assert found.reading.rows_repeated == 8
    assert "two collectors" in " ".join(found.notes)


def test_what_the_lake_has_not_yet_comes_from_the_journal(tmp_path: Path) -> None:
    rows = steady(4.0)
    journal = Journal(tmp_path / "journal.sqlite3")
    commit_rows(journal, rows)
    lake = a_lake(tmp_path / "lake", rows[:10], "", at_once=10)
    journal.set_cursor(LakeSink.name, 10)
    a_lake(tmp_path / "lake", rows[10:15], "")  # written, but the cursor has not moved
    found = assessed(Stored(lake=lake, journal=journal))
    alone = assessed(Stored(journal=journal))
    journal.close()
    assert found.total.windows == alone.total.windows == len(rows)
    assert found.total.energy_j == pytest.approx(4 * 3600.0)
    assert found.reading.journal_rows == len(rows) - 10


def test_a_fleet_alone(tmp_path: Path) -> None:
    mixed = [*steady(1.0), *(make_stored(100 + i, fleet="other", boot_id="b", seq=1 + i) for i in range(3))]
    found = assessed(a_lake(tmp_path, mixed), options=Options(by=("fleet", "device"), fleet="other", draws=FEW))
    assert [one.name for one in found.groups["fleet"]] == ["other"]
    assert found.total.windows == 3
    both = assessed(tmp_path)
    assert [one.name for one in both.groups["device"]] == ["lab/pi4-01", "other/pi4-01"]


def test_a_range_of_many_devices_does_not_average_out_what_they_share(tmp_path: Path) -> None:
    found = assessed(a_lake(tmp_path, make_fleet_rows(10)), options=Options(by=("device",)))
    for side in ("operational", "embodied"):
        whole = getattr(found.total.grams, side)
        parts = [getattr(one.grams, side) for one in found.groups["device"]]
        in_quadrature = math.hypot(*(part.high - part.value for part in parts))
        assert whole.high - whole.value >= in_quadrature * 0.99
    assert math.fsum(cause.share_ratio for cause in found.total.variance_shares) == pytest.approx(1.0)


def test_the_past_can_be_assessed_as_it_was_known(tmp_path: Path) -> None:
    lake = a_lake(tmp_path / "lake", steady(2.0))
    first, revised = DAY_UNIX_NS + DAY_NS, DAY_UNIX_NS + 3 * DAY_NS
    with closing(IntensityStore(tmp_path / "intensity.sqlite3")) as store:
        for fetched, value in ((first, 100.0), (revised, 110.0)):
            store.add(
                [
                    IntensityRevision(
                        source="uk_carbon_intensity",
                        zone="GB",
                        kind="average",
                        valid_from_unix_ns=DAY_UNIX_NS,
                        valid_to_unix_ns=DAY_UNIX_NS + 3600 * NS,
                        gco2e_per_kwh=value,
                        fetched_at_unix_ns=fetched,
                    )
                ]
            )
        grams = []
        for known_at in (DAY_UNIX_NS, first, revised, None):
            provider = StoredIntensity(
                store,
                load_yearly_table(),
                "average",
                {"DE": [("uk_carbon_intensity", "GB")]},
                known_at_unix_ns=known_at,
            )
            found = assessed(lake, provider, options=Options(draws=FEW, known_at_unix_ns=known_at))
            assert found.known_at_unix_ns == known_at
            assert found.total.intensity_ratio["actual"] == pytest.approx(0.0 if known_at == DAY_UNIX_NS else 0.5)
            assert found.total.grams.operational is not None
            grams.append(found.total.grams.operational.value)
    yearly = load_yearly_table().factors
    (germany,) = (one.estimate.value for one in yearly if one.id == "DEU")
    expected = [0.5 * (hour + germany) * 7200.0 / J_PER_KWH for hour in (germany, 100.0, 110.0, 110.0)]
    assert grams == pytest.approx(expected, rel=1e-9)


def test_parts_that_the_inventory_does_not_mention_are_told(tmp_path: Path) -> None:
    found = assessed(a_lake(tmp_path, steady(1.0)))
    assert "embodied grams leave out: case (1 device)" in " ".join(found.notes)


def test_nothing_to_assess_is_said(tmp_path: Path) -> None:
    found = assessed(tmp_path / "absent")
    assert found.total.windows == 0
    assert found.total.grams.total is None
    assert "no windows in this period" in found.notes[0]


def test_the_csv_has_a_row_for_each_group(tmp_path: Path) -> None:
    found = assessed(a_lake(tmp_path, make_fleet_rows(5)))
    lines = csv_text(found).splitlines()
    assert len(lines) == 2 + sum(len(groups) for groups in found.groups.values())
    assert lines[0].startswith("by,name,devices,windows")
    assert lines[1].startswith("total,total,3,15,")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"intensity": SteppedIntensity(lambda _: 1.0, kind="marginal")}, "needs average intensities"),
        ({"inventory": INVENTORY.replace('"SE"', '"XX"')}, "no intensity for zone 'XX'"),
        ({"options": Options(policy="by_use")}, "cannot be charged by_use"),
        ({"period": (DAY_UNIX_NS + 1, DAY_UNIX_NS + DAY_NS)}, "full five minutes"),
        ({"period": (DAY_UNIX_NS, DAY_UNIX_NS)}, "ends before it begins"),
    ],
)
def test_what_cannot_be_assessed_is_one_line(tmp_path: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        assessed(tmp_path, **change)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def cut(content: bytes) -> bytes:
    return content[:-200]


def scribbled(content: bytes) -> bytes:
    middle = content.index(b"PAR1") + 4
    return content[:middle] + b"\xff" * 400 + content[middle + 400 :]


@pytest.mark.parametrize("damage", [cut, scribbled])
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    lake = a_lake(tmp_path, steady(2.0), at_once=6)
    file = sorted(lake.glob("date=*/*.parquet"))[1]
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(
        ConfigurationError, match=f"{file.name}: cannot read it: .*; move a damaged file away"
    ) as caught:
        assessed(lake)
    assert "\n" not in str(caught.value)
