"""Bytes to records and back: JSON, size-capped, validated."""

from typing import TypeVar

import msgspec

from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.records import MAX_PAYLOAD_BYTES, Birth, Health, Status, StoreAck, WindowBatch

WireRecord = WindowBatch | Birth | Status | Health | StoreAck
R = TypeVar("R", WindowBatch, Birth, Status, Health, StoreAck)

_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[type[WireRecord], msgspec.json.Decoder[WireRecord]] = {
    kind: msgspec.json.Decoder(kind) for kind in (WindowBatch, Birth, Status, Health, StoreAck)
}


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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedRecordError(str(error)) from error
    assert isinstance(record, kind)
    return record
