"""Which boot this is, and whether the kernel vouches for the system clock.

Source: adjtimex(2).
"""

import ctypes
from pathlib import Path
from typing import Final

from edge_agent.device.files import read
from edge_agent.wire.errors import ConfigurationError

STA_UNSYNC: Final = 0x0040
TIME_ERROR: Final = 5


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


def kernel_boot_id(proc_root: Path = Path("/proc")) -> str:
    """Return the kernel's id of this boot. Raises ConfigurationError where there is none (not Linux)."""
    path = proc_root / "sys/kernel/random/boot_id"
    text = read(path)
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
