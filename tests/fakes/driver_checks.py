"""What must hold for the talk with any meter, emulated, recorded or real: checks of a transcript."""

import random
from collections.abc import Iterator, Sequence

import numpy as np

from firmware_bridge.driver import MeterDriver, Options
from firmware_bridge.samples import MeterIdentity, SampleBlock
from tests.fakes.damage import KINDS, BadLine
from tests.fakes.meter_talk import Decoded, Said, byte_by_byte, decode_again

MAX_FRAME_BYTES = 1500
Transcript = Sequence[Said]


def reads_with_samples(driver: MeterDriver, said: Transcript, options: Options | None = None) -> list[int]:
    """The indices of the reads that brought samples, in order."""
    decoder, found = driver.make_decoder(options or {}), []
    for i, one in enumerate(said):
        if not one.from_meter:
            decoder.bytes_to_send(one.t_host_s)
        elif any(isinstance(event, SampleBlock) for event in decoder.feed(one.data, one.t_host_s)):
            found.append(i)
    return found


def check_known_first(driver: MeterDriver, said: Transcript) -> None:
    """The meter says who it is, once, before its first sample."""
    events = decode_again(driver, said).events
    first_sample = next(i for i, event in enumerate(events) if isinstance(event, SampleBlock))
    identities = [i for i, event in enumerate(events) if isinstance(event, MeterIdentity)]
    assert len(identities) == 1
    assert identities[0] < first_sample


def check_cut(driver: MeterDriver, said: Transcript, sizes: list[int] | None) -> None:
    """Reads cut to pieces of these sizes (then the rest; byte by byte where None) mean the same."""

    def cut(data: bytes) -> Iterator[bytes]:
        at = 0
        for size in sizes or []:
            yield data[at : at + size]
            at += size
        yield data[at:]

    expected = decode_again(driver, said)
    got = decode_again(driver, said, cut=byte_by_byte if sizes is None else cut)
    for name in ("t_device_s", "voltage_v", "current_a", "power_w"):
        np.testing.assert_allclose(got.column(name), expected.column(name), rtol=1e-12, atol=1e-15)
    assert got.errors() == expected.errors()
    assert got.identities() == expected.identities()


def check_garbage(driver: MeterDriver, said: Transcript, junk: bytes) -> None:
    """Garbage before the last reads but two costs few samples, is counted, and the last samples are right."""
    at = reads_with_samples(driver, said)[-3]
    clean = decode_again(driver, said).column("current_a")
    decoded = decode_again(driver, [*said[:at], Said(said[at].t_host_s, from_meter=True, data=junk), *said[at:]])
    decoded.check_blocks()
    tail = max(1, len(clean) // 20)
    np.testing.assert_allclose(decoded.column("current_a")[-tail:], clean[-tail:], rtol=1e-9)
    assert len(decoded.column("current_a")) >= len(clean) - 30
    if len(junk) > MAX_FRAME_BYTES and not junk.isspace() and any(junk):
        assert decoded.errors()


def check_clock_jumps(driver: MeterDriver, said: Transcript) -> None:
    """A host clock that jumps makes no decoder raise, and no time of a sample go back."""
    jumps = np.random.default_rng(3).choice([-50.0, 0.0, 3.0, 4000.0], size=len(said))
    decode_again(
        driver, [Said(one.t_host_s + jump, one.from_meter, one.data) for one, jump in zip(said, jumps, strict=True)]
    ).check_blocks()


def check_listening(driver: MeterDriver, said: Transcript, options: Options | None = None) -> None:
    """A decoder that never asks gets the same samples from the same bytes, or says what it would need."""
    asked = decode_again(driver, said, options=options)
    heard = decode_again(driver, [one for one in said if one.from_meter], options=options)
    heard.check_blocks()
    details = [error.detail for error in heard.frame_errors() if error.kind == "protocol"]
    if not heard.blocks():
        assert any(len(detail) > 20 for detail in details), "neither a sample nor a word on what is missing"
        return
    count = len(heard.column("power_w"))
    assert count >= 0.5 * len(asked.column("power_w"))
    for name in ("voltage_v", "current_a", "power_w"):
        np.testing.assert_allclose(heard.column(name), asked.column(name)[-count:], rtol=1e-9, atol=1e-12)


def check_damaged(driver: MeterDriver, said: Transcript, *, times: int) -> None:
    """However its reads are damaged, the recording is decoded without an error that ends it."""
    for seed in range(times):
        line = BadLine(KINDS, 0.3, random.Random(seed), on=True)
        worse = [Said(one.t_host_s, True, line(one.data)) if one.from_meter else one for one in said]
        decoded: Decoded = decode_again(driver, worse)
        decoded.check_blocks()
