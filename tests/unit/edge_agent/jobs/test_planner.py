"""The greenest start before a deadline, against brute force and against the what-if of the collector."""

from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.timeline import IntensityTimeline
from collector.carbon.what_if import constant_work, costs
from edge_agent.jobs.planner import NS_PER_S, KnownHours, Plan, begun, plan, planned_again, settle
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.grid import GridForecast, GridSlot
from edge_agent.wire.orders import CarbonTiming, CommandReply, Deferral

T0_S = 1_800_000_000
T0 = T0_S * NS_PER_S
Step = tuple[int, float | None]
"""Seconds, and the intensity; None for a hole."""
values = st.one_of(st.integers(0, 4).map(lambda n: 100.0 * n), st.floats(0.0, 1e4))
steps_of_time = st.lists(st.tuples(st.integers(1, 6), st.none() | values), max_size=12)


def forecast_of(steps: list[Step], start_s: int = T0_S, **changed: Any) -> GridForecast:
    slots, at_s = [], start_s
    for seconds, value in steps:
        if value is not None:
            slots.append(GridSlot(t_start_unix_ns=at_s * NS_PER_S, duration_s=seconds, gco2e_per_kwh=value))
        at_s += seconds
    fields: dict[str, Any] = {"zone": "DE", "kind": "average", "source": "s", "t_unix_ns": T0, "slots": tuple(slots)}
    return GridForecast(**(fields | changed))


def planned(forecast: GridForecast | None, now_s: int, deadline_s: int, duration_s: float, **changed: Any) -> Plan:
    defer = Deferral(deadline_unix_ns=deadline_s * NS_PER_S, duration_s=duration_s)
    settings: dict[str, Any] = {"max_age_s": 3600.0, "zone": "DE"} | changed
    return plan(forecast, now_s * NS_PER_S, defer, **settings)


def each_second(steps: list[Step], start_s: int) -> dict[int, Fraction]:
    known: dict[int, Fraction] = {}
    at_s = start_s
    for seconds, value in steps:
        if value is not None:
            known |= {second: Fraction(value) for second in range(at_s, at_s + seconds)}
        at_s += seconds
    return known


@given(steps_of_time, st.integers(-10, 5), st.integers(1, 9), st.integers(-3, 45))
def test_the_start_is_the_one_that_brute_force_finds(
    steps: list[Step], offset_s: int, duration_s: int, ahead_s: int
) -> None:
    """All edges lie on whole seconds, so the earliest best start does, too."""
    made = planned(forecast_of(steps, T0_S + offset_s), T0_S, T0_S + ahead_s, duration_s)
    known = each_second(steps, T0_S + offset_s)
    sums = {
        start: sum(known[start + i] for i in range(duration_s))
        for start in range(T0_S, T0_S + ahead_s - duration_s + 1)
        if all(start + i in known for i in range(duration_s))
    }
    best = min(sums, key=lambda start: (sums[start], start), default=T0_S)
    if ahead_s <= duration_s:
        best = T0_S
    assert made.start_unix_ns == best * NS_PER_S
    if best in sums:
        assert made.chosen_gco2e_per_kwh == float(Fraction(sums[best]) / duration_s)
    assert (made.why_now == "") == (ahead_s > duration_s and bool(sums))


@given(
    steps_of_time,
    st.integers(0, 10 * NS_PER_S),
    st.integers(1, 9 * NS_PER_S),
    st.integers(0, 40 * NS_PER_S),
    st.lists(st.floats(0.0, 1.0), max_size=30),
)
def test_no_start_anywhere_between_is_greener_and_the_deadline_holds(
    steps: list[Step], offset_ns: int, duration_ns: int, slack_ns: int, places: list[float]
) -> None:
    now = T0 + offset_ns
    defer = Deferral(deadline_unix_ns=now + duration_ns + slack_ns, duration_s=duration_ns / NS_PER_S)
    forecast = forecast_of(steps)
    made = plan(forecast, now, defer, max_age_s=3600.0, zone="DE")
    last = now + slack_ns
    assert now <= made.start_unix_ns <= last
    hours = KnownHours(forecast)
    chosen = hours.total(made.start_unix_ns, made.start_unix_ns + duration_ns)
    others = [now + round(place * slack_ns) for place in places]
    totals = [(total, start) for start in others if (total := hours.total(start, start + duration_ns)) is not None]
    if made.why_now == "":
        assert chosen is not None
        assert all((chosen, made.start_unix_ns) <= other for other in totals)
    elif slack_ns > 0 and forecast.slots:
        assert not totals, "a start is known from end to end"


