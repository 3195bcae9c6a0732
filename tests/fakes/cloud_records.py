"""Builders of a server's bench records for everyone's tests: no clock, no randomness."""

from pathlib import Path
from typing import Any

import msgspec

from collector.analysis.cloud_record import CloudBatch, CloudBenchRecord, CloudFigure, CloudHost, CloudIdle
from edge_agent.wire.records import RuntimeIdentity


def make_batch(batch_size: int = 1, **changes: Any) -> CloudBatch:
    base: dict[str, Any] = {
        "batch_size": batch_size,
        "windows": 5,
        "inferences": 1000 * batch_size,
        "duration_s": 25.0,
        "busy_s_per_inference": 0.025 / batch_size,
        "gross": CloudFigure(value_j=2.0 / batch_size, u_j=0.1),
        "net": CloudFigure(value_j=1.5 / batch_size, u_j=0.1),
        "spread_ratio": 0.01,
        "latency_p50_s": 0.025,
        "latency_p95_s": 0.03,
        "cpu_s_per_inference": 0.001,
    }
    return CloudBatch(**{**base, **changes})


def make_record(**changes: Any) -> CloudBenchRecord:
    base: dict[str, Any] = {
        "bench_id": "20260114T101500Z-7f3a",
        "t_start_unix_ns": 1,
        "edgejoule_version": "0.1.0",
        "model_id": "ds_cnn_float32",
        "model_sha256": "0" * 64,
        "input_dtype": "float32",
        "input_shape": (49, 10, 1),
        "runtime": RuntimeIdentity(runtime="onnxruntime", version="1.32.0", delegate="CPU", threads=4),
        "host": CloudHost(processor="a processor", cores_count=8),
        "method": "rapl",
        "sees": "packages",
        "misses": "the rest",
        "simulated": False,
        "idle_before": CloudIdle(power_w=20.0, power_u_w=1.0, duration_s=10.0),
        "idle_after": CloudIdle(power_w=26.0, power_u_w=2.0, duration_s=20.0),
        "batches": (make_batch(1), make_batch(8)),
    }
    return CloudBenchRecord(**{**base, **changes})


def write(path: Path, record: CloudBenchRecord) -> Path:
    path.write_bytes(msgspec.json.encode(record))
    return path
