"""Joules into grams: one device's stretch of time, with every factor that was used.

Energy is multiplied by the intensity of its own time: a stretch that touches several steps of an intensity is split
among them exactly. What the same energy gives at the yearly average stands beside it.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from collector.carbon.amortisation import Charges, LifePlan, Policy, charge
from collector.carbon.embodied import Part, embodied_gco2e
from collector.carbon.estimate import F64, Estimate, Range, from_standard_uncertainty, times
from collector.carbon.factors import Factor
from collector.carbon.impacts import grid_water
from collector.carbon.operational import CarbonIntensity, gram_unit, operational_gco2e
from collector.carbon.timeline import I64, Quality
from collector.carbon.units import GCO2E_PER_KWH, J_PER_KWH, JOULE
from collector.carbon.window_charges import window_charges
from collector.intensity.provider import IntensityProvider
from collector.intensity.zone_steps import LAST_UNIX_NS, ZoneSteps, wholly_known
from collector.inventory import DeviceEntry, Inventory, embodied_parts
from collector.live_grams import NO_GRAMS, Grams, Metered, Rates, grams_of, share_of
from collector.model_row import ModelMaking, makings
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

    ``operational_yearly``: the same energy at the yearly average. ``quality_ratio``: the part of the stretch whose
    intensity rests on each quality; the rest is unknown. ``beyond_lifetime_s``: seconds after the planned end of life,
    which a policy of time charges nothing any more; None when the start of service is unknown.
    ``outside_service_s``: seconds before the first day of service or after retirement, which are charged nothing.
    ``charged_ratio``: which part of the hardware's mass ``embodied`` is.
    """

    operational: Estimate | None
    embodied: Estimate | None
    charged_ratio: float = 0.0
    operational_yearly: Estimate | None = None
    quality_ratio: dict[Quality, float] = msgspec.field(default_factory=dict)
    embodied_policy: Policy = "linear_in_time"
    beyond_lifetime_s: float | None = None
    outside_service_s: float = 0.0


class Slots(NamedTuple):
    """Many windows of one zone times the intensities of their times. Arrays have the shape ``(n,)`` of the windows.

    ``gco2e``, ``low_gco2e``, ``high_gco2e``: grams at the intensity's value, P5 and P95. NaN where a part of the
    window has no known intensity. ``known``: where none is missing. ``quality_ratio``: the part that rests on each.
    """

    gco2e: F64
    low_gco2e: F64
    high_gco2e: F64
    known: npt.NDArray[np.bool_]
    quality_ratio: dict[Quality, F64]


