"""The PowerSensor3's configuration: from its own bytes, from options, and which of its pairs count.

A pair is a sensor for current and the one after it for voltage; it counts when both are switched on.
"""

import re
from collections.abc import Sequence

from firmware_bridge.driver import Options
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.protocol.powersensor3.encoder import ZERO_CURRENT_V
from firmware_bridge.protocol.powersensor3.format import (
    CURRENT_SENSORS_V_PER_A,
    RECORD,
    SENSORS,
    VOLTS_PER_LEVEL,
    Sensor,
    parse_sensor,
)

PAIRS = SENSORS // 2
CONFIG_BYTES = SENSORS * RECORD.size
_VERSION = re.compile(rb"F4\d\d-[\x20-\x7e]{1,40}\r?\n")
_OFF = Sensor("", "", 0.0, 0.0, in_use=False)
_OFF_BY_MUCH_RATIO = 0.2


def parse_sensors(raw: bytes) -> list[Sensor]:
    """Read the eight records. Raises ValueError that names the sensor."""
    sensors = []
    for index in range(SENSORS):
        try:
            sensors.append(parse_sensor(raw[index * RECORD.size : (index + 1) * RECORD.size]))
        except ValueError as error:
            raise ValueError(f"sensor {index} is {error}") from None
    return sensors


def find_config(raw: bytes) -> tuple[str, list[Sensor], int] | None:
    """Look for what a meter says before its stream: a version line or nothing, eight records, ``D``.

    Return the version, the sensors and how many bytes that took from the beginning of ``raw``; None if it is not
    there. Without a version line the records have to come first.
    """
    versions = [(found.group().decode("ascii").strip(), found.end()) for found in _VERSION.finditer(raw)]
    for version, at in [*versions, ("", 0)]:
        end = at + CONFIG_BYTES
        if raw[end : end + 1] != b"D":
            continue
        try:
            sensors = parse_sensors(raw[at:end])
        except ValueError:
            continue
        if active_pairs(sensors):
            return version, sensors, end + 1
    return None


def given_sensors(read: OptionReader, options: Options) -> list[Sensor]:
    """Return the sensors that options ``pair0`` to ``pair3`` describe; empty without any of them."""
    if not any(f"pair{pair}" in options for pair in range(PAIRS)):
        return []
    sensors: list[Sensor] = []
    for pair in range(PAIRS):
        name = f"pair{pair}"
        text = read.text(name)
        sensors += _given_pair(name, text) if text else [_OFF, _OFF]
    return sensors


def _given_pair(name: str, text: str) -> list[Sensor]:
    kind, *numbers = (part.strip() for part in text.split(","))
    try:
        sensitivity = CURRENT_SENSORS_V_PER_A.get(kind.upper()) or float(kind)
        gain, vref_a, vref_v = (*map(float, numbers), *(ZERO_CURRENT_V, 0.0)[max(len(numbers), 1) - 1 :])
        current = Sensor(kind, name, vref_a, sensitivity, in_use=True)
        voltage = Sensor("voltage", name, vref_v, gain, in_use=True)
        return [parse_sensor(sensor.pack()) for sensor in (current, voltage)]
    except (ValueError, OverflowError):
        types = ", ".join(CURRENT_SENSORS_V_PER_A)
        raise ConfigurationError(
            f"option {name!r} of meter driver powersensor3 is {text!r}; give the current sensor ({types}, or its V/A) "
            "and the gain of the voltage, as in 'MLX10,0.0877', then the vref of both in V if they are known",
        ) from None


def active_pairs(sensors: Sequence[Sensor]) -> list[int]:
    """Return the pairs whose two sensors are switched on."""
    return [pair for pair in range(PAIRS) if sensors[2 * pair].in_use and sensors[2 * pair + 1].in_use]


def wanted_pairs(read: OptionReader) -> list[int] | None:
    """Return the pairs that option ``pairs`` names; None for all."""
    text = read.text("pairs", "all").strip().lower()
    if text == "all":
        return None
    numbers = [part.strip() for part in text.split(",")]
    if not all(number.isdigit() and int(number) < PAIRS for number in numbers):
        raise ConfigurationError(f"option 'pairs' of meter driver powersensor3 is {text!r}; give all, or as in '0,2'")
    return sorted({int(number) for number in numbers})


def summed_pairs(sensors: Sequence[Sensor], wanted: list[int] | None) -> list[int]:
    """Return the pairs to sum. Raises ValueError if there is none, or one that is wanted is off."""
    active = active_pairs(sensors)
    if not active:
        raise ValueError("no pair of sensors is switched on: configure the meter with psconfig")
    for pair in wanted or ():
        if pair not in active:
            there = ", ".join(map(str, active))
            raise ValueError(f"pair {pair} is not switched on (these are: {there}): change option pairs, or psconfig")
    return active if wanted is None else wanted


def doubts(sensors: Sequence[Sensor], pairs: Sequence[int]) -> list[str]:
    """Say which current sensors are set to something else than their type's name stands for."""
    found = []
    for pair in pairs:
        sensor = sensors[2 * pair]
        nominal = CURRENT_SENSORS_V_PER_A.get(sensor.kind)
        if nominal is not None and abs(abs(sensor.sensitivity) / nominal - 1.0) > _OFF_BY_MUCH_RATIO:
            found.append(
                f"sensor {2 * pair} is an {sensor.kind} ({nominal * 1e3:g} mV/A) that is set to "
                f"{sensor.sensitivity * 1e3:.4g} mV/A: check it with psconfig",
            )
    return found


def level_a(sensors: Sequence[Sensor], pairs: Sequence[int]) -> float:
    """Return the current that one level of the converter is, that of all pairs added."""
    return sum(VOLTS_PER_LEVEL / abs(sensors[2 * pair].sensitivity) for pair in pairs)
