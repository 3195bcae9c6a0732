"""The PPK2 against ppk2-api 0.9.2, the library that most people read it with: the same bytes, the same currents.

Both get the words of one conversation with the emulated meter, in the same reads of 20 ms, and both filter the spikes
of range changes. Every sample is compared, to 1e-6 of its value, before anything is timed: the load changes the range
some 40 times a second and stays within what the meter carries. ppk2-api is called as it is (GPL-2.0: nothing of it is
here).

Where the two differ by design, the stream holds nothing: ppk2-api takes a range above 4 for 4, ignores the counter and
the reserved bit, and lets a pinned converter count for more than the meter carries.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from ppk2_api.ppk2_api import PPK2_API

from benchmarks.decode import VOLTAGE_V, conversation, decode
from benchmarks.harness import Comparison, benchmark
from firmware_bridge.protocol.ppk2.encoder import Ppk2Encoder
from firmware_bridge.protocol.ppk2.format import CONSTANTS, RANGES
from firmware_bridge.registry import get_driver

STREAM_S = 4.0
LEAST_FACTOR = 40.0


@contextmanager
def peer(constants: dict[str, float]) -> Iterator[Any]:
    """Open ppk2-api on a pseudo-terminal with nobody behind it, and give it the meter's constants."""
    master, slave = os.openpty()
    api = PPK2_API(os.ttyname(slave))
    try:
        for name in CONSTANTS:
            api.modifiers[name] = {str(index): constants[f"{name}{index}"] for index in range(RANGES)}
        api.current_vdd = VOLTAGE_V * 1000.0
        yield api
    finally:
        api.ser.close()
        os.close(slave)
        os.close(master)


def peer_current_a(api: Any, reads: list[bytes]) -> list[float]:
    """Return what ppk2-api makes of the reads; it counts in microamperes."""
    current_ua: list[float] = []
    for data in reads:
        current_ua += api.get_samples(data)[0]
    return [value * 1e-6 for value in current_ua]


@benchmark
def ppk2_api() -> Iterator[Comparison]:
    driver = get_driver("ppk2")
    talk = conversation(driver, STREAM_S)
    if not isinstance(talk.encoder, Ppk2Encoder):
        raise TypeError(type(talk.encoder).__name__)
    first = max(i for i, one in enumerate(talk.said) if not one.from_meter)
    reads = [one.data for one in talk.said[first:] if one.from_meter]
    ours_a = talk.decoded.column("current_a")
    with peer(talk.encoder.constants) as api:
        theirs_a = peer_current_a(api, reads)
        np.testing.assert_allclose(theirs_a, ours_a, rtol=1e-6)
        yield Comparison(
            name=f"ppk2: decode a word, each of {len(ours_a):,} currents the same",
            ours=partial(decode, driver, talk.said),
            other=partial(peer_current_a, api, reads),
            other_name="ppk2-api 0.9.2, get_samples",
            kind="peer",
            operations=len(ours_a),
            limit_ratio=1.0 / LEAST_FACTOR,
        )
