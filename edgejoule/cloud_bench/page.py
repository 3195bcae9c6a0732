"""A server's record on a terminal of eighty columns."""

from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from collector.analysis.cloud_record import CloudBatch, CloudBenchRecord, CloudFigure
from edgejoule.fleet_tables import plain_table

BADGES: Final = {"simulated": "SIMULATED", "modelled": "MODELLED", "measured": ""}


def print_record(record: CloudBenchRecord, console: Console) -> None:
    """Print the figures, what they hold, and loudly what they are not."""
    badges = [("yellow", BADGES[record.origin]), ("red", "REJECTED" if record.rejections else "")]
    shown = "".join(f" [bold black on {colour}] {word} [/]" for colour, word in badges if word)
    console.print(f"[bold]{escape(record.model_id)}[/] on {escape(_machine(record))}{shown}")
    console.print(_table(record))
    for line in _lines(record):
        console.print(f"[dim]{escape(line)}[/]")
    for reason in record.rejections:
        console.print(f"[bold red]REJECTED:[/] {escape(reason)}")
    for warning in record.warnings:
        console.print(f"[yellow]note:[/] {escape(warning)}")


def _machine(record: CloudBenchRecord) -> str:
    host = record.host
    where = " ".join(word for word in (host.provider, host.instance, host.region) if word)
    what = host.accelerator or f"{host.processor}, {record.runtime.threads} of {host.cores_count} threads"
    return f"{what} ({where})" if where else what


def _table(record: CloudBenchRecord) -> Table:
    table = plain_table("joules per inference, with standard uncertainty")
    for heading in ("batch", "gross J", "net J", "busy s each", "batch p50 s", "p95 s", "count"):
        table.add_column(heading, justify="right")
    for batch in record.batches:
        table.add_row(*_row(batch))
    return table


def _row(batch: CloudBatch) -> tuple[str, ...]:
    return (
        str(batch.batch_size),
        _figure(batch.gross),
        "-" if batch.net is None else _figure(batch.net),
        f"{batch.busy_s_per_inference:.2e}",
        f"{batch.latency_p50_s:.2e}",
        f"{batch.latency_p95_s:.2e}",
        str(batch.inferences),
    )


def _figure(figure: CloudFigure) -> str:
    """Return value and uncertainty of few digits: 3.4e-4 ±9e-5."""
    return f"{figure.value_j:.2e} ±{figure.u_j:.0e}"


def _lines(record: CloudBenchRecord) -> list[str]:
    idle = record.idle
    runtime = record.runtime
    lines = [
        f"{runtime.runtime} {runtime.version}, {runtime.delegate}, {runtime.threads} threads",
        f"sees: {record.sees}",
        f"does not see: {record.misses}; nor what the data centre adds (PUE)",
        "idle: not known" if idle is None else f"idle: {idle.power_w:.3g} W ±{idle.power_u_w:.1g} W",
    ]
    if record.accuracy_ratio is not None:
        lines.append(f"right for {record.accuracy_ratio:.1%} of {record.accuracy_count} held-out inputs")
    if record.roc_auc is not None:
        lines.append(f"ROC AUC {record.roc_auc:.3f} over {record.accuracy_count} held-out inputs")
    lines.append(f"source: {record.source}")
    return lines
