"""What has to stand beside the figures of a decomposition, one sentence each."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from collector.analysis.decomposition.portions import Side
from collector.analysis.decomposition.values import GroupChange, Question
from collector.assessment.assess import Gathered
from collector.assessment.hardware import policies_in_words
from collector.numbers import percent, si, significant, some_of

_SLIGHT: Final = 1e-9
_OFTEN: Final = 0.95
"""Devices that sent windows for a smaller part of the days have their silence told."""
_SHIFT: Final = 0.01
"""A smaller part of the energy may rest on another kind of intensity without a word."""


def notes_of(
    sides: Sequence[Side], groups: Sequence[GroupChange], asked: Question, gathered: Sequence[Gathered]
) -> Iterator[str]:
    """Give one sentence for each thing that a reader has to know."""
    if any(side.simulated_windows for side in sides):
        counts = " and ".join(f"{side.simulated_windows} of {side.windows}" for side in sides)
        yield f"simulated meters: {counts} windows of A and B were not measured on hardware"
    if sides[0].days != sides[1].days:
        lengths = " and ".join(f"{side.days:g}" for side in sides)
        yield f"the periods have {lengths} days: all figures are per day"
    for name, side, found in zip("AB", sides, gathered, strict=True):
        yield from _of_time(name, side, asked)
        yield from _of_what_is_unknown(name, side)
        if found.reading.cut_days:
            yield f"{name}: of {some_of(found.reading.cut_days)} only roll-ups are left, whose slots count whole"
    yield from _of_meters(sides)
    yield from _of_intensities(sides)
    yield from _of_hardware(sides)
    yield from _of_groups(groups, asked)


def _of_time(name: str, side: Side, asked: Question) -> Iterator[str]:
    if side.days - side.days_with_data > _SLIGHT:
        of = f"{name} has windows on {side.days_with_data:.4g} of {side.days:.4g} days"
        if asked.silent_days == "off":
            yield f"{of}; on the others the fleet is taken to have been off"
        else:
            yield (
                f"{of}; the others are unknown, and operational figures are per day with windows "
                "(--silent-days off: the fleet was off)"
            )
    ratio = side.duration_s / 86_400.0 / side.days_with_data / len(side.seen)
    if ratio < _OFTEN:
        devices = "its one device" if len(side.seen) == 1 else f"its {len(side.seen)} devices, on the mean,"
        yield (
            f"{name}: {devices} sent such windows for {_part(ratio)} of those days; a device that is silent while "
            "others send counts as not running, and so as a smaller fleet"
        )


def _of_what_is_unknown(name: str, side: Side) -> Iterator[str]:
    if side.gap_s > 0.0 and side.duration_s > 0.0:
        yield (
            f"{name}: {_part(side.gap_s / side.duration_s)} of the windows' time has no sample, and is taken at the "
            "mean power of the device's rest"
        )
    missing = 1.0 - side.known_j / side.energy_j if side.energy_j > 0.0 else 0.0
    if missing > _SLIGHT:
        yield (
            f"{name}: {_part(missing)} of the energy has no known intensity: a device's known rest stands for it, and "
            "a device with none is left out"
        )
    for reason, devices in side.left_out.items():
        if devices:
            what = "embodied" if "hardware" in reason else "operational"
            yield f"{name}: left out of the {what} effects, for {reason}: {some_of(sorted(devices))}"


def _of_meters(sides: Sequence[Side]) -> Iterator[str]:
    if len(sides[0].boundaries | sides[1].boundaries) > 1:
        words = "; ".join(
            f"{name}: {', '.join(sorted(side.boundaries))}" for name, side in zip("AB", sides, strict=True)
        )
        yield (
            f"meters sit at different boundaries ({words}): what lies before one is not in its joules, and a change "
            "of boundary reads as one of energy per inference"
        )


def _of_intensities(sides: Sequence[Side]) -> Iterator[str]:
    first, last = (side.yearly_j / side.known_j if side.known_j > 0.0 else 0.0 for side in sides)
    if min(first, last) >= 1.0 - _SLIGHT:
        yield (
            "both sides rest on the same yearly averages: what a grid did between A and B is not seen, and grid "
            "intensity tells only of devices in another zone"
        )
    elif abs(last - first) > _SHIFT:
        yield (
            f"on yearly averages rest {percent(first)} of A's energy and {percent(last)} of B's, the rest on "
            "intensities by the hour: a part of grid intensity may be that change of source"
        )


def _of_hardware(sides: Sequence[Side]) -> Iterator[str]:
    if all(side.hardware for side in sides):
        used = sides[0].hardware | sides[1].hardware
        yield f"embodied grams are charged {'; '.join(policies_in_words(used.values()))}"
    for name, side in zip("AB", sides, strict=True):
        if side.beyond_lifetime:
            yield (
                f"{name}: beyond the planned life, and charged nothing embodied there: "
                f"{some_of(sorted(side.beyond_lifetime))}"
            )
        if side.residue:
            yield (
                f"{name}: what early retirement left over of {some_of(sorted(side.residue))} is not charged here "
                "(residue in the inventory)"
            )


def _of_groups(groups: Sequence[GroupChange], asked: Question) -> Iterator[str]:
    new = [one.name for one in groups if one.before.devices == 0.0 < one.after.devices]
    gone = [one.name for one in groups if one.after.devices == 0.0 < one.before.devices]
    if new or gone:
        words = [f"{what}: {some_of(names)}" for what, names in (("only in A", gone), ("only in B", new)) if names]
        yield f"{'; '.join(words)}: all of it is fleet size"
    if len(groups) > 1:
        before, after = ([one.before for one in groups], [one.after for one in groups])
        devices = " and ".join(significant(math.fsum(one.devices for one in side)) for side in (before, after))
        counts = " and ".join(si(math.fsum(one.inferences for one in side), "").strip() for side in (before, after))
        yield (
            f"fleet size is the devices of each {' and '.join(asked.by)}: what moves between them is in it, and in "
            f"the rebound's volume. In all A and B have {devices} devices, {counts} inferences a day; "
            "--by all takes them as one"
        )
    idle = [one.name for one in groups if abs(one.effects["energy_per_device"]) > _SLIGHT * _grams(one)]
    if idle:
        yield (
            f"without inferences on one side or both: {some_of(idle)}; the change of its energy per device cannot be "
            "told apart into work and efficiency, and stands in a line of its own"
        )


def _grams(group: GroupChange) -> float:
    return max(group.before.operational_gco2e, group.after.operational_gco2e)


def _part(ratio: float) -> str:
    """Return a part as per cent; a small one never reads as none."""
    return "less than 0.1\N{NO-BREAK SPACE}%" if 0.0 < ratio < 1e-3 else percent(ratio, 1)
