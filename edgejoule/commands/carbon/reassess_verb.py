"""``edgejoule carbon reassess``: the grams of past windows are written again, with what is or was known.

Only the gram fields of the points in InfluxDB change, those of windows and those of hours; to do it twice changes
nothing. A running collector does so by itself for the hours that a new revision of an intensity touches. This command
is for all else: another inventory, a longer history of intensities, the state of knowledge of an earlier day.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_agent.wire.errors import ConfigurationError
from edgejoule.argument_types import moment
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from collector.config import CollectorConfig
    from collector.reassess import Reassessed

_HOUR_NS: Final = 3_600_000_000_000
"""A window that begins before a step may reach into it; see ``collector.grid_watch``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the collector, the stretch of time and the devices."""
    when = "ISO 8601 (UTC unless it says otherwise), or how long ago: 2h, 30d"
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the collector's TOML")
    parser.add_argument("--from", dest="start", type=moment, required=True, metavar="T", help=f"first moment: {when}")
    parser.add_argument("--to", dest="end", type=moment, metavar="T", help="last moment; now when left out")
    parser.add_argument(
        "--as-known-at", type=moment, metavar="T", help="with the intensities that were known at that moment"
    )
    parser.add_argument(
        "--device", action="append", default=[], metavar="ID", help="only this device; may be repeated; all when none"
    )
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Write the grams again; 1 when a store was away. Raises ConfigurationError."""
    from collector.build import build_assessor
    from collector.config import read_config
    from collector.sinks.influx_rows import StoreAwayError

    config = read_config(arguments.config)
    now_unix_ns = time.time_ns()
    end_unix_ns = now_unix_ns if arguments.end is None else arguments.end
    if end_unix_ns <= arguments.start:
        raise ConfigurationError("carbon reassess: --to has to lie after --from")
    if not config.journal_path.is_file():
        raise ConfigurationError(f"{config.journal_path}: no journal here; name the configuration of a collector")
    assessor = build_assessor(config, known_at_unix_ns=arguments.as_known_at)
    devices = frozenset(arguments.device) or None
    if unlisted := (devices or frozenset()) - set(assessor.device_ids):
        raise ConfigurationError(f"carbon reassess: --device {min(unlisted)}: the inventory does not list it")
    if config.influxdb is None:
        raise ConfigurationError(
            f"{arguments.config}: no [influxdb], so no grams are stored; reports assess anew each time they run"
        )
    try:
        done = _assess(config, (arguments.start, end_unix_ns), devices, arguments.as_known_at)
    except StoreAwayError as error:
        stderr_console().print(f"carbon reassess: {error}; run it again", markup=False, soft_wrap=True)
        return EXIT_NO
    if arguments.json:
        write_json(done)
    else:
        for line in _lines(done, as_known_then=arguments.as_known_at is not None):
            stdout_console().print(line, markup=False, soft_wrap=True)
    return EXIT_DONE


def _assess(
    config: "CollectorConfig", period: tuple[int, int], devices: frozenset[str] | None, known_at_unix_ns: int | None
) -> "Reassessed":
    """Write the grams of the period, and those again of which something became known while this ran.

    A collector beside this has assessed these already, maybe before older grams were written over them from here.
    """
    from collector.build import build_assessor, build_reassessment
    from collector.intensity.store import IntensityStore
    from collector.journal import Journal
    from collector.reassess import Reassessed, days_of

    store = IntensityStore(config.intensity_path, read_only=True)
    done: Reassessed | None = None
    start, end = period
    with closing(Journal(config.journal_path)) as journal:
        while done is None or start < end:
            newest = store.newest()
            assessor = build_assessor(config, known_at_unix_ns=known_at_unix_ns)
            reassessment = build_reassessment(config, assessor, journal, time.time_ns())
            if reassessment is None:
                break
            with closing(reassessment), _progress(len(days_of(start, end))) as advance:
                found = reassessment.run(start, end, devices, advance)
            done = found if done is None else done
            touched = store.touched_after(newest) if known_at_unix_ns is None else []
            if not touched:
                break
            start = max(min(one.start_unix_ns for one in touched) - _HOUR_NS, period[0])
            end = min(max(one.end_unix_ns for one in touched), period[1])
    return Reassessed() if done is None else done


def _lines(done: "Reassessed", *, as_known_then: bool) -> Iterator[str]:
    then = ", as known then: this lasts until they are assessed again" if as_known_then else ""
    yield f"{done.windows} windows assessed, {done.points} points and {done.hours} hours written{then}"
    if done.unknown:
        yield (
            f"{done.unknown} windows have no operational grams: no intensity is known of their zone and time, or the "
            "inventory has no zone for them; what "
            'the store has of old ones stays there, with intensity_quality "unknown"'
        )
    if done.refused:
        yield f"{done.refused} points were refused by the store: {done.refused_why}"
    for reason, hours in done.hours_left.items():
        yield f"{hours} hours keep their grams: {reason}"


@contextmanager
def _progress(days: int) -> Iterator[Callable[[], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = stderr_console()
    columns = TextColumn("days"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("days", total=days)
        yield lambda: progress.advance(task)
