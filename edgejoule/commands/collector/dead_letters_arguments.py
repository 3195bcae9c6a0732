"""What ``edgejoule collector dead-letters`` takes. Imports nothing heavy."""

import argparse
from pathlib import Path

from edgejoule.argument_types import moment, whole

_KINDS = ("message", "window", "row")


def add_dead_letters(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare ``dead-letters`` with its verbs."""
    text = "what could not be accepted: look at it, try it again, or throw it away"
    letters = actions.add_parser("dead-letters", help=text, description=text[0].upper() + text[1:] + ".")
    verbs = letters.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = _verb(verbs, "list", "list them, the newest first")
    show = _verb(verbs, "show", "write the bytes of one to stdout, or to a file")
    replay = _verb(verbs, "replay", "try them again; what is accepted now leaves the list")
    drop = _verb(verbs, "drop", "throw them away; the ledger counts them for ever")
    _add_filters(listing)
    listing.add_argument("--limit", type=whole, default=50, metavar="N", help="at most so many; 0: all (default: 50)")
    listing.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")
    show.add_argument("id", type=whole, metavar="ID", help="its number in the list")
    show.add_argument("--output", type=Path, metavar="FILE", help="write the bytes there")
    for verb in (replay, drop):
        verb.add_argument("ids", type=whole, nargs="*", metavar="ID", help="numbers in the list")
        _add_filters(verb)
        verb.add_argument("--all", action="store_true", help="every one of them")
        verb.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
    drop.add_argument("--yes", action="store_true", help="really throw them away")


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    verb.add_argument("--state-dir", type=Path, metavar="DIR", help="where the collector keeps its journal")
    verb.add_argument("--config", type=Path, metavar="FILE", help="the collector's TOML: state, and stores for rows")
    return verb


def _add_filters(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--device", default="", metavar="ID", help="those of this device")
    verb.add_argument("--reason", default="", metavar="TEXT", help="those whose reason holds this text")
    verb.add_argument("--kind", choices=_KINDS, help="whole messages, windows out of one, or rows of a store")
    verb.add_argument(
        "--since",
        type=moment,
        default=0,
        metavar="TIME",
        help="2026-01-31, 2026-01-31T10:00 (UTC), or 2h for two hours ago",
    )
