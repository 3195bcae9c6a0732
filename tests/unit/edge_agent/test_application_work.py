"""An application's windows over the real register and recorder, on a clock that the test moves."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from edge_agent.application.span import Span, WindowResult
from edge_agent.application.work import MAX_COUNT, ApplicationWork, WindowRefusedError
from edge_agent.recorder import WindowRecorder
from edge_agent.uncertainty.net import MeterLimits
from edge_agent.window import Conditions, IdleBaseline
from edge_agent.work.protocol import ModelName
from tests.unit.edge_agent.test_recorder import IDENTITY, SHEET, ListStore, RegisterMeter

MODEL = ModelName("mine", "1" * 64)
WINDOW_S = 10.0


class Played:
    """The measuring thread's part, done by hand: a 10 Hz meter with a load that the test knows."""

    def __init__(self, window_s: float = WINDOW_S, idle_w: float | None = None) -> None:
        self.now_s = 0.0
        self.meter, self.store = RegisterMeter(), ListStore()
        self.meter.sample([0.0], [2.0])
        self.work = ApplicationWork(0.0, window_s, MeterLimits(SHEET), lambda: self.now_s)
        self.recorder = WindowRecorder(self.meter, SHEET, self.store, IDENTITY, 0.0)
        idle = None if idle_w is None else IdleBaseline(idle_w, 0.01, 0.005, 5.0)
        self.conditions = Conditions(1_000, "synchronised", idle=idle)

    def power_w(self, t_s: float) -> float:
        return 2.0 + (t_s % 3.0)

    def go(self, seconds: float) -> None:
        """Let time pass; the meter samples every 0.1 s, and windows are cut and joined as they end."""
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            step_s = min(0.1, until_s - self.now_s)
            self.now_s = until_s if until_s - self.now_s <= 0.1 else self.now_s + step_s
            self.meter.sample([self.now_s], [self.power_w(self.now_s)])
            self.settle()

    def settle(self, *, last: bool = False) -> None:
        for cut in self.work.last_cuts() if last else self.work.cuts():
            identity = self.recorder.identity
            self.recorder.close(cut.counts, self.conditions, identity, cut.on_joined)
        self.recorder.settle()
        if last:
            self.recorder.settle_now()
            self.work.close()

    def result(self, span: Span) -> WindowResult:
        return self.work.result(span, 0.0)


def test_a_long_window_is_cut_for_the_wire_and_its_result_is_the_whole() -> None:
    played = Played(idle_w=2.0)
    played.go(3.0)
    span = played.work.begin(MODEL)
    for _ in range(25):
        played.go(0.5)
        played.work.count(span, 2, 0.25)
        played.go(0.5)
    played.work.end(span)
    played.go(1.0)
    result = played.result(span)
    played.settle(last=True)
    windows = played.store.windows
    assert [round(window.duration_s, 6) for window in windows] == [3.0, 10.0, 10.0, 5.0, 1.0]
    assert [window.inference_count for window in windows] == [0, 20, 20, 10, 0]
    assert [window.busy_s for window in windows] == pytest.approx([0.0, 5.0, 5.0, 2.5, 0.0])
    assert result.inference_count == 50
    assert result.duration_s == pytest.approx(25.0)
    assert result.energy_j == pytest.approx(sum(window.energy_j for window in windows[1:4]))
    assert result.energy_per_inference_j == result.energy_j / 50
    assert result.energy_u_systematic_j == pytest.approx(sum(w.energy_u_systematic_j for w in windows[1:4]))
    assert result.net_energy_j == pytest.approx(result.energy_j - 2.0 * 25.0)
    assert result.latency_p50_s == pytest.approx(0.25)
    assert (result.gap_s, result.simulated, result.model_id, result.flags) == (0.0, True, "mine", ())
    register = played.meter.snapshot()
    assert sum(window.energy_j for window in windows) == pytest.approx(register.energy_j)


actions = st.lists(st.tuples(st.sampled_from(["begin", "end", "count"]), st.floats(0.0, 4.0)), max_size=25)


@given(actions, st.sampled_from([0.5, 2.0, 10.0]))
def test_every_joule_and_every_count_is_in_exactly_one_window(steps: list[tuple[str, float]], window_s: float) -> None:
    played = Played(window_s)
    spans: list[Span] = []
    is_open, counted = False, 0
    for action, pause_s in steps:
        played.go(pause_s)
        if action == "begin" and not is_open:
            spans.append(played.work.begin(MODEL))
            is_open = True
        elif action == "end" and is_open:
            played.work.end(spans[-1])
            is_open = False
        elif action == "count" and is_open:
            played.work.count(spans[-1], 3)
            counted += 3
    played.go(0.2)
    end_s = played.now_s
    played.settle(last=True)
    windows = played.store.windows
    register = played.meter.snapshot()
    assert sum(window.energy_j for window in windows) == pytest.approx(register.energy_j, abs=1e-9)
    assert sum(window.duration_s for window in windows) == pytest.approx(end_s)
    assert sum(window.inference_count for window in windows) == counted
    results = [played.result(span) for span in spans]
    assert sum(result.inference_count for result in results) == counted
    for before, after in pairwise(spans):
        assert before.t_end_s is not None
        assert before.t_end_s <= after.t_begin_s
    assert sum(result.energy_j for result in results) <= register.energy_j + 1e-9


