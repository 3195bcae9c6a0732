"""``edgejoule compare``: edge against cloud, for one scenario in one case or in many."""

import argparse
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text
from edge_agent.wire.toml_config import TOML_REMEDY
from edgejoule.argument_types import whole
from edgejoule.commands.carbon.lake_place import add_limits, add_place, bar, limits_of, place_of
from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json

if TYPE_CHECKING:
    import pyarrow as pa

    from collector.analysis.comparison.answers import Comparison
    from collector.analysis.comparison.problem import Problem
    from collector.analysis.comparison.sources import Sources

LEAST_DRAWS = 100
MOST_DRAWS = 1_000_000
OUTPUTS = ("html", "csv", "parquet")
Progress = Callable[[int, int], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the scenario, the cases, where measurements come from, the draws and the outputs."""
    parser.epilog = "docs/comparison.md says how to write a scenario, and how to read the answer."
    parser.add_argument("scenario", type=Path, metavar="SCENARIO.toml", help="what to compare; see examples")
    cases = parser.add_argument_group("cases")
    columns = "a case in each row, .csv or .parquet; columns are fields such as edge.grid"
    cases.add_argument("--cases", type=Path, metavar="FILE", help=columns)
    cases.add_argument("--case", type=whole, metavar="N", help="answer this one in detail, counted from 0")
    add_place(parser)
    add_limits(parser)
    factors = parser.add_argument_group("factors and draws")
    own = "yearly intensities of your own, over the shipped ones"
    factors.add_argument("--table", type=Path, metavar="FILE", help=own)
    factors.add_argument("--marginal-table", type=Path, metavar="FILE", help="the same for marginal ones")
    draws = "worlds behind every range (20000; 1000 for more than 100 cases)"
    factors.add_argument("--draws", type=whole, metavar="N", help=draws)
    factors.add_argument("--seed", type=whole, metavar="N", help="of the draws (20260101)")
    out = parser.add_argument_group("output")
    out.add_argument("--html", type=Path, metavar="FILE", help="also write a report to hand on, one file with plots")
    out.add_argument("--csv", type=Path, metavar="FILE", help="also write a row for each case, pair and view")
    out.add_argument("--parquet", type=Path, metavar="FILE", help="the same rows as Parquet")
    out.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Compare and show; 1 if nothing could be compared. Raises ConfigurationError for a fault in the scenario."""
    _check(arguments)
    with ExitStack() as held:
        problem = _problem(arguments, held)
        comparison = _answer(arguments, problem)
    if arguments.json:
        write_json(comparison)
    else:
        from edgejoule.comparison_tables import comparison_parts

        console = stdout_console()
        for part in comparison_parts(comparison):
            console.print(part)
    return EXIT_DONE if any(pair.views for pair in comparison.pairs) else EXIT_NO


def _check(arguments: argparse.Namespace) -> None:
    """Raise ConfigurationError before any work for what could not be done after it."""
    if arguments.draws is not None and not LEAST_DRAWS <= arguments.draws <= MOST_DRAWS:
        raise ConfigurationError(f"--draws {arguments.draws}: give {LEAST_DRAWS} to {MOST_DRAWS}")
    for option in OUTPUTS:
        path: Path | None = getattr(arguments, option)
        if path is not None and not path.parent.is_dir():
            raise ConfigurationError(
                f"--{option} {path}: there is no directory {path.parent}; make it, or name another"
            )
        if path is not None and (path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK)):
            raise ConfigurationError(f"--{option} {path}: cannot write it; name a file in another place")
    _check_apart(arguments)
    if arguments.html is not None and find_spec("matplotlib") is None:
        raise ConfigurationError("--html needs matplotlib: pip install 'edgejoule[analysis]'")


def _check_apart(arguments: argparse.Namespace) -> None:
    """Raise ConfigurationError for an output in the place of another one or of what is read."""
    taken = {"the scenario": arguments.scenario}
    for option in ("cases", "config", "table", "marginal_table", "html", "csv", "parquet"):
        path: Path | None = getattr(arguments, option)
        if path is None:
            continue
        named = f"--{option.replace('_', '-')}"
        if option in OUTPUTS:
            other = next((name for name, one in taken.items() if one.resolve() == path.resolve()), None)
            if other is not None:
                raise ConfigurationError(f"{other} and {named} name the same file, {path}; give each its own")
        taken[named] = path


def _problem(arguments: argparse.Namespace, held: ExitStack) -> "Problem":
    from collector.analysis.comparison.read import read_problem

    sources = _sources(arguments, held)
    return read_problem(arguments.scenario, sources, arguments.cases, reference_case=arguments.case)


