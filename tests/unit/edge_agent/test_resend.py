"""When to send again: pure, time as an argument."""

import random

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.delivery import BackOff, InFlight


def test_messages_are_late_after_the_pause_and_the_pause_doubles_up_to_its_bound() -> None:
    flight = InFlight(max_messages=8, first_resend_s=5.0, longest_resend_s=60.0)
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


def test_progress_ends_the_back_off() -> None:
    flight = InFlight(first_resend_s=5.0)
    flight.note_sent(10, 0.0)
    assert flight.go_back_if_late(5.0)
    flight.note_sent(10, 5.0)
    flight.note_acked(4)
    assert flight.wait_s(5.0) == 5.0
    flight.note_acked(10)
    assert flight.wait_s(5.0) is None
    assert flight.resume_after_seq == 10


def test_there_is_room_for_so_many_messages_only() -> None:
    flight = InFlight(max_messages=2)
    rooms = []
    for last_seq in (60, 120):
        flight.note_sent(last_seq, 0.0)
        rooms.append(flight.has_room)
    flight.note_acked(60)
    rooms.append(flight.has_room)
    assert rooms == [True, False, True]
    flight.go_back()
    assert flight.resume_after_seq == 60


@given(st.lists(st.tuples(st.sampled_from(["send", "ack", "late", "lost"]), st.integers(0, 30)), max_size=60))
def test_nothing_unacknowledged_is_ever_skipped(steps: list[tuple[str, int]]) -> None:
    flight, now_s, sent = InFlight(max_messages=3), 0.0, 0
    for step, number in steps:
        now_s += 1.0
        if step == "send" and flight.has_room:
            assert flight.resume_after_seq <= max(sent, flight.acked_seq)
            sent = flight.resume_after_seq + 1 + number
            flight.note_sent(sent, now_s)
        elif step == "ack":
            flight.note_acked(min(number, sent))
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
