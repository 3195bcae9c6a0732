"""The supported meters as a table, made from their data sheets: range, rate, accuracy, boundary, what they carry."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from firmware_bridge.driver import Boundary, DataSheet, MeterDriver


@dataclass(frozen=True, slots=True)
class Board:
    """A board that wants measuring: supply voltage and the current that it can reach without peripherals."""

    name: str
    voltage_v: float
    peak_current_a: float


BOARDS: Final = (
    Board("microcontroller", 3.3, 0.01),
    Board("Pi Zero 2 W", 5.0, 0.6),
    Board("Pi 4", 5.0, 1.4),
    Board("Pi 5", 5.0, 2.4),
    Board("Jetson Orin Nano", 19.0, 1.4),
)
"""Round figures to choose a meter by: a board at full load without peripherals. USB devices and HATs come on top."""

MAX_OFFSET_RATIO: Final = 0.1
"""A meter whose offset may be a tenth of a board's peak current says little about that board."""

BOUNDARY_WORDS: Final[dict[Boundary, str]] = {
    "ac_wall": "AC, with the power adapter",
    "usb_dc": "USB cable",
    "dc_input": "DC input",
    "rail": "one rail",
    "site": "whole site",
}
CLOCK_WORDS: Final = {"device": "own", "sample_counter": "own (counted)", "host_arrival": "host's"}
HEADINGS: Final = (
    *("meter", "range", "readings", "accuracy of power", "clock", "boundary", "carries", "cannot carry"),
)


def carries(sheet: DataSheet, board: Board) -> bool:
    """Tell whether the meter's range holds this board's supply, and its offset is small beside it.

    AC meters take a board with its adapter; above their starting power they have something to show.
    """
    if "site" in sheet.boundaries:
        return False
    if "ac_wall" in sheet.boundaries:
        return board.voltage_v * board.peak_current_a > sheet.starting_power_w
    in_range = sheet.min_voltage_v <= board.voltage_v <= sheet.max_voltage_v
    offset_a = min(one.offset_limit_a for one in sheet.ranges)
    return (
        in_range
        and offset_a < MAX_OFFSET_RATIO * board.peak_current_a
        and board.peak_current_a <= sheet.ranges[-1].max_current_a
    )


def accuracy(sheet: DataSheet) -> str:
    """Return the limits on power in short: of reading, then what is added whatever the reading."""
    if sheet.power_gain_limit_ratio is not None:
        offsets_w = sorted(one.power_offset_limit_w for one in sheet.ranges)
        return f"±({100 * sheet.power_gain_limit_ratio:g} % + {_span(offsets_w, 1.0)} W)"
    gains = sorted(one.gain_limit_ratio + sheet.voltage_gain_limit_ratio for one in sheet.ranges)
    offsets_ma = sorted(one.offset_limit_a for one in sheet.ranges)
    return f"±({_span(gains, 100.0)} % + {_span(offsets_ma, 1e3)} mA + {1e3 * sheet.voltage_offset_limit_v:g} mV)"


def rate(sheet: DataSheet) -> str:
    """Return readings per second, or seconds per reading where they are slower."""
    per_s = 1.0 / sheet.sample_interval_s
    return f"{per_s:,.0f}/s" if per_s >= 0.95 else f"every {sheet.sample_interval_s:g} s"


def markdown_table(drivers: Iterable[MeterDriver]) -> str:
    """Return the table of the package's README, one line a meter."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *(_row(driver) for driver in drivers)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(driver: MeterDriver) -> tuple[str, ...]:
    sheet = driver.data_sheet
    able = [board.name for board in BOARDS if carries(sheet, board)]
    unable = [board.name for board in BOARDS if not carries(sheet, board)]
    is_site = "site" in sheet.boundaries
    return (
        f"`{driver.name}` {sheet.manufacturer} {sheet.model}",
        f"{sheet.min_voltage_v:g}–{sheet.max_voltage_v:g} V, {sheet.ranges[-1].max_current_a:g} A",
        rate(sheet),
        accuracy(sheet),
        CLOCK_WORDS[sheet.clock],
        ", ".join(BOUNDARY_WORDS[one] for one in sheet.boundaries),
        "a house" if is_site else ", ".join(able) or "none of these",
        "one board" if is_site else ", ".join(unable) or "–",
    )


def _span(values: list[float], scale: float) -> str:
    low, high = (f"{scale * value:.4g}" for value in (values[0], values[-1]))
    return low if low == high else f"{low}–{high}"
