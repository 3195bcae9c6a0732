"""The ledger as tables for a terminal of eighty columns, and as the line that says what is wrong with it."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from collector.values import FleetLedger, LedgerCounts, LedgerLine, WindowCounts
from edgejoule.fleet_tables import plain_table

_NAMED_AT_MOST = 3


def ledger_table(lines: Sequence[LedgerLine], whole: FleetLedger | None = None) -> Table:
    """Return one row per device; with the ``whole`` a row of the fleet, and below what became of dead letters."""
    table = plain_table("Ledger: sent = stored + dropped + refused + pending")
    table.add_column("device", overflow="fold")
    _add_counts(table, "dead")
    for line in lines:
        name = f"{escape(line.device_id)}\n[dim]{escape(line.fleet)}[/]"
        table.add_row(name, *_window_cells(line), str(line.dead_letters), _verdict(adds_up=line.adds_up))
    if whole is not None:
        total, verdict = whole.total, _verdict(adds_up=whole.adds_up)
        table.add_section()
        table.add_row("total", *_window_cells(total), str(total.dead_letters), verdict, style="bold")
        table.caption, table.caption_justify = _about_letters(total, whole.strangers), "left"
    return table


def boots_table(ledger: FleetLedger) -> Table:
    """Return one row per boot of every device."""
    table = plain_table("Every boot")
    table.add_column("device, boot", overflow="fold")
    _add_counts(table, "held")
    for line in ledger.devices:
        for boot in line.boots or ():
            name = f"{escape(line.device_id)}\n[dim]{escape(boot.boot_id)}[/]"
            table.add_row(name, *_window_cells(boot), "yes" if boot.held else "no", _verdict(adds_up=boot.adds_up))
    return table


def what_does_not_add_up(ledger: FleetLedger) -> str:
    """Return one line: which devices, and by how many windows."""
    wrong = [line for line in ledger.devices if not line.adds_up]
    words = [f"{line.fleet}/{line.device_id}: {_difference(line)}" for line in wrong[:_NAMED_AT_MOST]]
    more = f"; and {len(wrong) - len(words)} devices more" if len(wrong) > len(words) else ""
    return f"the ledger does not add up: {'; '.join(words)}{more}"


def _difference(line: WindowCounts) -> str:
    found = line.stored + line.dropped + line.refused + line.pending
    if found > line.sent:
        return f"{found - line.sent} windows more than the {line.sent} that were sent"
    return f"{line.sent - found} of {line.sent} windows are in no place"


def _add_counts(table: Table, last: str) -> None:
    table.padding = (0, 0, 0, 0)  # with ten columns the room goes to the device's name
    for heading in ("sent", "stored", "drop-\nped", "refu-\nsed", "pend-\ning", "lost", "twice", "late", last):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("sum", no_wrap=True)


def _window_cells(line: WindowCounts) -> list[str]:
    gone = (line.dropped, line.refused, line.pending, line.missing)
    return list(map(str, (line.sent, line.stored, *gone, line.duplicates, line.late)))


def _verdict(*, adds_up: bool) -> str:
    return "[green]yes[/]" if adds_up else "[bold red]NO[/]"


def _about_letters(total: LedgerCounts, strangers: int) -> str | None:
    gone = (
        (total.letters_evicted, "made room for newer ones"),
        (total.letters_dropped, "were dropped by hand"),
        (total.letters_replayed, "were replayed"),
        (strangers, "are of no known device"),
    )
    words = [f"{count} {what}" for count, what in gone if count]
    return f"dead letters: {', '.join(words)}" if words else None
