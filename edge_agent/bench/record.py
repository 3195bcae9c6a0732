"""From what was measured to the record: figures, budget, verdict. Pure."""

import math
from dataclasses import dataclass
from typing import Final

from edge_agent.bench.evaluate import Results, evaluate, rounding_u_w
from edge_agent.bench.measured import Measured, MeasuredWindow
from edge_agent.bench.plan import Plan, smoke_rejection
from edge_agent.bench.values import BaselineEnergy, MeterState, WindowEnergy
from edge_agent.bench.verdict import Observed, Verdict, judge
from edge_agent.checking import is_much_worse
from edge_agent.model_catalog import NOTHING_KNOWN, ModelFacts
from edge_agent.uncertainty.energy import PooledSpread, energy_budget
from edge_agent.uncertainty.type_a import MIN_VALUES, mean_u
from edge_agent.window import Identity
from edge_agent.wire.records import BenchBaseline, BenchRecord, BenchWindow, ClockState
from firmware_bridge.calibration import Calibration
from firmware_bridge.driver import DataSheet
from firmware_bridge.samples import EnergyDelta

_SQRT_3: Final = math.sqrt(3.0)
STEADY_BUSY_RATIO: Final = 0.5
"""Load runs on beyond the edges, so the step at an edge is the load's own noise, whatever its two levels' shares."""


@dataclass(frozen=True, slots=True)
class Context:
    """Who measured, with what, and when: what the figures themselves do not tell.

    ``t_first_unix_ns``: of the first window's begin, on the device's UTC clock. ``voltage_v``: mean during windows.
    """

    identity: Identity
    device_id: str
    device_class: str
    boot_id: str
    bench_id: str
    clock_state: ClockState
    agent_version: str
    python_version: str
    platform: str
    sheet: DataSheet
    calibration: Calibration | None
    systematic_id: str
    voltage_v: float
    t_first_unix_ns: int
    model: ModelFacts = NOTHING_KNOWN


@dataclass(frozen=True, slots=True)
class _Energy:
    """Joules of one event, and their standard uncertainty."""

    energy_j: float
    u_j: float


def conclude(measured: Measured, plan: Plan, context: Context) -> BenchRecord:
    """Return the record. One that ended early or that no sample covers has no result, but says why."""
    model = measured.model
    windows = _windows(measured)
    results, verdict = _judged(measured, windows, plan, context)
    gross = None if results is None else results.gross
    load, first = _start_energies(measured, context)
    seen, identity = measured.latencies, context.identity
    return BenchRecord(
        device_id=context.device_id,
        boot_id=context.boot_id,
        bench_id=context.bench_id,
        t_start_unix_ns=context.t_first_unix_ns,
        clock_state=context.clock_state,
        agent_version=context.agent_version,
        device_class=context.device_class,
        python_version=context.python_version,
        platform=context.platform,
        model_id=identity.model_id,
        model_sha256=identity.model_sha256,
        runtime=identity.runtime,
        load_s=0.0 if model is None else model.runner.load_s,
        first_invoke_s=0.0 if model is None else model.runner.first_invoke_s,
        stateful=model is not None and model.runner.stateful,
        meter_id=identity.meter_id,
        meter_driver=identity.meter_driver,
        meter_rate_hz=1.0 / max(context.sheet.sample_interval_s, context.sheet.refresh_interval_s or 0.0),
        systematic_id=context.systematic_id,
        calibration=_certificate(context.calibration),
        boundary=identity.boundary,
        simulated=identity.simulated,
        sync_method=measured.sync.method,
        sync_residual_s=measured.sync.residual_s,
        windows=_window_records(measured, context),
        warm_up_s=measured.warm_up_s,
        warm_up_count=measured.warm_up_count,
        baseline_before=_baseline_record(measured.before),
        baseline_after=_baseline_record(measured.after),
        gross=gross,
        net=None if results is None else results.net,
        latency_p50_s=seen.quantile_s(0.50),
        latency_p95_s=seen.quantile_s(0.95),
        latency_max_s=seen.max_s if seen.count else None,
        load_energy_j=None if load is None else load.energy_j,
        load_energy_u_j=None if load is None else load.u_j,
        first_invoke_energy_j=None if first is None else first.energy_j,
        first_invoke_energy_u_j=None if first is None else first.u_j,
        accuracy_ratio=measured.quality.accuracy_ratio,
        accuracy_count=measured.quality.count,
        roc_auc=measured.quality.roc_auc,
        governor=measured.windows[-1].state.governor if measured.windows else None,
        rejections=verdict.rejections,
        warnings=verdict.warnings,
        model_macs=context.model.macs,
        model_parameters=context.model.parameters,
        model_bytes=context.model.size_bytes,
        model_accuracy_ratio=context.model.accuracy_ratio,
    )


