"""``edgejoule models list``: the models of a catalogue, family by family."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, get_args

from edgejoule.commands.models.arguments import add_common, directory_of
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from rich.table import Table

    from edgejoule.zoo.entry import Catalog, Family, ModelEntry
    from edgejoule.zoo.latency import Latency

COLUMNS: Final = (("score (95 %)", 20), ("MACs", 6), ("params", 6), ("bytes", 6), ("arena", 6), ("p50", 7))
"""Headings and widths; eighty columns together with the first one, which takes what is left."""


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
    console.print(_table([_heading()]))
    for family in catalog.family:
        about = f": {family.task}" + (f" (MLPerf Tiny {family.benchmark})" if family.benchmark else "")
        console.print(Text.assemble((family.id, "bold"), about))
        console.print(_table([_row(family, entry, latencies) for entry in catalog.members(family.id)]))
    if catalog.model:
        console.print(_note(catalog, latencies), style="dim", markup=False)


def _table(rows: "Sequence[tuple[str, ...]]") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 0, 0, 2), expand=True)
    table.add_column(overflow="fold", ratio=1)
    for _, width in COLUMNS:
        table.add_column(justify="right", no_wrap=True, width=width)
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _heading() -> tuple[str, ...]:
    return ("model", *(heading for heading, _ in COLUMNS))


def _row(family: "Family", entry: "ModelEntry", latencies: "Sequence[Latency]") -> tuple[str, ...]:
    from collector.numbers import UNKNOWN, si
    from edgejoule.zoo.card import is_plain
    from edgejoule.zoo.latency import usual_latency

    usual = usual_latency(entry, latencies)
    return (
        entry.precision if is_plain(entry) else entry.id,
        UNKNOWN if entry.score is None else _score(family, entry),
        si(entry.macs, ""),
        si(entry.parameters, ""),
        si(entry.size_bytes, ""),
        si(entry.arena_bytes, ""),
        si(None if usual is None else usual.p50_us * 1e-6, "s"),
    )


def _score(family: "Family", entry: "ModelEntry") -> str:
    score = entry.score
    if score is None:
        return ""
    if family.metric == "accuracy":
        return f"{score.value:.1%} ({100 * score.low:.1f}-{100 * score.high:.1f})"
    return f"{score.value:.3f} ({score.low:.2f}-{score.high:.2f})"


def _note(catalog: "Catalog", latencies: "Sequence[Latency]") -> str:
    from edgejoule.zoo.card import is_plain

    entry = catalog.model[0]
    lines = [f"A model's id is its family's and its precision: {entry.id}." if is_plain(entry) else ""]
    processors = sorted({row.processor for row in latencies})
    if processors:
        lines.append(f"p50: one thread, the fastest runtime that was tried, on {' and '.join(processors)}.")
    lines.append(f"'edgejoule models show {entry.id}' says the rest.")
    return "\n" + " ".join(line for line in lines if line)
