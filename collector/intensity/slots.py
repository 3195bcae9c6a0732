"""What the clients of servers share: moments as servers write them, stretches cut to what an answer spans. Pure."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import FIRST_UNIX_NS, LAST_UNIX_NS, IntensityRevision
from collector.intensity.errors import SourceError
from edge_agent.wire.errors import ConfigurationError

MINUTE_NS: Final = 60 * 10**9
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def unix_ns(text: str, where: str) -> int:
    """Return a moment of ISO 8601 in nanoseconds; without an offset it is UTC. Raises SourceError for other text."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        found = (moment - _EPOCH) // timedelta(microseconds=1) * 1_000
    except (ValueError, OverflowError):
        found = LAST_UNIX_NS + 1
    if not FIRST_UNIX_NS <= found <= LAST_UNIX_NS:
        raise SourceError(f"{where}: {text!r} is no moment; the answer is not as documented", retry=False)
    return found


def minute_text(t_unix_ns: int) -> str:
    """Return the minute that holds a moment as UTC: 2018-01-20T12:30."""
    return (_EPOCH + timedelta(microseconds=t_unix_ns // 1_000)).strftime("%Y-%m-%dT%H:%M")


def floor_to(t_unix_ns: int, step_ns: int) -> int:
    """Return the beginning of the step that holds a moment; steps are counted from 1970 in UTC."""
    return t_unix_ns - t_unix_ns % step_ns


def ceil_to(t_unix_ns: int, step_ns: int) -> int:
    """Return the first beginning of a step at or after a moment."""
    return -floor_to(-t_unix_ns, step_ns) if t_unix_ns % step_ns else t_unix_ns


def pieces(start_unix_ns: int, end_unix_ns: int, longest_ns: int) -> Iterator[tuple[int, int]]:
    """Yield the stretch in pieces of at most ``longest_ns``, in order, without holes; none for an empty stretch."""
    at = start_unix_ns
    while at < end_unix_ns:
        upto = min(at + longest_ns, end_unix_ns)
        yield at, upto
        at = upto


def years(start_unix_ns: int, end_unix_ns: int) -> Iterator[tuple[int, int]]:
    """Yield the stretch cut where a year of UTC ends."""
    at = start_unix_ns
    while at < end_unix_ns:
        year = (_EPOCH + timedelta(microseconds=at // 1_000)).year
        upto = min((datetime(year + 1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) * 1_000, end_unix_ns)
        yield at, upto
        at = upto


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Makes the revisions of one answer. ``where``: the answer's address, for errors."""

    source: str
    zone: str
    kind: IntensityKind
    now_unix_ns: int
    where: str

    def slot(
        self,
        valid_from_unix_ns: int,
        valid_to_unix_ns: int,
        gco2e_per_kwh: float,
        *,
        is_estimated: bool = False,
        is_forecast: bool = False,
        scope: str = "",
    ) -> IntensityRevision:
        """Return one value. Raises SourceError for one that no intensity can have, such as less than nothing."""
        try:
            return IntensityRevision(
                source=self.source,
                zone=self.zone,
                kind=self.kind,
                valid_from_unix_ns=valid_from_unix_ns,
                valid_to_unix_ns=valid_to_unix_ns,
                gco2e_per_kwh=gco2e_per_kwh,
                fetched_at_unix_ns=self.now_unix_ns,
                is_estimated=is_estimated,
                is_forecast=is_forecast,
                scope=scope,
            )
        except ValueError as error:
            at = minute_text(valid_from_unix_ns)
            raise SourceError(f"{self.where}: {self.zone} at {at}Z: {error}", retry=False) from None


def told(revisions: Iterable[IntensityRevision], start_unix_ns: int, end_unix_ns: int) -> list[IntensityRevision]:
    """Return the revisions that touch the stretch, in order of time; of each slot one, and one that is a forecast.

    A server that says a slot twice in one answer means the last: the United Kingdom's does for 2021-04-19T19:00Z.
    """
    last = {
        (one.valid_from_unix_ns, one.is_forecast): one
        for one in revisions
        if one.valid_from_unix_ns < end_unix_ns and one.valid_to_unix_ns > start_unix_ns
    }
    return [last[key] for key in sorted(last)]


def check_kind(kind: IntensityKind | None, kinds: tuple[IntensityKind, ...], name: str) -> IntensityKind:
    """Return the kind to ask for, the usual one for None. Raises ConfigurationError for one that is not offered."""
    if kind is not None and kind not in kinds:
        raise ConfigurationError(f"intensity source {name}: gives {' and '.join(kinds)} intensities, not {kind}")
    return kind or kinds[0]


def known_number(value: float | None) -> float | None:
    """Return a value, None for one that is no number: a server's null, or a NaN that it writes as one."""
    return value if value is not None and math.isfinite(value) else None
