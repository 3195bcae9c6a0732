"""The greenest start before a deadline, as far as the grid's hours are known. Pure, and exact.

The mean intensity over the work, as a function of its start, is a broken line: it bends only where the work's start or
its end passes the edge of a slot. So its lowest point is at such a start, or at the first or the last start that may
be. The slots' sums are kept as whole numbers, in which every float has an exact value: ties are ties.
"""

from bisect import bisect_right
from fractions import Fraction
from typing import Final, Literal

import msgspec

from edge_agent.wire.grid import GridForecast, GridSlot
from edge_agent.wire.orders import CarbonTiming, Deferral

NS_PER_S: Final = 1_000_000_000
J_PER_KWH: Final = 3_600_000.0
LONGEST_S: Final = 1e10
"""Three centuries: what lies beyond passes the last moment that a record can name."""
ROUNDING_NS: Final = 1000
"""What a length in seconds, as a float, may be off for slots of years."""
MAX_AHEAD_NS: Final = 300 * NS_PER_S
"""A forecast that was published later than this after "now" says that one of two clocks is wrong."""
ON_TIME_RATIO: Final = 0.1
WhyNow = Literal[
    "", "deadline", "no_zone", "no_forecast", "stale", "other_zone", "other_kind", "not_in_order", "not_known", "clock"
]
"""Why work runs at once though it might have waited; "" when it waits, or when no later start is greener.

"deadline": it leaves no time to wait. "no_zone": the device was not told where it stands. "stale": the source has not
spoken for too long. "not_in_order": the forecast contradicts itself. "not_known": no start is known from end to end.
"clock": the device does not know the time, or is so far behind the collector that one of them cannot."""
_IntensityKind = Literal["average", "marginal"]


def ns_of(seconds: float) -> int:
    """Return a length of time in nanoseconds; one that no clock could run through, as the longest that counts."""
    return round(min(seconds, LONGEST_S) * NS_PER_S)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """When to begin, and what was known when that was decided.

    ``at_once_gco2e_per_kwh``: the mean over the work had it begun when it was asked for; ``chosen_gco2e_per_kwh``: had
    from ``start_unix_ns`` on. None where not all of that time is known.
    """

    zone: str
    asked_unix_ns: int
    start_unix_ns: int
    deadline_unix_ns: int
    duration_s: float
    at_once_gco2e_per_kwh: float | None = None
    chosen_gco2e_per_kwh: float | None = None
    intensity_kind: _IntensityKind | None = None
    intensity_source: str = ""
    forecast_unix_ns: int | None = None
    why_now: WhyNow = ""
    simulated: bool = False


