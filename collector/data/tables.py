"""Read factor tables: the shipped ones beside this file, and a user's own in the same format."""

from functools import cache
from importlib import resources
from pathlib import Path

import msgspec

from collector.carbon.estimate import Estimate
from collector.carbon.factors import Factor, find_factor, near_names
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.toml_config import decode_toml, read_toml

GRID_INTENSITY = "grid_intensity_yearly.toml"
EMBODIED_HARDWARE = "embodied_hardware.toml"
NETWORK_ENERGY = "network_energy.toml"
CLOUD = "cloud.toml"
FUEL_FACTORS = "fuel_factors.toml"
SHIPPED = (GRID_INTENSITY, EMBODIED_HARDWARE, NETWORK_ENERGY, CLOUD, FUEL_FACTORS)


class _Common(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the rows of a table share; a row may say otherwise."""

    unit: str = ""
    scope: str = ""
    source: str = ""
    licence: str = ""
    vintage: str = ""
    method: str = ""
    label: str = ""


class _Row(_Common, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One factor in the file."""

    id: str
    name: str
    value: float
    low: float
    high: float
    aliases: tuple[str, ...] = ()


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    common: _Common = _Common()
    factor: tuple[_Row, ...]


@cache
def shipped_factors(table: str) -> tuple[Factor, ...]:
    """Return the factors of one shipped table, in the order of the file."""
    text = resources.files(__package__).joinpath(table).read_text(encoding="utf-8")
    return _factors(decode_toml(text, _Table, table), table)


def read_factors(path: Path) -> tuple[Factor, ...]:
    """Return the factors of a user's table. Raises ConfigurationError with the row and the fault."""
    return _factors(read_toml(path, _Table), str(path))


def require_factor(factors: tuple[Factor, ...], name: str, where: str) -> Factor:
    """Return the factor of that id or alias; else raise ConfigurationError with the near names, or with all."""
    found = find_factor(factors, name)
    if found is not None:
        return found
    near = near_names(factors, name)
    hint = f"near names: {', '.join(near)}" if near else f"known: {', '.join(factor.id for factor in factors)}"
    raise ConfigurationError(f"{where}: unknown {name!r}; {hint}")


def _factors(table: _Table, where: str) -> tuple[Factor, ...]:
    factors = tuple(_factor(row, table.common, where) for row in table.factor)
    seen: set[str] = set()
    for factor in factors:
        for name in map(str.casefold, (factor.id, *factor.aliases)):
            if name in seen:
                raise ConfigurationError(f"{where}: the name {name!r} stands twice; ids and aliases must be unique")
            seen.add(name)
    return factors


def _factor(row: _Row, common: _Common, where: str) -> Factor:
    text = {name: getattr(row, name) or getattr(common, name) for name in _Common.__struct_fields__}
    missing = [name for name, value in text.items() if not value and name != "label"]
    if missing:
        raise ConfigurationError(f"{where}: factor {row.id!r} does not say its {missing[0]}; add it to the row")
    unit = text.pop("unit")
    try:
        estimate = Estimate(row.value, row.low, row.high, unit, text["source"])
    except ValueError as error:
        raise ConfigurationError(f"{where}: factor {row.id!r}: {error}") from error
    return Factor(id=row.id, name=row.name, estimate=estimate, aliases=row.aliases, **text)
