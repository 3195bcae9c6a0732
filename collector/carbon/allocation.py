"""How much of something shared each of its users answers for: in proportion to what each makes of it.

``M_shared * w_i / sum(w)``; ``w`` is time, users, bytes or inferences, as the product category or the author says.
"""

import math
from collections.abc import Mapping
from typing import Literal

Basis = Literal["time", "users", "bytes", "inferences"]


def use_shares(weights: Mapping[str, float]) -> dict[str, float]:
    """Return each user's share; the shares sum to 1 (``math.fsum``, to the last bit or one beside it).

    Raises ValueError for no user, for a weight that is negative or not finite, and when nobody used anything: who
    answers for an idle thing is a decision, not a division.
    """
    for user, weight in weights.items():
        if not 0.0 <= weight < math.inf:
            raise ValueError(f"the weight of {user!r} is a finite number from 0, not {weight}")
    largest = max(weights.values(), default=0.0)
    if largest <= 0.0:
        raise ValueError(
            "nobody used it: give at least one user a weight above 0, or charge it to a device of its own"
        )
    relative = {user: weight / largest for user, weight in weights.items()}
    whole = math.fsum(relative.values())
    return {user: weight / whole for user, weight in relative.items()}
