"""What tests ask of the events that a decoder returned."""

from collections.abc import Iterable

import numpy as np

from firmware_bridge.samples import F64, Event, FrameError, SampleBlock


def blocks_of(events: Iterable[Event]) -> list[SampleBlock]:
    return [event for event in events if isinstance(event, SampleBlock)]


def block_of(events: Iterable[Event]) -> SampleBlock:
    """The only block."""
    blocks = blocks_of(events)
    assert len(blocks) == 1
    return blocks[0]


def joined(events: Iterable[Event], name: str) -> F64:
    """One column of all blocks."""
    parts = [np.asarray(getattr(block, name), dtype=np.float64) for block in blocks_of(events)]
    return np.concatenate(parts) if parts else np.empty(0)


def errors_of(events: Iterable[Event]) -> list[tuple[str, int]]:
    """Kinds and counts, in order."""
    return [(event.kind, event.count) for event in events if isinstance(event, FrameError)]


def kinds_of(events: Iterable[Event]) -> list[str]:
    return [event.kind for event in events if isinstance(event, FrameError)]


def details_of(events: Iterable[Event]) -> list[str]:
    return [event.detail for event in events if isinstance(event, FrameError)]
