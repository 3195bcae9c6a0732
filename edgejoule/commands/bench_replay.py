"""``edgejoule bench-replay``: published MLPerf Tiny energy results, computed again from their raw meter traces."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgejoule.argument_types import not_negative, positive
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from edge_agent.mlperf.replay import MeterChoice, Replay
    from edge_agent.mlperf.repository import RunFiles
    from firmware_bridge.driver import DataSheet

EPILOG = (
    "Both formats are read: results.json with results.txt (v1.3), and trace1-energy.bin with trace1-timestamps.json "
    "and results.txt (v0.7 to v1.2). Get a repository with: git clone --depth 1 "
    "https://github.com/mlcommons/tiny_results_v1.2. Exit code 1: a published result does not come out, a file is "
    "damaged, or nothing could be recomputed. Traces that are not in the copy are listed and are no failure."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what to replay, the meter's limits, and how to show it."""
    parser.epilog = EPILOG
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a results repository, a folder of it, or a file of a run"
    )
    parser.add_argument(
        "--meter", metavar="NAME", help="whose limits the uncertainty takes; else what log.txt names, else lpm01a"
    )
    parser.add_argument(
        "--gain-limit", type=positive, metavar="RATIO", help="limit (+-) of your own on gain, 0.01 for 1 percent"
    )
    parser.add_argument("--offset-limit", type=not_negative, metavar="A", help="limit (+-) of your own on current")
    parser.add_argument("--budget", action="store_true", help="show the uncertainty line by line")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON on stdout and nothing else, each window and figure")
    form.add_argument("--csv", action="store_true", help="one line for each run, SI units")
    form.add_argument("--markdown", action="store_true", help="the table as Markdown")


def run(arguments: argparse.Namespace) -> int:
    """Replay all and show. Raises ConfigurationError for a path, a meter or limits that cannot be."""
    from edge_agent.mlperf.repository import find_runs
    from edgejoule.replay_report import as_csv, as_markdown, as_record

    choice = _choice(arguments)
    replay = _with_progress(find_runs(arguments.paths), choice)
    if arguments.json:
        write_json(as_record(replay))
    elif arguments.csv or arguments.markdown:
        sys.stdout.write(as_csv(replay) if arguments.csv else as_markdown(replay))
    else:
        _show(replay, with_budget=arguments.budget)
    return EXIT_DONE if replay.is_good else EXIT_NO


def _choice(arguments: argparse.Namespace) -> "MeterChoice":
    from edge_agent.mlperf.replay import MeterChoice
    from firmware_bridge.errors import ConfigurationError
    from firmware_bridge.registry import driver_names, get_driver

    if (arguments.gain_limit is None) != (arguments.offset_limit is None):
        raise ConfigurationError("--gain-limit and --offset-limit belong together: give both, the offset may be 0")
    if arguments.meter is not None and arguments.gain_limit is None:
        get_driver(arguments.meter)

    def sheet_of(name: str) -> "DataSheet | None":
        return get_driver(name).data_sheet if name in driver_names() else None

    own = None
    if arguments.gain_limit is not None:
        own = _own_limits(get_driver("lpm01a").data_sheet, arguments.gain_limit, arguments.offset_limit)
    return MeterChoice(sheet_of, arguments.meter, own)


def _own_limits(sheet: "DataSheet", gain_limit_ratio: float, offset_limit_a: float) -> "DataSheet":
    """Return a sheet with the user's limits: on power as a whole, and on current."""
    from dataclasses import replace

    one = replace(sheet.ranges[-1], gain_limit_ratio=gain_limit_ratio, offset_limit_a=offset_limit_a)
    return replace(sheet, ranges=(one,), voltage_gain_limit_ratio=0.0, voltage_offset_limit_v=0.0)


def _with_progress(runs: "list[RunFiles]", choice: "MeterChoice") -> "Replay":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from edge_agent.mlperf.replay import replay

    console = stderr_console()
    columns = TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("replay", total=len(runs))
        return replay(runs, choice, lambda: progress.advance(task))


def _show(replay: "Replay", *, with_budget: bool) -> None:
    from rich.markup import escape

    from edgejoule.replay_report import budget_table, mismatch_lines, notes, problem_line, replay_table, summary

    console = stdout_console()
    if replay.rows:
        console.print(replay_table(replay.rows))
        if with_budget:
            console.print(budget_table(replay.rows))
        for line in notes(replay):
            console.print(escape(line), style="dim")
    for problem in replay.problems:
        console.print(escape(problem_line(problem)), style="yellow" if problem.is_missing else "bold red")
    for row in replay.rows:
        for line in mismatch_lines(row):
            console.print(escape(line), style="bold red")
    console.print(escape(summary(replay)), style="bold" if replay.is_good else "bold red")
