"""What the assessment asks of a source of grid carbon intensity."""

from typing import Protocol

from collector.carbon.factors import Factor
from collector.carbon.operational import CarbonIntensity, IntensityKind
from collector.carbon.timeline import IntensityTimeline


class IntensityProvider(Protocol):
    """A source of one kind of intensity. One file per source beside this one."""

    kind: IntensityKind

    def at(self, zone: str, t_unix_ns: int) -> CarbonIntensity | None:
        """Return the intensity of ``zone`` at that time, or None when it is unknown."""
        ...

    def timeline(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> IntensityTimeline:
        """Return the steps of ``zone`` that touch the stretch; without any where nothing is known."""
        ...

    def passports(self, zone: str) -> tuple[Factor, ...]:
        """Return the passports behind the values of ``zone``, for every output that uses them; () for none."""
        ...

    def check_zone(self, zone: str, where: str) -> None:
        """Raise ConfigurationError, with near names, when this source can never know ``zone``."""
        ...
