"""``edgejoule carbon audit``: published figures derived again, printed against exact.

Exit 1 when a figure is no longer derived as it was when the audit was written: a formula here has changed.
"""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.padding import Padding

from edgejoule.argument_types import positive
from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json

if TYPE_CHECKING:
    from rich.console import Console

    from collector.carbon.audit.claim import Remark
    from collector.carbon.audit.report import AuditReport, Finding
    from collector.carbon.audit.server import Variant

_STYLES: Final = {"slip": "bold red", "rounded on the way": "yellow", "loose": "yellow", "agrees": "green"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is audited and how it is shown."""
    parser.add_argument("publications", nargs="*", metavar="PUBLICATION", help="id of a publication; all when none")
    parser.add_argument("--slips", action="store_true", help="only what a publication prints wrong")
    parser.add_argument("--explain", action="store_true", help="formula and inputs of every figure")
    parser.add_argument(
        "--lifetime-years", type=positive, nargs="+", default=[3.0, 5.0], metavar="A",
        help="lives of the server and GPU variants (3 5)",
    )  # fmt: skip
    parser.add_argument(
        "--gco2e-per-kwh", type=positive, nargs="+", default=[50.0, 400.0], metavar="G",
        help="grids of the server and GPU variants (50 400)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Derive the figures and show them. Raises ConfigurationError for a publication that is not known."""
    from collector.carbon.audit.report import audit
    from edge_agent.wire.errors import ConfigurationError

    try:
        report = audit(
            tuple(arguments.publications),
            slips_only=arguments.slips,
            lifetimes_years=tuple(arguments.lifetime_years),
            grids_gco2e_per_kwh=tuple(arguments.gco2e_per_kwh),
        )
    except ValueError as error:
        raise ConfigurationError(f"audit: {error}") from error
    if arguments.json:
        write_json(report)
    else:
        _show(report, explain=arguments.explain)
    return EXIT_DONE if report.holds else EXIT_NO


def _show(report: "AuditReport", *, explain: bool) -> None:
    console = stdout_console()
    for publication in report.publications:
        findings = [one for one in report.findings if one.publication == publication.id]
        said = [one for one in report.remarks if one.publication == publication.id]
        if not findings and not said:
            continue
        console.print(f"\n[bold]{escape(publication.name)}[/] ({publication.id})")
        console.print(escape(publication.reference), style="dim")
        if findings:
            console.print(_table(findings))
        _show_notes(console, findings, said, explain=explain)
    if report.variants:
        _show_variants(console, report.variants)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report.verdicts.items())
    console.print(f"\n{len(report.findings)} figures: {counts or 'none'}")
    broken = [one.id for one in report.findings if not one.holds]
    if broken:
        console.print(f"[bold red]no longer derived as when this audit was written: {', '.join(broken)}[/]")


def _table(findings: "Iterable[Finding]") -> object:
    from edgejoule.fleet_tables import plain_table

    table = plain_table("")
    table.add_column("figure", overflow="fold", ratio=1)
    for heading in ("printed", "exact"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("unit", overflow="fold")
    table.add_column("verdict", overflow="fold")
    for one in findings:
        printed = "–" if one.printed is None else _sign(one) + _number(one.printed)
        verdict = f"[{_STYLES.get(one.verdict, '')}]{one.verdict}[/]" if one.verdict in _STYLES else one.verdict
        table.add_row(escape(one.what), printed, _number(one.exact), one.unit, verdict)
    return table


def _show_notes(console: "Console", findings: "Iterable[Finding]", said: "Iterable[Remark]", *, explain: bool) -> None:
    lines: list[str] = []
    for one in findings:
        if explain:
            given = ", ".join(
                f"{i.name} {_number(i.value)}{'' if i.unit == '1' else f' {i.unit}'}" for i in one.inputs
            )
            lines.append(f"{one.id} ({one.where}): {one.formula}; {given}")
        if one.note:
            lines.append(f"{one.what}: {one.note}")
    lines += [f"{remark.kind}: {remark.text}" for remark in said]
    for line in lines:
        console.print(Padding(escape(line), (0, 0, 0, 2)))


def _show_variants(console: "Console", variants: "Iterable[Variant]") -> None:
    from edgejoule.fleet_tables import plain_table

    table = plain_table("Clemm et al.: the same machines with other lives and grids, kgCO2e a year, exact")
    for heading in ("machine", "life, a", "g/kWh", "making", "use", "making, %", "break-even g/kWh"):
        table.add_column(heading, justify="left" if heading == "machine" else "right")
    for one in variants:
        figures = (one.embodied_kgco2e, one.use_kgco2e, one.embodied_percent, one.break_even_gco2e_per_kwh)
        cells = (f"{one.lifetime_years:g}", f"{one.gco2e_per_kwh:g}", *(f"{figure:,.1f}" for figure in figures))
        table.add_row(one.machine, *cells)
    console.print(table)


def _sign(one: "Finding") -> str:
    return {"equals": "", "about": "~", "more than": ">"}[one.says]


def _number(value: float) -> str:
    """Return seven digits at most: enough to see a slip, and no noise of floats."""
    return f"{value:,.7g}" if 1e-3 <= abs(value) < 1e7 else f"{value:.4g}"
