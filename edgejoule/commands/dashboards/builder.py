"""The builder beside the dashboards, wherever it is, and what every verb of it says and how."""

import argparse
import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from edge_agent.wire.errors import ConfigurationError
from edgejoule.output import stdout_console, write_json


class Board(Protocol):
    """One dashboard."""

    def to_json(self) -> str:
        """Return its JSON."""


class Builder(Protocol):
    """What the builder beside the dashboards offers."""

    HERE: Path

    def dashboards(self) -> Mapping[str, Board]:
        """Return every dashboard by the name of its file."""

    def build(self, directory: Path) -> list[Path]:
        """Write every file; return them."""

    def check(self, directory: Path) -> list[str]:
        """Return the faults, one line each."""


def load_builder() -> Builder:
    """Return the builder: from inside the installed package, else from the source tree."""
    return cast("Builder", load_part("builder"))


def load_part(name: str) -> Any:
    """Return a module that lies with the dashboards. Raises ConfigurationError where this installation has none."""
    if importlib.util.find_spec("collector._grafana") is not None:
        return importlib.import_module(f"collector._grafana.{name}")
    try:
        return importlib.import_module(f"grafana.{name}")
    except ModuleNotFoundError as error:
        if error.name not in {"grafana", f"grafana.{name}"}:
            raise
        raise ConfigurationError(
            "dashboards: the builder is not part of this installation; install the wheel or work in a clone"
        ) from error


def add_directory(parser: argparse.ArgumentParser) -> None:
    """Declare where the files are."""
    parser.add_argument("--dir", type=Path, metavar="DIR", help="where dashboards/ is (default: with the builder)")
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def show(arguments: argparse.Namespace, value: object, lines: list[str]) -> None:
    """Say ``value`` as JSON, or the lines."""
    if arguments.json:
        write_json(value)
        return
    console = stdout_console()
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
