"""The fleet report, the benches and the meters' check as tables for a terminal of eighty columns."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from collector.carbon.estimate import Estimate
from collector.fleet.values import Account, FleetReport
from collector.numbers import UNKNOWN, percent, si, si_u
from collector.values import BenchEntry, MeterCheck
from edge_agent.wire.records import BenchRecord, Measurand


def report_tables(report: FleetReport) -> list[Table]:
    """Return the report as tables for a terminal: energy and work, then carbon."""
    badge = " [bold black on yellow] SIMULATED METERS [/]" if report.simulated else ""
    energy = plain_table(f"Fleet energy{badge}")
    energy.add_column("device", overflow="fold")
    for heading in ("win-\ndows", "energy", "power", "inf./s", "J/inf.", "above idle", "gap"):
        energy.add_column(heading, justify="right", no_wrap=True)
    for device in report.devices:
        energy.add_row(escape(device.device_id), *_energy_cells(device))
    energy.add_section()
    energy.add_row("total", *_energy_cells(report.total), style="bold")
    carbon = plain_table("CO2e per 1000 inferences, P5 to P95; share: embodied of both")
    carbon.caption, carbon.caption_justify = _caption(report), "left"
    carbon.add_column("device", overflow="fold")
    for heading in ("operational", "embodied", "together", "share", "so far"):
        carbon.add_column(heading, justify="right", no_wrap=True)
    for device in report.devices:
        what = escape(f"{device.hardware or 'hardware unknown'}\nin {device.zone or 'an unknown zone'}")
        carbon.add_row(f"{escape(device.device_id)}\n[dim]{what}[/]", *_carbon_cells(device))
    carbon.add_section()
    carbon.add_row("total", *_carbon_cells(report.total), style="bold")
    return [energy, carbon]


def bench_table(entries: Sequence[BenchEntry]) -> Table:
    """Return the benches as a table for a terminal; why one is not valid stands below."""
    simulated = any(entry.bench is not None and entry.bench.simulated for entry in entries)
    badge = " [bold black on yellow] SIMULATED METERS [/]" if simulated else ""
    table = plain_table(f"Benches: joules per inference ± U (k = 2){badge}")
    table.add_column("device, bench, model,\nruntime, meter, start", overflow="fold")
    for heading in ("J/inf.", "above\nidle", "p50\nlatency", "accu-\nracy,\nAUC"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("valid", no_wrap=True)
    for entry in entries:
        table.add_row(*_bench_cells(entry))
        table.add_section()
    reasons = [f"{entry.bench_id} is not valid: {_why_not(entry)}" for entry in entries if not entry.valid]
    table.caption, table.caption_justify = escape("\n".join(reasons)) or None, "left"
    return table


def check_table(checks: Sequence[MeterCheck]) -> Table:
    """Return measured against true energy of simulated meters as a table for a terminal."""
    table = plain_table("Measured against true energy of the simulated meters")
    table.add_column("device\nmeter", overflow="fold")
    for heading in ("windows", "with\ngaps", "measured", "true", "differ-\nence", "u\n(k=1)", "within\n3 u"):
        table.add_column(heading, justify="right", no_wrap=True)
    for check in checks:
        difference_ratio = (check.measured_j - check.true_j) / check.true_j if check.true_j else 0.0
        table.add_row(
            f"{check.device_id}\n[dim]{check.meter_driver}[/]",
            str(check.windows),
            str(check.windows_excluded),
            si(check.measured_j, "J", 5),
            si(check.true_j, "J", 5),
            f"{difference_ratio:+.2%}",
            si(check.u_j, "J"),
            "[green]yes[/]" if check.within_three_u else "[bold red]NO[/]",
        )
    return table


def plain_table(title: str) -> Table:
    """Return an empty table in the style that all of them share."""
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _caption(report: FleetReport) -> str:
    return escape("\n".join(f"note: {note}" for note in report.notes))


def _energy_cells(account: Account) -> tuple[str, ...]:
    rate = account.inferences_per_s
    return (
        str(account.windows),
        _two_lines(account.energy_j, account.energy_u_j),
        si(account.power_w, "W"),
        "–" if rate is None else _plain(rate),
        _two_lines(account.j_per_inference, account.j_per_inference_u),
        _two_lines(account.net_j_per_inference, account.net_j_per_inference_u),
        f"{_plain(account.gap_s)} s",
    )


def _carbon_cells(account: Account) -> tuple[str, ...]:
    share = account.embodied_share_ratio
    return (
        _range(account.operational_gco2e_per_1000),
        _range(account.embodied_gco2e_per_1000),
        _range(account.total_gco2e_per_1000),
        "–" if share is None else f"{share:.0%}",
        _range(account.total_gco2e),
    )


def _bench_cells(entry: BenchEntry) -> tuple[str, ...]:
    bench = entry.bench
    name = f"{escape(entry.fleet)}/{escape(entry.device_id)}\n{escape(entry.bench_id)}"
    if bench is None:
        return (name, *[UNKNOWN] * 4, "[bold red]NO[/]")
    badge = "\n[black on yellow]simulated[/]" if bench.simulated else ""
    return (
        f"{name}\n[dim]{escape(_what(bench))}\n{_when(bench)}[/]{badge}",
        _result(bench.gross),
        _result(bench.net),
        si(bench.latency_p50_s, "s"),
        percent(bench.accuracy_ratio, 1) if bench.roc_auc is None else f"{bench.roc_auc:.3f}",
        "[green]yes[/]" if entry.valid else "[bold red]NO[/]",
    )


def _when(bench: BenchRecord) -> str:
    at = datetime.fromtimestamp(bench.t_start_unix_ns // 1_000_000_000, tz=UTC)
    return f"{at:%Y-%m-%d %H:%M} UTC" + ("" if bench.clock_state == "synchronised" else ", clock not set")


def _what(bench: BenchRecord) -> str:
    runtime = bench.runtime
    threads = f"{runtime.threads} thread{'s' if runtime.threads != 1 else ''}"
    software = f"{runtime.runtime} {runtime.version}, {runtime.delegate}, {threads}"
    return f"{bench.model_id}\n{software}\n{bench.meter_driver} at {bench.boundary}"


def _result(result: Measurand | None) -> str:
    return UNKNOWN if result is None else _two_lines(result.value_j, result.expanded_u_j)


def _why_not(entry: BenchEntry) -> str:
    if entry.bench is None:
        return f"its record cannot be read: {entry.refused}"
    return "; ".join(entry.bench.rejections) or "it has no result"


def _range(estimate: Estimate | None) -> str:
    if estimate is None:
        return "unknown"
    low, high = si(estimate.low, "g", 2), si(estimate.high, "g", 2)
    return f"{si(estimate.value, 'g')}\n[dim]{low}\nto {high}[/]"


def _plain(number: float) -> str:
    return f"{number:.1f}" if number < 1000.0 else f"{number:,.0f}"


def _two_lines(value: float | None, u: float | None) -> str:
    """Return joules with their uncertainty below, so that a table fits a narrow terminal."""
    return si_u(value, u, "J").replace(" ± ", "\n± ")
