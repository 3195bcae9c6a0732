"""Benches of a made-up zoo on a made-up device: what a compute ledger is about, with known joules."""

import math
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from edge_agent.wire.records import BenchRecord, BudgetLine, Measurand, RuntimeIdentity
from edgejoule.compute_ledger.rows import Known
from edgejoule.zoo.entry import Catalog, Family, ModelEntry, Precision
from tests.fakes.benches import make_bench

PRECISIONS: Sequence[Precision] = ("int8", "float32", "dynamic_range")
FAMILIES = {"mlp": 50_000, "kws": 2_600_000, "ic": 12_500_000, "vww": 7_500_000, "ad": 260_000, "sww": 830_000}
"""Each family's MACs."""


def file_sha256(model_id: str) -> str:
    return sha256(model_id.encode()).hexdigest()


def entry(family: str, precision: Precision) -> ModelEntry:
    model_id = f"{family}_{precision}"
    macs = FAMILIES[family]
    size_bytes = macs // 50 * (1 if precision == "int8" else 4)
    return ModelEntry(
        id=model_id,
        family=family,
        precision=precision,
        file=f"{model_id}.tflite",
        sha256=file_sha256(model_id),
        size_bytes=size_bytes,
        input_shape=[1, 4],
        input_dtype="int8",
        output_shape=[1, 2],
        output_dtype="int8",
        parameters=macs // 40,
        macs=macs,
    )


ENTRIES = [entry(family, precision) for family in FAMILIES for precision in PRECISIONS]
CATALOG = Catalog(family=[Family(id=name, task="t", architecture="a") for name in FAMILIES], model=ENTRIES)
KNOWN = Known.of([CATALOG])


def line(name: str, contribution_j: float, shared_by: str, sensitivity: float = 1.0) -> BudgetLine:
    return BudgetLine(
        name=name,
        evaluation="B",
        distribution="normal",
        unit="1",
        u=contribution_j / abs(sensitivity),
        sensitivity=sensitivity,
        contribution_j=contribution_j,
        shared_by=shared_by,  # type: ignore[arg-type]
    )


def measurand(value_j: float, own_ratio: float = 0.002, gain_ratio: float = 0.01) -> Measurand:
    """Return a result with an error of its own and the meter's gain, both as shares of the value."""
    own_j, gain_j = own_ratio * abs(value_j), gain_ratio * abs(value_j)
    u_j = (own_j**2 + gain_j**2) ** 0.5
    return Measurand(
        value_j=value_j,
        u_j=u_j,
        expanded_u_j=2.0 * u_j,
        coverage_factor=2.0,
        low_j=value_j - 2.0 * u_j,
        high_j=value_j + 2.0 * u_j,
        budget=(line("spread of the windows", own_j, "run"), line("meter, gain", gain_j, "meter_type", value_j)),
    )


def bench_of(one: ModelEntry, gross_j: float, bench_id: str, **changes: Any) -> BenchRecord:
    """Return a measured, valid bench of a model, its net half of its gross."""
    base: dict[str, Any] = {
        "model_id": one.id,
        "model_sha256": one.sha256,
        "simulated": False,
        "runtime": RuntimeIdentity(runtime="litert", version="2.3.0", delegate="none", threads=1),
        "gross": measurand(gross_j),
        "net": measurand(0.5 * gross_j),
        "latency_p50_s": gross_j / 3.0,
        "model_macs": one.macs,
        "model_parameters": one.parameters,
        "model_bytes": one.size_bytes,
    }
    return make_bench(bench_id, **{**base, **changes})


def gross_of(one: ModelEntry, threads: int = 1) -> float:
    """Return joules that follow MACs, but for a factor of each precision and of the family ``kws``."""
    factor = {"int8": 1.0, "float32": 3.0, "dynamic_range": 1.7}[one.precision]
    factor *= 20.0 if one.family == "kws" else 1.0
    return 1e-9 * math.pow(FAMILIES[one.family], 0.8) * factor * (0.8 if threads == 2 else 1.0)


def zoo_benches(**changes: Any) -> list[BenchRecord]:
    """Return a bench of every model with one thread and with two."""
    return [
        bench_of(
            one,
            gross_of(one, threads),
            f"{one.id}-{threads}",
            runtime=RuntimeIdentity(runtime="litert", version="2.3.0", delegate="none", threads=threads),
            **changes,
        )
        for one in ENTRIES
        for threads in (1, 2)
    ]
