"""From single readings of one internal sensor to joules: its counter where it has one, else the trapezoid. Pure."""

from dataclasses import dataclass
from typing import Final

from firmware_bridge.internal.reading import InternalReading, total_rail

MAX_STEP_S: Final = 2.0
"""Readings farther apart than this leave a gap; a counter goes on across it, if it cannot have wrapped unseen."""
MOST_W: Final = 2000.0
"""More than any of these sensors' rails carries: it tells a counter that wrapped from one that began anew."""


@dataclass(frozen=True, slots=True)
class InternalEnergy:
    """Energy of the total rail over a span. ``from_counter``: by the sensor's own counter, not by sampling."""

    energy_j: float
    covered_s: float
    gap_s: float
    readings: int
    from_counter: bool


class InternalSampler:
    """Adds up the readings of one sensor. Those without a total rail are a gap; none counts twice."""

    def __init__(self, *, max_step_s: float = MAX_STEP_S) -> None:
        self._max_step_s = max_step_s
        self._energy_j = self._covered_s = self._gap_s = 0.0
        self._readings = 0
        self._from_counter = False
        self._last: tuple[float, float | None, float | None] | None = None

    def add(self, reading: InternalReading | None, t_host_s: float) -> None:
        """Take one reading, None where the sensor said nothing at ``t_host_s``."""
        if self._last is not None and t_host_s <= self._last[0]:
            return
        rail = None if reading is None else total_rail(reading)
        power_w = None if rail is None else rail.power_w
        counter_j = None if rail is None else rail.energy_j
        if rail is not None:
            self._readings += 1
        if self._last is not None:
            period_j = None if rail is None else rail.counter_period_j
            self._step(t_host_s - self._last[0], power_w, counter_j, period_j)
        self._last = (t_host_s, power_w, counter_j)

    def total(self) -> InternalEnergy:
        """Return what was added up since the first reading."""
        return InternalEnergy(self._energy_j, self._covered_s, self._gap_s, self._readings, self._from_counter)

    def _step(self, dt_s: float, power_w: float | None, counter_j: float | None, period_j: float | None) -> None:
        if self._last is None:
            return
        _, last_w, last_j = self._last
        moved_j: float | None = None
        if counter_j is not None and last_j is not None:
            moved_j = _moved_j(counter_j - last_j, period_j, MOST_W * dt_s)
            self._from_counter = self._from_counter or moved_j is not None
        elif power_w is not None and last_w is not None and dt_s <= self._max_step_s:
            moved_j = 0.5 * (power_w + last_w) * dt_s
        if moved_j is None:
            self._gap_s += dt_s
        else:
            self._energy_j += moved_j
            self._covered_s += dt_s


def _moved_j(step_j: float, period_j: float | None, most_j: float) -> float | None:
    """Return how far a counter has moved, None where it began anew or may have wrapped unseen."""
    if period_j is None:
        return step_j if step_j >= 0.0 else None
    moved_j = step_j if step_j >= 0.0 else step_j + period_j
    began_anew = step_j < 0.0 and not 0.0 <= moved_j <= most_j
    return None if began_anew or moved_j + period_j <= most_j else moved_j
