"""Raspberry Pi 5: the power management chip's converter, asked through ``vcgencmd pmic_read_adc``.

Twelve regulator outputs with volts and amperes. There is no current of the 5 V input: what USB devices, HATs and the
regulators themselves take is invisible, so the sum is not the board's power. Pi 4 and earlier have no such sensor.
Sources: Raspberry Pi documentation, "vcgencmd"; pi-top documentation (the fit of input power, one unit, no stated
uncertainty); zeus issue 273 (idle and busy VDD_CORE).
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware_bridge.internal.reading import (
    InternalReading,
    InternalSensor,
    NoInputCurrentWarning,
    NotReadableWarning,
    NotSupportedWarning,
    Rail,
    SensorKind,
    read_text,
    warn,
)

COMMAND: Final = ("vcgencmd", "pmic_read_adc")
TIMEOUT_S: Final = 2.0
FIT_SLOPE: Final = 1.1451
FIT_OFFSET_W: Final = 0.5879
"""Input power = slope x sum of rails + offset: a community fit (pi-top), a model and not a measurement."""
_LINE: Final = re.compile(r"^\s*(\w+)_([AV])\s+(?:current|volt)\(\d+\)=([-+0-9.eE]+)[AV]\s*$")


def parse_pmic(text: str) -> tuple[Rail, ...]:
    """Return the rails of one answer, in its order; those with a voltage only have no power."""
    values: dict[str, dict[str, float]] = {}
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        try:
            values.setdefault(found[1], {})[found[2]] = float(found[3])
        except ValueError:
            continue
    return tuple(
        Rail(name, None if len(one) < 2 else one["A"] * one["V"], one.get("V"), one.get("A"))
        for name, one in values.items()
    )


def ask_vcgencmd() -> str:
    """Return the firmware's answer. Raises OSError or subprocess.SubprocessError."""
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    return done.stdout


@dataclass(frozen=True, slots=True)
class Pi5Pmic:
    """The chip of this board. ``ask`` returns one answer as text."""

    ask: Callable[[], str] = ask_vcgencmd
    name: str = "pi5_pmic"

    def read(self, t_host_s: float) -> InternalReading | None:
        """Return all rails; NoInputCurrentWarning says why there is no total."""
        try:
            text = self.ask()
        except (OSError, subprocess.SubprocessError) as error:
            warn(NotReadableWarning, f"{self.name}: vcgencmd failed ({error}); is this user in the group 'video'?")
            return None
        rails = parse_pmic(text)
        powers_w = [rail.power_w for rail in rails if rail.power_w is not None]
        if not powers_w:
            warn(NotSupportedWarning, f"{self.name}: no rail with a current; only the Raspberry Pi 5 has this sensor")
            return None
        warn(
            NoInputCurrentWarning,
            f"{self.name}: the input current is not measured; USB, HATs and regulator losses are missing",
        )
        return InternalReading(self.name, t_host_s, rails, modelled_power_w=FIT_SLOPE * sum(powers_w) + FIT_OFFSET_W)


def find(root: Path) -> list[InternalSensor]:
    """Return the sensor where the device tree says Raspberry Pi 5 (or Compute Module 5) and vcgencmd is there."""
    model = read_text(root / "proc/device-tree/model").rstrip("\0")
    is_pi5 = re.match(r"Raspberry Pi (5|500|Compute Module 5)\b", model) is not None
    return [Pi5Pmic()] if is_pi5 and shutil.which(COMMAND[0]) else []


SENSOR = SensorKind(
    name="pi5_pmic",
    title="Raspberry Pi 5 power management chip",
    scope="twelve regulator outputs; not the 5 V input, USB, HATs or regulator losses",
    source="Raspberry Pi documentation, vcgencmd pmic_read_adc",
    find=find,
)
