"""The sentences that must stand beside the figures of a fleet."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from collector.fleet.values import Account, DeviceAccount
from collector.fleet.window_sums import Key
from collector.numbers import percent, si, some_of


def notes_of(devices: Sequence[DeviceAccount], total: Account) -> tuple[str, ...]:
    """Return what a reader of these accounts has to know."""
    return (*_notes(devices), *_notes_on_intensities(devices, total), *_notes_on_unknown_grams(devices))


def _notes(devices: Sequence[DeviceAccount]) -> list[str]:
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
    return notes


def _notes_on_intensities(devices: Sequence[DeviceAccount], total: Account) -> list[str]:
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


def _notes_on_unknown_grams(devices: Sequence[DeviceAccount]) -> list[str]:
    """Return whose grams are unknown, and what is missing."""
    no_operational = [device for device in devices if device.operational_gco2e is None]
    no_embodied = [device for device in devices if device.embodied_gco2e is None]
    causes = (
        ("operational", "the inventory has no zone for them", [d for d in no_operational if not d.zone]),
        ("operational", "no intensity is known of their zone and time", [d for d in no_operational if d.zone]),
        ("embodied", "the inventory has no hardware or no planned life for them", no_embodied),
    )
    return [
        f"{what} grams unknown for {some_of([d.device_id for d in found])}: {cause}; so the total is unknown too"
        for what, cause, found in causes
        if found
    ]


def _beside(total: Account) -> str:
    timed, yearly = total.operational_gco2e, total.operational_yearly_gco2e
    if timed is None or yearly is None:
        return ""
    return f": {si(timed.value, 'g')} so far, against {si(yearly.value, 'g')} at yearly averages"


def _notes_on_meters(devices: Sequence[DeviceAccount]) -> list[str]:
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
