"""The meter's register at moments that were asked for, read once its samples have got there."""

from typing import Final, Protocol

from edge_agent.bench.values import WindowEnergy
from edge_agent.recorder import Sync
from firmware_bridge.energy import energy_between
from firmware_bridge.meter import MeterHealth
from firmware_bridge.samples import EnergyDelta, EnergyReading

LOST_AFTER_S: Final = 5.0
"""So long without a meter ends a bench: its figure is lost already."""


class BenchMeter(Protocol):
    """What a bench needs of a meter: see ``firmware_bridge.meter.Meter``."""

    def reading_at(self, t_host_s: float) -> EnergyReading | None:
        """Return the register at a host time, None while samples have not reached it."""
        ...

    def sync(self) -> Sync:
        """Return how well the clocks are aligned."""
        ...

    def health(self) -> MeterHealth:
        """Return the state of the connection."""
        ...


class Readings:
    """Readings by host time. A moment is read as soon as it can be, while its history is fine.

    ``worst``: the alignment that was worst when a moment was read; None before the first.
    """

    def __init__(self, meter: BenchMeter) -> None:
        self._meter = meter
        self.worst: Sync | None = None
        self._wanted: list[float] = []
        self._taken: dict[float, EnergyReading] = {}

    def want(self, *times_s: float) -> None:
        """Ask for moments, past or to come."""
        self._wanted = sorted({*self._wanted, *times_s})

    def poll(self) -> bool:
        """Read what can be read now; return whether nothing is left to wait for."""
        while self._wanted:
            reading = self._meter.reading_at(self._wanted[0])
            if reading is None:
                return False
            self._taken[self._wanted.pop(0)] = reading
            sync = self._meter.sync()
            if self.worst is None or sync.residual_s > self.worst.residual_s:
                self.worst = sync
        return True

    def at(self, t_s: float) -> EnergyReading | None:
        """Return the reading of a moment, None if the meter has not got there."""
        return self._taken.get(t_s)

    def between(self, begin_s: float, end_s: float) -> EnergyDelta | None:
        """Return what happened between two moments, None if one of them was not reached."""
        first, last = self.at(begin_s), self.at(end_s)
        return None if first is None or last is None else energy_between(first, last)

    def window(self, begin_s: float, end_s: float, residual_s: float, count: int) -> WindowEnergy | None:
        """Return a window and the same cut early and late by ``residual_s``; None if the meter did not reach it."""
        delta = self.between(begin_s, end_s)
        if delta is None:
            return None
        early = self.between(begin_s - residual_s, end_s - residual_s)
        late = self.between(begin_s + residual_s, end_s + residual_s)
        return WindowEnergy(delta, _seen(early, delta), _seen(late, delta), end_s - begin_s, count)


def _seen(shifted: EnergyDelta | None, delta: EnergyDelta) -> EnergyDelta:
    return delta if shifted is None or shifted.mean_power_w is None else shifted


def is_lost(health: MeterHealth, max_interval_s: float) -> bool:
    """Return whether the meter has been away for so long that the bench is lost."""
    age_s = health.last_sample_age_s
    return age_s is not None and age_s > LOST_AFTER_S + 2.0 * max_interval_s
