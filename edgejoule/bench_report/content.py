"""From the record of a bench to its report: every figure with its uncertainty, its unit and where it comes from."""

import math
from datetime import UTC, datetime
from typing import Final

from collector.numbers import NBSP, UNKNOWN, percent, prefix_of, si, si_u, significant, span
from edge_agent.wire.records import BenchBaseline, BenchRecord, BenchWindow, BudgetLine, Measurand
from edgejoule.bench_report.values import Grid, Report, Section

SHARED: Final = {
    "window": "no: by window",
    "run": "this run",
    "meter": "this meter",
    "meter_type": "all of its type",
}
BOUNDARIES: Final = {
    "ac_wall": "AC at the wall, power supply included",
    "usb_dc": "USB DC input, behind the power supply",
    "dc_input": "DC input, behind the power supply",
    "rail": "one rail of the board",
}
_MANY: Final = 1000.0
_WINDOW_HEADINGS: Final = (
    "window",
    "time",
    "energy",
    "inferences",
    "J/inf.",
    "p50",
    "p95",
    "max",
    "gap",
    "lost",
    "SoC",
    "clock",
    "throttled",
    "CPU agent",
    "others",
)
_BUDGET_HEADINGS: Final = (
    "input",
    "type",
    "distribution",
    "u",
    "sensitivity",
    "contribution",
    "share",
    "dof",
    "common to",
    "basis",
)


def report_of(record: BenchRecord) -> Report:
    """Return the report."""
    badges = ("SIMULATED METER",) if record.simulated else ()
    if record.rejections:
        badges = ("REJECTED", *badges)
    return Report(
        title=f"Bench of {record.model_id} on {record.device_id}",
        badges=badges,
        headline=headline(record),
        reasons=record.rejections,
        warnings=record.warnings,
        sections=(
            _measurement(record),
            _software(record),
            Section("Windows", (_window_note(record),), (_windows(record),)),
            _baselines(record),
            *(
                section
                for section in (_budget("gross", record.gross), _budget("net", record.net))
                if section is not None
            ),
            _before_windows(record),
        ),
    )


def headline(record: BenchRecord) -> tuple[str, ...]:
    """Return the result in a line for each figure."""
    if record.gross is None:
        return ("J/inference: no result",)
    lines = [_result("gross", record.gross)]
    lines.append("net    J/inference: not known" if record.net is None else _result("net", record.net))
    return tuple(lines)


def _result(kind: str, result: Measurand) -> str:
    value = si_u(result.value_j, result.expanded_u_j, "J")
    text = f"{kind:<6} J/inference = {value} (k = {result.coverage_factor:g})"
    if result.expanded_u_j <= 0.0:
        return text
    scale, letter = prefix_of(max(abs(result.value_j), result.expanded_u_j))
    places = max(0, 1 - math.floor(math.log10(result.expanded_u_j / scale)))
    low, high = (f"{bound_j / scale:.{places}f}" for bound_j in (result.low_j, result.high_j))
    return f"{text}, 95 % interval {low} to {high}{NBSP}{letter}J"


def _measurement(record: BenchRecord) -> Section:
    rows = [
        ("meter", f"{record.meter_driver} {record.meter_id}{', SIMULATED' if record.simulated else ''}"),
        ("boundary", f"{record.boundary}: {BOUNDARIES[record.boundary]}"),
        (
            "samples",
            f"{record.meter_rate_hz:,.4g} a second"
            if record.meter_rate_hz < 1e4
            else f"{record.meter_rate_hz:,.0f} a second",
        ),
        ("calibration", record.calibration or "none: the data sheet's limits"),
        ("alignment", f"{record.sync_method.replace('_', ' ')}, within {si(record.sync_residual_s, 's')}"),
        ("first window", _time(record)),
        ("bench", record.bench_id),
    ]
    return Section("Measurement", grids=(Grid(("what", "value"), tuple(rows)),))


