"""The map of the embodied share for each board: over yearly grids, duties and lifetimes, every factor named."""

from collections.abc import Sequence
from typing import Final

import msgspec

from collector.carbon.embodied import break_even_intensity_gco2e_per_kwh, embodied_gco2e
from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.share_map import MeanPower, share_estimate
from collector.data.hardware import Item, require_item, shipped_items
from collector.intensity.yearly_table import YearlyTable
from collector.inventory import hardware_parts
from edge_agent.wire.errors import ConfigurationError

ZONES: Final = ("SE", "FR", "DK", "GB", "DE", "US", "PL", "IN")
DUTIES: Final = (0.0, 0.5, 1.0)
YEARS: Final = (2.0, 5.0, 10.0)


class MapCell(msgspec.Struct, frozen=True, kw_only=True):
    """One place on the map: zone with its intensity, duty with its mean power, lifetime, and the embodied share."""

    zone: str
    intensity_gco2e_per_kwh: float
    duty_ratio: float
    mean_power_w: float
    lifetime_years: float
    embodied_share: Estimate


class BoardMap(msgspec.Struct, frozen=True, kw_only=True):
    """The map of one board. ``break_even_gco2e_per_kwh``: by lifetime, at full duty, where both halves are alike."""

    board: str
    name: str
    mass: Estimate
    power: MeanPower
    cells: tuple[MapCell, ...]
    break_even_gco2e_per_kwh: dict[str, float]
    factors: tuple[Factor, ...]


class MapQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What to map. ``boards``: () for all; ``power``: in place of the table's, for one board."""

    boards: tuple[str, ...] = ()
    zones: tuple[str, ...] = ZONES
    duties: tuple[float, ...] = DUTIES
    years: tuple[float, ...] = YEARS
    sd_card_gb: int | None = None
    power: MeanPower | None = None


def embodied_maps(question: MapQuestion, table: YearlyTable) -> tuple[BoardMap, ...]:
    """Return a map for each board. Raises ConfigurationError for an unknown board or zone, or impossible numbers."""
    if any(not 0.0 <= duty <= 1.0 for duty in question.duties) or any(not 0.0 < y <= 50.0 for y in question.years):
        raise ConfigurationError("map: a duty lies in 0..1 and a lifetime above 0 and up to 50 years")
    boards = [require_item(board, "board", "map: board") for board in question.boards]
    boards = boards or [item for item in shipped_items() if item.kind == "board"]
    grids = [_grid(zone, table) for zone in question.zones]
    return tuple(_map(item, question, grids) for item in {item.id: item for item in boards}.values())


def regions(maps: Sequence[BoardMap]) -> dict[str, int]:
    """Return how many places lie where: up to 10 %, between, from 40 to 80 %, above."""
    counts = {"up to 10 %": 0, "10 to 40 %": 0, "40 to 80 %": 0, "above 80 %": 0}
    for cell in (cell for one in maps for cell in one.cells):
        share = cell.embodied_share.value
        where = 0 if share <= 0.1 else 1 if share < 0.4 else 2 if share <= 0.8 else 3
        counts[list(counts)[where]] += 1
    return counts


def _grid(zone: str, table: YearlyTable) -> tuple[str, Factor]:
    table.check_zone(zone, "map: zone")
    found = table.at(zone, 0)
    assert found is not None, "check_zone has found it"
    return zone, found.factor


def _map(item: Item, question: MapQuestion, grids: list[tuple[str, Factor]]) -> BoardMap:
    parts = hardware_parts(item.id, question.sd_card_gb, "map")
    power = question.power or item.power
    if power is None:
        raise ConfigurationError(f"map: no power is known of {item.id!r}; give --idle-w and --busy-w")
    mass = embodied_gco2e(parts)
    cells = tuple(
        MapCell(
            zone=zone,
            intensity_gco2e_per_kwh=grid.estimate.value,
            duty_ratio=duty,
            mean_power_w=power.mean_w(duty),
            lifetime_years=years,
            embodied_share=share_estimate(mass, grid.estimate, power.mean_w(duty), years),
        )
        for zone, grid in grids
        for duty in question.duties
        for years in question.years
    )
    used = {factor.id: factor for part in parts for factor in part.factors} | {grid.id: grid for _, grid in grids}
    full_w = power.mean_w(1.0)
    return BoardMap(
        board=item.id,
        name=item.name,
        mass=mass,
        power=power,
        cells=cells,
        break_even_gco2e_per_kwh={
            f"{years:g}": break_even_intensity_gco2e_per_kwh(mass.value, full_w, years) for years in question.years
        }
        if full_w > 0.0
        else {},
        factors=tuple(used.values()),
    )
