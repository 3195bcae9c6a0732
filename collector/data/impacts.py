"""The factors of water, energy, elements and waste: the shipped table, and a user's own rows before it."""

from pathlib import Path

from collector.carbon.factors import Factor
from collector.carbon.impacts import unit_faults
from collector.data.tables import IMPACTS, read_factors, shipped_factors
from edge_agent.wire.errors import ConfigurationError


def own_impact_factors(table: Path | None) -> tuple[Factor, ...]:
    """Return the rows of a user's table, () for none.

    Raises ConfigurationError for a table that cannot be read, or a row in a unit that its figure is not in.
    """
    own = () if table is None else read_factors(table)
    if faults := unit_faults(own):
        raise ConfigurationError(f"{table}: {faults[0]}")
    return own


def load_impact_factors(own_table: Path | None = None) -> tuple[Factor, ...]:
    """Return the rows of ``own_table``, which are found first, and the shipped ones. Raises ConfigurationError."""
    return (*own_impact_factors(own_table), *shipped_factors(IMPACTS))
