"""``edgejoule carbon boavizta``: an embodied figure from one's own BoaviztAPI server, as a part for the inventory.

Exit 1 when the server is away or has no such figure.
"""

import argparse
from typing import TYPE_CHECKING

from rich.markup import escape

from edgejoule.argument_types import positive
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from collector.embodied_api import BoaviztApi, EmbodiedFigure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is asked, of which server, and how the answer is shown."""
    parser.add_argument(
        "kind", nargs="?", default="", metavar="WHAT", help="iot, server, component/ram, ...: see --list"
    )
    parser.add_argument(
        "details", nargs="*", metavar="NAME=VALUE",
        help="what it is: processing=HSL-2 of iot, capacity=8 of component/ram, archetype=... of a server",
    )  # fmt: skip
    parser.add_argument("--url", default="http://localhost:5000", help="of the server (http://localhost:5000)")
    parser.add_argument("--name", default="", help="of the part in the inventory")
    parser.add_argument("--timeout-s", type=positive, default=30.0, metavar="S", help="for an answer (30)")
    parser.add_argument("--list", action="store_true", help="what can be asked for")
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Ask the server and show the part. Raises ConfigurationError for a question that cannot be asked."""
    from collector.embodied_api import BoaviztApi
    from collector.intensity.errors import SourceError
    from collector.intensity.http import JsonClient
    from edge_agent.wire.errors import ConfigurationError

    details = _details(arguments.details)
    if not arguments.kind and not arguments.list:
        raise ConfigurationError("carbon boavizta: name what to ask for, such as iot; see --list")
    api = BoaviztApi(JsonClient(arguments.url, timeout_s=arguments.timeout_s, retries=1))
    try:
        if arguments.list:
            return _show_kinds(api, as_json=arguments.json)
        figures = api.embodied(arguments.kind, details)
    except SourceError as error:
        stderr_console().print(f"edgejoule: {escape(str(error))}", soft_wrap=True)
        return EXIT_NO
    except ValueError as error:
        raise ConfigurationError(f"carbon boavizta: {error}") from error
    _show(figures, arguments.name, as_json=arguments.json)
    return EXIT_DONE


def _details(given: list[str]) -> dict[str, str]:
    from edge_agent.wire.errors import ConfigurationError

    wrong = [text for text in given if "=" not in text.strip("=")]
    if wrong:
        raise ConfigurationError(f"carbon boavizta: {wrong[0]!r} is no NAME=VALUE; write it as processing=HSL-2")
    return {name: value for name, _, value in (text.partition("=") for text in given)}


def _show_kinds(api: "BoaviztApi", *, as_json: bool) -> int:
    kinds = api.kinds()
    if as_json:
        write_json(kinds)
    else:
        stdout_console().print("\n".join(kinds), markup=False)
    return EXIT_DONE


def _show(figures: "tuple[EmbodiedFigure, ...]", name: str, *, as_json: bool) -> None:
    from collector.embodied_api import inventory_lines

    if as_json:
        write_json(figures)
        return
    for figure in figures:
        part = f"{name} {figure.what}" if name and len(figures) > 1 else name
        stdout_console().print("\n".join(inventory_lines(figure, part)), markup=False, soft_wrap=True)
