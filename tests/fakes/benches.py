"""Builders of benches for everyone's tests: no clock, no randomness."""

from typing import Any, Final

import msgspec

from collector.values import StoredBench
from edge_agent.wire.records import BenchBaseline, BenchRecord, BenchWindow, BudgetLine, Measurand
from tests.fakes.windows import BOOT_ID, FLEET, MODEL_ID, MODEL_SHA256, PI4, RUNTIME, T0_UNIX_NS

BENCH_ID: Final = "bench-0001"
WINDOW: Final = BenchWindow(
    duration_s=10.0,
    energy_j=41.0,
    energy_u_j=0.2,
    inference_count=4100,
    gap_s=0.0,
    sample_count=100.0,
    lost_count=0.0,
    latency_p50_s=0.00021,
    latency_p95_s=0.00034,
    latency_max_s=0.0019,
)
LINE: Final = BudgetLine(
    name="meter gain",
    evaluation="B",
    distribution="rectangular",
    unit="1",
    u=0.003,
    sensitivity=0.01,
    contribution_j=3e-5,
    shared_by="meter_type",
)


def make_measurand(value_j: float = 0.01, u_j: float = 3e-5, lines: int = 1) -> Measurand:
    return Measurand(
        value_j=value_j,
        u_j=u_j,
        expanded_u_j=2 * u_j,
        coverage_factor=2.0,
        low_j=value_j - 2 * u_j,
        high_j=value_j + 2 * u_j,
        budget=(LINE,) * lines,
    )


def make_bench(bench_id: str = BENCH_ID, **changes: Any) -> BenchRecord:
    """Return a valid bench of five windows; ``changes`` replace any field."""
    bench = BenchRecord(
        device_id=PI4.device_id,
        boot_id=BOOT_ID,
        bench_id=bench_id,
        t_start_unix_ns=T0_UNIX_NS,
        clock_state="synchronised",
        agent_version="0.2.0",
        device_class=PI4.device_class,
        python_version="3.11.2",
        platform="Linux-6.1-aarch64",
        model_id=MODEL_ID,
        model_sha256=MODEL_SHA256,
        runtime=RUNTIME,
        load_s=0.004,
        first_invoke_s=0.012,
        meter_id=PI4.meter_id,
        meter_driver=PI4.meter_driver,
        meter_rate_hz=10.0,
        systematic_id=PI4.meter_driver,
        boundary=PI4.boundary,
        simulated=True,
        sync_method="arrival_fit",
        sync_residual_s=0.004,
        windows=(WINDOW,) * 5,
        warm_up_s=10.0,
        warm_up_count=4000,
        baseline_before=BenchBaseline(power_w=2.9, power_u_w=0.02, duration_s=10.0),
        baseline_after=BenchBaseline(power_w=2.9, power_u_w=0.02, duration_s=10.0),
        gross=make_measurand(),
        net=make_measurand(0.003, 4e-5),
        latency_p50_s=0.00021,
        latency_p95_s=0.00034,
        latency_max_s=0.0019,
        accuracy_ratio=0.975,
        accuracy_count=360,
        governor="performance",
    )
    return msgspec.structs.replace(bench, **changes) if changes else bench


def make_stored_bench(row_id: int = 1, *, fleet: str = FLEET, **changes: Any) -> StoredBench:
    """Return a journal row of a bench, ``bench-<row id>`` unless ``changes`` say otherwise."""
    bench = make_bench(**({"bench_id": f"bench-{row_id:04d}"} | changes))
    return StoredBench(row_id, fleet, bench.device_id, bench.t_start_unix_ns + 90_000_000_000, bench)
