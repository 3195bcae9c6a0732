"""What two ways of reckoning say of every board that is shipped: in closed form, and by draws."""

import math

import pytest

from collector.carbon.embodied import corners_kgco2e, embodied_gco2e
from collector.carbon.linear_model import GramModel
from collector.carbon.montecarlo import Draws
from collector.data.hardware import Item, item_parts, shipped_items

ITEMS = [pytest.param(item, id=item.id) for item in shipped_items()]


@pytest.mark.parametrize("item", ITEMS)
def test_draws_and_closed_form_agree(item: Item) -> None:
    """The median of a sum of skewed parts lies above the sum of their medians, here by less than a tenth."""
    parts = item_parts(item, "test")
    analytic = embodied_gco2e(parts)
    model = GramModel(draws=Draws(seed=1, count=20_000))
    model.add_parts("x", parts, 1.0)
    spread = model.spread("x")
    assert spread is not None
    assert model.value("x") == pytest.approx(analytic.value, rel=1e-12)
    assert -0.01 < math.log(spread.p50 / analytic.value) < 0.12
    assert math.log(spread.p5 / analytic.low) == pytest.approx(0.0, abs=0.15)
    assert math.log(spread.p95 / analytic.high) == pytest.approx(0.0, abs=0.15)
    shares = [one.share_ratio for one in model.variance_shares("x")]
    assert math.fsum(shares) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("item", ITEMS)
def test_no_range_is_wider_than_all_ends_at_once(item: Item) -> None:
    parts = item_parts(item, "test")
    value, low, high = (1000.0 * mass for mass in corners_kgco2e(parts))
    analytic = embodied_gco2e(parts)
    assert analytic.value == pytest.approx(value, rel=1e-12)
    assert low * (1.0 - 1e-9) <= analytic.low <= analytic.value <= analytic.high <= high * (1.0 + 1e-9)
