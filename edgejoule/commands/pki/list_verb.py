"""``edgejoule pki list``: what the authority gave."""

import argparse
import datetime as dt
import time
from typing import TYPE_CHECKING, Literal

import msgspec

from edgejoule.commands.pki.arguments import add_authority
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.pki.register import Entry

State = Literal["valid", "due", "replaced", "expired", "revoked"]


class Line(msgspec.Struct, frozen=True):
    """One certificate. ``state``: "due" has no successor and a third of its life or less; "replaced" has one."""

    name: str
    role: str
    state: State
    serial: str
    issued_unix_s: float
    not_after_unix_s: float
    revoked_unix_s: float | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_authority(parser, opens=False)
    parser.add_argument("--due", action="store_true", help="only who is due and has no successor yet")
    parser.add_argument("--json", action="store_true", help="print JSON only")


def run(arguments: argparse.Namespace) -> int:
    """Print one line for each certificate. Raises ConfigurationError."""
    from edgejoule.pki.authority import entries_of

    found = lines(entries_of(arguments.directory), time.time())
    if arguments.due:
        found = [line for line in found if line.state == "due"]
    if arguments.json:
        write_json(found)
        return EXIT_DONE
    from rich.table import Table

    table = Table("name", "role", "state", "until", box=None, pad_edge=False)
    table.add_column("serial", overflow="fold")
    for line in found:
        table.add_row(line.name, line.role, line.state, _day(line.not_after_unix_s), line.serial)
    stdout_console().print(table if found else "no certificate")
    return EXIT_DONE


def lines(entries: "list[Entry]", now_unix_s: float) -> list[Line]:
    """Return what is known of each certificate at ``now_unix_s``."""
    return [
        Line(
            *(entry.name, entry.role, _state(entry, entries, now_unix_s), entry.serial),
            *(entry.issued_unix_s, entry.not_after_unix_s, entry.revoked_unix_s),
        )
        for entry in entries
    ]


def _state(entry: "Entry", entries: "list[Entry]", now_unix_s: float) -> State:
    if entry.revoked_unix_s is not None:
        return "revoked"
    if entry.not_after_unix_s <= now_unix_s:
        return "expired"
    if any(_succeeds(other, entry) for other in entries):
        return "replaced"
    life_s = entry.not_after_unix_s - entry.issued_unix_s
    return "due" if entry.not_after_unix_s - now_unix_s <= life_s / 3 else "valid"


def _succeeds(other: "Entry", entry: "Entry") -> bool:
    same = (other.name, other.role) == (entry.name, entry.role) and other.revoked_unix_s is None
    return same and other.issued_unix_s > entry.issued_unix_s


def _day(unix_s: float) -> str:
    return f"{dt.datetime.fromtimestamp(unix_s, dt.UTC):%Y-%m-%d}"