def _time(record: BenchRecord) -> str:
    moment = datetime.fromtimestamp(record.t_start_unix_ns / 1e9, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, clock {record.clock_state}"


def _software(record: BenchRecord) -> Section:
    runtime = record.runtime
    accuracy = "not known: no labelled check set"
    if record.accuracy_ratio is not None:
        accuracy = f"{percent(record.accuracy_ratio, 1)} of {record.accuracy_count} inputs, in this configuration"
    elif record.roc_auc is not None:
        accuracy = f"ROC AUC {record.roc_auc:.3f} over {record.accuracy_count} inputs, in this configuration"
    rows = [
        ("model", record.model_id + (", stateful" if record.stateful else "")),
        ("sha256", record.model_sha256),
        ("runtime", f"{runtime.runtime} {runtime.version}"),
        ("delegate", runtime.delegate),
        ("threads", str(runtime.threads)),
        ("accuracy", accuracy),
        ("device", f"{record.device_id}, {record.device_class}"),
        ("governor", record.governor or "not known"),
        ("system", f"{record.platform}, Python {record.python_version}, edgejoule {record.agent_version}"),
    ]
    return Section("Model and device", grids=(Grid(("what", "value"), tuple(rows)),))


def _window_note(record: BenchRecord) -> str:
    latency = UNKNOWN
    if record.latency_p50_s is not None:
        parts = (record.latency_p50_s, record.latency_p95_s, record.latency_max_s)
        latency = ", ".join(si(part, "s") for part in parts)
    return (
        f"Gross is the median of {len(record.windows)} windows' J/inf.: energy over the time without gap, times time "
        "over inferences. Net is the median of the same less the baselines' mean power times time over inferences. "
        f"Latency over all of them, p50, p95 and max: {latency}."
    )


def _windows(record: BenchRecord) -> Grid:
    rows = tuple(_window_row(number, window) for number, window in enumerate(record.windows, 1))
    return Grid(_WINDOW_HEADINGS, rows, frozenset(range(1, len(_WINDOW_HEADINGS))), narrow=(0, 1, 2, 3, 4, 6, 10, 14))


def joules_of(window: BenchWindow) -> float | None:
    """Return the joules per inference of one window, gaps at its mean power; None where nothing was covered."""
    covered_s = window.duration_s - window.gap_s
    if covered_s <= 0.0:
        return None
    return window.energy_j / covered_s * window.duration_s / window.inference_count


def _window_row(number: int, window: BenchWindow) -> tuple[str, ...]:
    return (
        str(number),
        f"{window.duration_s:.3f} s",
        si_u(window.energy_j, window.energy_u_j, "J"),
        f"{window.inference_count:,}",
        si(joules_of(window), "J", 4),
        si(window.latency_p50_s, "s"),
        si(window.latency_p95_s, "s"),
        si(window.latency_max_s, "s"),
        f"{window.gap_s:.3g} s",
        f"{window.lost_count:.0f} of {window.sample_count + window.lost_count:.0f}",
        _range(window.soc_temp_start_c, window.soc_temp_end_c, "°C"),
        _range(window.freq_min_mhz, window.freq_max_mhz, "MHz"),
        {None: "not known", True: "YES", False: "no"}[window.throttled],
        _cores(window.agent_cpu_ratio),
        _cores(window.other_cpu_ratio),
    )


def _range(first: float | None, last: float | None, unit: str) -> str:
    if first is None or last is None:
        return UNKNOWN
    low, high = f"{first:.0f}", f"{last:.0f}"
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def _cores(ratio: float | None) -> str:
    return UNKNOWN if ratio is None else f"{ratio:.2f}"


def _baselines(record: BenchRecord) -> Section:
    pairs = (("before", record.baseline_before), ("after", record.baseline_after))
    rows = tuple(_baseline_row(when, one) for when, one in pairs if one is not None)
    if not rows:
        return Section("Baselines", ("None was measured.",))
    state = (
        "Idle state, declared: the agent's process alive with the model loaded, its meter read, no inference. "
        "u (k = 1) holds the meter's own errors too, which cancel in part in the net figure."
    )
    return Section("Baselines", (state,), (Grid(("baseline", "power", "time", "gap"), rows, frozenset({1, 2, 3})),))


def _baseline_row(when: str, baseline: BenchBaseline) -> tuple[str, ...]:
    power = si_u(baseline.power_w, baseline.power_u_w, "W")
    return when, power, f"{baseline.duration_s:.2f} s", f"{baseline.gap_s:.3g} s"


def _budget(kind: str, result: Measurand | None) -> Section | None:
    if result is None:
        return None
    dof = "infinitely many" if result.effective_dof is None else _freedom(result.effective_dof)
    line = (
        f"Standard uncertainty {si(result.u_j, 'J')} ({_relative(result)}), effective degrees of "
        f"freedom: {dof}. U = {result.coverage_factor:g} u = {si(result.expanded_u_j, 'J')}. Shares are of the "
        "variance."
    )
    rows = tuple(_budget_row(one, result.u_j) for one in result.budget)
    grid = Grid(_BUDGET_HEADINGS, rows, frozenset({3, 4, 5, 6, 7}), narrow=(0, 1, 3, 5, 6, 8))
    return Section(f"Uncertainty budget, {kind}", (line,), (grid,))


def _relative(result: Measurand) -> str:
    """Return u as a share of the value, in words where that says nothing."""
    if result.u_j >= abs(result.value_j):
        return "no less than the value itself"
    return percent(result.u_j / abs(result.value_j), 2)


def _freedom(dof: float) -> str:
    """Return degrees of freedom; of thousands nobody needs the number."""
    return significant(dof) if dof < _MANY else f"over {_MANY:,.0f}"


def _budget_row(line: BudgetLine, u_j: float) -> tuple[str, ...]:
    relative = line.unit == "1"
    return (
        line.name,
        line.evaluation,
        line.distribution,
        f"{100.0 * line.u:.3g} %" if relative else si(line.u, line.unit),
        f"{line.sensitivity:.4g} J" if relative else f"{line.sensitivity:.4g} J/{line.unit}",
        si(line.contribution_j, "J"),
        percent((line.contribution_j / u_j) ** 2, 1) if u_j else UNKNOWN,
        "" if line.dof is None else _freedom(line.dof),
        SHARED[line.shared_by],
        line.basis,
    )


def _before_windows(record: BenchRecord) -> Section:
    rows = (
        (
            "load",
            span(record.load_s) if record.load_s >= 120.0 else si(record.load_s, "s"),
            si_u(record.load_energy_j, record.load_energy_u_j, "J"),
        ),
        (
            "first inference",
            si(record.first_invoke_s, "s"),
            si_u(record.first_invoke_energy_j, record.first_invoke_energy_u_j, "J"),
        ),
        ("warm-up", f"{record.warm_up_s:.2f} s, {record.warm_up_count:,} inferences", "not in the result"),
    )
    note = "u is k = 1. The mean power while the engine started, loaded and ran first counts for both."
    return Section("Before the windows", (note,), (Grid(("what", "time", "energy"), rows, frozenset({1, 2})),))
