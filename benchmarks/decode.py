"""How fast each meter's bytes become samples, as a part of real time; the PPK2 also against two other ways.

The plain loop decodes word by word, as a first version in Python would: the same conversion, filter and counter
check, no arrays; it must give the same currents before anything is timed. The floor looks up one current for each
word and checks nothing.
"""

import struct
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from benchmarks.harness import Comparison, benchmark
from firmware_bridge.driver import DataSheet, MeterDriver
from firmware_bridge.protocol.ppk2.encoder import Ppk2Encoder
from firmware_bridge.protocol.ppk2.format import TABLE_MASK, current_table_a
from firmware_bridge.registry import all_drivers, get_driver
from firmware_bridge.samples import F64
from tests.fakes.meter_talk import Conversation, Decoded, Load, Said, decode_again, levels_a

VOLTAGE_V = 5.0
STREAM_S = 2.0
LEAST_TIMES_REAL_TIME = 100.0
_ALPHA, _ALPHA_LAST_RANGE, _LAST_RANGE = 0.18, 0.06, 4


def load_of(sheet: DataSheet) -> Load:
    """Return a device that idles, works and sleeps now and then, so that the PPK2 changes its range."""
    idle_a, busy_a, _ = levels_a(sheet)

    def load(t_device_s: F64) -> tuple[F64, F64]:
        busy = np.sin(2 * np.pi * 3 * t_device_s) > 0
        asleep = np.sin(2 * np.pi * 11 * t_device_s) > 0.9
        current_a: F64 = np.where(asleep, idle_a / 60.0, np.where(busy, busy_a, idle_a))
        return np.full(len(t_device_s), sheet.nominal_voltage_v), current_a

    return load


def conversation(driver: MeterDriver, seconds: float) -> Conversation:
    """Let a host and the emulated meter talk for so many seconds of stream, in reads of 20 ms."""
    talk = Conversation(driver)
    load = load_of(driver.data_sheet)
    talk.run_until_samples(load)
    talk.run(seconds, load)
    return talk


def decode(driver: MeterDriver, said: list[Said]) -> Decoded:
    """Decode a conversation again: what is timed."""
    return decode_again(driver, said)


def plain_ppk2_current_a(data: bytes, constants: Mapping[str, float], supply_v: float) -> list[float]:
    """Decode PPK2 words one by one, as a loop."""
    result: list[float] = []
    fast = slow = 0.0
    previous, left, since, expected = -1, 0, 0, -1
    for (word,) in struct.iter_unpack("<I", data):
        counter = (word >> 18) & 63
        if expected not in {-1, counter}:
            raise ValueError("the loop is for clean streams")
        expected = (counter + 1) & 63
        index = (word >> 14) & 7
        x = ((word & 0x3FFF) * 4 - constants[f"O{index}"]) * (1.8 / 163840) / constants[f"R{index}"]
        gain = constants[f"GS{index}"] * x + constants[f"GI{index}"]
        offset_a = constants[f"S{index}"] * supply_v + constants[f"I{index}"]
        value = constants[f"UG{index}"] * (x * gain + offset_a)
        if previous < 0:
            fast = slow = value
            previous = index
        kept = fast, slow
        fast += _ALPHA * (value - fast)
        slow += _ALPHA_LAST_RANGE * (value - slow)
        since = 0 if index != previous else since + 1
        left = 3 if index != previous else left
        if left:
            if index == _LAST_RANGE and since < 2:
                fast, slow = kept
            value = slow if index == _LAST_RANGE else fast
            left -= 1
        result.append(value)
        previous = index
    return result


def bare_ppk2_current_a(data: bytes, table_a: F64) -> F64:
    """Look up each word's current, in reads of 20 ms as the others have them; trust every byte."""
    words = np.frombuffer(data, dtype="<u4")
    parts = [table_a[words[at : at + 2000] & np.uint32(TABLE_MASK)] for at in range(0, len(words), 2000)]
    return np.concatenate(parts)


@benchmark
def every_driver() -> Iterator[Comparison]:
    for driver in all_drivers():
        said = conversation(driver, STREAM_S).said
        yield Comparison(
            name=f"{driver.name}: decode {STREAM_S:g} s of stream",
            ours=partial(decode, driver, said),
            other_name="real time",
            kind="budget",
            budget_s=STREAM_S,
            limit_ratio=1.0 / LEAST_TIMES_REAL_TIME,
        )


@benchmark
def ppk2() -> Iterator[Comparison]:
    driver = get_driver("ppk2")
    talk = conversation(driver, STREAM_S)
    if not isinstance(talk.encoder, Ppk2Encoder):
        raise TypeError(type(talk.encoder).__name__)
    constants = talk.encoder.constants
    table_a = current_table_a(dict(constants), VOLTAGE_V)
    first = max(i for i, one in enumerate(talk.said) if not one.from_meter)
    stream = b"".join(one.data for one in talk.said[first:] if one.from_meter)
    measured_a = talk.decoded.column("current_a")
    np.testing.assert_allclose(plain_ppk2_current_a(stream, constants, VOLTAGE_V), measured_a, rtol=1e-9)
    ours = partial(decode, driver, talk.said)
    yield Comparison(
        name="ppk2: decode a word",
        ours=ours,
        other=partial(plain_ppk2_current_a, stream, constants, VOLTAGE_V),
        other_name="a plain loop with the same currents",
        kind="peer",
        operations=len(measured_a),
    )
    yield Comparison(
        name="ppk2: decode a word",
        ours=ours,
        other=partial(bare_ppk2_current_a, stream, table_a),
        other_name="one look-up, nothing checked",
        kind="floor",
        operations=len(measured_a),
    )
