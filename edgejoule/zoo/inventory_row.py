"""What the making of a model cost, as the ``[[model]]`` that a collector's inventory takes. Pure."""

from typing import Final

from edge_agent.wire.errors import ConfigurationError
from edgejoule.zoo.entry import Development, Family, ModelEntry
from edgejoule.zoo.text_files import toml_text

J_PER_KWH: Final = 3.6e6
NORMAL_90: Final = 1.6448536269514722
"""95 % quantile of the standard normal distribution: low and high of an inventory are P5 and P95."""

METHODS: Final = {
    "meter": "measured with an external meter",
    "rapl": "measured with RAPL",
    "cpu_time": "modelled from CPU time, not measured",
    "unknown": "by an unknown method",
}


def inventory_row(family: Family, model: ModelEntry, zone: str) -> str:
    """Return the TOML of one ``[[model]]`` table (collector/model_row.py), energy in ``zone``'s grid.

    Raises ConfigurationError where nobody knows what the making cost.
    """
    made = family.development
    if made is None:
        raise ConfigurationError(
            f"family {family.id!r}: nobody knows what its making cost; train it again (edgejoule models train), or "
            "write its row of the inventory by hand: energy_kwh or kgco2e"
        )
    value, low, high = (round_kwh(joules / J_PER_KWH) for joules in limits_j(made))
    lines = [
        "[[model]]",
        f"id = {toml_text(model.id)}",
        f"energy_kwh = {{ value = {value}, low = {low}, high = {high} }}",
        f"zone = {toml_text(zone)}",
        f"source = {toml_text(_source(family, made))}",
        f"vintage = {toml_text(made.date or 'not noted')}",
        f"licence = {toml_text(family.licence)}",
        "# One run of the recipe: put the number of all runs, searches and failures included, in runs.",
        "# runs = 1",
        "# For how many inferences it was made, in all places; absent, those of a report share the whole.",
        "# lifetime_inferences = 1e9",
        f"# All precisions of {family.id} come from this one run: list one of them, or divide energy_kwh among them.",
    ]
    if made.reused:
        lines.append(f"# Not in it: the making of {', '.join(made.reused)}, which this one builds on.")
    return "\n".join(lines) + "\n"


def limits_j(made: Development) -> tuple[float, float, float]:
    """Return the joules and their P5 and P95, as those of a normal distribution that ends at zero."""
    value_j, reach_j = made.development_energy_j, NORMAL_90 * made.development_energy_u_j
    return value_j, max(value_j - reach_j, 0.0), value_j + reach_j


def round_kwh(kwh: float) -> str:
    """Return a number of kWh as TOML, to four digits."""
    text = f"{kwh:.4g}"
    return text if {".", "e"} & set(text) else f"{text}.0"


def _source(family: Family, made: Development) -> str:
    return f"making of {family.id}, one run of its recipe, {METHODS[made.method]}; {made.boundary}; {made.processor}"