def _sources(arguments: argparse.Namespace, held: ExitStack) -> "Sources":
    from collector.analysis.comparison.sources import Sources
    from collector.intensity.yearly_table import load_marginal_table, load_yearly_table

    average, marginal = load_yearly_table(arguments.table), load_marginal_table(arguments.marginal_table)
    if arguments.config is None and arguments.state_dir is None and arguments.lake is None:
        return Sources(average=average, marginal=marginal)
    from collector.analysis.comparison.fleet_measurements import fleet_measurements
    from collector.assessment.assess import Stored
    from collector.build import build_intensity
    from collector.carbon.operational import INTENSITY_KINDS
    from collector.journal import Journal

    config, lake = place_of(arguments)
    journal = None
    named = arguments.config is not None or arguments.state_dir is not None
    if named and (arguments.lake is None or config.journal_path.exists()):
        journal = held.enter_context(closing(Journal(config.journal_path, read_only=True)))
    return Sources(
        average=average,
        marginal=marginal,
        stored={kind: build_intensity(config, kind=kind) for kind in INTENSITY_KINDS},
        measured=fleet_measurements(Stored(lake=lake, journal=journal), limits_of(arguments)),
    )


def _answer(arguments: argparse.Namespace, problem: "Problem") -> "Comparison":
    """Return the answer, and write the files that are asked for."""
    from collector.analysis.comparison.chunks import default_draws
    from collector.analysis.comparison.counts import count_cases, no_counts
    from collector.analysis.comparison.rows import case_rows
    from collector.analysis.comparison.run import answer
    from collector.carbon.montecarlo import DEFAULT_DRAWS, DEFAULT_SEED, Draws
    from collector.web.comparison_cases import READ_COLUMNS
    from edgejoule.case_files import CaseFiles, write_cases

    seed = DEFAULT_SEED if arguments.seed is None else arguments.seed
    draws = DEFAULT_DRAWS if arguments.draws is None else arguments.draws
    of_cases = default_draws(problem.case_count) if arguments.draws is None else arguments.draws
    if of_cases != draws:
        said = f"each of the {problem.case_count:,} cases has {of_cases:,} draws, the one in detail {draws:,}"
        problem = replace(problem, notes=(*problem.notes, said))
    files = CaseFiles(csv=arguments.csv, parquet=arguments.parquet)
    of_page = arguments.html is not None and problem.case_count > 1
    with _progress("cases") as progress:
        if of_page or files != CaseFiles():
            counts = no_counts()
            rows = write_cases(
                _tallied(case_rows(problem, seed=seed, draws=of_cases, progress=progress), counts),
                files,
                (*READ_COLUMNS, *(axis.name for axis in problem.axes)) if of_page else (),
            )
        else:
            counts, rows = count_cases(problem, Draws(seed=seed, count=of_cases), progress), None
    with _progress("pairs in detail") as progress:
        comparison = answer(problem, seed=seed, draws=draws, case_counts=counts, progress=progress)
    if arguments.html is not None:
        _write_page(arguments, comparison, rows)
    return comparison


def _tallied(chunks: "Iterator[pa.Table]", counts: dict[str, int]) -> "Iterator[pa.Table]":
    from collector.analysis.comparison.counts import tally

    for chunk in chunks:
        tally(counts, chunk)
        yield chunk


def _write_page(arguments: argparse.Namespace, comparison: "Comparison", rows: "pa.Table | None") -> None:
    from collector.web.comparison_html import render

    scenario = read_text(arguments.scenario, remedy=TOML_REMEDY)
    page = render(comparison, rows, scenario, comparison.title, command=_command(arguments, comparison.seed))
    try:
        arguments.html.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--html {arguments.html}: cannot write it: {error.strerror}") from error


def _command(arguments: argparse.Namespace, seed: int) -> str:
    """Return what makes the same report again; files by their names, wherever they lay."""
    words = ["edgejoule", "compare", arguments.scenario.name]
    for option in ("cases", "case", "config", "state_dir", "lake", "table", "marginal_table", "draws"):
        value = getattr(arguments, option)
        if value is not None:
            words += [f"--{option.replace('_', '-')}", value.name if isinstance(value, Path) else str(value)]
    return shlex.join([*words, "--seed", str(seed), "--html", arguments.html.name])


@contextmanager
def _progress(what: str) -> "Iterator[Progress]":
    with bar() as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, whole: shown.update(task, completed=done, total=whole)
