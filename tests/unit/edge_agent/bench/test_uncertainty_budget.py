"""The budget against examples worked by hand, against GTC, and against what is exact of a rectangle."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.uncertainty.budget import FEW_VALUES, Budget, Distribution, Evaluation, Input, Number, effective_dof
from edge_agent.uncertainty.type_a import median_chance
from edge_agent.wire.records import Measurand

NOT_ZERO = st.floats(0.1, 100.0)


def given_input(
    name: str,
    u: float,
    value: float = 0.0,
    distribution: Distribution = "normal",
    evaluation: Evaluation = "B",
    dof: float | None = None,
) -> Input:
    return Input(name=name, evaluation=evaluation, distribution=distribution, value=value, u=u, unit="1", dof=dof)


def test_a_power_from_voltage_and_current_as_by_hand() -> None:
    """P = V I: (u(P) / P)^2 = (u(V) / V)^2 + (u(I) / I)^2 (JCGM 100:2008, 5.1.6): 3 % and 4 % make 5 %."""
    budget = Budget()
    volts = budget.variable(given_input("V", 0.15, value=5.0))
    amps = budget.variable(given_input("I", 0.02, value=0.5))
    found = budget.measurand(volts * amps)
    assert found.value_j == 2.5
    assert found.u_j == pytest.approx(0.05 * 2.5)
    assert found.expanded_u_j == 2.0 * found.u_j
    assert [line.name for line in found.budget] == ["I", "V"]
    assert [line.sensitivity for line in found.budget] == pytest.approx([5.0, 0.5])
    assert [line.contribution_j for line in found.budget] == pytest.approx([0.1, 0.075])


def test_the_end_gauge_of_annex_h_1() -> None:
    """JCGM 100:2008, H.1.3.5 and H.1.6: u_c(l) = 32 nm from 25, 9.7, 2.9 and 16.6 nm; 16 degrees of freedom."""
    budget = Budget()
    parts = {"standard": (25.0, 18.0), "difference": (9.7, 25.6), "expansion": (2.9, 50.0), "temperature": (16.6, 2.0)}
    total: Number = 0.0
    for name, (u_nm, dof) in parts.items():
        total = total + budget.variable(given_input(name, u_nm, dof=dof))
    found = budget.measurand(total)
    combined_nm = math.hypot(*(line.contribution_j for line in found.budget if line.name != FEW_VALUES))
    assert round(combined_nm) == 32
    assert found.effective_dof is not None
    assert math.floor(found.effective_dof) == 16


def test_an_input_that_comes_in_twice_is_one_error() -> None:
    budget = Budget()
    gain = budget.variable(given_input("gain", 0.01))
    found = budget.measurand(5.0 * (1.0 + gain) - 3.0 * (1.0 + gain))
    assert found.u_j == pytest.approx(0.02)
    assert len(found.budget) == 1


def test_an_offset_that_cancels_has_no_line() -> None:
    budget = Budget()
    offset, other = budget.variable(given_input("offset", 0.1)), budget.variable(given_input("other", 0.2))
    found = budget.measurand((5.0 + offset) - (3.0 + offset) + other)
    assert [line.name for line in found.budget] == ["other"]


def test_what_is_exactly_known_has_no_line_and_no_width() -> None:
    budget = Budget()
    found = budget.measurand(2.0 * budget.variable(given_input("exact", 0.0, value=3.0)))
    assert found == Measurand(
        value_j=6.0, u_j=0.0, expanded_u_j=0.0, coverage_factor=2.0, low_j=6.0, high_j=6.0, effective_dof=None
    )


@pytest.mark.parametrize("u", [-1.0, math.nan, math.inf])
def test_an_uncertainty_that_cannot_be_is_refused(u: float) -> None:
    with pytest.raises(ValueError, match="gain: a standard uncertainty is a finite number"):
        Budget().variable(given_input("gain", u))


@pytest.mark.parametrize(
    ("distribution", "dof", "half_width"),
    [
        ("rectangular", None, 0.95 * math.sqrt(3.0)),
        ("normal", None, 1.959964),
        ("triangular", None, math.sqrt(6.0) * (1.0 - math.sqrt(0.05))),
        # Student's t at 4 degrees of freedom (JCGM 100:2008, table G.2).
        ("t", 4.0, 2.776445),
    ],
)
def test_the_interval_holds_95_percent_of_each_distribution(
    distribution: Distribution, dof: float | None, half_width: float
) -> None:
    """The rectangle's own is 1.645 u: k = 2 would be beyond its limits."""
    budget = Budget()
    one = budget.variable(given_input("x", 0.5, value=7.0, distribution=distribution, dof=dof))
    found = budget.measurand(one)
    assert found.high_j - 7.0 == pytest.approx(0.5 * half_width, rel=0.02)
    assert 7.0 - found.low_j == pytest.approx(0.5 * half_width, rel=0.02)


