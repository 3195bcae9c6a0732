"""What the emulated meters at a building's supply measure between two of their messages. Pure."""

from collections.abc import Iterator

import numpy as np

from firmware_bridge.protocol.site.meter import JOULES_PER_WH
from firmware_bridge.samples import F64


class EmulatedSupply:
    """Means since the last message, counters of energy drawn and fed back. ``interval_s``: between two messages."""

    def __init__(self, interval_s: float, imported_wh: float) -> None:
        self._interval_s = interval_s
        self._energy_j = np.array([imported_wh * JOULES_PER_WH, 0.0])
        self._sums = np.zeros(3)
        self._last_s: float | None = None
        self._period: int | None = None

    def measure(self, t_s: F64, voltage_v: F64, current_a: F64) -> Iterator[int]:
        """Measure samples; yield the number of each interval that begins, before its first sample is measured."""
        periods = np.floor(t_s / self._interval_s + 1e-9).astype(np.int64)
        for period in np.unique(periods).tolist():
            if self._period is not None and period > self._period:
                yield period
            self._period = period
            here = periods == period
            self._add(t_s[here], voltage_v[here], voltage_v[here] * current_a[here])

    def take_means(self) -> tuple[float, float] | None:
        """Return mean volts and watts since this was last asked, None where nothing was measured."""
        count, volts, watts = self._sums.tolist()
        self._sums[:] = 0.0
        return (volts / count, watts / count) if count else None

    @property
    def energy_wh(self) -> tuple[float, float]:
        """Return the counters: drawn and fed back."""
        drawn_j, fed_j = self._energy_j.tolist()
        return drawn_j / JOULES_PER_WH, fed_j / JOULES_PER_WH

    def _add(self, t_s: F64, volts: F64, power_w: F64) -> None:
        energy_j = power_w * np.diff(t_s, prepend=t_s[0] if self._last_s is None else self._last_s)
        self._energy_j += (energy_j.clip(min=0.0).sum(), (-energy_j).clip(min=0.0).sum())
        self._last_s = float(t_s[-1])
        self._sums += (len(t_s), volts.sum(), power_w.sum())
