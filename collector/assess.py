"""Joules into grams: one device's stretch of time, with every factor that was used."""

import datetime as dt
from typing import Final

import msgspec

from collector.carbon.amortisation import Policy, linear_in_time
from collector.carbon.embodied import embodied_gco2e
from collector.carbon.estimate import Estimate, from_standard_uncertainty
from collector.carbon.factors import Factor
from collector.carbon.operational import operational_gco2e
from collector.carbon.units import JOULE, s_from_years
from collector.intensity.provider import IntensityProvider
from collector.inventory import DeviceEntry, Inventory, embodied_parts
from edge_agent.wire.errors import ConfigurationError

NS_PER_S: Final = 1_000_000_000


class DevicePlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device stands and what it is; "" for what the inventory does not say."""

    site: str = ""
    zone: str = ""
    hardware: str = ""
    device_class: str = ""


class Carbon(msgspec.Struct, frozen=True, kw_only=True):
    """Grams of CO2e of one device over one stretch of time; None where a factor is unknown, never zero.

    ``beyond_lifetime_s``: seconds after the planned end of life, which are charged nothing embodied any more; None
    when the start of service is unknown.
    """

    operational: Estimate | None
    embodied: Estimate | None
    embodied_policy: Policy = "linear_in_time"
    beyond_lifetime_s: float | None = None


class Assessor:
    """Assesses windows against an inventory and a source of average grid intensity.

    Raises ConfigurationError at once for a zone that the source can never know, and for a marginal source: an
    account is kept with averages.
    """

    def __init__(self, inventory: Inventory, intensity: IntensityProvider) -> None:
        if intensity.kind != "average":
            raise ConfigurationError(
                f"the fleet's account needs average intensities, and this source gives {intensity.kind} ones; "
                "use a source of averages"
            )
        for entry in inventory.devices.values():
            if entry.zone:
                intensity.check_zone(entry.zone, f"{inventory.where}: device {entry.id!r}: zone")
        self._inventory = inventory
        self._intensity = intensity
        self._parts = {entry.id: embodied_parts(entry, inventory.where) for entry in inventory.devices.values()}
        self._masses = {name: embodied_gco2e(parts) for name, parts in self._parts.items() if parts}
        self._used: dict[tuple[str, str], Factor] = {}

    def describe(self, device_id: str) -> DevicePlace:
        """Return what the inventory says about a device."""
        entry = self._inventory.device(device_id)
        if entry is None:
            return DevicePlace()
        return DevicePlace(site=entry.site, zone=entry.zone, hardware=entry.hardware, device_class=entry.device_class)

    def assess(
        self, device_id: str, *, energy_j: float, energy_u_j: float, start_unix_ns: int, duration_s: float
    ) -> Carbon:
        """Return the grams of ``energy_j`` (standard uncertainty ``energy_u_j``) over ``duration_s``.

        The intensity is that of the middle of the stretch. The embodied part is charged linearly in time.
        """
        entry = self._inventory.device(device_id)
        if entry is None:
            return Carbon(operational=None, embodied=None)
        energy = from_standard_uncertainty(energy_j, energy_u_j, JOULE, "measured")
        middle_unix_ns = start_unix_ns + round(duration_s * NS_PER_S / 2)
        operational = self._operational(entry, energy, middle_unix_ns)
        mass = self._masses.get(device_id)
        if mass is None or entry.lifetime_years is None:
            return Carbon(operational=operational, embodied=None)
        for part in self._parts[device_id]:
            self._remember(part)
        charged = linear_in_time(
            mass,
            duration_s=duration_s,
            lifetime_s=s_from_years(entry.lifetime_years),
            age_at_start_s=_age_s(entry, start_unix_ns),
        )
        return Carbon(
            operational=operational,
            embodied=charged.charged,
            embodied_policy=charged.policy,
            beyond_lifetime_s=charged.beyond_lifetime_s,
        )

    def factors(self) -> list[Factor]:
        """Return every factor that an assessment has used so far, in the order of first use."""
        return list(self._used.values())

    def _operational(self, entry: DeviceEntry, energy: Estimate, t_unix_ns: int) -> Estimate | None:
        intensity = self._intensity.at(entry.zone, t_unix_ns) if entry.zone else None
        if intensity is None:
            return None
        self._remember(intensity.factor)
        return operational_gco2e(energy, intensity)

    def _remember(self, factor: Factor) -> None:
        self._used.setdefault((factor.id, factor.vintage), factor)


def _age_s(entry: DeviceEntry, t_unix_ns: int) -> float | None:
    """Return the time in service, None when unknown; before the stated first day it is zero."""
    if entry.in_service_since is None:
        return None
    first = dt.datetime.combine(entry.in_service_since, dt.time(), tzinfo=dt.UTC)
    return max(t_unix_ns / NS_PER_S - first.timestamp(), 0.0)