def test_two_equal_rectangles_make_a_triangle() -> None:
    budget = Budget()
    made = [budget.variable(given_input(name, 1.0, distribution="rectangular")) for name in "ab"]
    found = budget.measurand(made[0] + made[1])
    assert found.high_j == pytest.approx(2.0 * math.sqrt(3.0) * (1.0 - math.sqrt(0.05)), rel=0.01)


def test_the_same_budget_gives_the_same_interval() -> None:
    budget = Budget()
    made = budget.variable(given_input("x", 1.0))
    assert budget.measurand(made) == budget.measurand(made)


@given(st.lists(st.tuples(NOT_ZERO, NOT_ZERO), min_size=1, max_size=6))
def test_u_is_the_root_of_the_sum_of_squares_and_lines_are_sorted(pairs: list[tuple[float, float]]) -> None:
    budget = Budget()
    total: Number = 1.0
    for number, (slope, u) in enumerate(pairs):
        total = total + slope * budget.variable(given_input(f"x{number}", u))
    found = budget.measurand(total)
    assert found.u_j == pytest.approx(math.hypot(*(slope * u for slope, u in pairs)))
    sizes = [line.contribution_j for line in found.budget]
    assert sizes == sorted(sizes, reverse=True)
    assert found.low_j <= found.value_j <= found.high_j


def test_degrees_of_freedom_of_one_input_are_its_own() -> None:
    budget = Budget()
    found = budget.measurand(3.0 * budget.variable(given_input("x", 0.2, evaluation="A", dof=4.0)))
    assert found.effective_dof == pytest.approx(4.0)
    assert effective_dof(()) is None


def test_few_values_are_paid_for_once_by_the_whole() -> None:
    """By hand (JCGM 100:2008, G.4.1): alone four degrees of freedom, beside an equal part known well 4 x 2^2."""
    budget = Budget()
    spread = budget.variable(given_input("spread", 0.2, distribution="t", evaluation="A", dof=4.0))
    limit = budget.variable(given_input("limit", 0.2))
    alone, both = budget.measurand(spread), budget.measurand(spread + limit)
    assert alone.effective_dof == pytest.approx(4.0)
    assert alone.u_j == pytest.approx(0.2 * math.sqrt(4.0 / 2.0))
    assert both.effective_dof == pytest.approx(16.0)
    assert both.u_j == pytest.approx(0.2 * math.sqrt(2.0) * math.sqrt(16.0 / 14.0))
    assert both.u_j == pytest.approx(math.hypot(*(line.contribution_j for line in both.budget)))


@pytest.mark.parametrize("limit_ratio", [0.0, 0.7, 2.0])
def test_u_holds_95_of_100_where_chance_and_a_normal_error_meet(limit_ratio: float) -> None:
    """Five windows of noise 1, beside a normal error of ``limit_ratio`` x the median's: many times over."""
    rng = np.random.default_rng(int(10 * limit_ratio))
    inside = []
    for row in rng.standard_normal((1000, 5)):
        budget = Budget()
        chance = median_chance(row.tolist())
        limit_u = limit_ratio * 0.5356  # standard deviation of the median of five
        given = given_input("spread", chance.plain_u, distribution="t", evaluation="A", dof=chance.dof)
        found = budget.measurand(budget.variable(given) + budget.variable(given_input("limit", limit_u)))
        error = float(np.median(row)) + limit_u * rng.standard_normal()
        inside.append(abs(error) <= found.expanded_u_j)
    assert 0.935 < np.mean(inside) < 0.973


@given(
    st.floats(0.5, 10.0),
    st.floats(0.1, 5.0),
    st.floats(0.001, 0.1),
    st.floats(0.001, 0.1),
    st.floats(0.001, 0.1),
)
def test_as_gtc_does(gross_w: float, idle_w: float, u_gross: float, u_idle: float, u_gain: float) -> None:
    """GTC (Measurement Standards Laboratory of New Zealand) has the same u for a difference with a common gain."""
    gtc = pytest.importorskip("GTC")
    budget = Budget()
    gross = budget.variable(given_input("gross", u_gross, value=gross_w))
    idle = budget.variable(given_input("idle", u_idle, value=idle_w))
    gain = budget.variable(given_input("gain", u_gain))
    mine = budget.measurand((gross - idle) * (1.0 + gain) * 0.002)
    theirs = (gtc.ureal(gross_w, u_gross) - gtc.ureal(idle_w, u_idle)) * gtc.ureal(1.0, u_gain) * 0.002
    assert mine.value_j == pytest.approx(gtc.value(theirs))
    assert mine.u_j == pytest.approx(gtc.uncertainty(theirs))
