"""How a mass that was emitted once is charged to the time, or to the uses, in which the hardware serves.

Four policies. Each says which share of the mass has been charged by some moment, from 0 to 1:

- ``linear_in_time``: the same for every second of the planned life.
- ``by_use``: the same for every use, ``1 / lifetime_uses``, until the planned uses are used up.
- ``front_loaded``: declining balance; year k (of 8760 h) is charged ``(1-r)^(k-1) * r``, the last year what is left.
- ``sunk``: all of it at the moment at which service begins, nothing at any later one.

What a stretch is charged is the difference of that share between its two ends. However a life is cut into stretches,
they add up to the whole: the planned life, an extension, and what an early retirement leaves over (the residue).
"""

import math
from bisect import bisect_right
from functools import lru_cache
from typing import Final, Literal, NamedTuple, get_args

import msgspec
import numpy as np

from collector.carbon.estimate import F64
from collector.carbon.life_curve import (
    Knot,
    continued,
    ended,
    front_loaded_knots,
    linear_knots,
    overlap_s,
    overlaps_s,
    share_at,
    shares_at,
    sunk_knots,
)

Policy = Literal["linear_in_time", "by_use", "front_loaded", "sunk"]
POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)
Residue = Literal["charged_at_retirement", "written_off_to_fleet", "carried_to_successor"]
RESIDUES: Final[tuple[Residue, ...]] = get_args(Residue)


