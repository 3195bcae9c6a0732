"""An average intensity in steps, for tests: what each zone is, hour by hour, as a function of the hour."""

from collections.abc import Callable

import numpy as np

from collector.carbon.factors import Factor
from collector.carbon.operational import CarbonIntensity, IntensityKind
from collector.carbon.timeline import IntensityTimeline, Quality
from collector.intensity.yearly_table import load_yearly_table

NS_PER_S = 1_000_000_000


class SteppedIntensity:
    """``value_of``: gCO2e/kWh of a step by its start in Unix seconds, None where nothing is known."""

    def __init__(
        self,
        value_of: Callable[[int], float | None],
        *,
        step_s: int = 3600,
        quality: Quality = "actual",
        kind: IntensityKind = "average",
    ) -> None:
        self.kind = kind
        self._value_of = value_of
        self._step_s = step_s
        self._quality = quality
        self._table = load_yearly_table()

    def at(self, zone: str, t_unix_ns: int) -> CarbonIntensity | None:
        """Return the yearly value of the zone."""
        return self._table.at(zone, t_unix_ns)

    def timeline(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> IntensityTimeline:  # noqa: ARG002  for all
        """Return the steps that touch the stretch, the same for every zone."""
        first = start_unix_ns // NS_PER_S // self._step_s * self._step_s
        steps = [(s, self._value_of(s)) for s in range(first, -(-end_unix_ns // NS_PER_S), self._step_s)]
        known = [(s, value) for s, value in steps if value is not None]
        starts = np.array([s for s, _ in known], dtype=np.int64) * NS_PER_S
        values = np.array([value for _, value in known], dtype=np.float64)
        return IntensityTimeline(
            starts,
            starts + self._step_s * NS_PER_S,
            values,
            low=values * 0.9,
            high=values * 1.1,
            quality=[self._quality] * len(known),
        )

    def yearly(self, zone: str) -> CarbonIntensity | None:
        """Return the zone's yearly average."""
        return self._table.yearly(zone)

    def passports(
        self, zone: str, start_unix_ns: int | None = None, end_unix_ns: int | None = None
    ) -> tuple[Factor, ...]:
        """Return the zone's row of the yearly table."""
        return self._table.passports(zone, start_unix_ns, end_unix_ns)

    def check_zone(self, zone: str, where: str) -> None:
        """Raise ConfigurationError for a zone that the yearly table does not know."""
        self._table.check_zone(zone, where)
