"""Bytes to records and back: JSON, size-capped, validated."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal, NamedTuple, TypeVar, get_args

import msgspec

from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.grid import GridForecast
from edge_agent.wire.orders import BlobChunk, BlobRequest, Command, CommandReply, SignedCommand
from edge_agent.wire.records import (
    MAX_PAYLOAD_BYTES,
    MAX_WINDOWS_PER_MESSAGE,
    BenchRecord,
    Birth,
    DroppedRange,
    Health,
    Identifier,
    InferenceWindow,
    Sequence,
    SequenceOrNone,
    Status,
    StoreAck,
    UnixNs,
    WindowBatch,
)

WireRecord = (
    WindowBatch
    | Birth
    | Status
    | Health
    | BenchRecord
    | StoreAck
    | Command
    | SignedCommand
    | CommandReply
    | BlobRequest
    | BlobChunk
    | GridForecast
)
R = TypeVar(
    "R",
    WindowBatch,
    Birth,
    Status,
    Health,
    BenchRecord,
    StoreAck,
    Command,
    SignedCommand,
    CommandReply,
    BlobRequest,
    BlobChunk,
    GridForecast,
)
N = TypeVar("N")

_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[type[WireRecord], msgspec.json.Decoder[WireRecord]] = {
    kind: msgspec.json.Decoder(kind) for kind in get_args(WireRecord)
}
_MOST_BRACKETS: Final = 8 * MAX_WINDOWS_PER_MESSAGE
"""Three times what a full message has. Fields that nobody knows could be nested without end: more is not kept."""
_DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Numbered(msgspec.Struct):
    seq: Sequence


class WindowEnvelope(msgspec.Struct, frozen=True):
    """A WindowBatch whose records were not looked at yet: a change of one is a change of the other."""

    schema_version: Literal[1]
    device_id: Identifier
    boot_id: Identifier
    oldest_seq: Sequence
    last_seq: SequenceOrNone
    sent_unix_ns: UnixNs
    records: Annotated[tuple[msgspec.Raw, ...], msgspec.Meta(max_length=MAX_WINDOWS_PER_MESSAGE)] = ()
    dropped: tuple[DroppedRange, ...] = ()


class BenchName(msgspec.Struct, frozen=True):
    """What names a bench, read without its figures."""

    schema_version: Literal[1]
    device_id: Identifier
    bench_id: Identifier


class ReplyName(msgspec.Struct, frozen=True):
    """What names a reply, read without the rest."""

    schema_version: Literal[1]
    device_id: Identifier
    reply_id: Identifier


_BENCH_NAME = msgspec.json.Decoder(BenchName)
_REPLY_NAME = msgspec.json.Decoder(ReplyName)
_WINDOW = msgspec.json.Decoder(InferenceWindow)
_ENVELOPE = msgspec.json.Decoder(WindowEnvelope)
_NUMBERED = msgspec.json.Decoder(_Numbered)


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record of a batch that is no valid window, as it came. ``seq`` is None when not even that can be read."""

    seq: int | None
    payload: bytes
    reason: str


class DecodedWindows(NamedTuple):
    """A message on ``.../windows``: its envelope, its good records, the same ones as bytes, and the bad ones.

    A record's bytes are those that came, with fields that this version does not know.
    """

    envelope: WindowEnvelope
    windows: list[InferenceWindow]
    payloads: list[bytes]
    bad: tuple[BadRecord, ...] = ()


def encode(record: WireRecord) -> bytes:
    """Return the record as JSON bytes. ``schema_version`` is always written, though it is a default."""
    body = _ENCODER.encode(record)
    return b'{"schema_version":%d%s' % (record.schema_version, body[1:] if body == b"{}" else b"," + body[1:])


def decode(payload: bytes, kind: type[R]) -> R:
    """Return the ``kind`` that ``payload`` holds. Raises RejectedRecordError with the reason and the field's path."""
    _check_envelope(payload)
    try:
        record = _DECODERS[kind].decode(payload)
    except _DECODE_ERRORS as error:
        raise RejectedRecordError(str(error)) from error
    assert isinstance(record, kind)
    return record


def _check_envelope(payload: bytes) -> None:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise RejectedRecordError(f"payload of {len(payload)} bytes is over the limit of {MAX_PAYLOAD_BYTES}")
    if b'"schema_version"' not in payload:
        raise RejectedRecordError("no schema_version in the payload")


def name_of_bench(payload: bytes) -> BenchName | None:
    """Return which bench ``payload`` is, though it may be no valid one; None when not even that can be read."""
    return _name_of(payload, _BENCH_NAME)


def name_of_reply(payload: bytes) -> ReplyName | None:
    """Return the same for a reply to a command."""
    return _name_of(payload, _REPLY_NAME)


def _name_of(payload: bytes, decoder: msgspec.json.Decoder[N]) -> N | None:
    if len(payload) > MAX_PAYLOAD_BYTES:
        return None
    try:
        return decoder.decode(payload)
    except _DECODE_ERRORS:
        return None


def decode_windows(payload: bytes) -> DecodedWindows:
    """Return the batch of the good records, and the bad ones apart, so that one of them holds up no other.

    Raises RejectedRecordError when the envelope is at fault: an unknown schema version condemns no record.
    """
    _check_envelope(payload)
    try:
        envelope = _ENVELOPE.decode(payload)
    except _DECODE_ERRORS as error:
        raise RejectedRecordError(str(error)) from error
    flat = payload.count(b"{") + payload.count(b"[") <= _MOST_BRACKETS
    windows: list[InferenceWindow] = []
    payloads: list[bytes] = []
    bad: list[BadRecord] = []
    for part in map(bytes, envelope.records):
        try:
            window = _WINDOW.decode(part)
        except _DECODE_ERRORS as error:
            bad.append(BadRecord(_number(part), part, str(error) or type(error).__name__))
            continue
        windows.append(window)
        payloads.append(part if flat else _ENCODER.encode(window))
    return DecodedWindows(envelope, windows, payloads, tuple(bad))


def _number(part: bytes) -> int | None:
    try:
        return _NUMBERED.decode(part).seq
    except _DECODE_ERRORS:
        return None
