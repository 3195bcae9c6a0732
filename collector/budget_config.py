"""The configuration of carbon budgets: ``[[budget]]``."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from collector.store_config import InfluxConfig, Table
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import Identifier


class BudgetConfig(Table, frozen=True, kw_only=True):
    """``[[budget]]``: what a fleet may emit in a calendar month (UTC), operational and embodied together."""

    fleet: Identifier
    monthly_kgco2e: Annotated[float, Meta(gt=0.0, le=1e12)]


def check_budgets(
    budgets: Sequence[BudgetConfig], influxdb: InfluxConfig | None, fleet: str, shared_group: str, where: str
) -> None:
    """Raise ConfigurationError for a budget that nothing can be set against.

    ``fleet``: whose messages the collector takes, "+" for all.
    """
    if not budgets:
        return
    if influxdb is None or influxdb.hourly is None:
        raise ConfigurationError(
            f"{where}: a [[budget]] is set against the sums of each hour; add [influxdb] and [influxdb.hourly], or "
            "remove it"
        )
    if shared_group:
        raise ConfigurationError(
            f"{where}: a [[budget]] needs every window of its fleet, and a collector of shared_group {shared_group!r} "
            "gets a part of them; remove one of the two"
        )
    names = [budget.fleet for budget in budgets]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"{where}: budget of fleet {name!r} stands twice; remove one")
        if fleet not in {"+", name}:
            raise ConfigurationError(
                f"{where}: budget of fleet {name!r}, but this collector takes fleet {fleet!r} alone; mend either"
            )