class LifePlan(msgspec.Struct, frozen=True, kw_only=True):
    """How long a device is meant to live, and by which policy its mass is charged to that life.

    ``in_service_since_unix_s``: None if unknown: then neither an end of life nor time before it is seen.
    ``retired_unix_s``: when it left service, before or after the planned end; what is left over then, the residue,
    is ``charged_at_retirement`` to the stretch in which that moment lies, or ``written_off_to_fleet``, or
    ``carried_to_successor``: the last two are not charged to this device but named in ``Charge.residue_ratio``.
    ``extended_unix_s``, ``extended_lifetime_s``: when it was decided to keep it longer, and the new life counted from
    its first day; what is left at the decision is charged over what is then left of life, and the past stays as it
    was. ``charged_before_ratio``: what an earlier life has been charged already (a second life starts above 0).
    ``lifetime_uses`` belongs to by_use, ``decline_ratio`` (r per year, above 0 and up to 1) to front_loaded.
    Raises ValueError for what does not fit together.
    """

    lifetime_s: float
    policy: Policy = "linear_in_time"
    in_service_since_unix_s: float | None = None
    retired_unix_s: float | None = None
    residue: Residue = "charged_at_retirement"
    lifetime_uses: float | None = None
    decline_ratio: float | None = None
    extended_unix_s: float | None = None
    extended_lifetime_s: float | None = None
    charged_before_ratio: float = 0.0

    def __post_init__(self) -> None:
        if self.policy not in POLICIES or self.residue not in RESIDUES:
            raise ValueError(f"no such policy or residue: {self.policy}, {self.residue}; {POLICIES}, {RESIDUES}")
        if not 0.0 < self.lifetime_s < math.inf:
            raise ValueError(f"a lifetime must be positive, not {self.lifetime_s} s")
        if not 0.0 <= self.charged_before_ratio <= 1.0:
            raise ValueError(f"what was charged before lies in 0..1, not {self.charged_before_ratio}")
        self._check_policy()
        self._check_times()

    def _check_policy(self) -> None:
        if self.policy == "by_use" and not 0.0 < (self.lifetime_uses or 0.0) < math.inf:
            raise ValueError("by_use needs lifetime_uses, the planned number of uses, above 0")
        if self.policy == "front_loaded" and not 0.0 < (self.decline_ratio or 0.0) <= 1.0:
            raise ValueError("front_loaded needs a decline_ratio per year, above 0 and up to 1")

    def _check_times(self) -> None:
        since_s, known = self.in_service_since_unix_s, (self.retired_unix_s, self.extended_unix_s)
        if (self.extended_unix_s is None) is not (self.extended_lifetime_s is None):
            raise ValueError("an extension needs both the moment of the decision and the new lifetime")
        if since_s is None:
            if self.policy in ("front_loaded", "sunk") or known != (None, None):
                raise ValueError(f"{self.policy}, a retirement and an extension need the first day of service")
            return
        if any(moment is not None and not since_s <= moment < math.inf for moment in known):
            raise ValueError("a retirement or an extension cannot lie before the first day of service")
        if self.extended_lifetime_s is not None and not self.lifetime_s <= self.extended_lifetime_s < math.inf:
            raise ValueError("an extended lifetime cannot be shorter; an early end is a retirement")


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What one stretch of time is charged, as a share of the whole mass, and by which policy.

    ``residue_ratio``: what falls due in this stretch without being charged to the device: the residue of an early
    retirement that is written off or carried over. ``beyond_lifetime_s``: seconds in service after the planned end of
    life, in which a policy of time charges nothing any more; None when the first day of service is unknown.
    ``beyond_lifetime_uses``: uses that by_use charged nothing for; None when the uses before are unknown.
    ``before_service_s``, ``after_retirement_s``: seconds outside of the service life, which are charged nothing.
    """

    share_ratio: float
    policy: Policy
    beyond_lifetime_s: float | None
    residue_ratio: float = 0.0
    beyond_lifetime_uses: float | None = None
    before_service_s: float = 0.0
    after_retirement_s: float = 0.0


class Charges(msgspec.Struct, frozen=True, kw_only=True):
    """``Charge`` for many stretches of one device: arrays of shape ``(n,)``."""

    share_ratio: F64
    policy: Policy
    beyond_lifetime_s: F64 | None
    residue_ratio: F64
    before_service_s: F64
    after_retirement_s: F64


class _Life(msgspec.Struct, frozen=True):
    """A plan made ready. ``knots``: None when service began at an unknown time, or when uses count and not time."""

    knots: tuple[Knot, ...] | None
    since_s: float
    end_s: float
    retired_s: float
    residue: float


def charge(
    plan: LifePlan, start_unix_s: float, end_unix_s: float, uses: float = 0.0, *, uses_before: float | None = None
) -> Charge:
    """Return what the stretch from ``start_unix_s`` to ``end_unix_s`` is charged, in which ``uses`` were made.

    ``uses_before``: uses since service began until the stretch begins; only ``by_use`` asks for it, to see the end of
    the planned uses and the residue at a retirement. Unknown (None), uses are charged without end.
    A stretch that lies wholly before service or after retirement is charged no uses; in one that holds the
    retirement they were made before it.
    Raises ValueError for a negative duration or number of uses, or a retirement by_use with unknown uses before it.
    """
    counts = (uses, 0.0 if uses_before is None else uses_before)
    if not (-math.inf < start_unix_s <= end_unix_s < math.inf and all(0.0 <= count < math.inf for count in counts)):
        raise ValueError("a duration and a number of uses are finite and not negative")
    life = _life(plan)
    due, beyond_uses = _due(plan, life, start_unix_s, end_unix_s), None
    if plan.policy == "by_use":
        serves = start_unix_s < life.retired_s and end_unix_s > life.since_s
        due, beyond_uses = _uses_due(plan, uses if serves else 0.0, uses_before)
    residue = 0.0
    if start_unix_s < life.retired_s <= end_unix_s:
        residue = life.residue if plan.policy != "by_use" else _unused(plan, uses, uses_before)
    kept = plan.residue == "charged_at_retirement"
    return Charge(
        share_ratio=due + residue if kept else due,
        policy=plan.policy,
        beyond_lifetime_s=_beyond_s(plan, life, start_unix_s, end_unix_s),
        residue_ratio=0.0 if kept else residue,
        beyond_lifetime_uses=beyond_uses,
        before_service_s=overlap_s(start_unix_s, end_unix_s, -math.inf, life.since_s),
        after_retirement_s=overlap_s(start_unix_s, end_unix_s, life.retired_s, math.inf),
    )


def charge_many(
    plan: LifePlan, starts_unix_s: F64, ends_unix_s: F64, uses: F64 | None = None, *, uses_before: F64 | None = None
) -> Charges:
    """Return ``charge`` of many stretches at once; arrays of shape ``(n,)``, in any order, overlapping or not.

    Raises ValueError as ``charge`` does.
    """
    starts_s, ends_s = np.asarray(starts_unix_s, dtype=np.float64), np.asarray(ends_unix_s, dtype=np.float64)
    made = np.zeros_like(starts_s) if uses is None else np.asarray(uses, dtype=np.float64)
    before = np.zeros_like(starts_s) if uses_before is None else np.asarray(uses_before, dtype=np.float64)
    in_order = np.isfinite(starts_s) & np.isfinite(ends_s) & (starts_s <= ends_s)
    if not (in_order & np.isfinite(made) & (made >= 0.0) & np.isfinite(before) & (before >= 0.0)).all():
        raise ValueError("a duration and a number of uses are finite and not negative")
    life = _life(plan)
    retires = (starts_s < life.retired_s) & (life.retired_s <= ends_s)
    residue = np.where(retires, life.residue, 0.0)
    if plan.policy == "by_use":
        made = np.where((starts_s < life.retired_s) & (ends_s > life.since_s), made, 0.0)
        due, unused = _many_uses_due(plan, made, uses_before, needs_before=bool(retires.any()))
        residue = np.where(retires, unused, 0.0)
    elif life.knots is None:
        due = (ends_s - starts_s) * ((1.0 - plan.charged_before_ratio) / plan.lifetime_s)
    else:
        due = shares_at(life.knots, ends_s) - shares_at(life.knots, starts_s)
    kept = plan.residue == "charged_at_retirement"
    known = plan.in_service_since_unix_s is not None
    return Charges(
        share_ratio=due + residue if kept else due,
        policy=plan.policy,
        beyond_lifetime_s=overlaps_s(starts_s, ends_s, life.end_s, life.retired_s) if known else None,
        residue_ratio=np.zeros_like(residue) if kept else residue,
        before_service_s=overlaps_s(starts_s, ends_s, -math.inf, life.since_s),
        after_retirement_s=overlaps_s(starts_s, ends_s, life.retired_s, math.inf),
    )


class EvenPiece(NamedTuple):
    """A stretch of a life in which every second is charged the same share; its ends do not belong to it."""

    since_s: float
    until_s: float
    share_per_s: float


def even_piece(plan: LifePlan, moment_unix_s: float) -> EvenPiece | None:
    """Return the piece of the life around a moment: of what lies inside, ``charge`` is duration times its share.

    None for ``by_use``, where uses count and not time.
    """
    if plan.policy == "by_use":
        return None
    knots = _life(plan).knots
    if knots is None:
        return EvenPiece(-math.inf, math.inf, (1.0 - plan.charged_before_ratio) / plan.lifetime_s)
    after = bisect_right(knots, (moment_unix_s, math.inf))
    if after == 0:
        return EvenPiece(-math.inf, knots[0][0], 0.0)
    if after == len(knots):
        return EvenPiece(knots[-1][0], math.inf, 0.0)
    (since_s, before), (until_s, reached) = knots[after - 1], knots[after]
    return EvenPiece(since_s, until_s, (reached - before) / (until_s - since_s))


def residue_ratio(plan: LifePlan) -> float:
    """Return which share of the mass a retirement leaves over by a policy of time; 0 without one, or after the end.

    Raises ValueError for ``by_use``, whose residue hangs on the uses made.
    """
    if plan.policy == "by_use":
        raise ValueError("the residue of by_use hangs on the uses made until the retirement; ask charge for it")
    return _life(plan).residue


@lru_cache(maxsize=65_536)
def _life(plan: LifePlan) -> _Life:
    since_s = plan.in_service_since_unix_s
    if since_s is None:
        return _Life(None, -math.inf, math.inf, math.inf, 0.0)
    first_s = math.nextafter(since_s, math.inf)
    retired_s = math.inf if plan.retired_unix_s is None else max(plan.retired_unix_s, first_s)
    amount = 1.0 - plan.charged_before_ratio
    knots, end_s = _knots(plan, since_s, plan.lifetime_s, amount), since_s + plan.lifetime_s
    decided_s, longer_s = plan.extended_unix_s, plan.extended_lifetime_s
    if decided_s is not None and longer_s is not None and decided_s < end_s:
        end_s = since_s + longer_s
        left = amount - share_at(knots, decided_s)
        knots = continued(knots, decided_s, _knots(plan, decided_s, end_s - decided_s, left))
    if retired_s < end_s:
        knots = ended(knots, retired_s)
    end_s = min(end_s, retired_s)
    return _Life(tuple(knots), since_s, end_s, retired_s, max(amount - knots[-1][1], 0.0))


def _knots(plan: LifePlan, start_s: float, lifetime_s: float, amount: float) -> list[Knot]:
    if plan.policy == "front_loaded":
        assert plan.decline_ratio is not None, "the plan has checked it"
        return front_loaded_knots(start_s, lifetime_s, amount, plan.decline_ratio)
    if plan.policy == "sunk":
        return sunk_knots(start_s, lifetime_s, amount)
    return linear_knots(start_s, lifetime_s, amount)


def _due(plan: LifePlan, life: _Life, start_s: float, end_s: float) -> float:
    if life.knots is None:
        return (end_s - start_s) * ((1.0 - plan.charged_before_ratio) / plan.lifetime_s)
    return share_at(life.knots, end_s) - share_at(life.knots, start_s)


def _beyond_s(plan: LifePlan, life: _Life, start_s: float, end_s: float) -> float | None:
    if plan.in_service_since_unix_s is None:
        return None
    return overlap_s(start_s, end_s, life.end_s, life.retired_s)


def _uses_due(plan: LifePlan, uses: float, uses_before: float | None) -> tuple[float, float | None]:
    """Return what these uses are charged, and how many of them lie beyond the planned ones."""
    assert plan.lifetime_uses is not None, "the plan has checked it"
    per_use = (1.0 - plan.charged_before_ratio) / plan.lifetime_uses
    if uses_before is None:
        return uses * per_use, None
    within = min(uses, max(plan.lifetime_uses - uses_before, 0.0))
    return within * per_use, uses - within


def _unused(plan: LifePlan, uses: float, uses_before: float | None) -> float:
    """Return what by_use leaves over at a retirement."""
    assert plan.lifetime_uses is not None, "the plan has checked it"
    if uses_before is None:
        raise ValueError("a device that is charged by_use retires here: its uses before this stretch are needed")
    left = max(plan.lifetime_uses - uses_before - uses, 0.0)
    return left * ((1.0 - plan.charged_before_ratio) / plan.lifetime_uses)


def _many_uses_due(plan: LifePlan, uses: F64, uses_before: F64 | None, *, needs_before: bool) -> tuple[F64, F64]:
    """Return what each number of uses is charged, and what is left over after it."""
    assert plan.lifetime_uses is not None, "the plan has checked it"
    per_use = (1.0 - plan.charged_before_ratio) / plan.lifetime_uses
    if uses_before is None:
        if needs_before:
            raise ValueError("a device that is charged by_use retires here: its uses before each stretch are needed")
        return uses * per_use, np.zeros_like(uses)
    made = np.asarray(uses_before, dtype=np.float64)
    within = np.minimum(uses, np.maximum(plan.lifetime_uses - made, 0.0))
    left = np.maximum(plan.lifetime_uses - made - uses, 0.0)
    return within * per_use, np.asarray(left * per_use, dtype=np.float64)
