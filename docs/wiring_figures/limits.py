"""The table of docs/meters-to-buy.md: how wrong each meter may be at each board's load, from the data sheets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from firmware_bridge.calibration import power_step_w, power_u_w
from firmware_bridge.driver import DataSheet
from firmware_bridge.driver_table import BOARDS, carries
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import SampleBlock

PAGE: Final = Path(__file__).parents[1] / "meters-to-buy.md"
MARKS: Final = ("<!-- limits -->\n", "<!-- /limits -->")
COVERAGE: Final = 2.0
MAINS_V: Final = 230.0
POWER_FACTOR: Final = 0.5
"""Of small power adapters, a round figure: it only decides which current range an AC meter is in."""

METERS: Final = ("tc66c", "um25c", "um24c", "ppk2", "pico_ina228", "powersensor3", "pzem004t", "wattsup", "wt310")


@dataclass(frozen=True, slots=True)
class Load:
    """A board at work: round figures, to set meters side by side."""

    board: str
    voltage_v: float
    power_w: float


LOADS: Final = (
    *(Load("Pi Zero 2 W", 5.0, 1.0), Load("Pi 4", 5.0, 3.5), Load("Pi 5", 5.0, 5.0)),
    Load("Jetson Orin Nano", 19.0, 8.0),
)


def limits_table() -> str:
    """Return the table as Markdown: one line a meter."""
    heads = ["meter", *(f"{load.board}, {load.power_w:g} W" for load in LOADS)]
    rows = [heads, ["---"] * len(heads), *([f"`{name}`", *_row(name)] for name in METERS)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def written_again(page: str) -> str:
    """Return the page with the table of today between its two marks."""
    before, _, rest = page.partition(MARKS[0])
    return before + MARKS[0] + limits_table() + MARKS[1] + rest.partition(MARKS[1])[2]


def _row(name: str) -> list[str]:
    sheet = get_driver(name).data_sheet
    boards = {board.name: board for board in BOARDS}
    return [_cell(sheet, load) if carries(sheet, boards[load.board]) else "cannot carry it" for load in LOADS]


def _cell(sheet: DataSheet, load: Load) -> str:
    block = _block(sheet, load)
    error_w = COVERAGE * float(power_u_w(sheet, block)[0])
    step_w = float(power_step_w(sheet, block)[0])
    step = f", step {float(f'{1e3 * step_w:.2g}'):g} mW" if step_w > 0.002 * load.power_w else ""
    return f"± {100 * error_w / load.power_w:.2g} %{step}"


def _block(sheet: DataSheet, load: Load) -> SampleBlock:
    is_ac = "ac_wall" in sheet.boundaries
    voltage_v = MAINS_V if is_ac else load.voltage_v
    current_a = load.power_w / (voltage_v * POWER_FACTOR if is_ac else voltage_v)
    index = next(place for place in range(len(sheet.ranges)) if _holds(sheet, place, voltage_v, current_a))
    seconds, volts, amps, watts = (np.array([value]) for value in (0.0, voltage_v, current_a, load.power_w))
    return SampleBlock(seconds, volts, amps, watts, range_index=np.array([index], dtype=np.int8))


def _holds(sheet: DataSheet, place: int, voltage_v: float, current_a: float) -> bool:
    """Tell whether the range holds the load. Of a WT310, its part of the power range tells its voltage range too."""
    one = sheet.ranges[place]
    if sheet.power_gain_limit_ratio is None or len(sheet.ranges) == 1:
        return current_a <= one.max_current_a
    over_range, part_of_range = 1.4, 0.0005
    range_v = one.power_offset_limit_w / part_of_range / (one.max_current_a / over_range)
    return current_a <= one.max_current_a and voltage_v <= over_range * range_v
