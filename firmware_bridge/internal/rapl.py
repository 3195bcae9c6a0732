"""Intel and AMD: RAPL energy counters through powercap.

Counters in microjoules that wrap at ``max_energy_range_uj`` (minutes at full load). ``psys`` is the whole platform
where it exists; a package contains its core and uncore zones, memory may or may not be in it: zones are not added up.
Readable by root only since Linux 5.10 (CVE-2020-8694).
Source: Linux Documentation/power/powercap/powercap.rst.
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
    read_number,
    read_text,
    warn,
)

MICRO: Final = 1e-6


@dataclass(frozen=True, slots=True)
class RaplZone:
    """One top-level zone with its sub-zones; its own counter is the total of what is inside it."""

    folder: Path

    @property
    def name(self) -> str:
        """Return the zone's folder, as intel-rapl:0."""
        return self.folder.name

    @property
    def is_package(self) -> bool:
        """Return whether it is a processor; its name may be read by all, even where its counter may not."""
        return read_text(self.folder / "name").startswith("package")

    def read(self, t_host_s: float) -> InternalReading | None:
        """Return the counters of the zone and what is inside it."""
        folders = [self.folder, *sorted(self.folder.glob(f"{self.folder.name}:*"))]
        rails = tuple(rail for rail in map(_rail, folders) if rail is not None)
        top = _rail(self.folder)
        if top is None:
            warn(NotReadableWarning, f"{self.name}: energy_uj cannot be read; it needs root, or a udev rule")
            return None
        return InternalReading(self.name, t_host_s, rails, total=top.name)


def _rail(folder: Path) -> Rail | None:
    energy_j = read_number(folder / "energy_uj", MICRO)
    if energy_j is None:
        return None
    period_j = read_number(folder / "max_energy_range_uj", MICRO)
    return Rail(read_text(folder / "name") or folder.name, None, energy_j=energy_j, counter_period_j=period_j)


def zones_of(root: Path) -> list[RaplZone]:
    """Return the top-level zones below ``root``, without the memory-mapped twins of the same packages."""
    folders = sorted((root / "sys/class/powercap").glob("intel-rapl:*"))
    return [RaplZone(one) for one in folders if one.name.count(":") == 1]


def find(root: Path) -> list[InternalSensor]:
    """Return the same as sensors."""
    return list(zones_of(root))


SENSOR = SensorKind(
    name="rapl",
    title="Intel and AMD energy counters (RAPL)",
    scope="the processor package, with psys the platform; not disks, fans, mainboard or supply losses",
    source="Linux Documentation/power/powercap/powercap.rst",
    find=find,
)
