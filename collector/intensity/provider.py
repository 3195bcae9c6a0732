"""What the assessment asks of a source of grid carbon intensity."""

from typing import Protocol

from collector.carbon.operational import CarbonIntensity, IntensityKind


class IntensityProvider(Protocol):
    """A source of one kind of intensity. One file per source beside this one."""

    kind: IntensityKind

    def at(self, zone: str, t_unix_ns: int) -> CarbonIntensity | None:
        """Return the intensity of ``zone`` at that time, or None when it is unknown."""
        ...

    def check_zone(self, zone: str, where: str) -> None:
        """Raise ConfigurationError, with near names, when this source can never know ``zone``."""
        ...
