"""The records on the wire, schema version 1.

Adding a field with a default is safe; renaming one or changing its meaning needs a new version.
Units are in the names. Devices report joules and counts, never grams.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

SCHEMA_VERSION: Final = 1
MAX_WINDOWS_PER_MESSAGE: Final = 60
MAX_PAYLOAD_BYTES: Final = 262_144
MAX_STORED_RANGES: Final = 256
MAX_BENCH_WINDOWS: Final = 200
MAX_BUDGET_LINES: Final = 40
"""A bench with as many windows and, gross and net, as many lines as this fits one message, every field filled."""

Identifier = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")]
Sequence = Annotated[int, Meta(ge=1, le=2**53)]
SequenceOrNone = Annotated[int, Meta(ge=0, le=2**53)]
Count = Annotated[int, Meta(ge=0, le=2**40)]
"""Of one window: what stores sum in 64 bits must not overflow, however much nonsense a device counts."""
NonNegative = Annotated[float, Meta(ge=0.0)]
Positive = Annotated[float, Meta(gt=0.0)]
Ratio = Annotated[float, Meta(ge=0.0, le=1.0)]
UnixNs = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]

ClockState = Literal["synchronised", "unsynchronised", "rebased"]
"""Of a window's stamp. "synchronised": the clock was set when the window ended. "rebased": it was set later, and the
window was placed by boot time. "unsynchronised": nobody ever set it while the device ran; the stamp is an estimate."""
SyncMethod = Literal["host_clock", "arrival_fit", "serial_marker", "gpio_marker", "step_correlation"]
Boundary = Literal["ac_wall", "usb_dc", "dc_input", "rail"]
WindowFlag = Literal["net_negative", "baseline_old", "throttled", "gap", "clock_step"]
UncertaintyType = Literal["A", "B"]


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of the records: unknown fields are ignored, so that newer agents can speak."""


class RuntimeIdentity(_Record, frozen=True, kw_only=True):
    """What executed the model: part of every energy figure, since runtimes differ up to tenfold."""

    runtime: str
    version: str
    delegate: str
    threads: Annotated[int, Meta(ge=1, le=2**31 - 1)]


class InferenceWindow(_Record, frozen=True, kw_only=True):
    """One closed measurement window of one device.

    ``energy_j``: gross joules that samples cover; ``gap_s`` seconds of the window have no sample and no joule.
    ``energy_u_j``: its combined standard uncertainty (k = 1), ``energy_u_systematic_j`` the part that is common to
    all windows of the same meter (gain, offset, rounding of a steady power) and therefore adds linearly.
    ``idle_power_w``: the declared baseline, None if none was measured.
    ``busy_s``: seconds spent inside inference.
    ``t_start_unix_ns``: start on the device's UTC clock; ``clock_state`` says what that clock was worth.
    ``sync_residual_s``: bound on the offset between meter clock and host clock.
    ``simulated``: true if any figure came from an emulated meter.
    ``systematic_id``: whose gain and offset error this is. Windows of one id share it, on one device or on many: the
    limits of a type of meter are those of all its units, a certificate is of one unit. "" from an agent before 0.2.
    ``net_energy_j``: joules above the declared idle power over the covered time, negative where the window drew less;
    never clipped, but flagged. ``net_energy_u_j``: its standard uncertainty, gain common to both taken as common.
    ``agent_cpu_ratio``: cores that the agent used, its inference included, ``overhead_cpu_ratio`` without it;
    ``other_cpu_ratio``: cores that all other processes used.
    ``t_start_boot_ns``: start on CLOCK_BOOTTIME, which no setting of a clock moves; None from an older agent.
    ``t_start_early_s``: for a stamp that is an estimate, by how much at most the true start lies before it; None for
    a stamp of a clock that was set, or where nobody can say.
    """

    seq: Sequence
    t_start_unix_ns: UnixNs
    clock_state: ClockState
    duration_s: Positive
    energy_j: float
    energy_u_j: NonNegative
    energy_u_systematic_j: NonNegative
    gap_s: NonNegative
    inference_count: Count
    busy_s: NonNegative
    model_id: Identifier
    model_sha256: Sha256
    runtime: RuntimeIdentity
    meter_id: str
    meter_driver: Identifier
    boundary: Boundary
    sync_method: SyncMethod
    sync_residual_s: NonNegative
    simulated: bool
    idle_power_w: float | None = None
    idle_power_u_w: NonNegative | None = None
    latency_p50_s: NonNegative | None = None
    latency_p95_s: NonNegative | None = None
    latency_max_s: NonNegative | None = None
    sample_count: NonNegative = 0.0
    lost_count: NonNegative = 0.0
    frame_error_count: Count = 0
    soc_temp_c: float | None = None
    freq_mhz: NonNegative | None = None
    throttled: bool | None = None
    systematic_id: str = ""
    net_energy_j: float | None = None
    net_energy_u_j: NonNegative | None = None
    flags: tuple[WindowFlag, ...] = ()
    governor: str | None = None
    freq_min_mhz: NonNegative | None = None
    freq_max_mhz: NonNegative | None = None
    soc_temp_max_c: float | None = None
    agent_cpu_ratio: NonNegative | None = None
    overhead_cpu_ratio: NonNegative | None = None
    other_cpu_ratio: NonNegative | None = None
    t_start_boot_ns: UnixNs | None = None
    t_start_early_s: NonNegative | None = None


