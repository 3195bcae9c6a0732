"""``edgejoule meter``: list, read, record, decode and emulate power meters on serial lines."""

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from edgejoule.argument_types import finite, not_negative, positive
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json
from edgejoule.signals import STOP_SIGNALS, handled
from firmware_bridge.capture import CaptureSummary, record, summarise
from firmware_bridge.capture_file import CaptureHeader, CaptureWriter, read_capture
from firmware_bridge.driver import DataSheet, MeterDriver, Options
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.energy import energy_between
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.loads import ConstantLoad, LoadSource, ProcessLoad, ProfileLoad
from firmware_bridge.meter import Meter, MeterHealth
from firmware_bridge.registry import all_drivers, get_driver
from firmware_bridge.samples import EnergyDelta, MeterIdentity
from firmware_bridge.timeline import SyncState

REFRESH_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _verb(verbs, "list", _list, "the supported meters and the serial ports of this machine", json=True)
    read = _verb(verbs, "read", _read, "live volts, amperes, watts and joules", json=True)
    _meter_arguments(read)
    read.add_argument("--seconds", type=positive, help="stop after this long (default: at Ctrl-C)")
    rec = _verb(verbs, "record", _record, "write the meter's raw bytes with their times to a file", json=True)
    _meter_arguments(rec)
    rec.add_argument("file", type=Path, metavar="FILE")
    rec.add_argument("--seconds", type=positive, required=True)
    dec = _verb(verbs, "decode", _decode, "turn a recorded file into samples and joules again", json=True)
    dec.add_argument("driver", metavar="DRIVER")
    dec.add_argument("file", type=Path, metavar="FILE")
    _emulate_arguments(_verb(verbs, "emulate", _emulate, "serve a meter's protocol on a pseudo-terminal"))


def run(arguments: argparse.Namespace) -> int:
    """Run the verb."""
    action: Callable[[argparse.Namespace], int] = arguments.action
    return action(arguments)


def _verb(
    verbs: Any, name: str, action: Callable[[argparse.Namespace], int], text: str, *, json: bool = False
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text.capitalize() + ".")
    parser.set_defaults(action=action)
    if json:
        parser.add_argument("--json", action="store_true", help="JSON alone on stdout")
    return parser


def _meter_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("driver", metavar="DRIVER", help="a name from 'edgejoule meter list'")
    parser.add_argument("port", metavar="PORT", help="/dev/..., socket://host:port or rfc2217://host:port")
    _option_argument(parser)


def _option_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--option", type=_key_value, action="append", default=[], metavar="K=V", help="an option of the driver"
    )


def _emulate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "It serves until Ctrl-C or SIGTERM and says nothing meanwhile; the link is removed at the end."
    parser.add_argument("driver", metavar="DRIVER")
    parser.add_argument("--link", type=Path, required=True, metavar="PATH", help="symbolic link to the port")
    parser.add_argument("--voltage-v", type=positive, default=5.0)
    parser.add_argument("--idle-w", type=not_negative, default=2.0, help="power at rest, or the constant power")
    parser.add_argument("--busy-w", type=not_negative, default=4.0, help="power with one core busy")
    parser.add_argument("--noise-w", type=not_negative, default=0.0, help="standard deviation of the load's noise")
    parser.add_argument("--cpu-of-pid-file", type=Path, metavar="FILE", help="follow the CPU use of this process")
    parser.add_argument("--profile", type=Path, metavar="FILE.csv", help="follow t_s,power_w[,voltage_v]")
    parser.add_argument("--truth", type=Path, metavar="FILE.csv", help="write the true cumulative energy")
    parser.add_argument("--seed", type=int, default=0, help="decides the unit's errors and the noise")
    parser.add_argument("--gain-error", type=finite, metavar="RATIO", help="override the drawn gain error of current")
    _option_argument(parser)