def _windows(measured: Measured) -> list[WindowEnergy]:
    """Return the windows of which the meter saw anything."""
    return [one for one in measured.energies if one is not None and one.delta.mean_power_w is not None]


def _judged(
    measured: Measured, windows: list[WindowEnergy], plan: Plan, context: Context
) -> tuple[Results | None, Verdict]:
    section = plan.section
    rejections = [measured.ended] if measured.ended else []
    if plan.smoke:
        rejections.append(smoke_rejection(section))
    if measured.ended or len(windows) < section.windows or len(windows) < MIN_VALUES:
        if not measured.ended:
            rejections.append(_unseen(measured))
        return None, Verdict(tuple(rejections), ())
    state = MeterState(
        context.sheet,
        context.calibration,
        context.voltage_v,
        measured.sync.method,
        measured.sync.residual_s,
        measured.shift_s or None,
    )
    results = evaluate(windows, _usable(measured.before), _usable(measured.after), state)
    verdict = judge(windows, (measured.before, measured.after), results, _observed(measured), section)
    return results, Verdict((*rejections, *verdict.rejections), (*verdict.warnings, *_warnings(measured, context)))


def _unseen(measured: Measured) -> str:
    """Return the reason of a bench with windows of which the meter has no sample."""
    missing = [
        str(number) for number, one in enumerate(measured.energies, 1) if one is None or one.delta.mean_power_w is None
    ]
    lost = f" (it was lost {measured.meter_reconnects} times)" if measured.meter_reconnects else ""
    return f"the meter did not see window {', '.join(missing)}{lost}: check its cable and port, and bench again"


def _usable(baseline: BaselineEnergy | None) -> BaselineEnergy | None:
    """Return a baseline whose noise is known; the verdict says why another one is not used."""
    return baseline if baseline is not None and len(baseline.powers_w) >= MIN_VALUES else None


def _observed(measured: Measured) -> Observed:
    throttled = [one.state.throttled for one in measured.windows if one.state.throttled is not None]
    others = [one.state.cpu.other for one in measured.windows if one.state.cpu.other is not None]
    return Observed(
        throttled=any(throttled) if throttled else None,
        other_cpu_ratio=max(others, default=None),
        meter_reconnects=measured.meter_reconnects,
        clock_steps=measured.clock_steps,
    )


def _warnings(measured: Measured, context: Context) -> list[str]:
    found = []
    model, stated_ratio = measured.model, context.model.accuracy_ratio
    if is_much_worse(measured.quality, stated_ratio):
        found.append(
            f"the model is right for {measured.quality.accuracy_ratio:.1%} of its check set, and {stated_ratio:.1%} "
            "are stated: this engine or delegate gets it wrong, choose another one"
        )
    if model is not None and not model.is_check_set:
        found.append("the inputs are random numbers: there is no score, and energy may depend on the input")
    return found


def _window_records(measured: Measured, context: Context) -> tuple[BenchWindow, ...]:
    spread = PooledSpread()
    pairs = zip(measured.windows, measured.energies, strict=True)
    return tuple(
        _window_record(window, energy, spread, measured.sync.residual_s, context.sheet)
        for window, energy in pairs
        if energy is not None
    )


