"""What became of orders, from the collector's journal, as a table for a terminal of eighty columns."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.markup import escape
from rich.table import Table

from collector.orders import OrderEntry
from edge_agent.wire.orders import CarbonTiming, Stage
from edgejoule.fleet_tables import plain_table
from edgejoule.output import MOST_ROWS, harmless, latest_of, printable

_STYLE: Final[dict[Stage, str]] = {
    "done": "green",
    "failed": "bold red",
    "rolled_back": "bold red",
    "refused": "bold red",
}


def order_table(entries: Sequence[OrderEntry]) -> Table:
    """Return the orders, latest first, each with its stage and what its device said of it."""
    table = plain_table("Orders")
    table.add_column("device, order", overflow="fold")
    table.add_column("stage", no_wrap=True)
    table.add_column("what it says", overflow="fold")
    table.caption, table.caption_justify = latest_of(len(entries)) or None, "left"
    for entry in entries[:MOST_ROWS]:
        first = datetime.fromtimestamp(min(one.received_unix_ns for one in entry.stages) // 10**9, tz=UTC)
        style = _STYLE.get(entry.stage, "yellow")
        share = "" if entry.progress_ratio is None or entry.final else f"\n{entry.progress_ratio:.0%}"
        table.add_row(
            f"{escape(entry.fleet)}/{escape(entry.device_id)}\n{escape(entry.command_id)}\n"
            f"[dim]heard of {first:%Y-%m-%d %H:%M:%S} UTC[/]",
            f"[{style}]{entry.stage}[/]{share}",
            escape("\n".join(_lines(entry))),
        )
        table.add_section()
    return table


def saved_line(carbon: CarbonTiming) -> str:
    """Return in one line what waiting saved, "" where that is unknown."""
    if carbon.saved_gco2e is None:
        return ""
    simulated = ", SIMULATED" if carbon.simulated else ""
    return f"saved {carbon.saved_gco2e:.3g} g CO2e against running at once (an estimate{simulated})"


def result_lines(result: dict[str, str | int | float | bool | None]) -> list[str]:
    """Return a reply's figures, one in each line; long texts are cut."""
    return [f"{harmless(name)} = {_short(value)}" for name, value in result.items()]


def _short(value: str | float | bool | None) -> str:  # noqa: FBT001  one of the values that a result holds
    if value is None:
        return "unknown"
    if isinstance(value, float):
        return f"{value:.5g}"
    return harmless(str(value))


def _lines(entry: OrderEntry) -> list[str]:
    reason = printable(entry.reason)
    said = f"{entry.refusal}: {reason}" if entry.refusal else reason
    carbon = [] if entry.carbon is None else [saved_line(entry.carbon)]
    return [line for line in (said, *result_lines(entry.result), *carbon) if line]
