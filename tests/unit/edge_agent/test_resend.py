"""When to send again: pure, time as an argument."""

import random
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.delivery import BackOff, InFlight, Pace


def answered(pace: Pace, *delays_s: float) -> None:
    for number, delay_s in enumerate(delays_s):
        pace.note_answer(100.0 * number, 100.0 * number + delay_s)


def test_messages_are_late_after_the_pause_and_the_pause_doubles_up_to_its_bound() -> None:
    flight = InFlight(Pace(first_resend_s=5.0, longest_resend_s=60.0))
    now_s, pauses = 0.0, []
    for _ in range(6):
        flight.note_sent(10, now_s)
        wait_s = flight.wait_s(now_s)
        assert wait_s is not None
        pauses.append(wait_s)
        assert not flight.go_back_if_late(now_s + wait_s / 2)
        now_s += wait_s
        assert flight.go_back_if_late(now_s)
        assert flight.resume_after_seq == 0
    assert pauses == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_the_answer_to_what_was_sent_twice_leaves_the_pause_long_and_a_fresh_one_ends_it() -> None:
    flight = InFlight(Pace(first_resend_s=5.0))
    flight.note_sent(10, 0.0)
    assert flight.go_back_if_late(5.0)
    flight.note_sent(10, 5.0)
    flight.note_acked(4, 5.5)
    assert flight.wait_s(5.5) == 10.0
    flight.note_sent(20, 6.0)
    flight.note_acked(10, 6.0)
    assert flight.wait_s(6.0) == 10.0, "of which copy was that the answer?"
    flight.note_acked(20, 6.5)
    assert flight.wait_s(6.5) is None
    assert flight.resume_after_seq == 20
    flight.note_sent(21, 7.0)
    assert flight.wait_s(7.0) == 5.0


def test_the_pause_follows_a_slow_collector_and_comes_back_within_its_bounds() -> None:
    pace = Pace(first_resend_s=5.0, longest_resend_s=60.0)
    answered(pace, 4.0)
    assert pace.resend_s == 4.0 + 4 * 2.0, "RFC 6298, 2.2"
    answered(pace, *[20.0] * 10)
    assert 25.0 < pace.resend_s <= 60.0
    answered(pace, *[300.0] * 30)
    assert pace.resend_s == 60.0
    answered(pace, *[0.1] * 100)
    assert pace.resend_s == 5.0


def test_while_acknowledgements_come_in_nothing_is_late_however_slow_they_are() -> None:
    flight = InFlight(Pace(first_resend_s=5.0))
    for number in range(1, 9):
        flight.note_sent(60 * number, 0.0)
    for number in range(1, 9):
        assert not flight.go_back_if_late(4.0 * number)
        flight.note_acked(60 * number, 4.0 * number)
    assert flight.wait_s(32.0) is None


def test_fewer_messages_are_on_their_way_while_acknowledgements_queue_up() -> None:
    pace = Pace()
    seen = [pace.messages]
    pace.note_answer(0.0, 0.2)
    for now_s in (3.0, 3.1, 3.2):  # three answers to one flight
        pace.note_answer(0.5, now_s)
    seen.append(pace.messages)
    pace.note_answer(4.0, 7.0)
    seen.append(pace.messages)
    pace.note_silence(20.0)
    pace.note_silence(40.0)
    seen.append(pace.messages)
    assert seen == [8, 4, 2, 1]
    answered(pace, *[0.3] * 60)
    assert pace.messages == 8
    far = Pace()
    answered(far, *[1.8] * 20)
    assert far.messages == 8, "far away is not slow"
    late = Pace()
    answered(late, *[2.5] * 20)
    assert late.messages == 1, "its first answers had waited in the queue of others"


def test_there_is_room_for_so_many_messages_only() -> None:
    flight = InFlight(Pace(max_messages=2))
    rooms = []
    for last_seq in (60, 120):
        flight.note_sent(last_seq, 0.0)
        rooms.append(flight.has_room)
    flight.note_acked(60, 0.0)
    rooms.append(flight.has_room)
    assert rooms == [True, False, True]
    flight.go_back()
    assert flight.resume_after_seq == 60


def test_a_fleet_on_a_queue_that_outlasts_the_first_pause_hardly_sends_anything_twice() -> None:
    """A hundred devices, one collector that stores 20 messages a second: 800 at once are a queue of 40 s."""
    flights = [InFlight(Pace()) for _ in range(100)]
    queue: deque[tuple[InFlight, int]] = deque()
    sent, now_s = 0, 0.0
    for _ in range(20 * 600):
        now_s += 0.05
        for flight in flights:
            flight.go_back_if_late(now_s)
            while flight.has_room:
                flight.note_sent(flight.resume_after_seq + 60, now_s)
                queue.append((flight, flight.sent_seq))
                sent += 1
        flight, seq = queue.popleft()
        flight.note_acked(max(seq, flight.acked_seq), now_s)
    stored = sum(flight.acked_seq for flight in flights) // 60
    again = sent - stored - sum(flight.count for flight in flights)
    assert again < 0.15 * stored, (again, stored)
    assert len(queue) < 250, "and the queue is short"


@given(st.lists(st.tuples(st.sampled_from(["send", "ack", "late", "lost"]), st.integers(0, 30)), max_size=60))
def test_nothing_unacknowledged_is_ever_skipped(steps: list[tuple[str, int]]) -> None:
    flight, now_s, sent = InFlight(Pace(max_messages=3)), 0.0, 0
    for step, number in steps:
        now_s += 1.0
        if step == "send" and flight.has_room:
            assert flight.resume_after_seq <= max(sent, flight.acked_seq)
            sent = flight.resume_after_seq + 1 + number
            flight.note_sent(sent, now_s)
        elif step == "ack":
            flight.note_acked(min(number, sent), now_s)
        elif step == "late":
            flight.go_back_if_late(now_s + 1000.0)
        else:
            flight.go_back()
        if flight.wait_s(now_s) is None:
            assert flight.resume_after_seq in (flight.acked_seq, flight.sent_seq)
        if flight.resume_after_seq > flight.acked_seq:
            assert flight.wait_s(now_s) is not None, "something is on its way, so it must become late one day"


@given(st.integers(0, 2**32))
def test_pauses_grow_and_scatter_within_their_bounds(seed: int) -> None:
    pauses = BackOff(first_s=0.5, longest_s=30.0, draw=random.Random(seed))
    bound_s = 0.5
    for _ in range(12):
        pause_s = pauses.next_s()
        assert bound_s / 2 <= pause_s <= bound_s
        bound_s = min(30.0, 2 * bound_s)
    pauses.reset()
    assert pauses.next_s() <= 0.5
