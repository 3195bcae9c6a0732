"""Bytes of an X-NUCLEO-LPM01A, made by hand, and what a listening decoder makes of them."""

import numpy as np

from firmware_bridge.drivers.lpm01a import Lpm01aDecoder
from firmware_bridge.protocol.lpm01a.format import (
    pack_stamp,
    words_of,
)
from firmware_bridge.samples import F64, Event

HZ = 100_000


def stretch(count: int, first: int = 0) -> F64:
    """A load that rises slowly: every sample can be told from its neighbours."""
    return 0.02 + 1e-6 * np.arange(first, first + count, dtype=np.float64)


def words(current_a: F64) -> bytes:
    data: bytes = words_of(current_a).astype(">u2").tobytes()
    return data


def binary(blocks: int, *, from_block: int = 0) -> bytes:
    """Stamps with 1000 words between them, at 100 kHz: a stamp is later by 10 ms than the one before."""
    numbers = range(from_block, from_block + blocks)
    return b"".join(pack_stamp(10 * k) + words(stretch(1000, 1000 * k)) for k in numbers) + pack_stamp(
        10 * (from_block + blocks)
    )


def listen(data: bytes, **options: float | str) -> list[Event]:
    return Lpm01aDecoder({"voltage_v": 3.3} | options).feed(data, 1.0)
