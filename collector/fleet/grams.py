"""The grams of a report: each window's energy at the intensity of its own time, hardware by its own policy."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from collector.assess import Assessor, DevicePlace
from collector.carbon.embodied import Part, embodied_gco2e
from collector.carbon.estimate import Estimate, from_standard_uncertainty, total
from collector.carbon.factors import Factor
from collector.carbon.operational import operational_gco2e, summed_gco2e
from collector.carbon.units import JOULE
from collector.fleet.sums import Sums
from collector.fleet.window_grams import GramSums


@dataclass(slots=True)
class DeviceGrams:
    """The grams of one device. ``energy_by_quality_j``: joules by what their intensity rests on; the rest is unknown.

    ``operational_yearly``: the same energy at the yearly average. ``charged_ratio``: the share of its ``hardware``
    that ``embodied`` is the mass of. None is unknown.
    """

    place: DevicePlace = field(default_factory=DevicePlace)
    operational: Estimate | None = None
    operational_yearly: Estimate | None = None
    embodied: Estimate | None = None
    hardware: tuple[Part, ...] = ()
    charged_ratio: float = 0.0
    beyond_lifetime_s: float | None = None
    outside_service_s: float = 0.0
    energy_by_quality_j: dict[str, float] = field(default_factory=dict)


def device_grams(assessor: Assessor, device_id: str, sums: Sums, charged: GramSums) -> DeviceGrams:
    """Return the grams of one device, whose windows add up to ``sums`` and ``charged``."""
    place = assessor.describe(device_id)
    energy = from_standard_uncertainty(sums.energy.energy_j, sums.energy.u_j, JOULE, "measured")
    yearly, mass = assessor.yearly(device_id), assessor.mass(device_id)
    operational = charged.operational
    known_share = charged.share_ratio
    return DeviceGrams(
        place=place,
        operational=operational and summed_gco2e(energy, operational, kind="average", zone=place.zone),
        operational_yearly=None if yearly is None else operational_gco2e(energy, yearly),
        embodied=None if mass is None or known_share is None else mass.scaled(known_share),
        hardware=assessor.hardware(device_id),
        charged_ratio=known_share or 0.0,
        beyond_lifetime_s=charged.beyond_s,
        outside_service_s=charged.outside_s,
        energy_by_quality_j=charged.energy_by_quality_j,
    )


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
    charged: dict[tuple[Factor, ...], tuple[Part, float]] = {}
    for grams in devices:
        if grams.embodied is None:
            return None
        for part in grams.hardware:
            factors = part.factors
            known, quantity = charged.get(factors) or (part, 0.0)
            charged[factors] = known, quantity + part.multiplier * grams.charged_ratio
    parts = [msgspec.structs.replace(part, quantity=quantity, share_ratio=1.0) for part, quantity in charged.values()]
    return embodied_gco2e(tuple(parts)) if parts else None


def sum_of(estimates: list[Estimate | None], *, correlation: float) -> Estimate | None:
    """Return the sum, or None when one is unknown or there is none."""
    known = [estimate for estimate in estimates if estimate is not None]
    if not known or len(known) < len(estimates):
        return None
    return total(known, correlation=correlation)
