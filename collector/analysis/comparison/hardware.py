"""From what a scenario says of hardware to its parts, and to how their mass is charged."""

from typing import Final

from collector.analysis.comparison.fields import Field, Fields, joined, numbers
from collector.analysis.comparison.problem import Life, MassColumn
from collector.analysis.comparison.quantities import optional
from collector.carbon.amortisation import Policy
from collector.carbon.embodied import Part
from collector.carbon.factors import Factor
from collector.carbon.units import KGCO2E
from collector.inventory import hardware_parts
from edge_agent.wire.errors import ConfigurationError

_BELONGS: Final[dict[str, Policy]] = {
    "lifetime_uses": "by_use", "year": "front_loaded", "decline_ratio": "front_loaded",
}  # fmt: skip
Bill = tuple[Part, ...]


def device_mass(table: Fields) -> Field[Bill]:
    """Return a device's parts: of a board of the tables with its card, or a mass as one. Raises ConfigurationError."""
    hardware, own = table.get("hardware"), optional(table, "embodied_kgco2e", KGCO2E)
    if own is not None:
        if hardware is not None or table.has("sd_card_gb"):
            raise ConfigurationError(
                f"{table.path}: give hardware (with sd_card_gb), or embodied_kgco2e of the whole, not both"
            )
        return own.mapped(lambda factor: (Part(name="device", factor=factor),))
    if hardware is None:
        raise ConfigurationError(
            f"{table.path}: name its hardware (see: edgejoule carbon embodied) or give embodied_kgco2e"
        )
    card = table.get("sd_card_gb") or Field(table.where("sd_card_gb"), (None,))
    return joined(hardware, card).mapped(lambda both: hardware_parts(both[0], both[1], table.path))


def server_mass(table: Fields) -> Field[Bill]:
    """Return a machine's parts: itself, and accelerators beside it. Raises ConfigurationError."""
    machine = optional(table, "embodied_kgco2e", KGCO2E)
    assert machine is not None, "a cloud's table has it"
    accelerator = optional(table, "accelerator_embodied_kgco2e", KGCO2E)
    count = table.get("accelerator_count")
    assert count is not None, "it has a default"
    if accelerator is None:
        if count.place is not None or count.only != 1:
            raise ConfigurationError(
                f"{table.where('accelerator_count')}: of what? give accelerator_embodied_kgco2e, the mass of one"
            )
        return machine.mapped(lambda factor: (Part(name="machine", factor=factor),))
    return joined(machine, accelerator, count).mapped(lambda all_of: _with_accelerators(*all_of))


def mass(bills: Field[Bill]) -> MassColumn:
    """Return a field of bills as a column."""
    return MassColumn(bills.values, bills.place)


def life(table: Fields) -> Life:
    """Return how a mass is charged, in cases of one policy. Raises ConfigurationError for numbers that are missing."""
    policy = table.get("policy")
    assert policy is not None, "it has a default"
    chosen: Policy = policy.only
    for name, of in _BELONGS.items():
        if of == chosen and not table.has(name):
            raise ConfigurationError(f'{table.where(name)}: policy = "{chosen}" needs it; add it, or another policy')
    return Life(
        policy=chosen,
        lifetime_years=numbers(table.get("lifetime_years")),
        lifetime_uses=numbers(table.get("lifetime_uses")) if chosen == "by_use" else None,
        year=numbers(table.get("year")) if chosen == "front_loaded" else None,
        decline_ratio=numbers(table.get("decline_ratio")) if chosen == "front_loaded" else None,
    )


def check_life(table: Fields) -> None:
    """Raise ConfigurationError for a number that belongs to a policy which no case has."""
    policy = table.get("policy")
    for name, of in _BELONGS.items():
        if table.has(name) and (policy is None or of not in policy.values):
            raise ConfigurationError(f'{table.where(name)}: it belongs to policy = "{of}"; add that, or remove it')


def _with_accelerators(machine: Factor, accelerator: Factor, count: int) -> Bill:
    beside = Part(name="accelerators", factor=accelerator, quantity=float(count))
    return Part(name="machine", factor=machine), beside
