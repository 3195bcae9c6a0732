"""Whether the device runs slower than it was asked to: too hot, too little supply.

Sources: Raspberry Pi documentation, "vcgencmd", get_throttled; Linux Documentation/ABI, thermal_throttle (x86);
NVIDIA Jetson Linux developer guide, "over-current event counts" (hwmon, oc*_event_cnt).
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from edge_agent.device.files import KeptFile, integer, read

NOW_BITS: Final = 0xF
"""get_throttled, bits 0 to 3: under-voltage, frequency capped, throttled, soft temperature limit, all now."""
SINCE_BOOT_BITS: Final = 0xF0000
"""Bits 16 to 19: the same, at any time since the boot; once set they stay."""
VCGENCMD_INTERVAL_S: Final = 10.0
"""vcgencmd is a process of its own: some 5 ms of CPU. The file costs a thousandth of that, but not every kernel has
it."""
_FIRMWARE_FILE: Final = "devices/platform/soc/soc:firmware/get_throttled"
_COUNTER_FILES: Final = (
    "devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count",
    "class/hwmon/hwmon*/oc*_event_cnt",
)
_VCGENCMD_TIMEOUT_S: Final = 2.0


class ThrottleWatch:
    """Tells whether the device throttled since it was asked last."""

    def __init__(self, sys_root: Path) -> None:
        self._firmware = KeptFile(sys_root / _FIRMWARE_FILE)
        self._has_firmware_file = bool(self._firmware.text())
        self._program = None if self._has_firmware_file else shutil.which("vcgencmd")
        self._counters = [KeptFile(path) for pattern in _COUNTER_FILES for path in sorted(sys_root.glob(pattern))]
        self._t_vcgencmd_s = -VCGENCMD_INTERVAL_S
        self._word: int | None = None
        self._counted: int | None = self._count()

    def poll(self, now_s: float) -> bool | None:
        """Return whether it throttles now or did since the last call; None where nothing says so.

        With vcgencmd alone the answer is up to ``VCGENCMD_INTERVAL_S`` old.
        """
        answers = [answer for answer in (self._by_firmware(now_s), self._by_counter()) if answer is not None]
        return any(answers) if answers else None

    def close(self) -> None:
        """Close the files."""
        for file in (self._firmware, *self._counters):
            file.close()

    def _by_firmware(self, now_s: float) -> bool | None:
        before = self._word
        if self._has_firmware_file:
            self._word = throttled_word(self._firmware.text())
        elif self._program is None:
            return None
        elif now_s - self._t_vcgencmd_s >= VCGENCMD_INTERVAL_S:
            self._t_vcgencmd_s = now_s
            self._word = throttled_word(_vcgencmd(self._program))
        return None if self._word is None else is_throttled(self._word, before)

    def _by_counter(self) -> bool | None:
        if self._counted is None:
            return None
        before, self._counted = self._counted, self._count()
        return self._counted is not None and self._counted > before

    def _count(self) -> int | None:
        counts = [count for file in self._counters if (count := integer(file.text())) is not None]
        return sum(counts) if counts else None


def throttled_word(text: str) -> int | None:
    """Return the word of "throttled=0x50005" or "50005", None for anything else."""
    return integer(text.partition("=")[2] or text, 16)


def is_throttled(word: int, before: int | None = None) -> bool:
    """Read get_throttled's word: throttling now, or for the first time in this boot since the word ``before``."""
    anew = 0 if before is None else word & ~before & SINCE_BOOT_BITS
    return bool(word & NOW_BITS or anew)


def throttled_now(sys_root: Path) -> bool | None:
    """Return whether a Raspberry Pi throttles at this moment, None where nothing says so."""
    program = shutil.which("vcgencmd")
    word = throttled_word(read(sys_root / _FIRMWARE_FILE) or (_vcgencmd(program) if program else ""))
    return None if word is None else is_throttled(word)


def _vcgencmd(program: str) -> str:
    """Return what ``vcgencmd get_throttled`` prints ("throttled=0x0"), empty where it fails."""
    try:
        done = subprocess.run(
            [program, "get_throttled"], capture_output=True, text=True, timeout=_VCGENCMD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == os.EX_OK else ""
