"""The pure parts of ``edgejoule fleet simulate``: what a device holds, what it sends, and what its windows say."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.codec import decode
from edge_agent.wire.records import BootAck, StoreAck, StoredRange, WindowBatch
from edgejoule.simulate.agenda import Agenda
from edgejoule.simulate.device import SimulatedDevice
from edgejoule.simulate.figures import Source
from edgejoule.simulate.garbage import garbage
from edgejoule.simulate.plan import CHAOS, Faults, Plan
from edgejoule.simulate.ranges import RangeSet

T0_UNIX_NS = 1_760_000_000_000_000_000


def plan(**changes: object) -> Plan:
    return Plan(**({"run_id": "t", "devices": 3, "rate_hz": 1.0, "window_s": 1.0} | changes))  # type: ignore[arg-type]


def device(**changes: object) -> SimulatedDevice:
    return SimulatedDevice(plan(**changes), 1, T0_UNIX_NS)


def sent(one: SimulatedDevice, now_s: float) -> list[WindowBatch]:
    return [decode(payload, WindowBatch) for payload in one.due(now_s)]


def seqs(batches: list[WindowBatch]) -> list[list[int]]:
    return [[window.seq for window in batch.records] for batch in batches]


def ack(one: SimulatedDevice, seq: int, *stored: tuple[int, int], boot: int = 1) -> StoreAck:
    boot_id = one.plan.boot_id(1, boot)
    return StoreAck(
        device_id=one.device_id,
        t_unix_ns=0,
        acks=(BootAck(boot_id=boot_id, seq=seq),),
        stored=tuple(StoredRange(boot_id=boot_id, first_seq=first, last_seq=last) for first, last in stored),
    )


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 60), st.integers(0, 12)), max_size=40))
def test_ranges_hold_what_a_plain_set_holds(steps: list[tuple[bool, int, int]]) -> None:
    ranges, plain, last = RangeSet(), set[int](), 0
    for grows, number, length in steps:
        if grows:
            first, last = last + 1 + number % 3, last + 1 + number % 3 + length
            ranges.append(first, last)
            plain |= set(range(first, last + 1))
        else:
            gone = {one for begin, end in ranges.remove(number, number + length) for one in range(begin, end + 1)}
            assert gone == plain & set(range(number, number + length + 1))
            plain -= gone
        assert ranges.count == len(plain)
        assert ranges.take_above(0, 10_000, 10_000) == sorted(plain)
        assert ranges.take_above(number, 3, number + 20) == sorted(n for n in plain if number < n <= number + 20)[:3]
        assert ranges.first_above(number) == min((n for n in plain if n > number), default=None)
        assert ranges.count_up_to(number) == sum(n <= number for n in plain)


def test_a_range_below_another_is_refused() -> None:
    ranges = RangeSet()
    ranges.append(5, 6)

    with pytest.raises(ValueError, match=r"6\.\.9 does not lie above"):
        ranges.append(6, 9)


def test_figures_depend_on_seed_device_boot_and_number_and_on_nothing_else() -> None:
    keys = [(seed, number, boot, seq) for seed in (1, 2) for number in (1, 2) for boot in (1, 2) for seq in (1, 2)]

    def energy_j(key: tuple[int, int, int, int]) -> float:
        return Source(key[0], key[1], key[2], 10.0).figures(key[3]).energy_j

    assert [energy_j(key) for key in keys] == [energy_j(key) for key in keys]
    assert len({energy_j(key) for key in keys}) == len(keys)


def test_sums_of_energies_have_no_rounding_error_in_any_order() -> None:
    energies_j = [Source(1, 1, 1, 10.0).figures(seq).energy_j for seq in range(1, 20_000)]
    shuffled_j = random.Random(1).sample(energies_j, len(energies_j))

    assert sum(energies_j) == sum(shuffled_j) == math.fsum(energies_j)


def test_what_is_not_acknowledged_in_time_comes_again_unchanged() -> None:
    one = device(resend_s=5.0)
    one.close_window(1.0, connected=True)
    first = sent(one, 1.0)

    assert sent(one, 5.9) == []
    again = sent(one, 6.1)
    assert seqs(again) == [[1]]
    assert again[0].records == first[0].records
    assert all(window.simulated for window in again[0].records)


def test_full_messages_wait_for_their_windows_until_nothing_will_follow() -> None:
    one = device(windows_per_message=3)
    for at_s in (1.0, 2.0):
        one.close_window(at_s, connected=True)
    assert sent(one, 2.0) == []

    one.close_window(3.0, connected=True)
    one.close_window(4.0, connected=True)
    assert seqs(sent(one, 4.0)) == [[1, 2, 3]]

    one.flush = True
    assert seqs(sent(one, 4.0)) == [[4]]


def test_new_windows_pass_a_backlog_in_messages_of_their_own() -> None:
    one = device(outage_windows=1000)
    one.suffer_outage()
    backlog = sent(one, 0.0)
    assert seqs(backlog) == [list(range(first, first + 60)) for first in range(1, 481, 60)]

    one.close_window(1.0, connected=True)
    live = sent(one, 1.0)
    assert seqs(live) == [[1001]]
    assert (live[0].oldest_seq, live[0].last_seq) == (1, 1001)

    settled = one.take_ack(ack(one, 0, (1001, 1001)))
    assert [(part.first_seq, part.last_seq) for part in settled] == [(1001, 1001)]
    assert one.backlog == one.outbox.windows == 1000


def test_a_full_outbox_declares_its_drops_until_the_collector_has_heard_of_them() -> None:
    one = device(outbox_windows=3)
    for number in range(1, 6):
        one.close_window(float(number), connected=False)
    batches = sent(one, 5.0)

    assert seqs(batches)[-1] != []
    assert {(drop.first_seq, drop.last_seq) for batch in batches for drop in batch.dropped} == {(1, 2)}
    assert one.outbox.boot.settled_seq == 0

    one.take_ack(ack(one, 2))
    assert one.outbox.boot.drops == []
    assert one.outbox.boot.settled_seq == 2

    one.take_ack(ack(one, 5))
    assert one.settled
    boot = one.outbox.boot
    assert (boot.made.windows, boot.dropped.windows, boot.acknowledged, boot.held.count) == (5, 2, 3, 0)


def test_a_drop_above_what_was_sent_is_told_though_no_window_is_left() -> None:
    one = device(outbox_windows=1)
    one.close_window(1.0, connected=True)
    assert seqs(sent(one, 1.0)) == [[1]]
    one.close_window(2.0, connected=True)
    assert seqs(sent(one, 2.0)) == [[2], []]

    one.take_ack(ack(one, 0, (2, 2)))
    one.connected()
    (told,) = sent(one, 3.0)
    assert (told.records, [(drop.first_seq, drop.last_seq) for drop in told.dropped]) == ((), [(1, 1)])
    assert not one.settled


def test_a_reboot_begins_a_new_numbering_and_the_old_one_is_still_delivered() -> None:
    one = device()
    one.close_window(1.0, connected=False)
    one.boot()
    one.close_window(2.0, connected=True)

    assert one.outbox.held_boots() == ("t-1-1", "t-1-2")
    batches = sent(one, 2.0)
    assert {(batch.boot_id, window.seq) for batch in batches for window in batch.records} == {
        ("t-1-1", 1),
        ("t-1-2", 1),
    }
    one.take_ack(ack(one, 1))
    assert one.outbox.held_boots() == ("t-1-2",)


def test_an_acknowledgement_of_windows_that_were_never_made_changes_nothing_and_is_counted() -> None:
    one = device()
    one.close_window(1.0, connected=True)

    assert one.take_ack(ack(one, 7)) == []
    assert one.take_ack(ack(one, 1, boot=9)) == []
    assert (one.outbox.windows, one.outbox.foreign_acks) == (1, 2)


def test_a_clock_jump_moves_stamps_and_the_first_window_after_it_says_so() -> None:
    one = device()
    one.close_window(1.0, connected=True)
    one.jump_clock(-86_400.0)
    one.close_window(2.0, connected=True)
    one.close_window(3.0, connected=True)
    windows = [window for batch in sent(one, 3.0) for window in batch.records]

    assert [window.flags for window in windows] == [(), ("clock_step",), ()]
    moved_s = (windows[1].t_start_unix_ns - windows[0].t_start_unix_ns) / 1e9
    assert moved_s == pytest.approx(1.0 - 86_400.0, abs=1e-3)


def test_traits_are_drawn_alike_for_the_same_seed() -> None:
    chaotic = plan(faults=CHAOS, devices=200, seconds=60.0)
    twice = [[SimulatedDevice(chaotic, number, 0).traits for number in range(1, 201)] for _ in range(2)]

    assert twice[0] == twice[1]
    assert any(traits.slow_s for traits in twice[0])
    assert any(traits.vanishes_at_s for traits in twice[0])
    assert any(traits.outbox_windows == CHAOS.small_outbox_windows for traits in twice[0])
    assert any(traits.clock.offset_s for traits in twice[0])


def test_single_switches_go_over_a_preset() -> None:
    assert CHAOS.over({"losses_per_min": 9.0, "reboots_per_min": None, "devices": 3}) == Faults(
        **{name: getattr(CHAOS, name) for name in Faults.__slots__} | {"losses_per_min": 9.0}
    )


def test_garbage_is_the_same_for_the_same_seed_and_no_message_comes_twice() -> None:
    messages = list(garbage(3, "bad-t", "sim-t-1", 200))

    assert messages == list(garbage(3, "bad-t", "sim-t-1", 200))
    assert len({(one.channel, one.payload) for one in messages}) == 200
    assert len({one.fault for one in messages}) == 10


def test_an_agenda_calls_in_the_order_of_time_what_is_due_and_what_that_enters() -> None:
    agenda, called = Agenda(), list[tuple[str, float]]()
    agenda.enter(2.0, lambda at_s: called.append(("late", at_s)))
    agenda.enter(1.0, lambda at_s: agenda.enter(at_s + 0.5, lambda then_s: called.append(("entered", then_s))))

    agenda.run(0.9)
    assert called == []
    agenda.run(2.0)
    assert called == [("entered", 1.5), ("late", 2.0)]
