"""What the device's kernel says about itself. Every figure is None where it is not known.

Sources: Linux Documentation/driver-api/thermal/sysfs-api, admin-guide/pm/cpufreq, adjtimex(2);
Raspberry Pi documentation, "vcgencmd", get_throttled.
"""

import ctypes
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.wire.errors import ConfigurationError

STA_UNSYNC: Final = 0x0040
TIME_ERROR: Final = 5
THROTTLED_NOW_BITS: Final = 0xF
"""get_throttled, bits 0 to 3: under-voltage, frequency capped, throttled, soft temperature limit, all now."""
_PREFERRED_ZONES: Final = ("cpu", "soc", "x86_pkg")
_THROTTLED_FILE: Final = "devices/platform/soc/soc:firmware/get_throttled"
_VCGENCMD_TIMEOUT_S: Final = 2.0


class _Timex(ctypes.Structure):
    """``struct timex`` of adjtimex(2), as glibc and musl lay it out on Linux."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_s", ctypes.c_long),
        ("time_fraction", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("rest", ctypes.c_byte * 256),
    )


@dataclass(frozen=True, slots=True)
class DeviceState:
    """The device at one moment. ``freq_mhz``: mean over the cores."""

    soc_temp_c: float | None
    freq_mhz: float | None
    throttled: bool | None


def read_device_state(sys_root: Path = Path("/sys")) -> DeviceState:
    """Return temperature, frequency and throttling as the kernel shows them under ``sys_root``."""
    return DeviceState(_soc_temp_c(sys_root), _freq_mhz(sys_root), _throttled(sys_root))


def kernel_boot_id(proc_root: Path = Path("/proc")) -> str:
    """Return the kernel's id of this boot. Raises ConfigurationError where there is none (not Linux)."""
    path = proc_root / "sys/kernel/random/boot_id"
    text = _read(path)
    if not text:
        raise ConfigurationError(f"{path}: cannot read the boot id; the agent needs Linux with /proc mounted")
    return text


def clock_synchronised() -> bool | None:
    """Return whether the kernel holds the system clock to be synchronised (adjtimex), None if it does not say."""
    adjtimex = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)
    if adjtimex is None:
        return None
    timex = _Timex(modes=0)
    state = int(adjtimex(ctypes.byref(timex)))
    return None if state < 0 else is_synchronised(state, int(timex.status))


def is_synchronised(state: int, status: int) -> bool:
    """Read adjtimex's return value and status word: not TIME_ERROR and not STA_UNSYNC."""
    return state != TIME_ERROR and not status & STA_UNSYNC


class CpuShare:
    """This process's own use of the processor, in cores, between two calls."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.monotonic(), time.process_time()

    def ratio(self) -> float | None:
        """Return CPU seconds for each second since the last call, None if no time has passed."""
        wall_s, cpu_s = time.monotonic(), time.process_time()
        elapsed_s, used_s = wall_s - self._wall_s, cpu_s - self._cpu_s
        if elapsed_s <= 0.0:
            return None
        self._wall_s, self._cpu_s = wall_s, cpu_s
        return max(0.0, used_s / elapsed_s)


def _soc_temp_c(sys_root: Path) -> float | None:
    """Return the temperature of the zone that names the processor, else of the first zone."""
    zones = sorted((sys_root / "class/thermal").glob("thermal_zone*"), key=_zone_number)
    readings = [(_read(zone / "type").lower(), _integer(_read(zone / "temp"))) for zone in zones]
    known = [(kind, value / 1000.0) for kind, value in readings if value is not None]
    for wanted in _PREFERRED_ZONES:
        for kind, temp_c in known:
            if wanted in kind:
                return temp_c
    return known[0][1] if known else None


def _zone_number(zone: Path) -> int:
    return _integer(zone.name.removeprefix("thermal_zone")) or 0


def _freq_mhz(sys_root: Path) -> float | None:
    files = (sys_root / "devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
    values_khz = [value for file in files if (value := _integer(_read(file))) is not None]
    return sum(values_khz) / len(values_khz) / 1000.0 if values_khz else None


def _throttled(sys_root: Path) -> bool | None:
    text = _read(sys_root / _THROTTLED_FILE) or _vcgencmd()
    word = text.partition("=")[2] or text
    try:
        return bool(int(word, 16) & THROTTLED_NOW_BITS)
    except ValueError:
        return None


def _vcgencmd() -> str:
    """Return what ``vcgencmd get_throttled`` prints ("throttled=0x0"), empty where there is no such program."""
    program = shutil.which("vcgencmd")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "get_throttled"], capture_output=True, text=True, timeout=_VCGENCMD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == os.EX_OK else ""


def _read(path: Path) -> str:
    """Return the file's text without white space around it, empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
