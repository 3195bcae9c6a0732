"""``edgejoule meter show``: one meter's page, its data sheet and its options."""

import argparse
from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from edge_agent.wire.records import SyncMethod
from edgejoule.commands.meter.page_text import page_lines
from edgejoule.output import EXIT_DONE, stdout_console, write_json
from firmware_bridge.driver import DataSheet, MeterDriver, MeterRange
from firmware_bridge.driver_table import BOUNDARY_WORDS, rate
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.reader import MakesMarks
from firmware_bridge.registry import driver_page, get_driver

WIDEST = 100
CLOCKS = {
    "device": "the meter's own",
    "sample_counter": "the meter counts samples",
    "host_arrival": "none: a reading has the time of its arrival",
}
ALIGNMENT_WORDS: dict[SyncMethod, str] = {
    "gpio_marker": "a marker line",
    "serial_marker": "marks on command",
    "step_correlation": "a load found in the samples",
    "arrival_fit": "a fit of arrivals",
    "host_clock": "arrival",
}
SAMPLINGS = {"mean": "the mean since the last one", "point": "an instant"}


def run(arguments: argparse.Namespace) -> int:
    """Show."""
    driver = get_driver(arguments.driver)
    page = driver_page(driver.name)
    if arguments.json:
        write_json(
            {
                "driver": driver.name,
                "title": driver.title,
                "page": page,
                "options": dict(driver.options),
                "data_sheet": asdict(driver.data_sheet),
                "serial": asdict(driver.serial),
                "alignment": alignments(driver),
            }
        )
        return EXIT_DONE
    console = stdout_console()
    width = min(console.width, WIDEST)
    console.print(f"[bold]{driver.name}[/bold]  {escape(driver.title)}")
    console.print()
    for line in page_lines(page, width):
        console.print(line, markup=False, soft_wrap=True)
    for table in (_sheet(driver), _ranges(driver.data_sheet), _options(driver)):
        console.print()
        console.print(table, width=width)
    return EXIT_DONE


def _sheet(driver: MeterDriver) -> Table:
    sheet = driver.data_sheet
    title = "Data sheet" if driver.sheet_for is None else "Data sheet, without options: some change it"
    table = Table("property", "value", title=title, show_header=False)
    rows = {
        "meter": f"{sheet.manufacturer} {sheet.model}",
        "supply": f"{sheet.min_voltage_v:g} to {sheet.max_voltage_v:g} V",
        "voltage": f"±({100 * sheet.voltage_gain_limit_ratio:g} % + {_metric(sheet.voltage_offset_limit_v, 'V')}), "
        f"steps of {_metric(sheet.voltage_resolution_v, 'V')}",
        "power": _power(sheet),
        "accuracy from": sheet.accuracy_basis,
        "starts at": f"{sheet.starting_power_w:g} W" if sheet.starting_power_w else "",
        "readings": f"{rate(sheet)}, each {SAMPLINGS[sheet.sampling]}",
        "gap": f"from {_metric(sheet.max_interval_s, 's')} between two readings",
        "new value every": _metric(sheet.refresh_interval_s, "s") if sheet.refresh_interval_s else "",
        "own counter": f"steps of {sheet.counter_step_j:g} J" if sheet.counter_step_j else "none",
        "clock": CLOCKS[sheet.clock],
        "synchronisation": sheet.sync_facility,
        "marker inputs": str(sheet.marker_inputs) if sheet.marker_inputs else "",
        "aligned by": ", ".join(ALIGNMENT_WORDS[one] for one in alignments(driver)),
        "measures at": ", ".join(BOUNDARY_WORDS[one] for one in sheet.boundaries),
        "integrity": sheet.integrity,
        "USB ids": ", ".join(f"{vendor:04x}:{product:04x}" for vendor, product in sheet.usb_ids),
        "port": _port(driver),
        "source": sheet.source,
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, escape(value))
    return table


def alignments(driver: MeterDriver) -> list[SyncMethod]:
    """Return the ways to tie this meter's time to the host's, best first, by their names on the wire."""
    sheet = driver.data_sheet
    possible: dict[SyncMethod, bool] = {
        "gpio_marker": sheet.marker_inputs > 0,
        "serial_marker": _makes_marks(driver),
        "step_correlation": True,
        "arrival_fit": sheet.clock != "host_arrival",
        "host_clock": sheet.clock == "host_arrival",
    }
    return [method for method, is_possible in possible.items() if is_possible]


def _makes_marks(driver: MeterDriver) -> bool:
    try:
        return isinstance(driver.make_decoder({}), MakesMarks)
    except ConfigurationError:  # it needs options, or a package
        return False


def _power(sheet: DataSheet) -> str:
    if sheet.power_gain_limit_ratio is None:
        return "voltage times current"
    offsets_w = {f"{one.power_offset_limit_w:g}" for one in sheet.ranges}
    step = f", steps of {_metric(sheet.power_resolution_w, 'W')}" if sheet.power_resolution_w else ""
    return f"±({100 * sheet.power_gain_limit_ratio:g} % + {' or '.join(sorted(offsets_w))} W){step}"


def _port(driver: MeterDriver) -> str:
    serial = driver.serial
    settings = f"{serial.baud_hz} baud, {serial.bytesize}{serial.parity}{serial.stopbits}"
    return settings if driver.serial_for is None else f"{settings}, unless options say otherwise"


def _ranges(sheet: DataSheet) -> Table:
    table = Table("range", "up to", "limit of error", "step", title="Current")
    for index, one in enumerate(sheet.ranges):
        table.add_row(str(index), *_range_cells(one))
    return table


def _range_cells(one: MeterRange) -> tuple[str, str, str]:
    limit = f"±({100 * one.gain_limit_ratio:g} % + {_metric(one.offset_limit_a, 'A')})"
    return _metric(one.max_current_a, "A"), limit, _metric(one.resolution_a, "A")


def _options(driver: MeterDriver) -> Table:
    table = Table("option", "meaning", title="Options (--option NAME=VALUE)", show_header=False)
    table.columns[0].no_wrap = True
    for name, text in driver.options.items():
        table.add_row(name, escape(text))
    if not driver.options:
        table.add_row("none", "this meter needs no settings")
    return table


def _metric(value: float, unit: str) -> str:
    """Return a figure with the prefix that keeps it short."""
    for scale, prefix in ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
        if abs(value) >= scale:
            return f"{value / scale:.6g} {prefix}{unit}"
    return f"{value:g} {unit}"
