"""The device at one moment: temperature, clock frequency, governor, throttling.

Sources: Linux Documentation/driver-api/thermal/sysfs-api, admin-guide/pm/cpufreq.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.device.files import KeptFile, integer, read
from edge_agent.device.throttle import ThrottleWatch, throttled_now

MIXED_GOVERNOR: Final = "mixed"
_PREFERRED_ZONES: Final = ("cpu", "soc", "x86_pkg")
_CORES: Final = "devices/system/cpu"
_CORE_PATTERN: Final = "cpu[0-9]*/cpufreq"


@dataclass(frozen=True, slots=True)
class DeviceState:
    """The device at one moment. ``freq_mhz``: mean over the cores."""

    soc_temp_c: float | None
    freq_mhz: float | None
    throttled: bool | None


@dataclass(frozen=True, slots=True)
class DeviceSample:
    """The device at one moment, with the slowest and the fastest core. ``throttled``: now or since the last sample."""

    soc_temp_c: float | None
    freq_mhz: float | None
    freq_min_mhz: float | None
    freq_max_mhz: float | None
    throttled: bool | None


def read_device_state(sys_root: Path = Path("/sys")) -> DeviceState:
    """Return temperature, frequency and throttling as the kernel shows them under ``sys_root``."""
    zone = _processor_zone(sys_root)
    milli_c = None if zone is None else integer(read(zone))
    values_khz = [
        value for path in _core_folders(sys_root) if (value := integer(read(path / "scaling_cur_freq"))) is not None
    ]
    return DeviceState(
        soc_temp_c=None if milli_c is None else milli_c / 1000.0,
        freq_mhz=sum(values_khz) / len(values_khz) / 1000.0 if values_khz else None,
        throttled=throttled_now(sys_root),
    )


def read_governor(sys_root: Path = Path("/sys")) -> str | None:
    """Return the cores' frequency governor, "mixed" where they differ, None where there is none."""
    found = {name for path in _core_folders(sys_root) if (name := read(path / "scaling_governor"))}
    return found.pop() if len(found) == 1 else MIXED_GOVERNOR if found else None


class DeviceReader:
    """Reads the device's state often and cheaply: the files stay open, and cores that share a clock are read once."""

    def __init__(self, sys_root: Path = Path("/sys")) -> None:
        zone = _processor_zone(sys_root)
        self._zone = None if zone is None else KeptFile(zone)
        cores: dict[Path, int] = {}
        for folder in _core_folders(sys_root):
            clock = folder.resolve() / "scaling_cur_freq"
            cores[clock] = cores.get(clock, 0) + 1
        self._clocks = [(KeptFile(path), count) for path, count in cores.items()]
        self._throttle = ThrottleWatch(sys_root)

    def sample(self, now_s: float) -> DeviceSample:
        """Return the state at host time ``now_s``."""
        milli_c = None if self._zone is None else integer(self._zone.text())
        seen = [(value, count) for file, count in self._clocks if (value := integer(file.text())) is not None]
        cores = sum(count for _, count in seen)
        return DeviceSample(
            soc_temp_c=None if milli_c is None else milli_c / 1000.0,
            freq_mhz=sum(value * count for value, count in seen) / cores / 1000.0 if seen else None,
            freq_min_mhz=min(value for value, _ in seen) / 1000.0 if seen else None,
            freq_max_mhz=max(value for value, _ in seen) / 1000.0 if seen else None,
            throttled=self._throttle.poll(now_s),
        )

    def close(self) -> None:
        """Close the files."""
        if self._zone is not None:
            self._zone.close()
        for file, _ in self._clocks:
            file.close()
        self._throttle.close()


def _processor_zone(sys_root: Path) -> Path | None:
    """Return the temperature file of the zone that names the processor, else of the first zone that has one."""
    zones = sorted((sys_root / "class/thermal").glob("thermal_zone*"), key=_zone_number)
    known = [
        (read(zone / "type").lower(), zone / "temp") for zone in zones if integer(read(zone / "temp")) is not None
    ]
    for wanted in _PREFERRED_ZONES:
        for kind, path in known:
            if wanted in kind:
                return path
    return known[0][1] if known else None


def _zone_number(zone: Path) -> int:
    return integer(zone.name.removeprefix("thermal_zone")) or 0


def _core_folders(sys_root: Path) -> list[Path]:
    return sorted((sys_root / _CORES).glob(_CORE_PATTERN))
