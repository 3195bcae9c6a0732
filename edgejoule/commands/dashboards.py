"""``edgejoule dashboards``: write the Grafana dashboards, or check them and that their files are up to date."""

import argparse
import importlib
import importlib.util
from pathlib import Path
from typing import Protocol, cast

from edge_agent.wire.errors import ConfigurationError
from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json


class Builder(Protocol):
    """What the builder beside the dashboards offers."""

    HERE: Path

    def build(self, directory: Path) -> list[Path]:
        """Write every dashboard; return the files."""

    def check(self, directory: Path) -> list[str]:
        """Return the faults, one line each."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``build`` and ``check``."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, text in (
        ("build", "write the dashboards' JSON"),
        ("check", "check every panel and query, and that the JSON is what build writes; exit 1 if not"),
    ):
        one = what.add_parser(name, help=text)
        one.add_argument("--dir", type=Path, metavar="DIR", help="where dashboards/ is (default: with the builder)")
        one.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Build or check. Raises ConfigurationError when the files cannot be written."""
    builder = load_builder()
    directory = arguments.dir or builder.HERE
    if arguments.what == "build":
        try:
            files = [str(path) for path in builder.build(directory)]
        except OSError as error:
            raise ConfigurationError(f"dashboards: cannot write {error.filename}: {error.strerror}") from error
        _show(arguments, {"written": files}, [f"written: {file}" for file in files])
        return EXIT_DONE
    faults = builder.check(directory)
    _show(arguments, {"ok": not faults, "faults": faults}, faults or ["dashboards: in order and up to date"])
    return EXIT_NO if faults else EXIT_DONE


def load_builder() -> Builder:
    """Return the builder: from inside the installed package, else from the source tree."""
    if importlib.util.find_spec("collector._grafana") is not None:
        return cast("Builder", importlib.import_module("collector._grafana.builder"))
    try:
        return cast("Builder", importlib.import_module("grafana.builder"))
    except ModuleNotFoundError as error:
        if error.name not in {"grafana", "grafana.builder"}:
            raise
        raise ConfigurationError(
            "dashboards: the builder is not part of this installation; install the wheel or work in a clone"
        ) from error


def _show(arguments: argparse.Namespace, value: object, lines: list[str]) -> None:
    if arguments.json:
        write_json(value)
        return
    console = stdout_console()
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
