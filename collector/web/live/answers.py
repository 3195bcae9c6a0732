"""What the live page's server says, as structs that become JSON. None is unknown and becomes null, never zero.

Names and meanings of an account are those of ``collector.fleet.values.Account``; standard uncertainties, k = 1.
"""

from collections.abc import Mapping

import msgspec

from collector.assess import DevicePlace
from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.fleet.values import Account, DeviceAccount
from collector.liveness import liveness
from collector.values import DeviceState, LedgerLine
from edge_agent.wire.records import Birth, InferenceWindow


class Grams(msgspec.Struct, frozen=True):
    """An estimate in grams of CO2e, with its P5 and P95."""

    value: float
    low: float
    high: float


class AccountAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an account that the page shows."""

    windows: int
    simulated_windows: int
    duration_s: float
    gap_s: float
    coverage_ratio: float
    energy_j: float
    energy_u_j: float
    power_w: float | None
    inference_count: int
    inferences_per_s: float | None
    j_per_inference: float | None
    j_per_inference_u: float | None
    operational_gco2e: Grams | None
    operational_yearly_gco2e: Grams | None
    embodied_gco2e: Grams | None
    total_gco2e: Grams | None
    embodied_share_ratio: float | None
    intensity_ratio: dict[str, float]


class Latest(msgspec.Struct, frozen=True, kw_only=True):
    """One window of a device; ``t_unix_ns`` is its end. ``energy_u_ratio``: standard uncertainty over energy."""

    t_unix_ns: int
    duration_s: float
    power_w: float | None
    j_per_inference: float | None
    inferences_per_s: float
    latency_p50_s: float | None
    latency_p95_s: float | None
    soc_temp_c: float | None
    freq_mhz: float | None
    throttled: bool | None
    gap_s: float
    energy_u_ratio: float | None
    flags: tuple[str, ...]
    model_id: str
    simulated: bool


class DeviceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One device: what it is, when it was heard, its account and its latest window; "" or empty: not known."""

    fleet: str
    device_id: str
    site: str
    zone: str
    device_class: str
    hardware: str
    models: tuple[str, ...]
    meters: tuple[str, ...]
    boundaries: tuple[str, ...]
    online: bool
    last_seen_unix_ns: int | None
    clock_state: str | None
    outbox_windows: int | None
    meter_connected: bool | None
    birth: Birth | None
    account: AccountAnswer
    latest: Latest | None


