"""``edgejoule carbon intensity show``: intensities over time."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.wire.errors import ConfigurationError
from edgejoule.argument_types import moment, whole
from edgejoule.commands.carbon.intensity.places import add_place, config_and_path, stored_provider, utc
from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from collector.intensity.store import IntensityStore
    from collector.intensity.stored import StoredIntensity

DAY_NS = 86_400_000_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare zones and time."""
    parser.add_argument("zones", nargs="+", metavar="ZONE", help="as [[intensity.source]] or the source calls it")
    parser.add_argument("--from", dest="start", type=moment, metavar="TIME", help="(default: a day before --to)")
    parser.add_argument("--to", dest="end", type=moment, metavar="TIME", help="(default: the last that is stored)")
    parser.add_argument("--as-known-at", type=moment, metavar="TIME", help="only what was known at that moment")
    parser.add_argument("--signal", choices=("average", "marginal"), default="average", help="(default: average)")
    parser.add_argument("--revisions", action="store_true", help="everything that was said, superseded values too")
    parser.add_argument("--limit", type=whole, default=100, metavar="N", help="lines at most; 0: all (default: 100)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw it: .svg, .png or .pdf")
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Show the steps. Raises ConfigurationError for a zone of which nothing can be known."""
    from collector.intensity.store import IntensityStore

    config, path = config_and_path(arguments)
    if arguments.plot is not None:
        from collector.web.intensity_plots import check_plot_name

        check_plot_name(arguments.plot, "--plot")
    store = IntensityStore(path, read_only=True)
    provider = stored_provider(config, store, arguments.signal, arguments.as_known_at)
    for zone in arguments.zones:
        provider.check_zone(zone, "intensity show")
    start, end = _span(arguments, store, provider)
    shown = [_zone(provider, zone, start, end, revisions=arguments.revisions) for zone in arguments.zones]
    if arguments.plot is not None:
        _plot(arguments, provider, start, end)
    if arguments.json:
        write_json({"as_known_at_unix_ns": arguments.as_known_at, "zones": shown})
    else:
        for one in shown:
            _show(one, arguments.limit)
    return EXIT_DONE


def _span(arguments: argparse.Namespace, store: "IntensityStore", provider: "StoredIntensity") -> tuple[int, int]:
    """Return the stretch asked for, or the last day of which anything is stored."""
    at_sources = {at for zone in arguments.zones for at in provider.sources_of(zone)}
    lasts = [
        one.last_unix_ns
        for one in store.extents()
        if one.kind == arguments.signal and (one.source, one.zone) in at_sources
    ]
    end = arguments.end
    if end is None:
        if not lasts and arguments.start is None:
            raise ConfigurationError(
                f"intensity show: nothing is stored for {', '.join(arguments.zones)}; give --from and --to, or see: "
                "edgejoule carbon intensity fetch --help"
            )
        end = max(lasts) if lasts else arguments.start + DAY_NS
    start = end - DAY_NS if arguments.start is None else arguments.start
    if end <= start:
        raise ConfigurationError("intensity show: --to is not after --from; give a stretch of time")
    return start, end


def _zone(provider: "StoredIntensity", zone: str, start: int, end: int, *, revisions: bool) -> dict[str, Any]:
    """Return what is known of a zone, as JSON shows it."""
    import numpy as np

    held = provider.held(zone, start, end)
    steps = held.timeline
    mean = steps.mean_over(np.array([start], dtype=np.int64), np.array([end], dtype=np.int64))
    value = float(mean.gco2e_per_kwh[0])
    yearly = provider.yearly(zone)
    rows = [
        {
            "start_unix_ns": max(int(steps.starts_unix_ns[i]), start),
            "end_unix_ns": min(int(steps.ends_unix_ns[i]), end),
            "gco2e_per_kwh": float(steps.gco2e_per_kwh[i]),
            "low": float(steps.low[i]),
            "high": float(steps.high[i]),
            "quality": steps.quality[i],
            "source": None if one is None else one.source,
            "fetched_at_unix_ns": None if one is None else one.fetched_at_unix_ns,
        }
        for i, one in enumerate(held.held_by)
        if steps.starts_unix_ns[i] < end and steps.ends_unix_ns[i] > start
    ]
    said = provider.revisions(zone, start, end) if revisions else []
    return {
        "zone": zone,
        "kind": provider.kind,
        "start_unix_ns": start,
        "end_unix_ns": end,
        "mean_gco2e_per_kwh": None if math.isnan(value) else value,
        "known_ratio": float(mean.known_ratio[0]),
        "quality_ratio": {name: float(share[0]) for name, share in mean.quality_ratio.items()},
        "yearly_gco2e_per_kwh": None if yearly is None else yearly.factor.estimate.value,
        "steps": rows,
        "revisions": sorted(said, key=lambda one: (one.valid_from_unix_ns, one.fetched_at_unix_ns)),
        "factors": provider.passports(zone, start, end),
    }


def _show(one: dict[str, Any], limit: int) -> None:
    from rich.markup import escape

    from collector.numbers import UNKNOWN, percent
    from edgejoule.fleet_tables import plain_table

    console = stdout_console()
    title = f"{one['zone']}, {one['kind']}, gCO2e/kWh, UTC"
    said = one["revisions"]
    table = plain_table(escape(title))
    for heading in ("from", "until", "low", "value", "high", "rests on", "source"):
        table.add_column(heading, justify="right" if heading in {"low", "value", "high"} else "left")
    if said:
        table.add_column("fetched")
        lines = [_revision_cells(revision) for revision in said]
    else:
        lines = [_step_cells(step) for step in one["steps"]]
    for cells in lines[: limit or None]:
        table.add_row(*map(escape, cells))
    console.print(table)
    if limit and len(lines) > limit:
        console.print(f"and {len(lines) - limit} more: --limit 0, or --json")
    mean, yearly = (UNKNOWN if one[key] is None else f"{one[key]:.1f}" for key in
                    ("mean_gco2e_per_kwh", "yearly_gco2e_per_kwh"))  # fmt: skip
    shares = ", ".join(f"{name} {percent(share)}" for name, share in one["quality_ratio"].items() if share)
    console.print(f"mean over the time {mean}, known for {percent(one['known_ratio'])} of it ({shares or 'nothing'})")
    console.print(f"yearly average beside it: {yearly}")
    for factor in one["factors"]:
        text = f"{factor.id}: {factor.source}; {factor.licence}; {factor.vintage}; {factor.scope}"
        console.print(escape(text), soft_wrap=True)


def _step_cells(step: dict[str, Any]) -> list[str]:
    numbers = [f"{step[name]:.1f}" for name in ("low", "gco2e_per_kwh", "high")]
    source = step["source"] or "yearly table"
    return [utc(step["start_unix_ns"]), utc(step["end_unix_ns"]), *numbers, step["quality"], source]


def _revision_cells(one: Any) -> list[str]:
    from collector.carbon.steps import quality_of
    from collector.numbers import UNKNOWN

    ends = [UNKNOWN if number is None else f"{number:.1f}" for number in (one.low, one.high)]
    return [
        utc(one.valid_from_unix_ns), utc(one.valid_to_unix_ns), ends[0], f"{one.gco2e_per_kwh:.1f}", ends[1],
        quality_of(one), one.source, utc(one.fetched_at_unix_ns),
    ]  # fmt: skip


def _plot(arguments: argparse.Namespace, provider: "StoredIntensity", start: int, end: int) -> None:
    from collector.web.intensity_plots import ZoneLine, intensity_plot, save_plot

    lines = []
    for zone in arguments.zones:
        yearly = provider.yearly(zone)
        value = None if yearly is None else yearly.factor.estimate.value
        lines.append(ZoneLine(zone, provider.timeline(zone, start, end), value))
    known = "" if arguments.as_known_at is None else f", as known at {utc(arguments.as_known_at)} UTC"
    title = f"Grid carbon intensity, {provider.kind}, P5 to P95{known}"
    save_plot(intensity_plot(lines, start, end, title), arguments.plot, "--plot")
