"""``edgejoule models break-even``: after how many inferences a model has earned back what its making cost."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgejoule.output import EXIT_DONE, stdout_console, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_agent.wire.records import BenchRecord
    from edgejoule.compute_ledger.break_even import BreakEven
    from edgejoule.compute_ledger.values import Energy
    from edgejoule.zoo.entry import Development


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the two benches."""
    parser.add_argument("new", type=Path, metavar="NEW.json", help="bench of the model whose making is earned back")
    parser.add_argument("old", type=Path, metavar="OLD.json", help="bench of the model that it takes the place of")
    parser.add_argument("--net", action="store_true", help="by joules above idle power; else by gross joules")
    parser.add_argument(
        "--catalog-dir", type=Path, metavar="DIR", help="the catalogue that knows NEW; else the shipped"
    )
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Show it. Raises ConfigurationError for benches that cannot be compared, or a making that nobody measured."""
    from edgejoule.compute_ledger.break_even import break_even
    from edgejoule.compute_ledger.records import read_record
    from edgejoule.compute_ledger.rows import difference

    new, old = read_record(arguments.new), read_record(arguments.old)
    _check(new, old)
    made = _development(new, arguments.catalog_dir)
    saved = difference(_energy(old, net=arguments.net), _energy(new, net=arguments.net))
    result = break_even(made.development_energy_j, made.development_energy_u_j, *saved)
    if arguments.json:
        write_json({"new": new.model_id, "old": old.model_id, "simulated": new.simulated, "development": made,
                    "energy": "net" if arguments.net else "gross", "break_even": result})  # fmt: skip
        return EXIT_DONE
    console = stdout_console()
    for line in _lines(new, old, made, result):
        console.print(line, markup=False, highlight=False)
    return EXIT_DONE


def _check(new: "BenchRecord", old: "BenchRecord") -> None:
    from edge_agent.wire.errors import ConfigurationError

    for what, one, other in (
        ("device", new.device_id, old.device_id),
        ("boundary", new.boundary, old.boundary),
        ("kind of meter (simulated or not)", new.simulated, old.simulated),
    ):
        if one != other:
            raise ConfigurationError(f"the benches differ in {what} ({one}, {other}); take two of one device")
    for record in (new, old):
        if record.rejections:
            raise ConfigurationError(
                f"bench {record.bench_id!r} was rejected ({record.rejections[0]}); measure {record.model_id} again"
            )


def _development(new: "BenchRecord", named: Path | None) -> "Development":
    from edge_agent.model_catalog import models_dir
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.zoo.catalog_file import read_catalog

    directory = models_dir() if named is None else named
    catalog = read_catalog(directory)
    entry = next((one for one in catalog.model if one.sha256 == new.model_sha256), None)
    if entry is None:
        raise ConfigurationError(
            f"{directory} does not know the file of {new.model_id!r} (sha256 {new.model_sha256[:12]}...); name its "
            "catalogue with --catalog-dir"
        )
    made = catalog.family_of(entry).development
    if made is None:
        raise ConfigurationError(
            f"family {entry.family!r}: nobody knows what its making cost; train it again: edgejoule models train "
            f"{entry.family}"
        )
    return made


def _energy(record: "BenchRecord", *, net: bool) -> "Energy":
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.compute_ledger.rows import mean_energy

    found = record.net if net else record.gross
    if found is None:
        remedy = "measure with a baseline, or leave --net out" if net else "measure it again"
        raise ConfigurationError(f"bench {record.bench_id!r} has no {'net' if net else 'gross'} figure; {remedy}")
    return mean_energy([(found, record.systematic_id)])


def _lines(new: "BenchRecord", old: "BenchRecord", made: "Development", result: "BreakEven") -> "Iterator[str]":
    from collector.numbers import NBSP, si_u

    def joules(value_j: float, u_j: float) -> str:
        return f"{si_u(value_j, 2.0 * u_j, 'J').replace(NBSP, ' ')} (U, k = 2)"

    if new.simulated:
        yield "SIMULATED METER: these joules were not measured on hardware"
    how = ", modelled, not measured" if made.modelled else ""
    yield f"making of {new.model_id}: {joules(result.development_j, result.development_u_j)}{how}"
    if made.reused:
        yield f"not in it: the making of {', '.join(made.reused)}"
    yield f"saved against {old.model_id}: {joules(result.saved_j, result.saved_u_j)} an inference"
    if result.inferences is None:
        yield f"never earned back: {new.model_id} draws no less than {old.model_id}"
    else:
        yield f"earned back after {_number(result.inferences)} inferences"
    if result.low is None:
        yield "95 % interval: no number of inferences"
    elif result.high is None:
        yield f"95 % interval: from {_number(result.low)}, without an end: the saving may be none"
    else:
        yield f"95 % interval: {_number(result.low)} to {_number(result.high)}"


def _number(count: float) -> str:
    return f"{count:,.0f}" if count < 1e6 else f"{count:.3g}"
