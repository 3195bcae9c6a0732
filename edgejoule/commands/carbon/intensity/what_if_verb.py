"""``edgejoule carbon intensity what-if``: the same work at another hour or in another place."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.wire.errors import ConfigurationError
from edgejoule.argument_types import moment, positive
from edgejoule.commands.carbon.intensity.places import add_place, config_and_path, stored_provider, utc
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from collector.carbon.what_if import PlaceCosts, StartCost, Work
    from collector.config import CollectorConfig
    from collector.intensity.stored import StoredIntensity

NS_PER_S = 1_000_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the work, the places and the starts."""
    parser.add_argument("zones", nargs="+", metavar="ZONE", help="where it could be done")
    parser.add_argument("--power-w", type=positive, metavar="W", help="power of the work, with --hours")
    parser.add_argument("--hours", type=positive, metavar="H", help="how long it takes")
    parser.add_argument("--device", metavar="ID", help="or: what this device did, from --worked-from to --worked-to")
    parser.add_argument("--worked-from", type=moment, metavar="TIME", help="its windows from then on")
    parser.add_argument("--worked-to", type=moment, metavar="TIME", help="until then")
    parser.add_argument("--from", dest="start", type=moment, required=True, metavar="TIME", help="the first start")
    parser.add_argument(
        "--to", dest="end", type=moment, required=True, metavar="TIME", help="the work has ended by then"
    )
    parser.add_argument("--step-min", type=positive, default=30.0, metavar="MIN", help="between starts (default: 30)")
    parser.add_argument("--as-known-at", type=moment, metavar="TIME", help="only what was known at that moment")
    parser.add_argument(
        "--signal",
        choices=("average", "marginal"),
        default="average",
        help="average for the account, marginal for what a shift changes (default: average)",
    )
    parser.add_argument("--measured-only", action="store_true", help="no yearly average where nothing finer is known")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw it: .svg, .png or .pdf")
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Say what the work costs from each start on. Raises ConfigurationError."""
    from collector.carbon.what_if import places, starts_between
    from collector.intensity.store import IntensityStore

    config, path = config_and_path(arguments)
    if arguments.plot is not None:
        from collector.web.intensity_plots import check_plot_name

        check_plot_name(arguments.plot, "--plot")
    provider = stored_provider(config, IntensityStore(path, read_only=True), arguments.signal, arguments.as_known_at)
    for zone in arguments.zones:
        provider.check_zone(zone, "intensity what-if")
    work, title, note = _work(arguments, config)
    last = arguments.end - round(work.duration_s * NS_PER_S)
    if last < arguments.start:
        hours = work.duration_s / 3_600.0
        raise ConfigurationError(f"intensity what-if: {hours:g} h do not fit between --from and --to")
    try:
        starts = starts_between(arguments.start, last, arguments.step_min * 60.0)
        timelines = {zone: provider.timeline(zone, arguments.start, arguments.end) for zone in arguments.zones}
        found = places(
            work,
            {zone: one.without_yearly() if arguments.measured_only else one for zone, one in timelines.items()},
            starts,
            kind=arguments.signal,
            yearly_gco2e_per_kwh={zone: _yearly(provider, zone) for zone in arguments.zones},
        )
    except ValueError as error:
        raise ConfigurationError(f"intensity what-if: {error}") from error
    factors = {zone: provider.passports(zone, arguments.start, arguments.end) for zone in arguments.zones}
    if arguments.plot is not None:
        from collector.web.intensity_plots import save_plot, what_if_plot

        save_plot(what_if_plot(found, f"{title}, by its start"), arguments.plot, "--plot")
    if arguments.json:
        known_at = arguments.as_known_at
        write_json({"work": title, "as_known_at_unix_ns": known_at, "places": found, "factors": factors, "note": note})
        return EXIT_DONE
    _show(found, f"{title}: {found[0].unit} by start")
    if note:
        stdout_console().print(note, soft_wrap=True, markup=False)
    for factor in {one.id: one for of_zone in factors.values() for one in of_zone}.values():
        text = f"{factor.id}: {factor.source}; {factor.licence}; {factor.vintage}"
        stdout_console().print(text, soft_wrap=True, markup=False)
    return EXIT_DONE


def _work(arguments: argparse.Namespace, config: "CollectorConfig") -> "tuple[Work, str, str]":
    """Return the work that is asked about, its name, and what has to be said of it."""
    if arguments.device is None:
        from collector.carbon.what_if import constant_work

        if arguments.power_w is None or arguments.hours is None:
            raise ConfigurationError(
                "intensity what-if: say which work: --power-w and --hours, or --device, --worked-from and --worked-to"
            )
        title = f"{arguments.power_w:g} W for {arguments.hours:g} h"
        return constant_work(arguments.power_w, arguments.hours * 3_600.0), title, ""
    if arguments.worked_from is None or arguments.worked_to is None or arguments.worked_to <= arguments.worked_from:
        raise ConfigurationError("intensity what-if: --device takes --worked-from, and --worked-to after it")
    from contextlib import closing

    from collector.fleet.work import measured_work
    from collector.journal import Journal
    from collector.numbers import percent, si

    with closing(Journal(config.journal_path, read_only=True)) as journal:
        found = measured_work(journal, config.lake_dir, arguments.device, arguments.worked_from, arguments.worked_to)
    title = f"{si(found.work.energy_j, 'J')} of {arguments.device} in {found.work.duration_s / 3_600.0:g} h"
    uncovered = "" if found.covered_ratio >= 1.0 else "; the rest of the time is unknown and counts as nothing"
    note = f"{found.windows} windows cover {percent(found.covered_ratio)} of the time that was worked{uncovered}"
    return found.work, title, note


def _yearly(provider: "StoredIntensity", zone: str) -> float | None:
    known = provider.yearly(zone)
    return None if known is None else known.factor.estimate.value


def _show(found: "tuple[PlaceCosts, ...]", title: str) -> None:
    from rich.markup import escape

    from collector.numbers import UNKNOWN, percent, significant
    from edgejoule.fleet_tables import plain_table

    table = plain_table(title)
    for heading in ("zone", "cheapest (UTC)", "g", "dearest (UTC)", "g", "mean", "saves", "yearly", "rests on"):
        table.add_column(heading, justify="right" if heading in {"g", "mean", "saves", "yearly"} else "left")
    for one in found:
        numbers = [UNKNOWN if number is None else significant(number) for number in (one.mean_gco2e, one.yearly_gco2e)]
        cells = [*_start(one.cheapest), *_start(one.dearest), numbers[0], percent(one.saving_ratio), numbers[1]]
        table.add_row(escape(one.zone), *cells, _rests_on(one))
    console = stdout_console()
    console.print(table)
    unknown = [f"{one.zone}: {sum(s.gco2e is None for s in one.starts)} of {len(one.starts)}" for one in found]
    console.print(f"starts of which not all is known, left out: {escape('; '.join(unknown))}")


def _start(one: "StartCost | None") -> tuple[str, str]:
    from collector.numbers import UNKNOWN, significant

    if one is None or one.gco2e is None:
        return UNKNOWN, UNKNOWN
    return utc(one.start_unix_ns)[5:], significant(one.gco2e)


def _rests_on(one: "PlaceCosts") -> str:
    """Return what the compared starts rest on, over all of them."""
    from collector.numbers import UNKNOWN, percent

    compared = [start.quality_ratio for start in one.starts if start.gco2e is not None]
    if not compared:
        return UNKNOWN
    means = {name: sum(shares[name] for shares in compared) / len(compared) for name in compared[0]}
    return ", ".join(f"{name} {percent(share)}" for name, share in means.items() if share > 0.0)
