"""``edgejoule meter internal``: a board's own power sensors, alone or against an external meter."""

import argparse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from rich.table import Table

from edgejoule.commands.meter.common import options_of, stop_on_signal
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json
from firmware_bridge.cross_check import REMEDIES, CrossCheck, PowerPair, cross_check
from firmware_bridge.energy import energy_between
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.internal.reading import InternalReading, InternalSensor, InternalSensorWarning, SensorKind
from firmware_bridge.internal.registry import all_kinds, find_sensors
from firmware_bridge.internal.sampler import InternalEnergy, InternalSampler
from firmware_bridge.meter import Meter
from firmware_bridge.registry import get_driver
from firmware_bridge.stream import host_time_s

SAMPLE_S = 0.1


@dataclass(slots=True)
class Watched:
    """One sensor while it is read. ``whole`` adds up the run, ``window`` the window that is open."""

    kind: SensorKind
    sensor: InternalSensor
    whole: InternalSampler
    window: InternalSampler
    pairs: list[PowerPair]
    last: InternalReading | None = None


@dataclass(frozen=True, slots=True)
class NamedWarning:
    """A named warning of a sensor, once."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class SensorResult:
    """What one sensor said. ``total`` is the energy of the rail that holds the whole, all gap where there is none."""

    sensor: str
    kind: str
    scope: str
    last: InternalReading | None
    total: InternalEnergy
    cross_check: CrossCheck | None


def run(arguments: argparse.Namespace) -> int:
    """Read all sensors for a while; compare them with the external meter that ``--against`` names."""
    found = find_sensors(arguments.root)
    if not found:
        names = ", ".join(kind.name for kind in all_kinds())
        raise ConfigurationError(f"no internal power sensor was found below {arguments.root}; known kinds: {names}")
    meter = _meter(arguments)
    watched = [Watched(kind, sensor, InternalSampler(), InternalSampler(), []) for kind, sensor in found]
    with _named_warnings() as named, meter or nullcontext():
        _watch(arguments, watched, meter)
    results = [_result(one, against=meter is not None) for one in watched]
    if arguments.json:
        write_json({"sensors": results, "warnings": list(named.values())})
    else:
        _print(results, list(named.values()))
    return EXIT_DONE if any(one.total.covered_s > 0.0 for one in results) else EXIT_NO


def _meter(arguments: argparse.Namespace) -> Meter | None:
    if arguments.against is None:
        return None
    driver, port = arguments.against
    return Meter(get_driver(driver), port, options=options_of(arguments))


def _watch(arguments: argparse.Namespace, watched: list[Watched], meter: Meter | None) -> None:
    end_s = host_time_s() + arguments.seconds
    window_end_s = host_time_s() + arguments.window_s
    before = None if meter is None else meter.snapshot()
    with stop_on_signal() as stop:
        while not stop.is_set() and (now_s := host_time_s()) < end_s:
            for one in watched:
                reading = one.sensor.read(now_s)
                one.last = reading or one.last
                one.whole.add(reading, now_s)
                one.window.add(reading, now_s)
            if meter is not None and before is not None and now_s >= window_end_s:
                after = meter.snapshot()
                delta = energy_between(before, after)
                before, window_end_s = after, now_s + arguments.window_s
                for one in watched:
                    _close_window(one, delta.mean_power_w, delta.energy_u_systematic_j / max(delta.covered_s, 1e-9))
            stop.wait(max(0.0, now_s + SAMPLE_S - host_time_s()))


def _close_window(one: Watched, external_w: float | None, external_u_w: float) -> None:
    total = one.window.total()
    if external_w is not None and total.covered_s > 0.0:
        one.pairs.append(PowerPair(external_w, total.energy_j / total.covered_s, external_u_w))
    one.window = InternalSampler()


def _result(one: Watched, *, against: bool) -> SensorResult:
    check = cross_check(one.pairs) if against else None
    return SensorResult(one.sensor.name, one.kind.name, one.kind.scope, one.last, one.whole.total(), check)


@contextmanager
def _named_warnings() -> Iterator[dict[str, NamedWarning]]:
    """Collect each named warning of the sensors once; all others go their way."""
    named: dict[str, NamedWarning] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("always", InternalSensorWarning)
        show = warnings.showwarning

        def keep(message: Warning | str, category: type[Warning], *rest: object, **more: object) -> None:
            if issubclass(category, InternalSensorWarning):
                named.setdefault(str(message), NamedWarning(category.__name__, str(message)))
            else:
                show(message, category, *rest, **more)  # type: ignore[arg-type]  # passed on as they came

        warnings.showwarning = keep
        yield named


def _print(results: list[SensorResult], named: list[NamedWarning]) -> None:
    console = stdout_console()
    for one in results:
        table = Table("rail", "volts", "amperes", "watts", title=f"{one.sensor}: {one.scope}")
        for rail in () if one.last is None else one.last.rails:
            values = (rail.voltage_v, rail.current_a, rail.power_w)
            table.add_row(rail.name, *("-" if value is None else f"{value:.4f}" for value in values))
        console.print(table)
        if one.total.covered_s > 0.0:
            how = "its own counter" if one.total.from_counter else f"{one.total.readings} readings"
            mean_w = one.total.energy_j / one.total.covered_s
            console.print(
                f"{one.total.energy_j:.3f} J in {one.total.covered_s:.1f} s, mean {mean_w:.3f} W, by {how}; "
                f"{one.total.gap_s:.1f} s without"
            )
        if one.cross_check is not None:
            _print_check(one.cross_check)
    for warning in named:
        stderr_console().print(f"{warning.name}: {warning.text}", markup=False)


def _print_check(check: CrossCheck) -> None:
    console = stdout_console()
    if check.gain is not None and check.offset_w is not None:
        console.print(
            f"external = {check.offset_w:.3f} W + {check.gain:.4f} x internal over {check.windows} windows, residual "
            f"sd {check.residual_sd_w:.4f} W"
        )
    for finding in check.findings:
        console.print(f"{finding}: {REMEDIES[finding]}")
