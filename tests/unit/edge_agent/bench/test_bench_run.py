"""The sequence of a bench in simulated time, where the truth is known to the last digit."""

import math
from dataclasses import replace
from itertools import pairwise
from statistics import median

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.bench.plan import make_plan, smoke_rejection
from edge_agent.bench.record import conclude, is_valid
from edge_agent.bench.run import BenchStoppedError
from edge_agent.checking import Quality
from edge_agent.config import BenchSection
from edge_agent.device.cpu import CpuRatios
from edge_agent.device.observer import ObservedState
from edge_agent.model_catalog import ModelFacts
from edge_agent.wire import codec
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import BenchRecord
from firmware_bridge.registry import get_driver
from tests.fakes.simulated_bench import BUSY_W, IDLE_W, LATENCY_S, SHEET, T0_S, Trial, World, context

GROSS_J = BUSY_W * LATENCY_S
NET_J = (BUSY_W - IDLE_W) * LATENCY_S


def test_gross_and_net_are_the_truth() -> None:
    record = Trial().record()
    assert record.gross is not None
    assert record.net is not None
    assert record.gross.value_j == pytest.approx(GROSS_J, rel=1e-6)
    assert record.net.value_j == pytest.approx(NET_J, rel=1e-6)
    assert record.rejections == ()
    assert is_valid(record)
    assert codec.decode(codec.encode(record), BenchRecord) == record


def test_windows_are_back_to_back_end_with_an_inference_and_count_each_once() -> None:
    measured = Trial().measure()
    windows = measured.windows
    assert len(windows) == 5
    assert all(before.t_end_s == after.t_start_s for before, after in pairwise(windows))
    for window in windows:
        assert 10.0 <= window.t_end_s - window.t_start_s <= 10.0 + 2.0 * LATENCY_S
        assert window.inference_count == round((window.t_end_s - window.t_start_s) / LATENCY_S)
        assert window.latencies.quantile_s(0.5) == pytest.approx(LATENCY_S, rel=0.006)
    assert measured.latencies.count == sum(window.inference_count for window in windows)


@settings(max_examples=12, deadline=None)
@given(offset_ratio=st.floats(-1.0, 1.0), residual_s=st.floats(0.001, 0.5))
def test_a_clock_that_is_off_within_its_residual_changes_nothing(offset_ratio: float, residual_s: float) -> None:
    trial = Trial(world=World(latency_s=0.02))
    trial.meter.sync_residual_s = residual_s
    trial.meter.offset_s = offset_ratio * residual_s
    record = trial.record()
    assert record.gross is not None
    assert record.net is not None
    assert record.gross.value_j == pytest.approx(BUSY_W * 0.02, rel=1e-6)
    assert record.net.value_j == pytest.approx((BUSY_W - IDLE_W) * 0.02, rel=1e-6)
    assert record.sync_residual_s == residual_s


def test_idle_lasts_beyond_both_ends_of_a_baseline() -> None:
    trial = Trial()
    measured = trial.measure()
    for baseline in (measured.before, measured.after):
        assert baseline is not None
        assert len(baseline.powers_w) == 5
        assert baseline.powers_w == pytest.approx([IDLE_W] * 5)
        assert baseline.duration_s == pytest.approx(10.0)


def test_without_a_baseline_there_is_no_net_figure_but_a_word() -> None:
    record = Trial(section=BenchSection(baseline_s=0.0)).record()
    assert record.gross is not None
    assert record.net is None
    assert record.baseline_before is None
    assert any("no baseline" in warning for warning in record.warnings)
    assert is_valid(record)


def test_a_meter_that_is_lost_ends_the_bench_with_a_record_and_the_reason() -> None:
    trial = Trial()
    trial.meter.lost_from_s = trial.world.now_s + 40.0
    record = trial.record()
    assert trial.world.now_s < 1000.0 + 40.0 + 8.0
    assert record.gross is None
    assert len(record.rejections) == 1
    assert "the meter was lost in phase 'window 3'" in record.rejections[0]
    assert "the port is gone" in record.rejections[0]
    assert len(record.windows) in {1, 2}
    assert not is_valid(record)
    assert codec.decode(codec.encode(record), BenchRecord) == record


def test_a_meter_that_is_lost_in_the_last_baseline_is_not_taken_for_a_result() -> None:
    trial = Trial()
    trial.meter.lost_from_s = trial.world.now_s + 75.0
    record = trial.record()
    assert record.gross is None
    assert "baseline after" in record.rejections[0]


def test_a_gap_of_more_than_a_thousandth_is_rejected_and_declared() -> None:
    trial = Trial()
    trial.meter.gap_s = (1030.0, 1030.1)
    record = trial.record()
    assert any("missed 1 %" in reason for reason in record.rejections)
    assert max(window.gap_s for window in record.windows) == pytest.approx(0.1)
    assert record.gross is not None
    assert record.gross.value_j == pytest.approx(GROSS_J, rel=1e-4)


def test_a_reconnection_during_the_bench_is_rejected_and_one_before_it_is_not() -> None:
    trial = Trial()
    trial.meter.reconnects = 3
    assert is_valid(trial.record())
    again = Trial()
    again.meter.reconnects_at_s = again.world.now_s + 30.0
    assert any("the meter was lost 1 times" in reason for reason in again.record().rejections)


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (ObservedState(throttled=True), "throttled"),
        (ObservedState(throttled=False, cpu=CpuRatios(1.0, 0.0, 0.4)), "other processes used 0.40 cores"),
    ],
)
def test_the_state_of_the_device_rejects(state: ObservedState, word: str) -> None:
    record = Trial(device=state).record()
    assert any(word in reason for reason in record.rejections)
    assert record.gross is not None, "the figure is shown all the same"


