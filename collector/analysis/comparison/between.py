"""What stands between both sides: the network by both models, and the thin client that remains at the edge."""

from typing import Final

import numpy as np

from collector.analysis.comparison.fields import Field, Fields, numbers
from collector.analysis.comparison.hardware import device_mass, life, mass
from collector.analysis.comparison.intensities import KnownGrid, grid
from collector.analysis.comparison.problem import Column, EdgeSide, MassColumn, Network, ThinClient
from collector.analysis.comparison.quantities import column, optional, optional_column, own_factor
from collector.carbon.estimate import F64, exactly
from collector.carbon.factors import Factor
from collector.carbon.units import JOULE, KWH_PER_GB
from collector.data.tables import NETWORK_ENERGY, require_factor, shipped_factors
from edge_agent.wire.errors import ConfigurationError

STRUCTURAL: Final = ("access", "same_board", "policy")
"""What changes how these are computed: cases that differ in it are told apart."""
BITS_PER_BYTE: Final = 8.0
_OF_HARDWARE: Final = (
    "hardware", "sd_card_gb", "embodied_kgco2e", "lifetime_years", "policy", "lifetime_uses", "year", "decline_ratio",
    "price_per_device",
)  # fmt: skip
_THERE_ANYWAY: Final = (
    "the board is there anyway, so its waiting and its making are charged to neither side (attribution = shared)"
)


def network(table: Fields, place: Field[KnownGrid]) -> tuple[Network, tuple[str, ...]]:
    """Return the way in cases of one access type, and gaps. Raises ConfigurationError."""
    access = table.get("access")
    assert access is not None, "it is needed"
    average = optional(table, "average_kwh_per_gb", KWH_PER_GB)
    marginal = optional(table, "marginal_kwh_per_gb", KWH_PER_GB)
    of_marginal = "fixed" if access.only == "wifi" else access.only  # a router that is on anyway changes nothing
    sent, received = numbers(table.get("payload_up_bytes")), numbers(table.get("payload_down_bytes"))
    latency_s, gaps = _latency(table, sent, received)
    way = Network(
        access=access.only,
        average=_shipped(f"network-average-{access.only}", access.path) if average is None else column(average),
        marginal=_shipped(f"network-marginal-{of_marginal}", access.path) if marginal is None else column(marginal),
        grid=grid(place),
        sent_bytes=sent,
        received_bytes=received,
        latency_s=latency_s,
        price_per_gb=numbers(table.get("price_per_gb")),
    )
    return way, gaps


def thin_client(table: Fields, edge: EdgeSide) -> tuple[ThinClient, tuple[str, ...]]:
    """Return what remains at the edge in the cloud case, and gaps. Raises ConfigurationError."""
    same = table.get("same_board")
    own = optional(table, "idle_power_w", "W")
    energy = optional_column(optional(table, "j_per_inference", JOULE))
    if same is None or not same.only:
        return _other_board(table, own, energy), ()
    given = table.given(*_OF_HARDWARE)
    if given:
        raise ConfigurationError(
            f"{table.where(given[0])}: with same_board = true it is the edge's; remove it, or same_board"
        )
    if edge.attribution == "shared":
        nothing = own_factor(
            table.where("idle_power_w"), "idle power that is charged to others", exactly(0.0, "W", _THERE_ANYWAY),
            "as edge.attribution says", _THERE_ANYWAY,
        )  # fmt: skip
        nobody = MassColumn(((),))
        free = np.array([0.0 if np.all(np.isfinite(edge.price_per_device)) else np.nan])
        client = ThinClient(edge.name, Column((nothing,)), energy, nobody, edge.life, free)
        return client, (f"{edge.name}: {_THERE_ANYWAY}",)
    idle = edge.idle_power if own is None else column(own)
    assert idle is not None, "a dedicated edge has it"
    return ThinClient(edge.name, idle, energy, edge.mass, edge.life, edge.price_per_device, same_board=True), ()


def _other_board(table: Fields, idle: Field[Factor] | None, energy: Column | None) -> ThinClient:
    if idle is None:
        raise ConfigurationError(
            f"{table.where('idle_power_w')}: it waits all day; state its power, or same_board = true"
        )
    if not table.has("lifetime_years"):
        raise ConfigurationError(f"{table.where('lifetime_years')}: its hardware needs a life; add it")
    if not table.has("policy"):
        table = table.with_field("policy", "linear_in_time")
    name = table.get("name")
    return ThinClient(
        name="thin client" if name is None else name.only,
        idle_power=column(idle),
        energy=energy,
        mass=mass(device_mass(table)),
        life=life(table),
        price_per_device=numbers(table.get("price_per_device")),
    )


def _shipped(name: str, path: str) -> Column:
    return Column((require_factor(shipped_factors(NETWORK_ENERGY), name, path),))


def _latency(table: Fields, sent: F64, received: F64) -> tuple[F64, tuple[str, ...]]:
    """Return seconds there and back with both transfers, NaN where something is not stated."""
    latency_s = numbers(table.get("round_trip_s"))
    missing = [] if table.has("round_trip_s") else ["round_trip_s"]
    for name, moved in (("bandwidth_up_bps", sent), ("bandwidth_down_bps", received)):
        if not np.any(moved):
            continue
        missing += [] if table.has(name) else [name]
        latency_s = latency_s + np.where(moved > 0.0, moved * BITS_PER_BYTE / numbers(table.get(name)), 0.0)
    if not missing:
        return latency_s, ()
    return latency_s, (f"the network's latency is unknown: {' and '.join(missing)} not stated",)
