"""The wire: decoding and encoding a full message against the plain JSON module."""

import json
from collections.abc import Iterator

import msgspec

from benchmarks.harness import Comparison, benchmark
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.records import MAX_WINDOWS_PER_MESSAGE, WindowBatch
from tests.fakes.windows import BOOT_ID, PI4, T0_UNIX_NS, make_window


def full_batch() -> WindowBatch:
    """Return a message with as many windows as one may hold."""
    windows = [make_window(seq) for seq in range(1, MAX_WINDOWS_PER_MESSAGE + 1)]
    return WindowBatch(
        device_id=PI4.device_id,
        boot_id=BOOT_ID,
        oldest_seq=1,
        last_seq=MAX_WINDOWS_PER_MESSAGE,
        sent_unix_ns=T0_UNIX_NS,
        records=tuple(windows),
    )


@benchmark
def wire_decode() -> Iterator[Comparison]:
    payload = encode(full_batch())
    assert decode(payload, WindowBatch) == full_batch()
    yield Comparison(
        name="decode and validate a window, 60 in a message",
        ours=lambda: decode(payload, WindowBatch),
        other=lambda: json.loads(payload),
        other_name="json.loads, nothing validated",
        kind="floor",
        operations=MAX_WINDOWS_PER_MESSAGE,
    )


@benchmark
def wire_encode() -> Iterator[Comparison]:
    batch = full_batch()
    plain = msgspec.to_builtins(batch)
    yield Comparison(
        name="encode a window, 60 in a message",
        ours=lambda: encode(batch),
        other=lambda: json.dumps(plain),
        other_name="json.dumps of dictionaries",
        kind="floor",
        operations=MAX_WINDOWS_PER_MESSAGE,
    )
