"""The fleet report: what every device and the fleet as a whole used, did and emitted."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from collector.assess import Assessor
from collector.carbon.estimate import Estimate
from collector.fleet.grams import DeviceGrams, Group, Key, device_grams, fleet_grams, sum_of, windows_by_device
from collector.fleet.rows import distinct, flag_counts, group_hourly, read_windows
from collector.fleet.series import device_series
from collector.fleet.sums import Sums, add_up
from collector.fleet.values import Account, DeviceAccount, FleetReport
from collector.journal import Journal
from collector.numbers import percent, si, some_of
from collector.store_config import LakeWhere

_PER_1000: Final = "gCO2e/1000 inferences"


def fleet_report(journal: Journal, lake_dir: LakeWhere | None, assessor: Assessor | None) -> FleetReport:
    """Return the report over every window that ``journal`` and the lake at ``lake_dir`` (None: journal only) hold.

    Each window takes the intensity of its own time, split exactly where it touches several steps. Without an
    assessor, or where it does not know a factor, grams are None.
    """
    table = read_windows(journal, lake_dir)
    by_device: dict[Key, list[Group]] = defaultdict(list)
    for group in group_hourly(table).to_pylist():
        by_device[group["fleet"], group["device_id"]].append(group)
    keys = sorted(by_device)
    facts = {name: distinct(table, name) for name in ("model_id", "boundary")}
    classes = {(s.fleet, s.device_id): s.birth.device_class for s in journal.devices() if s.birth}
    windows = windows_by_device(table)
    grams = {key: device_grams(assessor, key[1], by_device[key], windows[key]) for key in keys}
    flags = flag_counts(table)
    devices = tuple(
        _device(key, by_device[key], grams[key], facts, born_as=classes.get(key, ""), flags=flags.get(key, {}))
        for key in keys
    )
    totals = add_up(group for key in keys for group in by_device[key])
    total = _fleet_total(totals, devices, fleet_grams(grams.values()))
    return FleetReport(
        devices=devices,
        total=total,
        simulated=totals.simulated_windows > 0,
        unknown_operational=tuple(d.device_id for d in devices if d.operational_gco2e is None),
        unknown_embodied=tuple(d.device_id for d in devices if d.embodied_gco2e is None),
        notes=(*_notes(devices), *_notes_on_intensities(devices, total)),
        factors=tuple(assessor.factors()) if assessor else (),
        series=tuple(device_series(table)),
        systematic_u_j=dict(sorted(totals.energy.systematic_j.items())),
    )


def _device(
    key: Key,
    groups: list[Group],
    grams: DeviceGrams,
    facts: Mapping[str, Mapping[Key, tuple[str, ...]]],
    *,
    born_as: str,
    flags: dict[str, int],
) -> DeviceAccount:
    return DeviceAccount(
        **_account(add_up(groups), grams),
        fleet=key[0],
        device_id=key[1],
        site=grams.place.site,
        zone=grams.place.zone,
        hardware=grams.place.hardware,
        device_class=grams.place.device_class or born_as,
        models=facts["model_id"][key],
        meters=tuple(sorted({_meter(group["meter_driver"], group["meter_id"]) for group in groups})),
        systematic_ids=tuple(sorted({group["systematic_id"] for group in groups})),
        flagged_windows=flags,
        boundaries=facts["boundary"][key],
        first_unix_ns=min(group["first_unix_ns"] for group in groups),
        last_unix_ns=max(group["last_unix_ns"] for group in groups),
        beyond_lifetime_s=grams.beyond_lifetime_s,
        outside_service_s=grams.outside_service_s,
    )


def _meter(driver: str, meter_id: str) -> str:
    return meter_id if driver in meter_id else f"{driver} {meter_id}".strip()


def _fleet_total(sums: Sums, devices: tuple[DeviceAccount, ...], grams: DeviceGrams) -> Account:
    """Return the fleet's account: its power and its rate are those of the devices, added."""
    powers = [device.power_w for device in devices if device.power_w is not None]
    rates = [device.inferences_per_s for device in devices if device.inferences_per_s is not None]
    account = _account(sums, grams)
    account["power_w"] = sum(powers) if powers and len(powers) == len(devices) else None
    account["inferences_per_s"] = sum(rates) if rates else None
    return Account(**account)


