"""How a mass that was emitted once is charged to the time in which the hardware is used."""

from typing import Literal

import msgspec

from collector.carbon.estimate import Estimate

Policy = Literal["linear_in_time"]


class Amortised(msgspec.Struct, frozen=True, kw_only=True):
    """What a stretch of time is charged, and by which policy.

    ``beyond_lifetime_s``: seconds of the stretch after the end of the planned life. They are charged nothing, since
    the whole mass has been charged by then, and they are counted here so that nobody overlooks it; None when the
    start of service is unknown.
    """

    charged: Estimate
    policy: Policy
    beyond_lifetime_s: float | None


def linear_in_time(
    mass: Estimate, *, duration_s: float, lifetime_s: float, age_at_start_s: float | None = None
) -> Amortised:
    """Charge ``mass * duration / lifetime``; over exactly one life this sums to the mass.

    ``age_at_start_s``: time in service when the stretch begins; None if unknown: then no end of life is seen.
    Raises ValueError for a negative duration or age, or a lifetime that is not positive.
    """
    share, beyond_s = charged_share(duration_s, lifetime_s, age_at_start_s)
    return Amortised(charged=mass.scaled(share), policy="linear_in_time", beyond_lifetime_s=beyond_s)


def charged_share(duration_s: float, lifetime_s: float, age_at_start_s: float | None) -> tuple[float, float | None]:
    """Return which part of the mass ``linear_in_time`` charges, and the seconds after the end of life."""
    if lifetime_s <= 0.0:
        raise ValueError(f"a lifetime must be positive, not {lifetime_s} s")
    if duration_s < 0.0 or (age_at_start_s is not None and age_at_start_s < 0.0):
        raise ValueError("a duration and an age cannot be negative")
    beyond_s = None
    if age_at_start_s is not None:
        beyond_s = duration_s - min(duration_s, max(lifetime_s - age_at_start_s, 0.0))
    return (duration_s - (beyond_s or 0.0)) / lifetime_s, beyond_s
