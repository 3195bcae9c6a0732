"""Ask a source for a long stretch in parts, and store each part as soon as it has come."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from collector.intensity.errors import SourceError
from collector.intensity.slots import DAY_NS, floor_to, pieces
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
    return sum(1 for _ in _parts(start_unix_ns, end_unix_ns))


def fetch_into(
    store: IntensityStore,
    source: IntensitySource,
    zone: str,
    start_unix_ns: int,
    end_unix_ns: int,
    now_unix_ns: int,
) -> Iterator[FetchedPart]:
    """Ask for the stretch and store what comes, the oldest part first; yields each part when it is stored.

    Raises SourceError as the source does, and for an answer that says two things of one moment; the parts before are
    kept. Raises ConfigurationError for a store that cannot be written.
    """
    store.add_passport(source.passport)
    for start, end in _parts(start_unix_ns, end_unix_ns):
        found = source.fetch(zone, start, end, now_unix_ns)
        try:
            added = store.add(found)
        except ValueError as error:
            raise SourceError(f"{source.passport.id} {zone}: {error}; nothing of it is stored", retry=False) from error
        store.note_said(found, now_unix_ns)
        yield FetchedPart(start, end, len(found), added)


def _parts(start_unix_ns: int, end_unix_ns: int) -> Iterator[tuple[int, int]]:
    """Yield the parts, which end with a day of UTC: a step that two parts share could be revised between them."""
    longest_ns = PART_DAYS * DAY_NS
    for start, end in pieces(floor_to(start_unix_ns, DAY_NS), end_unix_ns, longest_ns):
        if end > start_unix_ns:
            yield max(start, start_unix_ns), end