class DroppedRange(_Record, frozen=True, kw_only=True):
    """Windows ``first_seq..last_seq`` that the device had to drop, declared and counted."""

    first_seq: Sequence
    last_seq: Sequence
    reason: Literal["outbox_full", "too_old", "corrupt"]


class WindowBatch(_Record, frozen=True, kw_only=True):
    """The envelope on ``.../windows``: 0 to 60 windows of one boot, and what the device knows about the rest.

    ``boot_id`` names the sequence space: it changes with the kernel boot and with the outbox file.
    ``oldest_seq``: lowest sequence number that the outbox still holds (``last_seq + 1`` when it holds none);
    below it everything was acknowledged or is in ``dropped``. ``last_seq``: highest one assigned so far.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    device_id: Identifier
    boot_id: Identifier
    oldest_seq: Sequence
    last_seq: SequenceOrNone
    sent_unix_ns: UnixNs
    records: Annotated[tuple[InferenceWindow, ...], Meta(max_length=MAX_WINDOWS_PER_MESSAGE)] = ()
    dropped: tuple[DroppedRange, ...] = ()


class Birth(_Record, frozen=True, kw_only=True):
    """Retained on ``.../birth``: who this device is, sent at every connect.

    ``held_boots``: every boot id of which its outbox still has something to deliver; what the collector expects of
    others will never come. None: not said. ``clock_state``: what a window's stamp is worth now; None: not said.
    ``model_macs``: multiply-accumulates of one inference, ``model_bytes``: size of the file, ``model_accuracy_ratio``:
    on the check set, as the model's catalogue states it; each None where the catalogue does not say.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    device_id: Identifier
    boot_id: Identifier
    agent_version: str
    device_class: Identifier
    t_unix_ns: UnixNs
    model_id: Identifier
    model_sha256: Sha256
    runtime: RuntimeIdentity
    meter_id: str
    meter_driver: Identifier
    boundary: Boundary
    window_s: Positive
    python_version: str
    platform: str
    simulated: bool
    held_boots: tuple[Identifier, ...] | None = None
    load_s: NonNegative | None = None
    first_invoke_s: NonNegative | None = None
    stateful: bool | None = None
    clock_state: ClockState | None = None
    model_macs: Count | None = None
    model_parameters: Count | None = None
    model_bytes: Count | None = None
    model_accuracy_ratio: Ratio | None = None