def _account(sums: Sums, grams: DeviceGrams) -> dict[str, Any]:
    """Return the fields of an Account."""
    operational, embodied = grams.operational, grams.embodied
    energy_j = sums.energy.energy_j
    j_per_inference, j_per_inference_u = sums.per_inference()
    net, net_u = sums.net_per_inference()
    both = sum_of([operational, embodied], correlation=0.0)
    per_1000 = 1000.0 / sums.inference_count if sums.inference_count > 0 else None
    covered = sums.coverage_ratio
    operational_per_1000 = _scaled(operational, per_1000 / covered if per_1000 and covered > 0.0 else None)
    embodied_per_1000 = _scaled(embodied, per_1000)
    return {
        "windows": sums.windows,
        "simulated_windows": sums.simulated_windows,
        "duration_s": sums.duration_s,
        "energy_j": sums.energy.energy_j,
        "energy_u_j": sums.energy.u_j,
        "energy_u_systematic_j": sums.energy.u_systematic_j,
        "gap_s": sums.gap_s,
        "coverage_ratio": covered,
        "power_w": sums.power_w,
        "inference_count": sums.inference_count,
        "inferences_per_s": sums.inference_count / sums.duration_s if sums.duration_s > 0.0 else None,
        "j_per_inference": j_per_inference,
        "j_per_inference_u": j_per_inference_u,
        "net_windows": sums.net_windows,
        "net_j_per_inference": net,
        "net_j_per_inference_u": net_u,
        "operational_gco2e": operational,
        "operational_yearly_gco2e": grams.operational_yearly,
        "intensity_ratio": {name: j / energy_j for name, j in grams.energy_by_quality_j.items() if energy_j > 0.0},
        "embodied_gco2e": embodied,
        "total_gco2e": both,
        "operational_gco2e_per_1000": operational_per_1000,
        "embodied_gco2e_per_1000": embodied_per_1000,
        "total_gco2e_per_1000": sum_of([operational_per_1000, embodied_per_1000], correlation=0.0),
        "embodied_share_ratio": embodied.value / both.value if both and embodied and both.value > 0.0 else None,
    }


def _scaled(estimate: Estimate | None, factor: float | None) -> Estimate | None:
    if estimate is None or factor is None:
        return None
    return estimate.scaled(factor, unit=_PER_1000)


def _notes(devices: tuple[DeviceAccount, ...]) -> tuple[str, ...]:
    notes = []
    if simulated := [device.device_id for device in devices if device.simulated]:
        notes.append(f"simulated meters: the joules of {some_of(simulated)} were not measured on hardware")
    notes += _notes_on_meters(devices)
    boundaries = sorted({boundary for device in devices for boundary in device.boundaries})
    if len(boundaries) > 1:
        notes.append(
            f"meters sit at different boundaries ({', '.join(boundaries)}): what lies before one is not in its joules"
        )
    if gaps := [device.device_id for device in devices if device.gap_s > 0.0]:
        notes.append(f"gaps: energy and operational grams of {some_of(gaps)} cover only the time with samples")
    if flagged := [
        f"{device.device_id} ({_counted(device.flagged_windows)})" for device in devices if device.flagged_windows
    ]:
        notes.append(f"windows with a flag: {some_of(flagged)}; see them in the lake before you use their figures")
    if worn := [device.device_id for device in devices if (device.beyond_lifetime_s or 0.0) > 0.0]:
        notes.append(f"beyond the planned life, and charged nothing embodied there: {some_of(worn)}")
    if outside := [device.device_id for device in devices if device.outside_service_s >= 1.0]:
        notes.append(
            "windows before the first day of service or after retirement, charged nothing embodied there; correct the "
            f"inventory's dates: {some_of(outside)}"
        )
    return tuple(notes)


def _notes_on_intensities(devices: tuple[DeviceAccount, ...], total: Account) -> list[str]:
    """Return what the yearly averages give beside finer intensities, and whose grams may still change."""
    notes = []
    if total.intensity_ratio.keys() - {"yearly"}:
        rests_on = ", ".join(f"{percent(ratio)} {name}" for name, ratio in total.intensity_ratio.items())
        notes.append(
            f"operational grams are those of the time at which energy was used{_beside(total)}; energy by what its "
            f"intensity rests on: {rests_on}"
        )
    open_ones = [d.device_id for d in devices if d.intensity_ratio.keys() & {"estimated", "forecast"}]
    if open_ones:
        notes.append(f"grid intensities of {some_of(open_ones)} are in part estimates or forecasts: they will change")
    return notes


def _beside(total: Account) -> str:
    timed, yearly = total.operational_gco2e, total.operational_yearly_gco2e
    if timed is None or yearly is None:
        return ""
    return f": {si(timed.value, 'g')} so far, against {si(yearly.value, 'g')} at yearly averages"


def _notes_on_meters(devices: tuple[DeviceAccount, ...]) -> list[str]:
    """Return what is taken of the errors of meters that several devices share a type of."""
    sharing: dict[str, set[Key]] = defaultdict(set)
    for device in devices:
        for systematic_id in device.systematic_ids:
            sharing[systematic_id].add((device.fleet, device.device_id))
    shared = [f"{name} ({len(keys)} devices)" for name, keys in sorted(sharing.items()) if len(keys) > 1]
    if not shared:
        return []
    note = (
        "meters of one type are taken to err alike, which is the safe side: the total does not average out the gain "
        f"and offset errors of {', '.join(shared)}; with a certificate of calibration a meter's error is its own"
    )
    return [note]


def _counted(flags: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {flag}" for flag, count in flags.items())
