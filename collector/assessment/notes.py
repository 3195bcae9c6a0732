"""What has to stand beside an assessment's figures, in words."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from collector.assessment.values import GroupFigures, Reading
from collector.numbers import grams, some_of

_RESIDUES: Final = {
    "carried_to_successor": "which the devices named as successors carry through their own lives",
    "written_off_to_fleet": "written off to the fleet, and in no device's grams",
}


def notes_of(
    whole: GroupFigures,
    reading: Reading,
    boundaries: dict[str, set[str]],
    sharing: dict[str, set[str]],
    silent: list[str],
    residues: AbstractSet[str],
) -> Iterator[str]:
    """Give one sentence for each thing that a reader has to know.

    ``boundaries``, ``sharing``: devices by where their meter sits, and by systematic id. ``silent``: devices without
    windows that were in service. ``residues``: what becomes of what early retirements leave over.
    """
    yield from _of_meters(whole, boundaries, sharing)
    yield from _of_hardware(whole, silent, residues)
    if reading.cut_days:
        yield (
            "the period begins or ends inside of a slot of which only a roll-up is left, and such a slot counts whole "
            f"where it begins in the period: {some_of(reading.cut_days)}; give full hours"
        )
    if reading.rows_unusable:
        yield f"{reading.rows_unusable} windows with numbers beyond reason were left out"
    if reading.rows_repeated:
        yield f"{reading.rows_repeated} windows lay in the lake from two collectors, and were counted once"


def _of_meters(whole: GroupFigures, boundaries: dict[str, set[str]], sharing: dict[str, set[str]]) -> Iterator[str]:
    if whole.windows == 0:
        yield "no windows in this period: edgejoule fleet ledger shows what is stored"
    if whole.simulated_windows:
        yield f"simulated meters: {whole.simulated_windows} windows were not measured on hardware"
    if shared := [f"{name} ({len(devices)} devices)" for name, devices in sorted(sharing.items()) if len(devices) > 1]:
        yield (
            "meters of one type are taken to err alike, which is the safe side: the total does not average out the "
            f"gain and offset errors of {some_of(shared)}"
        )
    if len(boundaries) > 1:
        names = ", ".join(sorted(boundaries))
        yield f"meters sit at different boundaries ({names}): what lies before one is not in its joules"
    if whole.gap_s > 0.0:
        hours = whole.gap_s / 3600.0
        yield f"gaps: {hours:.1f} device hours have no sample, hence no energy and no operational grams in these sums"


def _of_hardware(whole: GroupFigures, silent: list[str], residues: AbstractSet[str]) -> Iterator[str]:
    if whole.beyond_lifetime_s:
        days = whole.beyond_lifetime_s / 86_400.0
        yield f"beyond the planned life, and charged nothing embodied there: {days:.1f} device days"
    for seconds, when in (
        (whole.before_service_s, "before their devices came into service"),
        (whole.after_retirement_s, "after their devices were retired"),
    ):
        if seconds >= 1.0:
            yield (
                f"windows {when}, as the inventory says: {seconds / 3600.0:.1f} device hours; their energy counts, "
                "but nothing embodied is charged there: correct the dates"
            )
    if whole.residue_gco2e is not None:
        ends = " or ".join(_RESIDUES[one] for one in sorted(residues & _RESIDUES.keys()))
        yield f"left over by early retirements: {grams(whole.residue_gco2e)}, {ends}"
    if silent:
        yield f"in service as the inventory says, but without windows, and not in these figures: {some_of(silent)}"
