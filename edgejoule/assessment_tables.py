"""A fleet's assessment as tables for a terminal of eighty columns."""

from datetime import UTC, datetime

from rich.markup import escape
from rich.table import Table

from collector.assessment.values import By, FleetAssessment, GroupFigures
from collector.assessment.words import cause_names, impact_name, impact_words
from collector.carbon.estimate import Estimate
from collector.numbers import UNKNOWN, count, grams, grams_range, percent, si, si_u, some_of
from edgejoule.fleet_tables import plain_table

MOST_ROWS = 50
"""More groups of one kind are counted, and are in the JSON and the CSV."""


def assessment_tables(assessment: FleetAssessment) -> list[Table]:
    """Return the figures by group, then the causes of their ranges, with what has to stand beside them."""
    kinds: list[tuple[By, tuple[GroupFigures, ...]]] = list(assessment.groups.items())
    tables = [_figures(assessment, by, groups) for by, groups in kinds or [("fleet", ())]]
    last = _per_work(assessment)
    last.caption, last.caption_justify = _caption(assessment), "left"
    return [*tables, _coverage(assessment), last]


def _figures(assessment: FleetAssessment, by: By, groups: tuple[GroupFigures, ...]) -> Table:
    badge = " [bold black on yellow] SIMULATED METERS [/]" if assessment.simulated else ""
    known = "" if assessment.known_at_unix_ns is None else f", as known at {_utc(assessment.known_at_unix_ns)}"
    span = f"{_utc(assessment.start_unix_ns)} to {_utc(assessment.end_unix_ns)}"
    table = plain_table(f"CO2e by {by}, {span}{known}{badge}")
    table.add_column(by, overflow="fold", min_width=9)
    for heading in (
        "energy",
        "operational\nP5 to P95",
        "at yearly\naverages",
        "embodied\nP5 to P95",
        "share",
        "together",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in groups[:MOST_ROWS]:
        table.add_row(escape(one.name), *_cells(one))
    if len(groups) > MOST_ROWS:
        table.add_row(f"and {len(groups) - MOST_ROWS} more", "", "", "", "", "", "")
    table.add_section()
    table.add_row("total", *_cells(assessment.total), style="bold")
    return table


def _cells(one: GroupFigures) -> tuple[str, ...]:
    share = one.embodied_share_ratio
    return (
        si(one.energy_j, "J", 4),
        _two_lines(one.grams.operational),
        grams(one.yearly_operational_gco2e),
        _two_lines(one.grams.embodied),
        UNKNOWN if share is None else f"{percent(share.value)}\n[dim]{100 * share.low:.0f}–{percent(share.high)}[/]",
        _two_lines(one.grams.total),
    )


def _coverage(assessment: FleetAssessment) -> Table:
    total = assessment.total
    table = plain_table("What the figures rest on")
    table.add_column("of the energy", no_wrap=True)
    table.add_column("", overflow="fold")
    for quality, words in (
        ("actual", "published intensities"),
        ("estimated", "intensities that their source calls estimated"),
        ("forecast", "forecasts"),
        ("yearly", "yearly averages"),
        ("unknown", "no known intensity"),
    ):
        if ratio := total.intensity_ratio.get(quality, 0.0):
            table.add_row(percent(ratio, 1), words)
    table.add_row(percent(total.coverage_ratio, 1), "of the windows' time has samples")
    table.add_row(si_u(total.energy_j, total.energy_u_j, "J"), "with its standard uncertainty")
    names = cause_names(assessment.factors)
    for cause in total.variance_shares[:5]:
        if cause.share_ratio >= 0.01:
            name = names.get(cause.cause, cause.cause)
            table.add_row(percent(cause.share_ratio), f"of the total's variance is {escape(name)}")
    return table


def _per_work(assessment: FleetAssessment) -> Table:
    total = assessment.total
    table = plain_table("Per 1000 inferences, and other figures of the total")
    table.add_column("", overflow="fold")
    table.add_column("P5 to P95", justify="right", no_wrap=True)
    for name in ("operational", "embodied", "total"):
        table.add_row(f"{name}, per 1000 inferences", _one_line(getattr(total.per_1000, name)))
    if total.sci is not None:
        conforms = "ISO/IEC 21031" if total.sci.conforms else f"not conforming: {'; '.join(total.sci.departures)}"
        value = total.sci.sci_gco2e_per_unit.value
        table.add_row(escape(f"SCI per {total.sci.declaration.functional_unit} ({conforms})"), si(value, "g"))
    table.add_row("inferences", count(total.inference_count))
    table.add_row("energy per inference", si(total.j_per_inference, "J"))
    if total.development_gco2e is not None:
        table.add_row("making the models, by their inferences", _one_line(total.development_gco2e))
    for name, impact in total.impacts.items():
        words, span = impact_words(name, impact)
        table.add_row(escape(impact_name(name)), f"{words} ({span})" if span else UNKNOWN)
    return table


def _caption(assessment: FleetAssessment) -> str:
    lines = [f"hardware is charged {policy}" for policy in assessment.policies]
    lines += [f"note: {note}" for note in assessment.notes]
    for what, devices in (
        ("operational", assessment.unknown_operational),
        ("embodied", assessment.unknown_embodied),
    ):
        if devices:
            lines.append(f"{what} grams unknown for {some_of(devices)}; so those of their groups are unknown too")
    lines += dict.fromkeys(f"{factor.label.upper()}" for factor in assessment.factors if factor.label)
    lines.append(f"{len(assessment.factors)} factors with source, licence and vintage: --json")
    return escape("\n".join(lines))


def _two_lines(estimate: Estimate | None) -> str:
    return UNKNOWN if estimate is None else f"{grams(estimate)}\n[dim]{grams_range(estimate).replace(' to ', '–')}[/]"


def _one_line(estimate: Estimate | None) -> str:
    return UNKNOWN if estimate is None else f"{grams(estimate)} ({grams_range(estimate)})"


def _utc(t_unix_ns: int) -> str:
    return datetime.fromtimestamp(t_unix_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M")