class Status(_Record, frozen=True, kw_only=True):
    """Retained on ``.../status``; the last will says ``online = false``. Liveness is decided by last-seen."""

    schema_version: Literal[1] = SCHEMA_VERSION
    device_id: Identifier
    boot_id: Identifier
    online: bool
    t_unix_ns: UnixNs
    reason: str = ""


class Health(_Record, frozen=True, kw_only=True):
    """On ``.../health``: numbers about the agent and its meter, at a slow pace."""

    schema_version: Literal[1] = SCHEMA_VERSION
    device_id: Identifier
    boot_id: Identifier
    t_unix_ns: UnixNs
    clock_state: ClockState
    last_seq: SequenceOrNone
    acked_seq: SequenceOrNone
    outbox_windows: Annotated[int, Meta(ge=0)]
    outbox_bytes: Annotated[int, Meta(ge=0)]
    dropped_windows: Annotated[int, Meta(ge=0)]
    meter_connected: bool
    meter_frame_errors: dict[str, int] = {}
    meter_reconnects: Annotated[int, Meta(ge=0)] = 0
    agent_cpu_ratio: NonNegative | None = None
    commands_done: Annotated[int, Meta(ge=0)] = 0
    commands_refused: dict[str, int] = {}


class BudgetLine(_Record, frozen=True, kw_only=True):
    """One line of an uncertainty budget (JCGM 100:2008, clause 8 and annex H).

    ``u``: standard uncertainty of the input, in ``unit``; ``sensitivity``: what one unit of it does to the result.
    ``contribution_j``: |sensitivity| x u, in joules per inference. ``evaluation``: type A or B. ``distribution``: the
    one that was assumed. ``dof``: degrees of freedom, None for infinitely many. ``shared_by``: among what the error
    is common, so that it does not average out: "window" (nothing), "run", "meter", "meter_type".
    """

    name: str
    evaluation: UncertaintyType
    distribution: Literal["normal", "rectangular", "triangular", "t"]
    unit: str
    u: NonNegative
    sensitivity: float
    contribution_j: NonNegative
    dof: NonNegative | None = None
    shared_by: Literal["window", "run", "meter", "meter_type"] = "window"
    basis: str = ""


class Measurand(_Record, frozen=True, kw_only=True):
    """A result in joules per inference with its uncertainty.

    ``u_j``: combined standard uncertainty. ``expanded_u_j``: U = ``coverage_factor`` x u. ``low_j`` to ``high_j``: the
    interval that holds 95 % of the values that could be attributed, from the distributions themselves (JCGM
    101:2008): narrower than k = 2 where one rectangular limit rules. ``effective_dof``: Welch-Satterthwaite, None for
    infinitely many.
    """

    value_j: float
    u_j: NonNegative
    expanded_u_j: NonNegative
    coverage_factor: Positive
    low_j: float
    high_j: float
    effective_dof: NonNegative | None = None
    budget: Annotated[tuple[BudgetLine, ...], Meta(max_length=MAX_BUDGET_LINES)] = ()


class BenchBaseline(_Record, frozen=True, kw_only=True):
    """Power in the declared idle state, before or after the windows."""

    power_w: float
    power_u_w: NonNegative
    duration_s: Positive
    gap_s: NonNegative = 0.0


class BenchWindow(_Record, frozen=True, kw_only=True):
    """One window of a bench: gross energy between two inference ends, and what the device was like meanwhile."""

    duration_s: Positive
    energy_j: float
    energy_u_j: NonNegative
    inference_count: Annotated[int, Meta(ge=1, le=2**40)]
    gap_s: NonNegative
    sample_count: NonNegative
    lost_count: NonNegative
    latency_p50_s: NonNegative
    latency_p95_s: NonNegative
    latency_max_s: NonNegative
    soc_temp_start_c: float | None = None
    soc_temp_end_c: float | None = None
    freq_min_mhz: NonNegative | None = None
    freq_mean_mhz: NonNegative | None = None
    freq_max_mhz: NonNegative | None = None
    throttled: bool | None = None
    agent_cpu_ratio: NonNegative | None = None
    other_cpu_ratio: NonNegative | None = None


