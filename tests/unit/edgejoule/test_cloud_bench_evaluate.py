"""From windows to joules per inference: what must hold for any windows, and what makes a bench unusable."""

import math
import re
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.latency import LatencyHistogram
from edgejoule.cloud_bench.evaluate import Results, evaluate, trend
from edgejoule.cloud_bench.joules import Boundary
from edgejoule.cloud_bench.measure import IdlePart, Measured, Window
from edgejoule.cloud_bench.plan import IDLE_PARTS, Plan

BOUNDARY = Boundary("rapl", "a", "b", "c", limit_ratio=0.2, sees_idle=True)
GAIN = 0.2 / math.sqrt(3.0)


def window(batch_size: int = 1, **changes: Any) -> Window:
    base: dict[str, Any] = {
        "batch_size": batch_size,
        "duration_s": 2.0,
        "energy_j": 100.0,
        "gap_s": 0.0,
        "cpu_s": 4.0,
        "inferences": 50,
        "other_cpu_ratio": None,
        "too_hot": None,
    }
    return Window(**{**base, **changes})


def idle(*powers_w: float, part_s: float = 1.0) -> tuple[IdlePart, ...]:
    return tuple(IdlePart(part_s, power_w * part_s, 0.0) for power_w in powers_w)


def measured(windows: list[Window], before: tuple[IdlePart, ...] = (), after: tuple[IdlePart, ...] = ()) -> Measured:
    latencies = {one.batch_size: LatencyHistogram() for one in windows}
    for one in windows:
        latencies[one.batch_size].add(np.array([one.duration_s / one.inferences * one.batch_size]))
    return Measured(tuple(windows), before, after, latencies)


def found(windows: list[Window], *idles: tuple[IdlePart, ...], boundary: Boundary = BOUNDARY) -> Results:
    return evaluate(measured(windows, *idles), boundary)


def test_joules_per_inference_gross_and_net() -> None:
    steady = idle(*[10.0] * 5)
    results = found([window()] * 5, steady, steady)
    (batch,) = results.batches
    assert batch.gross.value_j == pytest.approx(2.0)
    assert batch.gross.u_j == pytest.approx(2.0 * GAIN)
    assert batch.busy_s_per_inference == pytest.approx(0.04)
    assert batch.net is not None
    assert batch.net.value_j == pytest.approx(2.0 - 10.0 * 0.04)
    assert batch.net.u_j == pytest.approx(1.6 * GAIN)
    assert batch.cpu_s_per_inference == pytest.approx(0.08)
    assert results.idle_before is not None
    assert results.idle_before.power_w == pytest.approx(10.0)
    assert (results.rejections, results.warnings) == ((), ())


def test_net_is_unknown_without_idle() -> None:
    results = found([window()] * 5)
    assert results.batches[0].net is None
    assert (results.idle_before, results.idle_after) == (None, None)


energies = st.lists(st.floats(50.0, 150.0), min_size=4, max_size=9)


@given(energies_j=energies, idle_w=st.floats(0.0, 20.0), scale=st.floats(0.1, 10.0))
def test_what_holds_for_any_windows(energies_j: list[float], idle_w: float, scale: float) -> None:
    """The mean of the windows; net is below gross by idle; a meter's gain scales all of it, u included."""
    still = idle(*[idle_w] * 5)
    one = found([window(energy_j=value) for value in energies_j], still, still).batches[0]
    scaled = idle(*[idle_w * scale] * 5)
    other = found([window(energy_j=value * scale) for value in energies_j], scaled, scaled).batches[0]
    assert one.gross.value_j == pytest.approx(fmean(energies_j) / 50)
    assert one.gross.u_j >= GAIN * one.gross.value_j
    assert one.net is not None
    assert other.net is not None
    assert one.net.value_j == pytest.approx(one.gross.value_j - idle_w * 0.04)
    for before, after in ((one.gross, other.gross), (one.net, other.net)):
        assert after.value_j == pytest.approx(before.value_j * scale, rel=1e-9, abs=1e-12)
        assert after.u_j == pytest.approx(before.u_j * scale, rel=1e-6, abs=1e-12)


@given(parts=st.lists(st.tuples(st.floats(0.5, 5.0), st.integers(1, 500)), min_size=4, max_size=8))
def test_seconds_and_inferences_are_those_of_all_windows(parts: list[tuple[float, int]]) -> None:
    batch = found([window(duration_s=seconds, inferences=count) for seconds, count in parts]).batches[0]
    assert batch.inferences == sum(count for _, count in parts)
    assert batch.duration_s == pytest.approx(sum(seconds for seconds, _ in parts))
    assert batch.busy_s_per_inference * batch.inferences == pytest.approx(batch.duration_s)


def test_batch_sizes_are_told_apart_whatever_their_order() -> None:
    order = [8, 1, 1, 8, 8, 1, 8, 1]
    results = found([window(size, energy_j=100.0 * size) for size in order])
    assert [(one.batch_size, one.gross.value_j) for one in results.batches] == [(1, 2.0), (8, 16.0)]


