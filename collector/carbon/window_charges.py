"""What many short stretches of one device's life are charged, as exactly as a single one."""

import msgspec
import numpy as np

from collector.carbon.amortisation import Charges, LifePlan, charge, charge_many, even_piece
from collector.carbon.estimate import F64


def window_charges(plan: LifePlan, starts_unix_s: F64, durations_s: F64, uses: F64) -> Charges:
    """Return ``charge_many``, whose shares are those of the even pieces of the life in which the stretches lie.

    Arrays of shape ``(n,)``. The share of seconds out of years, taken as a difference of two shares of the whole
    life, would keep only half of the digits. Each stretch is charged alike whichever others are asked for with it.
    Raises ValueError as ``charge`` does.
    """
    if len(starts_unix_s) == 1:
        return _alone(plan, float(starts_unix_s[0]), float(durations_s[0]), float(uses[0]))
    ends_s = starts_unix_s + durations_s
    found = charge_many(plan, starts_unix_s, ends_s, uses)
    if plan.policy == "by_use":
        return found
    shares = np.array(found.share_ratio, dtype=np.float64)
    left = np.arange(len(starts_unix_s))
    while len(left):
        start_s, end_s = float(starts_unix_s[left[0]]), float(ends_s[left[0]])
        piece = even_piece(plan, start_s)
        if piece is None or not piece.since_s < start_s < end_s < piece.until_s:
            shares[left[0]] = charge(plan, start_s, end_s).share_ratio
            left = left[1:]
            continue
        inside = (piece.since_s < starts_unix_s[left]) & (starts_unix_s[left] < ends_s[left])
        inside &= ends_s[left] < piece.until_s
        shares[left[inside]] = durations_s[left[inside]] * piece.share_per_s
        left = left[~inside]
    return msgspec.structs.replace(found, share_ratio=shares)


def _alone(plan: LifePlan, start_s: float, duration_s: float, uses: float) -> Charges:
    """Return the same of one stretch, without what arrays cost: most updates bring one window of a device."""
    end_s = start_s + duration_s
    found = charge(plan, start_s, end_s, uses)
    piece = even_piece(plan, start_s)
    is_even = piece is not None and piece.since_s < start_s < end_s < piece.until_s
    share = duration_s * piece.share_per_s if piece is not None and is_even else found.share_ratio
    beyond_s = found.beyond_lifetime_s
    return Charges(
        share_ratio=np.array([share]),
        policy=found.policy,
        beyond_lifetime_s=None if beyond_s is None else np.array([beyond_s]),
        residue_ratio=np.array([found.residue_ratio]),
        before_service_s=np.array([found.before_service_s]),
        after_retirement_s=np.array([found.after_retirement_s]),
    )
