"""What has to stand beside an assessment's figures, in words."""

from collections.abc import Iterator

from collector.assessment.values import GroupFigures, Reading
from collector.numbers import some_of


def notes_of(
    whole: GroupFigures,
    reading: Reading,
    boundaries: dict[str, set[str]],
    sharing: dict[str, set[str]],
    silent: list[str],
) -> Iterator[str]:
    """Give one sentence for each thing that a reader has to know.

    ``boundaries``, ``sharing``: devices by where their meter sits, and by systematic id. ``silent``: devices without
    windows that were in service.
    """
    yield from _of_meters(whole, boundaries, sharing)
    yield from _of_hardware(whole, silent)
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


def _of_hardware(whole: GroupFigures, silent: list[str]) -> Iterator[str]:
    if whole.beyond_lifetime_s:
        days = whole.beyond_lifetime_s / 86_400.0
        yield f"beyond the planned life, and charged nothing embodied there: {days:.1f} device days"
    if whole.residue_gco2e is not None:
        yield (
            f"left over by early retirements and charged to no device: {whole.residue_gco2e.value / 1e3:.1f} kgCO2e; "
            "the inventory says whether it is written off to the fleet or carried to a successor"
        )
    if silent:
        yield f"in service as the inventory says, but without windows, and not in these figures: {some_of(silent)}"