def test_accuracy_is_that_of_the_check_set_and_the_state_is_reset_once() -> None:
    trial = Trial()
    record = trial.record()
    assert record.accuracy_ratio == 0.75
    assert record.accuracy_count == 4
    assert trial.runner.resets == 1


def test_an_accuracy_far_below_the_stated_one_is_a_warning() -> None:
    trial = Trial()
    measured = trial.measure()
    for stated_ratio, warned in ((0.99, True), (0.8, False), (None, False)):
        facts = replace(context(), model=ModelFacts(accuracy_ratio=stated_ratio))
        record = conclude(measured, trial.plan(), facts)
        assert any("right for 75.0% of its check set, and 99.0%" in one for one in record.warnings) == warned


def test_anomalies_give_the_record_an_auc_and_no_accuracy() -> None:
    trial = Trial(labels=None)
    measured = trial.measure()
    measured.quality = Quality(roc_auc=0.87, count=4)
    record = conclude(measured, trial.plan(), context())
    assert (record.accuracy_ratio, record.roc_auc, record.accuracy_count) == (None, 0.87, 4)


def test_without_labels_there_is_no_accuracy() -> None:
    assert Trial(labels=None).record().accuracy_ratio is None


def test_load_and_first_inference_are_apart_and_cover_the_truth() -> None:
    record = Trial().record()
    pairs = (
        (record.load_energy_j, record.load_energy_u_j, 0.4 * BUSY_W),
        (record.first_invoke_energy_j, record.first_invoke_energy_u_j, 0.1 * BUSY_W),
    )
    for energy_j, u_j, truth_j in pairs:
        assert energy_j is not None
        assert u_j is not None
        assert abs(energy_j - truth_j) <= 2.0 * u_j
        assert u_j < truth_j


def test_a_load_of_even_power_has_the_meters_own_errors_in_its_start_too() -> None:
    record = Trial(World(idle_w=BUSY_W)).record()
    assert record.baseline_before is not None
    assert record.baseline_before.power_w is not None
    meter_ratio = record.baseline_before.power_u_w / record.baseline_before.power_w
    for energy_j, u_j in (
        (record.load_energy_j, record.load_energy_u_j),
        (record.first_invoke_energy_j, record.first_invoke_energy_u_j),
    ):
        assert energy_j is not None
        assert u_j == pytest.approx(meter_ratio * energy_j, rel=0.05)


def test_stopping_ends_it_without_a_record() -> None:
    trial = Trial()
    trial.stop.request()
    with pytest.raises(BenchStoppedError):
        trial.measure()


def test_progress_goes_on_and_ends_at_the_end() -> None:
    trial = Trial()
    trial.measure()
    done_s = [stand.done_s for stand in trial.shown if stand.phase not in {"load", "alignment"}]
    assert done_s == sorted(done_s)
    assert trial.shown[-1].phase == "baseline after"
    assert trial.shown[-1].left_s < 1.0
    assert len({stand.total_s for stand in trial.shown}) == 1


def test_a_smoke_run_is_marked() -> None:
    section = BenchSection(windows=5, window_s=10.0)
    record = Trial(section=section, smoke=True).record()
    assert record.rejections == (smoke_rejection(section),)
    assert not is_valid(record)


def test_the_step_between_idle_and_load_is_not_in_the_windows_uncertainty() -> None:
    record = Trial().record()
    assert record.gross is not None
    assert not [line for line in record.gross.budget if line.name == "alignment of the clocks"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"windows": 4}, "4 windows are too few: 5"),
        ({"window_s": 9.9}, "9.9 s are too short: 10 s"),
        ({"windows": 201}, "201 windows are too many"),
    ],
)
def test_too_little_is_refused_with_the_remedy(changes: dict[str, float], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        make_plan(msgspec.structs.replace(BenchSection(), **changes), SHEET)


def test_a_smoke_run_may_be_short_but_has_a_spread() -> None:
    make_plan(BenchSection(windows=4, window_s=0.5), SHEET, smoke=True)
    with pytest.raises(ConfigurationError, match=r"4 are the least$"):
        make_plan(BenchSection(windows=3), SHEET, smoke=True)


def test_a_slow_meter_gets_a_longer_guard() -> None:
    section = BenchSection()
    assert make_plan(section, SHEET).guard_s == 0.2
    slow = get_driver("sdm120").data_sheet
    assert make_plan(section, slow).guard_s >= 2.0 * slow.sample_interval_s


def test_a_reader_finds_the_result_from_the_record_whatever_the_meters_clock_did() -> None:
    trial = Trial()
    trial.meter.clock_ratio = 1e-3
    trial.meter.gap_s = (T0_S + 40.0, T0_S + 40.005)
    record = trial.record()
    assert is_valid(record)
    assert record.gross is not None
    assert record.net is not None
    assert record.baseline_before is not None
    assert record.baseline_after is not None
    idle_w = (record.baseline_before.power_w + record.baseline_after.power_w) / 2.0
    each = [
        (one.energy_j / (one.duration_s - one.gap_s), one.duration_s / one.inference_count) for one in record.windows
    ]
    assert median(power_w * t_s for power_w, t_s in each) == pytest.approx(record.gross.value_j, rel=1e-12)
    assert median((power_w - idle_w) * t_s for power_w, t_s in each) == pytest.approx(record.net.value_j, rel=1e-12)
    assert record.gross.value_j == pytest.approx(BUSY_W * LATENCY_S, rel=1e-4)
    for result in (record.gross, record.net):
        parts_j = [abs(line.sensitivity) * line.u for line in result.budget]
        assert parts_j == pytest.approx([line.contribution_j for line in result.budget])
        assert result.expanded_u_j == pytest.approx(2.0 * math.hypot(*parts_j))
        assert result.low_j < result.value_j < result.high_j
