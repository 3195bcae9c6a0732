"""The table of meters: made from the data sheets, and the one that stands in the package's README."""

from pathlib import Path

import pytest

from firmware_bridge.driver import MeterRange
from firmware_bridge.driver_table import BOARDS, accuracy, carries, markdown_table, rate
from firmware_bridge.registry import all_drivers, get_driver
from tests.fakes.counter_meter import sheet_like

README = Path(__file__).resolve().parents[3] / "firmware_bridge" / "README.md"
BY_NAME = {board.name: board for board in BOARDS}


def test_the_ppk2_does_not_carry_a_pi_4_and_the_tc66c_does() -> None:
    assert not carries(get_driver("ppk2").data_sheet, BY_NAME["Pi 4"])
    assert carries(get_driver("ppk2").data_sheet, BY_NAME["Pi Zero 2 W"])
    assert carries(get_driver("tc66c").data_sheet, BY_NAME["Pi 5"])


def test_an_ac_meter_carries_what_is_above_its_starting_power() -> None:
    sheet = sheet_like(boundaries=("ac_wall",), starting_power_w=0.4)
    assert carries(sheet, BY_NAME["Pi Zero 2 W"])
    assert not carries(sheet, BY_NAME["microcontroller"])
    assert not carries(sheet_like(boundaries=("site",)), BY_NAME["Pi 5"])


@pytest.mark.parametrize(("interval_s", "expected"), [(1e-5, "100,000/s"), (1.0, "1/s"), (10.0, "every 10 s")])
def test_the_rate_is_per_second_or_in_seconds(interval_s: float, expected: str) -> None:
    assert rate(sheet_like(sample_interval_s=interval_s, max_interval_s=2 * interval_s)) == expected


def test_accuracy_is_of_power_where_the_meter_has_it() -> None:
    ranges = (MeterRange(0.5, 0.0, 0.0, 1e-4, 0.015), MeterRange(20.0, 0.0, 0.0, 1e-3, 3.0))
    assert accuracy(sheet_like(ranges=ranges, power_gain_limit_ratio=0.001)) == "±(0.1 % + 0.015–3 W)"
    assert accuracy(sheet_like()) == "±(1.2 % + 1 mA + 1 mV)"


def test_the_readme_has_the_table_of_today() -> None:
    """Mended by: edgejoule meter list --markdown, between the two marks."""
    text = README.read_text(encoding="utf-8")
    table = text.partition("<!-- meters -->\n")[2].partition("<!-- /meters -->")[0]
    assert table == markdown_table(all_drivers())


def test_a_meter_whose_offset_is_as_large_as_the_board_does_not_carry_it() -> None:
    assert not carries(get_driver("powersensor3").data_sheet, BY_NAME["microcontroller"])
    assert carries(get_driver("powersensor3").data_sheet, BY_NAME["Pi 4"])
