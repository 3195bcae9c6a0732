"""How far an order is at its devices: a table that lives on a terminal, one line for each change elsewhere."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from edgejoule.drawn import Drawn
from edgejoule.fleet_tables import plain_table
from edgejoule.order_tables import result_lines, saved_line
from edgejoule.orders.dispatch import Dispatch, OrderOutcome, Outcome
from edgejoule.output import printable, stderr_console

MOST_ROWS: Final = 20
"""On a terminal; of more devices those are shown that are not done."""
WORDS: Final[dict[Outcome, str]] = {
    "waiting": "not answered yet",
    "under_way": "accepted",
    "done": "[green]done[/]",
    "refused": "[bold red]REFUSED[/]",
    "failed": "[bold red]FAILED[/]",
    "rolled_back": "[bold red]ROLLED BACK[/]",
    "silent": "[bold red]SILENT[/]",
}
SILENT: Final = "no answer while it was valid: is the device on, and does it know this key ([remote] operators)?"


class OrderProgress(Drawn):
    """A context manager; ``show`` is what ``send`` calls."""

    def __init__(self) -> None:
        self._console = stderr_console()
        self._said: dict[str, str] = {}
        self._trouble = ""
        self._shown: tuple[list[OrderOutcome], str] | None = None
        self._live: Live | None = None
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
        super().__init__(self._live)

    def show(self, dispatch: Dispatch, trouble: str) -> None:
        """Show how far it is; ``trouble``: why there is no connection now."""
        outcomes = dispatch.outcomes(time.monotonic())
        if self._live is not None:
            if (outcomes, trouble) != self._shown:
                self._shown = outcomes, trouble
                self._live.update(_progress(outcomes, trouble), refresh=True)
            return
        if trouble and trouble != self._trouble:
            self._console.print(f"no connection: {trouble}", markup=False)
        self._trouble = trouble
        for one in outcomes:
            line = f"{one.device_id}: {one.stage or one.outcome}{one.reason and ': ' + printable(one.reason)}"
            if one.outcome != "waiting" and self._said.get(one.device_id) != line:
                self._said[one.device_id] = line
                self._console.print(line, markup=False, soft_wrap=True)


def outcome_table(outcomes: Sequence[OrderOutcome]) -> Table:
    """Return what became of an order as a table for a terminal."""
    table = plain_table(f"Order {outcomes[0].command_id}")
    for heading in ("device", "outcome", "what it says"):
        table.add_column(heading, overflow="fold")
    for one in outcomes:
        table.add_row(escape(f"{one.fleet}/{one.device_id}"), WORDS[one.outcome], escape(_what_it_says(one)))
    return table


def _what_it_says(one: OrderOutcome) -> str:
    if one.outcome == "silent":
        return SILENT
    reason = printable(one.reason)
    lines = [f"{one.refusal}: {reason}" if one.refusal else reason]
    lines += result_lines(one.result)
    lines += [] if one.carbon is None else [saved_line(one.carbon)]
    return "\n".join(line for line in lines if line)


def _progress(outcomes: Sequence[OrderOutcome], trouble: str) -> Group:
    counted = Counter(one.outcome for one in outcomes)
    lines = [", ".join(f"{count} {WORDS[outcome]}" for outcome, count in counted.items())]
    lines += [escape(f"no connection: {trouble}")] if trouble else []
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    table.add_column(overflow="ellipsis", no_wrap=True)
    shown = [one for one in outcomes if one.outcome != "done"] if len(outcomes) > MOST_ROWS else outcomes
    for one in shown[:MOST_ROWS]:
        share = "" if one.progress_ratio is None else f" {one.progress_ratio:.0%}"
        table.add_row(escape(one.device_id), f"{one.stage or '–'}{share}", escape(printable(one.reason)))
    return Group(*map(Text.from_markup, lines), table)