class LedgerTotals(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet's ledger: sent = stored + dropped + refused + pending + missing."""

    sent: int
    stored: int
    dropped: int
    refused: int
    pending: int
    missing: int
    adds_up: bool


class LedgerAnswer(LedgerTotals, frozen=True, kw_only=True):
    """The same with every device's line."""

    devices: tuple[LedgerLine, ...]


class SinkAnswer(msgspec.Struct, frozen=True):
    """How far a store is behind the journal."""

    sink: str
    rows: int
    lag_s: float


class IntensityAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The grid intensity of one zone now, gCO2e/kWh. ``age_s``: since its source last said it, or None."""

    zone: str
    kind: str
    source: str
    gco2e_per_kwh: float
    quality: str
    age_s: float | None


class FleetAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """All that the page shows at first. ``since_unix_ns``: the start of the first window; None without one.

    ``report``: where the report of this run is served, None for nowhere.
    """

    t_unix_ns: int
    since_unix_ns: int | None
    simulated: bool
    title: str
    total: AccountAnswer
    devices: tuple[DeviceAnswer, ...]
    ledger: LedgerAnswer
    factors: tuple[Factor, ...]
    notes: tuple[str, ...]
    sinks: tuple[SinkAnswer, ...]
    dead_letters: Mapping[str, int]
    intensities: tuple[IntensityAnswer, ...]
    report: str | None


class ChangesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What changed since an earlier answer: the whole devices, not their parts."""

    t_unix_ns: int
    total: AccountAnswer
    devices: tuple[DeviceAnswer, ...]
    ledger: LedgerTotals
    simulated: bool


class SeriesAnswer(msgspec.Struct, frozen=True):
    """The fleet over time: arrays of one length, oldest first; ``t_unix_ns`` is the middle of a bin of ``bin_s``.

    Grams and inferences are those of the bin; power is that of the devices with samples there, added. A bin without
    windows has None everywhere.
    """

    t_unix_ns: list[int]
    power_w: list[float | None]
    operational_gco2e: list[float | None]
    embodied_gco2e: list[float | None]
    inference_count: list[int | None]
    bin_s: float | None


def grams(estimate: Estimate | None) -> Grams | None:
    """Return value, P5 and P95."""
    return None if estimate is None else Grams(estimate.value, estimate.low, estimate.high)


def account_answer(account: Account) -> AccountAnswer:
    """Return what the page shows of an account."""
    return AccountAnswer(
        windows=account.windows,
        simulated_windows=account.simulated_windows,
        duration_s=account.duration_s,
        gap_s=account.gap_s,
        coverage_ratio=account.coverage_ratio,
        energy_j=account.energy_j,
        energy_u_j=account.energy_u_j,
        power_w=account.power_w,
        inference_count=account.inference_count,
        inferences_per_s=account.inferences_per_s,
        j_per_inference=account.j_per_inference,
        j_per_inference_u=account.j_per_inference_u,
        operational_gco2e=grams(account.operational_gco2e),
        operational_yearly_gco2e=grams(account.operational_yearly_gco2e),
        embodied_gco2e=grams(account.embodied_gco2e),
        total_gco2e=grams(account.total_gco2e),
        embodied_share_ratio=account.embodied_share_ratio,
        intensity_ratio=account.intensity_ratio,
    )


def device_answer(
    state: DeviceState, account: Account, now_unix_ns: int, place: DevicePlace, last: Latest | None
) -> DeviceAnswer:
    """Return what the page shows of one device. ``place``: what the inventory says of it."""
    birth, health = state.birth, state.health
    of_windows = account if isinstance(account, DeviceAccount) else None
    spoken = health.clock_state if health else birth.clock_state if birth else None
    return DeviceAnswer(
        fleet=state.fleet,
        device_id=state.device_id,
        site=place.site,
        zone=place.zone,
        device_class=place.device_class or (birth.device_class if birth else ""),
        hardware=place.hardware,
        models=of_windows.models if of_windows else (birth.model_id,) if birth else (),
        meters=of_windows.meters if of_windows else (birth.meter_id,) if birth else (),
        boundaries=of_windows.boundaries if of_windows else (birth.boundary,) if birth else (),
        online=is_online(state, now_unix_ns),
        last_seen_unix_ns=state.last_seen_unix_ns or None,
        clock_state=spoken,
        outbox_windows=health.outbox_windows if health else None,
        meter_connected=health.meter_connected if health else None,
        birth=birth,
        account=account_answer(account),
        latest=last,
    )


def is_online(state: DeviceState, now_unix_ns: int) -> bool:
    """Return whether the device was heard lately and has not said goodbye."""
    return liveness(state, now_unix_ns) == "online"


def latest(window: InferenceWindow) -> Latest:
    """Return what the page shows of one window."""
    covered_s = max(window.duration_s - window.gap_s, 0.0)
    power_w = window.energy_j / covered_s if covered_s > 0.0 else None
    count = window.inference_count
    return Latest(
        t_unix_ns=window.t_start_unix_ns + round(window.duration_s * 1e9),
        duration_s=window.duration_s,
        power_w=power_w,
        j_per_inference=None if power_w is None or not count else power_w * window.duration_s / count,
        inferences_per_s=count / window.duration_s,
        latency_p50_s=window.latency_p50_s,
        latency_p95_s=window.latency_p95_s,
        soc_temp_c=window.soc_temp_c,
        freq_mhz=window.freq_mhz,
        throttled=window.throttled,
        gap_s=window.gap_s,
        energy_u_ratio=window.energy_u_j / abs(window.energy_j) if window.energy_j else None,
        flags=window.flags,
        model_id=window.model_id,
        simulated=window.simulated,
    )
