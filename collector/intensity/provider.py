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
        """Return the steps of ``zone`` that touch the stretch, and maybe more; without any where nothing is known."""
        ...

    def yearly(self, zone: str) -> CarbonIntensity | None:
        """Return the yearly average that stands beside any finer value; None for none, and for marginal sources."""
        ...

    def passports(
        self, zone: str, start_unix_ns: int | None = None, end_unix_ns: int | None = None
    ) -> tuple[Factor, ...]:
        """Return the passports behind the values of ``zone``, for every output that uses them; () for none.

        The stretch: of which the values are, each factor's value being its mean there; None for all that is known.
        """
        ...

    def check_zone(self, zone: str, where: str) -> None:
        """Raise ConfigurationError, with near names, when this source can never know ``zone``."""
        ...
