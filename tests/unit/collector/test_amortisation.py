"""No policy loses mass, and none makes any: over a life, however it is cut, over an extension, at a retirement."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.amortisation import POLICIES, RESIDUES, LifePlan, charge, charge_many, residue_ratio
from collector.carbon.units import S_PER_YEAR, s_from_years

SINCE_S = 1.7e9
LIFE_S = s_from_years(5.0)
USES = 1e6


def plan(policy: str = "linear_in_time", **changes: object) -> LifePlan:
    fields: dict[str, object] = {
        "policy": policy, "lifetime_s": LIFE_S, "in_service_since_unix_s": SINCE_S,
        "lifetime_uses": USES, "decline_ratio": 0.4,
    }  # fmt: skip
    return LifePlan(**{**fields, **changes})  # type: ignore[arg-type]  # some bad fields on purpose


@st.composite
def plans(draw: st.DrawFn) -> LifePlan:
    lifetime_s = s_from_years(draw(st.floats(0.5, 12.0)))
    decided_s = SINCE_S + draw(st.floats(0.0, 1.3)) * lifetime_s
    extension = {"extended_unix_s": decided_s, "extended_lifetime_s": lifetime_s * draw(st.floats(1.0, 2.5))}
    retirement = {"retired_unix_s": SINCE_S + draw(st.floats(0.0, 2.6)) * lifetime_s}
    return plan(
        draw(st.sampled_from(POLICIES)),
        lifetime_s=lifetime_s,
        lifetime_uses=draw(st.floats(1.0, 1e9)),
        decline_ratio=draw(st.floats(0.01, 1.0)),
        residue=draw(st.sampled_from(RESIDUES)),
        charged_before_ratio=draw(st.sampled_from((0.0, 0.25, 1.0))),
        **(extension if draw(st.booleans()) else {}),
        **(retirement if draw(st.booleans()) else {}),
    )


def moments_of(of: LifePlan, cuts: list[float]) -> list[float]:
    """Return where a time from before the life to long after it is cut."""
    start_s, end_s = SINCE_S - 1e6, SINCE_S + 4.0 * of.lifetime_s
    return [start_s, *sorted(start_s + cut * (end_s - start_s) for cut in cuts), end_s]


def uses_of(of: LifePlan, moments: list[float]) -> tuple[list[float], list[float]]:
    """Return the uses in each stretch and before it: all planned uses are made in service, and some more."""
    retired_s = math.inf if of.retired_unix_s is None else of.retired_unix_s
    assert of.lifetime_uses is not None
    serves = [a < retired_s and b > SINCE_S for a, b in pairwise(moments)]
    each = 1.5 * of.lifetime_uses / max(sum(serves), 1)
    made = [each if at_work else 0.0 for at_work in serves]
    return made, [math.fsum(made[:k]) for k in range(len(made))]


@given(plans(), st.lists(st.floats(0.0, 1.0), max_size=12))
def test_every_life_is_charged_its_whole_mass_once(of: LifePlan, cuts: list[float]) -> None:
    moments = moments_of(of, cuts)
    made, before = uses_of(of, moments)
    parts = [
        charge(of, a, b, uses, uses_before=earlier)
        for (a, b), uses, earlier in zip(pairwise(moments), made, before, strict=True)
    ]
    whole = math.fsum(part.share_ratio + part.residue_ratio for part in parts)
    assert whole == pytest.approx(1.0 - of.charged_before_ratio, rel=0.0, abs=1e-9)
    assert all(part.share_ratio >= 0.0 and part.residue_ratio >= 0.0 for part in parts)
    assert {part.policy for part in parts} == {of.policy}


@given(plans(), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12))
def test_many_stretches_at_once_are_charged_the_same(of: LifePlan, cuts: list[float]) -> None:
    moments = moments_of(of, cuts)
    made, before = uses_of(of, moments)
    many = charge_many(of, np.array(moments[:-1]), np.array(moments[1:]), np.array(made), uses_before=np.array(before))
    for k, (a, b) in enumerate(pairwise(moments)):
        one = charge(of, a, b, made[k], uses_before=before[k])
        for name in ("share_ratio", "residue_ratio", "beyond_lifetime_s", "before_service_s", "after_retirement_s"):
            assert getattr(many, name)[k] == pytest.approx(getattr(one, name), rel=1e-12, abs=1e-12), name


@given(plans(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_each_second_of_a_stretch_is_of_one_kind(of: LifePlan, first: float, second: float) -> None:
    start_s, end_s = sorted(SINCE_S + (3.0 * share - 1.0) * of.lifetime_s for share in (first, second))
    got = charge(of, start_s, end_s, uses_before=0.0)
    assert got.beyond_lifetime_s is not None
    parts = (got.beyond_lifetime_s, got.before_service_s, got.after_retirement_s)
    assert all(part >= 0.0 for part in parts)
    assert math.fsum(parts) <= end_s - start_s + 1e-6


def test_a_year_by_each_policy() -> None:
    year = (SINCE_S, SINCE_S + S_PER_YEAR)
    second = (SINCE_S + S_PER_YEAR, SINCE_S + 2.0 * S_PER_YEAR)
    last = (SINCE_S + 4.0 * S_PER_YEAR, SINCE_S + 5.0 * S_PER_YEAR)
    assert charge(plan(), *year).share_ratio == pytest.approx(0.2)
    loaded = [charge(plan("front_loaded"), *stretch).share_ratio for stretch in (year, second, last)]
    assert loaded == pytest.approx([0.4, 0.24, 0.6**4])
    assert charge(plan("by_use"), *year, 1e5).share_ratio == pytest.approx(0.1)
    assert [charge(plan("sunk"), *stretch).share_ratio for stretch in (year, second)] == [1.0, 0.0]


def test_time_beyond_the_planned_life_is_counted_and_not_charged_twice() -> None:
    last = charge(plan(), SINCE_S + LIFE_S - 900.0, SINCE_S + LIFE_S + 2700.0)
    assert (last.share_ratio, last.beyond_lifetime_s) == pytest.approx((900.0 / LIFE_S, 2700.0), rel=1e-6)
    after = charge(plan(), SINCE_S + LIFE_S, SINCE_S + LIFE_S + 10.0)
    assert (after.share_ratio, after.beyond_lifetime_s) == (0.0, 10.0)
    unknown = charge(plan(in_service_since_unix_s=None), 0.0, 10.0 * LIFE_S)
    assert (unknown.share_ratio, unknown.beyond_lifetime_s) == pytest.approx((10.0, None))
    early = charge(plan(), SINCE_S - 10.0, SINCE_S)
    assert (early.share_ratio, early.before_service_s) == (0.0, 10.0)


def test_uses_beyond_the_planned_ones_are_counted_where_the_earlier_ones_are_known() -> None:
    known = charge(plan("by_use"), SINCE_S, SINCE_S + 10.0, 100.0, uses_before=USES - 30.0)
    assert (known.share_ratio, known.beyond_lifetime_uses) == pytest.approx((30.0 / USES, 70.0))
    unknown = charge(plan("by_use"), SINCE_S, SINCE_S + 10.0, 2.0 * USES)
    assert (unknown.share_ratio, unknown.beyond_lifetime_uses) == pytest.approx((2.0, None))


def test_an_extension_spreads_what_is_left_and_leaves_the_past_alone() -> None:
    longer = plan(extended_unix_s=SINCE_S + 4.0 * S_PER_YEAR, extended_lifetime_s=8.0 * S_PER_YEAR)
    assert charge(longer, SINCE_S, SINCE_S + 4.0 * S_PER_YEAR).share_ratio == pytest.approx(0.8)
    fifth = charge(longer, SINCE_S + 4.0 * S_PER_YEAR, SINCE_S + 5.0 * S_PER_YEAR)
    assert (fifth.share_ratio, fifth.beyond_lifetime_s) == pytest.approx((0.05, 0.0))
    too_late = plan(extended_unix_s=SINCE_S + 6.0 * S_PER_YEAR, extended_lifetime_s=8.0 * S_PER_YEAR)
    sixth = charge(too_late, SINCE_S + 6.0 * S_PER_YEAR, SINCE_S + 7.0 * S_PER_YEAR)
    assert (sixth.share_ratio, sixth.beyond_lifetime_s) == (0.0, S_PER_YEAR)


def test_the_residue_of_an_early_retirement_lands_where_the_plan_says() -> None:
    retired_s = SINCE_S + 2.0 * S_PER_YEAR
    stretch = (retired_s - 3600.0, retired_s)
    charged = charge(plan(retired_unix_s=retired_s), *stretch)
    assert (charged.share_ratio, charged.residue_ratio) == pytest.approx((0.6, 0.0), rel=1e-4)
    for residue in ("written_off_to_fleet", "carried_to_successor"):
        elsewhere = plan(retired_unix_s=retired_s, residue=residue)
        named = charge(elsewhere, *stretch)
        assert (named.share_ratio, named.residue_ratio) == pytest.approx((3600.0 / LIFE_S, 0.6), rel=1e-4)
        assert residue_ratio(elsewhere) == pytest.approx(0.6)
    later = charge(plan(retired_unix_s=retired_s), retired_s, retired_s + 60.0)
    assert (later.share_ratio, later.after_retirement_s) == (0.0, 60.0)
    assert residue_ratio(plan(retired_unix_s=SINCE_S + 6.0 * S_PER_YEAR)) == 0.0


def test_a_second_life_carries_on_where_the_first_one_ended() -> None:
    first = plan(retired_unix_s=SINCE_S + 3.0 * S_PER_YEAR, residue="carried_to_successor")
    second = plan(charged_before_ratio=1.0 - residue_ratio(first), in_service_since_unix_s=SINCE_S + 4.0 * S_PER_YEAR)
    ends = (SINCE_S, SINCE_S + 20.0 * S_PER_YEAR)
    assert charge(first, *ends).share_ratio + charge(second, *ends).share_ratio == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": "guess"}, "no such policy"),
        ({"residue": "forgotten"}, "no such policy or residue"),
        ({"lifetime_s": 0.0}, "must be positive"),
        ({"lifetime_s": math.nan}, "must be positive"),
        ({"charged_before_ratio": 1.5}, r"lies in 0\.\.1"),
        ({"policy": "by_use", "lifetime_uses": None}, "needs lifetime_uses"),
        ({"policy": "front_loaded", "decline_ratio": 1.1}, "needs a decline_ratio"),
        ({"policy": "sunk", "in_service_since_unix_s": None}, "need the first day of service"),
        ({"in_service_since_unix_s": None, "retired_unix_s": SINCE_S}, "need the first day of service"),
        ({"retired_unix_s": SINCE_S - 1.0}, "cannot lie before"),
        ({"extended_unix_s": SINCE_S + 1.0}, "both the moment"),
        ({"in_service_since_unix_s": None, "extended_lifetime_s": 2.0 * LIFE_S}, "both the moment"),
        ({"extended_unix_s": SINCE_S + 1.0, "extended_lifetime_s": 1.0}, "cannot be shorter"),
    ],
)
def test_plans_that_do_not_fit_together_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(**changes)  # type: ignore[arg-type]  # bad on purpose


def test_what_cannot_be_charged_is_refused() -> None:
    for start_s, end_s, uses in ((1.0, 0.0, 0.0), (0.0, 1.0, -1.0), (0.0, math.inf, 0.0)):
        with pytest.raises(ValueError, match="finite and not negative"):
            charge(plan(), start_s, end_s, uses)
        with pytest.raises(ValueError, match="finite and not negative"):
            charge_many(plan(), np.array([start_s]), np.array([end_s]), np.array([uses]))
    retiring = plan("by_use", retired_unix_s=SINCE_S + 1.0)
    with pytest.raises(ValueError, match="uses before"):
        charge(retiring, SINCE_S, SINCE_S + 2.0, 1.0)
    with pytest.raises(ValueError, match="uses before"):
        charge_many(retiring, np.array([SINCE_S]), np.array([SINCE_S + 2.0]))
    with pytest.raises(ValueError, match="hangs on the uses"):
        residue_ratio(retiring)
    for before in (-1.0, math.nan):
        with pytest.raises(ValueError, match="finite and not negative"):
            charge(plan("by_use"), SINCE_S, SINCE_S + 1.0, 1.0, uses_before=before)
        with pytest.raises(ValueError, match="finite and not negative"):
            charge_many(plan("by_use"), np.zeros(1), np.ones(1), np.ones(1), uses_before=np.array([before]))


@pytest.mark.parametrize("policy", ["linear_in_time", "front_loaded", "sunk"])
def test_hardware_that_retires_on_its_first_day_is_charged_once(policy: str) -> None:
    short = plan(policy, retired_unix_s=SINCE_S)
    ends_s = (SINCE_S - 1.0, SINCE_S, SINCE_S + 1.0)
    shares = [charge(short, start_s, end_s).share_ratio for start_s, end_s in pairwise(ends_s)]
    assert math.fsum(shares) == pytest.approx(1.0)
    assert shares[1] == pytest.approx(1.0), "service begins with the second stretch"
    assert charge_many(short, np.array(ends_s[:2]), np.array(ends_s[1:])).share_ratio == pytest.approx(shares)
