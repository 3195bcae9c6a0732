import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.bench.power_trace import MAX_BINS, PowerTrace
from firmware_bridge.samples import F64, SampleBlock


def block(t_s: F64, power_w: F64, volts: float = 5.0) -> SampleBlock:
    return SampleBlock(t_s, np.full(len(t_s), volts), power_w / volts, power_w)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=20), st.floats(1e-4, 2.0), st.integers(0, 9))
def test_any_chunking_and_any_length_keeps_every_sample(sizes: list[int], step_s: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    trace, t_end_s, kept = PowerTrace(bin_s=1e-3), 100.0, []
    for size in sizes:
        t_s = np.linspace(t_end_s + step_s, t_end_s + size * step_s, size)
        power_w = rng.uniform(1.0, 3.0, size)
        trace.take(block(t_s, power_w))
        kept.append(power_w)
        t_end_s = float(t_s[-1])
    middles_s, means_w = trace.power()
    everything = np.concatenate(kept)
    assert len(middles_s) <= MAX_BINS
    assert means_w.min() >= everything.min() - 1e-9
    assert means_w.max() <= everything.max() + 1e-9
    assert middles_s[-1] == pytest.approx(t_end_s, abs=trace.bin_s)
    assert trace.voltage_v(0.0, t_end_s + 2.0 * trace.bin_s) == pytest.approx(5.0)


def test_a_long_bench_has_longer_bins_and_the_same_mean() -> None:
    trace = PowerTrace(bin_s=0.02)
    t_s = np.linspace(0.01, 400.0, 40_000)
    power_w = np.where(t_s < 200.0, 2.0, 4.0)
    for part in range(0, 40_000, 500):
        trace.take(block(t_s[part : part + 500], power_w[part : part + 500]))
    middles_s, means_w = trace.power()
    assert trace.bin_s == 0.08
    assert means_w[middles_s < 199.9] == pytest.approx(2.0)
    assert means_w[middles_s > 200.1] == pytest.approx(4.0)


def test_voltage_is_that_of_the_time_asked_for() -> None:
    trace = PowerTrace()
    t_s = np.linspace(0.01, 1.0, 100)
    trace.take(block(t_s, np.ones(100), volts=5.0))
    trace.take(block(t_s + 1.0, np.ones(100), volts=4.0))
    assert trace.voltage_v(0.1, 0.9) == pytest.approx(5.0)
    assert trace.voltage_v(1.1, 1.9) == pytest.approx(4.0)
    assert trace.voltage_v(5.0, 6.0) is None
    assert PowerTrace().voltage_v(0.0, 1.0) is None
