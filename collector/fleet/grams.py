"""The grams of a report: each window's energy at the intensity of its own time, hardware by its own policy."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from collector.assess import NS_PER_S, Assessor, DevicePlace
from collector.carbon.embodied import Part, embodied_gco2e
from collector.carbon.estimate import F64, Estimate, from_standard_uncertainty, total
from collector.carbon.factors import Factor
from collector.carbon.operational import operational_gco2e, summed_gco2e
from collector.carbon.timeline import I64
from collector.carbon.units import JOULE
from collector.fleet.rows import floats, integers
from collector.fleet.sums import Sums, add_up

Group = Mapping[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class DeviceWindows:
    """The windows of one device: start, end and energy, shape ``(n,)``."""

    starts_unix_ns: I64
    ends_unix_ns: I64
    energy_j: F64


@dataclass(slots=True)
class DeviceGrams:
    """The grams of one device. ``energy_by_quality_j``: joules by what their intensity rests on; the rest is unknown.

    ``operational_yearly``: the same energy at the yearly average. ``charged``: the part of its hardware that
    ``embodied`` is the mass of. None is unknown.
    """

    place: DevicePlace = field(default_factory=DevicePlace)
    operational: Estimate | None = None
    operational_yearly: Estimate | None = None
    embodied: Estimate | None = None
    charged: tuple[Part, ...] = ()
    beyond_lifetime_s: float | None = None
    outside_service_s: float = 0.0
    energy_by_quality_j: dict[str, float] = field(default_factory=dict)


def windows_by_device(table: pa.Table) -> dict[Key, DeviceWindows]:
    """Return the windows of ``rows.COLUMNS`` by (fleet, device_id)."""
    if not table.num_rows:
        return {}
    starts, energy_j = integers(table, "t_start_unix_ns"), floats(table, "energy_j")
    ends = starts + np.maximum(np.rint(floats(table, "duration_s") * NS_PER_S).astype(np.int64), 1)
    fleets, devices = (table[name].combine_chunks().dictionary_encode() for name in ("fleet", "device_id"))
    codes = fleets.indices.to_numpy() * len(devices.dictionary) + devices.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    edges = np.flatnonzero(np.diff(codes[order])) + 1
    found = {}
    for rows in np.split(order, edges):
        fleet, device = divmod(int(codes[rows[0]]), len(devices.dictionary))
        key = fleets.dictionary[fleet].as_py(), devices.dictionary[device].as_py()
        found[key] = DeviceWindows(starts[rows], ends[rows], energy_j[rows])
    return found


def device_grams(
    assessor: Assessor | None, device_id: str, groups: Iterable[Group], windows: DeviceWindows
) -> DeviceGrams:
    """Return the grams of one device. ``groups``: its sums by hour; see ``rows.group_hourly``."""
    if assessor is None:
        return DeviceGrams()
    grams = DeviceGrams(place=assessor.describe(device_id))
    hours: dict[int, list[Group]] = defaultdict(list)
    for group in groups:
        hours[group["hour"]].append(group)
    sums = add_up(group for hour in hours.values() for group in hour)
    _add_operational(grams, assessor, device_id, sums, windows)
    _add_embodied(grams, assessor, device_id, hours)
    return grams


def _add_operational(
    grams: DeviceGrams, assessor: Assessor, device_id: str, sums: Sums, windows: DeviceWindows
) -> None:
    slots = assessor.slots(device_id, windows.starts_unix_ns, windows.ends_unix_ns, windows.energy_j)
    if slots is None:
        return
    grams.energy_by_quality_j = {
        name: float((windows.energy_j * ratio).sum()) for name, ratio in slots.quality_ratio.items() if ratio.any()
    }
    energy = from_standard_uncertainty(sums.energy.energy_j, sums.energy.u_j, JOULE, "measured")
    yearly = assessor.yearly(device_id)
    if yearly is not None:
        grams.operational_yearly = operational_gco2e(energy, yearly)
    if slots.known.all():
        summed = float(slots.gco2e.sum()), float(slots.low_gco2e.sum()), float(slots.high_gco2e.sum())
        grams.operational = summed_gco2e(energy, summed, kind="average", zone=grams.place.zone)


def _add_embodied(grams: DeviceGrams, assessor: Assessor, device_id: str, hours: Mapping[int, list[Group]]) -> None:
    embodied: list[Estimate | None] = []
    charged_ratio = 0.0
    for hour in sorted(hours):
        sums = add_up(hours[hour])
        start_unix_ns = min(group["first_unix_ns"] for group in hours[hour])
        charged = assessor.charge(device_id, start_unix_ns, sums.duration_s, sums.inference_count)
        embodied.append(charged.embodied)
        charged_ratio += charged.charged_ratio
        grams.outside_service_s += charged.outside_service_s
        if charged.beyond_lifetime_s is not None:
            grams.beyond_lifetime_s = (grams.beyond_lifetime_s or 0.0) + charged.beyond_lifetime_s
    # One device's hours share its parts: their errors are taken as the same error.
    grams.embodied = sum_of(embodied, correlation=1.0)
    grams.charged = tuple(part.shared(charged_ratio) for part in assessor.hardware(device_id))


def fleet_grams(devices: Iterable[DeviceGrams]) -> DeviceGrams:
    """Return the fleet's grams, None as soon as one device's are unknown.

    Devices of one zone share its intensity: within a zone the errors are one error, between zones they are
    independent. Hardware of any kind shares the factors that its parts have in common; see ``embodied_gco2e``.
    """
    listed = list(devices)
    zones: dict[str, list[DeviceGrams]] = defaultdict(list)
    by_quality: dict[str, float] = defaultdict(float)
    for grams in listed:
        zones[grams.place.zone.upper()].append(grams)
        for quality, energy_j in grams.energy_by_quality_j.items():
            by_quality[quality] += energy_j
    operational = [sum_of([one.operational for one in zone], correlation=1.0) for zone in zones.values()]
    yearly = [sum_of([one.operational_yearly for one in zone], correlation=1.0) for zone in zones.values()]
    return DeviceGrams(
        operational=sum_of(operational, correlation=0.0),
        operational_yearly=sum_of(yearly, correlation=0.0),
        embodied=_of_shared_parts(listed),
        energy_by_quality_j=dict(by_quality),
    )


def _of_shared_parts(devices: list[DeviceGrams]) -> Estimate | None:
    """Return the mass of all that the devices are charged; equal parts of any number of devices are one part."""
    charged: dict[tuple[Factor, ...], Part] = {}
    for grams in devices:
        if grams.embodied is None:
            return None
        for part in grams.charged:
            known = charged.get(part.factors)
            quantity = part.multiplier + (0.0 if known is None else known.multiplier)
            charged[part.factors] = msgspec.structs.replace(known or part, quantity=quantity, share_ratio=1.0)
    return embodied_gco2e(tuple(charged.values())) if charged else None


def sum_of(estimates: list[Estimate | None], *, correlation: float) -> Estimate | None:
    """Return the sum, or None when one is unknown or there is none."""
    known = [estimate for estimate in estimates if estimate is not None]
    if not known or len(known) < len(estimates):
        return None
    return total(known, correlation=correlation)
