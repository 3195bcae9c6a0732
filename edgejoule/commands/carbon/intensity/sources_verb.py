"""``edgejoule carbon intensity sources``: which sources there are."""

import argparse
from typing import TYPE_CHECKING, Any

from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from collector.intensity.source import SourceKind


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the names."""
    parser.add_argument("names", nargs="*", metavar="SOURCE", help="name of a source; all when none")
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """List the sources. Raises ConfigurationError for a name that is none."""
    from collector.intensity.source import all_sources, source_kind

    found = [source_kind(name, "sources") for name in arguments.names] or list(all_sources())
    if arguments.json:
        write_json([_plain(one) for one in found])
    else:
        _show(found)
    return EXIT_DONE


def _plain(one: "SourceKind") -> dict[str, Any]:
    return {
        "name": one.name,
        "kinds": one.kinds,
        "zones": one.zones_help,
        "needs_key": one.needs_key,
        "passport": one.passport,
    }


def _show(found: "list[SourceKind]") -> None:
    from rich.markup import escape

    console = stdout_console()
    for one in found:
        passport = one.passport
        console.print(
            f"[bold]{escape(one.name)}[/]: {escape(passport.name)}, {' or '.join(one.kinds)}", soft_wrap=True
        )
        lines = {
            "zones": one.zones_help,
            "key": one.needs_key or "none",
            "scope": passport.scope,
            "method": passport.method,
            "licence": passport.licence,
            "shipped": "may be" if passport.may_ship else "no: you fetch the values for yourself, under that licence",
            "at": passport.url,
        }
        for name, text in lines.items():
            if text:
                console.print(f"  {name}: {escape(text)}", soft_wrap=True)