def test_one_window_at_a_time_and_none_after_its_end() -> None:
    played = Played()
    span = played.work.begin(MODEL)
    with pytest.raises(WindowRefusedError, match="a window of mine is open"):
        played.work.begin(MODEL)
    with pytest.raises(WindowRefusedError, match="the window is open"):
        played.result(span)
    played.go(1.0)
    played.work.end(span)
    played.work.end(span)
    with pytest.raises(WindowRefusedError, match="this window is over"):
        played.work.count(span)
    with pytest.raises(TimeoutError, match="has not reached"):
        played.result(span)
    played.go(0.2)
    assert played.result(span).duration_s == 1.0
    played.settle(last=True)
    with pytest.raises(WindowRefusedError, match="agent stops"):
        played.work.begin(MODEL)


@pytest.mark.parametrize(
    ("number", "latency_s"), [(0, None), (-1, None), (MAX_COUNT + 1, None), (1, -0.1), (1, float("nan")), (1, 1e9)]
)
def test_a_count_that_cannot_be_is_refused(number: int, latency_s: float | None) -> None:
    played = Played()
    span = played.work.begin(MODEL)
    with pytest.raises(ValueError, match=r"a (count|latency) is"):
        played.work.count(span, number, latency_s)


def test_a_count_after_a_boundary_is_the_next_windows_even_if_nobody_has_cut_yet() -> None:
    played = Played()
    span = played.work.begin(MODEL)
    played.work.count(span, 5)
    played.now_s = 10.5
    played.work.count(span, 7)
    (first,) = played.work.cuts()
    assert (first.counts.t_end_s, first.counts.inference_count) == (10.0, 5)
    played.now_s = 11.0
    (second,) = played.work.last_cuts()
    assert second.counts.inference_count == 7


def test_a_window_without_length_or_count_has_a_result_too() -> None:
    played = Played()
    played.go(1.0)
    span = played.work.begin(MODEL)
    played.work.end(span)
    played.go(0.5)
    result = played.result(span)
    assert (result.inference_count, result.energy_per_inference_j) == (0, None)
    assert abs(result.energy_j) < 1e-6
    assert result.latency_p50_s is None


def test_an_agent_that_stops_ends_the_window_and_who_waits_is_told() -> None:
    played = Played()
    span = played.work.begin(MODEL)
    played.go(2.0)
    played.settle(last=True)
    assert played.result(span).duration_s == pytest.approx(2.0)
    lost = Played()
    abandoned = lost.work.begin(MODEL)
    lost.work.end(abandoned)
    lost.work.close()
    with pytest.raises(WindowRefusedError, match="stopped before"):
        lost.result(abandoned)


def test_many_latencies_are_held_in_little_memory_and_none_is_lost() -> None:
    played = Played()
    span = played.work.begin(MODEL)
    for _ in range(300):
        played.work.count(span, 100, 0.002)
    played.go(0.5)
    played.work.end(span)
    played.go(0.5)
    result = played.result(span)
    assert result.inference_count == 30_000
    assert np.isclose(result.latency_max_s or 0.0, 0.002)


def test_joules_per_inference_are_unknown_where_joules_are_missing() -> None:
    played = Played()
    played.go(1.0)
    span = played.work.begin(MODEL)
    played.go(2.0)
    played.work.count(span, 10)
    played.now_s += 3.0  # the meter is away
    played.work.end(span)
    played.settle(last=True)
    result = played.result(span)
    assert result.gap_s == pytest.approx(3.0, abs=0.2)
    assert "gap" in result.flags
    assert result.inference_count == 10
    assert result.energy_j == pytest.approx(played.store.windows[1].energy_j)
    assert (result.energy_per_inference_j, result.energy_per_inference_u_j) == (None, None)


@pytest.mark.parametrize("number", [np.int64(3), np.uint8(3), 3])
def test_numbers_of_numpy_count_as_whole_numbers_that_the_wire_can_hold(number: int) -> None:
    played = Played()
    span = played.work.begin(MODEL)
    played.go(0.5)
    played.work.count(span, number, float(np.float32(0.125)))
    played.work.end(span)
    played.go(0.2)
    played.settle(last=True)
    assert played.result(span).inference_count == 3
    assert b'"inference_count":3,' in json.encode(played.store.windows[0])


@pytest.mark.parametrize("number", [1.5, 2.0, "3", None])
def test_what_is_no_whole_number_is_refused_where_it_is_counted(number: int) -> None:
    played = Played()
    span = played.work.begin(MODEL)
    with pytest.raises(TypeError, match="integer"):
        played.work.count(span, number)
