"""What ``edgejoule cloud bench`` writes: joules of one model on a server, by batch size, and how they were found.

The file is JSON. Joules are those that the method sees, before PUE; what it does not see (``misses``) a scenario has
to add. Nothing here measures.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import Count, Identifier, NonNegative, Positive, Ratio, RuntimeIdentity, Sha256, UnixNs
from edge_agent.wire.text_file import read_text

CLOUD_SCHEMA_VERSION: Final = 1
MAX_BATCHES: Final = 64
REMEDY: Final = "name a record that edgejoule cloud bench wrote"

Method = Literal["rapl", "nvml", "cpu_time"]
"""``rapl``: the processor's energy counters; ``nvml``: the accelerator's counter or power sensor; ``cpu_time``: CPU
seconds times a power that a table states, which is modelled and not measured."""
BatchSize = Annotated[int, Meta(ge=1, le=1_000_000)]
Whole = Annotated[int, Meta(ge=1, le=2**40)]


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base: unknown fields are ignored, so that newer records can be read."""


class CloudFigure(_Part, frozen=True, kw_only=True):
    """Joules per inference with their combined standard uncertainty (k = 1)."""

    value_j: float
    u_j: NonNegative


class CloudIdle(_Part, frozen=True, kw_only=True):
    """Power that the method sees while the model is loaded and waits, with its standard uncertainty."""

    power_w: NonNegative
    power_u_w: NonNegative
    duration_s: Positive


class CloudBatch(_Part, frozen=True, kw_only=True):
    """One batch size: all its windows together.

    ``inferences``, ``duration_s``: of all windows; ``busy_s_per_inference``: a batch's seconds over its size.
    ``gross``: all that the method sees while the machine is busy; ``net``: above idle, None where idle is not known.
    ``spread_ratio``: standard deviation of the windows' gross joules over their mean. Latencies are a batch's, from
    its arrays in host memory to its answers there. ``cpu_s_per_inference``: of this process, all threads.
    """

    batch_size: BatchSize
    windows: Whole
    inferences: Whole
    duration_s: Positive
    busy_s_per_inference: Positive
    gross: CloudFigure
    net: CloudFigure | None
    spread_ratio: NonNegative
    latency_p50_s: NonNegative
    latency_p95_s: NonNegative
    cpu_s_per_inference: NonNegative


class CloudHost(_Part, frozen=True, kw_only=True):
    """The machine. Unknown: "" or None. ``cores_count``: hardware threads that it has; ``accelerator``: its name.

    ``power_limit_w``: what the accelerator is held to. ``virtual``: whether it says that a hypervisor runs it.
    ``provider``, ``instance``, ``region``: as the person who measured names them.
    """

    processor: str
    cores_count: Whole
    memory_bytes: Count | None = None
    accelerator: str = ""
    accelerator_index: Count | None = None
    driver_version: str = ""
    power_limit_w: Positive | None = None
    virtual: bool | None = None
    platform: str = ""
    python_version: str = ""
    provider: str = ""
    instance: str = ""
    region: str = ""


class CloudBenchRecord(_Part, frozen=True, kw_only=True):
    """One run of ``edgejoule cloud bench``.

    ``sees``, ``misses``: what the joules hold and what they do not, in words. ``simulated``: the counters were played.
    ``made_from_sha256``: of the .tflite file that an .onnx model was exported from, None where it does not say.
    ``idle_before``, ``idle_after``: around all windows. ``accuracy_ratio``: on the check set by this very engine, over
    ``accuracy_count`` inputs; ``roc_auc`` instead for a model that reproduces its inputs; ``stated_accuracy_ratio``:
    the catalogue's word, on the test set. ``rejections``: why the figures must not be used; ``warnings``: what a
    reader should know.
    """

    kind: Literal["cloud_bench"] = "cloud_bench"
    schema_version: Literal[1] = CLOUD_SCHEMA_VERSION
    bench_id: Identifier
    t_start_unix_ns: UnixNs
    edgejoule_version: str
    model_id: Identifier
    model_sha256: Sha256
    made_from_sha256: Sha256 | None = None
    input_dtype: str
    input_shape: tuple[int, ...]
    runtime: RuntimeIdentity
    host: CloudHost
    method: Method
    sees: str
    misses: str
    source: str = ""
    simulated: bool
    idle_before: CloudIdle | None
    idle_after: CloudIdle | None
    batches: Annotated[tuple[CloudBatch, ...], Meta(min_length=1, max_length=MAX_BATCHES)]
    accuracy_ratio: Ratio | None = None
    accuracy_count: Count = 0
    roc_auc: Ratio | None = None
    stated_accuracy_ratio: Ratio | None = None
    seed: Count = 0
    rejections: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def origin(self) -> Literal["measured", "simulated", "modelled"]:
        """Return where the joules come from, as a comparison says it."""
        if self.simulated:
            return "simulated"
        return "modelled" if self.method == "cpu_time" else "measured"

    @property
    def idle(self) -> CloudIdle | None:
        """Return the idle power before and after as one, None where neither is known."""
        known = [one for one in (self.idle_before, self.idle_after) if one is not None]
        if not known:
            return None
        duration_s = sum(one.duration_s for one in known)
        return CloudIdle(
            power_w=sum(one.power_w * one.duration_s for one in known) / duration_s,
            power_u_w=max(one.power_u_w for one in known),
            duration_s=duration_s,
        )


def read_cloud_record(path: Path) -> CloudBenchRecord:
    """Return the record in the file. Raises ConfigurationError for one that is none, or that was rejected."""
    text = read_text(path, remedy=REMEDY)
    try:
        record = msgspec.json.decode(text, type=CloudBenchRecord)
    except msgspec.DecodeError as error:  # ValidationError is one
        raise ConfigurationError(f"{path}: no cloud bench record: {error}; {REMEDY}") from error
    if record.rejections:
        raise ConfigurationError(f"{path}: the bench was rejected ({record.rejections[0]}); measure again")
    return record


def batch_of(record: CloudBenchRecord, batch_size: int, where: str) -> CloudBatch:
    """Return the figures of one batch size. Raises ConfigurationError that names those there are."""
    for batch in record.batches:
        if batch.batch_size == batch_size:
            return batch
    known = ", ".join(str(one.batch_size) for one in record.batches)
    raise ConfigurationError(f"{where}: batch {batch_size} was not measured; take one of {known}, or bench it")
