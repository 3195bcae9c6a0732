"""Where windows lie when the clock was not set: pure, times as arguments."""

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.collector_clock import CollectorClock
from edge_agent.placing import Placing, UnsetBoot, estimates, placed, placing_of, state_of
from tests.fakes.windows import T0_UNIX_NS, make_window

S = 10**9


def unset(number: int, last_end_s: int, own_unix_s: int = 0, not_before_unix_ns: int | None = T0_UNIX_NS) -> UnsetBoot:
    return UnsetBoot(number, 5 * S, last_end_s * S, own_unix_s * S, not_before_unix_ns)


def test_boots_of_1970_end_where_the_next_one_begins_and_say_how_much_earlier_they_may_be() -> None:
    first, second = estimates([unset(1, 100), unset(2, 50)], T0_UNIX_NS + 1000 * S)
    assert second.offset_ns == T0_UNIX_NS + 950 * S
    assert first.offset_ns == T0_UNIX_NS + 850 * S
    assert (first.bound_s, second.bound_s) == (850.0, 850.0), "both may lie right after the last trusted time"


def test_without_a_trusted_time_nobody_can_say_how_much_earlier() -> None:
    (only,) = estimates([unset(1, 100, not_before_unix_ns=None)], T0_UNIX_NS)
    assert (only.offset_ns, only.bound_s) == (T0_UNIX_NS - 100 * S, None)


