"""What devices saved by putting work off: as they told it, and by what is known of those hours now. Pure.

Both are estimates: energy times the difference of two mean intensities. A device knew forecasts; by now the hours are
past, and sources have said what they really were. Sums never mix what answers different questions: average and
marginal intensities, measured and stated energy, real and simulated figures each have their own.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

import msgspec
import numpy as np

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import LAST_UNIX_NS
from collector.carbon.timeline import IntensityTimeline
from collector.carbon.units import J_PER_KWH
from collector.orders import OrderEntry
from edge_agent.wire.orders import CarbonTiming

NS_PER_S: Final = 1_000_000_000
_LONGEST_S: Final = 1e10
"""Three centuries: what a device says beyond that has no hours."""
_DECIMALS: Final = 6
"""Of g/kWh: what lies beyond is how sums of floats were made, and would show as a saving of nothing."""
_KNOWN: Final = 1.0 - 1e-9
HoursOf = Callable[[IntensityKind, str, int, int], IntensityTimeline]
"""Returns what sources say of a zone from one moment to another, by kind; nothing of the yearly average."""


class KnownNow(msgspec.Struct, frozen=True, kw_only=True):
    """The same two hours by what is known now. None where not all of an hour is known, or no energy.

    ``forecast_ratio``: the part of both hours of which there is still no more than a forecast.
    """

    at_once_gco2e_per_kwh: float | None
    chosen_gco2e_per_kwh: float | None
    saved_gco2e: float | None
    forecast_ratio: float | None


class JobEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One job that might wait, at one device. ``waited_s``: from when it was asked for to its start.

    ``known_now``: of a job that is done, None for any other.
    """

    fleet: str
    device_id: str
    command_id: str
    kind: str
    stage: str
    carbon: CarbonTiming
    waited_s: float
    known_now: KnownNow | None


class JobSum(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that are done, of one kind of intensity and of energy. ``jobs``: all of them; ``put_off``: that waited.

    ``saved_gco2e``: of those ``estimated`` jobs of which it is known, as devices told it; ``known_now_gco2e``: of
    those ``assessed`` jobs of which it is known now. None for none.
    """

    intensity_kind: IntensityKind | None
    energy_kind: Literal["measured", "stated"] | None
    simulated: bool
    jobs: int
    put_off: int
    energy_j: float | None
    waited_s: float
    estimated: int
    saved_gco2e: float | None
    assessed: int
    known_now_gco2e: float | None


def job_entries(orders: Iterable[OrderEntry], hours_of: HoursOf) -> list[JobEntry]:
    """Return the orders that might wait, in the order in which they come."""
    return [_entry(order, order.carbon, hours_of) for order in orders if order.carbon is not None]


def job_sums(entries: Iterable[JobEntry]) -> list[JobSum]:
    """Return the sums of what is done, real ones first."""
    groups: dict[tuple[bool, str, str], list[JobEntry]] = {}
    for entry in entries:
        if entry.stage == "done":
            carbon = entry.carbon
            key = carbon.simulated, carbon.intensity_kind or "", carbon.energy_kind or ""
            groups.setdefault(key, []).append(entry)
    return [_sum(groups[key]) for key in sorted(groups)]


def _entry(order: OrderEntry, carbon: CarbonTiming, hours_of: HoursOf) -> JobEntry:
    return JobEntry(
        fleet=order.fleet,
        device_id=order.device_id,
        command_id=order.command_id,
        kind=order.kind,
        stage=order.stage,
        carbon=carbon,
        waited_s=max(0.0, (carbon.start_unix_ns - carbon.asked_unix_ns) / NS_PER_S),
        known_now=_known_now(carbon, hours_of) if order.stage == "done" else None,
    )


def _known_now(carbon: CarbonTiming, hours_of: HoursOf) -> KnownNow:
    duration_ns = max(round(min(carbon.duration_s, _LONGEST_S) * NS_PER_S), 1)
    starts = np.array([carbon.asked_unix_ns, carbon.start_unix_ns], dtype=np.int64)
    first, last = int(starts.min()), int(starts.max()) + duration_ns
    if carbon.intensity_kind is None or last > LAST_UNIX_NS:
        return KnownNow(at_once_gco2e_per_kwh=None, chosen_gco2e_per_kwh=None, saved_gco2e=None, forecast_ratio=None)
    mean = hours_of(carbon.intensity_kind, carbon.zone, first, last).mean_over(starts, starts + duration_ns)
    at_once, chosen = (
        round(float(value), _DECIMALS) if known > _KNOWN else None
        for value, known in zip(mean.gco2e_per_kwh, mean.known_ratio, strict=True)
    )
    both = at_once is not None and chosen is not None
    return KnownNow(
        at_once_gco2e_per_kwh=at_once,
        chosen_gco2e_per_kwh=chosen,
        saved_gco2e=_saved(carbon.energy_j, at_once, chosen),
        forecast_ratio=float(mean.quality_ratio["forecast"].mean()) if both else None,
    )


def _saved(energy_j: float | None, at_once: float | None, chosen: float | None) -> float | None:
    if energy_j is None or at_once is None or chosen is None:
        return None
    return energy_j / J_PER_KWH * (at_once - chosen)


def _sum(entries: Sequence[JobEntry]) -> JobSum:
    first = entries[0].carbon
    told = [one.carbon.saved_gco2e for one in entries]
    now = [None if one.known_now is None else one.known_now.saved_gco2e for one in entries]
    return JobSum(
        intensity_kind=first.intensity_kind,
        energy_kind=first.energy_kind,
        simulated=first.simulated,
        jobs=len(entries),
        put_off=sum(one.carbon.why_now == "" and one.waited_s > 0.0 for one in entries),
        energy_j=_total([one.carbon.energy_j for one in entries]),
        waited_s=sum(one.waited_s for one in entries),
        estimated=sum(one is not None for one in told),
        saved_gco2e=_total(told),
        assessed=sum(one is not None for one in now),
        known_now_gco2e=_total(now),
    )


def _total(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
