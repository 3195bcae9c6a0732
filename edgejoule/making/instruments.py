"""What can watch a training: the processor's own energy counters, and an external meter."""

import contextlib
import math
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec

from edge_agent.config import MeterSection
from edge_agent.uncertainty.energy import energy_budget
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.toml_config import read_toml
from edgejoule.zoo.entry import DevelopmentMethod
from firmware_bridge.calibration import Calibration
from firmware_bridge.energy import energy_between
from firmware_bridge.internal import rapl
from firmware_bridge.internal.reading import InternalSensor, InternalSensorWarning
from firmware_bridge.internal.sampler import InternalEnergy, InternalSampler
from firmware_bridge.meter import Meter
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import EnergyReading
from firmware_bridge.stream import host_time_s

RAPL_LIMIT_RATIO: Final = 0.2
"""Limits (+-) that are assumed for RAPL: its makers state none. K. Khan et al. 2018 (doi 10.1145/3177754) find that it
goes with plug power, M. Fahad et al. 2019 (doi 10.3390/en12112204) that it is far off for the dynamic part of some
loads."""
SAMPLE_S: Final = 1.0
MIN_COVERED_RATIO: Final = 0.5
"""An instrument that saw less of the training than this has no figure."""
SETTLE_S: Final = 15.0
FINE_HISTORY_S: Final = 3600.0
_BUSY_RATIO: Final = 0.5
_SQRT_3: Final = math.sqrt(3.0)


@dataclass(frozen=True, slots=True)
class Measured:
    """Joules of a training with their standard uncertainty, and what they hold."""

    energy_j: float
    u_j: float
    method: DevelopmentMethod
    boundary: str


class Instrument(Protocol):
    """Watches from ``begin`` to ``end``; whoever called ``begin`` calls ``end``."""

    def begin(self) -> None:
        """Begin to watch."""
        ...

    def end(self) -> Measured | None:
        """Stop, release what is held, and return what was seen; None where that is too little."""
        ...


class RaplCounters:
    """RAPL counters read once a second by a thread, so that no wrap goes unseen: psys, or all packages together."""

    def __init__(self, zones: dict[str, InternalSensor]) -> None:
        """Take the zones by their names."""
        self._zones = zones
        self._samplers = [InternalSampler() for _ in zones]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rapl", daemon=True)

    @property
    def readings_count(self) -> int:
        """Return how often all counters were read so far."""
        return min(one.total().readings for one in self._samplers)

    def begin(self) -> None:
        """Read the counters for the first time and start the thread."""
        self._sample()
        self._thread.start()

    def end(self) -> Measured | None:
        """Join the thread and return the energy; what was not seen is taken to be like the rest."""
        self._stop.set()
        self._thread.join()
        self._sample()
        totals = [one.total() for one in self._samplers]
        if any(not 0.0 < MIN_COVERED_RATIO * (one.covered_s + one.gap_s) <= one.covered_s for one in totals):
            return None
        energy_j = math.fsum(map(_whole_j, totals))
        if energy_j <= 0.0:  # a virtual machine may have counters that stand still
            return None
        unseen_j = energy_j - math.fsum(one.energy_j for one in totals)
        return Measured(
            energy_j,
            math.hypot(RAPL_LIMIT_RATIO * energy_j, unseen_j) / _SQRT_3,
            "rapl",
            f"energy counters of {', '.join(self._zones)}: idle power and other work included; not disks, fans, "
            "supply losses, and memory only where those counters have it",
        )

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        for zone, sampler in zip(self._zones.values(), self._samplers, strict=True):
            now_s = host_time_s()
            sampler.add(zone.read(now_s), now_s)


