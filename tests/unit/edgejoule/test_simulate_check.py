"""Whether ``--check`` sees each way in which a collector's books can differ from the devices' own."""

from typing import Any

import msgspec
import pytest

from collector.values import LedgerLine
from edgejoule.simulate.check import (
    StoredSums,
    StoredWindowFigures,
    expected_in_store,
    ledger_problems,
    own_sums,
    sum_problems,
    verdicts,
)
from edgejoule.simulate.counters import DeviceCounters, FleetCounters, device_counters
from edgejoule.simulate.device import SimulatedDevice
from edgejoule.simulate.outbox import Boot, Settled
from edgejoule.simulate.plan import Plan
from edgejoule.simulate.tally import Delays, delay_figures

PLAN = Plan(run_id="t", devices=1, rate_hz=1.0, window_s=1.0, seed=7)


def counters(windows: int = 4, **changes: Any) -> DeviceCounters:
    """Return the books of a device that delivered all of its windows."""
    one = SimulatedDevice(PLAN, 1, 0)
    for number in range(windows):
        one.close_window(float(number), connected=True)
    one.outbox.boot.acknowledge_up_to(windows)
    return msgspec.structs.replace(device_counters(one), **changes)


def line(**changes: Any) -> LedgerLine:
    zeros: dict[str, Any] = dict.fromkeys(LedgerLine.__struct_fields__, 0)
    known: dict[str, Any] = {"fleet": "simulated", "device_id": "sim-t-1", "sent": 4, "stored": 4}
    return LedgerLine(**(zeros | known | changes))


def stored(windows: int = 4) -> list[StoredWindowFigures]:
    boot = Boot("t-1-1", SimulatedDevice(PLAN, 1, 0).outbox.boot.source)
    return [
        StoredWindowFigures(boot_id="t-1-1", seq=seq, energy_j=boot.source.figures(seq).energy_j)
        for seq in range(1, windows + 1)
    ]


def test_books_that_agree_have_no_problems() -> None:
    own = counters()
    found = expected_in_store(own, 7, 1.0, stored())

    assert list(ledger_problems(own, line())) == []
    assert found.problems == ()
    assert own_sums(own) == found.sums
    assert list(sum_problems("store", found.sums, own_sums(own))) == []


@pytest.mark.parametrize(
    ("ledger", "says"),
    [
        (None, "does not know it"),
        (line(stored=3), "does not add up"),
        (line(sent=3, stored=3), "sent 4 by its own count, 3 by the ledger"),
        (line(stored=3, dropped=1), "the device gave up 0, the ledger says 1"),
        (line(stored=3, pending=1), "only 3 are stored"),
        (line(stored=3, refused=1), "1 windows were refused"),
    ],
)
def test_a_ledger_that_differs_is_named(ledger: LedgerLine | None, says: str) -> None:
    assert any(says in problem for problem in ledger_problems(counters(), ledger))


def test_of_a_vanished_device_the_ledger_may_know_less_but_not_more() -> None:
    own = counters(vanished=True, sent=9, pending=5)

    assert list(ledger_problems(own, line(sent=7, stored=4, pending=3))) == []
    assert list(ledger_problems(own, line(sent=10, stored=4, pending=6))) != []
    assert list(ledger_problems(own, line(sent=7, stored=3, pending=4))) != []


def test_a_stored_window_that_was_never_made_or_came_twice_or_with_other_joules_is_named() -> None:
    good = stored(2)
    alien = StoredWindowFigures(boot_id="t-1-1", seq=99, energy_j=1.0)
    other = StoredWindowFigures(boot_id="t-1-1", seq=3, energy_j=1.0)
    found = expected_in_store(counters(), 7, 1.0, [*good, good[0], alien, other])

    assert found.sums.windows == 3
    assert [word for problem in found.problems for word in ("twice", "never made", "J stored") if word in problem] == [
        "twice",
        "never made",
        "J stored",
    ]


def test_sums_are_compared_to_the_last_bit() -> None:
    right = StoredSums(windows=2, energy_j=5.0, inferences=10)

    assert list(sum_problems("store", right, right)) == []
    assert len(list(sum_problems("store", right, StoredSums(windows=2, energy_j=5.0 + 1e-9, inferences=10)))) == 1
    assert len(list(sum_problems("store", right, None))) == 3


def test_only_the_store_can_say_what_it_has_of_a_device_that_gave_windows_up() -> None:
    assert own_sums(counters(declared_dropped=1)) is None
    assert own_sums(counters(pending=1)) is None
    assert own_sums(counters(vanished=True)) is None


def fleet_counters(devices: tuple[DeviceCounters, ...], garbage: int) -> FleetCounters:
    nothing = delay_figures(Delays().alone_s)
    zeros: dict[str, Any] = dict.fromkeys(FleetCounters.__struct_fields__, 0)
    known: dict[str, Any] = {
        "run_id": "t",
        "fleet": "simulated",
        "delay_beside_backlog": nothing,
        "delay_alone": nothing,
        "played": {"garbage": garbage, "garbage_unsure": 0},
        "bad_citizen": "bad-t",
        "last_error": "",
        "devices": devices,
    }
    return FleetCounters(**(zeros | known))


@pytest.mark.parametrize(("dead_letters", "agrees"), [(5, True), (4, False), (6, False)])
def test_every_message_of_garbage_has_to_be_a_dead_letter(dead_letters: int, agrees: bool) -> None:  # noqa: FBT001
    fleet = fleet_counters((counters(),), garbage=5)
    ledger = {
        "sim-t-1": line(),
        "bad-t": line(device_id="bad-t", sent=0, stored=0, dead_letters=dead_letters),
    }

    answers = {one.device_id: one.agrees for one in verdicts(fleet, ledger, {})}

    assert answers == {"sim-t-1": True, "bad-t": agrees}


def test_what_a_store_says_counts_against_its_device() -> None:
    (answer, _) = verdicts(fleet_counters((counters(),), garbage=0), {"sim-t-1": line()}, {"sim-t-1": ["no joules"]})

    assert (answer.agrees, answer.problems) == (False, ("no joules",))


def test_delays_are_of_live_windows_and_split_where_the_backlog_went() -> None:
    one = SimulatedDevice(Plan(run_id="t", rate_hz=1.0, window_s=1.0, outage_windows=2), 1, 0)
    one.suffer_outage()
    for at_s, connected in ((1.0, True), (2.0, False), (9.0, True)):
        one.close_window(at_s, connected=connected)
    delays = Delays()

    delays.note(Settled(one.outbox.boot, 1, 5), 10.0, 5.0)

    assert list(delays.beside_backlog_s) == [9.0]
    assert list(delays.alone_s) == [1.0]
    assert delay_figures(delays.alone_s).max_s == 1.0
    assert delay_figures(Delays().alone_s).p50_s is None
