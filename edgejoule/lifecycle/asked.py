"""Which models, benches and grids a command line of ``lifecycle`` or ``frontier`` names."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collector.carbon.factors import Factor
from collector.intensity.yearly_table import load_yearly_table
from edge_agent.model_catalog import models_dir
from edge_agent.wire.errors import ConfigurationError
from edgejoule.compute_ledger.ledger import Wanted, ledger_of
from edgejoule.compute_ledger.records import read_all
from edgejoule.compute_ledger.rows import Known
from edgejoule.compute_ledger.values import Ledger
from edgejoule.lifecycle.joules import KERNELS, Joules, deployments
from edgejoule.zoo.catalog_file import read_catalog
from edgejoule.zoo.entry import Catalog
from edgejoule.zoo.latency import latencies_of, read_latencies

MODELLED_NOTE = (
    "joules per inference are MODELLED: latency on one thread of {}, times the watts of a busy thread from a table. "
    "Those watts are one error for all models and cancel between them; what each model's kernels draw of them is an "
    "assumption ({:g} to {:g} times). --records takes measured joules"
)


@dataclass(frozen=True, slots=True)
class Found:
    """The catalogue, joules per inference by model id, where these were found, and what a reader has to know."""

    catalog: Catalog
    deployed: dict[str, Joules]
    where: str
    notes: tuple[str, ...]


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Declare where models and their joules come from."""
    where = parser.add_argument_group("models and their joules")
    where.add_argument("--task", default="", metavar="TEXT", help="only models whose task holds this text")
    where.add_argument("--catalog-dir", type=Path, metavar="DIR", help="another folder that holds catalog.toml")
    where.add_argument(
        "--records", dest="folders", type=Path, action="append", default=[], metavar="DIR",
        help="joules from the bench records below this folder; may be repeated",
    )  # fmt: skip
    where.add_argument(
        "--state-dir", type=Path, action="append", default=[], metavar="DIR",
        help="joules from the benches of a collector; may be repeated",
    )  # fmt: skip
    where.add_argument("--device", metavar="ID", help="which device's, where they are of several")
    where.add_argument("--include-rejected", action="store_true", help="rejected benches too, and said so")
    where.add_argument("--net", action="store_true", help="joules above idle power; else gross joules")
    where.add_argument("--table", type=Path, help="an intensity table of your own, over the shipped one")


def find(arguments: argparse.Namespace) -> Found:
    """Return what is named. Raises ConfigurationError."""
    directory = models_dir() if arguments.catalog_dir is None else arguments.catalog_dir
    catalog = read_catalog(directory)
    if not arguments.folders and not arguments.state_dir:
        if arguments.net or arguments.device or arguments.include_rejected:
            raise ConfigurationError("--net, --device and --include-rejected speak of benches; give --records DIR")
        latencies = latencies_of(catalog.model, read_latencies(directory))
        where = " and ".join(sorted({row.processor for row in latencies})) or "no processor"
        found = deployments(catalog.model, latencies, None)
        return Found(
            catalog,
            found,
            where,
            (MODELLED_NOTE.format(where, KERNELS.estimate.low, KERNELS.estimate.high), *_silent(catalog, found)),
        )
    ledger = _ledger(arguments, catalog)
    found = deployments(catalog.model, (), ledger, net=arguments.net)
    where = f"{ledger.device_id} at {ledger.boundary}, {'net' if arguments.net else 'gross'}"
    return Found(catalog, found, where, (*ledger.notes, *_silent(catalog, found)))


def intensity(arguments: argparse.Namespace, zone: str, where: str) -> Factor | None:
    """Return the yearly average of a zone, None for none named. Raises ConfigurationError for an unknown one."""
    if not zone:
        return None
    table = load_yearly_table(arguments.table)
    table.check_zone(zone, where)
    known = table.yearly(zone)
    assert known is not None, "check_zone has found it"
    return known.factor


def _ledger(arguments: argparse.Namespace, catalog: Catalog) -> Ledger:
    records = read_all((), arguments.folders, arguments.state_dir)
    wanted = Wanted(
        device_id=arguments.device, boundary=None, simulated=None, include_rejected=arguments.include_rejected,
        seed=0, draws=100,
    )  # fmt: skip
    return ledger_of(list(records.records.values()), records.unreadable, Known.of([catalog]), wanted)


def _silent(catalog: Catalog, found: dict[str, Joules]) -> Sequence[str]:
    missing = [one.id for one in catalog.model if one.id not in found]
    return (f"joules are not known of {len(missing)} models: {', '.join(missing)}",) if missing else ()
