"""What a comparison says in words: counts of worlds agree with the answer, figures keep sign and size."""

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.analysis.comparison.answers import BreakEven, Outcome, View
from collector.analysis.comparison.verdict import winner_of
from collector.carbon.montecarlo import Percentiles
from collector.numbers import NBSP
from collector.web.comparison_words import (
    break_even_words,
    exactly,
    of_hundred,
    plain,
    quantity,
    ratio_words,
    spread,
    unit_words,
)

PREFIXES = {"p": 1e-12, "n": 1e-9, "µ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
SIZES = st.floats(1e-11, 1e11)
VIEW = View("average", "average")


def read(text: str) -> float:
    """Return the number that a text says, its prefix or power of ten included."""
    text = text.replace(NBSP, " ").replace("−", "-")
    number, power, prefix = re.fullmatch(
        r"(-?[\d ]+(?:\.\d+)?)(?: × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?(?: ([a-zµA-Z]?)g)?", text
    ).groups()  # type: ignore[union-attr]
    exponent = int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))) if power else 0
    return float(number.replace(" ", "")) * 10.0**exponent * PREFIXES[prefix or ""]


@given(st.floats(0.0, 1.0))
@example(0.95)
@example(0.05)
@example(math.nextafter(0.95, 0.0))
@example(math.nextafter(0.05, 1.0))
@example(0.0500001)
def test_how_many_of_a_hundred_worlds_agrees_with_the_answer(probability: float) -> None:
    text = of_hundred(probability)
    hundred = {"fewer than 1": 0.5, "more than 99": 99.5}.get(text) or float(text)
    assert abs(hundred - 100.0 * probability) <= 0.51
    assert (hundred >= 95.0) == (winner_of(probability) == "edge")
    assert (hundred <= 5.0) == (winner_of(probability) == "cloud")
    assert (text in {"0", "100"}) == (probability in {0.0, 1.0})


@given(SIZES, st.sampled_from([-1.0, 1.0]))
def test_numbers_keep_their_sign_and_size(size: float, sign: float) -> None:
    value = sign * size
    for text in (plain(value), quantity(value, "g")):
        assert read(text) == pytest.approx(value, rel=0.006)


@given(st.lists(SIZES, min_size=3, max_size=3))
def test_a_range_is_said_in_the_unit_of_its_median(ends: list[float]) -> None:
    low, middle, high = sorted(ends)
    text, between = spread(Percentiles(p5=low, p50=middle, p95=high, unit="gCO2e"), "g")
    assert read(text) == pytest.approx(middle, rel=0.006)
    if low == high:
        assert between == ""
        return
    first, last = between.split(" to ")
    prefix = last.split(NBSP)[-1]
    assert text.endswith(prefix)
    assert read(f"{first}{NBSP}{prefix}") == pytest.approx(low, rel=0.06)
    assert read(last) == pytest.approx(high, rel=0.06)


def test_what_is_nothing_or_unknown() -> None:
    assert spread(None, "g") == ("unknown", "")
    assert spread(Percentiles(p5=0.0, p50=0.0, p95=0.0, unit="g"), "g") == (f"0{NBSP}g", "")
    assert spread(Percentiles(p5=-2e-3, p50=0.0, p95=1e-3, unit="g"), "g") == (f"0{NBSP}mg", f"−2.0 to 1.0{NBSP}mg")
    assert ratio_words(0.0, 1.0) == ""
    assert ratio_words(1.0, 1.04) == "about the same"
    assert ratio_words(3.0, 1.5) == "edge 2.0 times as much"
    assert exactly(86_400.0) == f"86{NBSP}400"
    assert exactly(-0.25) == "−0.25"
    assert exactly(14_003.125) == f"14{NBSP}003.1"
    assert exactly(1.25e9) == f"1{NBSP}250{NBSP}000{NBSP}000"
    assert exactly(2.5e-7) == f"2.50{NBSP}×{NBSP}10⁻⁷"
    assert plain(9.996) == "10.0"


@pytest.mark.parametrize(
    ("inferences", "words"),
    [(1.0, "inference"), (1000.0, f"1{NBSP}000 inferences"), (86_400.0, "device-day"), (2.5, "2.5 inferences")],
)
def test_what_grams_are_per(inferences: float, words: str) -> None:
    assert unit_words(inferences, 86_400.0) == words


@pytest.mark.parametrize(
    ("outcome", "value", "feasible", "words"),
    [
        ("edge_above", 0.437, True, "The edge is lower above 44 % (20 to 60)."),
        ("edge_above", 1.37, False, "The edge is lower above 140 % (20 to 60). No server is busy for more than all"),
        ("edge_never", None, None, "The edge is lower at no value."),
    ],
)
def test_a_break_even_in_utilisation_is_per_cent(
    outcome: Outcome, value: float | None, *, feasible: bool | None, words: str
) -> None:
    found = BreakEven(
        question="cloud_utilisation", view=VIEW, outcome=outcome, value=value, low=0.2, high=0.6, unit="ratio",
        probability_exists=1.0 if value else 0.0, feasible=feasible,
    )  # fmt: skip
    assert break_even_words(found).replace(NBSP, " ").startswith(words)
