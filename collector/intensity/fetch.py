"""Ask a source for a long stretch in parts, and store each part as soon as it has come."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from collector.intensity.slots import DAY_NS, pieces
from collector.intensity.source import IntensitySource
from collector.intensity.store import IntensityStore

PART_DAYS: Final = 14
"""A part is small enough to be seen to advance and to be worth keeping if the next one fails."""


@dataclass(frozen=True, slots=True)
class FetchedPart:
    """One part of a stretch. ``values``: that the source gave; ``added``: those that were not known already."""

    start_unix_ns: int
    end_unix_ns: int
    values: int
    added: int


def part_count(start_unix_ns: int, end_unix_ns: int) -> int:
    """Return in how many parts a stretch is asked for."""
    return -(-max(end_unix_ns - start_unix_ns, 0) // (PART_DAYS * DAY_NS))


def fetch_into(
    store: IntensityStore,
    source: IntensitySource,
    zone: str,
    start_unix_ns: int,
    end_unix_ns: int,
    now_unix_ns: int,
) -> Iterator[FetchedPart]:
    """Ask for the stretch and store what comes, the oldest part first; yields each part when it is stored.

    Raises SourceError as the source does; the parts before are kept. Raises ConfigurationError for a store that cannot
    be written.
    """
    store.add_passport(source.passport)
    for start, end in pieces(start_unix_ns, end_unix_ns, PART_DAYS * DAY_NS):
        found = source.fetch(zone, start, end, now_unix_ns)
        yield FetchedPart(start, end, len(found), store.add(found))
