"""What orders let the measuring thread do between two stretches of usual work: a bench, a batch."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.assembly import BlockTap, Present
from edge_agent.baseline import await_reading
from edge_agent.bench.plan import make_plan
from edge_agent.bench.power_trace import PowerTrace
from edge_agent.bench.progress import Progress
from edge_agent.bench.run import BenchStoppedError
from edge_agent.bench_session import BenchSession
from edge_agent.bench_spool import BenchSpool
from edge_agent.device.cpu import CpuShare
from edge_agent.inference.errors import InferenceError
from edge_agent.measurement import Parts, health_now
from edge_agent.remote.desk import Report, ResultValue
from edge_agent.service import StopFlag
from edge_agent.stretch import Stretches
from edge_agent.window_series import WindowSeries
from edge_agent.wire.errors import ConfigurationError, RejectedRecordError
from edge_agent.wire.orders import RunBatch, RunBench
from edge_agent.wire.records import BenchRecord
from edge_agent.work.batch import BatchWorkload
from edge_agent.work.own import OwnWork
from firmware_bridge.energy import energy_between
from firmware_bridge.stream import host_time_s

BATCHES_NAME: Final = "batches"
MAX_BATCHES: Final = 20
STOPPED: Final = "the agent was stopped while it was at work"


@dataclass(frozen=True, slots=True)
class Bed:
    """What the work lies in: the agent's parts as they are now, its meter's tap, its state directory.

    ``smoke``: a bench is a trial of seconds, whose record is marked as rejected.
    """

    present: Present
    parts: Parts
    stretches: Stretches
    tap: BlockTap
    state_dir: Path
    stop: StopFlag
    smoke: bool = False


class _KeptAlignment:
    """The alignment that the windows have: it is there already, and is kept fresh."""

    def __init__(self, stretches: Stretches) -> None:
        self._aligner = stretches.aligner

    @property
    def is_simulated(self) -> bool:
        return self._aligner.is_simulated

    def start(self) -> None:
        return

    def edge(self, level: bool) -> None:  # noqa: FBT001 a level
        self._aligner.edge(level)

    def tick(self, now_s: float) -> None:
        self._aligner.tick(now_s)


class _Attendant:
    """Says during a bench what the measurement says else: that there is progress, and how the agent is."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._cpu = CpuShare()
        self._t_health_s = 0.0

    def show(self, _progress: Progress) -> None:
        """Take a sign of the bench's progress, which comes a few times a second."""
        now_s, parts = host_time_s(), self._parts
        if parts.watchdog is not None:
            parts.watchdog.feed(now_s)
        if now_s >= self._t_health_s:
            self._t_health_s = now_s + parts.config.health.interval_s
            parts.publisher.publish_health(health_now(parts, parts.meter.health(), self._cpu.ratio()))


def run_ordered_bench(bed: Bed, command_id: str, action: RunBench) -> Report:
    """Bench the present model; the record goes the way of every bench."""
    config, parts = bed.present.config, bed.parts
    section = msgspec.structs.replace(
        config.bench, windows=action.windows, window_s=action.window_s, baseline_s=action.baseline_s
    )
    config = msgspec.structs.replace(config, bench=section)
    trace, attendant = PowerTrace(), _Attendant(parts)
    bed.tap.listener = trace.take
    try:
        plan = make_plan(section, parts.sheet, smoke=bed.smoke)
        session = BenchSession(config, bed.present.prepared, parts.meter, trace, attendant.show, bed.stop)
        record, _, _ = session.run(plan, lambda _model: _KeptAlignment(bed.stretches))
        BenchSpool(bed.state_dir).add(record)
    except BenchStoppedError:
        return Report(command_id, "failed", STOPPED)
    except (ConfigurationError, InferenceError, RejectedRecordError) as error:
        return Report(command_id, "failed", str(error))
    finally:
        bed.tap.listener = None
    parts.publisher.notify()
    return Report(command_id, "done", "; ".join(record.rejections), _of_bench(record))


def run_ordered_batch(bed: Bed, command_id: str, action: RunBatch) -> Report:
    """Run each input of the folder once, in windows as always."""
    runner = bed.present.executor.runner
    config, parts = bed.present.config, bed.parts
    if runner is None:
        return Report(command_id, "failed", "another program runs the model here")
    folder = config.remote.batch_folders.get(action.folder)
    if folder is None:  # it was, when the work was put off
        return Report(command_id, "failed", f"folder {action.folder!r} is not in [remote] batch_folders any more")
    out = bed.state_dir / BATCHES_NAME / command_id
    try:
        _make_room(out.parent)
        workload = BatchWorkload(Path(folder), runner, out)
        threads = runner.identity.threads

        def make_work(t_first_s: float) -> OwnWork:
            return OwnWork(workload, WindowSeries(t_first_s, config.window.window_s), host_time_s, threads)

        bed.stretches.run(parts, make_work, bed.stop)
    except (ConfigurationError, InferenceError, OSError) as error:
        return Report(command_id, "failed", str(error))
    if not workload.ended:
        return Report(command_id, "failed", STOPPED)
    return Report(command_id, "done", "", {"folder": action.folder, "outputs": str(out), **_of_batch(bed, workload)})


def _of_batch(bed: Bed, workload: BatchWorkload) -> dict[str, ResultValue]:
    done, energy_j, gap_s = workload.done, None, None
    if done.t_begin_s is not None:
        start, end = (await_reading(bed.parts.meter, t_s) for t_s in (done.t_begin_s, done.t_end_s))
        if start is not None and end is not None:
            delta = energy_between(start, end)
            energy_j, gap_s = delta.energy_j, delta.gap_s
    seen = done.latencies
    return {
        "inputs": done.count,
        "duration_s": 0.0 if done.t_begin_s is None else done.t_end_s - done.t_begin_s,
        "energy_j": energy_j,
        "gap_s": gap_s,
        "energy_per_inference_j": energy_j / done.count if energy_j is not None and done.count else None,
        "latency_p50_s": seen.quantile_s(0.50),
        "latency_p95_s": seen.quantile_s(0.95),
        "latency_max_s": seen.max_s if seen.count else None,
        "simulated": bed.parts.identity().simulated,
    }


def _of_bench(record: BenchRecord) -> dict[str, ResultValue]:
    gross, net = record.gross, record.net
    return {
        "bench_id": record.bench_id,
        "valid": not record.rejections,
        "energy_per_inference_j": gross.value_j if gross else None,
        "energy_per_inference_u_j": gross.u_j if gross else None,
        "net_energy_per_inference_j": net.value_j if net else None,
        "latency_p95_s": record.latency_p95_s,
        "accuracy_ratio": record.accuracy_ratio,
        "model_id": record.model_id,
        "model_sha256": record.model_sha256,
        "simulated": record.simulated,
    }


def _make_room(directory: Path) -> None:
    """Forget the outputs of the oldest batches."""
    if not directory.is_dir():
        return
    found = sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for path in found[: len(found) - MAX_BATCHES + 1]:
        shutil.rmtree(path, ignore_errors=True)