def _key_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form key=value")
    return key, value


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set, so that whatever runs ends in order."""
    stop = threading.Event()
    with handled(STOP_SIGNALS, lambda *_: stop.set()):
        yield stop


# --- list ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FoundPort:
    """A serial port of this machine. ``drivers``: meters that identify themselves with its USB id."""

    port: str
    description: str
    usb_id: str | None
    drivers: tuple[str, ...]


def _list(arguments: argparse.Namespace) -> int:
    drivers = all_drivers()
    ports = find_ports(drivers)
    if arguments.json:
        write_json({"meters": [_driver_facts(driver) for driver in drivers], "ports": ports})
        return EXIT_DONE
    console = stdout_console()
    table = Table("driver", "range", "rate", "accuracy of power", "boundary", title="Supported meters")
    table.columns[0].no_wrap = True
    for driver in drivers:
        sheet = driver.data_sheet
        table.add_row(
            driver.name,
            f"{sheet.min_voltage_v:g}-{sheet.max_voltage_v:g} V, {sheet.ranges[-1].max_current_a:g} A",
            f"{1.0 / sheet.sample_interval_s:,.0f}/s",
            _accuracy(sheet),
            ", ".join(sheet.boundaries),
        )
    console.print(table)
    for driver in drivers:
        console.print(f"{driver.name}: {driver.title}")
    _print_ports(console, ports)
    return EXIT_DONE


def _driver_facts(driver: MeterDriver) -> dict[str, Any]:
    return {
        "driver": driver.name,
        "title": driver.title,
        "options": dict(driver.options),
        "data_sheet": asdict(driver.data_sheet),
    }


def _accuracy(sheet: DataSheet) -> str:
    gains = sorted({one.gain_limit_ratio + sheet.voltage_gain_limit_ratio for one in sheet.ranges})
    spread = f"{100 * gains[0]:g}" if len(gains) == 1 else f"{100 * gains[0]:g}-{100 * gains[-1]:g}"
    offset_a = sheet.ranges[-1].offset_limit_a
    return f"±({spread} % + {1e3 * offset_a:g} mA + {1e3 * sheet.voltage_offset_limit_v:g} mV)"


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


def _print_ports(console: Console, ports: list[FoundPort]) -> None:
    if not ports:
        console.print("No serial port was found on this machine.")
        return
    table = Table("port", "description", "USB id", "likely driver", title="Serial ports")
    for port in ports:
        table.add_row(port.port, port.description, port.usb_id or "-", ", ".join(port.drivers) or "-")
    console.print(table)


# --- read ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What ``meter read`` measured. ``total.energy_u_systematic_j`` is a standard uncertainty (k = 1)."""

    driver: str
    port: str
    simulated: bool
    total: EnergyDelta
    health: MeterHealth
    sync: SyncState


def _read(arguments: argparse.Namespace) -> int:
    driver = get_driver(arguments.driver)
    meter = Meter(driver, arguments.port, options=_options(arguments))
    with _stop_on_signal() as stop, meter:
        first = meter.snapshot()
        end_s = None if arguments.seconds is None else time.monotonic() + arguments.seconds
        with Live(console=stderr_console(), transient=True, auto_refresh=False) as live:
            while not stop.is_set() and (end_s is None or time.monotonic() < end_s):
                stop.wait(REFRESH_S if end_s is None else max(0.0, min(REFRESH_S, end_s - time.monotonic())))
                live.update(_live_table(meter, energy_between(first, meter.snapshot())), refresh=True)
        total = energy_between(first, meter.snapshot())
        result = ReadResult(driver.name, arguments.port, meter.is_simulated, total, meter.health(), meter.sync())
    if arguments.json:
        write_json(result)
    else:
        _print_total(total, result.health.identity, result.health.frame_errors, simulated=result.simulated)
    return EXIT_DONE if total.covered_s > 0.0 else EXIT_NO


def _live_table(meter: Meter, total: EnergyDelta) -> Table:
    simulated = " (simulated)" if meter.is_simulated else ""
    table = Table("volts", "amperes", "watts", "joules", "seconds", "gap s", title=meter.driver.title + simulated)
    block = meter.latest_block()
    if block is None or meter.latest_power_w() is None:
        now = ("-", "-", "disconnected")
    else:
        now = (f"{block.voltage_v.mean():.4f}", f"{block.current_a.mean():.5f}", f"{block.power_w.mean():.4f}")
    table.add_row(*now, f"{total.energy_j:.3f}", f"{total.duration_s:.1f}", f"{total.gap_s:.3f}")
    return table


