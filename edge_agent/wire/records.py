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

Identifier = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Sequence = Annotated[int, Meta(ge=1, le=2**53)]
SequenceOrNone = Annotated[int, Meta(ge=0, le=2**53)]
NonNegative = Annotated[float, Meta(ge=0.0)]
Positive = Annotated[float, Meta(gt=0.0)]
UnixNs = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]

ClockState = Literal["synchronised", "unsynchronised", "rebased"]
SyncMethod = Literal["host_clock", "arrival_fit", "serial_marker", "gpio_marker", "step_correlation"]
Boundary = Literal["ac_wall", "usb_dc", "dc_input", "rail"]


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the records: unknown fields are ignored, so that newer agents can speak."""


class RuntimeIdentity(_Record, frozen=True, kw_only=True):
    """What executed the model: part of every energy figure, since runtimes differ up to tenfold."""

    runtime: str
    version: str
    delegate: str
    threads: Annotated[int, Meta(ge=1)]


class InferenceWindow(_Record, frozen=True, kw_only=True):
    """One closed measurement window of one device.

    ``energy_j``: gross joules that samples cover; ``gap_s`` seconds of the window have no sample and no joule.
    ``energy_u_j``: its combined standard uncertainty (k = 1), ``energy_u_systematic_j`` the part that is common to
    all windows of the same meter (gain, offset) and therefore adds linearly.
    ``idle_power_w``: the declared baseline, None if none was measured.
    ``busy_s``: seconds spent inside inference.
    ``t_start_unix_ns``: start on the device's UTC clock; ``clock_state`` says what that clock was worth.
    ``sync_residual_s``: bound on the offset between meter clock and host clock.
    ``simulated``: true if any figure came from an emulated meter.
    """

    seq: Sequence
    t_start_unix_ns: UnixNs
    clock_state: ClockState
    duration_s: Positive
    energy_j: float
    energy_u_j: NonNegative
    energy_u_systematic_j: NonNegative
    gap_s: NonNegative
    inference_count: Annotated[int, Meta(ge=0)]
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
    frame_error_count: Annotated[int, Meta(ge=0)] = 0
    soc_temp_c: float | None = None
    freq_mhz: NonNegative | None = None
    throttled: bool | None = None


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
    others will never come. None: not said.
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


class BootAck(_Record, frozen=True, kw_only=True):
    """Everything of ``boot_id`` up to and including ``seq`` is committed (or declared dropped)."""

    boot_id: Identifier
    seq: SequenceOrNone


class StoreAck(_Record, frozen=True, kw_only=True):
    """Retained on ``.../ack`` by the collector, after its journal has committed. Only this trims an outbox."""

    schema_version: Literal[1] = SCHEMA_VERSION
    device_id: Identifier
    t_unix_ns: UnixNs
    acks: tuple[BootAck, ...]
