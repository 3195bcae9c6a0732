"""What ``edgejoule meter`` draws: the power of the last minute, and a meter's page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgejoule.commands.meter.page_text import page_lines
from edgejoule.commands.meter.power_line import SECONDS, PowerHistory, power_line
from firmware_bridge.samples import EnergyReading

PAGE = """A meter of nobody.

::

    host:  "?"                                                  a remark that goes far out to the right
    meter: "!"  12 bytes

What ``edgejoule`` says of it, in one paragraph that is longer than a line and goes on,
and on.

- one item that is longer than the line is wide, so that it has to be wrapped somewhere
- another

Its frame::

    A5 | sum

Sources: none.
"""


def reading(t_s: float, energy_j: float, covered_s: float) -> EnergyReading:
    return EnergyReading(t_s, energy_j, 0.0, 0.0, covered_s, t_s - covered_s, 0.0, 0.0)


def test_history_holds_the_mean_of_each_second() -> None:
    history = PowerHistory()
    for tick in range(41):
        t_s = 0.5 * tick
        history.note(reading(t_s, 2.0 * min(t_s, 10.0) + 4.0 * max(t_s - 10.0, 0.0), t_s))
    assert history.powers_w == pytest.approx([2.0] * 10 + [4.0] * 10)


def test_history_knows_gaps_and_slow_meters_and_forgets() -> None:
    history = PowerHistory()
    history.note(reading(0.0, 0.0, 0.0))
    history.note(reading(5.0, 15.0, 5.0))
    history.note(reading(7.0, 15.0, 5.0))
    assert history.powers_w == (3.0, 3.0, 3.0, 3.0, 3.0, None, None)
    history.note(reading(500.0, 16.0, 6.0))
    assert len(history.powers_w) == SECONDS


@pytest.mark.parametrize(
    ("powers_w", "line"),
    [
        ((), ""),
        ((None, None), ""),
        ((1.0, 2.0, None, 8.0), "1 W ▁▂ █ 8 W"),
        ((2.0, 2.001, 2.0), "2 W ▅▅▅ 2.001 W"),
        ((0.0, 0.0), "0 W ▅▅ 0 W"),
    ],
)
def test_a_line_of_power(powers_w: tuple[float | None, ...], line: str) -> None:
    assert power_line(powers_w, 80) == line


@given(
    powers_w=st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=70).map(tuple),
    width=st.integers(40, 100),
)
def test_a_line_is_never_too_wide(powers_w: tuple[float | None, ...], width: int) -> None:
    assert len(power_line(powers_w, width)) <= width
    assert power_line(powers_w, width, plain=True).isascii()


def test_a_page_keeps_its_drawings_and_wraps_its_words() -> None:
    lines = page_lines(PAGE, 60)
    assert max(map(len, lines)) <= 60
    assert lines[0] == "A meter of nobody."
    assert 'host:  "?"' in lines
    assert 'meter: "!"  12 bytes' in lines
    assert "  A5 | sum" in lines
    assert "Its frame:" in lines
    assert "``" not in "\n".join(lines)
    assert [line for line in lines if line.startswith("- ")][1] == "- another"
    assert "".join("\n".join(lines).split()) == "".join(PAGE.replace("``", "").replace("::", ":").split()).replace(
        "nobody.:", "nobody."
    )


@given(text=st.text(alphabet="ab :\n-", max_size=200), width=st.integers(30, 90))
def test_any_page_fits(text: str, width: int) -> None:
    assert all(len(line) <= width for line in page_lines(text, width))
