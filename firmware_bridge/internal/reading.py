"""What an internal sensor says, and the warnings that stand where a number would mislead."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class InternalSensorWarning(UserWarning):
    """A figure that this sensor cannot give, or that would be mistaken for another."""


class SummedRailsWarning(InternalSensorWarning):
    """Rails overlap or leave parts of the board out: their sum is not the board's power."""


class NoInputCurrentWarning(InternalSensorWarning):
    """The sensor sees regulator outputs but not the input: USB, HATs and losses are missing."""


class NotSupportedWarning(InternalSensorWarning):
    """The interface is there and answers, but this chip has no power sensor behind it."""


class NotReadableWarning(InternalSensorWarning):
    """The sensor exists, but this process may not read it or it fails now."""


@dataclass(frozen=True, slots=True)
class Rail:
    """One supply rail at one moment. None is a quantity that the sensor does not have.

    ``energy_j``: a cumulative counter that goes on from an arbitrary start; ``counter_period_j`` is where it wraps.
    """

    name: str
    power_w: float | None
    voltage_v: float | None = None
    current_a: float | None = None
    energy_j: float | None = None
    counter_period_j: float | None = None


@dataclass(frozen=True, slots=True)
class InternalReading:
    """All rails of one sensor at one host time in seconds.

    ``total``: the name of the one rail that holds all others, None where there is none.
    ``modelled_power_w``: input power from a published fit, where one exists; a model, never a measurement.
    """

    sensor: str
    t_host_s: float
    rails: tuple[Rail, ...]
    total: str | None = None
    modelled_power_w: float | None = None


class InternalSensor(Protocol):
    """One sensor of this machine."""

    @property
    def name(self) -> str:
        """Return which sensor this is, unique on this machine."""
        ...

    def read(self, t_host_s: float) -> InternalReading | None:
        """Return what it says now; None, with a named warning, where it says nothing."""
        ...


@dataclass(frozen=True, slots=True)
class SensorKind:
    """One kind of sensor: a module of this package ends in ``SENSOR = SensorKind(...)``.

    ``scope``: what it sees, and what it leaves out. ``find(root)``: the sensors of this kind below a file system's
    root (``/``, or a test's folder).
    """

    name: str
    title: str
    scope: str
    source: str
    find: Callable[[Path], list[InternalSensor]]


def total_rail(reading: InternalReading) -> Rail | None:
    """Return the rail that holds the whole, None with SummedRailsWarning where there is none.

    Rails are never added up: some contain others (POM_5V_IN contains POM_5V_CPU), some boards have parts that no
    rail shows.
    """
    for rail in reading.rails:
        if rail.name == reading.total:
            return rail
    names = ", ".join(rail.name for rail in reading.rails) or "none"
    warn(SummedRailsWarning, f"{reading.sensor}: no rail holds the whole (rails: {names}); they are not added up")
    return None


def warn(kind: type[InternalSensorWarning], text: str) -> None:
    """Issue a named warning, placed at the caller of the sensor."""
    warnings.warn(text, kind, stacklevel=3)


def read_number(path: Path, scale: float = 1.0) -> float | None:
    """Return a sysfs number times ``scale``; None where it is absent, empty or the chip refuses."""
    try:
        return float(path.read_text(encoding="ascii")) * scale
    except (OSError, ValueError):
        return None


def read_text(path: Path) -> str:
    """Return a sysfs line without its end; empty where it is absent."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def product(factors: Iterable[float | None]) -> float | None:
    """Return the product, None if any factor is unknown."""
    result = 1.0
    for factor in factors:
        if factor is None:
            return None
        result *= factor
    return result
