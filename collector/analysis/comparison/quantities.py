"""From a scenario's figure to a factor: a bare number, the id of a shipped one, or a figure with its range."""

from collections.abc import Callable
from functools import cache
from typing import Final

from collector.analysis.comparison.fields import Field, Fields, joined
from collector.analysis.comparison.problem import Column
from collector.analysis.comparison.scenario import LARGEST, Quantity, Range
from collector.carbon.estimate import Estimate, exactly, from_standard_uncertainty
from collector.carbon.factors import Factor
from collector.carbon.units import JOULE
from collector.data.tables import CLOUD, EMBODIED_HARDWARE, IMPACTS, NETWORK_ENERGY, require_factor, shipped_factors
from edge_agent.wire.errors import ConfigurationError

SCENARIO: Final = "scenario"
MEASUREMENT: Final = "measurement"
MODEL: Final = "model"
"""Vintages of what the author states, of what was measured, and of what a bench modelled."""
_TABLES: Final = (CLOUD, EMBODIED_HARDWARE, NETWORK_ENERGY, IMPACTS)


def quantity(given: Quantity, path: str, unit: str) -> Factor:
    """Return the figure with its passport. Raises ConfigurationError for another unit, or a number beyond reason."""
    if isinstance(given, str):
        return _shipped(given, path, unit)
    if isinstance(given, Range):
        estimate = checked((given.value, given.low, given.high), unit, given.source, path)
        return own_factor(path, path, estimate, "as stated in the scenario", given.source)
    source = "assumption of the scenario, without range"
    return own_factor(path, path, exactly(usable(given, path), unit, source), "as stated in the scenario", source)


def quantities(field: Field[Quantity], unit: str) -> Field[Factor]:
    """Return a field's figures as ``quantity`` does, each of them once."""
    return field.mapped(lambda given: quantity(given, field.path, unit))


def optional(table: Fields, name: str, unit: str) -> Field[Factor] | None:
    """Return the figures of a field of the table, None where it is absent."""
    field = table.get(name)
    return None if field is None else quantities(field, unit)


def column(field: Field[Factor]) -> Column:
    """Return a field of factors as a column."""
    return Column(field.values, field.place)


def optional_column(field: Field[Factor] | None) -> Column | None:
    """Return a field of factors as a column, None for none."""
    return None if field is None else column(field)


def scaled(factor: Field[Factor], by: Field[float], *, unit: str, words: str) -> Field[Factor]:
    """Return each factor times an exact number; its id, the cause of its error, stays."""
    both = joined(factor, by)
    return both.mapped(lambda pair: of_estimate(pair[0], pair[0].estimate.scaled(pair[1], unit=unit), words))


def inverse(factor: Field[Factor], *, unit: str, words: str) -> Field[Factor]:
    """Return one over each factor. Raises ConfigurationError where its range holds zero."""

    def one_over(given: Factor) -> Factor:
        value, low, high = given.estimate.range
        if low <= 0.0:
            raise ConfigurationError(f"{factor.path}: {low:g} has no inverse; give numbers above 0")
        return of_estimate(given, Estimate(1.0 / value, 1.0 / high, 1.0 / low, unit, given.source), words)

    return factor.mapped(one_over)


def with_uncertainty(value_j: Field[Quantity], u_j: Field[float]) -> Field[Factor]:
    """Return joules with a standard uncertainty. Raises ConfigurationError where the value has a range already."""

    def stated(pair: tuple[Quantity, float]) -> Factor:
        if not isinstance(pair[0], float | int):
            raise ConfigurationError(f"{value_j.path}: it has a range already; remove j_per_inference_u")
        source = "stated in the scenario"
        estimate = measured_estimate(usable(pair[0], value_j.path), pair[1], JOULE, source)
        return own_factor(value_j.path, value_j.path, estimate, "as stated in the scenario", source)

    return joined(value_j, u_j).mapped(stated)


def measured_estimate(value: float, u: float, unit: str, source: str) -> Estimate:
    """Return a figure with a standard uncertainty; the range of a positive one ends at 0, as no device gives energy.

    A negative value (a meter whose offset is larger than what it measures) keeps its range.
    """
    normal = from_standard_uncertainty(value, u, unit, source)
    return normal if value < 0.0 else Estimate(value, max(normal.low, 0.0), normal.high, unit, source)


def own_factor(
    name: str, title: str, estimate: Estimate, scope: str, source: str, *, vintage: str = SCENARIO, label: str = ""
) -> Factor:
    """Return a factor that belongs to the user."""
    return Factor(
        id=name, name=title, estimate=estimate, scope=scope, source=source, licence="user's own", vintage=vintage,
        method=source, label=label,
    )  # fmt: skip


def of_estimate(factor: Factor, estimate: Estimate, words: str) -> Factor:
    """Return what was computed from a factor, under its id, with all that was said of it."""
    return Factor(
        id=factor.id,
        name=f"{factor.name}, {words}",
        estimate=estimate,
        scope=factor.scope,
        source=factor.source,
        licence=factor.licence,
        vintage=factor.vintage,
        method=factor.method,
        label=factor.label,
    )


def checked(figures: tuple[float, float, float], unit: str, source: str, path: str) -> Estimate:
    """Return value, low and high as an estimate. Raises ConfigurationError unless they are in order and usable."""
    try:
        return Estimate(figures[0], usable(figures[1], path), usable(figures[2], path), unit, source)
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def usable(value: float, path: str) -> float:
    """Return a number from 0 to 1e12. Raises ConfigurationError for another."""
    if not abs(value) <= LARGEST:
        raise ConfigurationError(f"{path}: {value:g} is not a usable number; give one from 0 to {LARGEST:g}")
    if value < 0.0:
        raise ConfigurationError(f"{path}: {value:g} is negative; this quantity cannot be")
    return float(value)


def each(field: Field[Factor], check: Callable[[Factor], None]) -> Field[Factor]:
    """Return the field after ``check`` has looked at each factor."""
    for factor in field.values:
        check(factor)
    return field


def _shipped(name: str, path: str, unit: str) -> Factor:
    by_unit = _factors(unit)
    if not by_unit:
        raise ConfigurationError(
            f"{path}: no shipped factor is in {unit}; give a number, or {{ value, low, high, source }}"
        )
    try:
        return require_factor(by_unit, name, path)
    except ConfigurationError as error:
        every = tuple(factor for table in _TABLES for factor in shipped_factors(table))
        other = next(
            (one for one in every if name.casefold() in {one.id.casefold(), *map(str.casefold, one.aliases)}), None
        )
        if other is None:
            raise
        raise ConfigurationError(f"{path}: {name!r} is in {other.estimate.unit}, and {unit} is needed here") from error


@cache
def _factors(unit: str) -> tuple[Factor, ...]:
    every = (factor for table in _TABLES for factor in shipped_factors(table))
    return tuple(factor for factor in every if factor.estimate.unit == unit)
