"""Orders to a device: signed commands, what it replies, and files fetched by their hash; schema version 1.

A command travels as a ``SignedCommand``: the exact bytes that were signed, so that no re-encoding can break or forge
the signature. Everything here is data: signing and checking need keys and live elsewhere.
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from edge_agent.wire.records import (
    SCHEMA_VERSION,
    ClockState,
    Identifier,
    NonNegative,
    Positive,
    Ratio,
    Sha256,
    UnixNs,
    _Record,
)

MAX_COMMAND_BYTES: Final = 16_384
MAX_CHUNK_BYTES: Final = 65_536
MAX_BLOB_BYTES: Final = 2**30
MAX_REASON_CHARACTERS: Final = 500
SIGNATURE_CONTEXT: Final = b"edgejoule order v1\n"
"""What stands before the command's bytes when they are signed: a signature is good for nothing else."""

ActionKind = Literal["bench", "model", "window", "duty_cycle", "batch", "diagnostics", "reset"]
"""Also what a device's list of allowed work names."""
Stage = Literal["accepted", "waiting", "running", "done", "failed", "rolled_back", "refused"]
FINAL_STAGES: Final[frozenset[str]] = frozenset({"done", "failed", "rolled_back", "refused"})
RefusalKind = Literal[
    "malformed", "foreign", "unsigned", "replayed", "stale", "not_yet", "not_allowed", "clock", "busy"
]
"""Why a command was refused. "foreign": of a key that the device does not know, or for another device or fleet.
"unsigned": the signature does not fit. "clock": the device cannot tell whether the command is still valid."""


CommandId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}\Z")]


class _Action(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """Base of what can be ordered."""


class RunBench(_Action, frozen=True, kw_only=True, tag="bench"):
    """Bench the present model between two windows of the usual work; the record comes as every bench does."""

    windows: Annotated[int, Meta(ge=5, le=200)] = 5
    window_s: Annotated[float, Meta(ge=10.0, le=600.0)] = 10.0
    baseline_s: Annotated[float, Meta(ge=0.0, le=600.0)] = 10.0


class ChangeModel(_Action, frozen=True, kw_only=True, tag="model"):
    """Run another model from now on: of the device's catalogue, or a file fetched by its hash when ``size_bytes``.

    ``suffix``: the format of the file. ``check_set_sha256`` and ``check_set_bytes``: its inputs, fetched likewise.
    """

    model_id: Identifier
    sha256: Sha256
    size_bytes: Annotated[int, Meta(ge=0, le=MAX_BLOB_BYTES)] = 0
    suffix: Literal[".tflite", ".onnx"] = ".tflite"
    check_set_sha256: Sha256 | None = None
    check_set_bytes: Annotated[int, Meta(ge=0, le=MAX_BLOB_BYTES)] = 0


class SetWindow(_Action, frozen=True, kw_only=True, tag="window"):
    """Measure in windows of this length from now on."""

    window_s: Annotated[float, Meta(ge=0.5, le=3600.0)]


class SetDutyCycle(_Action, frozen=True, kw_only=True, tag="duty_cycle"):
    """Be inside inference for this share of the time from now on."""

    duty_ratio: Annotated[float, Meta(gt=0.0, le=1.0)]


class RunBatch(_Action, frozen=True, kw_only=True, tag="batch"):
    """Run the present model once over each input of a folder that the device's configuration names ``folder``."""

    folder: Identifier


class CollectDiagnostics(_Action, frozen=True, kw_only=True, tag="diagnostics"):
    """Say how the device is: versions, meter, outbox, clock, disk, temperatures, settings without secrets."""


class ResetSettings(_Action, frozen=True, kw_only=True, tag="reset"):
    """Forget what orders changed: go back to the configuration file."""


Action: TypeAlias = RunBench | ChangeModel | SetWindow | SetDutyCycle | RunBatch | CollectDiagnostics | ResetSettings


class Deferral(_Record, frozen=True, kw_only=True):
    """The work may wait for a greener slot, but must be done by ``deadline_unix_ns``.

    ``duration_s``: how long it takes, about. ``energy_j``: what it takes, about; None when the device shall say.
    """

    deadline_unix_ns: UnixNs
    duration_s: Positive
    energy_j: NonNegative | None = None


class Command(_Record, frozen=True, kw_only=True):
    """One order to one device. ``command_id`` names it for ever.

    Of one key a device accepts each ``issued_unix_ns`` only after lower ones: what was heard once is refused later.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    command_id: CommandId
    fleet: Identifier
    device_id: Identifier
    issued_unix_ns: UnixNs
    expires_unix_ns: UnixNs
    action: Action
    defer: Deferral | None = None


class SignedCommand(_Record, frozen=True, kw_only=True):
    """On ``.../cmd/run``. ``command``: a Command as JSON; ``signature``: Ed25519 over SIGNATURE_CONTEXT and it.

    ``key_id``: the first 16 hexadecimal digits of the SHA-256 of the raw public key.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    key_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]
    command: Annotated[bytes, Meta(max_length=MAX_COMMAND_BYTES)]


