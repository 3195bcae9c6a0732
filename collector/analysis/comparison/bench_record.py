"""The figures of a bench record that an agent wrote, as the edge side of a comparison."""

from pathlib import Path
from typing import Final

import numpy as np

from collector.analysis.comparison.sources import Measured
from edge_agent.wire.codec import decode
from edge_agent.wire.errors import ConfigurationError, RejectedRecordError
from edge_agent.wire.records import BenchRecord
from edge_agent.wire.text_file import read_text

_REMEDY: Final = "name a record that edgejoule agent bench wrote"


def measured_by_bench(path: Path, where: str) -> Measured:
    """Return the record's gross joules, pace, baseline, accuracy and latency. Raises ConfigurationError."""
    text = read_text(path, remedy=_REMEDY)
    try:
        record = decode(text.encode(), BenchRecord)
    except RejectedRecordError as error:
        raise ConfigurationError(f"{where}: {path}: no bench record: {error}; {_REMEDY}") from error
    if record.rejections:
        raise ConfigurationError(f"{where}: {path}: the bench was rejected ({record.rejections[0]}); measure again")
    if record.gross is None or not record.windows:
        raise ConfigurationError(f"{where}: {path}: it holds no joules per inference; measure again")
    baselines = [one for one in (record.baseline_before, record.baseline_after) if one is not None]
    weights = [one.duration_s for one in baselines]
    count = sum(window.inference_count for window in record.windows)
    return Measured(
        j_per_inference=record.gross.value_j,
        j_per_inference_u=record.gross.u_j,
        time_per_inference_s=sum(window.duration_s for window in record.windows) / count,
        idle_power_w=float(np.average([one.power_w for one in baselines], weights=weights)) if baselines else None,
        idle_power_u_w=max((one.power_u_w for one in baselines), default=0.0),
        simulated=record.simulated,
        words=f"bench of {record.model_id} on {record.device_id} ({record.device_class}), meter {record.meter_driver} "
        f"at {record.boundary}",
        accuracy_ratio=record.model_accuracy_ratio if record.accuracy_ratio is None else record.accuracy_ratio,
        latency_s=record.latency_p95_s,
    )