class KnownHours:
    """The slots of a forecast, ready for the mean over any stretch. Raises ValueError if they are not in order."""

    def __init__(self, forecast: GridForecast) -> None:
        self._starts = [slot.t_start_unix_ns for slot in forecast.slots]
        self._ends = _ends(forecast.slots)
        if any(end <= start for start, end in zip(self._starts, self._ends, strict=True)) or any(
            later < end for end, later in zip(self._ends, self._starts[1:], strict=False)
        ):
            raise ValueError(f"the hours of {forecast.zone} are not in order: each ends before the next begins")
        exact = [slot.gco2e_per_kwh.as_integer_ratio() for slot in forecast.slots]
        self._scale = max((denominator for _, denominator in exact), default=1)  # powers of two: the largest holds all
        self._values = [numerator * (self._scale // denominator) for numerator, denominator in exact]
        self._sums, self._known_ns = [0], [0]
        for start, end, value in zip(self._starts, self._ends, self._values, strict=True):
            self._sums.append(self._sums[-1] + value * (end - start))
            self._known_ns.append(self._known_ns[-1] + end - start)

    def total(self, start_unix_ns: int, end_unix_ns: int) -> int | None:
        """Return the integral, in a unit of its own; None where not all of the stretch is known."""
        (known_from, sum_from), (known_to, sum_to) = self._before(start_unix_ns), self._before(end_unix_ns)
        return sum_to - sum_from if known_to - known_from == end_unix_ns - start_unix_ns else None

    def mean(self, start_unix_ns: int, end_unix_ns: int) -> float | None:
        """Return the mean in gCO2e/kWh, None where not all of the stretch is known."""
        total = self.total(start_unix_ns, end_unix_ns)
        return None if total is None else float(Fraction(total, self._scale * (end_unix_ns - start_unix_ns)))

    def greenest(self, first_unix_ns: int, last_unix_ns: int, duration_ns: int) -> int | None:
        """Return the start from the first to the last with the lowest mean, of equal ones the earliest.

        None where no start is known from end to end.
        """
        edges = {*self._starts, *self._ends}
        starts = {first_unix_ns, last_unix_ns, *edges, *(edge - duration_ns for edge in edges)}
        totals = (
            (total, start)
            for start in starts
            if first_unix_ns <= start <= last_unix_ns and (total := self.total(start, start + duration_ns)) is not None
        )
        best = min(totals, default=None)
        return None if best is None else best[1]

    def _before(self, t_unix_ns: int) -> tuple[int, int]:
        """Return how many nanoseconds before that moment are known, and the integral over them."""
        at = bisect_right(self._starts, t_unix_ns) - 1
        if at < 0:
            return 0, 0
        inside_ns = min(t_unix_ns, self._ends[at]) - self._starts[at]
        return self._known_ns[at] + inside_ns, self._sums[at] + self._values[at] * inside_ns


def _ends(slots: tuple[GridSlot, ...]) -> list[int]:
    """Return the end of each slot: the start of the next one, where a length in seconds says that up to rounding."""
    ends = [slot.t_start_unix_ns + ns_of(slot.duration_s) for slot in slots]
    for number, later in enumerate(slots[1:]):
        if abs(later.t_start_unix_ns - ends[number]) <= ROUNDING_NS:
            ends[number] = later.t_start_unix_ns
    return ends


def plan(
    forecast: GridForecast | None,
    now_unix_ns: int,
    defer: Deferral,
    *,
    max_age_s: float,
    zone: str,
    kind: _IntensityKind = "average",
    asked_unix_ns: int | None = None,
) -> Plan:
    """Return the greenest start from now on that meets the deadline; now where nothing can be known of a better one.

    ``zone``: where the device stands, "" for unknown. ``kind``: the intensity that it goes by: one kind says nothing
    of the other. ``max_age_s``: how long ago the source may have spoken last. ``asked_unix_ns``: when the work was
    asked for, None for now.
    """
    at_once = Plan(
        zone=zone,
        asked_unix_ns=now_unix_ns if asked_unix_ns is None else asked_unix_ns,
        start_unix_ns=now_unix_ns,
        deadline_unix_ns=defer.deadline_unix_ns,
        duration_s=defer.duration_s,
    )
    why = _unusable(forecast, now_unix_ns, max_age_s, zone, kind)
    if why or forecast is None:
        return msgspec.structs.replace(at_once, why_now=why)
    try:
        hours = KnownHours(forecast)
    except ValueError:
        return msgspec.structs.replace(at_once, why_now="not_in_order")
    return _planned(msgspec.structs.replace(at_once, **_known_from(forecast)), hours)


def no_clock(now_unix_ns: int, defer: Deferral, *, zone: str) -> Plan:
    """Return the plan of a device that does not know the time: at once."""
    return Plan(
        zone=zone,
        asked_unix_ns=now_unix_ns,
        start_unix_ns=now_unix_ns,
        deadline_unix_ns=defer.deadline_unix_ns,
        duration_s=defer.duration_s,
        why_now="clock",
    )


def planned_again(before: Plan, fresh: Plan) -> Plan:
    """Return ``fresh``, made now for work that waits, as the plan of what was asked for earlier.

    What running at once would have meant stays as it was known then: its hours are past, and a forecast has them no
    longer. A fresh plan that knows nothing changes nothing: what was known still holds, until the start comes.
    """
    if fresh.why_now not in {"", "deadline"} or fresh.chosen_gco2e_per_kwh is None:
        return before
    known = before.at_once_gco2e_per_kwh is not None and before.intensity_kind == fresh.intensity_kind
    return msgspec.structs.replace(
        fresh,
        asked_unix_ns=before.asked_unix_ns,
        at_once_gco2e_per_kwh=before.at_once_gco2e_per_kwh if known else fresh.at_once_gco2e_per_kwh,
        why_now="",
        simulated=fresh.simulated or (known and before.simulated),
    )


def is_late(made: Plan, now_unix_ns: int) -> bool:
    """Tell whether work that begins now misses the hour that was chosen, by more than a tenth of its length."""
    return abs(now_unix_ns - made.start_unix_ns) / NS_PER_S > ON_TIME_RATIO * made.duration_s


def begun(before: Plan, fresh: Plan) -> Plan:
    """Return ``before`` as it came true: the work begins now, and ``fresh`` is the plan that would be made now.

    A start that is later than planned by more than a tenth of the work is another choice: its own hours count then,
    and nothing is known of it where they are not known.
    """
    now_unix_ns = fresh.asked_unix_ns
    chosen, simulated = before.chosen_gco2e_per_kwh, before.simulated
    if is_late(before, now_unix_ns):
        chosen = fresh.at_once_gco2e_per_kwh if fresh.intensity_kind == before.intensity_kind else None
        simulated = simulated or fresh.simulated
    return msgspec.structs.replace(before, start_unix_ns=now_unix_ns, chosen_gco2e_per_kwh=chosen, simulated=simulated)


def settle(
    made: Plan,
    *,
    started_unix_ns: int | None = None,
    took_s: float | None = None,
    measured_j: float | None = None,
    stated_j: float | None = None,
    simulated: bool = False,
) -> CarbonTiming:
    """Return what the choice saved, or cost: an estimate by the intensity that was known when it was made.

    ``started_unix_ns``, ``took_s``: when the work really began and how long it took, where that is known by now.
    ``measured_j``: gross energy of exactly that time; it goes before ``stated_j``, what the order said. ``simulated``:
    the meter is an emulated one.
    """
    energy_j = stated_j if measured_j is None else measured_j
    at_once, chosen = made.at_once_gco2e_per_kwh, made.chosen_gco2e_per_kwh
    saved = None
    if energy_j is not None and at_once is not None and chosen is not None:
        saved = energy_j / J_PER_KWH * (at_once - chosen)
    return CarbonTiming(
        zone=made.zone,
        asked_unix_ns=made.asked_unix_ns,
        start_unix_ns=made.start_unix_ns if started_unix_ns is None else started_unix_ns,
        deadline_unix_ns=made.deadline_unix_ns,
        duration_s=made.duration_s if took_s is None else took_s,
        at_once_gco2e_per_kwh=at_once,
        chosen_gco2e_per_kwh=chosen,
        intensity_kind=made.intensity_kind,
        intensity_source=made.intensity_source,
        forecast_unix_ns=made.forecast_unix_ns,
        energy_j=energy_j,
        energy_kind=None if energy_j is None else "stated" if measured_j is None else "measured",
        saved_gco2e=saved,
        why_now=made.why_now,
        simulated=made.simulated or simulated,
    )


def _unusable(
    forecast: GridForecast | None, now_unix_ns: int, max_age_s: float, zone: str, kind: _IntensityKind
) -> WhyNow:
    """Return why a forecast says nothing about this device now, "" when it does."""
    if not zone:
        return "no_zone"
    if forecast is None or not forecast.slots:
        return "no_forecast"
    if forecast.zone != zone:
        return "other_zone"
    if forecast.kind != kind:
        return "other_kind"
    if forecast.t_unix_ns > now_unix_ns + MAX_AHEAD_NS:
        return "clock"
    said_unix_ns = forecast.t_unix_ns if forecast.said_unix_ns is None else forecast.said_unix_ns
    return "stale" if now_unix_ns - said_unix_ns > max_age_s * NS_PER_S else ""


def _planned(at_once: Plan, hours: KnownHours) -> Plan:
    """Return the plan with the start chosen. The work takes one nanosecond at least."""
    replace = msgspec.structs.replace
    duration_ns = max(ns_of(at_once.duration_s), 1)
    now_unix_ns, last_unix_ns = at_once.start_unix_ns, at_once.deadline_unix_ns - duration_ns
    known = replace(
        at_once,
        at_once_gco2e_per_kwh=hours.mean(at_once.asked_unix_ns, at_once.asked_unix_ns + duration_ns),
        chosen_gco2e_per_kwh=hours.mean(now_unix_ns, now_unix_ns + duration_ns),
    )
    if last_unix_ns <= now_unix_ns:
        return replace(known, why_now="deadline")
    start_unix_ns = hours.greenest(now_unix_ns, last_unix_ns, duration_ns)
    if start_unix_ns is None:
        return replace(known, why_now="not_known")
    chosen = hours.mean(start_unix_ns, start_unix_ns + duration_ns)
    return replace(known, start_unix_ns=start_unix_ns, chosen_gco2e_per_kwh=chosen)


def _known_from(forecast: GridForecast) -> dict[str, object]:
    return {
        "intensity_kind": forecast.kind,
        "intensity_source": forecast.source,
        "forecast_unix_ns": forecast.t_unix_ns,
        "simulated": forecast.simulated,
    }
