"""Numbers for people keep their magnitude and do not pretend to digits that the uncertainty denies."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.numbers import NBSP, si, si_u, some_of

SCALE = {"p": 1e-12, "n": 1e-9, "µ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


def plain(text: str) -> str:
    """Return ``text`` with the space that keeps number and unit together as an ordinary one."""
    return text.replace(NBSP, " ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (61.23e-6, "61.2 µJ"),
        (0.0, "0 J"),
        (-2.5, "-2.50 J"),
        (1234.0, "1.23 kJ"),
        (None, "–"),
        (math.nan, "–"),
        (-1e308, "-1.00e+308 J"),
        (1e-300, "1.00e-300 J"),
    ],
)
def test_a_value_gets_its_prefix(value: float | None, text: str) -> None:
    assert plain(si(value, "J")) == text


@pytest.mark.parametrize(
    ("value", "u", "text"),
    [
        (61.23e-6, 0.43e-6, "61.23 ± 0.43 µJ"),
        (61.23e-6, 4.3e-6, "61.2 ± 4.3 µJ"),
        (5.0, 0.0, "5.00 J"),
        (1e-6, 2e-3, "0.0 ± 2.0 mJ"),
    ],
)
def test_digits_follow_the_uncertainty(value: float, u: float, text: str) -> None:
    assert plain(si_u(value, u, "J")) == text


@given(st.floats(min_value=1e-11, max_value=1e11))
def test_the_shown_value_is_the_value(value: float) -> None:
    match = re.fullmatch(r"([\d.]+) (.?)J", plain(si(value, "J", digits=6)))
    assert match is not None
    assert float(match[1]) * SCALE[match[2]] == pytest.approx(value, rel=1e-5)


def test_of_many_names_some_are_shown_and_the_rest_is_counted() -> None:
    assert some_of(["a", "b"]) == "a, b"
    assert some_of(list("abcdef")) == "a, b, c, d, e, f"
    assert some_of(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"
