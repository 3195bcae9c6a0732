"""Traces become joules per inference: by the plain sum, by our integrator, net, and with an uncertainty."""

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.mlperf.budget import replay_budget
from edge_agent.mlperf.check import check_figures, edge_shift, integrator_agrees, match_windows
from edge_agent.mlperf.errors import TraceError
from edge_agent.mlperf.published import parse_results_text
from edge_agent.mlperf.recompute import RunEnergy, plain_energy_j, recompute
from edge_agent.mlperf.traces import Trace, TraceWindow, parse_results_json, parse_trace_bin
from edge_agent.uncertainty.type_a import median_u
from firmware_bridge.registry import get_driver
from tests.fakes.mlperf_runs import BUSY_J, BinRun, JsonRun

SHEET = get_driver("lpm01a").data_sheet


def energies_of(*traces: Trace, inferences: int = 40, limits_known: bool = True) -> RunEnergy:
    windows = [(trace, window, inferences) for trace in traces for window in trace.windows]
    return recompute(windows, SHEET, voltage_v=1.8, limits_known=limits_known)


def json_energies(run: JsonRun) -> RunEnergy:
    return energies_of(*parse_results_json(run.json()))


def bin_trace(run: BinRun) -> Trace:
    return parse_trace_bin(run.energy(), run.events())


def test_both_ways_give_what_was_put_into_a_trial() -> None:
    run = JsonRun()
    energies = json_energies(run)

    assert [one.plain_j for one in energies.windows] == run.energies_j
    assert [one.register_j for one in energies.windows] == pytest.approx(run.energies_j, rel=1e-13)
    assert energies.plain_j == statistics.median(run.energies_j) / 40
    assert energies.register_j == pytest.approx(energies.plain_j, rel=1e-13)


def test_every_printed_digit_of_a_trial_comes_out() -> None:
    run = JsonRun()
    published = parse_results_text(run.text())
    matched = match_windows(parse_results_json(run.json()), published)
    checks = check_figures(published, json_energies(run), matched)

    assert len(checks) == 5 * 5 + 1
    assert all(one.every_digit and one.reproduced for one in checks)


@pytest.mark.parametrize(
    ("printed", "place", "figure"),
    [
        ("Total Energy", -1, "energy"),
        ("Energy/Inf", -1, "energy per inference"),
        ("Elapsed", 3, "duration"),
        ("Power  ", -1, "power"),
        ("Inferences", -1, "inferences"),
    ],
)
def test_one_wrong_digit_in_a_trial_is_found(printed: str, place: int, figure: str) -> None:
    run = JsonRun()
    lines = run.text().splitlines()
    at = next(number for number, line in enumerate(lines) if printed in line)
    where = [column for column, letter in enumerate(lines[at]) if letter.isdigit()][place]
    lines[at] = lines[at][:where] + str((int(lines[at][where]) + 1) % 10) + lines[at][where + 1 :]
    published = parse_results_text("\n".join(lines))
    matched = match_windows(parse_results_json(run.json()), published)

    wrong = [one for one in check_figures(published, json_energies(run), matched) if not one.reproduced]

    assert [(one.figure, one.window) for one in wrong] == [(figure, "0")]


def test_the_older_runners_windows_come_out_within_a_sample_at_each_edge() -> None:
    run = BinRun()
    trace, published = bin_trace(run), parse_results_text(run.text())
    matched = match_windows([trace], published)
    energies = energies_of(trace, inferences=120)
    checks = check_figures(published, energies, matched)

    assert all(one.reproduced for one in checks)
    assert not all(one.every_digit for one in checks)
    shifts = [edge_shift(*one) for one in matched]
    assert None not in shifts
    assert set(shifts) - {(0, 0)}
    for (_, window, one), shift in zip(matched, shifts, strict=True):
        assert shift is not None
        assert plain_energy_j(trace, window, shift) == pytest.approx(one.energy_j.value, rel=1e-7)


