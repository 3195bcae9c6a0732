"""Bytes to records and back: JSON, size-capped, validated."""

from dataclasses import dataclass
from typing import Final, Literal, TypeVar

import msgspec

from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.records import (
    MAX_PAYLOAD_BYTES,
    BenchRecord,
    Birth,
    Health,
    Identifier,
    InferenceWindow,
    Sequence,
    Status,
    StoreAck,
    WindowBatch,
)

WireRecord = WindowBatch | Birth | Status | Health | BenchRecord | StoreAck
R = TypeVar("R", WindowBatch, Birth, Status, Health, BenchRecord, StoreAck)

_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[type[WireRecord], msgspec.json.Decoder[WireRecord]] = {
    kind: msgspec.json.Decoder(kind) for kind in (WindowBatch, Birth, Status, Health, BenchRecord, StoreAck)
}
_DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Numbered(msgspec.Struct):
    seq: Sequence


class BenchName(msgspec.Struct, frozen=True):
    """What names a bench, read without its figures."""

    schema_version: Literal[1]
    device_id: Identifier
    bench_id: Identifier


_BENCH_NAME = msgspec.json.Decoder(BenchName)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PARTS = msgspec.json.Decoder(list[msgspec.Raw])
_WINDOW = msgspec.json.Decoder(InferenceWindow)
_NUMBERED = msgspec.json.Decoder(_Numbered)


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record of a batch that is no valid window, as it came. ``seq`` is None when not even that can be read."""

    seq: int | None
    payload: bytes
    reason: str


def encode(record: WireRecord) -> bytes:
    """Return the record as JSON bytes. ``schema_version`` is always written, though it is a default."""
    body = _ENCODER.encode(record)
    return b'{"schema_version":%d%s' % (record.schema_version, body[1:] if body == b"{}" else b"," + body[1:])


def decode(payload: bytes, kind: type[R]) -> R:
    """Return the ``kind`` that ``payload`` holds. Raises RejectedRecordError with the reason and the field's path."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise RejectedRecordError(f"payload of {len(payload)} bytes is over the limit of {MAX_PAYLOAD_BYTES}")
    if b'"schema_version"' not in payload:
        raise RejectedRecordError("no schema_version in the payload")
    try:
        record = _DECODERS[kind].decode(payload)
    except _DECODE_ERRORS as error:
        raise RejectedRecordError(str(error)) from error
    assert isinstance(record, kind)
    return record


def name_of_bench(payload: bytes) -> BenchName | None:
    """Return which bench ``payload`` is, though it may be no valid one; None when not even that can be read."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        return None
    try:
        return _BENCH_NAME.decode(payload)
    except _DECODE_ERRORS:
        return None


def decode_windows(payload: bytes) -> tuple[WindowBatch, tuple[BadRecord, ...]]:
    """Return the batch of the good records, and the bad ones apart, so that one of them holds up no other.

    Raises RejectedRecordError when the envelope is at fault: an unknown schema version condemns no record.
    """
    try:
        return decode(payload, WindowBatch), ()
    except RejectedRecordError:
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise
        without_bad, bad = _without_bad_records(payload)
        if not bad:
            raise
    return decode(without_bad, WindowBatch), bad


def _without_bad_records(payload: bytes) -> tuple[bytes, tuple[BadRecord, ...]]:
    try:
        fields = _FIELDS.decode(payload)
        parts = _PARTS.decode(fields.get("records", msgspec.Raw(b"[]")))
    except _DECODE_ERRORS:
        return payload, ()
    faults = [(part, _fault(part)) for part in parts]
    good = _ENCODER.encode([part for part, fault in faults if not fault])
    bad = tuple(BadRecord(_number(part), bytes(part), fault) for part, fault in faults if fault)
    return _ENCODER.encode(fields | {"records": msgspec.Raw(good)}), bad


def _fault(part: msgspec.Raw) -> str:
    """Return why this is no window, empty if it is one."""
    try:
        _WINDOW.decode(part)
    except _DECODE_ERRORS as error:
        return str(error) or type(error).__name__
    return ""


def _number(part: msgspec.Raw) -> int | None:
    try:
        return _NUMBERED.decode(part).seq
    except _DECODE_ERRORS:
        return None
