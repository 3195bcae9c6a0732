import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.workload import SLOT_S, DutyPacer, Pacer, RatePacer, Run, SaturatingPacer


def play(pacer: Pacer, latency_s: float, duration_s: float) -> tuple[int, float, list[float]]:
    """Obey a pacer on a manual clock; return inferences run, busy seconds and each burst's begin."""
    now_s, count, busy_s, begins_s = 0.0, 0, 0.0, []
    while now_s < duration_s:
        step = pacer.next(now_s)
        if isinstance(step, Run):
            t_begin_s, ran = now_s, 0
            while ran == 0 or (ran < step.max_count and now_s < step.until_s):
                now_s += latency_s
                ran += 1
            pacer.ran(ran, t_begin_s, now_s)
            begins_s.append(t_begin_s)
            count, busy_s = count + ran, busy_s + now_s - t_begin_s
        else:
            assert step.until_s > now_s
            now_s = step.until_s
    return count, busy_s, begins_s


@given(st.floats(0.05, 1.0), st.floats(0.0005, 0.35), st.integers(0, 1000))
def test_the_duty_ratio_holds_for_short_and_for_long_inferences(duty: float, latency_s: float, seed: int) -> None:
    _, busy_s, _ = play(DutyPacer(0.0, duty, seed), latency_s, 60.0)
    assert busy_s / 60.0 == pytest.approx(duty, abs=0.01 + latency_s / 60.0)


def test_the_slots_do_not_lock_to_a_meter_that_samples_ten_times_a_second() -> None:
    _, _, begins_s = play(DutyPacer(0.0, 0.3), 0.001, 60.0)
    phases = [round(begin_s % 0.1, 2) for begin_s in begins_s]
    assert max(phases.count(phase) for phase in set(phases)) < 0.25 * len(phases)


def test_time_in_which_the_process_stood_still_is_not_made_up_for() -> None:
    pacer = DutyPacer(0.0, 0.5)
    step = pacer.next(1000.0)
    assert isinstance(step, Run)
    assert step.until_s - 1000.0 <= 0.5 * 1.5 * SLOT_S


@given(st.floats(0.5, 2000.0), st.integers(0, 1000))
def test_the_rate_holds_while_the_model_is_quick_enough(rate: float, seed: int) -> None:
    pacer = RatePacer(0.0, rate, seed)
    count, _, _ = play(pacer, 0.3 / rate, 20.0)
    assert count == pytest.approx(20.0 * rate, abs=3.0)
    assert pacer.missed_count == 0


def test_a_model_that_is_too_slow_runs_all_the_time_and_counts_what_it_missed() -> None:
    pacer = RatePacer(0.0, 100.0)
    count, busy_s, _ = play(pacer, 0.05, 20.0)
    assert busy_s == pytest.approx(20.0, abs=0.1)
    assert count == pytest.approx(400, abs=2)
    assert count + pacer.missed_count == pytest.approx(2000, abs=20)


def test_each_interval_of_a_slow_rate_has_one_inference() -> None:
    _, _, begins_s = play(RatePacer(0.0, 2.0), 0.01, 30.0)
    assert [int(begin_s / 0.5) for begin_s in begins_s] == list(range(len(begins_s)))


def test_saturating_always_runs() -> None:
    _, busy_s, _ = play(SaturatingPacer(), 0.003, 5.0)
    assert busy_s == pytest.approx(5.0, abs=0.2)
