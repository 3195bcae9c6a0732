"""Which kinds of internal sensor there are: every module of this package that ends in ``SENSOR = SensorKind(...)``."""

import importlib
import pkgutil
from pathlib import Path

from firmware_bridge import internal
from firmware_bridge.internal.reading import InternalSensor, SensorKind

_NO_KIND = {"reading", "registry", "sampler"}


def all_kinds() -> tuple[SensorKind, ...]:
    """Return every kind, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(internal.__path__) if module.name not in _NO_KIND)
    return tuple(importlib.import_module(f"{internal.__name__}.{name}").SENSOR for name in names)


def find_sensors(root: Path = Path("/")) -> list[tuple[SensorKind, InternalSensor]]:
    """Return the sensors of this machine, or of a copy of its file tree below ``root``."""
    return [(kind, sensor) for kind in all_kinds() for sensor in kind.find(root)]
