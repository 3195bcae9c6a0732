"""NVIDIA Jetson: INA3221 (Orin, Xavier, Nano) and INA238 (Thor) on the module, through hwmon or the older iio driver.

It sees the module's rails; the carrier board, its regulators and USB devices are outside. 13-bit: one step of
current is 40 uV across the shunt, 8 mA with 5 mOhm.
Sources: Linux Documentation/hwmon/ina3221.rst and ina238.rst; NVIDIA Jetson Linux Developer Guide, "Power Monitor"
(L4T 32: iio paths); jetson_stats issues 51 (POM_5V_IN contains the others), 344 (VIN_SYS_5V0 is not the total),
131 (Nano's iio path).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_bridge.internal.reading import (
    InternalReading,
    InternalSensor,
    NotReadableWarning,
    Rail,
    SensorKind,
    product,
    read_number,
    read_text,
    warn,
)

CHIPS: Final = ("ina3221", "ina238")
TOTAL_RAILS: Final = ("VDD_IN", "POM_5V_IN", "VIN")
"""Rails that feed the whole module. VIN_SYS_5V0 of the AGX Orin is one of its inputs only."""
CHANNELS: Final = 3
MILLI: Final = 1e-3
MICRO: Final = 1e-6


@dataclass(frozen=True, slots=True)
class HwmonIna:
    """One chip under ``/sys/class/hwmon``: millivolts and milliamperes by channel, microwatts where it has them."""

    folder: Path
    chip: str

    @property
    def name(self) -> str:
        """Return chip and hwmon number."""
        return f"{self.chip}:{self.folder.name}"

    def read(self, t_host_s: float) -> InternalReading | None:
        """Return all channels that answer."""
        rails = tuple(rail for rail in map(self._rail, range(1, CHANNELS + 1)) if rail is not None)
        return _reading(self.name, t_host_s, rails)

    def _rail(self, channel: int) -> Rail | None:
        volts = read_number(self.folder / f"in{channel}_input", MILLI)
        amperes = read_number(self.folder / f"curr{channel}_input", MILLI)
        watts = read_number(self.folder / f"power{channel}_input", MICRO)
        if watts is None:
            watts = product((volts, amperes))
        label = read_text(self.folder / f"in{channel}_label") or f"channel {channel}"
        return None if watts is None else Rail(label, watts, volts, amperes)


@dataclass(frozen=True, slots=True)
class IioIna:
    """One chip of the L4T 32 driver: milliwatts, millivolts, milliamperes by channel from 0."""

    folder: Path

    @property
    def name(self) -> str:
        """Return the chip's place on its bus."""
        return f"ina3221x:{self.folder.parent.name}"

    def read(self, t_host_s: float) -> InternalReading | None:
        """Return all channels that answer."""
        rails: list[Rail] = []
        for channel in range(CHANNELS):
            watts = read_number(self.folder / f"in_power{channel}_input", MILLI)
            if watts is None:
                continue
            label = read_text(self.folder / f"rail_name_{channel}") or f"channel {channel}"
            volts = read_number(self.folder / f"in_voltage{channel}_input", MILLI)
            amperes = read_number(self.folder / f"in_current{channel}_input", MILLI)
            rails.append(Rail(label, watts, volts, amperes))
        return _reading(self.name, t_host_s, tuple(rails))


def _reading(name: str, t_host_s: float, rails: tuple[Rail, ...]) -> InternalReading | None:
    if not rails:
        warn(NotReadableWarning, f"{name}: no channel answers; channels may be switched off (in1_enable)")
        return None
    total = next((rail.name for rail in rails if rail.name in TOTAL_RAILS), None)
    return InternalReading(name, t_host_s, rails, total)


def find(root: Path) -> list[InternalSensor]:
    """Return the chips below ``root``, hwmon first; a chip is never found by both drivers at once."""
    found: list[InternalSensor] = []
    for folder in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        chip = read_text(folder / "name")
        if chip in CHIPS:
            found.append(HwmonIna(folder, chip))
    found += [IioIna(one) for one in sorted((root / "sys/bus/i2c/drivers/ina3221x").glob("*/iio:device*"))]
    return found


SENSOR = SensorKind(
    name="jetson_ina",
    title="NVIDIA Jetson module power monitor (INA3221, INA238)",
    scope="the module's rails; carrier board, fan and USB devices are outside",
    source="Linux Documentation/hwmon/ina3221.rst; NVIDIA Jetson Linux Developer Guide",
    find=find,
)
