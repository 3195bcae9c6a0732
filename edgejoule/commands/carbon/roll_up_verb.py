"""``edgejoule carbon roll-up``: sum the lake's windows up by hour, day by day."""

import argparse
import datetime as dt
from typing import TYPE_CHECKING

from edge_agent.wire.errors import ConfigurationError
from edgejoule.commands.carbon.lake_place import add_limits, add_place, bar, limits_of, place_of
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from collector.assessment.roll_up import DayOutcome

SLOTS_MINUTES = (60, 30, 15, 10, 5)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare lake, days and length of the slots."""
    add_place(parser)
    parser.add_argument("--from", dest="first", type=day, metavar="DAY", help="2026-01-31 (default: the lake's first)")
    parser.add_argument("--to", dest="last", type=day, metavar="DAY", help="included (default: yesterday, UTC)")
    parser.add_argument(
        "--minutes",
        type=int,
        choices=SLOTS_MINUTES,
        default=60,
        help="length of the slots: as fine as the intensities that they will meet (default: 60)",
    )
    parser.add_argument("--redo", action="store_true", help="also days in which nothing came since")
    add_limits(parser)
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def day(text: str) -> str:
    """Return a day as YYYY-MM-DD."""
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write 2026-01-31") from None


def run(arguments: argparse.Namespace) -> int:
    """Make the roll-ups that are missing or have become old. Raises ConfigurationError."""
    from collector.assessment.roll_up import roll_up

    _, lake = place_of(arguments)
    if lake is None:
        raise ConfigurationError("roll-up: the collector has no lake; set [lake] enabled = true")
    yesterday = (dt.datetime.now(dt.UTC) - dt.timedelta(days=1)).date().isoformat()
    with bar() as progress:
        task = progress.add_task("rolling up", total=None)
        outcomes = roll_up(
            lake,
            arguments.first or "0000-01-01",
            arguments.last or yesterday,
            slot_s=arguments.minutes * 60,
            redo=arguments.redo,
            limits=limits_of(arguments),
            on_day=lambda number, total, one: progress.update(
                task, completed=number, total=total, description=f"rolling up {one.day}"
            ),
        )
    if arguments.json:
        write_json(outcomes)
    else:
        _show(outcomes)
    return EXIT_DONE


def _show(outcomes: "list[DayOutcome]") -> None:
    from collector.numbers import count, some_of

    console = stdout_console()
    made = [one for one in outcomes if one.action == "made"]
    windows, parts = sum(one.windows for one in made), sum(one.parts for one in made)
    days = "1 day" if len(made) == 1 else f"{len(made)} days"
    console.print(
        f"rolled up {days}: {count(windows)} windows became {count(parts)} rows; "
        f"{len(outcomes) - len(made)} days had nothing new"
        if outcomes
        else "no windows in these days"
    )
    for words, number in (
        ("windows lay there twice, from two collectors, and were counted once", sum(one.repeated for one in made)),
        ("windows with numbers beyond reason were left out", sum(one.unusable for one in made)),
    ):
        if number:
            console.print(f"{count(number)} {words}")
    if gone := [one.day for one in outcomes if one.action == "windows_gone"]:
        console.print(
            f"left as they are, since files that they were made of are gone: {some_of(gone)}; an assessment adds the "
            "windows that came since"
        )
