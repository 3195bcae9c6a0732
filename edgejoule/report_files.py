"""Reports, figures and rows as files that a command line names: checked before any work, written after it."""

import argparse
import csv
import importlib.util
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from edge_agent.wire.errors import ConfigurationError
from edgejoule.argument_types import whole
from edgejoule.bench_report.values import Grid, Report, Section
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from collector.carbon.factors import Factor

LEAST_DRAWS: Final = 100
MOST_DRAWS: Final = 1_000_000
_SUFFIXES: Final = {"html": (".html",), "plot": (".svg", ".png"), "csv": (".csv",)}
_NOTE_WIDTH: Final = 73
_HEADINGS: Final = ("factor", "value (P5 to P95)", "source; vintage; licence", "scope")


def add_outputs(parser: argparse.ArgumentParser, *, rows: str) -> None:
    """Declare the files and the draws. ``rows``: what a row of the CSV is."""
    how = parser.add_argument_group("output")
    how.add_argument("--html", type=Path, metavar="FILE", help="also write it as one page with the figure")
    how.add_argument("--plot", type=Path, metavar="FILE", help="also draw the figure, FILE.svg or FILE.png")
    how.add_argument("--csv", type=Path, metavar="FILE", help=f"also write {rows}")
    how.add_argument("--seed", type=whole, default=20_260_101, metavar="N", help="of the draws (20260101)")
    how.add_argument("--draws", type=whole, default=20_000, metavar="N", help="worlds behind every range (20000)")
    how.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def check_outputs(arguments: argparse.Namespace) -> None:
    """Raise ConfigurationError before any work for what could not be done after it."""
    if not LEAST_DRAWS <= arguments.draws <= MOST_DRAWS:
        raise ConfigurationError(
            f"--draws {arguments.draws}: give {LEAST_DRAWS} to {MOST_DRAWS:,}; 20000 is the default"
        )
    for name, suffixes in _SUFFIXES.items():
        path: Path | None = getattr(arguments, name)
        if path is None:
            continue
        if path.suffix not in suffixes:
            raise ConfigurationError(f"--{name} {path}: name a file that ends in {' or '.join(suffixes)}")
        if not os.access(path.parent, os.W_OK):
            raise ConfigurationError(f"{path}: its directory is not there or cannot be written; name another file")
    if arguments.plot is not None and not _can_draw():
        raise ConfigurationError("--plot needs matplotlib: pip install 'edgejoule[analysis]'")


class Reported(NamedTuple):
    """An answer in the forms that people ask for. ``shows``: what the figure says, for who does not see it."""

    report: Report
    draw: "Callable[[], Figure]"
    shows: str
    rows: Sequence[Mapping[str, Any]]


def deliver(arguments: argparse.Namespace, answer: Any, reported: Reported) -> int:
    """Write the files that are asked for, show the answer, and return the exit code.

    ``answer``: what ``--json`` gives. Raises ConfigurationError for a file that cannot be written.
    """
    _write(arguments, reported)
    if arguments.json:
        write_json(answer)
        return EXIT_DONE
    from edgejoule.bench_report.terminal import print_report  # noqa: PLC0415  keeps --help quick

    print_report(reported.report, stdout_console())
    for path in (arguments.html, arguments.plot, arguments.csv):
        if path is not None:
            stdout_console().print(f"written: {path}", markup=False, soft_wrap=True)
    return EXIT_DONE


def _write(arguments: argparse.Namespace, reported: Reported) -> None:
    wanted = arguments.plot is not None or (arguments.html is not None and _can_draw())
    drawn = reported.draw() if wanted else None
    try:
        if arguments.csv is not None:
            arguments.csv.write_text(_csv(reported.rows), encoding="utf-8")
        if arguments.plot is not None and drawn is not None:
            from edgejoule.bench_report.figure_text import draw_file  # noqa: PLC0415  matplotlib takes a second

            draw_file(drawn, arguments.plot, reported.shows)
        if arguments.html is not None:
            arguments.html.write_text(_page(reported.report, drawn, reported.shows), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or 'the output'}: cannot be written: {error.strerror}; name another file"
        ) from error


def wrapped(notes: Iterable[str]) -> tuple[str, ...]:
    """Return notes in lines that a terminal of eighty columns has room for, behind the word "note"."""
    return tuple(fill(note, _NOTE_WIDTH) for note in notes)


def factors_section(factors: "Sequence[Factor]") -> Section:
    """Return where every figure from somebody else comes from; a warning of a factor stands with its name."""
    from collector.numbers import plain  # noqa: PLC0415  keeps --help quick

    rows = tuple(
        (
            f"{one.name} ({one.id}){' *' if one.label else ''}",
            f"{plain(one.estimate)} {one.estimate.unit}",
            f"{one.source}; {one.vintage}; {one.licence}",
            one.scope,
        )
        for one in factors
    )
    labels = tuple(dict.fromkeys(f"* {one.label.upper()}" for one in factors if one.label))
    return Section("Factors used", labels, (Grid(_HEADINGS, rows, narrow=(0, 1, 2)),) if rows else ())


def _page(report: Report, drawn: "Figure | None", shows: str) -> str:
    from edgejoule.bench_report.page import to_html  # noqa: PLC0415  keeps --help quick

    if drawn is None:
        return to_html(report)
    from edgejoule.bench_report.figure_text import to_svg  # noqa: PLC0415  matplotlib takes a second

    return to_html(report, to_svg(drawn, shows))


def _can_draw() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
