"""What ``edgejoule meter`` draws: the power of the last minute, and a meter's page."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgejoule.commands.meter.live import LiveDisplay, Now
from edgejoule.commands.meter.page_text import page_lines
from edgejoule.commands.meter.power_line import SECONDS, PowerHistory, power_line
from firmware_bridge.clock import ClockEstimate
from firmware_bridge.energy import energy_between
from firmware_bridge.samples import EnergyReading, MeterIdentity, SampleBlock
from firmware_bridge.timeline import SyncState

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


def test_history_draws_a_bar_for_each_second_however_often_it_is_looked_at() -> None:
    history = PowerHistory()
    for tick in range(64):
        t_s = 100.0 + 0.7 * tick
        history.note(reading(t_s, 2.0 * t_s, t_s))
    assert len(history.powers_w) == 44
    assert history.powers_w == pytest.approx([2.0] * 44)


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


def now(block: SampleBlock | None) -> Now:
    delta = energy_between(reading(0.0, 0.0, 0.0), reading(3.0, 7.5, 2.5))
    return Now(
        block=block,
        total=delta,
        reading=reading(3.0, 7.5, 2.5),
        limits_j=(7.5, 9.0),
        frame_errors={"desync": 3},
        identity=MeterIdentity("M[1]", "42", "1.0"),
        sync=SyncState("arrival_fit", 0.0012),
        clock=ClockEstimate(1.0, 1e-3, 12e-6, 1e-6, 50, 60.0, 0, 3.0),
    )


def test_off_a_terminal_a_plain_line_comes_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    block = SampleBlock(*(np.array([value]) for value in (3.0, 5.0, 0.5, 2.5)))
    with LiveDisplay("a meter", simulated=True, line_s=0.0) as live:
        live.show(now(block))
        live.show(now(None))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "3.0 s: 5.0000 V, 0.50000 A, 2.5000 W, 7.500 J, gap 0.500 s",
        "3.0 s: disconnected, 7.500 J, gap 0.500 s",
    ]


def test_on_a_terminal_everything_is_to_be_seen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    block = SampleBlock(*(np.array([value]) for value in (3.0, 5.0, 0.5, 2.5)))
    with LiveDisplay("a [meter]", simulated=True) as live:
        live.show(replace(now(block), reading=reading(0.0, 0.0, 0.0)))
        live.show(now(block))
    text = re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    for words in (
        "a [meter] SIMULATED",
        "2.5000",
        "3 W ▅▅▅ 3 W",
        "errors: desync 3",
        "meter: M[1] 42 1.0",
        "+12.0 ± 1.0",
    ):
        assert words in text


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
