"""Laws of the carbon account that hold across its modules, whatever the numbers are."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.carbon.allocation import use_shares
from collector.carbon.amortisation import POLICIES, LifePlan, charge
from collector.carbon.embodied import Part, embodied_gco2e
from collector.carbon.estimate import Estimate, Range, exactly, times
from collector.carbon.factors import Factor
from collector.carbon.linear_model import GramModel
from collector.carbon.montecarlo import Draws
from collector.carbon.operational import CarbonIntensity, operational_gco2e
from collector.carbon.revisions import IntensityRevision, known_at
from collector.carbon.steps import HeldSteps, held_steps
from collector.carbon.timeline import IntensityTimeline
from collector.carbon.units import GCO2E_PER_KWH, J_PER_KWH, JOULE, KGCO2E

QUARTER_NS = 900_000_000_000
SLOTS = 24
DRAWS = 2_000
LIFE_S = 1e8
WIDTHS = st.floats(1.0, 4.0)
ENERGIES = st.floats(1.0, 1e9)
VALUES = st.floats(1.0, 2_000.0)


def factor(name: str, value: float, low: float, high: float, unit: str = GCO2E_PER_KWH) -> Factor:
    return Factor(
        id=name, name=name, estimate=Estimate(value, low, high, unit, "test"), scope="s", source="test", licence="MIT",
        vintage="v", method="m",
    )  # fmt: skip


def amount(energy_j: float, of: Estimate) -> Range:
    value, low, high = of.range
    kwh = energy_j / J_PER_KWH
    return kwh * value, kwh * low, kwh * high


@st.composite
def ranges(draw: st.DrawFn, unit: str = GCO2E_PER_KWH) -> Estimate:
    value = draw(VALUES)
    return Estimate(value, value / draw(WIDTHS), value * draw(WIDTHS), unit, "test")


@st.composite
def timelines(draw: st.DrawFn) -> IntensityTimeline:
    """Return steps of a quarter of an hour with holes."""
    values = draw(st.lists(st.none() | st.floats(0.0, 2_000.0), min_size=1, max_size=SLOTS))
    known = [(slot, value) for slot, value in enumerate(values) if value is not None]
    starts = np.array([slot for slot, _ in known], dtype=np.int64) * QUARTER_NS
    value = np.array([value for _, value in known], dtype=np.float64)
    return IntensityTimeline(
        starts, starts + QUARTER_NS, value, low=0.8 * value, high=1.3 * value, quality=["actual"] * len(known)
    )


@st.composite
def revisions(draw: st.DrawFn) -> list[IntensityRevision]:
    """Return answers of two sources at five moments, actual and forecast, in slots of one or two quarters."""
    said: list[IntensityRevision] = []
    for source in ("first", "second"):
        for fetched in draw(st.sets(st.integers(0, 4), max_size=4)):
            is_forecast = draw(st.booleans())
            length = draw(st.sampled_from((1, 2))) * QUARTER_NS
            slots = draw(st.sets(st.integers(0, 7), max_size=6))
            said += [
                IntensityRevision(
                    source=source,
                    zone="Z",
                    kind="average",
                    valid_from_unix_ns=slot * length,
                    valid_to_unix_ns=(slot + 1) * length,
                    gco2e_per_kwh=float(100 * fetched + slot),
                    fetched_at_unix_ns=fetched,
                    is_estimated=draw(st.booleans()),
                    is_forecast=is_forecast,
                )
                for slot in sorted(slots)
            ]
    return said


# Energy to grams


@given(ranges(), ENERGIES, st.floats(1e-3, 1e3), st.floats(0.0, 0.3))
def test_grams_are_linear_in_energy(per_kwh: Estimate, energy_j: float, times_more: float, u_rel: float) -> None:
    intensity = CarbonIntensity(zone="Z", kind="average", factor=factor("z", *per_kwh.range))
    energy = Estimate(energy_j, energy_j * (1.0 - u_rel), energy_j * (1.0 + u_rel), JOULE, "meter")
    one, more = operational_gco2e(energy, intensity), operational_gco2e(energy.scaled(times_more), intensity)
    assert more.range == pytest.approx(one.scaled(times_more).range, rel=1e-9)


@given(ranges(), st.lists(ENERGIES, min_size=1, max_size=8), st.floats(0.1, 10.0))
@settings(max_examples=40)
def test_a_fleets_grams_are_linear_in_energy_with_their_range(
    per_kwh: Estimate, energies: list[float], times_more: float
) -> None:
    def fleet(scale: float) -> Estimate:
        model = GramModel(draws=Draws(seed=1, count=DRAWS))
        for energy_j in energies:
            model.add_energy("fleet", amount(scale * energy_j, per_kwh), cause="z")
        found = model.estimate("fleet")
        assert found is not None
        return found

    assert fleet(times_more).range == pytest.approx(fleet(1.0).scaled(times_more).range, rel=1e-9)


# Time


@given(timelines(), st.lists(st.integers(0, SLOTS * QUARTER_NS), min_size=2, max_size=30, unique=True), ENERGIES)
def test_a_window_that_is_split_at_any_moments_keeps_its_energy_and_its_grams(
    steps: IntensityTimeline, cuts: list[int], power_w: float
) -> None:
    edges = np.sort(np.array(cuts, dtype=np.int64))
    parts, whole = steps.mean_over(edges[:-1], edges[1:]), steps.mean_over(edges[:1], edges[-1:])
    energy_j = power_w * np.diff(edges) / 1e9
    known_j = energy_j * parts.known_ratio
    grams = np.where(known_j > 0.0, known_j / J_PER_KWH * np.nan_to_num(parts.gco2e_per_kwh), 0.0)

    all_j = power_w * float(edges[-1] - edges[0]) / 1e9
    all_known_j = all_j * whole.known_ratio[0]
    expected_g = all_known_j / J_PER_KWH * np.nan_to_num(whole.gco2e_per_kwh)[0]
    assert math.fsum(energy_j) == pytest.approx(all_j, rel=1e-12)
    # A sum of running sums: what cancels is the last bits of a day of steps.
    assert math.fsum(known_j) == pytest.approx(all_known_j, rel=1e-9, abs=1e-9 * all_j)
    assert math.fsum(grams) == pytest.approx(expected_g, rel=1e-9, abs=1e-6 * all_j / J_PER_KWH)
    assert np.all(parts.known_ratio <= 1.0)
    for mean in (parts, whole):
        assert sum(mean.quality_ratio.values()) == pytest.approx(mean.known_ratio, abs=1e-9)


# Knowledge


def held(said: list[IntensityRevision], t: int | None) -> HeldSteps:
    return held_steps(known_at(said, t), preference=("first", "second"))


def strength(one: IntensityRevision) -> tuple[bool, bool, int, bool]:
    return not one.is_forecast, one.source == "first", one.fetched_at_unix_ns, not one.is_estimated


@given(revisions())
def test_what_was_known_only_grows_and_only_something_stronger_supersedes(said: list[IntensityRevision]) -> None:
    moments = np.arange(16, dtype=np.int64) * QUARTER_NS + QUARTER_NS // 2
    for earlier, later in pairwise([*range(-1, 6), None]):
        assert {id(one) for one in known_at(said, earlier)} <= {id(one) for one in known_at(said, later)}
        before, after = held(said, earlier), held(said, later)
        for moment in moments.tolist():
            old, new = at(before, moment), at(after, moment)
            if old is not None:
                assert new is not None
                assert strength(new) >= strength(old)


@given(revisions(), st.integers(0, 4), st.randoms(use_true_random=False))
def test_what_was_known_at_a_moment_never_changes_again(
    said: list[IntensityRevision], t: int, order: random.Random
) -> None:
    """Later revisions, and the order in which they came to the store, do not change what was known then."""
    shuffled = list(said)
    order.shuffle(shuffled)
    then = held([one for one in said if one.fetched_at_unix_ns <= t], None)
    now = held(shuffled, t)
    assert np.array_equal(then.timeline.gco2e_per_kwh, now.timeline.gco2e_per_kwh)
    assert np.array_equal(then.timeline.starts_unix_ns, now.timeline.starts_unix_ns)
    assert then.timeline.quality == now.timeline.quality


def at(steps: HeldSteps, t_unix_ns: int) -> IntensityRevision | None:
    timeline = steps.timeline
    place = int(np.searchsorted(timeline.starts_unix_ns, t_unix_ns, side="right")) - 1
    if place < 0 or t_unix_ns >= timeline.ends_unix_ns[place]:
        return None
    return steps.held_by[place]


# Mass


@given(
    st.sampled_from(POLICIES),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0.0, 1e9), min_size=1).filter(
        lambda w: max(w.values()) > 0.0
    ),
    st.lists(ranges(f"{KGCO2E}/cm2"), min_size=1, max_size=4),
    st.lists(st.floats(0.0, 1.2), max_size=8),
    st.floats(0.1, 1.0),
)
@settings(max_examples=60)
def test_the_mass_of_shared_hardware_is_charged_once_to_its_users_over_its_lives(
    policy: str, weights: dict[str, float], factors: list[Estimate], cuts: list[float], first_life: float
) -> None:
    """Users times lives times stretches times parts: whatever is cut, the sum is the mass that was emitted."""
    parts = tuple(
        Part(name=str(k), factor=factor(f"f{k}", *one.range, unit=f"{KGCO2E}/cm2"), quantity=1.0 + k)
        for k, one in enumerate(factors)
    )
    mass_g = embodied_gco2e(parts).value
    common: dict[str, object] = {
        "policy": policy, "lifetime_s": LIFE_S, "lifetime_uses": 1e6, "decline_ratio": 0.3,
        "in_service_since_unix_s": 0.0,
    }  # fmt: skip
    retired_s = first_life * LIFE_S
    first = LifePlan(**common, retired_unix_s=retired_s, residue="carried_to_successor")  # type: ignore[arg-type]
    ends = sorted({0.0, *(cut * LIFE_S for cut in cuts), 1.2 * LIFE_S})
    each = 1.2e6 / (len(ends) - 1)
    charged, before, left = 0.0, 0.0, 0.0
    for start_s, end_s in pairwise(ends):
        part = charge(first, start_s, end_s, each, uses_before=before)
        before += each if start_s < retired_s else 0.0
        charged, left = charged + part.share_ratio, left + part.residue_ratio
    second = LifePlan(**common, charged_before_ratio=1.0 - left)  # type: ignore[arg-type]
    charged += charge(second, 0.0, 2.0 * LIFE_S, 2e6, uses_before=0.0).share_ratio

    shares = use_shares(weights)
    of_users = [embodied_gco2e(tuple(one.shared(share) for one in parts)).value for share in shares.values()]
    assert math.fsum(shares.values()) == pytest.approx(1.0, rel=1e-12)
    assert charged * math.fsum(of_users) == pytest.approx(mass_g, rel=1e-9)


@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(ENERGIES, st.floats(1e-3, 10.0)), min_size=1), ranges())
@settings(max_examples=40)
def test_the_figures_of_devices_sum_to_the_fleets(devices: dict[str, tuple[float, float]], per_kwh: Estimate) -> None:
    board = factor("board", 9.0, 3.0, 25.0, unit=KGCO2E)
    model = GramModel(draws=Draws(seed=1, count=DRAWS))
    for name, (energy_j, share) in devices.items():
        model.add_energy(name, amount(energy_j, per_kwh), cause="z", systematic_id="meter", u_systematic=0.01)
        model.add_parts(name, (Part(name="board", factor=board),), share)
    model.combine("fleet", devices)
    values = [model.value(name) for name in devices]
    sides = [model.value("fleet", "operational"), model.value("fleet", "embodied")]
    assert math.fsum(value for value in values if value is not None) == pytest.approx(model.value("fleet"), rel=1e-12)
    assert math.fsum(side for side in sides if side is not None) == pytest.approx(model.value("fleet"), rel=1e-12)
    shares = [one.share_ratio for one in model.variance_shares("fleet")]
    assert math.fsum(shares) == pytest.approx(1.0, rel=1e-9)
    drawn = [model.drawn(name) for name in devices]
    whole = model.drawn("fleet")
    assert whole is not None
    # The same world for all: drawn devices add up to the drawn fleet, world by world.
    assert sum(one for one in drawn if one is not None) == pytest.approx(whole, rel=1e-9)


# Uncertainty


@given(ranges(), st.lists(ENERGIES, min_size=1, max_size=20))
@settings(max_examples=40)
def test_the_drawn_middle_and_range_of_one_cause_are_the_analytic_ones_for_any_fleet(
    per_kwh: Estimate, energies: list[float]
) -> None:
    """Many devices on one grid are as uncertain as one: nothing averages out that is wrong for all of them."""
    model = GramModel(draws=Draws(seed=1, count=DRAWS))
    for number, energy_j in enumerate(energies):
        model.add_energy(f"device-{number}", amount(energy_j, per_kwh), cause="z")
    model.combine("fleet", [f"device-{number}" for number in range(len(energies))])
    spread = model.spread("fleet")
    assert spread is not None
    analytic = amount(math.fsum(energies), per_kwh)
    # 2000 draws, one from each slice: between the two middle ones, and at 5 %, by a fraction of a slice.
    assert (spread.p50, spread.p5, spread.p95) == pytest.approx(analytic, rel=5e-3)


@given(st.floats(1.05, 3.0), st.floats(1.05, 3.0), st.floats(0.1, 100.0), st.floats(0.1, 100.0))
@settings(max_examples=30)
def test_the_drawn_middle_and_range_of_a_product_agree_with_the_analytic_ones(
    width_a: float, width_b: float, a: float, b: float
) -> None:
    """Two independent factors, symmetric on the log scale, so that median and percentiles have a closed form."""
    count = 20_000
    first = factor("a", a, a / width_a, a * width_a, unit=f"{KGCO2E}/cm2")
    second = factor("b", b, b / width_b, b * width_b, unit="cm2")
    model = GramModel(draws=Draws(seed=1, count=count))
    model.add_parts("one", (Part(name="die", factor=first, amount=second),), 1.0)
    spread = model.spread("one")
    assert spread is not None
    analytic = times(first.estimate, second.estimate, unit=KGCO2E, source="t").scaled(1000.0)
    sigma = math.hypot(math.log(width_a), math.log(width_b)) / 1.6449
    # Standard errors of quantiles of a lognormal: sqrt(p (1-p) / n) / density; 6 of them.
    at_middle, at_end = 6.0 * sigma * 1.2533 / math.sqrt(count), 6.0 * sigma * 2.113 / math.sqrt(count)
    assert math.log(spread.p50 / analytic.value) == pytest.approx(0.0, abs=at_middle)
    assert math.log(spread.p5 / analytic.low) == pytest.approx(0.0, abs=at_end)
    assert math.log(spread.p95 / analytic.high) == pytest.approx(0.0, abs=at_end)


def test_what_is_independent_averages_out_and_what_is_shared_does_not() -> None:
    model = GramModel(draws=Draws(seed=1, count=20_000))
    grid = exactly(400.0, GCO2E_PER_KWH, "t")
    for number in range(100):
        model.add_energy(f"own-{number}", amount(3.6e6, grid), cause="z", variance=40.0**2)
        model.add_energy(f"common-{number}", amount(3.6e6, grid), cause="z", systematic_id="meter", u_systematic=40.0)
    for kind in ("own", "common"):
        model.combine(kind, [f"{kind}-{number}" for number in range(100)])
    widths = {}
    for group in ("own-0", "own", "common-0", "common"):
        found = model.estimate(group)
        assert found is not None
        widths[group] = (found.high - found.low) / found.value
    assert widths["common"] == pytest.approx(widths["common-0"], rel=1e-3)
    assert widths["own"] == pytest.approx(widths["own-0"] / 10.0, rel=0.05)
