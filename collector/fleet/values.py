"""What a fleet report says. None is unknown, never zero; u is a standard uncertainty (k = 1)."""

import msgspec

from collector.carbon.amortisation import Policy
from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.model_row import ModelMaking


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Energy, work and carbon of a set of windows.

    ``energy_j``: joules that samples cover; ``gap_s`` seconds have no sample and no joule; ``coverage_ratio`` is the
    covered part of ``duration_s``. ``energy_u_systematic_j``: the part of ``energy_u_j`` that neither more windows nor
    more meters of the same types average out.
    ``power_w``: mean over covered time; of a fleet the sum of its devices', as is ``inferences_per_s``.
    ``j_per_inference``: mean power over mean rate, so a gap neither adds joules
    nor hides inferences. ``net_...``: above the declared idle power, from the ``net_windows`` windows that have one.
    Grams: ``operational`` of the metered joules at the intensity of their time, ``operational_yearly`` at the yearly
    average, ``embodied`` charged for ``duration_s``; ``..._per_1000`` for a thousand inferences, the operational one
    at mean power. ``intensity_ratio``: the part of the energy whose intensity is actual, estimated, forecast or
    yearly; the rest is unknown. ``embodied_share_ratio``: embodied of total grams.
    ``simulated_windows``: windows with any figure from an emulated meter.
    """

    windows: int
    simulated_windows: int
    duration_s: float
    energy_j: float
    energy_u_j: float
    energy_u_systematic_j: float
    gap_s: float
    coverage_ratio: float
    power_w: float | None
    inference_count: int
    inferences_per_s: float | None
    j_per_inference: float | None
    j_per_inference_u: float | None
    net_windows: int
    net_j_per_inference: float | None
    net_j_per_inference_u: float | None
    operational_gco2e: Estimate | None
    operational_yearly_gco2e: Estimate | None
    intensity_ratio: dict[str, float]
    embodied_gco2e: Estimate | None
    total_gco2e: Estimate | None
    operational_gco2e_per_1000: Estimate | None
    embodied_gco2e_per_1000: Estimate | None
    total_gco2e_per_1000: Estimate | None
    embodied_share_ratio: float | None

    @property
    def simulated(self) -> bool:
        """Return whether any figure came from an emulated meter."""
        return self.simulated_windows > 0


class DeviceAccount(Account, frozen=True, kw_only=True):
    """One device's account, and where its figures come from. "" or empty: not known.

    ``systematic_ids``: whose gain and offset errors its windows have (see ``InferenceWindow``). ``flagged_windows``:
    how many windows carry which flag. ``embodied_policy``: how its hardware is charged, None where ``embodied_gco2e``
    is.
    ``beyond_lifetime_s``: seconds after the planned end of life, which are charged nothing embodied any more.
    ``outside_service_s``: seconds before the first day of service and after retirement, which are charged nothing.
    """

    fleet: str
    device_id: str
    site: str
    zone: str
    hardware: str
    device_class: str
    models: tuple[str, ...]
    meters: tuple[str, ...]
    systematic_ids: tuple[str, ...]
    flagged_windows: dict[str, int]
    boundaries: tuple[str, ...]
    first_unix_ns: int
    last_unix_ns: int
    embodied_policy: Policy | None
    beyond_lifetime_s: float | None
    outside_service_s: float


class DeviceSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One device over time, in bins of ``bin_s``; a bin without windows is absent, one without samples is None.

    ``t_unix_ns``: mean middle of the bin's windows. ``energy_per_window_j``: mean of the bin's windows.
    """

    fleet: str
    device_id: str
    bin_s: float
    t_unix_ns: tuple[int, ...]
    power_w: tuple[float | None, ...]
    energy_per_window_j: tuple[float, ...]
    energy_per_window_u_j: tuple[float, ...]


class FleetReport(msgspec.Struct, frozen=True, kw_only=True):
    """Devices in order of fleet and id, the total, and every factor that was used.

    A total's grams are None as soon as one device's are unknown; ``unknown_operational`` and ``unknown_embodied``
    name those devices. ``notes`` are sentences that must stand beside the figures. ``systematic_u_j``: the systematic
    standard uncertainty of the total energy by systematic id: within one it adds linearly, over windows and devices;
    between them in quadrature. ``makings``: of the models that the inventory lists, in no account of the others.
    """

    devices: tuple[DeviceAccount, ...]
    total: Account
    simulated: bool
    unknown_operational: tuple[str, ...]
    unknown_embodied: tuple[str, ...]
    notes: tuple[str, ...]
    factors: tuple[Factor, ...]
    series: tuple[DeviceSeries, ...]
    systematic_u_j: dict[str, float]
    makings: tuple[ModelMaking, ...] = ()
