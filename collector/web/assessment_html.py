"""A fleet assessment as one self-contained page: no script, no request to anywhere, light and dark."""

from typing import Final

import msgspec

from collector.assessment.values import FleetAssessment, GroupFigures
from collector.assessment.words import cause_names, impact_name, impact_words
from collector.web import assessment_plots as plots
from collector.web.pages import ordered, page_template

MAX_ROWS: Final = 300
_NO_CHANGE: Final = 5e-4


class Plot(msgspec.Struct, frozen=True):
    """What stands in one box of the page."""

    heading: str
    explanation: str
    svg: str


def render_assessment(assessment: FleetAssessment, title: str) -> str:
    """Return the page as HTML text."""
    total = assessment.total
    return page_template("assessment.html.j2").render(
        title=title,
        assessment=assessment,
        total=total,
        plots=_plots(assessment),
        groups={by: groups[:MAX_ROWS] for by, groups in assessment.groups.items()},
        hidden={by: max(0, len(groups) - MAX_ROWS) for by, groups in assessment.groups.items()},
        impacts=[
            (impact_name(name), *impact_words(name, figure), assessment.missing_impact_factors.get(name, ()))
            for name, figure in total.impacts.items()
        ],
        factors=ordered(assessment.factors),
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
            plots.causes(total.variance_shares, cause_names(assessment.factors)),
        )
    )
    return [plot for plot in made if plot.svg]


def _change_ratio(group: GroupFigures) -> float | None:
    """Return by how much time-resolved operational grams differ from those by yearly averages.

    None if unknown, and where only rounding tells them apart.
    """
    resolved, yearly = group.grams.operational, group.yearly_operational_gco2e
    if resolved is None or yearly is None or yearly.value <= 0.0:
        return None
    change = resolved.value / yearly.value - 1.0
    return change if abs(change) >= _NO_CHANGE else None