class Assessor:
    """Assesses windows against an inventory and a source of average grid intensity. Threads may share one.

    ``marginal``: a source of the other kind, for a figure of its own beside the account; None for none.
    ``impact_factors``: of which those of ``water-grid`` are used. Raises ConfigurationError at once for a zone that
    the average source can never know, and for a source of the wrong kind: an account is kept with averages.
    """

    def __init__(
        self,
        inventory: Inventory,
        intensity: IntensityProvider,
        *,
        marginal: IntensityProvider | None = None,
        impact_factors: Iterable[Factor] = (),
    ) -> None:
        if intensity.kind != "average":
            raise ConfigurationError(
                f"the fleet's account needs average intensities, and this source gives {intensity.kind} ones; "
                "use a source of averages"
            )
        if marginal is not None and marginal.kind != "marginal":
            raise ConfigurationError(f"the marginal figure needs marginal intensities, not {marginal.kind} ones")
        for entry in inventory.devices.values():
            if entry.zone:
                intensity.check_zone(entry.zone, f"{inventory.where}: device {entry.id!r}: zone")
        self._inventory = inventory
        self._intensity = intensity
        self._steps = ZoneSteps(intensity)
        self._marginal_steps = None if marginal is None else ZoneSteps(marginal)
        self._impact_factors = tuple(impact_factors)
        self._parts = {entry.id: embodied_parts(entry, inventory.where) for entry in inventory.devices.values()}
        self._masses = {name: embodied_gco2e(parts) for name, parts in self._parts.items() if parts}
        self._used: dict[tuple[str, str], Factor] = {}
        self._stretches: dict[str, tuple[int, int]] = {}
        self._rates = {entry.id: self._rates_of(entry) for entry in inventory.devices.values()}

    @property
    def device_ids(self) -> tuple[str, ...]:
        """Return the devices that the inventory lists."""
        return tuple(self._inventory.devices)

    def describe(self, device_id: str) -> DevicePlace:
        """Return what the inventory says about a device."""
        entry = self._inventory.device(device_id)
        if entry is None:
            return DevicePlace()
        return DevicePlace(site=entry.site, zone=entry.zone, hardware=entry.hardware, device_class=entry.device_class)

    def makings(self) -> tuple[ModelMaking, ...]:
        """Return what making the models of the inventory took and emitted."""
        return makings(self._inventory.models, self._intensity.yearly)

    def policy(self, device_id: str) -> Policy | None:
        """Return how a device's hardware is charged, None for one without a planned life."""
        rates = self._rates.get(device_id)
        return None if rates is None or rates.plan is None else rates.plan.policy

    def hardware(self, device_id: str) -> tuple[Part, ...]:
        """Return what a device is made of, () for unknown."""
        return self._parts.get(device_id, ())

    def life(self, device_id: str) -> tuple[LifePlan | None, float | None]:
        """Return how long a device is meant to live, and the grams embodied in all of it; None for unknown."""
        rates, mass = self._rates.get(device_id), self._masses.get(device_id)
        return None if rates is None else rates.plan, None if mass is None else mass.value

    def forget(self) -> None:
        """Ask for intensities anew from now on: the source has learned something."""
        self._steps.forget()
        if self._marginal_steps is not None:
            self._marginal_steps.forget()

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
        """Return the grams of ``energy_j`` (standard uncertainty ``energy_u_j``), used evenly over ``duration_s``.

        The embodied part is charged by the device's own policy. ``uses``: what ``by_use`` asks for.
        """
        entry = self._inventory.device(device_id)
        if entry is None:
            return Carbon(operational=None, embodied=None)
        energy = from_standard_uncertainty(energy_j, energy_u_j, JOULE, "measured")
        end_unix_ns = start_unix_ns + max(round(duration_s * NS_PER_S), 1)
        dated = entry.zone and end_unix_ns <= LAST_UNIX_NS
        step = self._steps.over(entry.zone, start_unix_ns, end_unix_ns) if dated else None
        operational, yearly = None, self._intensity.yearly(entry.zone) if entry.zone else None
        if step is not None and step.rate is not None:
            self._remember_zone(entry.zone, start_unix_ns, end_unix_ns)
            operational = self._operational(entry.zone, energy, step.rate.per_kwh)
        embodied = self.charge(device_id, start_unix_ns, duration_s, uses)
        return Carbon(
            operational=operational,
            operational_yearly=None if yearly is None else operational_gco2e(energy, yearly),
            quality_ratio=dict(step.shares) if step is not None else {},
            embodied=embodied.embodied,
            charged_ratio=embodied.charged_ratio,
            embodied_policy=embodied.embodied_policy,
            beyond_lifetime_s=embodied.beyond_lifetime_s,
            outside_service_s=embodied.outside_service_s,
        )

    def charge(self, device_id: str, start_unix_ns: int, duration_s: float, uses: float = 0.0) -> Carbon:
        """Return the embodied part alone."""
        rates, mass = self._rates.get(device_id), self._masses.get(device_id)
        if rates is None or mass is None or rates.plan is None:
            return Carbon(operational=None, embodied=None)
        for part in self._parts[device_id]:
            for factor in part.factors:
                self._remember(factor)
        start_s = start_unix_ns / NS_PER_S
        charged = charge(rates.plan, start_s, start_s + duration_s, uses)
        share_ratio = share_of(rates, rates.plan, start_s, duration_s, uses)
        return Carbon(
            operational=None,
            embodied=mass.scaled(share_ratio),
            charged_ratio=share_ratio,
            embodied_policy=charged.policy,
            beyond_lifetime_s=charged.beyond_lifetime_s,
            outside_service_s=charged.before_service_s + charged.after_retirement_s,
        )

    def charges(self, device_id: str, starts_unix_ns: I64, durations_s: F64, uses: F64) -> Charges | None:
        """Return which share of the device's hardware each window is charged; None where hardware or life is unknown.

        Arrays of shape ``(n,)``.
        """
        rates = self._rates.get(device_id)
        if rates is None or rates.mass is None or rates.plan is None:
            return None
        for part in self._parts[device_id]:
            for factor in part.factors:
                self._remember(factor)
        return window_charges(rates.plan, starts_unix_ns / NS_PER_S, durations_s, uses)

    def mass(self, device_id: str) -> Estimate | None:
        """Return the embodied grams of the whole device, None for unknown."""
        return self._masses.get(device_id)

    def slots(self, device_id: str, starts_unix_ns: I64, ends_unix_ns: I64, energy_j: F64) -> Slots | None:
        """Return ``zone_slots`` of the device's zone; None for a device without one."""
        zone = self.describe(device_id).zone
        return self.zone_slots(zone, starts_unix_ns, ends_unix_ns, energy_j) if zone else None

    def zone_slots(self, zone: str, starts_unix_ns: I64, ends_unix_ns: I64, energy_j: F64) -> Slots:
        """Return each window's energy times the mean intensity of its time, whichever others come with it.

        Arrays of shape ``(n,)``, n from 1.
        """
        self._remember_zone(zone, int(starts_unix_ns.min()), int(ends_unix_ns.max()))
        mean = self._steps.mean_over(zone, starts_unix_ns, ends_unix_ns)
        known = wholly_known(mean, (ends_unix_ns - starts_unix_ns) / NS_PER_S)
        energy_kwh = np.where(known, energy_j / J_PER_KWH, np.nan)
        return Slots(
            gco2e=energy_kwh * mean.gco2e_per_kwh,
            low_gco2e=energy_kwh * mean.low,
            high_gco2e=energy_kwh * mean.high,
            known=known,
            quality_ratio=mean.quality_ratio,
        )

    def yearly(self, device_id: str) -> CarbonIntensity | None:
        """Return the yearly average of the device's zone."""
        zone = self.describe(device_id).zone
        return self._intensity.yearly(zone) if zone else None

    def water(self, zone: str) -> Factor | None:
        """Return the water of generating electricity in a zone of the inventory, L/kWh; None where it is unknown."""
        if not zone:
            return None
        yearly = self._intensity.yearly(zone)
        return grid_water(self._impact_factors, zone if yearly is None else yearly.factor.id)

    def grams(self, device_id: str, window: Metered) -> Grams:
        """Return the same grams of one window as plain numbers, many times as fast: for every row of a live store.

        With them go the marginal grams and the litres of water. ``factors`` does not hear of it. A window whose energy
        is not finite has no operational grams.
        """
        rates = self._rates.get(device_id)
        return NO_GRAMS if rates is None else grams_of(window, rates, self._steps, self._marginal_steps)

    def factors(self) -> list[Factor]:
        """Return every factor that an assessment has used so far, in the order of first use."""
        zones = [self._intensity.passports(zone, *stretch) for zone, stretch in self._stretches.items()]
        used = {(factor.id, factor.vintage): factor for factors in zones for factor in factors}
        return list((used | self._used).values())

    def _rates_of(self, entry: DeviceEntry) -> Rates:
        plan = entry.life_plan()
        mass = self._masses.get(entry.id)
        water = self.water(entry.zone)
        return Rates(
            zone=entry.zone,
            mass=None if mass is None or plan is None else mass.range,
            plan=plan,
            water_l_per_j=None if water is None else water.estimate.value / J_PER_KWH,
        )

    def _operational(self, zone: str, energy: Estimate, per_kwh: Range) -> Estimate:
        words = f"{self._intensity.kind} intensity of {zone}"
        return times(
            energy.scaled(1.0 / J_PER_KWH),
            Estimate(*per_kwh, GCO2E_PER_KWH, words),
            unit=gram_unit(self._intensity.kind),
            source=f"{energy.source} x {words}",
        )

    def _remember(self, factor: Factor) -> None:
        self._used.setdefault((factor.id, factor.vintage), factor)

    def _remember_zone(self, zone: str, start_unix_ns: int, end_unix_ns: int) -> None:
        first, last = self._stretches.get(zone, (start_unix_ns, end_unix_ns))
        self._stretches[zone] = min(first, start_unix_ns), max(last, end_unix_ns)