def test_an_energy_that_no_edge_explains_has_no_shift_and_is_not_reproduced() -> None:
    run = BinRun()
    trace, published = bin_trace(run), parse_results_text(run.text())
    first = published.windows[0]
    wrong = replace(first, energy_j=replace(first.energy_j, value=first.energy_j.value * 1.002))
    published = replace(published, windows=(wrong, *published.windows[1:]))
    matched = match_windows([trace], published)

    assert edge_shift(*matched[0]) is None
    failed = [one for one in check_figures(published, energies_of(trace), matched) if not one.reproduced]
    assert ("energy", "2") in [(one.figure, one.window) for one in failed]


def test_an_edge_within_a_sample_takes_a_part_of_it_by_our_integrator_only() -> None:
    samples_j = np.full(400, 2e-5)
    samples_j[300] = 6e-5
    trace = Trace(samples_j, 1000.0, (TraceWindow(0.2, 0.30025),))
    (window,) = energies_of(trace).windows

    assert window.plain_j == pytest.approx(100 * 2e-5)
    assert window.register_j == pytest.approx(100 * 2e-5 + 0.25 * 6e-5)


def test_a_trace_of_minutes_is_read_as_it_passes() -> None:
    """The register's history is exact for a minute only: edges are read when the stream passes them."""
    rng = np.random.default_rng(5)
    samples_j = rng.uniform(1e-5, 4e-5, 150_000)
    windows = tuple(TraceWindow(at, at + 0.777) for at in (1.0, 30.5, 149.0))
    energies = energies_of(Trace(samples_j, 1000.0, windows))

    for one in energies.windows:
        assert one.register_j == pytest.approx(one.plain_j, rel=1e-12)


def test_an_edge_between_two_samples_of_one_register_millisecond_is_exact() -> None:
    """1001 / 1000 is below 1.001 in float64 as often as not: two samples would share one of the register's knots."""
    samples_j = np.where(np.arange(2000) % 2, 4e-5, 1e-5)
    windows = tuple(TraceWindow(at / 1000, 1.9) for at in range(1001, 1020, 2))

    for one in energies_of(Trace(samples_j, 1000.0, windows)).windows:
        assert one.register_j == pytest.approx(one.plain_j, rel=1e-12)


RATES_HZ = st.sampled_from([10.0, 999.0, 1000.0, 4000.0, 100_000.0])


@settings(max_examples=40)
@given(st.integers(0, 2**31), RATES_HZ, st.data())
def test_both_ways_agree_at_any_rate_and_edges(seed: int, rate_hz: float, data: st.DataObject) -> None:
    count = data.draw(st.integers(3, 3000))
    first = data.draw(st.integers(0, count - 2))
    last = data.draw(st.integers(first + 1, count))
    samples_j = np.random.default_rng(seed).uniform(1e-6, 1e-3, count)
    (one,) = energies_of(Trace(samples_j, rate_hz, (TraceWindow(first / rate_hz, last / rate_hz),))).windows
    fine = rate_hz <= 1000.0
    """Above 1 kHz the register holds a knot each millisecond, and is linear between them."""
    slack_j = 0.0 if fine else 2.0 * 1e-3 * rate_hz * 1e-3

    assert one.plain_j == pytest.approx(math.fsum(samples_j[first:last]), rel=1e-12)
    assert one.register_j == pytest.approx(one.plain_j, rel=1e-11, abs=slack_j)


def test_net_is_gross_above_the_state_before() -> None:
    energies = json_energies(JsonRun())

    assert energies.net_j is not None
    assert energies.net_j / energies.plain_j == pytest.approx(1.0 - 12.0 / 33.0, abs=0.01)
    assert energies.net_flags == ()
    assert energies.net_cv_ratio is not None
    assert energies.cv_ratio is not None
    assert energies.net_cv_ratio > 0.0


def test_net_over_a_busier_state_is_negative_and_flagged_and_never_clipped() -> None:
    energies = json_energies(JsonRun(idle_j=1.25 * BUSY_J))

    assert energies.net_j is not None
    assert energies.net_j / energies.plain_j == pytest.approx(-0.25, abs=0.01)
    assert energies.net_flags == ("negative",)


def test_a_baseline_of_two_states_is_unstable() -> None:
    samples_j = np.concatenate([np.full(700, 1e-5), np.full(700, 2e-5), np.full(500, 5e-5)])
    energies = energies_of(Trace(samples_j, 1000.0, (TraceWindow(1.4, 1.9),)))

    assert energies.net_flags == ("unstable",)