class BenchRecord(_Record, frozen=True, kw_only=True):
    """On ``.../bench``: one bench of one model on one device, with everything that a figure needs to be defended.

    ``bench_id`` names it for ever: a collector stores it once and says so in its store-ack. ``gross``: median over
    the windows of joules per inference; ``net``: the same above the declared baseline, None without one.
    ``rejections``: why the result must not be used; empty for a valid one. ``warnings``: what a reader should know.
    ``accuracy_ratio``: on the check set in this very configuration, over ``accuracy_count`` inputs; ``roc_auc``
    instead for a model that tells anomalous inputs from normal ones by how badly it reproduces them. The catalogue's
    own word on the model stands in ``model_accuracy_ratio`` and its like, as in a birth.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    device_id: Identifier
    boot_id: Identifier
    bench_id: Identifier
    t_start_unix_ns: UnixNs
    clock_state: ClockState
    agent_version: str
    device_class: Identifier
    python_version: str
    platform: str
    model_id: Identifier
    model_sha256: Sha256
    runtime: RuntimeIdentity
    load_s: NonNegative
    first_invoke_s: NonNegative
    stateful: bool = False
    meter_id: str
    meter_driver: Identifier
    meter_rate_hz: Positive
    systematic_id: str
    calibration: str = ""
    boundary: Boundary
    simulated: bool
    sync_method: SyncMethod
    sync_residual_s: NonNegative
    windows: Annotated[tuple[BenchWindow, ...], Meta(max_length=MAX_BENCH_WINDOWS)]
    warm_up_s: NonNegative
    warm_up_count: Count
    baseline_before: BenchBaseline | None = None
    baseline_after: BenchBaseline | None = None
    gross: Measurand | None = None
    net: Measurand | None = None
    latency_p50_s: NonNegative | None = None
    latency_p95_s: NonNegative | None = None
    latency_max_s: NonNegative | None = None
    load_energy_j: float | None = None
    load_energy_u_j: NonNegative | None = None
    first_invoke_energy_j: float | None = None
    first_invoke_energy_u_j: NonNegative | None = None
    accuracy_ratio: Ratio | None = None
    accuracy_count: Count = 0
    governor: str | None = None
    rejections: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    model_macs: Count | None = None
    model_parameters: Count | None = None
    model_bytes: Count | None = None
    model_accuracy_ratio: Ratio | None = None
    roc_auc: Ratio | None = None


class BootAck(_Record, frozen=True, kw_only=True):
    """Everything of ``boot_id`` up to and including ``seq`` is committed (or declared dropped)."""

    boot_id: Identifier
    seq: SequenceOrNone


class StoredRange(_Record, frozen=True, kw_only=True):
    """Windows ``first_seq..last_seq`` of ``boot_id`` are committed, though some before them are not."""

    boot_id: Identifier
    first_seq: Sequence
    last_seq: Sequence


class StoreAck(_Record, frozen=True, kw_only=True):
    """Retained on ``.../ack`` by the collector, after its journal has committed. Only this trims an outbox.

    ``stored``: what is committed above the cumulative ``acks``: windows that came before older ones, or of which
    another collector has the older ones. ``t_unix_ns``: the collector's clock; of an acknowledgement that comes
    fresh, not retained, it dates a device that has no clock. ``bench_ids``: benches of this device that are
    committed, the latest 32. ``reply_ids``: likewise replies to commands, the latest 64.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    device_id: Identifier
    t_unix_ns: UnixNs
    acks: tuple[BootAck, ...]
    stored: Annotated[tuple[StoredRange, ...], Meta(max_length=MAX_STORED_RANGES)] = ()
    bench_ids: tuple[Identifier, ...] = ()
    reply_ids: tuple[Identifier, ...] = ()