def _window_record(
    window: MeasuredWindow, energy: WindowEnergy, spread: PooledSpread, residual_s: float, sheet: DataSheet
) -> BenchWindow:
    """Return one window. Joules are those of the host's seconds, so that a reader finds the result from them."""
    delta, state, seen = energy.delta, window.state, window.latencies
    gap_s = min(max(0.0, delta.gap_s), energy.duration_s)
    pooled_sd_w = spread.add(delta)
    budget = energy_budget(
        delta,
        sheet,
        sync_residual_s=residual_s,
        busy_ratio=STEADY_BUSY_RATIO,
        pooled_sd_w=pooled_sd_w,
        pooled_count=spread.sample_count,
    )
    return BenchWindow(
        duration_s=energy.duration_s,
        energy_j=(delta.mean_power_w or 0.0) * (energy.duration_s - gap_s),
        energy_u_j=budget.combined_j,
        inference_count=energy.inference_count,
        gap_s=gap_s,
        sample_count=delta.sample_count,
        lost_count=max(0.0, delta.lost_count),
        latency_p50_s=seen.quantile_s(0.50) or 0.0,
        latency_p95_s=seen.quantile_s(0.95) or 0.0,
        latency_max_s=seen.max_s,
        soc_temp_start_c=window.temp_start_c,
        soc_temp_end_c=state.soc_temp_c,
        freq_min_mhz=state.freq_min_mhz,
        freq_mean_mhz=state.freq_mhz,
        freq_max_mhz=state.freq_max_mhz,
        throttled=state.throttled,
        agent_cpu_ratio=state.cpu.agent,
        other_cpu_ratio=state.cpu.other,
    )


def _baseline_record(baseline: BaselineEnergy | None) -> BenchBaseline | None:
    """Return mean power with its noise and the meter's own uncertainty; None without four parts that were seen."""
    usable = _usable(baseline)
    power_w = None if usable is None else usable.power_w
    if usable is None or power_w is None:
        return None
    seen = [part for part in usable.parts if part.covered_s > 0.0]
    systematic_w = sum(part.energy_u_systematic_j for part in seen) / sum(part.covered_s for part in seen)
    return BenchBaseline(
        power_w=power_w,
        power_u_w=math.hypot(mean_u(usable.powers_w), systematic_w, rounding_u_w(seen)),
        duration_s=usable.duration_s,
        gap_s=usable.gap_s,
    )


def _start_energies(measured: Measured, context: Context) -> tuple[_Energy | None, _Energy | None]:
    """Return the energy of loading and of the first inference, each with u; None where the meter saw nothing.

    Both are over in milliseconds, within one sample of most meters. So the mean power of the whole start (engine,
    load, first inference) is measured and taken for either; that it may have been another in so short a part is a
    limit of one step between idle and load. Edges and sampling do no more than that either, and the meter's own
    errors come on top.
    """
    delta, model = measured.load, measured.model
    if delta is None or model is None or delta.mean_power_w is None:
        return None, None
    step_w = _step_w(measured, delta)
    budget = energy_budget(
        delta,
        context.sheet,
        sync_residual_s=measured.sync.residual_s,
        busy_ratio=STEADY_BUSY_RATIO,
        neighbour_step_w=step_w,
    )
    meter_w = math.hypot(budget.common_j, budget.resolution_j) / delta.covered_s
    timing_w = min(math.hypot(budget.sampling_j, budget.edge_j) / delta.covered_s, step_w + delta.power_sd_w)
    u_w = math.hypot(meter_w, timing_w, step_w / _SQRT_3)
    load, first = (_Energy(delta.mean_power_w * seconds, u_w * seconds) for seconds in _start_seconds(measured))
    return load, first


def _start_seconds(measured: Measured) -> tuple[float, float]:
    runner = measured.model.runner if measured.model is not None else None
    return (0.0, 0.0) if runner is None else (runner.load_s, runner.first_invoke_s)


def _step_w(measured: Measured, start: EnergyDelta) -> float:
    """Return the step of power between idle and load, as far as it is known."""
    known = [one.delta.mean_power_w for one in measured.energies if one is not None]
    known += [baseline.power_w for baseline in (measured.before, measured.after) if baseline is not None]
    powers_w = [power_w for power_w in (*known, start.mean_power_w) if power_w is not None]
    return max(powers_w) - min(powers_w)


def _certificate(calibration: Calibration | None) -> str:
    return "" if calibration is None else f"{calibration.certificate}, {calibration.date}".strip(", ")


def is_valid(record: BenchRecord) -> bool:
    """Return whether the record's figures may be used."""
    return record.gross is not None and not record.rejections
