"""``edgejoule deploy targets``: what runs on which board, and what does not and why."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from edgejoule.deploy.targets import Target, Targets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how it is shown."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")
    form.add_argument("--markdown", action="store_true", help="the tables of docs/targets.md")


def run(arguments: argparse.Namespace) -> int:
    """Show them. Raises ConfigurationError if the table that came along is damaged."""
    from edgejoule.deploy.targets import read_targets

    targets = read_targets()
    if arguments.json:
        write_json(
            {
                "targets": [{**_fields(one), "engine_version": engine_version(one)} for one in targets.target],
                "unsupported": targets.unsupported,
            }
        )
    elif arguments.markdown:
        stdout_console().print("\n".join(markdown(targets)), markup=False, soft_wrap=True)
    else:
        _show(targets)
    return EXIT_DONE


def engine_version(target: "Target") -> str:
    """Return the version of the engine that the target's lock pins."""
    from edgejoule.deploy.locks import lock_path, read_lock

    return next(one.version for one in read_lock(lock_path(target.id)) if one.name == target.engine)


def markdown(targets: "Targets") -> Iterator[str]:
    """Yield the lines of both tables."""
    yield "| target | system | boards | glibc | Python | engine | works | does not | tried |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for one in targets.target:
        engine = f"{one.engine} {engine_version(one)}"
        python = f"{one.python}, {one.python_from}"
        cells = (
            f"`{one.id}`",
            one.name,
            one.boards,
            one.glibc,
            python,
            engine,
            one.works,
            one.cannot or "–",
            one.tried,
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "| not supported | why | instead |"
    yield "|---|---|---|"
    for lacking in targets.unsupported:
        yield f"| {lacking.name} | {lacking.why} | {lacking.remedy} |"


def _fields(target: "Target") -> dict[str, object]:
    import msgspec

    fields: dict[str, object] = msgspec.to_builtins(target)
    return fields


def _show(targets: "Targets") -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("target", "system", "glibc", "Python", "engine", "does not work"):
        table.add_column(column, overflow="fold", no_wrap=column in {"target", "engine"})
    for one in targets.target:
        cells = (one.id, one.name, one.glibc, one.python, f"{one.engine}\n{engine_version(one)}", one.cannot or "–")
        table.add_row(*map(escape, cells))
    console = stdout_console()
    console.print(table)
    for lacking in targets.unsupported:
        console.print(f"not supported: {lacking.name}: {lacking.why}; {lacking.remedy}", markup=False)
