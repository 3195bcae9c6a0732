"""``edgejoule carbon intensity fetch``: ask sources, and keep what they say."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.wire.errors import ConfigurationError
from edgejoule.argument_types import moment, positive, whole
from edgejoule.commands.carbon.intensity.places import add_place, config_and_path
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from rich.progress import Progress

    from collector.intensity.configured import ConfiguredSource
    from collector.intensity.store import IntensityStore

NS_PER_S = 1_000_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare source, zones and time."""
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="its name; every one of [intensity] when none")
    parser.add_argument("zones", nargs="*", metavar="ZONE", help="as the source calls it")
    when = "2026-01-31, 2026-01-31T10:00 (UTC), 7d for seven days ago, or +2d"
    parser.add_argument("--from", dest="start", type=moment, metavar="TIME", help=f"{when} (default: 2d)")
    parser.add_argument("--to", dest="end", type=moment, metavar="TIME", help="until then (default: now)")
    add_place(parser)
    parser.add_argument("--url", default="", help="another server than the source's own, or the file of a series")
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="holds the source's key")
    parser.add_argument("--signal", choices=("average", "marginal"), help="which intensity (default: the usual one)")
    parser.add_argument("--timeout-s", type=positive, default=30.0, metavar="S", help="patience for one answer")
    parser.add_argument("--retries", type=whole, default=4, metavar="N", help="further tries (default: 4)")
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Ask, and return 1 if a source did not answer. Raises ConfigurationError."""
    from contextlib import closing

    from collector.intensity.store import IntensityStore

    _, path = config_and_path(arguments)
    sources = _named(arguments) if arguments.source else _configured(arguments)
    if not sources:
        raise ConfigurationError(
            "intensity fetch: name a SOURCE and its ZONEs, or give --config with [[intensity.source]]; see: edgejoule "
            "carbon intensity sources"
        )
    now_unix_ns = time.time_ns()
    jobs = [(one, zone, *_span(arguments, one, now_unix_ns)) for one in sources for zone in one.zones]
    for _, _, start, end in jobs:
        if end <= start:
            raise ConfigurationError("intensity fetch: --to is not after --from; give a stretch of time")
    with closing(IntensityStore(path)) as store, _progress() as progress:
        outcomes = [_fetch(store, progress, job, now_unix_ns) for job in jobs]
    if arguments.json:
        write_json({"store": str(path), "fetched": outcomes})
    else:
        _show(outcomes, path)
    return EXIT_NO if any(one["error"] for one in outcomes) else EXIT_DONE


def _named(arguments: argparse.Namespace) -> "list[ConfiguredSource]":
    from collector.intensity.configured import configured_sources
    from collector.intensity_config import IntensityConfig, SourceConfig

    if not arguments.zones:
        from collector.intensity.source import source_kind

        kind = source_kind(arguments.source, "intensity fetch")
        raise ConfigurationError(f"intensity fetch: name the zones of {kind.name}: {kind.zones_help}")
    one = SourceConfig(
        kind=arguments.source,
        zones=arguments.zones,
        signal=arguments.signal,
        url=arguments.url,
        key_file=str(arguments.key_file or ""),
        timeout_s=arguments.timeout_s,
        retries=arguments.retries,
    )
    return configured_sources(IntensityConfig(source=(one,)))


def _configured(arguments: argparse.Namespace) -> "list[ConfiguredSource]":
    from collector.intensity.configured import configured_sources

    return configured_sources(config_and_path(arguments)[0].intensity)


def _span(arguments: argparse.Namespace, one: "ConfiguredSource", now_unix_ns: int) -> tuple[int, int]:
    history_s, ahead_s = (2 * 86_400.0, 0.0) if arguments.source else (one.history_s, one.ahead_s)
    start = now_unix_ns - round(history_s * NS_PER_S) if arguments.start is None else arguments.start
    end = now_unix_ns + round(ahead_s * NS_PER_S) if arguments.end is None else arguments.end
    return start, end


def _fetch(
    store: "IntensityStore", progress: "Progress", job: "tuple[ConfiguredSource, str, int, int]", now_unix_ns: int
) -> dict[str, Any]:
    """Fetch one zone of one source and return what came of it; what a source refuses is part of that."""
    from collector.intensity.errors import SourceError
    from collector.intensity.fetch import fetch_into, part_count

    one, zone, start, end = job
    name = one.source.passport.id
    task = progress.add_task(f"{name} {zone}", total=part_count(start, end))
    values = added = 0
    error = ""
    try:
        for part in fetch_into(store, one.source, zone, start, end, now_unix_ns):
            values, added = values + part.values, added + part.added
            progress.advance(task)
    except SourceError as refused:
        error = str(refused)
    return {
        "source": name,
        "zone": zone,
        "kind": one.source.kind,
        "start_unix_ns": start,
        "end_unix_ns": end,
        "values": values,
        "new": added,
        "error": error,
    }


def _progress() -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = stderr_console()
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _show(outcomes: list[dict[str, Any]], path: Path) -> None:
    from rich.markup import escape

    for one in outcomes:
        text = f"{one['source']} {one['zone']}: {one['values']} values, {one['new']} new"
        stdout_console().print(escape(text), soft_wrap=True)
        if one["error"]:
            stderr_console().print(f"[red]failed[/]: {escape(one['error'])}", soft_wrap=True)
    stdout_console().print(escape(f"kept in {path}"), soft_wrap=True)
