"""A stream beside its timeline: energy over what a host heard, and what a long stream holds in memory."""

import tracemalloc
from collections import Counter
from collections.abc import Iterable

from firmware_bridge.driver import MeterDecoder, MeterDriver, Options
from firmware_bridge.timeline import Timeline
from tests.fakes.meter_talk import Said

FULL_S = 90.0
"""The register's history is full after a minute; from then on nothing may grow but its seconds."""


def timeline_of(driver: MeterDriver, said: Iterable[Said], options: Options | None = None) -> Timeline:
    """Integrate what was said, decoded again."""
    timeline, decoder = Timeline(driver.data_sheet), driver.make_decoder(options or {})
    errors = Counter[str]()
    for one in said:
        if one.from_meter:
            timeline.take(decoder.feed(one.data, one.t_host_s), one.t_host_s, errors)
        else:
            decoder.bytes_to_send(one.t_host_s)
    return timeline


def growth_bytes(
    driver: MeterDriver, decoder: MeterDecoder, piece: bytes, piece_s: float, *, until_s: float = 300.0
) -> int:
    """Feed one piece of stream again and again; return what the last minutes added to what is held."""
    timeline = Timeline(driver.data_sheet)
    pieces, full = int(until_s / piece_s), int(FULL_S / piece_s)
    held_bytes = 0
    tracemalloc.start()
    try:
        for number in range(pieces):
            t_host_s = 1.0 + number * piece_s
            timeline.take(decoder.feed(piece, t_host_s), t_host_s, Counter())
            if number == full:
                held_bytes = tracemalloc.get_traced_memory()[0]
        growth = tracemalloc.get_traced_memory()[0] - held_bytes
    finally:
        tracemalloc.stop()
    assert timeline.latest().lost_count == 0
    return growth
