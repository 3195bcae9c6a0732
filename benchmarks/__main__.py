"""``python -m benchmarks [NAME ...] [--json FILE]``: run, and print a table of ratios."""

import argparse
import importlib
import os
import pkgutil
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.table import Table

import benchmarks
from benchmarks.harness import METERS_VARIABLE, REGISTRY, Result, chosen, run
from edgejoule import __version__
from edgejoule.output import EXIT_DONE, EXIT_NO, EXIT_USAGE, stderr_console, stdout_console
from firmware_bridge.registry import driver_names

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the named benchmarks and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Each thing against its floor or peer.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="beginnings of file or function names (all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE as well")
    parser.add_argument("--rounds", type=int, default=9, help="rounds for each comparison (9)")
    parser.add_argument("--meters", metavar="NAMES", help="of metering_cost: these meters only, comma between")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and run none")
    arguments = parser.parse_args(argv)
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if module.name not in {"__main__", "harness"}:
            importlib.import_module(f"benchmarks.{module.name}")
    if arguments.list:
        stdout_console().print("\n".join(sorted(REGISTRY)), markup=False)
        return EXIT_DONE
    try:
        chosen(arguments.names)
    except LookupError as error:
        parser.print_usage(sys.stderr)
        stderr_console().print(f"benchmarks: {error}", markup=False, soft_wrap=True)
        return EXIT_USAGE
    if arguments.meters:
        unknown = set(arguments.meters.split(",")) - set(driver_names())
        if unknown:
            stderr_console().print(f"benchmarks: no meter is named {', '.join(sorted(unknown))}", markup=False)
            return EXIT_USAGE
        os.environ[METERS_VARIABLE] = arguments.meters
    results = []
    for result in run(arguments.names, rounds=max(1, arguments.rounds)):
        results.append(result)
        stderr_console().print(f"{result.benchmark}: {result.name}: {result.ratio_median:.3g}", markup=False)
    stdout_console().print(table_of(results))
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(_document(results)), indent=2) + b"\n")
    missed = [result for result in results if not result.kept]
    for result in missed:
        limit = f"{result.ratio_median:.3g}, not the promised {result.limit_ratio:.3g}"
        stderr_console().print(f"benchmarks: {result.name}: {limit}", markup=False, soft_wrap=True)
    return EXIT_NO if missed else EXIT_DONE


def table_of(results: Sequence[Result]) -> Table:
    """Return the table: ratios first, since they are what carries over to another machine."""
    title = "Ratio of ours to the other, least to greatest (below 1 ours takes less), and one operation of each"
    table = Table("what", "against", box=None, pad_edge=False, title=title, title_justify="left")
    for heading in ("min", "median", "max", "limit", "ours", "other"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        ratios = (f"{ratio:.3g}" for ratio in (result.ratio_min, result.ratio_median, result.ratio_max))
        against = f"{result.kind}: {result.other_name}"
        limit = "" if result.limit_ratio is None else f"{result.limit_ratio:.3g}"
        sides = (
            shown(result.ours_s, result.ours_bytes, result.ours_hz),
            shown(result.other_s, result.other_bytes, result.other_hz),
        )
        table.add_row(result.name, against, *ratios, limit, *sides)
    return table


def shown(seconds: float | None, size_bytes: float | None, rate_hz: float | None) -> str:
    """Return whichever of the three there is."""
    if seconds is not None:
        return shown_time(seconds)
    if rate_hz is not None:
        return f"{rate_hz:.3g} /s"
    return "" if size_bytes is None else f"{size_bytes / 1e6:.3g} MB"


def shown_time(seconds: float) -> str:
    """Return a time with three digits and its unit."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _document(results: Sequence[Result]) -> dict[str, object]:
    return {
        "edgejoule": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "ratio": "ours / other: below 1 ours is faster",
        "results": list(results),
    }


if __name__ == "__main__":
    sys.exit(main())
