"""The stores that a configuration names, brought into being: what is there, what is missing, what is made."""

from typing import Final, Literal

import msgspec

from collector.build import influx_admin
from collector.sinks.influx_admin import S_PER_DAY, Admin, Found, SetupError
from collector.store_config import InfluxConfig

State = Literal["there", "created", "changed", "missing", "different", "unknown", "failed"]
GOOD: Final = frozenset({"there", "created", "changed"})


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """One database or bucket, what it is for, how it is, and in words what was found or done."""

    kind: Literal["database", "bucket"]
    name: str
    holds: Literal["windows", "hourly sums"]
    retention_days: int
    state: State
    text: str


def set_up_stores(influxdb: InfluxConfig, *, dry_run: bool) -> list[Store]:
    """Create what is missing and correct what is kept too long or too short; change nothing with ``dry_run``.

    Raises ConfigurationError for an address that is none or a secret that cannot be read.
    """
    admin = influx_admin(influxdb)
    wanted = [(influxdb.store, influxdb.retention_days, "windows")]
    if influxdb.hourly is not None:
        wanted.append((influxdb.hourly_store, influxdb.hourly.retention_days, "hourly sums"))
    stores = []
    for name, days, holds in wanted:
        try:
            state, text = _set_up(admin, name, days, dry_run=dry_run)
        except SetupError as error:
            state, text = "failed", str(error)
        kind = "bucket" if influxdb.api == "v2" else "database"
        fields = {"kind": kind, "name": name, "holds": holds, "retention_days": days, "state": state, "text": text}
        stores.append(msgspec.convert(fields, Store))
    return stores


def _set_up(admin: Admin, name: str, days: int, *, dry_run: bool) -> tuple[State, str]:
    found = admin.find(name)
    if found is None:
        if dry_run:
            return "missing", f"is not there; it would keep its points {_span(days * S_PER_DAY)}"
        admin.create(name, days * S_PER_DAY)
        return "created", f"created; it keeps its points {_span(days * S_PER_DAY)}"
    return _correct(admin, name, found, days, dry_run=dry_run)


def _correct(admin: Admin, name: str, found: Found, days: int, *, dry_run: bool) -> tuple[State, str]:
    if found.retention_s is None:
        return "unknown", "is there; the server does not tell how long it keeps its points"
    if found.retention_s == days * S_PER_DAY:
        return "there", f"is there and keeps its points {_span(found.retention_s)}"
    change = f"{_span(found.retention_s)}, and not {_span(days * S_PER_DAY)}"
    if dry_run:
        return "different", f"keeps its points {change} as retention_days says"
    admin.change(name, found, days * S_PER_DAY)
    return "changed", f"kept its points {change}: changed"


def _span(retention_s: int) -> str:
    if retention_s == 0:
        return "for ever"
    days, rest = divmod(retention_s, S_PER_DAY)
    return f"{days} days" if not rest else f"{retention_s / 3600:g} hours"
