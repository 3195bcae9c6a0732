"""The last minute of power as a line of blocks. Pure."""

from collections import deque
from typing import Final

from firmware_bridge.samples import EnergyReading

BLOCKS: Final = "▁▂▃▄▅▆▇█"
PLAIN_BLOCKS: Final = "_.:-=+*#"
SECONDS: Final = 60
FLAT_RATIO: Final = 0.01
"""Powers within this of each other are drawn as one height: noise is no shape."""


class PowerHistory:
    """Mean power of each of the last sixty seconds, None for those that no sample covers."""

    def __init__(self) -> None:
        self._powers_w: deque[float | None] = deque(maxlen=SECONDS)
        self._last: EnergyReading | None = None
        self._drawn_to_s = 0.0

    def note(self, reading: EnergyReading) -> None:
        """Take the register as it stands; call it more often than once a second."""
        last = self._last
        if last is None:
            self._last, self._drawn_to_s = reading, reading.t_device_s
            return
        seconds = int(reading.t_device_s - self._drawn_to_s)
        if seconds < 1:
            return
        covered_s = reading.covered_s - last.covered_s
        power_w = (reading.energy_j - last.energy_j) / covered_s if covered_s > 0.0 else None
        self._powers_w.extend([power_w] * min(seconds, SECONDS))
        self._drawn_to_s += seconds
        self._last = reading

    @property
    def powers_w(self) -> tuple[float | None, ...]:
        """Return the powers, oldest first."""
        return tuple(self._powers_w)


def power_line(powers_w: tuple[float | None, ...], width: int, *, plain: bool = False) -> str:
    """Return smallest power, blocks between it and the largest, largest power; empty without a power to draw.

    At most ``width`` columns, the youngest powers at the right; a blank is a second without samples. ``plain``: ASCII.
    """
    known_w = [power_w for power_w in powers_w if power_w is not None]
    if not known_w:
        return ""
    low_w, high_w = min(known_w), max(known_w)
    begin, end = f"{_short(low_w)} W ", f" {_short(high_w)} W"
    room = max(width - len(begin) - len(end), 1)
    blocks = PLAIN_BLOCKS if plain else BLOCKS
    is_flat = high_w - low_w <= FLAT_RATIO * max(abs(high_w), abs(low_w))

    def block(power_w: float | None) -> str:
        if power_w is None:
            return " "
        share = 0.5 if is_flat else (power_w - low_w) / (high_w - low_w)
        return blocks[min(int(share * len(blocks)), len(blocks) - 1)]

    return begin + "".join(map(block, powers_w[-room:])) + end


def _short(power_w: float) -> str:
    return f"{power_w:.4g}" if abs(power_w) < 10_000.0 else f"{power_w:,.0f}"
