"""``edgejoule models import``: an own .tflite file counted, checked, and put into a catalogue of one's own."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.table import Table

    from edgejoule.zoo.graph import GraphFacts, TensorFacts
    from edgejoule.zoo.importing import Examined, Imported

DEFAULT_DIRECTORY: Final = Path("own_models")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("file", type=Path, metavar="FILE.tflite", help="the model; it is copied")
    parser.add_argument("--id", dest="model_id", metavar="ID", help="default: made of the file's name")
    parser.add_argument(
        "--into",
        type=Path,
        default=DEFAULT_DIRECTORY,
        metavar="DIR",
        help=f"the folder of your catalogue, made if it is not there (default: {DEFAULT_DIRECTORY})",
    )
    parser.add_argument("--check-set", type=Path, metavar="F.npz", help="inputs x and labels y that come along")
    parser.add_argument("--task", default="", help="what it is for")
    parser.add_argument("--licence", default="", help="of the model")
    parser.add_argument("--data", default="", help="what it was trained on")
    parser.add_argument("--replace", action="store_true", help="in the place of the model of the same id")
    parser.add_argument("--dry-run", action="store_true", help="count and check only; write nothing")
    parser.add_argument("--tensors", action="store_true", help="list every tensor too")
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Import the file. Raises ConfigurationError."""
    from edgejoule.zoo.importing import Statements, check_target, examine, id_of, import_model

    model_id = arguments.model_id or id_of(arguments.file)
    if not arguments.dry_run:
        check_target(arguments.into, model_id, replace=arguments.replace)
    examined = examine(arguments.file, arguments.check_set)
    stated = {name: getattr(arguments, name) for name in ("task", "licence", "data")}
    imported = None
    if not arguments.dry_run:
        imported = import_model(
            examined,
            arguments.into,
            model_id,
            Statements(**{name: text for name, text in stated.items() if text}),
            check_set=arguments.check_set,
            replace=arguments.replace,
        )
    if arguments.json:
        write_json(_answer(examined, imported))
    else:
        _print(arguments.file, examined, imported, tensors=arguments.tensors)
    return EXIT_DONE


def _answer(examined: "Examined", imported: "Imported | None") -> dict[str, object]:
    content = examined.content
    return {
        "file": str(content.path),
        "sha256": content.sha256,
        "size_bytes": len(content.data),
        "facts": examined.facts,
        "arena": examined.arena,
        "engines": examined.trials,
        "imported": None
        if imported is None
        else {
            "directory": str(imported.directory.resolve()),
            "catalog_sha256": imported.catalog_sha256,
            "family": imported.family,
            "model": imported.model,
        },
    }


def _print(path: Path, examined: "Examined", imported: "Imported | None", *, tensors: bool) -> None:
    facts, console = examined.facts, stdout_console()
    console.print(f"{path}: {facts.precision}, {len(examined.content.data):,} bytes", markup=False, soft_wrap=True)
    console.print(_grid(_about(examined)))
    console.print()
    console.print(_operators(facts))
    if tensors:
        console.print()
        console.print(_tensors(facts.tensors))
    console.print()
    if imported is None:
        console.print("nothing written (--dry-run)")
        return
    for line in _next(imported):
        console.print(line, markup=False, soft_wrap=True)


def _grid(rows: "Iterable[tuple[str, str]]") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(name, escape(text))
    return grid


