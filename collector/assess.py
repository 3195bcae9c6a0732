"""Joules into grams: one device's stretch of time, with every factor that was used."""

import math
from typing import Final

import msgspec

from collector.carbon.amortisation import LifePlan, Policy, charge
from collector.carbon.embodied import embodied_gco2e
from collector.carbon.estimate import Z95, Estimate, Range, from_standard_uncertainty
from collector.carbon.factors import Factor
from collector.carbon.operational import CarbonIntensity, GramRate, gram_range, gram_rate, operational_gco2e
from collector.carbon.units import JOULE
from collector.intensity.provider import IntensityProvider
from collector.inventory import DeviceEntry, Inventory, embodied_parts
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import InferenceWindow

NS_PER_S: Final = 1_000_000_000
Grams = tuple[float | None, ...]
"""Operational value, low and high, then the embodied three; None where unknown."""
_THREE_UNKNOWN: Final = (None, None, None)
NO_GRAMS: Final[Grams] = _THREE_UNKNOWN * 2
_NO_RATE: Final = (None, GramRate((0.0, 0.0, 0.0), 0.0, None, None))


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


class _Rates(msgspec.Struct, frozen=True):
    """What a device's grams depend on and its windows do not. ``mass``: embodied grams, None if unknown."""

    zone: str
    mass: Range | None
    plan: LifePlan | None


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
        self._gram_rates: dict[str, tuple[CarbonIntensity | None, GramRate]] = {}
        self._rates = {entry.id: self._rates_of(entry) for entry in inventory.devices.values()}

    def describe(self, device_id: str) -> DevicePlace:
        """Return what the inventory says about a device."""
        entry = self._inventory.device(device_id)
        if entry is None:
            return DevicePlace()
        return DevicePlace(site=entry.site, zone=entry.zone, hardware=entry.hardware, device_class=entry.device_class)

    def assess(
        self,
        device_id: str,
        *,
        energy_j: float,
        energy_u_j: float,
        start_unix_ns: int,
        duration_s: float,
        uses: float = 0.0,
    ) -> Carbon:
        """Return the grams of ``energy_j`` (standard uncertainty ``energy_u_j``) over ``duration_s``.

        The intensity is that of the middle of the stretch. The embodied part is charged by the device's own policy.
        """
        entry = self._inventory.device(device_id)
        if entry is None:
            return Carbon(operational=None, embodied=None)
        energy = from_standard_uncertainty(energy_j, energy_u_j, JOULE, "measured")
        middle_unix_ns = start_unix_ns + round(duration_s * NS_PER_S / 2)
        operational = self._operational(entry, energy, middle_unix_ns)
        mass, plan = self._masses.get(device_id), entry.life_plan()
        if mass is None or plan is None:
            return Carbon(operational=operational, embodied=None)
        for part in self._parts[device_id]:
            for factor in part.factors:
                self._remember(factor)
        start_s = start_unix_ns / NS_PER_S
        charged = charge(plan, start_s, start_s + duration_s, uses)
        return Carbon(
            operational=operational,
            embodied=mass.scaled(charged.share_ratio),
            embodied_policy=charged.policy,
            beyond_lifetime_s=charged.beyond_lifetime_s,
        )

    def grams(self, device_id: str, window: InferenceWindow) -> Grams:
        """Return the same grams of one window as plain numbers, many times as fast: for every row of a live store.

        ``factors`` does not hear of it. A window whose energy is not finite has no operational grams.
        """
        rates = self._rates.get(device_id)
        if rates is None:
            return NO_GRAMS
        return *self._operational_range(rates, window), *_embodied_range(rates, window)

    def _operational_range(self, rates: _Rates, window: InferenceWindow) -> Grams:
        value_j, width_j, half_ns = window.energy_j, Z95 * window.energy_u_j, window.duration_s * NS_PER_S / 2
        if not rates.zone or not math.isfinite(abs(value_j) + width_j + half_ns):
            return _THREE_UNKNOWN
        intensity = self._intensity.at(rates.zone, window.t_start_unix_ns + round(half_ns))
        if intensity is None:
            return _THREE_UNKNOWN
        known, rate = self._gram_rates.get(rates.zone, _NO_RATE)
        if known is not intensity:
            rate = gram_rate(intensity)
            self._gram_rates[rates.zone] = intensity, rate
        return gram_range(value_j, width_j, rate)

    def _rates_of(self, entry: DeviceEntry) -> _Rates:
        plan = entry.life_plan()
        mass = self._masses.get(entry.id)
        return _Rates(zone=entry.zone, mass=None if mass is None or plan is None else mass.range, plan=plan)

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


def _embodied_range(rates: _Rates, window: InferenceWindow) -> Grams:
    if rates.mass is None or rates.plan is None:
        return _THREE_UNKNOWN
    start_s = window.t_start_unix_ns / NS_PER_S
    share = charge(rates.plan, start_s, start_s + window.duration_s, float(window.inference_count)).share_ratio
    value, low, high = rates.mass
    return value * share, low * share, high * share
