"""How clean the grid of a zone is, now and soon, as a collector tells its devices; schema version 1."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from edge_agent.wire.records import SCHEMA_VERSION, Identifier, NonNegative, Positive, UnixNs, _Record

MAX_SLOTS: Final = 400
"""Four days of quarters of an hour, and some."""


class GridSlot(_Record, frozen=True, kw_only=True):
    """From ``t_start_unix_ns`` on for ``duration_s`` one kilowatt-hour means so much.

    ``forecast``: it was not measured but foretold when the source said it.
    """

    t_start_unix_ns: UnixNs
    duration_s: Positive
    gco2e_per_kwh: NonNegative
    forecast: bool = False


class GridForecast(_Record, frozen=True, kw_only=True):
    """Retained on ``edgejoule/v1/{fleet}/grid/{zone}``: the slots in order of time, without overlap, maybe with holes.

    Average and marginal intensity are different kinds: a message holds one. ``source``: who said it. ``t_unix_ns``:
    when the collector published it. ``said_unix_ns``: when the source said the newest of it.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    zone: Identifier
    kind: Literal["average", "marginal"]
    source: str
    t_unix_ns: UnixNs
    said_unix_ns: UnixNs | None = None
    slots: Annotated[tuple[GridSlot, ...], Meta(max_length=MAX_SLOTS)] = ()
    simulated: bool = False
