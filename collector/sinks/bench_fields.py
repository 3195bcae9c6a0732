"""A bench as flat values, one list for every store: name, kind, and where in the record it stands.

Of the budgets, the single windows and the baselines' gaps a store gets no column of its own: the whole record, as it
came, is one more column of the lake.
"""

import math
from collections.abc import Callable
from typing import Any, Final, Literal

from collector.values import StoredBench, is_valid
from edge_agent.wire.records import BenchRecord, Measurand

Kind = Literal["float", "integer", "string", "boolean"]
Get = Callable[[BenchRecord], Any]


def _of(name: str) -> Get:
    return lambda bench: getattr(bench, name)


def _of_result(which: str, name: str) -> Get:
    def get(bench: BenchRecord) -> Any:
        result: Measurand | None = getattr(bench, which)
        return None if result is None else getattr(result, name)

    return get


def _of_baseline(which: str, name: str) -> Get:
    return lambda bench: getattr(getattr(bench, which), name, None)


def _total(name: str) -> Get:
    return lambda bench: math.fsum(getattr(window, name) for window in bench.windows)


_RESULT: Final = {
    "j_per_inference": "value_j",
    "j_per_inference_u": "u_j",
    "j_per_inference_expanded_u": "expanded_u_j",
    "j_per_inference_low": "low_j",
    "j_per_inference_high": "high_j",
    "effective_dof": "effective_dof",
}
FLOATS: Final[dict[str, Get]] = {
    **{name: _of_result("gross", field) for name, field in _RESULT.items()},
    **{f"net_{name}": _of_result("net", field) for name, field in _RESULT.items()},
    "coverage_factor": _of_result("gross", "coverage_factor"),
    **{
        name: _of(name)
        for name in (
            "latency_p50_s",
            "latency_p95_s",
            "latency_max_s",
            "accuracy_ratio",
            "roc_auc",
            "load_s",
            "first_invoke_s",
            "load_energy_j",
            "load_energy_u_j",
            "first_invoke_energy_j",
            "first_invoke_energy_u_j",
            "warm_up_s",
            "meter_rate_hz",
            "sync_residual_s",
        )
    },
    **{f"{which}_{name}": _of_baseline(which, name) for which in ("baseline_before", "baseline_after")
       for name in ("power_w", "power_u_w")},
    **{name: _total(name) for name in ("duration_s", "gap_s", "energy_j", "sample_count", "lost_count")},
}  # fmt: skip
INTEGERS: Final[dict[str, Get]] = {
    "window_count": lambda bench: len(bench.windows),
    "inference_count": lambda bench: sum(window.inference_count for window in bench.windows),
    "accuracy_count": _of("accuracy_count"),
    "warm_up_count": _of("warm_up_count"),
    "runtime_threads": lambda bench: bench.runtime.threads,
}
STRINGS: Final[dict[str, Get]] = {
    **{
        name: _of(name)
        for name in (
            "bench_id",
            "boot_id",
            "clock_state",
            "agent_version",
            "python_version",
            "platform",
            "model_sha256",
            "meter_id",
            "systematic_id",
            "calibration",
            "sync_method",
            "governor",
        )
    },
    "runtime_version": lambda bench: bench.runtime.version,
    "rejections": lambda bench: "; ".join(bench.rejections),
    "warnings": lambda bench: "; ".join(bench.warnings),
}
BOOLEANS: Final[dict[str, Get]] = {"stateful": _of("stateful")}
TAGS: Final[dict[str, Callable[[StoredBench], str]]] = {
    "boundary": lambda row: row.bench.boundary,
    "delegate": lambda row: row.bench.runtime.delegate,
    "device": lambda row: row.device_id,
    "device_class": lambda row: row.bench.device_class,
    "fleet": lambda row: row.fleet,
    "meter_driver": lambda row: row.bench.meter_driver,
    "model": lambda row: row.bench.model_id,
    "runtime": lambda row: row.bench.runtime.runtime,
    "simulated": lambda row: "true" if row.bench.simulated else "false",
    "valid": lambda row: "true" if is_valid(row.bench) else "false",
}
"""What tells one series of results from another, in lexical order; few values each."""
