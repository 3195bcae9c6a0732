"""Raw traces of both formats: what is read, and what each kind of damage is called."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.mlperf.errors import TraceError, TraceMissingError
from edge_agent.mlperf.traces import parse_energy_bin, parse_results_json, parse_timestamps, parse_trace_bin
from tests.fakes.mlperf_runs import LFS_POINTER, BinRun, JsonRun


def test_the_last_two_events_bound_the_window_of_a_trial() -> None:
    run = JsonRun()
    traces = parse_results_json(run.json())

    assert len(traces) == 5
    for trace, energy_j in zip(traces, run.energies_j, strict=True):
        (window,) = trace.windows
        begin, end = round(window.start_s * 1000), round(window.end_s * 1000)
        assert float(np.sum(trace.samples_j[begin:end])) == energy_j
        assert (window.inferences, trace.rate_hz, trace.voltage_v) == (40, 1000.0, 1.8)


def test_a_run_without_power_has_no_traces() -> None:
    assert parse_results_json(b'[{"infer": {"iterations": 250, "throughput": 23.0}, "mode": "p"}]') == ()


Change = Callable[[Any], object]
"""Damages the second trial of a document."""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda trial: trial["infer"].pop("iterations"), "trial 1 does not say its iterations"),
        (lambda trial: trial.update(infer=None), "trial 1 does not say its iterations"),
        (lambda trial: trial["infer"].update(iterations=0), "trial 1 does not say its iterations"),
        (lambda trial: trial["power"]["timestamps"].reverse(), "trial 1 has an event at 300 after one at"),
        (lambda trial: trial["power"]["timestamps"][-1].__setitem__(1, 5000), "trial 1 has an event at sample 5000,"),
        (lambda trial: trial["power"]["timestamps"][0].__setitem__(1, -1), "trial 1 has an event at sample -1,"),
        (lambda trial: trial["power"]["timestamps"].pop(), "trial 1 has 1 events"),
        (lambda trial: trial.update(power=None), "trial 1 has no power samples"),
        (lambda trial: trial["power"]["samples"].__setitem__(7, "1e-5"), r"at `\$\[1\]\.power\.samples\[7\]`"),
        (lambda trial: trial["power"]["samples"].__setitem__(7, None), r"at `\$\[1\]\.power\.samples\[7\]`"),
    ],
)
def test_a_damaged_results_json_is_named(change: Change, words: str) -> None:
    trials = JsonRun(trials=2).document()
    change(trials[1])

    with pytest.raises(TraceError, match=words):
        parse_results_json(json.dumps(trials).encode())


@pytest.mark.parametrize("cut", [1, 100, -1])
def test_a_results_json_that_is_cut_short_is_damaged(cut: int) -> None:
    with pytest.raises(TraceError, match=r"not the results\.json of an energy run"):
        parse_results_json(JsonRun().json()[:cut])


def test_a_binary_trace_holds_its_rate_its_samples_and_its_windows() -> None:
    run = BinRun()
    samples_uj, edges = run.parts()
    trace = parse_trace_bin(run.energy(), run.events())

    assert trace.rate_hz == 1000.0
    assert trace.samples_j * 1e6 == pytest.approx(samples_uj.astype(float), rel=1e-15)
    assert [(round(one.start_s * 1000), round(one.end_s * 1000)) for one in trace.windows] == edges
    assert {one.inferences for one in trace.windows} == {None}


GOOD = BinRun(windows=1).energy()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xf0" + GOOD[1:], "begins with the byte 0xF0, where an energy trace has 0xF1"),
        (GOOD[:-1], "ends 3 bytes into a sample"),
        (GOOD[:5], "no samples"),
        (GOOD[:1] + b"\x00\x00\x80\x7f" + GOOD[5:], "sampling rate of inf"),
        (GOOD[:1] + b"\x00\x00\x00\x00" + GOOD[5:], "sampling rate of 0 Hz"),
        (GOOD[:1] + b"\x00\x00\x00\xc4" + GOOD[5:], "sampling rate of -512 Hz"),
        (GOOD[:5] + b"\x00\x00\xc0\x7f" + GOOD[9:], "1 samples that are no number"),
    ],
)
def test_a_damaged_energy_file_is_named(data: bytes, words: str) -> None:
    with pytest.raises(TraceError, match=words):
        parse_energy_bin(data)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[0.1, 0.5, 0.4]", "has an event at 0.4 after one at 0.5"),
        ("[0.1, 0.5, 0.5]", "has an event at 0.5 after one at 0.5"),
        ("[0.1, 0.5]", "has 2 events"),
        ("[]", "has 0 events"),
        ("[0.1, 0.5, 0.6, 0.7]", "has 4 events"),
        ("[-0.1, 0.5, 0.6]", "before the first sample"),
        ("[0.1, 0.5,", "not a list of times"),
        ('{"a": 1}', "not a list of times"),
    ],
)
def test_a_damaged_list_of_events_is_named(text: str, words: str) -> None:
    with pytest.raises(TraceError, match=words):
        parse_timestamps(text.encode())


def test_samples_that_end_before_the_last_event_are_cut_short() -> None:
    run = BinRun()

    with pytest.raises(TraceError, match="after the end of the samples"):
        parse_trace_bin(run.energy()[: -4 * 100], run.events())


@pytest.mark.parametrize("parse", [parse_results_json, parse_energy_bin, parse_timestamps])
@pytest.mark.parametrize(("data", "words"), [(LFS_POINTER, "git lfs pull"), (b"", "empty"), (b" \n", "empty")])
def test_pointers_and_empty_files_are_not_here_rather_than_damaged(parse: Any, data: bytes, words: str) -> None:
    with pytest.raises(TraceMissingError, match=words):
        parse(data)


def outcome(parse: Callable[[], Any]) -> Any:
    """Return what is parsed, None for what is refused in one line."""
    try:
        return parse()
    except TraceError as error:
        return None if "\n" not in str(error) else pytest.fail(f"more than one line: {error}")


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_any_bytes_are_a_trace_or_refused(energy: bytes, events: bytes) -> None:
    outcome(lambda: parse_energy_bin(b"\xf1" + energy))
    outcome(lambda: parse_energy_bin(energy))
    outcome(lambda: parse_results_json(events))
    outcome(lambda: parse_trace_bin(energy, events))


EVENTS = st.lists(st.floats(-1.0, 10.0) | st.integers(-1, 10), max_size=7)


@given(EVENTS)
def test_windows_lie_in_order_or_the_events_are_refused(times_s: list[float]) -> None:
    try:
        windows = parse_timestamps(json.dumps(times_s).encode())
    except TraceError:
        return
    marks = [mark for window in windows for mark in (window.start_s, window.end_s)]
    assert marks == sorted(set(marks))
    assert len(marks) == len(times_s) - 1


MARKS = st.lists(st.tuples(st.text(max_size=2), st.integers(-2, 12)), max_size=4)
TRIAL = st.fixed_dictionaries(
    {
        "infer": st.none() | st.dictionaries(st.sampled_from(["iterations", "warmups"]), st.integers(-1, 3)),
        "power": st.none()
        | st.fixed_dictionaries(
            {"samples": st.lists(st.floats(0.0, 1.0), max_size=12), "timestamps": MARKS},
            optional={"voltage": st.none() | st.floats(-1.0, 5.0)},
        ),
    }
)


@given(st.lists(TRIAL, max_size=3))
def test_any_trials_are_windows_inside_of_their_samples_or_refused(trials: list[dict[str, object]]) -> None:
    for trace in outcome(lambda: parse_results_json(json.dumps(trials).encode())) or ():
        (window,) = trace.windows
        assert 0.0 <= window.start_s < window.end_s <= trace.duration_s
        assert window.inferences is not None
        assert window.inferences >= 1
