"""NVIDIA graphics cards: power and energy through the driver's library NVML, called directly.

Power is in milliwatts, a mean over about a second on most cards since Ampere; energy is a counter in millijoules
since Volta, from the driver's start. On a Jetson the library loads and answers NotSupported to every power query.
Sources: NVML API Reference (nvmlDeviceGetPowerUsage, nvmlDeviceGetTotalEnergyConsumption, nvmlReturn_t);
intelligence-per-watt issue 40 and zeus issue 103 (Jetson), zeus issue 181 (counter against integrated power);
arXiv 2312.02741 (only a quarter of the run time is sampled on some cards).
"""

import ctypes
from collections.abc import Callable
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
HEAT_BITS: Final = 0x8 | 0x20 | 0x40
"""nvmlClocksThrottleReason: hardware slowdown, software and hardware thermal slowdown. A power cap (0x4) is normal."""
MILLI: Final = 1e-3


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card is. Unknown: "" or None. ``uuid``: as CUDA_VISIBLE_DEVICES takes it."""

    title: str
    uuid: str = ""
    driver_version: str = ""
    power_limit_w: float | None = None


class _Utilization(ctypes.Structure):
    """``nvmlUtilization_t``: percent of the last sample period, up to a second."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


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
        code, handle = self._handle()
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

    def facts(self) -> CardFacts:
        """Return what the driver says of the card."""
        _, handle = self._handle()
        limit = ctypes.c_uint()
        code = self.library.nvmlDeviceGetEnforcedPowerLimit(handle, ctypes.byref(limit))
        return CardFacts(
            title=self._title(handle),
            uuid=_said(lambda text: self.library.nvmlDeviceGetUUID(handle, text, NAME_BYTES)),
            driver_version=_said(lambda text: self.library.nvmlSystemGetDriverVersion(text, NAME_BYTES)),
            power_limit_w=limit.value * MILLI if code == SUCCESS and limit.value else None,
        )

    def busy_ratio(self) -> float | None:
        """Return how much of the last sample period any kernel ran, by whomever; None where the card does not say."""
        _, handle = self._handle()
        rates = _Utilization()
        code = self.library.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(rates))
        return rates.gpu / 100.0 if code == SUCCESS else None

    def is_too_hot(self) -> bool | None:
        """Return whether heat slows the card now; None where it does not say."""
        _, handle = self._handle()
        bits = ctypes.c_ulonglong()
        code = self.library.nvmlDeviceGetCurrentClocksThrottleReasons(handle, ctypes.byref(bits))
        return bool(bits.value & HEAT_BITS) if code == SUCCESS else None

    def _handle(self) -> tuple[int, ctypes.c_void_p]:
        handle = ctypes.c_void_p()
        return self.library.nvmlDeviceGetHandleByIndex_v2(self.index, ctypes.byref(handle)), handle

    def _title(self, handle: ctypes.c_void_p) -> str:
        return _said(lambda text: self.library.nvmlDeviceGetName(handle, text, NAME_BYTES)) or self.name


def _said(ask: Callable[[Any], int]) -> str:
    """Return the text that NVML writes into a buffer; empty where it refuses."""
    text = ctypes.create_string_buffer(NAME_BYTES)
    return text.value.decode(errors="replace") if ask(text) == SUCCESS else ""


def cards(library: Any) -> list[NvmlGpu]:
    """Return the cards that an NVML library shows; initialises it."""
    count = ctypes.c_uint()
    if library.nvmlInit_v2() != SUCCESS or library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != SUCCESS:
        return []
    return [NvmlGpu(library, index) for index in range(count.value)]


def cards_of(library: str) -> list[NvmlGpu]:
    """Return the cards that the library of that name or path shows; none where it is missing."""
    try:
        return cards(ctypes.CDLL(library))
    except OSError:
        return []


def find(root: Path) -> list[InternalSensor]:
    """Return the cards of this machine; none where the driver's library is missing or ``root`` is a test's folder."""
    return list(cards_of(LIBRARY)) if root == Path("/") else []


SENSOR = SensorKind(
    name="nvml",
    title="NVIDIA graphics card (NVML)",
    scope="the card with its memory; not the host",
    source="NVML API Reference",
    find=find,
)
