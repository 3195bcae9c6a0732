"""``edgejoule carbon intensity import``: keep a series of your own."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.wire.errors import ConfigurationError
from edgejoule.argument_types import moment
from edgejoule.commands.carbon.intensity.places import add_place, config_and_path, utc
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from collector.carbon.revisions import SourcePassport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file, what its columns are called, and where its values come from."""
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV, or Parquet if it ends in .parquet")
    parser.add_argument("--id", required=True, help="a short name for this source, such as my-utility")
    parser.add_argument("--name", required=True, help="whose values these are")
    parser.add_argument("--licence", required=True, help="under which they may be used, such as CC-BY-4.0")
    parser.add_argument(
        "--scope", required=True, help="what is in them, such as: generation, life cycle, with imports"
    )
    parser.add_argument("--method", required=True, help="how they were found")
    parser.add_argument("--source-url", default="", metavar="URL", help="where they are from")
    parser.add_argument("--zone", default="", help="their zone, for a file without a column for it")
    parser.add_argument("--signal", choices=("average", "marginal"), default="average", help="(default: average)")
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="WHAT=NAME",
        help='a column\'s name, such as value="Carbon intensity"; WHAT: start, end, value, zone, low, high, '
        "fetched_at, is_estimated, is_forecast, scope",
    )
    parser.add_argument("--known-since", type=moment, metavar="TIME", help="when they became known (default: now)")
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Store the series. Raises ConfigurationError with the row and the fault; then nothing of it is stored."""
    from contextlib import closing

    from collector.intensity.sources.series import read_series
    from collector.intensity.store import IntensityStore

    _, path = config_and_path(arguments)
    passport = _passport(arguments)
    found = read_series(
        arguments.file,
        dict(_column(text) for text in arguments.column),
        source=passport.id,
        zone=arguments.zone,
        kind=arguments.signal,
        now_unix_ns=time.time_ns() if arguments.known_since is None else arguments.known_since,
    )
    if any(not one.zone for one in found):
        raise ConfigurationError(
            f"{arguments.file}: its rows do not say their zone; give --zone, or --column zone=NAME"
        )
    with closing(IntensityStore(path)) as store:
        try:
            added = store.add(found)
        except ValueError as error:
            raise ConfigurationError(f"{arguments.file}: {error}; nothing was stored") from error
        store.add_passport(passport)
    if arguments.json:
        zones = sorted({one.zone for one in found})
        write_json({"store": str(path), "values": len(found), "new": added, "zones": zones, "passport": passport})
    else:
        first, last = min(one.valid_from_unix_ns for one in found), max(one.valid_to_unix_ns for one in found)
        span = f"{utc(first)} to {utc(last)} UTC"
        stdout_console().print(
            f"{len(found)} values of {span}, {added} new, kept in {path}", soft_wrap=True, markup=False
        )
    return EXIT_DONE


def _passport(arguments: argparse.Namespace) -> "SourcePassport":
    from collector.intensity.source import source_names
    from collector.intensity_config import PassportConfig

    if arguments.id in source_names():
        raise ConfigurationError(
            f"--id {arguments.id}: a source that edgejoule asks itself has this name; take another"
        )
    texts = {name: getattr(arguments, name) for name in ("id", "name", "licence", "scope", "method")}
    try:
        return PassportConfig(**texts, url=arguments.source_url).passport()
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def _column(text: str) -> tuple[str, str]:
    what, equals, name = text.partition("=")
    if not equals:
        raise ConfigurationError(f"--column {text}: write WHAT=NAME, such as value=gco2e_per_kwh")
    return what, name
