"""``edgejoule meter emulate``: a meter's real protocol on a pseudo-terminal, and what its load has truly drawn."""

import argparse
import math
import sys
from dataclasses import asdict
from typing import Any

import msgspec

from edgejoule.commands.meter.common import options_of, stop_on_signal
from edgejoule.output import EXIT_DONE, stderr_console
from firmware_bridge.driver import DataSheet
from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.faults import Faults
from firmware_bridge.loads import ConstantLoad, LoadSource, ProcessLoad, ProfileLoad, readable_power_w
from firmware_bridge.registry import get_driver


def run(arguments: argparse.Namespace) -> int:
    """Serve until the time is over or somebody stops it."""
    driver = get_driver(arguments.driver)
    driver.make_decoder(options_of(arguments))
    settings = EmulatorSettings(
        voltage_v=arguments.voltage_v,
        noise_w=arguments.noise_w,
        seed=arguments.seed,
        gain_error_ratio=arguments.gain_error,
        options=options_of(arguments),
        truth=arguments.truth,
        faults=_faults(arguments),
        marker_socket=arguments.marker_socket,
    )

    def say_port(path: str) -> None:
        link = None if arguments.link is None else str(arguments.link)
        _say({"driver": driver.name, "port": path, "link": link} if arguments.json else path)

    _name_load(arguments, driver.for_options(settings.options).data_sheet)
    emulator = MeterEmulator(driver, arguments.link, _load(arguments), settings, on_port=say_port)
    _warn_of_too_much(emulator, arguments)
    with stop_on_signal() as stop:
        emulator.run(stop, math.inf if arguments.seconds is None else arguments.seconds)
    _say(_truth(emulator) if arguments.json else _text(emulator))
    return EXIT_DONE


def _say(value: str | dict[str, Any]) -> None:
    """Write one line, JSON for a dictionary, and hand it over at once: whoever waits for the port reads it now."""
    sys.stdout.write((value if isinstance(value, str) else msgspec.json.encode(value).decode()) + "\n")
    sys.stdout.flush()


def _warn_of_too_much(emulator: MeterEmulator, arguments: argparse.Namespace) -> None:
    """Say on stderr that a constant load is beyond the meter's range: it will then see no samples, or full scale."""
    sheet = emulator.driver.data_sheet
    voltage_v, most_a = arguments.voltage_v or sheet.nominal_voltage_v, sheet.ranges[-1].max_current_a
    if arguments.profile is None and arguments.idle_w / voltage_v > most_a:
        stderr_console().print(
            f"note: {arguments.idle_w:g} W at {voltage_v:g} V are {arguments.idle_w / voltage_v:.3g} A; "
            f"a {emulator.driver.name} measures up to {most_a:g} A",
            markup=False,
            soft_wrap=True,
        )


def _truth(emulator: MeterEmulator) -> dict[str, Any]:
    return {
        "driver": emulator.driver.name,
        "energy_true_j": emulator.energy_true_j,
        "seconds": emulator.seconds,
        "dropped_bytes": emulator.dropped_bytes,
        "faults": asdict(emulator.fault_counts),
        "instrument_error": asdict(emulator.error),
    }


def _text(emulator: MeterEmulator) -> str:
    counts = {name: count for name, count in asdict(emulator.fault_counts).items() if count}
    counts |= {"dropped_bytes": emulator.dropped_bytes} if emulator.dropped_bytes else {}
    faults = "".join(f", {name.replace('_', ' ')} {count:,}" for name, count in counts.items())
    return f"the load drew {emulator.energy_true_j:.6f} J in {emulator.seconds:.3f} s{faults}"


def _name_load(arguments: argparse.Namespace, sheet: DataSheet) -> None:
    """Fill in powers that this meter shows well where none are given."""
    arguments.idle_w = readable_power_w(sheet) if arguments.idle_w is None else arguments.idle_w
    arguments.busy_w = 2.0 * arguments.idle_w if arguments.busy_w is None else arguments.busy_w


def _load(arguments: argparse.Namespace) -> LoadSource:
    if arguments.profile is not None and arguments.cpu_of_pid_file is not None:
        raise ConfigurationError("--profile and --cpu-of-pid-file exclude each other; name one load")
    if arguments.profile is not None:
        return ProfileLoad.from_csv(arguments.profile)
    if arguments.cpu_of_pid_file is not None:
        return ProcessLoad(arguments.cpu_of_pid_file, idle_w=arguments.idle_w, busy_w=arguments.busy_w)
    return ConstantLoad(arguments.idle_w)


def _faults(arguments: argparse.Namespace) -> Faults:
    try:
        return Faults(
            loss_ratio=arguments.loss,
            garbage_bytes_hz=arguments.garbage,
            bit_flips_hz=arguments.bit_flips,
            jitter_s=arguments.jitter_ms / 1e3,
            drift_ratio=None if arguments.drift_ppm is None else arguments.drift_ppm / 1e6,
            reset_at_s=arguments.reset_at,
            unplug_at_s=tuple(arguments.unplug_at),
        )
    except ValueError as error:
        raise ConfigurationError(f"these faults cannot be: {error}") from error
