"""Yearly intensity by country, average or marginal, from the shipped table and, where given, a user's over it."""

from pathlib import Path

import numpy as np

from collector.carbon.factors import Factor, find_factor, near_names
from collector.carbon.operational import CarbonIntensity, IntensityKind
from collector.carbon.timeline import IntensityTimeline
from collector.carbon.units import GCO2E_PER_KWH
from collector.data.tables import GRID_INTENSITY, GRID_INTENSITY_MARGINAL, read_factors, shipped_factors
from edge_agent.wire.errors import ConfigurationError


class YearlyTable:
    """One value per zone for every moment: the coarsest intensity, of one kind, never a forecast.

    Zones are ISO 3166 codes of three or two letters (``DEU`` or ``DE``), ``EU`` and ``WORLD``; letter case does not
    matter.
    """

    def __init__(self, factors: tuple[Factor, ...], kind: IntensityKind = "average") -> None:
        wrong = [factor for factor in factors if factor.estimate.unit != GCO2E_PER_KWH]
        if wrong:
            raise ConfigurationError(
                f"intensity {wrong[0].id!r} is in {wrong[0].estimate.unit}; give it in {GCO2E_PER_KWH}"
            )
        self.kind: IntensityKind = kind
        self.factors = factors
        self._by_zone: dict[str, CarbonIntensity | None] = {}

    def at(self, zone: str, t_unix_ns: int) -> CarbonIntensity | None:  # noqa: ARG002  one value for all times
        """Return the zone's yearly value, or None for a zone that is not in the table."""
        if zone not in self._by_zone:
            factor = find_factor(self.factors, zone) if zone else None
            known = None if factor is None else CarbonIntensity(zone=factor.id, kind=self.kind, factor=factor)
            self._by_zone[zone] = known
        return self._by_zone[zone]

    def timeline(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> IntensityTimeline:
        """Return one step over the whole stretch, or none for a zone that is not in the table."""
        known = self.at(zone, start_unix_ns)
        ranges = np.array([] if known is None else [known.factor.estimate.range], dtype=np.float64).reshape(-1, 3)
        count = len(ranges)
        return IntensityTimeline(
            np.full(count, start_unix_ns, dtype=np.int64),
            np.full(count, end_unix_ns, dtype=np.int64),
            ranges[:, 0],
            low=ranges[:, 1],
            high=ranges[:, 2],
            quality=["yearly"] * count,
        )

    def yearly(self, zone: str) -> CarbonIntensity | None:
        """Return the zone's yearly value, or None for a zone that is not in the table."""
        return self.at(zone, 0)

    def passports(
        self,
        zone: str,
        start_unix_ns: int | None = None,  # noqa: ARG002  one value for all times
        end_unix_ns: int | None = None,  # noqa: ARG002
    ) -> tuple[Factor, ...]:
        """Return the zone's row of the table."""
        known = self.at(zone, 0)
        return () if known is None else (known.factor,)

    def check_zone(self, zone: str, where: str) -> None:
        """Raise ConfigurationError, with near names, for a zone that is not in the table."""
        if find_factor(self.factors, zone) is None:
            near = near_names(self.factors, zone)
            hint = f"near names: {', '.join(near)}" if near else "see: edgejoule carbon intensity"
            raise ConfigurationError(
                f"{where}: no intensity for zone {zone!r}; {hint}; or add the zone to an intensity table of your own"
            )


def load_yearly_table(own_table: Path | None = None) -> YearlyTable:
    """Return the shipped averages; rows of ``own_table`` come first and replace those of the same id.

    Raises ConfigurationError when ``own_table`` cannot be read.
    """
    return YearlyTable(_own_first(own_table, GRID_INTENSITY))


def load_marginal_table(own_table: Path | None = None) -> YearlyTable:
    """Return the shipped marginal intensities, rows of ``own_table`` as in ``load_yearly_table``."""
    return YearlyTable(_own_first(own_table, GRID_INTENSITY_MARGINAL), "marginal")


def _own_first(own_table: Path | None, table: str) -> tuple[Factor, ...]:
    shipped = shipped_factors(table)
    own = read_factors(own_table) if own_table is not None else ()
    own_ids = {factor.id.casefold() for factor in own}
    return (*own, *(factor for factor in shipped if factor.id.casefold() not in own_ids))
