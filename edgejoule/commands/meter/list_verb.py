"""``edgejoule meter list``: the supported meters, and the serial ports of this machine."""

import argparse
import sys
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgejoule.output import EXIT_DONE, stdout_console, write_json
from firmware_bridge.driver import MeterDriver
from firmware_bridge.driver_table import accuracy, markdown_table, rate
from firmware_bridge.registry import all_drivers
from firmware_bridge.usb import usb_ports_of


@dataclass(frozen=True, slots=True)
class FoundPort:
    """A serial port of this machine.

    ``usb_url``: the same device under any name. ``drivers``: meters that identify themselves with its USB id.
    """

    port: str
    description: str
    usb_id: str | None
    usb_url: str | None
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


def find_ports(drivers: tuple[MeterDriver, ...]) -> list[FoundPort] | None:
    """Return this machine's serial ports, each with the drivers that its USB id suggests; None without pyserial."""
    try:
        from serial.tools.list_ports import comports
    except ModuleNotFoundError:
        return None
    found: list[FoundPort] = []
    for port in sorted(comports()):
        usb = next(iter(usb_ports_of([port])), None)
        found.append(
            FoundPort(
                port=port.device,
                description=port.description or "",
                usb_id=None if usb is None else f"{usb.vid:04x}:{usb.pid:04x}",
                usb_url=None if usb is None else usb.url,
                drivers=tuple(one.name for one in drivers if (port.vid, port.pid) in one.data_sheet.usb_ids),
            )
        )
    return found


def _facts(driver: MeterDriver) -> dict[str, Any]:
    return {
        "driver": driver.name,
        "title": driver.title,
        "options": dict(driver.options),
        "data_sheet": asdict(driver.data_sheet),
    }


def _print_ports(console: Console, ports: list[FoundPort] | None) -> None:
    if ports is None:
        console.print("Ports are not listed: pip install 'edgejoule[serial]'", markup=False)
        return
    if not ports:
        console.print("No serial port was found on this machine.")
        return
    table = Table("port", "device", "likely driver", title="Serial ports")
    for port in ports:
        name = port.usb_url if port.usb_url is not None else port.description
        table.add_row(port.port, escape(name or "-"), ", ".join(port.drivers) or "-")
    console.print(table)
