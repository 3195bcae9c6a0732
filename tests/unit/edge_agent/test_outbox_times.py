"""The outbox and time: windows without a clock wait, are placed once and for all, and grow old by boot time."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge_agent.outbox import Outbox
from edge_agent.placing import FIRST_PLAUSIBLE_UNIX_NS
from edge_agent.wire.records import BootAck, InferenceWindow, StoreAck, StoredRange
from tests.fakes.windows import T0_UNIX_NS, WINDOW_S, make_window

S = 10**9


def unset_window(seq: int, start_boot_s: float, own_unix_ns: int = 0) -> InferenceWindow:
    """A window of a device that believes to be in 1970."""
    start_ns = round(start_boot_s * S)
    return make_window(
        seq, clock_state="unsynchronised", t_start_boot_ns=start_ns, t_start_unix_ns=own_unix_ns + start_ns
    )


def set_window(seq: int, start_boot_s: float, offset_ns: int) -> InferenceWindow:
    start_ns = round(start_boot_s * S)
    return make_window(seq, clock_state="synchronised", t_start_boot_ns=start_ns, t_start_unix_ns=offset_ns + start_ns)


def fill_unset(outbox: Outbox, count: int, first_boot_s: float = 20.0) -> None:
    for number in range(count):
        outbox.append(lambda seq, at=first_boot_s + number * WINDOW_S: unset_window(seq, at))  # type: ignore[misc]


def starts_s(outbox: Outbox, boot_id: str, origin_ns: int) -> list[float]:
    return [(window.t_start_unix_ns - origin_ns) / S for window in outbox.pending(boot_id, 0, 1000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite3"


def test_windows_wait_until_somebody_knows_the_time(path: Path) -> None:
    with closing(Outbox(path, "a")) as outbox:
        waited = [outbox.waits_for_clock]
        fill_unset(outbox, 3)
        assert [*waited, outbox.waits_for_clock] == [False, True]
        assert outbox.pending(outbox.boot_id, 0, 10) == []
        assert outbox.holds(outbox.boot_id, 0, 10)
        outbox.place(T0_UNIX_NS, "collector", 0.02)
        windows = outbox.pending(outbox.boot_id, 0, 10)
        assert [window.clock_state for window in windows] == ["rebased"] * 3
        assert starts_s(outbox, outbox.boot_id, T0_UNIX_NS) == [20.0, 30.0, 40.0]


def test_a_kernel_that_synchronises_dates_what_came_before_it(path: Path) -> None:
    with closing(Outbox(path, "a")) as outbox:
        fill_unset(outbox, 2)
        outbox.append(lambda seq: set_window(seq, 40.0, T0_UNIX_NS))
        assert starts_s(outbox, outbox.boot_id, T0_UNIX_NS) == [20.0, 30.0, 40.0]
        assert [w.clock_state for w in outbox.pending(outbox.boot_id, 0, 9)] == ["rebased", "rebased", "synchronised"]


def test_what_was_handed_out_keeps_its_stamp_and_the_kernel_wins_for_the_rest(path: Path) -> None:
    with closing(Outbox(path, "a")) as outbox:
        fill_unset(outbox, 4)
        outbox.place(T0_UNIX_NS, "collector", 0.5)
        first = outbox.pending(outbox.boot_id, 0, 2)
        outbox.append(lambda seq: set_window(seq, 60.0, T0_UNIX_NS + 2 * S))
        assert outbox.pending(outbox.boot_id, 0, 2) == first
        assert starts_s(outbox, outbox.boot_id, T0_UNIX_NS) == [20.0, 30.0, 42.0, 52.0, 62.0]
    with closing(Outbox(path, "a")) as outbox:
        assert outbox.pending(outbox.boot_id, 0, 2) == first, "after a restart too"


def test_boots_that_were_never_set_are_dated_once_a_later_one_is(path: Path) -> None:
    ids = []
    with closing(Outbox(path, "set")) as outbox:
        outbox.append(lambda seq: set_window(seq, 100.0, T0_UNIX_NS))
        outbox.apply_ack(StoreAck(device_id="d", t_unix_ns=0, acks=(BootAck(boot_id=outbox.boot_id, seq=1),)))
    trusted_ns = T0_UNIX_NS + 110 * S
    for boot in ("unset-1", "unset-2"):
        with closing(Outbox(path, boot)) as outbox:
            fill_unset(outbox, 5)
            ids.append(outbox.boot_id)
    now_ns = trusted_ns + 86_400 * S
    with closing(Outbox(path, "last")) as outbox, capture_logs() as logs:
        fill_unset(outbox, 2)
        assert [outbox.pending(one, 0, 9) for one in (*ids, outbox.boot_id)] == [[], [], []]
        outbox.place(now_ns - 300 * S, "collector", 0.02)
        first, second = (outbox.pending(one, 0, 9) for one in ids)
        own = outbox.pending(outbox.boot_id, 0, 9)
        everything = [*first, *second, *own]
        assert [w.t_start_unix_ns for w in everything] == sorted(w.t_start_unix_ns for w in everything)
        assert trusted_ns <= first[0].t_start_unix_ns
        assert own[-1].t_start_unix_ns < now_ns
        assert second[-1].t_start_unix_ns + WINDOW_S * S == now_ns - 300 * S, "as late as it can have been"
        assert {w.clock_state for w in (*first, *second)} == {"unsynchronised"}
        slack_s = 86_400 - 300 - 2 * 70
        assert {w.t_start_early_s for w in (*first, *second)} == {slack_s}
        before = [*first, *second]
    assert [line["event"] for line in logs] == ["earlier_boot_dated_by_estimate"] * 2
    with closing(Outbox(path, "after")) as outbox:
        outbox.place(now_ns + 500 * S, "kernel")
        assert [w for one in ids for w in outbox.pending(one, 0, 9)] == before, "an estimate is final"


def test_a_device_that_never_knew_the_time_is_not_dated_before_there_was_such_a_device(path: Path) -> None:
    with closing(Outbox(path, "unset")) as outbox:
        fill_unset(outbox, 2)
        boot_id = outbox.boot_id
    with closing(Outbox(path, "set")) as outbox, capture_logs():
        outbox.place(T0_UNIX_NS, "kernel")
        windows = outbox.pending(boot_id, 0, 9)
    assert all(FIRST_PLAUSIBLE_UNIX_NS < w.t_start_unix_ns < T0_UNIX_NS for w in windows)
    assert {w.t_start_early_s for w in windows} == {None}


def test_age_is_judged_by_boot_time_whatever_the_clock_says(path: Path) -> None:
    now_s = [100.0]
    with closing(
        Outbox(path, "a", max_age_s=60.0, now_unix_ns=lambda: 10**19, now_boot_ns=lambda: round(now_s[0] * S))
    ) as outbox:
        fill_unset(outbox, 3, first_boot_s=50.0)
        assert outbox.stats().dropped_windows == 0, "a clock in the far future makes nothing old"
        now_s[0] = 125.0
        with capture_logs():
            outbox.append(lambda seq: unset_window(seq, 120.0))
        assert [(d.first_seq, d.last_seq, d.reason) for d in outbox.backlogs()[0].dropped] == [(1, 2, "too_old")]


def test_windows_of_an_earlier_boot_are_too_old_when_this_boot_is(path: Path) -> None:
    with closing(Outbox(path, "a")) as outbox:
        fill_unset(outbox, 2)
    with closing(Outbox(path, "b", max_age_s=60.0, now_boot_ns=lambda: 61 * S)) as outbox, capture_logs():
        outbox.append(lambda seq: unset_window(seq, 50.0))
        assert [len(backlog.dropped) for backlog in outbox.backlogs()] == [1, 0]


def ranges_ack(boot_id: str, acked: int, *ranges: tuple[int, int]) -> StoreAck:
    stored = tuple(StoredRange(boot_id=boot_id, first_seq=first, last_seq=last) for first, last in ranges)
    return StoreAck(device_id="d", t_unix_ns=0, acks=(BootAck(boot_id=boot_id, seq=acked),), stored=stored)


def test_a_range_above_a_hole_is_forgotten_and_nothing_else(path: Path) -> None:
    with closing(Outbox(path, "a")) as outbox:
        for _ in range(10):
            outbox.append(make_window)
        assert outbox.apply_ack(ranges_ack(outbox.boot_id, 2, (5, 6), (9, 10))) == 6
        assert [window.seq for window in outbox.pending(outbox.boot_id, 0, 99)] == [3, 4, 7, 8]
        (backlog,) = outbox.backlogs()
        assert (backlog.oldest_seq, backlog.last_seq, backlog.acked_seq) == (3, 10, 2)
        assert outbox.settled_seq(outbox.boot_id, 4) == 6
        assert outbox.settled_seq(outbox.boot_id, 8) == 10
        assert outbox.apply_ack(ranges_ack(outbox.boot_id, 4, (5, 10))) == 4
        assert outbox.backlogs() == []
        assert outbox.stats().acked_seq == 10
        assert outbox.append(make_window).seq == 11
    with closing(Outbox(path, "a")) as outbox:
        assert outbox.append(make_window).seq == 12


def test_a_range_cuts_what_is_still_to_be_declared(path: Path) -> None:
    with closing(Outbox(path, "a", max_bytes=300)) as outbox, capture_logs():
        for _ in range(10):
            outbox.append(make_window)
        last = outbox.backlogs()[0].dropped[0].last_seq
        outbox.apply_ack(ranges_ack(outbox.boot_id, 0, (3, 4)))
        ranges = [(one.first_seq, one.last_seq) for one in outbox.backlogs()[0].dropped]
        assert ranges == [(1, 2), (5, last)]
        assert outbox.stats().acked_seq == 0


def test_an_acknowledgement_is_on_disk_with_the_next_window_and_at_the_latest_at_the_end(path: Path) -> None:
    with closing(Outbox(path, "a")) as outbox, closing(Outbox(path.with_name("other"), "a")):
        for _ in range(3):
            outbox.append(make_window)
        outbox.apply_ack(ranges_ack(outbox.boot_id, 2))
        assert outbox.stats().windows == 1
        with pytest.raises(ValueError, match="it was given 4"):
            outbox.append(lambda seq: make_window(seq + 5))
        assert outbox.stats().windows == 1, "a window that fails takes back its own part only"
    with closing(Outbox(path, "a")) as outbox:
        assert outbox.stats().windows == 1


def fill_with_noise(outbox: Outbox) -> None:
    for _ in range(20):
        outbox.append(lambda seq: make_window(seq, meter_id=os.urandom(3000).hex()))


def test_a_full_disk_refuses_a_window_and_the_count_stays_true(path: Path) -> None:
    with closing(Outbox(path, "a")) as outbox:
        for _ in range(20):
            outbox.append(make_window)
        outbox.apply_ack(ranges_ack(outbox.boot_id, 1))
        (pages,) = outbox._db.execute("PRAGMA page_count").fetchone()
        outbox._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            fill_with_noise(outbox)
        held = outbox.pending(outbox.boot_id, 0, 999)
        assert outbox.stats().windows == len(held)
        assert {1, 2} - {window.seq for window in held} <= {1}, "an acknowledgement may have been taken back"
        outbox._db.execute("PRAGMA max_page_count = 100000")
        assert outbox.append(make_window).seq == held[-1].seq + 1
        assert outbox.apply_ack(ranges_ack(outbox.boot_id, 10)) in {9, 10}
