"""The figures at the end of a measurement or a recording, for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from edgejoule.commands.meter.live import identity_text
from edgejoule.output import stdout_console
from firmware_bridge.samples import EnergyDelta, MeterIdentity


@dataclass(frozen=True, slots=True)
class Figures:
    """What is to be printed. ``more``: further rows."""

    total: EnergyDelta | None
    limits_j: tuple[float, float] | None
    identity: MeterIdentity | None
    frame_errors: Mapping[str, int]
    simulated: bool
    more: Mapping[str, str]


def print_figures(figures: Figures) -> None:
    """Print them as a table on stdout."""
    name = "" if figures.identity is None else identity_text(figures.identity)
    title = f"{name}{' SIMULATED' if figures.simulated else ''}".strip()
    table = Table("quantity", "value", title=escape(title) or None)
    for quantity, value in _energy_rows(figures.total, figures.limits_j).items():
        table.add_row(quantity, value)
    for kind, count in sorted(figures.frame_errors.items()):
        table.add_row(f"errors: {kind}", f"{count:,}")
    for quantity, value in figures.more.items():
        table.add_row(quantity, escape(value))
    stdout_console().print(table)


def _energy_rows(total: EnergyDelta | None, limits_j: tuple[float, float] | None) -> dict[str, str]:
    if total is None:
        return {"energy": "no samples"}
    rows = {"energy": f"{total.energy_j:.4f} J ± {total.energy_u_systematic_j:.4f} J (k = 1, systematic)"}
    if limits_j is not None and (total.gap_s > 0.0 or total.counter_j is not None):
        rows["energy limits"] = _limits(*limits_j)
    if total.mean_power_w is not None:
        rows["mean power"] = f"{total.mean_power_w:.4f} W (sd {total.power_sd_w:.4f} W)"
    rows["time"] = f"{total.duration_s:.3f} s, of which {total.gap_s:.3f} s gap"
    if total.gap_s > 0.0:
        rows["time"] += f" (at most {total.gap_bound_j:.4f} J in it)"
    rows["samples"] = f"{total.sample_count:,.0f}, {total.lost_count:,.0f} lost"
    if total.counter_j is not None:
        rows["own counter"] = f"{total.counter_j:.4f} J" + (" (it began anew)" if total.counter_resets else "")
    return rows


def _limits(low_j: float, high_j: float) -> str:
    if low_j > high_j:
        return f"none: the meter's own counter says at least {low_j:.4f} J, the samples at most {high_j:.4f} J"
    return f"{low_j:.4f} to {high_j:.4f} J, gaps included"


def field_rows(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of the last reading as rows."""
    return {f"last {name}": _text(value) for name, value in fields.items()}


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.3f}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)
