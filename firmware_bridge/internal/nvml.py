"""NVIDIA graphics cards: power and energy through the driver's library NVML, called directly.

Power is in milliwatts, a mean over about a second on most cards since Ampere; energy is a counter in millijoules
since Volta, from the driver's start. On a Jetson the library loads and answers NotSupported to every power query.
Sources: NVML API Reference (nvmlDeviceGetPowerUsage, nvmlDeviceGetTotalEnergyConsumption, nvmlReturn_t);
intelligence-per-watt issue 40 and zeus issue 103 (Jetson), zeus issue 181 (counter against integrated power);
arXiv 2312.02741 (only a quarter of the run time is sampled on some cards).
"""

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from firmware_bridge.internal.reading import (
    InternalReading,
    InternalSensor,
    NotReadableWarning,
    NotSupportedWarning,
    Rail,
    SensorKind,
    warn,
)

LIBRARY: Final = "libnvidia-ml.so.1"
SUCCESS: Final = 0
NOT_SUPPORTED: Final = 3
NAME_BYTES: Final = 96
MILLI: Final = 1e-3


@dataclass(frozen=True, slots=True)
class NvmlGpu:
    """One card. ``library`` is NVML after nvmlInit_v2, or an object with the same functions."""

    library: Any
    index: int

    @property
    def name(self) -> str:
        """Return which card this is."""
        return f"nvml:{self.index}"

    def read(self, t_host_s: float) -> InternalReading | None:
        """Return power and counter; NotSupportedWarning where the chip has neither."""
        handle = ctypes.c_void_p()
        code = self.library.nvmlDeviceGetHandleByIndex_v2(self.index, ctypes.byref(handle))
        if code != SUCCESS:
            warn(NotReadableWarning, f"{self.name}: the driver does not open it (NVML error {code})")
            return None
        milliwatts, millijoules = ctypes.c_uint(), ctypes.c_ulonglong()
        power_code = self.library.nvmlDeviceGetPowerUsage(handle, ctypes.byref(milliwatts))
        energy_code = self.library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules))
        if SUCCESS not in {power_code, energy_code}:
            if power_code == NOT_SUPPORTED:
                warn(NotSupportedWarning, f"{self.name}: NVML has no power sensor here; on a Jetson use jetson_ina")
            else:
                warn(NotReadableWarning, f"{self.name}: NVML error {power_code}")
            return None
        rail = Rail(
            self._title(handle),
            milliwatts.value * MILLI if power_code == SUCCESS else None,
            energy_j=millijoules.value * MILLI if energy_code == SUCCESS else None,
        )
        return InternalReading(self.name, t_host_s, (rail,), total=rail.name)

    def _title(self, handle: ctypes.c_void_p) -> str:
        text = ctypes.create_string_buffer(NAME_BYTES)
        code = self.library.nvmlDeviceGetName(handle, text, NAME_BYTES)
        return text.value.decode(errors="replace") if code == SUCCESS else self.name


def cards(library: Any) -> list[InternalSensor]:
    """Return the cards that an NVML library shows; initialises it."""
    count = ctypes.c_uint()
    if library.nvmlInit_v2() != SUCCESS or library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != SUCCESS:
        return []
    return [NvmlGpu(library, index) for index in range(count.value)]


def find(root: Path) -> list[InternalSensor]:
    """Return the cards of this machine; none where the driver's library is missing or ``root`` is a test's folder."""
    if root != Path("/"):
        return []
    try:
        return cards(ctypes.CDLL(LIBRARY))
    except OSError:
        return []


SENSOR = SensorKind(
    name="nvml",
    title="NVIDIA graphics card (NVML)",
    scope="the card with its memory; not the host",
    source="NVML API Reference",
    find=find,
)
