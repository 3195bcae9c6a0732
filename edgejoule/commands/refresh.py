"""``edgejoule refresh``: when new hardware pays back its making, and the best moment to buy it."""

import argparse
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.wire.errors import ConfigurationError
from edgejoule.commands.carbon.lake_place import add_place, place_of
from edgejoule.report_files import Reported, add_outputs, check_outputs, deliver

if TYPE_CHECKING:
    from collector.analysis.refresh.answers import RefreshAnswer
    from collector.analysis.refresh.problem import MeanPower
    from collector.analysis.refresh.scenario import RefreshScenario

_FLAGS = {
    "old_w": "--old-w",
    "new_w": "--new-w",
    "age": "--age",
    "life": "--life",
    "zones": "--zones",
}
_MORE_FLAGS = {
    "old": "--old",
    "new": "--new",
    "new_kg": "--new-kg",
    "grid_fall": "--grid-fall",
    "power_fall": "--power-fall",
    "horizon": "--horizon",
}
_KEYS = {
    "old.mean_power_w": "--old-w",
    "new.mean_power_w": "--new-w",
    "old.age_years": "--age",
    "old.lifetime_years": "--life",
    "new.embodied_kgco2e": "--new-kg",
    "new.power_fall_per_year_ratio": "--power-fall",
    "grid": "--grid-fall",
    "horizon_years": "--horizon",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the scenario, or its figures one by one, and the outputs."""
    parser.epilog = "docs/lifecycle.md says how to write a scenario, and how to read the answer."
    parser.add_argument(
        "scenario", nargs="?", type=Path, metavar="SCENARIO.toml", help="what to compare; see examples"
    )
    quick = parser.add_argument_group("without a scenario: one device against one")
    quick.add_argument("--old", default="", metavar="BOARD", help="what stands there: see edgejoule carbon embodied")
    quick.add_argument("--old-w", type=float, metavar="W", help="its mean power, day and night")
    quick.add_argument("--age", type=float, metavar="YEARS", help="how long it has served")
    quick.add_argument("--new", default="", metavar="BOARD", help="what could take its place")
    quick.add_argument("--new-kg", type=float, metavar="KG", help="kgCO2e of making it, instead of the table's")
    quick.add_argument("--new-w", type=float, metavar="W", help="its mean power at the same work")
    quick.add_argument("--life", type=float, metavar="YEARS", help="planned life of either")
    quick.add_argument("--zones", nargs="+", metavar="ZONE", help="grids of the yearly table")
    quick.add_argument("--grid-fall", type=float, metavar="RATIO", help="how much cleaner the grids get each year")
    quick.add_argument("--power-fall", type=float, metavar="RATIO", help="how much less power next year's offer needs")
    quick.add_argument("--horizon", type=int, metavar="YEARS", help="over which the moments are compared (10)")
    add_place(parser)
    parser.add_argument("--table", type=Path, help="an intensity table of your own, over the shipped one")
    add_outputs(parser, rows="a row for each grid and moment")


def run(arguments: argparse.Namespace) -> int:
    """Show it. Raises ConfigurationError for a fault in the scenario."""
    check_outputs(arguments)
    found = _answer(arguments)
    from edgejoule.refresh.report import report_of, rows_of, shows

    return deliver(
        arguments, found, Reported(report_of(found), lambda: _figure(found), shows(found, 6), rows_of(found))
    )


def _figure(found: "RefreshAnswer") -> Any:
    from edgejoule.refresh.drawing import draw

    return draw(found)


def _answer(arguments: argparse.Namespace) -> "RefreshAnswer":
    from collector.analysis.refresh.answer import answer
    from collector.analysis.refresh.resolve import Sources, resolve
    from collector.analysis.refresh.scenario import read_refresh
    from collector.intensity.yearly_table import load_marginal_table, load_yearly_table
    from edgejoule.compute_ledger.records import read_record

    path = arguments.scenario
    scenario = _from_flags(arguments) if path is None else read_refresh(path)
    said = [flag for name, flag in (_FLAGS | _MORE_FLAGS).items() if getattr(arguments, name) not in (None, "")]
    if path is not None and said:
        raise ConfigurationError(f"{path} says itself what is compared; leave {', '.join(said)} out, or the file")
    with ExitStack() as held:
        sources = Sources(
            average=load_yearly_table(arguments.table),
            marginal=load_marginal_table(),
            read_bench=read_record,
            mean_power=_lake(arguments, held),
            folder=Path() if path is None else path.parent,
        )
        problem = resolve(scenario, sources)
    return answer(problem, seed=arguments.seed, draws=arguments.draws)


def _lake(arguments: argparse.Namespace, held: ExitStack) -> "MeanPower | None":
    if (arguments.config, arguments.state_dir, arguments.lake) == (None, None, None):
        return None
    from collector.assessment.assess import Stored
    from collector.journal import Journal
    from edgejoule.refresh.measured import mean_power

    config, lake = place_of(arguments)
    journal = None
    if arguments.lake is None:
        journal = held.enter_context(closing(Journal(config.journal_path, read_only=True)))
    stored = Stored(lake=lake, journal=journal)
    return lambda wanted, where: mean_power(stored, wanted, where)


def _from_flags(arguments: argparse.Namespace) -> "RefreshScenario":
    import msgspec

    from collector.analysis.refresh.scenario import RefreshScenario

    missing = [flag for name, flag in _FLAGS.items() if getattr(arguments, name) is None]
    if missing:
        raise ConfigurationError(
            f"refresh: nothing to compare; name a scenario (see examples/refresh-*.toml), or add {', '.join(missing)}"
        )
    fall = {} if arguments.grid_fall is None else {"fall_per_year_ratio": arguments.grid_fall}
    new: dict[str, Any] = {"mean_power_w": arguments.new_w, "lifetime_years": arguments.life}
    new |= {"hardware": arguments.new} if arguments.new_kg is None else {"embodied_kgco2e": arguments.new_kg}
    new |= {} if arguments.power_fall is None else {"power_fall_per_year_ratio": arguments.power_fall}
    words = {
        "title": f"{arguments.old or 'the old device'}, {arguments.old_w:g} W, or {arguments.new or 'a new one'}, "
        f"{arguments.new_w:g} W",
        "old": {"hardware": arguments.old, "mean_power_w": arguments.old_w, "lifetime_years": arguments.life,
                "age_years": arguments.age},
        "new": new,
        "grid": [{"zone": zone, **fall} for zone in dict.fromkeys(arguments.zones)],
        **({} if arguments.horizon is None else {"horizon_years": arguments.horizon}),
    }  # fmt: skip
    try:
        return msgspec.convert(words, RefreshScenario)
    except msgspec.ValidationError as error:
        what, _, key = str(error).removesuffix("`").rpartition(" - at `$.")
        flag = _KEYS.get(key.partition("[")[0] or key, "")
        raise ConfigurationError(f"refresh: {flag or key}: {what}; correct the flag") from error
