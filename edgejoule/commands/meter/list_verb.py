"""``edgejoule meter list``: the supported meters, and the serial ports of this machine."""

import argparse
import sys
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from edgejoule.output import EXIT_DONE, stdout_console, write_json
from firmware_bridge.driver import MeterDriver
from firmware_bridge.driver_table import accuracy, markdown_table, rate
from firmware_bridge.registry import all_drivers


@dataclass(frozen=True, slots=True)
class FoundPort:
    """A serial port of this machine. ``drivers``: meters that identify themselves with its USB id."""

    port: str
    description: str
    usb_id: str | None
    drivers: tuple[str, ...]


def run(arguments: argparse.Namespace) -> int:
    """List."""
    drivers = all_drivers()
    if arguments.markdown:
        sys.stdout.write(markdown_table(drivers))
        return EXIT_DONE
    ports = find_ports(drivers)
    if arguments.json:
        write_json({"meters": [_facts(driver) for driver in drivers], "ports": ports})
        return EXIT_DONE
    console = stdout_console()
    table = Table("driver", "range", "rate", "accuracy of power", "boundary", title="Supported meters")
    table.columns[0].no_wrap = True
    for driver in drivers:
        sheet = driver.data_sheet
        table.add_row(
            driver.name,
            f"{sheet.min_voltage_v:g}-{sheet.max_voltage_v:g} V, {sheet.ranges[-1].max_current_a:g} A",
            rate(sheet),
            accuracy(sheet),
            ", ".join(sheet.boundaries),
        )
    console.print(table)
    for driver in drivers:
        console.print(f"{driver.name}: {driver.title}", markup=False)
    console.print("'edgejoule meter show DRIVER' prints a meter's page.")
    _print_ports(console, ports)
    return EXIT_DONE


def find_ports(drivers: tuple[MeterDriver, ...]) -> list[FoundPort]:
    """Return this machine's serial ports, each with the drivers that its USB id suggests."""
    from serial.tools.list_ports import comports

    return [
        FoundPort(
            port=port.device,
            description=port.description or "",
            usb_id=None if port.vid is None or port.pid is None else f"{port.vid:04x}:{port.pid:04x}",
            drivers=tuple(one.name for one in drivers if (port.vid, port.pid) in one.data_sheet.usb_ids),
        )
        for port in sorted(comports())
    ]


def _facts(driver: MeterDriver) -> dict[str, Any]:
    return {
        "driver": driver.name,
        "title": driver.title,
        "options": dict(driver.options),
        "data_sheet": asdict(driver.data_sheet),
    }


def _print_ports(console: Console, ports: list[FoundPort]) -> None:
    if not ports:
        console.print("No serial port was found on this machine.")
        return
    table = Table("port", "description", "USB id", "likely driver", title="Serial ports")
    for port in ports:
        table.add_row(port.port, port.description, port.usb_id or "-", ", ".join(port.drivers) or "-")
    console.print(table)
