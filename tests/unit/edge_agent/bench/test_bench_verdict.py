"""Each reason to reject, alone: what is just within its limit passes, what is just beyond it does not."""

from dataclasses import replace

import pytest

from edge_agent.bench.evaluate import evaluate
from edge_agent.bench.values import BaselineEnergy, MeterState, WindowEnergy
from edge_agent.bench.verdict import Observed, Verdict, judge, lost_ratio
from edge_agent.config import BenchSection
from firmware_bridge.registry import get_driver
from firmware_bridge.samples import EnergyDelta

FINE = Observed(throttled=False, other_cpu_ratio=0.0, meter_reconnects=0, clock_steps=0)
STEADY_W = (4.00, 4.01, 3.99, 4.01, 3.99)
METER = MeterState(get_driver("powersensor3").data_sheet, None, 5.0, "arrival_fit", 0.001)


def delta(power_w: float, seconds: float = 10.0) -> EnergyDelta:
    return EnergyDelta(
        duration_s=seconds,
        energy_j=power_w * seconds,
        energy_u_systematic_j=0.01,
        covered_s=seconds,
        gap_s=0.0,
        sample_count=10_000.0,
        lost_count=0.0,
        mean_power_w=power_w,
        power_sd_w=0.1,
    )


def windows(powers_w: tuple[float, ...] = STEADY_W) -> list[WindowEnergy]:
    return [WindowEnergy(one, one, one, 10.0, 5000) for one in map(delta, powers_w)]


def idle(power_w: float = 2.5) -> BaselineEnergy:
    return BaselineEnergy((delta(power_w, 2.0),) * 5)


def verdict(
    given: list[WindowEnergy] | None = None,
    before: BaselineEnergy | None = None,
    after: BaselineEnergy | None = None,
    observed: Observed = FINE,
) -> Verdict:
    seen = given or windows()
    before, after = before or idle(), after or idle()
    return judge(seen, (before, after), evaluate(seen, before, after, METER), observed, BenchSection())


def only(found: Verdict) -> str:
    assert len(found.rejections) == 1, found.rejections
    return found.rejections[0]


def test_a_good_bench_has_nothing_against_it() -> None:
    assert verdict() == Verdict((), ())


@pytest.mark.parametrize(
    ("observed", "word"),
    [
        (replace(FINE, throttled=True), "throttled"),
        (replace(FINE, other_cpu_ratio=0.11), "other processes used 0.11 cores, more than 0.1"),
        (replace(FINE, meter_reconnects=2), "the meter was lost 2 times"),
        (replace(FINE, clock_steps=1), "clock stepped 1 times"),
    ],
)
def test_what_was_observed(observed: Observed, word: str) -> None:
    assert word in only(verdict(observed=observed))


def test_other_processes_within_the_limit_pass() -> None:
    assert verdict(observed=replace(FINE, other_cpu_ratio=0.1)).rejections == ()


@pytest.mark.parametrize(("lost", "rejected"), [(10.0, False), (11.0, True)])
def test_a_thousandth_of_the_samples(lost: float, rejected: bool) -> None:  # noqa: FBT001 a case
    given = windows()
    damaged = replace(given[2].delta, lost_count=lost, sample_count=10_000.0 - lost)
    given[2] = replace(given[2], delta=damaged)
    assert lost_ratio(given[2]) == pytest.approx(lost / 10_000.0)
    found = verdict(given)
    assert bool(found.rejections) is rejected
    assert not rejected or "missed 0.11 % of a window, more than 0.1 %" in only(found)


def test_time_without_samples_counts_as_loss_too() -> None:
    one = windows()[0]
    assert lost_ratio(replace(one, delta=replace(one.delta, gap_s=0.5))) == 0.05
    assert lost_ratio(replace(one, delta=replace(one.delta, sample_count=0.0))) == 1.0


def test_windows_that_differ() -> None:
    found = verdict(windows((4.0, 4.2, 3.8, 4.2, 3.8)))
    assert "the windows differ by 5 % (standard deviation), more than 2 %" in only(found)


def test_windows_that_drift_one_way() -> None:
    found = verdict(windows((4.00, 4.03, 4.06, 4.09, 4.12)))
    assert "drift by 2.22 % one way: warm up longer" in only(found)
    assert verdict(windows((4.000, 4.001, 4.002, 4.003, 4.004))).rejections == (), "too small to matter"
    assert verdict(windows((4.00, 4.06, 4.03, 4.09, 4.12))).rejections == (), "not one way"


@pytest.mark.parametrize(("after_w", "rejected"), [(2.62, False), (2.64, True), (2.37, True)])
def test_a_baseline_that_moved(after_w: float, rejected: bool) -> None:  # noqa: FBT001 a case
    found = verdict(after=idle(after_w))
    assert bool(found.rejections) is rejected
    assert not rejected or "the baseline moved by" in only(found)


def test_a_baseline_with_a_gap() -> None:
    part = replace(delta(2.5, 2.0), gap_s=0.1)
    found = verdict(before=BaselineEnergy((part, *idle().parts[1:])))
    assert "missed 1 % of the baseline before" in only(found)


@pytest.mark.parametrize(
    ("idle_w", "word"), [(4.5, "net energy is negative"), (3.999, "net energy is less than its own U")]
)
def test_a_net_figure_that_says_little_is_a_warning(idle_w: float, word: str) -> None:
    found = verdict(before=idle(idle_w), after=idle(idle_w))
    assert found.rejections == ()
    assert any(word in warning for warning in found.warnings)


def test_what_is_not_known_is_said() -> None:
    found = verdict(observed=replace(FINE, throttled=None, other_cpu_ratio=None))
    assert found.rejections == ()
    assert len(found.warnings) == 2


@pytest.mark.parametrize(("sign", "rejected"), [(1.0, False), (0.0, True), (-1.0, True)])
def test_a_device_that_seems_to_deliver_energy_is_no_result(*, sign: float, rejected: bool) -> None:
    found = verdict(windows(tuple(sign * power_w for power_w in STEADY_W)), idle(-5.0), idle(-5.0))
    assert any("gross energy is not above zero" in reason for reason in found.rejections) is rejected
