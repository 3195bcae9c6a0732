"""A decomposition as CSV: one row for everything and one for each group, with units in the names of the columns."""

import csv
import io
from typing import Any

from collector.analysis.decomposition.values import Decomposition, Levels


def csv_text(found: Decomposition) -> str:
    """Return the rows: levels of both sides, change and effects, all per day. The total has its ranges besides."""
    total: dict[str, Any] = {"name": "total"}
    total |= _levels("before", found.before.levels) | _levels("after", found.after.levels)
    total["change_gco2e_per_day"] = found.change.value
    for one in found.effects:
        total[f"{one.name}_gco2e_per_day"] = one.gco2e_per_day.value
    for one in found.effects:
        total[f"{one.name}_gco2e_per_day_low"] = one.gco2e_per_day.low
        total[f"{one.name}_gco2e_per_day_high"] = one.gco2e_per_day.high
        total[f"{one.name}_ratio"] = one.ratio
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(total))
    writer.writeheader()
    writer.writerow(total)
    for group in found.groups:
        row: dict[str, Any] = {"name": group.name}
        row |= _levels("before", group.before) | _levels("after", group.after)
        row["change_gco2e_per_day"] = group.change_gco2e_per_day
        writer.writerow(row | {f"{name}_gco2e_per_day": value for name, value in group.effects.items()})
    return text.getvalue()


def _levels(side: str, levels: Levels) -> dict[str, float]:
    units = {
        "devices": "devices",
        "inferences": "inferences_per_day",
        "energy_j": "energy_j_per_day",
        "operational_gco2e": "operational_gco2e_per_day",
        "charged_devices": "charged_devices",
        "embodied_gco2e": "embodied_gco2e_per_day",
    }
    return {f"{side}_{column}": getattr(levels, name) for name, column in units.items()}