class CarbonTiming(_Record, frozen=True, kw_only=True):
    """What was chosen for a deferrable job and what that saved: an estimate, with the intensity as known then.

    ``saved_gco2e``: energy x (mean intensity at once - mean intensity in the slot); None where either is unknown.
    ``energy_kind``: "measured" by the meter while the job ran, idle included; "stated" in the order; None: unknown.
    ``why_now``: why the job ran at once though it might have waited; "" when it was put off or now was greenest.
    """

    zone: str
    asked_unix_ns: UnixNs
    start_unix_ns: UnixNs
    deadline_unix_ns: UnixNs
    duration_s: NonNegative
    at_once_gco2e_per_kwh: NonNegative | None = None
    chosen_gco2e_per_kwh: NonNegative | None = None
    intensity_kind: Literal["average", "marginal"] | None = None
    intensity_source: str = ""
    forecast_unix_ns: UnixNs | None = None
    energy_j: NonNegative | None = None
    energy_kind: Literal["measured", "stated"] | None = None
    saved_gco2e: float | None = None
    why_now: str = ""
    simulated: bool = False


class CommandReply(_Record, frozen=True, kw_only=True):
    """On ``.../reply``: where a command stands. Kept on the device until a collector has stored it.

    ``reply_id``: names this reply for ever, the command's id and the stage. ``result``: figures of ``done``, flat.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    device_id: Identifier
    boot_id: Identifier
    reply_id: Identifier
    command_id: CommandId
    kind: str
    stage: Stage
    t_unix_ns: UnixNs
    clock_state: ClockState
    refusal: RefusalKind | None = None
    reason: Annotated[str, Meta(max_length=MAX_REASON_CHARACTERS)] = ""
    progress_ratio: Ratio | None = None
    result: dict[str, str | int | float | bool | None] = msgspec.field(default_factory=dict)
    carbon: CarbonTiming | None = None


class BlobRequest(_Record, frozen=True, kw_only=True):
    """On ``.../fetch``: send me bytes of the file with this hash, from ``offset`` on, ``max_bytes`` at most."""

    schema_version: Literal[1] = SCHEMA_VERSION
    device_id: Identifier
    sha256: Sha256
    offset: Annotated[int, Meta(ge=0, le=MAX_BLOB_BYTES)]
    max_bytes: Annotated[int, Meta(ge=1, le=MAX_CHUNK_BYTES)] = MAX_CHUNK_BYTES


class BlobChunk(_Record, frozen=True, kw_only=True):
    """On ``.../cmd/blob``: these bytes of the file; no ``data`` and ``total_bytes`` 0 when there is no such file."""

    schema_version: Literal[1] = SCHEMA_VERSION
    sha256: Sha256
    offset: Annotated[int, Meta(ge=0, le=MAX_BLOB_BYTES)]
    total_bytes: Annotated[int, Meta(ge=0, le=MAX_BLOB_BYTES)]
    data: Annotated[bytes, Meta(max_length=MAX_CHUNK_BYTES)]
