"""The figures that the runners print: read with their digits, in SI units; what is missing is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.mlperf.errors import TraceError, TraceMissingError
from edge_agent.mlperf.published import Printed, RunnerLog, is_energy_text, parse_results_text, parse_runner_log
from tests.fakes.mlperf_runs import METER_LOG, BinRun, JsonRun


def test_the_text_of_the_mlcommons_runner() -> None:
    run = JsonRun()
    published = parse_results_text(run.text())

    assert published.runner == "mlcommons"
    assert [one.name for one in published.windows] == ["0", "1", "2", "3", "4"]
    for one, energy_j in zip(published.windows, run.energies_j, strict=True):
        assert one.energy_j.value == pytest.approx(energy_j, abs=0.51e-9)
        assert one.energy_j.step == pytest.approx(1e-9)
        assert one.power_w.value == pytest.approx(energy_j / one.duration_s.value, abs=0.51e-7)
        assert (one.inferences, one.start_s, one.runtime_s) == (40, None, None)
    assert published.median_j.step == pytest.approx(1e-10)


def test_the_text_of_the_eembc_runner() -> None:
    run = BinRun()
    published = parse_results_text(run.text())
    _, edges = run.parts()

    assert published.runner == "eembc"
    assert [one.name for one in published.windows] == ["2", "4", "6", "8", "10"]
    for one, (begin, end) in zip(published.windows, edges, strict=True):
        assert one.start_s is not None
        assert one.runtime_s is not None
        assert one.start_s.value == pytest.approx(begin / 1000, abs=0.0051)
        assert one.runtime_s.value == pytest.approx((end - begin) / 1000)
        assert one.power_w.value * one.runtime_s.value == pytest.approx(one.energy_j.value, rel=1e-6)
        assert one.inferences == 120


@pytest.mark.parametrize("text", ["Performance results for window 1\n    # Inferences : 250\n", "", "Top-1: 90.2%\n"])
def test_a_run_without_energy_is_not_here_rather_than_damaged(text: str) -> None:
    assert not is_energy_text(text)
    with pytest.raises(TraceMissingError, match="performance or accuracy"):
        parse_results_text(text)


def without(text: str, words: str) -> str:
    return "\n".join(line for line in text.splitlines() if words not in line)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (without(JsonRun().text(), "Median energy"), "median energy per inference"),
        (without(JsonRun().text(), "Power  "), "window 0 does not say its power"),
        (without(JsonRun().text(), "Inferences"), "window 0 does not say its inferences"),
        (without(BinRun().text(), "# Inferences"), "window 2 does not say its inferences"),
        (without(BinRun().text(), "Energy   "), "window 2 does not say its energy"),
        (JsonRun().text().replace("Inferences    : 40", "Inferences    : 0"), "says 0 inferences"),
        ("Energy data for nothing\nMedian energy cost is 1.0 uJ/inf.\n", "no trial and no window"),
    ],
)
def test_a_text_that_is_cut_short_is_named(text: str, words: str) -> None:
    with pytest.raises(TraceError, match=words):
        parse_results_text(text)


@pytest.mark.parametrize(
    ("text", "unit", "value", "is_shown"),
    [
        ("160.4232", 1e-6, 160.42321e-6, True),
        ("160.4232", 1e-6, 160.42326e-6, False),
        ("160.4232", 1e-6, 160.42314e-6, False),
        ("609485.0735", 1e-6, 0.60948507345, True),
        ("10.575999999999999", 1.0, 21.144 - 10.568, True),
        ("10.575999999999999", 1.0, 10.57599999, False),
        ("400", 1.0, 400.0, True),
        ("0", 1.0, 0.4, True),
    ],
)
def test_a_printed_figure_shows_what_rounds_to_it(text: str, unit: float, value: float, is_shown: bool) -> None:  # noqa: FBT001
    assert Printed.of(text, unit).shows(value) is is_shown


@given(st.floats(1e-3, 1e6), st.integers(1, 6))
def test_what_is_printed_shows_what_it_was_printed_from(value: float, decimals: int) -> None:
    printed = Printed.of(f"{value:.{decimals}f}", 1e-6)

    assert printed.shows(value * 1e-6)
    assert not printed.shows(value * 1e-6 + 1.1 * printed.step)


@given(st.text(max_size=60), st.integers(0, 400))
def test_any_text_is_figures_or_refused(noise: str, at: int) -> None:
    text = JsonRun(trials=1).text()
    try:
        parse_results_text(text[:at] + noise + text[at:])
    except TraceError:
        return


@pytest.mark.parametrize(
    ("text", "log"),
    [
        (METER_LOG.format(meter="lpm01a"), RunnerLog("lpm01a", 1.8)),
        ("emon: m-regfile-fn[trace1-energy.bin]-type[emon]-name[js110]\n", RunnerLog("js110", None)),
        ("emon: m-voltage-mv[0]\n", RunnerLog()),
        ("Initializing SerialDevice on port: COM23 at 3686400 baud\n", RunnerLog()),
    ],
)
def test_the_log_names_meter_and_supply(text: str, log: RunnerLog) -> None:
    assert parse_runner_log(text) == log