def test_without_time_before_a_window_net_is_unknown() -> None:
    samples_j = np.full(1000, 2e-5)
    energies = energies_of(Trace(samples_j, 1000.0, (TraceWindow(0.05, 0.5), TraceWindow(0.8, 1.0))))

    assert energies.windows[0].baseline is None
    assert energies.windows[1].baseline is not None
    assert energies.net_j is None
    assert energies.net_flags == ()


def test_the_window_before_is_no_baseline() -> None:
    samples_j = np.concatenate([np.full(1000, 5e-5), np.full(200, 1e-5), np.full(500, 5e-5)])
    trace = Trace(samples_j, 1000.0, (TraceWindow(0.2, 1.0), TraceWindow(1.2, 1.7)))
    baseline = energies_of(trace).windows[1].baseline

    assert baseline is not None
    assert baseline.power_w == pytest.approx(1e-2)


def test_the_budget_has_the_meters_limits_the_spread_and_the_edges() -> None:
    energies = json_energies(JsonRun())
    budget = replay_budget(energies)
    gross_j = energies.register_j

    assert budget.meter_j is not None
    assert budget.type_a_j is not None
    assert budget.combined_j is not None
    assert budget.meter_j / gross_j == pytest.approx(math.hypot(0.02, 0.01) / math.sqrt(3.0), rel=0.03)
    assert budget.type_a_j == median_u([one.register_per_inference_j for one in energies.windows])
    assert budget.edges_j * 40 == pytest.approx(math.sqrt(2.0) * BUSY_J / math.sqrt(3.0), rel=0.02)
    assert budget.combined_j == pytest.approx(math.hypot(budget.meter_j, budget.type_a_j, budget.edges_j))
    assert budget.expanded_j == 2.0 * budget.combined_j


def test_the_meters_part_does_not_shrink_with_more_windows() -> None:
    few = replay_budget(json_energies(JsonRun(trials=4))).meter_j
    many = replay_budget(json_energies(JsonRun(trials=16))).meter_j

    assert few == pytest.approx(many, rel=0.05)


@pytest.mark.parametrize("trials", [1, 3])
def test_few_windows_have_no_spread_to_state_and_so_no_u(trials: int) -> None:
    budget = replay_budget(json_energies(JsonRun(trials=trials)))

    assert budget.type_a_j is None
    assert budget.expanded_j is None
    assert budget.meter_j is not None


def test_unknown_limits_are_unknown_and_not_zero() -> None:
    budget = replay_budget(energies_of(*parse_results_json(JsonRun().json()), limits_known=False))

    assert budget.meter_j is None
    assert budget.expanded_j is None


def test_traces_of_another_run_are_refused() -> None:
    published = parse_results_text(BinRun(windows=5).text())

    with pytest.raises(TraceError, match=r"window 2 is in none of the traces: they belong to another run"):
        match_windows([bin_trace(BinRun(seed=9, before_samples=900, windows=4))], published)


def test_of_several_traces_the_published_windows_are_found_by_their_time() -> None:
    run, other = BinRun(seed=3), BinRun(seed=4, before_samples=900)
    published = parse_results_text(run.text())
    theirs, ours = bin_trace(other), bin_trace(run)

    matched = match_windows([theirs, ours], published)

    assert all(trace is ours for trace, _, _ in matched)
    assert [window for _, window, _ in matched] == list(ours.windows)


def test_a_window_of_the_trace_answers_for_one_published_window_only() -> None:
    run = BinRun(seed=3)
    published = parse_results_text(run.text())
    twice = replace(published, windows=(published.windows[0], *published.windows))

    with pytest.raises(TraceError, match="window 2 is in none of the traces"):
        match_windows([bin_trace(run)], twice)


def test_an_integrator_that_is_off_is_seen() -> None:
    run = JsonRun()
    published = parse_results_text(run.text())
    energies = json_energies(run)
    off = replace(energies.windows[2], register_j=energies.windows[2].register_j * (1.0 + 1e-9))

    assert integrator_agrees(published, energies)
    assert not integrator_agrees(published, RunEnergy((*energies.windows[:2], off)))
