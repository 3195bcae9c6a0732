"""A fleet assessment as one self-contained page: no script, no request to anywhere, light and dark."""

import datetime as dt
from typing import Final

import jinja2
import msgspec

from collector import numbers
from collector.assessment.values import FleetAssessment, GroupFigures
from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor
from collector.carbon.units import GCO2E_PER_KWH
from collector.web import assessment_plots as plots

MAX_ROWS: Final = 300
_NO_CHANGE: Final = 5e-4
_IMPACTS: Final = {
    "water_grid_l": ("Water, to generate the electricity", 1.0, "L"),
    "water_site_l": ("Water, at the site", 1.0, "L"),
    "primary_energy_grid_mj": ("Primary energy of the electricity", 1e6, "J"),
    "primary_energy_embodied_mj": ("Primary energy of the hardware, its share", 1e6, "J"),
    "abiotic_depletion_grid_kgsbe": ("Abiotic depletion, electricity", 1e3, "g Sbe"),
    "abiotic_depletion_embodied_kgsbe": ("Abiotic depletion, hardware's share", 1e3, "g Sbe"),
    "e_waste_kg": ("Waste of equipment, its share", 1e3, "g"),
}
"""Name for people, and how many of the unit that takes a prefix one of the figure's has."""


class Plot(msgspec.Struct, frozen=True):
    """What stands in one box of the page."""

    heading: str
    explanation: str
    svg: str


def render_assessment(assessment: FleetAssessment, title: str) -> str:
    """Return the page as HTML text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("collector.web", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "si": numbers.si,
        "percent": numbers.percent,
        "count": numbers.count,
        "span": numbers.span,
        "grams": numbers.grams,
        "grams_range": numbers.grams_range,
        "plain": numbers.plain,
        "minute": _minute,
        "some": numbers.some_of,
    }
    environment.globals |= {"si_u": numbers.si_u}
    total = assessment.total
    return environment.get_template("assessment.html.j2").render(
        title=title,
        assessment=assessment,
        total=total,
        plots=_plots(assessment),
        groups={by: groups[:MAX_ROWS] for by, groups in assessment.groups.items()},
        hidden={by: max(0, len(groups) - MAX_ROWS) for by, groups in assessment.groups.items()},
        impacts=[
            (_impact_name(name), *_impact(name, figure), assessment.missing_impact_factors.get(name, ()))
            for name, figure in total.impacts.items()
        ],
        factors=sorted(assessment.factors, key=lambda factor: (factor.estimate.unit, factor.id)),
        change_ratio=_change_ratio(total),
    )


def _plots(assessment: FleetAssessment) -> list[Plot]:
    total, made = assessment.total, []
    made.append(
        Plot(
            "Day by day",
            "Grams of what is known. Dashed: the same energy at yearly average intensities.",
            plots.over_time(assessment.days),
        )
    )
    for by, groups in assessment.groups.items():
        more = f" The {plots.MAX_GROUPS} largest of {len(groups)}." if len(groups) > plots.MAX_GROUPS else ""
        made.append(
            Plot(
                f"Operational and embodied, by {by}",
                f"Whiskers: P5 to P95 of the sum. ?: something is unknown and not in the bar.{more}",
                plots.both_sides(groups, by),
            )
        )
        made.append(
            Plot(
                f"Time-resolved against yearly, by {by}",
                f"How far operational grams lie from those that a yearly average gives.{more}",
                plots.against_yearly((total, *groups), by),
            )
        )
    first = next(iter(assessment.groups), None)
    parts = () if first is None else assessment.groups[first]
    made.append(
        Plot(
            "What the intensities rest on",
            "Share of the metered energy by the quality of its grid intensity. unknown: no intensity, no grams.",
            plots.qualities((total, *parts), first or "total"),
        )
    )
    made.append(
        Plot(
            "What to measure next",
            "Which cause explains how much of the variance of the total, errors that belong together taken together.",
            plots.causes(total.variance_shares, {factor.id: _cause_name(factor) for factor in assessment.factors}),
        )
    )
    return [plot for plot in made if plot.svg]


def _cause_name(factor: Factor) -> str:
    return f"grid, {factor.name}" if factor.estimate.unit == GCO2E_PER_KWH else factor.name


def _impact_name(name: str) -> str:
    return _IMPACTS[name][0] if name in _IMPACTS else name.replace("_", " ")


def _impact(name: str, figure: Estimate | None) -> tuple[str, str]:
    """Return value and range as people read them; the range is empty for an impact that is unknown."""
    if figure is None:
        return "unknown", ""
    _, factor, unit = _IMPACTS.get(name, (name, 1.0, figure.unit))
    scale, letter = numbers.prefix_of(figure.value * factor)
    low, high = (numbers.significant(end * factor / scale, 2) for end in (figure.low, figure.high))
    return numbers.si(figure.value * factor, unit), f"{low} to {high}{numbers.NBSP}{letter}{unit}"


def _change_ratio(group: GroupFigures) -> float | None:
    """Return by how much time-resolved operational grams differ from those by yearly averages.

    None if unknown, and where only rounding tells them apart.
    """
    resolved, yearly = group.grams.operational, group.yearly_operational_gco2e
    if resolved is None or yearly is None or yearly.value <= 0.0:
        return None
    change = resolved.value / yearly.value - 1.0
    return change if abs(change) >= _NO_CHANGE else None


def _minute(t_unix_ns: int) -> str:
    return dt.datetime.fromtimestamp(t_unix_ns / 1e9, tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
