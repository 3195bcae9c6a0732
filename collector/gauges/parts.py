"""All gauges of a collector by name, made ready for those that tell of them."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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

ReadPoints = Callable[[int], list[Point]]


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


def gauge_points(sources: Sources) -> dict[str, ReadPoints]:
    """Return what gives the points of each subject at a moment, Unix ns. Any thread may call them.

    They raise sqlite3.Error, and ConfigurationError for stored intensities that cannot be read. Raises
    ConfigurationError for a model that was made in a zone without a yearly average.
    """
    journal, inventory, assessor, intensities, _, collector = sources
    average = next(one for one in intensities if one.kind == "average")
    grid = GridGauge([entry.zone for entry in inventory.devices.values()], intensities, assessor.water)
    models = ModelGauge(inventory.models, average.yearly, inventory.where)
    budgets = BudgetGauge(sources.budgets, time.monotonic)
    one_at_a_time = threading.Lock()

    def of_budgets(now_unix_ns: int) -> list[Point]:
        with journal.snapshot() as db:
            return [*budgets.points(db, now_unix_ns, collector)]

    def of_factors(now_unix_ns: int) -> list[Point]:
        heard = {state.device_id for state in journal.devices()}
        found = factors_in_use(assessor, heard, intensities, models.made.values(), now_unix_ns)
        return [*factor_points(found, collector)]

    read: dict[str, ReadPoints] = {
        "devices": lambda now: [*device_states(journal, assessor, now, collector)],
        "models": lambda now: [*models.points(journal, now, collector)],
        "intensities": lambda now: [*grid.points(now, collector), *grid.what_ifs(now, collector)],
        "budgets": of_budgets,
        "factors": of_factors,
    }

    def locked(name: str) -> ReadPoints:
        def points(now_unix_ns: int) -> list[Point]:
            with one_at_a_time:
                return read[name](now_unix_ns)

        return points

    return {name: locked(name) for name in read}


def parts_of(read: Mapping[str, ReadPoints]) -> dict[str, Callable[[int], list[str]]]:
    """Return what gives the lines of the points that ``read`` gives."""

    def part(points: ReadPoints) -> Callable[[int], list[str]]:
        return lambda now_unix_ns: lines(points(now_unix_ns), now_unix_ns)

    return {name: part(points) for name, points in read.items()}


def lines(points: Iterable[Point], t_unix_ns: int) -> list[str]:
    """Return the lines of points of which anything is known."""
    return [line for point in points if (line := line_of(point, t_unix_ns))]