@given(st.lists(st.tuples(st.integers(1, 6), values), min_size=2, max_size=12), st.integers(1, 9), st.integers(0, 30))
def test_the_collectors_what_if_says_the_same(steps: list[Step], duration_s: int, slack_s: int) -> None:
    made = planned(forecast_of(steps), T0_S, T0_S + duration_s + slack_s, duration_s)
    known = [(seconds, value) for seconds, value in steps if value is not None]
    ends = T0 + np.cumsum([seconds for seconds, _ in known]).astype(np.int64) * NS_PER_S
    starts = np.concatenate(([T0], ends[:-1])).astype(np.int64)
    per_kwh = np.array([value for _, value in known])
    timeline = IntensityTimeline(starts, ends, per_kwh, low=per_kwh, high=per_kwh, quality=["forecast"] * len(known))
    tried = np.array([T0 + second * NS_PER_S for second in range(slack_s + 1)], dtype=np.int64)
    found = costs(constant_work(3.6e6 / duration_s, float(duration_s)), timeline, tried, zone="DE")
    if found.cheapest is None:
        assert made.chosen_gco2e_per_kwh is None
    else:
        assert made.chosen_gco2e_per_kwh == pytest.approx(found.cheapest.gco2e, rel=1e-6, abs=1e-6)
        assert found.starts[0].gco2e == pytest.approx(made.at_once_gco2e_per_kwh, rel=1e-6, abs=1e-6)


FALLING: list[Step] = [(10, 400.0), (10, 200.0), (10, 300.0)]


def test_it_waits_for_the_greenest_slot_and_says_what_both_mean() -> None:
    made = planned(forecast_of(FALLING, simulated=True), T0_S, T0_S + 30, 10)
    assert made.start_unix_ns == (T0_S + 10) * NS_PER_S
    assert (made.at_once_gco2e_per_kwh, made.chosen_gco2e_per_kwh, made.why_now) == (400.0, 200.0, "")
    assert (made.intensity_kind, made.intensity_source, made.simulated) == ("average", "s", True)


@pytest.mark.parametrize(
    ("forecast", "changed", "why"),
    [
        (None, {}, "no_forecast"),
        (forecast_of([]), {}, "no_forecast"),
        (forecast_of(FALLING), {"zone": ""}, "no_zone"),
        (forecast_of(FALLING), {"zone": "GB"}, "other_zone"),
        (forecast_of(FALLING), {"kind": "marginal"}, "other_kind"),
        (forecast_of(FALLING, t_unix_ns=T0 - 3601 * NS_PER_S), {}, "stale"),
        (forecast_of(FALLING, said_unix_ns=T0 - 3601 * NS_PER_S), {}, "stale"),
        (forecast_of(FALLING, t_unix_ns=T0 + 301 * NS_PER_S), {}, "clock"),
        (forecast_of([(4, 400.0), (1, None), (4, 200.0)]), {}, "not_known"),
        (forecast_of(FALLING, start_s=T0_S - 60), {}, "not_known"),
        (msgspec.structs.replace(forecast_of(FALLING), slots=forecast_of(FALLING).slots[::-1]), {}, "not_in_order"),
    ],
)
def test_without_something_to_go_by_it_is_now(
    forecast: GridForecast | None, changed: dict[str, Any], why: str
) -> None:
    made = planned(forecast, T0_S, T0_S + 30, 5, **changed)
    assert (made.start_unix_ns, made.why_now) == (T0, why)


def test_a_deadline_that_leaves_no_time_is_now_with_what_that_means() -> None:
    made = planned(forecast_of(FALLING), T0_S, T0_S + 10, 10)
    assert (made.start_unix_ns, made.why_now) == (T0, "deadline")
    assert (made.at_once_gco2e_per_kwh, made.chosen_gco2e_per_kwh) == (400.0, 400.0)


def test_where_now_is_not_known_a_known_hour_is_taken_and_nothing_is_said_to_be_saved() -> None:
    made = planned(forecast_of([(5, None), (10, 400.0), (10, 200.0)]), T0_S, T0_S + 30, 5)
    assert (made.start_unix_ns, made.at_once_gco2e_per_kwh) == ((T0_S + 15) * NS_PER_S, None)
    assert settle(made, measured_j=1000.0).saved_gco2e is None


def test_a_better_forecast_moves_the_start_and_keeps_what_at_once_would_have_meant() -> None:
    before = planned(forecast_of(FALLING), T0_S, T0_S + 30, 5)
    later_s = T0_S + 5
    better = forecast_of([(15, 300.0), (5, 50.0)], start_s=later_s)
    moved = planned_again(before, planned(better, later_s, T0_S + 30, 5, asked_unix_ns=before.asked_unix_ns))
    assert moved.start_unix_ns == (later_s + 15) * NS_PER_S
    assert (moved.asked_unix_ns, moved.at_once_gco2e_per_kwh, moved.chosen_gco2e_per_kwh) == (T0, 400.0, 50.0)
    assert planned_again(before, planned(None, later_s, T0_S + 30, 5)) == before, "nothing known changes nothing"
    last = planned_again(moved, planned(better, T0_S + 26, T0_S + 30, 5))
    assert last == moved, "what is not known any more changes nothing"


def test_work_that_begins_late_is_told_by_the_hour_it_began_in() -> None:
    before = planned(forecast_of(FALLING), T0_S, T0_S + 30, 5)
    on_time = begun(before, planned(forecast_of(FALLING), T0_S + 10, T0_S + 30, 5))
    assert (on_time.start_unix_ns, on_time.chosen_gco2e_per_kwh) == ((T0_S + 10) * NS_PER_S, 200.0)
    late = begun(before, planned(forecast_of(FALLING), T0_S + 22, T0_S + 30, 5))
    assert (late.start_unix_ns, late.chosen_gco2e_per_kwh) == ((T0_S + 22) * NS_PER_S, 300.0)
    unknown = begun(before, planned(None, T0_S + 22, T0_S + 30, 5))
    assert unknown.chosen_gco2e_per_kwh is None


