"""How long new devices should serve, alone and together with the moment of replacing the old ones."""

from collections.abc import Iterable

import numpy as np
from msgspec.structs import replace

from collector.analysis.refresh.answers import CycleRow, Joint
from collector.carbon.montecarlo import percentiles
from collector.carbon.refresh import Plan, cycle_g_per_year, totals_g


def cycle_rows(one: Plan, many: Plan, unit: str) -> tuple[CycleRow, ...]:
    """Return cycles of one year up to the horizon. ``one``: at the medians, ``many``: in all worlds."""
    cycles = range(1, one.horizon_years + 1)
    drawn = np.stack([cycle_g_per_year(many, years) for years in cycles])
    chosen = np.argmin(drawn, axis=0)
    return tuple(
        CycleRow(
            cycle_years=years,
            middle_g_per_year=float(cycle_g_per_year(one, years)[0]),
            g_per_year=percentiles(drawn[place], unit),
            probability_best=float(np.mean(chosen == place)),
        )
        for place, years in enumerate(cycles)
    )


def joint_of(one: Plan, waits: Iterable[int]) -> Joint:
    """Return moment and cycle with the least grams at the medians; of equal ones the earlier and the shorter."""
    found = [
        Joint(
            wait_years=wait,
            cycle_years=years,
            middle_g=float(totals_g(replace(one, lifetime_years=float(years)), wait)[0]),
        )
        for wait in waits
        for years in range(1, one.horizon_years + 1)
    ]
    return min(found, key=lambda each: each.middle_g)
