"""``edgejoule decompose A B``: what a fleet's emissions changed by, and through what."""

import argparse
import shlex
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.wire.errors import ConfigurationError
from edgejoule.argument_types import moment, whole
from edgejoule.commands.carbon.lake_place import NOTHING_TO_READ, add_limits, add_place, bar, limits_of, place_of
from edgejoule.output import EXIT_DONE, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from collector.analysis.decomposition.selection import Selection
    from collector.analysis.decomposition.values import Decomposition, Question
    from collector.assessment.assess import Gathered, Stored
    from collector.intensity.provider import IntensityProvider
    from collector.inventory import Inventory

BY = ("class", "device", "site", "zone", "fleet", "model", "all")
POLICIES = ("linear_in_time", "by_use", "front_loaded", "sunk")
FIGURES = (".svg", ".png")
LEAST_DRAWS = 100
MOST_DRAWS = 200_000
SIDE = (
    "a period (2026, 2026-Q1, 2026-01, 2026-W05, 2026-01-31, 2026-01-01..2026-02-01), or KEY=VALUE[,KEY=VALUE...]: "
    "period, fleet, device, class (hardware), site, zone, model, sha256 (of the model's file, its beginning), runtime "
    "('litert 2.1.0'); * stands for any letters"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare both sides, where they are, how they are grouped, and what is written."""
    parser.add_argument("before", metavar="A", help=SIDE)
    parser.add_argument("after", metavar="B", help="what A is compared with, written alike")
    parser.add_argument("--period", metavar="PERIOD", help="of a side that names none")
    add_place(parser)
    parser.add_argument("--lake-b", metavar="DIR", help="the lake of B, where that is another one")
    parser.add_argument("--inventory", type=Path, metavar="FILE", help="instead of the one that the TOML names")
    by = "what a group has in common; again for more than one (class, which is the hardware)"
    parser.add_argument("--by", action="append", choices=BY, metavar="BY", help=f"{', '.join(BY)}: {by}")
    parser.add_argument(
        "--silent-days",
        choices=("unknown", "off"),
        default="unknown",
        help="days without any window: nothing is known of them, or the fleet was off (unknown)",
    )
    parser.add_argument("--as-known-at", type=moment, metavar="TIME", help="intensities as they were known then")
    policies = f"how all hardware is charged: {', '.join(POLICIES)} (default: as it says itself)"
    parser.add_argument("--policy", choices=POLICIES, metavar="POLICY", help=policies)
    parser.add_argument("--draws", type=whole, default=20_000, metavar="N", help="worlds behind a range (20000)")
    parser.add_argument("--seed", type=whole, metavar="N", help="of the draws")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the waterfall, too: .svg or .png")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write a page with the waterfall")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write the total and every group as rows")
    add_limits(parser)
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Decompose and show. Raises ConfigurationError for sides that cannot be read, or of which nothing is stored."""
    _check_files(arguments)
    found = _decomposition(arguments)
    _write_files(arguments, found)
    if arguments.json:
        write_json(found)
        return EXIT_DONE
    from rich.markup import escape

    from collector.analysis.decomposition.words import verdict_of
    from edgejoule.decomposition_tables import decomposition_tables

    console = stdout_console()
    console.print(f"[bold]{escape(verdict_of(found))}[/]")
    for table in decomposition_tables(found):
        console.print(table)
    return EXIT_DONE


def _decomposition(arguments: argparse.Namespace) -> "Decomposition":
    from collector.analysis.decomposition.decompose import decompose
    from collector.analysis.decomposition.selection import selection_of
    from collector.build import build_intensity
    from collector.inventory import Inventory, read_inventory

    before, after = (selection_of(text, arguments.period) for text in (arguments.before, arguments.after))
    question = _question(arguments)
    config, _ = place_of(arguments)
    file = arguments.inventory or (Path(config.inventory.file) if config.inventory.file else None)
    inventory = Inventory(devices={}) if file is None else read_inventory(file)
    intensity = build_intensity(config, known_at_unix_ns=arguments.as_known_at)
    with ExitStack() as held:
        gathers = _gathers(arguments, inventory, intensity, held)
        sides = {id(before): gathers[0], id(after): gathers[-1]}
        return decompose(before, after, lambda side: sides[id(side)](side), inventory, question)


def _gathers(
    arguments: argparse.Namespace, inventory: "Inventory", intensity: "IntensityProvider", held: ExitStack
) -> "list[Callable[[Selection], Gathered]]":
    """Return what reads a side: of one lake, or of A's and B's; a stretch of a lake is read once."""
    from collector.assessment.assess import gather
    from collector.assessment.values import Options

    progress = held.enter_context(bar())
    limits = limits_of(arguments)

    def reader(stored: "Stored") -> "Callable[[Selection], Gathered]":
        known: dict[tuple[int, int, bool], Gathered] = {}

        def read(side: "Selection") -> "Gathered":
            key = (side.period.start_unix_ns, side.period.end_unix_ns, side.by_release)
            if key not in known:
                task = progress.add_task(f"reading {side.words[:40]}", total=None)
                known[key] = gather(
                    stored,
                    inventory,
                    intensity,
                    side.period,
                    Options(policy=arguments.policy, by_release=side.by_release),
                    limits=limits,
                    progress=lambda done, days: progress.update(task, completed=done, total=days),
                )
            return known[key]

        return read

    first = reader(_stored(arguments, held))
    return [first] if arguments.lake_b is None else [first, reader(_other_lake(arguments))]


def _stored(arguments: argparse.Namespace, held: ExitStack) -> "Stored":
    from collector.assessment.assess import Stored
    from collector.journal import Journal

    config, where = place_of(arguments)
    named = arguments.config is not None or arguments.state_dir is not None
    if named and (arguments.lake is None or config.journal_path.exists()):
        journal = held.enter_context(closing(Journal(config.journal_path, read_only=True)))
        return Stored(lake=where, journal=journal)
    if where is None:
        raise ConfigurationError(NOTHING_TO_READ)
    return Stored(lake=where)


def _other_lake(arguments: argparse.Namespace) -> "Stored":
    """Return the lake of B alone: the journal, if any, is that of the other one."""
    from collector.assessment.assess import Stored

    other = argparse.Namespace(config=arguments.config, state_dir=arguments.state_dir, lake=arguments.lake_b)
    try:
        return Stored(lake=place_of(other)[1])
    except ConfigurationError as error:
        raise ConfigurationError(str(error).replace("--lake ", "--lake-b ", 1)) from error


def _question(arguments: argparse.Namespace) -> "Question":
    from collector.analysis.decomposition.values import Question
    from collector.carbon.montecarlo import DEFAULT_SEED

    if not LEAST_DRAWS <= arguments.draws <= MOST_DRAWS:
        raise ConfigurationError(f"decompose: --draws {arguments.draws}: give {LEAST_DRAWS} to {MOST_DRAWS}")
    by = tuple(dict.fromkeys(arguments.by or ["class"]))
    if "all" in by and len(by) > 1:
        raise ConfigurationError("decompose: --by all is one group of everything; leave the other --by out")
    return Question(
        by=by,
        silent_days=arguments.silent_days,
        draws=arguments.draws,
        seed=DEFAULT_SEED if arguments.seed is None else arguments.seed,
    )


def _check_files(arguments: argparse.Namespace) -> None:
    """Refuse what could only fail once everything is read. Raises ConfigurationError."""
    if arguments.plot is not None and arguments.plot.suffix not in FIGURES:
        raise ConfigurationError(f"--plot: {arguments.plot}: a figure is written as {' or '.join(FIGURES)}")
    for option, path in (("--csv", arguments.csv), ("--html", arguments.html), ("--plot", arguments.plot)):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            why = "it is a directory" if path.is_dir() else f"{path.parent} is no directory"
            raise ConfigurationError(f"{option} {path}: cannot write it: {why}; name another file")


def _write_files(arguments: argparse.Namespace, found: "Decomposition") -> None:
    if arguments.csv is not None:
        from collector.analysis.decomposition.csv_text import csv_text

        _write(arguments.csv, csv_text(found), "--csv")
    if arguments.html is not None:
        from collector.web.decomposition_html import render_decomposition

        again = shlex.join(["edgejoule", *sys.argv[1:]])
        _write(arguments.html, render_decomposition(found, "What changed, and through what", again), "--html")
    if arguments.plot is not None:
        from collector.web.decomposition_plots import save_waterfall

        try:
            save_waterfall(found, arguments.plot)
        except (ValueError, OSError) as error:
            raise ConfigurationError(f"--plot: {error}") from error
        stderr_console().print(f"{arguments.plot}: written", markup=False)


def _write(path: Path, text: str, option: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{option} {path}: cannot write it: {error.strerror}") from error
