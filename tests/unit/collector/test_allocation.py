import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.allocation import use_shares


@given(st.dictionaries(st.text(max_size=3), st.floats(0.0, 1e300), min_size=1, max_size=40))
def test_shares_are_in_proportion_and_sum_to_one(weights: dict[str, float]) -> None:
    if not any(weights.values()):
        with pytest.raises(ValueError, match="nobody used it"):
            use_shares(weights)
        return
    shares = use_shares(weights)
    assert list(shares) == list(weights)
    assert math.fsum(shares.values()) == pytest.approx(1.0, rel=0.0, abs=1e-14)
    largest = max(weights, key=lambda user: weights[user])
    for user, share in shares.items():
        assert 0.0 <= share <= 1.0
        assert share == pytest.approx(shares[largest] * (weights[user] / weights[largest]), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="the weight of 'b' is a finite number from 0"):
        use_shares({"a": 1.0, "b": weight})


def test_nobody_is_no_user() -> None:
    with pytest.raises(ValueError, match="nobody used it"):
        use_shares({})
