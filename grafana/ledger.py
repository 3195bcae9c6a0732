"""InfluxQL on the ledger, the collector's count of every device's windows.

One collector writes one line for each device. Collectors that share the messages of a fleet each write their own: what
they stored or refused adds up, what a device sent or declared dropped is the most that any of them knows, and none of
them knows alone what is pending or missing.
"""

from typing import Final

from .queries import LEDGER, group, source

DEVICE: Final = ("fleet", "device")
_WRITER: Final = (*DEVICE, "collector")
_MOST_KNOWN: Final = frozenset({"sent", "dropped"})


def total(field: str) -> str:
    """Return the latest count over all devices."""
    return f'SELECT SUM("one") FROM ({of_devices({field: "one"}, by=DEVICE)})'  # noqa: S608  all words are our own


def of_devices(names: dict[str, str], *, by: tuple[str, ...] = ("device", "fleet")) -> str:
    """Return the latest counts of each device. ``names``: of the columns, by field."""
    latest = ", ".join(f'LAST("{field}") AS "{field}"' for field in names)
    each = f"SELECT {latest} FROM {source(LEDGER)}{group(_WRITER)}"  # noqa: S608
    columns = ", ".join(f'{_together(field)} AS "{name}"' for field, name in names.items())
    return f"SELECT {columns} FROM ({each}){group(by)}"  # noqa: S608


def stored_ratio() -> str:
    """Return stored windows over those sent, over all devices."""
    counts = of_devices({"stored": "stored", "sent": "sent"}, by=DEVICE)
    return f'SELECT SUM("stored") / SUM("sent") FROM ({counts}) WHERE "sent" > 0'  # noqa: S608


def _together(field: str) -> str:
    return f'{"MAX" if field in _MOST_KNOWN else "SUM"}("{field}")'