def test_windows_that_agree_by_luck_do_not_hide_a_counters_steps() -> None:
    """Four windows of 2 s by a counter of 0.1 s: each is off by 0.1 / sqrt(6) s of it, and so is each idle time."""
    stepping = replace(BOUNDARY, limit_ratio=0.0, update_s=0.1)
    results = found([window()] * 4, idle(*[10.0] * 5), idle(*[10.0] * 5), boundary=stepping)
    (batch,) = results.batches
    assert batch.gross.u_j == pytest.approx(2.0 * 0.1 / math.sqrt(6.0) / 2.0 / math.sqrt(4))
    assert results.idle_before is not None
    assert results.idle_before.power_u_w == pytest.approx(10.0 * 0.1 / math.sqrt(6.0) / 5.0)
    assert batch.net is not None
    assert batch.net.u_j == pytest.approx(math.hypot(batch.gross.u_j, 0.04 * results.idle_before.power_u_w))
    spread = found([window(energy_j=value) for value in (60.0, 140.0) * 2], boundary=stepping).batches[0]
    assert spread.gross.u_j == pytest.approx(
        found([window(energy_j=value) for value in (60.0, 140.0) * 2], boundary=replace(stepping, update_s=0.0))
        .batches[0]
        .gross.u_j
    )


def test_what_was_not_seen_of_a_window_is_like_the_rest_of_it() -> None:
    results = found([window(energy_j=95.0, gap_s=0.1)] * 4)
    assert results.batches[0].gross.value_j == pytest.approx(2.0)
    assert results.rejections == ()


@pytest.mark.parametrize(
    ("windows", "said"),
    [
        ([window(gap_s=0.5)] * 4, "saw less than 90 % of 4 windows"),
        ([window(energy_j=0.0)] * 4, "stands still"),
        ([window(energy_j=100.0 + 8.0 * step) for step in range(5)], "drift by [+]28%"),
        ([window(energy_j=100.0 - 8.0 * step) for step in range(5)], "drift by -38%"),
    ],
)
def test_windows_that_must_not_be_used(windows: list[Window], said: str) -> None:
    rejections = found(windows).rejections
    assert len(rejections) == 1
    assert re.search(said, rejections[0])


def test_noise_is_no_drift() -> None:
    results = found([window(energy_j=value) for value in (100.0, 140.0, 90.0, 120.0, 115.0)])
    assert results.rejections == ()
    assert "windows differ by 17%" in results.warnings[0]


@pytest.mark.parametrize(
    ("after_w", "rejected", "warned"), [(10.2, False, False), (11.0, False, True), (13.0, True, False)]
)
def test_idle_that_changes(after_w: float, *, rejected: bool, warned: bool) -> None:
    results = found([window()] * 5, idle(*[10.0] * 5), idle(*[after_w] * 5))
    assert [bool(results.rejections), bool(results.warnings)] == [rejected, warned]
    assert all("idle power was 10 W before" in text for text in (*results.rejections, *results.warnings))


def test_idle_that_changed_is_in_the_uncertainty_of_net() -> None:
    same = found([window()] * 5, idle(*[10.0] * 5), idle(*[10.0] * 5)).batches[0]
    other = found([window()] * 5, idle(*[9.8] * 5), idle(*[10.2] * 5)).batches[0]
    assert same.net is not None
    assert other.net is not None
    assert other.net.value_j == pytest.approx(same.net.value_j)
    assert other.net.u_j > same.net.u_j


def test_what_a_reader_should_know() -> None:
    warnings = found([window(other_cpu_ratio=1.5, too_hot=True), *[window(too_hot=False)] * 4]).warnings
    assert warnings == (
        "other processes used up to 1.5 cores: latencies are longer for it, and these counters see them too",
        "heat slowed the machine in 1 of 5 windows",
    )


@given(first=st.floats(-1e3, 1e3), step=st.floats(-1e2, 1e2), count=st.integers(3, 30))
def test_a_straight_line_is_its_own_trend(first: float, step: float, count: int) -> None:
    change, error = trend([first + step * number for number in range(count)])
    assert change == pytest.approx(step * (count - 1), abs=1e-6)
    assert error == pytest.approx(0.0, abs=1e-6)


def test_a_plan_asks_for_enough_and_mixes_the_order() -> None:
    plan = Plan(batch_sizes=(1, 8, 32), windows=6, seed=3)
    order = plan.order()
    assert order == plan.order()
    rounds = [order[at : at + 3] for at in range(0, len(order), 3)]
    assert all(sorted(one) == [1, 8, 32] for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1
    assert plan.total_s == pytest.approx(3.0 + 2 * 11.0 + 18 * 6.0)
    for wrong in ({"windows": 3}, {"batch_sizes": ()}, {"batch_sizes": (1, 1)}, {"batch_sizes": (0, 1)}):
        with pytest.raises(ValueError, match=r"windows at least|distinct whole numbers"):
            Plan(**wrong)
    assert IDLE_PARTS >= 4
