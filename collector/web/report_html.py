"""The fleet report as one self-contained page: no script, no request to anywhere, light and dark."""

from collections.abc import Iterable, Sequence

from collector import numbers
from collector.carbon.factors import Factor
from collector.fleet.values import FleetReport
from collector.values import LedgerLine, MeterCheck
from collector.web import plots
from collector.web.pages import ordered, page_template
from collector.web.report_words import embodied_words, operational_words


def render_report(
    report: FleetReport, ledger: Sequence[LedgerLine], meter_checks: Sequence[MeterCheck], title: str
) -> str:
    """Return the page as HTML text. ``meter_checks`` is empty where no meter was simulated."""
    return page_template("report.html.j2").render(
        title=title,
        colour=plots.colour,
        report=report,
        total=report.total,
        devices=report.devices,
        ledger=ledger,
        adds_up=all(line.adds_up for line in ledger),
        checks=meter_checks,
        factors=ordered(_factors(report)),
        figures=_figures(report),
        first_unix_ns=min((device.first_unix_ns for device in report.devices), default=None),
        last_unix_ns=max((device.last_unix_ns for device in report.devices), default=None),
        hidden_devices=max(0, len(report.devices) - plots.MAX_DEVICES),
    )


def _factors(report: FleetReport) -> Iterable[Factor]:
    """Return every factor of the report, those of making the models too, each once."""
    of_makings = (factor for one in report.makings for factor in one.factors)
    return {(factor.id, factor.vintage): factor for factor in (*of_makings, *report.factors)}.values()


def _figures(report: FleetReport) -> list[tuple[str, str, str]]:
    """Return (heading, explanation, SVG) of each plot that has something to show."""
    bin_s = numbers.span(report.series[0].bin_s) if report.series else ""
    made = [
        (
            "Energy per inference",
            "Mean power over mean rate, idle power included. Whiskers: two standard uncertainties, about 95 %.",
            plots.energy_per_inference(report.devices),
        ),
        (
            "Carbon per 1000 inferences",
            " ".join(filter(None, (operational_words(report), embodied_words(report), "Whiskers: P5 to P95."))),
            plots.carbon_per_1000(report.devices),
        ),
        (
            "Power over time",
            f"Mean over {bin_s}. Where no samples or no windows are, there is no line.",
            plots.power_over_time(report.series),
        ),
        (
            "Energy per window",
            "Each point: mean of the windows in its bin, with two standard uncertainties. Logarithmic scale.",
            plots.energy_per_window(report.series),
        ),
    ]
    return [figure for figure in made if figure[2]]