def _print_total(
    total: EnergyDelta | None, identity: MeterIdentity | None, frame_errors: dict[str, int], *, simulated: bool = False
) -> None:
    console = stdout_console()
    name = "" if identity is None else f"{identity.model} {identity.serial_number} {identity.firmware}".rstrip()
    table = Table("quantity", "value", title=(name + (" SIMULATED" if simulated else "")).strip() or None)
    if total is None or total.mean_power_w is None:
        table.add_row("energy", "no samples")
    else:
        table.add_row("energy", f"{total.energy_j:.4f} J ± {total.energy_u_systematic_j:.4f} J (k = 1, systematic)")
        table.add_row("mean power", f"{total.mean_power_w:.4f} W (sd {total.power_sd_w:.4f} W)")
        table.add_row("time", f"{total.duration_s:.3f} s, of which {total.gap_s:.3f} s gap")
        table.add_row("samples", f"{total.sample_count:,.0f}, {total.lost_count:,.0f} lost")
    for kind, count in sorted(frame_errors.items()):
        table.add_row(f"errors: {kind}", f"{count:,}")
    console.print(table)


# --- record, decode ------------------------------------------------------------------------------------------------


def _record(arguments: argparse.Namespace) -> int:
    driver = get_driver(arguments.driver)
    options = _options(arguments)
    header = CaptureHeader(driver.name, dict(options), arguments.port, time.time_ns())
    try:
        file = arguments.file.open("wb")
    except OSError as error:
        raise ConfigurationError(f"{arguments.file}: cannot write it: {error.strerror}") from error
    with file, _stop_on_signal() as stop:
        writer = CaptureWriter(file, header)
        received_bytes = record(driver, arguments.port, options, writer, seconds=arguments.seconds, stop=stop)
    if arguments.json:
        write_json({"file": str(arguments.file), "received_bytes": received_bytes})
    else:
        stdout_console().print(f"{arguments.file}: {received_bytes:,} bytes from the meter")
    return EXIT_DONE if received_bytes else EXIT_NO


def _decode(arguments: argparse.Namespace) -> int:
    driver = get_driver(arguments.driver)
    capture = read_capture(arguments.file)
    if capture.header.driver != driver.name:
        stderr_console().print(f"note: {arguments.file} was recorded from a {capture.header.driver}")
    summary = summarise(driver, capture)
    if arguments.json:
        write_json(summary)
    else:
        _print_summary(summary)
    return EXIT_DONE if summary.total is not None else EXIT_NO


def _print_summary(summary: CaptureSummary) -> None:
    _print_total(summary.total, summary.identity, summary.frame_errors)
    if summary.cut_bytes:
        stderr_console().print(f"note: the file ends inside a frame; {summary.cut_bytes} bytes were left out")


# --- emulate -------------------------------------------------------------------------------------------------------


def _emulate(arguments: argparse.Namespace) -> int:
    settings = EmulatorSettings(
        voltage_v=arguments.voltage_v,
        noise_w=arguments.noise_w,
        seed=arguments.seed,
        gain_error_ratio=arguments.gain_error,
        options=_options(arguments),
        truth=arguments.truth,
    )
    emulator = MeterEmulator(get_driver(arguments.driver), arguments.link, _load(arguments), settings)
    with _stop_on_signal() as stop:
        emulator.run(stop)
    return EXIT_DONE


def _load(arguments: argparse.Namespace) -> LoadSource:
    if arguments.profile is not None and arguments.cpu_of_pid_file is not None:
        raise ConfigurationError("--profile and --cpu-of-pid-file exclude each other; name one load")
    if arguments.profile is not None:
        return ProfileLoad.from_csv(arguments.profile)
    if arguments.cpu_of_pid_file is not None:
        return ProcessLoad(arguments.cpu_of_pid_file, idle_w=arguments.idle_w, busy_w=arguments.busy_w)
    return ConstantLoad(arguments.idle_w)


def _options(arguments: argparse.Namespace) -> Options:
    return dict(arguments.option)