def rapl_zones(root: Path) -> tuple[dict[str, InternalSensor], str]:
    """Return the zones that are the whole together, by name: psys, or all packages; else none, and why.

    Why is empty where there are no counters at all.
    """
    zones = rapl.zones_of(root)
    with warnings.catch_warnings():  # in the main thread, before any other runs
        warnings.simplefilter("ignore", InternalSensorWarning)
        readings = [(zone, zone.read(host_time_s())) for zone in zones]
    named = {reading.total: zone for zone, reading in readings if reading is not None and reading.total is not None}
    platform: dict[str, InternalSensor] = {name: zone for name, zone in named.items() if name.startswith("psys")}
    packages: dict[str, InternalSensor] = {name: zone for name, zone in named.items() if name.startswith("package")}
    if packages and not platform and any(reading is None and zone.is_package for zone, reading in readings):
        return {}, "only some packages' energy counters can be read: run as root, or give all of them the udev rule"
    if platform or packages:
        return platform or packages, ""
    return {}, "energy counters are there but cannot be read: run as root, or add a udev rule" if zones else ""


def rapl_counters(root: Path) -> tuple[RaplCounters | None, str]:
    """Return this machine's counters, or None and why: empty where there are none at all."""
    zones, note = rapl_zones(root)
    return (RaplCounters(zones) if zones else None), note


def _whole_j(total: InternalEnergy) -> float:
    return total.energy_j * (total.covered_s + total.gap_s) / total.covered_s


class _MeterFile(msgspec.Struct, frozen=True):
    meter: MeterSection


class ExternalMeter:
    """A meter in front of this machine, as ``[meter]`` of a TOML file names it; an agent's configuration will do."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises ConfigurationError."""
        self._section = section = read_toml(path, _MeterFile).meter
        driver = get_driver(section.driver)
        offered = [one for one in driver.data_sheet.boundaries if one != "site"]
        if section.boundary not in offered:
            raise ConfigurationError(
                f"{path}: [meter] boundary = {section.boundary!r}: a {driver.name} in front of the machine that "
                f"trains measures {' or '.join(offered) or 'a whole site only; take another meter'}"
            )
        table = section.calibration
        calibration = Calibration(**msgspec.structs.asdict(table)) if table else None
        self._meter = Meter(driver, section.port, options=section.options, calibration=calibration)
        self._began_s = 0.0
        self._early: EnergyReading | None = None

    def begin(self) -> None:
        """Open the meter and wait for its first samples. Raises a FirmwareBridgeError."""
        self._meter.open()
        self._early, self._began_s = self._meter.snapshot(), self._meter.now_s()

    def end(self) -> Measured | None:
        """Wait until samples reach this moment, close the meter, and return the energy."""
        with contextlib.closing(self._meter):
            ended_s = self._meter.now_s()
            last = self._reading_at(ended_s)
            is_long = ended_s - self._began_s > FINE_HISTORY_S
            first = self._early if is_long else self._meter.reading_at(self._began_s)
            residual_s = self._meter.sync().residual_s
            is_simulated = self._section.simulated or self._meter.is_simulated
        if first is None or last is None:
            return None
        delta = energy_between(first, last)
        if delta.mean_power_w is None or delta.covered_s < MIN_COVERED_RATIO * (delta.covered_s + delta.gap_s):
            return None
        budget = energy_budget(
            delta, self._meter.driver.data_sheet, sync_residual_s=residual_s, busy_ratio=_BUSY_RATIO
        )
        unseen_j = delta.mean_power_w * delta.gap_s
        boundary = (
            f"{self._meter.driver.name} at {self._section.boundary}: the whole machine, idle power and other work "
            "included"
        )
        return Measured(
            delta.energy_j + unseen_j,
            math.hypot(budget.combined_j, unseen_j / _SQRT_3),
            "meter",
            f"simulated: {boundary}" if is_simulated else boundary,
        )

    def _reading_at(self, t_s: float) -> EnergyReading | None:
        deadline_s = time.monotonic() + SETTLE_S + 2.0 * self._meter.driver.data_sheet.max_interval_s
        while (reading := self._meter.reading_at(t_s)) is None and time.monotonic() < deadline_s:
            time.sleep(0.02)
        return reading
