"""``edgejoule models list``: the models of a catalogue, family by family."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, get_args

from edgejoule.commands.models.arguments import add_common, directory_of
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.zoo.entry import Catalog, Family, ModelEntry, Score
    from edgejoule.zoo.latency import Latency

COLUMNS: Final = (("score (95 %)", 20), ("MACs", 6), ("params", 6), ("bytes", 6), ("arena", 6), ("p50", 7))
"""Headings and widths, with two spaces before each; eighty columns together with the names of precisions."""
NAME_WIDTH: Final = 13


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    from edgejoule.zoo.entry import Precision

    parser.add_argument("--family", metavar="NAME", help="only this family, or the one that this model belongs to")
    parser.add_argument("--task", metavar="TEXT", help="only families whose task holds this text")
    parser.add_argument("--precision", choices=get_args(Precision), help="only models of this precision")
    parser.add_argument("--markdown", action="store_true", help="the table of docs/models.md")
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    """List the models. Raises ConfigurationError, also where no model is as it is asked for."""
    from edgejoule.zoo.catalog_file import read_catalog
    from edgejoule.zoo.latency import latencies_of, read_latencies

    directory = directory_of(arguments)
    catalog = _chosen(arguments, read_catalog(directory))
    latencies = latencies_of(catalog.model, read_latencies(directory))
    if arguments.json:
        write_json(
            {
                "directory": str(directory),
                "families": catalog.family,
                "models": catalog.model,
                "latencies": latencies,
            }
        )
    elif arguments.markdown:
        from edgejoule.zoo.card import overview

        stdout_console().out(overview(catalog), end="", highlight=False)
    else:
        _print(catalog, latencies)
    return EXIT_DONE


def _chosen(arguments: argparse.Namespace, catalog: "Catalog") -> "Catalog":
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.zoo.catalog_file import find_family
    from edgejoule.zoo.entry import Catalog

    named = None if arguments.family is None else find_family(directory_of(arguments), arguments.family).id
    text = (arguments.task or "").casefold()
    families = [one for one in catalog.family if named in {None, one.id} and text in one.task.casefold()]
    models = [
        entry
        for family in families
        for entry in catalog.members(family.id)
        if arguments.precision in {None, entry.precision}
    ]
    if catalog.model and not models:
        tasks = "; ".join(sorted({family.task for family in catalog.family}))
        raise ConfigurationError(f"no model of the catalogue is so; leave a filter out (tasks: {tasks})")
    held = {entry.family for entry in models}
    return Catalog(family=[one for one in families if one.id in held], model=models)


def _print(catalog: "Catalog", latencies: "Sequence[Latency]") -> None:
    from rich.text import Text

    console = stdout_console()
    names = [_name(entry) for entry in catalog.model]
    shown, name_width = _layout(console.width, max(map(len, names), default=0))
    lines: list[str | Text] = list(_lines("model", [heading for heading, _ in COLUMNS], shown, name_width))
    for family in catalog.family:
        about = f": {family.task}" + (f" (MLPerf Tiny {family.benchmark})" if family.benchmark else "")
        lines.append(Text.assemble((family.id, "bold"), about))
        for entry in catalog.members(family.id):
            lines += _lines(_name(entry), _cells(family, entry, latencies), shown, name_width)
    for line in lines:
        console.print(line, markup=False, soft_wrap=isinstance(line, str))
    if catalog.model:
        console.print(_note(catalog, latencies, COLUMNS[shown:]), style="dim", markup=False)


def _layout(width: int, longest: int) -> tuple[int, int]:
    """Return how many columns there is room for beside names, one at least, and the width of the names' column."""
    left = width - 2
    shown = 0
    for _, column in COLUMNS:
        if shown and left - column - 2 < NAME_WIDTH:
            break
        left -= column + 2
        shown += 1
    return shown, max(min(longest, left), NAME_WIDTH)


def _lines(name: str, cells: "Sequence[str]", shown: int, name_width: int) -> "Iterator[str]":
    """Yield a row; a name that does not fit its column stands whole on a line of its own above."""
    if len(name) > name_width:
        yield f"  {name}"
        name = ""
    columns = zip(cells[:shown], COLUMNS, strict=False)
    yield f"  {name:<{name_width}}" + "".join(f"  {cell:>{width}}" for cell, (_, width) in columns)


def _name(entry: "ModelEntry") -> str:
    from edgejoule.zoo.card import is_plain

    return entry.precision if is_plain(entry) else entry.id


def _cells(family: "Family", entry: "ModelEntry", latencies: "Sequence[Latency]") -> tuple[str, ...]:
    from collector.numbers import UNKNOWN, si
    from edgejoule.zoo.latency import usual_latency

    usual = usual_latency(entry, latencies)
    return (
        UNKNOWN if entry.score is None else _score(family, entry.score),
        si(entry.macs, ""),
        si(entry.parameters, ""),
        si(entry.size_bytes, ""),
        si(entry.arena_bytes, ""),
        si(None if usual is None else usual.p50_us * 1e-6, "s"),
    )


def _score(family: "Family", score: "Score") -> str:
    if family.metric == "accuracy":
        return f"{score.value:.1%} ({100 * score.low:.1f}-{100 * score.high:.1f})"
    return f"{score.value:.3f} ({score.low:.3f}-{score.high:.3f})"


def _note(catalog: "Catalog", latencies: "Sequence[Latency]", left_out: "Sequence[tuple[str, int]]") -> str:
    from edgejoule.zoo.card import METRICS, is_plain

    entry = catalog.model[0]
    lines = [f"A model's id is its family's and its precision: {entry.id}." if is_plain(entry) else ""]
    if any(family.metric == "roc_auc" for family in catalog.family):
        lines.append(f"A score without % is a {METRICS['roc_auc']}.")
    processors = sorted({row.processor for row in latencies})
    if processors and not left_out:
        lines.append(f"p50: one thread, the fastest runtime that was tried, on {' and '.join(processors)}.")
    if left_out:
        lines.append(f"No room here for {', '.join(heading for heading, _ in left_out)}.")
    lines.append(f"'edgejoule models show {entry.id}' says the rest.")
    return "\n" + " ".join(line for line in lines if line)
