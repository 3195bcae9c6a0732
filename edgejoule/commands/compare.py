"""``edgejoule compare``: edge against cloud for one scenario file."""

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from rich.table import Table

    from collector.analysis.compare import BreakEven, ComparedSide, Comparison, Difference
    from collector.analysis.resolve import MeasuredEdge
    from collector.carbon.estimate import Estimate

ROWS = (
    ("operational", "operational"),
    ("network, average model", "network_average"),
    ("network, marginal model", "network_marginal"),
    ("embodied", "embodied"),
    ("total, average network", "total_average"),
    ("total, marginal network", "total_marginal"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the scenario, where measurements come from, and the draws."""
    parser.add_argument("scenario", type=Path, metavar="SCENARIO.toml", help="what to compare; see examples")
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="take the edge's joules from a collector's state"
    )
    parser.add_argument("--device", metavar="ID", help="which device of --state-dir; else edge.device_id")
    parser.add_argument("--table", type=Path, help="an intensity table of your own, over the shipped one")
    parser.add_argument("--seed", type=int, default=None, help="seed of the Monte Carlo draws")
    parser.add_argument("--draws", type=int, default=None, help="number of draws, default 20000")
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Compare and show. Raises ConfigurationError for a fault in the scenario."""
    from collector.analysis.compare import compare
    from collector.analysis.resolve import resolve
    from collector.analysis.scenario import read_scenario
    from collector.carbon.montecarlo import DEFAULT_DRAWS, DEFAULT_SEED
    from collector.intensity.yearly_table import load_yearly_table
    from edge_agent.wire.errors import ConfigurationError

    draws = DEFAULT_DRAWS if arguments.draws is None else arguments.draws
    seed = DEFAULT_SEED if arguments.seed is None else arguments.seed
    if not 100 <= draws <= 10_000_000 or seed < 0:
        raise ConfigurationError("--draws must lie in 100..10000000 and --seed must not be negative")
    if arguments.device and not arguments.state_dir:
        raise ConfigurationError("--device needs --state-dir: the collector's state directory with its measurements")
    scenario = read_scenario(arguments.scenario)
    measured = None
    if arguments.state_dir:
        measured = _measured(arguments.state_dir, arguments.device or scenario.edge.device_id)
    comparison = compare(resolve(scenario, load_yearly_table(arguments.table), measured), seed=seed, draws=draws)
    if arguments.json:
        write_json(comparison)
    else:
        _show(comparison)
    return EXIT_DONE


def _measured(state_dir: Path, device_id: str) -> "MeasuredEdge":
    from collector.analysis.measured import measured_edge
    from collector.config import CollectorConfig
    from collector.fleet.report import fleet_report
    from collector.journal import Journal

    config = CollectorConfig(state_dir=str(state_dir))
    with closing(Journal(config.journal_path, read_only=True)) as journal:
        report = fleet_report(journal, config.lake_dir, None)
    return measured_edge(report, device_id)


def _show(comparison: "Comparison") -> None:
    from rich.markup import escape

    console = stdout_console()
    console.print(f"[bold]{escape(comparison.title)}[/]")
    console.print(f"functional unit: {escape(comparison.functional_unit)}")
    if comparison.simulated:
        console.print("[bold red]SIMULATED METER: the edge's joules were not measured on hardware[/]")
    console.print(_sides(comparison))
    for difference in comparison.differences:
        console.print(_difference_line(difference))
    for break_even in comparison.break_even:
        console.print(_break_even_line(break_even))
    console.print(f"[bold]{comparison.verdict}[/]")
    console.print(f"not counted: {'; '.join(comparison.not_counted)}")
    console.print(_factors(comparison))
    for label in dict.fromkeys(factor.label for factor in comparison.factors if factor.label):
        console.print(f"[bold red]* {label.upper()}[/]")


def _sides(comparison: "Comparison") -> "Table":
    from rich.table import Table

    unit = comparison.edge.operational.unit
    title = f"{unit} per {comparison.per_inferences:,} inferences (5th to 95th percentile)"
    table = Table("", "edge", "cloud", title=title, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for label, name in ROWS:
        table.add_row(label, *(_grams(side, name) for side in (comparison.edge, comparison.cloud)))
    energies = (_range(side.energy) for side in (comparison.edge, comparison.cloud))
    table.add_row("energy, J", *energies, style="dim")
    return table


def _grams(side: "ComparedSide", name: str) -> str:
    return _range(getattr(side, name))


def _range(figure: "Estimate") -> str:
    value, low, high = map(_number, (figure.value, figure.low, figure.high))
    return value if value == low == high else f"{value} ({low} to {high})"


def _difference_line(difference: "Difference") -> str:
    spread = difference.edge_minus_cloud
    chance = 100.0 * difference.probability_edge_lower
    return (
        f"edge minus cloud, {difference.network_model} network: {_number(spread.p50)} {spread.unit} "
        f"({_number(spread.p5)} to {_number(spread.p95)}), edge lower in {chance:.3g} % of draws"
    )


def _break_even_line(point: "BreakEven") -> str:
    words = {
        "edge_always_lower": "the edge is lower at any number of inferences",
        "edge_never_lower": "the edge is not lower at any number of inferences",
    }
    text = words.get(point.outcome)
    if text is None and point.inferences_per_day is not None:
        ends = ["never" if end is None else f"{end:,.0f}" for end in (point.low, point.high)]
        text = f"the edge is lower above {point.inferences_per_day:,.0f} inferences a day ({ends[0]} to {ends[1]})"
        if not point.feasible:
            text += ", which is more than one device can do"
    return f"break-even, {point.network_model} network: {text}"


def _factors(comparison: "Comparison") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table("factor, value (5th to 95th percentile)", "source; vintage; licence", title="Factors used")
    table.title_justify = "left"
    for factor in comparison.factors:
        name = f"{factor.id}{' *' if factor.label else ''}"
        figure = f"{_range(factor.estimate)} {factor.estimate.unit}"
        table.add_row(escape(f"{name}\n{figure}"), escape(f"{factor.source}; {factor.vintage}; {factor.licence}"))
    return table


def _number(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100.0 else f"{number:.3g}"
