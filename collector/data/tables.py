"""Read factor tables: the shipped ones beside this file, and a user's own in the same format."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec

from collector.carbon.estimate import Estimate
from collector.carbon.factor_checks import factor_faults
from collector.carbon.factors import Factor, find_factor, near_names
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.toml_config import decode_toml, read_toml

GRID_INTENSITY = "grid_intensity_yearly.toml"
GRID_INTENSITY_MARGINAL = "grid_intensity_marginal.toml"
EMBODIED_HARDWARE = "embodied_hardware.toml"
NETWORK_ENERGY = "network_energy.toml"
CLOUD = "cloud.toml"
FUEL_FACTORS = "fuel_factors.toml"
IMPACTS = "impacts.toml"
SHIPPED = (GRID_INTENSITY, GRID_INTENSITY_MARGINAL, EMBODIED_HARDWARE, NETWORK_ENERGY, CLOUD, FUEL_FACTORS, IMPACTS)


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
    """Return the factors of one shipped table, in the order of the file.

    Raises ConfigurationError for a fault of the table, a licence that forbids to ship it included.
    """
    text = resources.files(__package__).joinpath(table).read_text(encoding="utf-8")
    return _factors(decode_toml(text, _Table, table), table, for_shipping=True)


def read_factors(path: Path, *, for_shipping: bool = False) -> tuple[Factor, ...]:
    """Return the factors of a user's table. Raises ConfigurationError with the row and the fault."""
    return _factors(read_toml(path, _Table), str(path), for_shipping=for_shipping)


def table_faults(path: Path, *, for_shipping: bool = False) -> list[str]:
    """Return every fault of a table, one line each, where ``read_factors`` stops at the first.

    ``for_shipping``: also the licences that forbid to ship it with this package. Raises ConfigurationError for a file
    that cannot be read at all.
    """
    faults: list[str] = []
    factors: list[Factor] = []
    table = read_toml(path, _Table)
    for row in table.factor:
        try:
            factor = _factor(row, table.common, str(path))
        except ConfigurationError as error:
            faults.append(str(error))
            continue
        factors.append(factor)
        faults += _row_faults(factor, str(path), for_shipping=for_shipping)
    return faults + [f"{path}: {fault}" for fault in _names_twice(factors)]


def require_factor(factors: tuple[Factor, ...], name: str, where: str) -> Factor:
    """Return the factor of that id or alias; else raise ConfigurationError with the near names, or with all."""
    found = find_factor(factors, name)
    if found is not None:
        return found
    near = near_names(factors, name)
    hint = f"near names: {', '.join(near)}" if near else f"known: {', '.join(factor.id for factor in factors)}"
    raise ConfigurationError(f"{where}: unknown {name!r}; {hint}")


def _factors(table: _Table, where: str, *, for_shipping: bool) -> tuple[Factor, ...]:
    factors = tuple(_factor(row, table.common, where) for row in table.factor)
    faults = [fault for factor in factors for fault in _row_faults(factor, where, for_shipping=for_shipping)]
    faults += [f"{where}: {fault}" for fault in _names_twice(factors)]
    if faults:
        raise ConfigurationError(faults[0])
    return factors


def _row_faults(factor: Factor, where: str, *, for_shipping: bool) -> list[str]:
    return [f"{where}: factor {factor.id!r}: {fault}" for fault in factor_faults(factor, for_shipping=for_shipping)]


def _names_twice(factors: Iterable[Factor]) -> list[str]:
    names = Counter(name for factor in factors for name in (factor.id.casefold(), *map(str.casefold, factor.aliases)))
    return [f"the name {name!r} stands twice; ids and aliases must be unique" for name, n in names.items() if n > 1]


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