def test_a_clock_that_can_be_right_is_kept_and_one_that_cannot_is_not() -> None:
    right = T0_UNIX_NS // S + 300
    for own_s, expected_ns in (
        (right, right * S),
        (T0_UNIX_NS // S - 10, T0_UNIX_NS + 900 * S),
        (T0_UNIX_NS // S + 901, T0_UNIX_NS + 900 * S),
    ):
        (only,) = estimates([unset(1, 100, own_s)], T0_UNIX_NS + 1000 * S)
        assert only.offset_ns == expected_ns


@given(
    st.lists(st.tuples(st.integers(6, 5000), st.integers(-(10**6), 10**6)), min_size=1, max_size=5),
    st.integers(0, 10**6),
)
def test_nothing_is_dated_before_the_last_trusted_time_or_after_the_next_boot_and_the_order_is_kept(
    boots: list[tuple[int, int]], slack_s: int
) -> None:
    runs = [unset(number, end_s, T0_UNIX_NS // S + own_s) for number, (end_s, own_s) in enumerate(boots)]
    next_start_ns = T0_UNIX_NS + (sum(end_s for end_s, _ in boots) + slack_s) * S
    earliest_ns = T0_UNIX_NS
    for boot, placing in zip(runs, estimates(runs, next_start_ns), strict=True):
        start_ns, end_ns = placing.offset_ns + boot.first_start_ns, placing.offset_ns + boot.last_end_ns
        assert earliest_ns <= start_ns < end_ns <= next_start_ns
        assert placing.bound_s is not None
        assert placing.bound_s <= slack_s
        earliest_ns = end_ns


def test_a_placed_window_says_whose_clock_it_is_worth() -> None:
    window = make_window(clock_state="unsynchronised", t_start_unix_ns=7, t_start_boot_ns=3 * S)
    rebased = placed(window, Placing(1, T0_UNIX_NS, "collector", 0.02))
    assert (rebased.t_start_unix_ns, rebased.clock_state) == (T0_UNIX_NS + 3 * S, "rebased")
    assert rebased.t_start_early_s is None
    estimated = placed(window, Placing(1, T0_UNIX_NS, "estimate", 40.0))
    assert (estimated.clock_state, estimated.t_start_early_s) == ("unsynchronised", 40.0)
    two = [Placing(1, 0, "collector"), Placing(10, 5, "kernel")]
    assert [placing_of(seq, two) for seq in (0, 1, 9, 10)] == [None, two[0], two[0], two[1]]
    assert state_of(None, kernel_synchronised=True) == "synchronised"
    assert state_of(two[0], kernel_synchronised=False) == "rebased"
    assert state_of(Placing(1, 0, "estimate"), kernel_synchronised=False) == "unsynchronised"


def ask_and_answer(clock: CollectorClock, now_s: float, there_s: float, back_s: float, offset_ns: int) -> float:
    clock.note_asked(round(now_s * S))
    t_unix_ns = round((now_s + there_s) * S) + offset_ns
    clock.note_ack(t_unix_ns, round((now_s + there_s + back_s) * S), retained=False)
    return now_s + there_s + back_s


@given(
    st.lists(st.tuples(st.floats(0.001, 3.0), st.floats(0.001, 3.0)), min_size=3, max_size=3),
    st.integers(0, 2 * 10**18),
)
def test_the_best_answer_is_taken_and_its_bound_is_true(trips: list[tuple[float, float]], offset_ns: int) -> None:
    clock, now_s = CollectorClock(0), 1.0
    for there_s, back_s in trips:
        assert clock.result(round(now_s * S), -(10**18)) is None
        now_s = ask_and_answer(clock, now_s, there_s, back_s, offset_ns)
    found = clock.result(round(now_s * S), -(10**18))
    assert found is not None
    assert found.bound_s is not None
    assert abs(found.offset_ns - offset_ns) <= found.bound_s * S + 10
    assert abs(found.bound_s - min(sum(trip) for trip in trips) / 2) < 1e-6


def test_what_the_broker_had_kept_is_no_answer_and_what_only_looks_kept_is_one() -> None:
    clock = CollectorClock(0)
    clock.note_asked(1 * S)
    clock.note_ack(500 * S, 2 * S, retained=True)
    assert clock.wait_s(2 * S) > 0.0, "still waiting for the answer"
    clock.note_ack(503 * S, 3 * S, retained=True)
    found = clock.result(3 * S, 0)
    assert found is None
    for second in (4, 5):
        clock.note_asked(second * S)
        clock.note_ack((500 + second) * S, second * S + 1, retained=True)
    found = clock.result(6 * S, 0)
    assert found is not None
    assert abs(found.offset_ns - 500 * S) <= 1


def test_an_answer_that_was_on_its_way_before_the_question_is_seen_through() -> None:
    clock, offset_ns = CollectorClock(0), 10**18
    ask_and_answer(clock, 1.0, 0.01, 0.01, offset_ns)
    clock.note_asked(2 * S)
    clock.note_ack(round(1.5 * S) + offset_ns, 2 * S + 1000, retained=False)  # a microsecond: the best round trip
    ask_and_answer(clock, 3.0, 0.02, 0.02, offset_ns)
    found = clock.result(4 * S, 0)
    assert found is not None
    assert abs(found.offset_ns - offset_ns) <= 0.01 * S


def test_a_collector_whose_clock_is_set_back_is_believed_again_after_one_round() -> None:
    clock, now_s = CollectorClock(0), 1.0
    clock.note_ack(T0_UNIX_NS + 3600 * S, round(now_s * S), retained=False)  # live, and then the clock is set back
    results = []
    for _ in range(6):
        now_s = ask_and_answer(clock, now_s, 0.1, 0.1, T0_UNIX_NS)
        results.append(clock.result(round(now_s * S), 0))
    assert [one is not None for one in results] == [False, False, False, False, False, True]
    assert results[-1] is not None
    assert abs(results[-1].offset_ns - T0_UNIX_NS) <= S


def test_an_own_clock_that_agrees_is_kept() -> None:
    clock, now_s = CollectorClock(0), 1.0
    for _ in range(3):
        now_s = ask_and_answer(clock, now_s, 0.01, 0.01, T0_UNIX_NS)
    found = clock.result(round(now_s * S), T0_UNIX_NS + 90_000_000)
    assert found is not None
    assert (found.offset_ns, found.source) == (T0_UNIX_NS + 90_000_000, "collector")


def test_questions_without_an_answer_are_asked_again_ever_more_slowly() -> None:
    clock, now_ns, pauses_s = CollectorClock(5 * S), 0, []
    assert clock.wait_s(0) == 5.0
    now_ns = 5 * S
    for _ in range(6):
        assert clock.wait_s(now_ns) == 0.0
        clock.note_asked(now_ns)
        pauses_s.append(clock.wait_s(now_ns))
        now_ns += round(pauses_s[-1] * S)
    assert pauses_s == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    clock.note_ack(T0_UNIX_NS, now_ns + 1, retained=False)
    clock.note_asked(now_ns + 2)
    assert clock.result(now_ns + 3, 0) is None
    assert clock.result(now_ns + 6 * S, 0) is not None, "one answer has to do when the next does not come"