def _about(examined: "Examined") -> "Iterator[tuple[str, str]]":
    """Yield what there is to say of the whole model, by name."""
    from edgejoule.zoo.importing import short_name

    facts = examined.facts
    for name, some in (("input", facts.inputs), ("output", facts.outputs)):
        for one in some:
            yield name, f"{one.name}: {one.dtype} {one.shape}{_scale(one)}"
    unknown = f"unknown: nobody counts those of {', '.join(facts.unknown_macs)}; the others have {facts.known_macs:,}"
    yield "MACs", unknown if facts.macs is None else f"{facts.macs:,}"
    zero = "" if facts.zero_parameters is None else f", {facts.zero_parameters:,} of them zero"
    yield "parameters", f"{facts.parameters:,}{zero}"
    yield "activations", _bytes(facts.activation_bytes, "at most at one time")
    yield "TFLM arena", _bytes(examined.arena.arena_bytes, f"({examined.arena.note})", examined.arena.note)
    yield "quantisation", _quantisation(facts)
    for one in facts.not_int8 if facts.precision in {"mixed", "dynamic_range"} else []:
        yield "not int8", f"{short_name(one.name)}: {one.role}, {one.dtype} {one.shape}"
    yield "state", "kept from one inference to the next" if facts.stateful else "none"
    if facts.dynamic:
        yield "sizes", "the caller chooses an input's; all is counted for the size in the file"
    if not examined.trials:
        yield "engines", "none is installed here, so nobody ran it: pip install 'edgejoule[agent]'"
    for trial in examined.trials:
        delegate = "" if trial.runtime is None else f", delegate {trial.runtime.delegate}"
        score = "" if trial.score is None else f", score on the check set {trial.score:.4f}"
        yield "engines", f"{trial.engine} {trial.version}: {trial.problem or 'runs it'}{delegate}{score}"


def _scale(tensor: "TensorFacts") -> str:
    return "" if tensor.scale is None else f", scale {tensor.scale:.6g}, zero point {tensor.zero_point or 0}"


def _bytes(number: int | None, more: str, otherwise: str = "unknown") -> str:
    return otherwise if number is None else f"{number:,} bytes {more}"


def _quantisation(facts: "GraphFacts") -> str:
    weights = {one.quantisation.replace("_", " ") for one in facts.tensors if one.role == "weights"} - {"none"}
    how = f"; weights {' and '.join(sorted(weights))}" if weights else ""
    if facts.precision == "int8":
        return f"every tensor is int8, biases int32{how}"
    if facts.precision == "float32":
        return "none: every tensor is float32"
    if facts.precision == "dynamic_range":
        return f"dynamic range: int8 weights, float32 in between{how}"
    count = len(facts.not_int8)
    return f"mixed{how}; {count} {'tensor is' if count == 1 else 'tensors are'} not int8:"


def _operators(facts: "GraphFacts") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("operator", overflow="fold")
    table.add_column("output", overflow="fold")
    for heading in ("MACs", "share", "parameters"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in facts.by_operator:
        share = f"{one.macs / facts.known_macs:.1%}" if one.macs else ""
        macs = "unknown" if one.macs is None else f"{one.macs:,}"
        table.add_row(escape(one.name), escape(str(one.output_shape)), macs, share, f"{one.parameters:,}")
    return table


def _tensors(tensors: "list[TensorFacts]") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    from edgejoule.zoo.importing import short_name

    table = Table(box=None, pad_edge=False, expand=True)
    table.add_column("tensor", no_wrap=True, overflow="ellipsis", ratio=1)
    for heading in ("role", "type", "shape", "quantised"):
        table.add_column(heading, no_wrap=True)
    for one in tensors:
        how = "" if one.quantisation == "none" else one.quantisation.replace("_", " ")
        table.add_row(escape(short_name(one.name)), one.role, one.dtype, escape(str(one.shape)), how)
    return table


def _next(imported: "Imported") -> "Iterator[str]":
    directory = imported.directory.resolve()
    yield f"{directory / imported.model.file} is in the catalogue, its hash pinned; the card is beside it."
    yield "In agent.toml (the hash changes with every import; this is the one of now):"
    yield ""
    yield "[model]"
    yield f'id = "{imported.model.id}"'
    yield f"catalog = {json.dumps(str(directory), ensure_ascii=False)}"
    yield f'catalog_sha256 = "{imported.catalog_sha256}"'
