"""``edgejoule fleet ledger``: does every window that was sent have a place?"""

import argparse
from contextlib import ExitStack
from typing import TYPE_CHECKING

from edgejoule.journals import several_opened
from edgejoule.ledger_table import boots_table, ledger_table, what_does_not_add_up
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from collector.journal import Journal
    from collector.values import FleetLedger


def run(arguments: argparse.Namespace) -> int:
    """Print the ledger. The exit code is 1 when it does not add up. Raises ConfigurationError."""
    with several_opened(arguments.state_dir, arguments.config) as journals:
        found = _read(journals, boots=arguments.boots)
        _say_who_is_missing(journals)
    if arguments.json:
        write_json(found)
    else:
        console = stdout_console()
        console.print(ledger_table(found.devices, found))
        if arguments.boots:
            console.print(boots_table(found))
    if found.adds_up:
        return EXIT_DONE
    stderr_console().print(f"edgejoule: {what_does_not_add_up(found)}", markup=False, soft_wrap=True)
    return EXIT_NO


def _read(journals: "list[Journal]", *, boots: bool) -> "FleetLedger":
    from collector import ledger

    with ExitStack() as first:
        before = ledger.progress([first.enter_context(journal.snapshot()) for journal in journals])
    with ExitStack() as snapshots:
        dbs = [snapshots.enter_context(journal.snapshot()) for journal in journals]
        return ledger.read(dbs, boots=boots, before=before if len(journals) > 1 else None)


def _say_who_is_missing(journals: "list[Journal]") -> None:
    """Tell whoever names one journal of a shared group that it holds only its part of the windows."""
    from collector.journal import SHARED_GROUP

    groups = [group for journal in journals if (group := journal.note(SHARED_GROUP))]
    for group in {group for group in groups if groups.count(group) == 1}:
        stderr_console().print(
            f"edgejoule: this collector shares the messages with others (group {group!r}) and has only its part; "
            "name their journals too: --state-dir A --state-dir B",
            markup=False,
            soft_wrap=True,
        )
