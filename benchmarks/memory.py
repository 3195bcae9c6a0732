"""Memory after a long stream: what the process holds after two minutes, and at the end.

Decoder, timeline, register and history take the two fast meters' streams as the reader does, as fast as they can: a
stretch of a few seconds again and again, its counters and stamps going on where it ends. ``make bench`` plays ten
minutes of each, in some ten seconds; EDGEJOULE_BENCH_MINUTES=60 plays the whole hour, in about a minute.
"""

import gc
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.harness import Measurement, benchmark
from firmware_bridge.driver import MeterDecoder, MeterDriver
from firmware_bridge.registry import get_driver
from firmware_bridge.timeline import Timeline
from tests.fakes.meter_talk import levels_a

MINUTES = float(os.environ.get("EDGEJOULE_BENCH_MINUTES", "10"))
EARLY_S = 120.0
MOST_GROWTH_RATIO = 1.1
PIECES = {"ppk2": (64, 10_000), "powersensor3": (50, 2048)}
"""How many pieces, and samples in each: whole periods of the counter (64) and of the stamp (1024 us) together."""


def streaming(driver: MeterDriver) -> tuple[MeterDecoder, list[bytes], float]:
    """Return a decoder whose handshake is done, pieces of stream, and how long a piece lasts."""
    sheet = driver.data_sheet
    decoder, encoder = driver.make_decoder({}), driver.make_encoder({}, 1)
    t_s = 0.0
    while t_s < 2.0:
        t_s += 0.02
        for _ in range(12):
            outgoing = decoder.bytes_to_send(t_s)
            decoder.feed(encoder.receive(outgoing, t_s), t_s)
    count, samples = PIECES[driver.name]
    volts, amps = np.full(samples, sheet.nominal_voltage_v), np.full(samples, levels_a(sheet)[1])
    numbers = np.arange(1, samples + 1, dtype=np.float64)
    pieces = [
        encoder.emit((number * samples + numbers) * sheet.sample_interval_s, volts, amps) for number in range(count)
    ]
    return decoder, pieces, samples * sheet.sample_interval_s


def resident_bytes() -> int:
    """Return what the process holds in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@benchmark
def held_memory() -> Iterator[Measurement]:
    for name in PIECES:
        driver = get_driver(name)
        decoder, pieces, piece_s = streaming(driver)
        timeline, errors = Timeline(driver.data_sheet), Counter[str]()
        early_bytes = 0
        for number in range(round(60.0 * MINUTES / piece_s)):
            t_host_s = 2.0 + (number + 1) * piece_s
            timeline.take(decoder.feed(pieces[number % len(pieces)], t_host_s), t_host_s, errors)
            if not early_bytes and number * piece_s >= EARLY_S:
                early_bytes = resident_bytes()
        covered_s = timeline.latest().covered_s
        if errors or abs(covered_s - 60.0 * MINUTES) > piece_s:
            raise RuntimeError(f"{name}: {covered_s} s of {MINUTES} min were read: {dict(errors)}")
        yield Measurement(
            name=f"{name}: memory held after {MINUTES:g} min of stream",
            ours=[resident_bytes()],
            other=[early_bytes],
            other_name="the same after two minutes",
            kind="floor",
            unit="bytes",
            limit_ratio=MOST_GROWTH_RATIO,
        )
