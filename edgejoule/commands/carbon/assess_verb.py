"""``edgejoule carbon assess``: a fleet's energy, work and carbon over any period, from the lake."""

import argparse
import datetime as dt
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.wire.errors import ConfigurationError
from edgejoule.argument_types import moment, whole
from edgejoule.commands.carbon.lake_place import (
    NOTHING_TO_READ,
    add_limits,
    add_place,
    bar,
    edge,
    end_edge,
    limits_of,
    place_of,
)
from edgejoule.output import EXIT_DONE, EXIT_NO, stdout_console, write_json

if TYPE_CHECKING:
    from collector.assessment.assess import Period
    from collector.assessment.values import FleetAssessment, Options
    from collector.config import CollectorConfig

BY = ("device", "model", "site", "zone", "fleet", "month")
POLICIES = ("linear_in_time", "by_use", "front_loaded", "sunk")
YEAR_NS = 365 * 86_400 * 10**9
LEAST_DRAWS = 100
MOST_DRAWS = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare period, groups, factors, output and limits."""
    add_place(parser)
    parser.add_argument("--inventory", type=Path, metavar="FILE", help="instead of the one that the TOML names")
    when = "2026-01-31, 2026-01-31T10:00 (UTC), now, or 7d for seven days ago"
    parser.add_argument(
        "--from", dest="start", type=edge, metavar="TIME", help=f"{when} (default: a year before --to)"
    )
    parser.add_argument("--to", dest="end", type=end_edge, metavar="TIME", help="until then (default: now)")
    parser.add_argument("--year", type=whole, metavar="YYYY", help="that year, UTC, instead of --from and --to")
    parser.add_argument("--by", action="append", choices=BY, help="groups beside the total; again for more (month)")
    parser.add_argument("--fleet", default="", help="this fleet alone")
    parser.add_argument("--as-known-at", type=moment, metavar="TIME", help="intensities as they were known then")
    policies = f"how all hardware is charged: {', '.join(POLICIES)} (default: as it says itself)"
    parser.add_argument("--policy", choices=POLICIES, metavar="POLICY", help=policies)
    parser.add_argument(
        "--time-basis",
        choices=("in_service", "observed"),
        default="in_service",
        help="hardware is charged for all its time in service, where the inventory says since when, or only for the "
        "time that windows cover",
    )
    impacts = (
        "factors of your own for water, energy, elements and waste, before the shipped ones (default: the TOML's)"
    )
    parser.add_argument("--impact-table", type=Path, metavar="FILE", help=impacts)
    parser.add_argument("--draws", type=whole, default=20_000, metavar="N", help="worlds behind a range (20000)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write the assessment as a page with plots")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write every group as a row")
    add_limits(parser)
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Assess, and return 1 when there was nothing to assess. Raises ConfigurationError."""
    assessment = _assessment(arguments)
    if arguments.csv is not None:
        from collector.assessment.csv_text import csv_text

        _write(arguments.csv, csv_text(assessment), "--csv")
    if arguments.html is not None:
        from collector.web.assessment_html import render_assessment

        _write(arguments.html, render_assessment(assessment, "edgejoule carbon assess"), "--html")
    if arguments.json:
        write_json(assessment)
    else:
        from edgejoule.assessment_tables import assessment_tables

        console = stdout_console()
        for table in assessment_tables(assessment):
            console.print(table)
    return EXIT_DONE if assessment.total.windows else EXIT_NO


def _assessment(arguments: argparse.Namespace) -> "FleetAssessment":
    from collector.assessment.assess import Stored, assess
    from collector.build import build_intensity
    from collector.inventory import Inventory, read_inventory
    from collector.journal import Journal

    config, lake = place_of(arguments)
    period, options = _period(arguments), _options(arguments, config)
    file = arguments.inventory or (Path(config.inventory.file) if config.inventory.file else None)
    inventory = Inventory(devices={}) if file is None else read_inventory(file)
    intensity = build_intensity(config, known_at_unix_ns=arguments.as_known_at)
    with ExitStack() as held:
        journal = None
        if _has_journal(arguments, config):
            journal = held.enter_context(closing(Journal(config.journal_path, read_only=True)))
        elif lake is None:
            raise ConfigurationError(NOTHING_TO_READ)
        progress = held.enter_context(bar())
        task = progress.add_task("reading days", total=None)
        return assess(
            Stored(lake=lake, journal=journal),
            inventory,
            intensity,
            period,
            options,
            limits=limits_of(arguments),
            progress=lambda done, days: progress.update(task, completed=done, total=days),
        )


def _has_journal(arguments: argparse.Namespace, config: "CollectorConfig") -> bool:
    """Return whether there is a journal beside the lake: a lake may have been carried elsewhere alone."""
    named = arguments.config is not None or arguments.state_dir is not None
    return named and (arguments.lake is None or config.journal_path.exists())


def _period(arguments: argparse.Namespace) -> "Period":
    from collector.assessment.assess import Period

    if arguments.year is not None:
        if arguments.start is not None or arguments.end is not None:
            raise ConfigurationError("carbon assess: give --year, or --from and --to, not both")
        if not 1970 <= arguments.year < 2200:
            raise ConfigurationError(f"carbon assess: --year {arguments.year} is out of range; write 2026")
        first, last = (dt.datetime(arguments.year + step, 1, 1, tzinfo=dt.UTC).timestamp() for step in (0, 1))
        return Period(start_unix_ns=round(first) * 10**9, end_unix_ns=round(last) * 10**9)
    end = end_edge("now") if arguments.end is None else arguments.end
    start = max(end - YEAR_NS, 0) if arguments.start is None else arguments.start
    return Period(start_unix_ns=start, end_unix_ns=end)


def _options(arguments: argparse.Namespace, config: "CollectorConfig") -> "Options":
    from collector.assessment.values import Options
    from collector.data.impacts import own_impact_factors

    if arguments.draws < LEAST_DRAWS:
        raise ConfigurationError(f"carbon assess: --draws {arguments.draws} say nothing of a range; give 100 or more")
    if arguments.draws > MOST_DRAWS:
        raise ConfigurationError(f"carbon assess: --draws {arguments.draws} do not fit into memory; give {MOST_DRAWS}")
    table = config.intensity.impact_table
    own = arguments.impact_table or (Path(table) if table else None)
    chosen: Any = tuple(dict.fromkeys(arguments.by or ["month"]))
    return Options(
        by=chosen,
        fleet=arguments.fleet,
        time_basis=arguments.time_basis,
        policy=arguments.policy,
        known_at_unix_ns=arguments.as_known_at,
        draws=arguments.draws,
        impact_factors=own_impact_factors(own),
    )


def _write(path: Path, text: str, option: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{option} {path}: cannot write it: {error.strerror}") from error