def test_what_rests_on_made_up_hours_in_part_is_simulated() -> None:
    made_up = msgspec.structs.replace(forecast_of(FALLING), simulated=True)
    real = forecast_of([(15, 300.0), (5, 50.0)], start_s=T0_S + 5)
    before = planned(made_up, T0_S, T0_S + 30, 5)
    moved = planned_again(before, planned(real, T0_S + 5, T0_S + 30, 5, asked_unix_ns=T0))
    assert (moved.at_once_gco2e_per_kwh, moved.chosen_gco2e_per_kwh, moved.simulated) == (400.0, 50.0, True)
    unknown = msgspec.structs.replace(before, at_once_gco2e_per_kwh=None)
    assert not planned_again(unknown, planned(real, T0_S + 5, T0_S + 30, 5)).simulated, "nothing of it is left"
    late = begun(planned(forecast_of(FALLING), T0_S, T0_S + 30, 5), planned(made_up, T0_S + 22, T0_S + 30, 5))
    assert (late.chosen_gco2e_per_kwh, late.simulated) == (300.0, True)


def test_what_it_saved_is_energy_times_the_difference_and_may_be_negative() -> None:
    made = planned(forecast_of(FALLING), T0_S, T0_S + 30, 10)
    timing = settle(made, measured_j=3.6e6, stated_j=1.0, started_unix_ns=T0 + 11, took_s=9.0, simulated=True)
    assert (timing.saved_gco2e, timing.energy_kind, timing.energy_j) == (200.0, "measured", 3.6e6)
    assert (timing.start_unix_ns, timing.duration_s, timing.simulated) == (T0 + 11, 9.0, True)
    stated = settle(made, stated_j=1.8e6)
    assert (stated.saved_gco2e, stated.energy_kind, stated.start_unix_ns) == (100.0, "stated", made.start_unix_ns)
    unknown = settle(made)
    assert (unknown.saved_gco2e, unknown.energy_kind, unknown.energy_j) == (None, None, None)
    worse = msgspec.structs.replace(made, chosen_gco2e_per_kwh=450.0)
    assert settle(worse, measured_j=3.6e6).saved_gco2e == -50.0


moments = st.one_of(st.integers(T0 - 10**13, T0 + 10**13), st.integers(0, 2**63 - 1))
lengths = st.one_of(st.floats(0.0, 1e6, exclude_min=True), st.floats(5e-324, 1.7e308))
any_slots = st.lists(
    st.builds(GridSlot, t_start_unix_ns=moments, duration_s=lengths, gco2e_per_kwh=st.floats(0.0, 1.7e308)), max_size=6
)


@given(
    st.builds(
        GridForecast,
        zone=st.just("DE"),
        t_unix_ns=moments,
        said_unix_ns=st.none() | moments,
        slots=any_slots.map(lambda slots: tuple(sorted(slots, key=lambda slot: slot.t_start_unix_ns))),
    ),
    st.builds(Deferral, deadline_unix_ns=moments, duration_s=lengths, energy_j=st.none() | st.floats(0.0, 1.7e308)),
    moments,
    st.sampled_from(["", "DE"]),
)
def test_nothing_that_the_wire_lets_through_makes_planning_fail(
    forecast: GridForecast, defer: Deferral, now_unix_ns: int, zone: str
) -> None:
    made = plan(forecast, now_unix_ns, defer, max_age_s=1e9, zone=zone, kind=forecast.kind)
    assert made.start_unix_ns >= now_unix_ns
    assert (
        made.start_unix_ns == now_unix_ns
        or made.start_unix_ns + defer.duration_s * 1e9 <= defer.deadline_unix_ns * (1 + 1e-9)
    )
    decode(encode(reply_with(settle(made, stated_j=defer.energy_j))), CommandReply)


def reply_with(carbon: CarbonTiming) -> CommandReply:
    return CommandReply(
        device_id="d", boot_id="b", reply_id="r", command_id="c", kind="bench", stage="done", t_unix_ns=0,
        clock_state="synchronised", carbon=carbon,
    )  # fmt: skip


@given(st.integers(1, 400 * 86_400), st.integers(0, NS_PER_S - 1))
def test_slots_that_touch_leave_no_hole_however_long_they_are(length_s: int, odd_ns: int) -> None:
    length_ns = length_s * NS_PER_S + odd_ns
    slots = tuple(
        GridSlot(t_start_unix_ns=T0 + n * length_ns, duration_s=length_ns / NS_PER_S, gco2e_per_kwh=n)
        for n in range(3)
    )
    hours = KnownHours(msgspec.structs.replace(forecast_of([]), slots=slots))
    assert hours.mean(T0 + length_ns // 2, T0 + 2 * length_ns + 1) is not None
