"""All gauges of a collector, made ready for its reporter: a name, and a function that returns lines."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from collector.assess import Assessor
from collector.budget_config import BudgetConfig
from collector.gauges.budgets import BudgetGauge
from collector.gauges.devices import device_states
from collector.gauges.factors import factor_points, factors_in_use
from collector.gauges.grid import GridGauge
from collector.gauges.models import ModelGauge
from collector.intensity.stored import StoredIntensity
from collector.inventory import Inventory
from collector.journal import Journal
from collector.sinks.points import Point, line_of


class Sources(NamedTuple):
    """What gauges read. ``journal``: open to read, theirs alone. ``intensities``: of each kind one at most.

    ``collector``: the client id of one that shares the messages with others, else "".
    """

    journal: Journal
    inventory: Inventory
    assessor: Assessor
    intensities: Sequence[StoredIntensity]
    budgets: Sequence[BudgetConfig] = ()
    collector: str = ""


def gauge_parts(sources: Sources) -> dict[str, Callable[[int], list[str]]]:
    """Return what gives the lines of each subject at a moment, Unix ns. One thread at a time may call them.

    Raises ConfigurationError for a model that was made in a zone without a yearly average.
    """
    journal, inventory, assessor, intensities, _, collector = sources
    average = next(one for one in intensities if one.kind == "average")
    zones = [entry.zone for entry in inventory.devices.values()]
    grid = GridGauge(zones, intensities, assessor.water)
    models = ModelGauge(inventory.models, average.yearly, inventory.where)
    budgets = BudgetGauge(sources.budgets, time.monotonic)

    def factors(now_unix_ns: int) -> list[str]:
        heard = {state.device_id for state in journal.devices()}
        found = factors_in_use(assessor, heard, intensities, models.made.values(), now_unix_ns)
        return lines(factor_points(found, collector), now_unix_ns)

    def budget(now_unix_ns: int) -> list[str]:
        with journal.snapshot() as db:
            return lines(budgets.points(db, now_unix_ns, collector), now_unix_ns)

    return {
        "devices": lambda now: lines(device_states(journal, assessor, now, collector), now),
        "models": lambda now: lines(models.points(journal, now, collector), now),
        "intensities": lambda now: lines([*grid.points(now, collector), *grid.what_ifs(now, collector)], now),
        "budgets": budget,
        "factors": factors,
    }


def lines(points: Iterable[Point], t_unix_ns: int) -> list[str]:
    """Return the lines of points of which anything is known."""
    return [line for point in points if (line := line_of(point, t_unix_ns))]
