"""A decomposition as tables for a terminal of eighty columns."""

from rich.markup import escape
from rich.table import Table

from collector.analysis.decomposition.values import Decomposition, SideFigures
from collector.analysis.decomposition.words import (
    EFFECT_WORDS,
    FORMULA_WORDS,
    largest_of,
    shown_effects,
    signed,
    signed_range,
)
from collector.carbon.estimate import Estimate
from collector.numbers import UNKNOWN, grams, grams_range, si, significant
from edgejoule.fleet_tables import plain_table

MOST_ROWS = 20
"""More groups are counted, and are in the JSON and the CSV."""


def decomposition_tables(found: Decomposition) -> list[Table]:
    """Return both sides, the effects, and the groups, with what has to stand beside them."""
    beside = Table.grid()
    beside.add_column(overflow="fold")
    for line in _caption(found):
        beside.add_row(escape(line))
    return [_sides(found), _effects(found), _groups(found), beside]


def _sides(found: Decomposition) -> Table:
    badge = " [bold black on yellow] SIMULATED METERS [/]" if found.simulated else ""
    table = plain_table(f"Both sides, per day{badge}")
    table.add_column("")
    for name, side in (("A", found.before), ("B", found.after)):
        table.add_column(f"{name}: {escape(side.words)}", justify="right", overflow="fold")
    rows = ("devices at the same time", "inferences", "energy", "operational", "embodied", "together")
    cells = (_side_cells(side) for side in (found.before, found.after))
    for row in zip(rows, *cells, strict=True):
        table.add_row(*row)
    table.caption, table.caption_justify = "grams of CO2e, P5 to P95", "left"
    return table


def _side_cells(side: SideFigures) -> tuple[str, ...]:
    levels = side.levels
    return (
        f"{significant(levels.devices)} of {side.device_count}",
        si(levels.inferences, ""),
        si(levels.energy_j, "J"),
        *(_with_range(one) for one in (side.operational, side.embodied, side.total)),
    )


def _effects(found: Decomposition) -> Table:
    table = plain_table("What the change is made of, g CO2e a day")
    table.add_column("effect", overflow="fold")
    for heading in ("a day", "P5 to P95", "times"):
        table.add_column(heading, justify="right", no_wrap=True)
    largest, shown = largest_of(found), shown_effects(found)
    for one in found.effects:
        ends = one.gco2e_per_day
        if one.name not in shown:
            continue
        table.add_row(
            EFFECT_WORDS[one.name], signed(ends.value, largest), signed_range(ends, largest), _times(one.ratio)
        )
    table.add_section()
    change = (signed(found.change.value, largest), signed_range(found.change, largest), _times(found.ratio))
    table.add_row("change from A to B", *change, style="bold")
    return table


def _groups(found: Decomposition) -> Table:
    table = plain_table(f"By {' and '.join(found.by)}, g CO2e a day, largest change first")
    table.add_column("group", overflow="fold")
    for heading in ("A", "B", "change", "mostly"):
        table.add_column(heading, justify="right", no_wrap=heading != "mostly")
    whole = largest_of(found)
    ranked = sorted(found.groups, key=lambda one: -abs(one.change_gco2e_per_day))
    for one in ranked[:MOST_ROWS]:
        sides = (side.operational_gco2e + side.embodied_gco2e for side in (one.before, one.after))
        name, largest = max(one.effects.items(), key=lambda pair: abs(pair[1]))
        mostly = f"{EFFECT_WORDS[name]} {signed(largest, whole)}" if abs(largest) > 1e-9 * whole else UNKNOWN
        table.add_row(
            escape(one.name), *(si(side, "g") for side in sides), signed(one.change_gco2e_per_day, whole), mostly
        )
    if len(ranked) > MOST_ROWS:
        table.add_row(f"and {len(ranked) - MOST_ROWS} more", "", "", "", "")
    return table


def _caption(found: Decomposition) -> list[str]:
    lines = [f"rebound: {_rebound(found)}", *(f"note: {note}" for note in found.notes)]
    lines += dict.fromkeys(factor.label.upper() for factor in found.factors if factor.label)
    lines.append(FORMULA_WORDS)
    lines.append("average intensities; not counted: the network, and the making of the models")
    lines.append(f"{len(found.factors)} factors with source, licence and vintage: --json, --html")
    return lines


def _rebound(found: Decomposition) -> str:
    one = found.rebound
    if one.ratio is None or one.low is None or one.high is None:
        return one.reading
    return f"R = {one.ratio:.3g} ({one.low:.2g} to {one.high:.2g}), {one.reading}"


def _times(ratio: float | None) -> str:
    return UNKNOWN if ratio is None else f"{ratio:.4g}"


def _with_range(estimate: Estimate | None) -> str:
    return UNKNOWN if estimate is None else f"{grams(estimate)} [dim]({grams_range(estimate)})[/]"
