"""InfluxQL on what collectors report of each device: the ledger of its windows, and whether it is heard.

Collectors that share the messages of a fleet each report what they know. What they stored or refused adds up, what a
device sent or declared dropped is the most that any of them knows, and none of them knows alone what is pending or
missing. A device is silent when all of them hold it for silent.
"""

from typing import Final

from .queries import DEVICES, LEDGER, group, source

DEVICE: Final = ("fleet", "device")
_WRITER: Final = (*DEVICE, "collector")
_MOST_KNOWN: Final = frozenset({"sent", "dropped"})


def total(field: str) -> str:
    """Return the latest count of the ledger over all devices."""
    return f'SELECT SUM("one") FROM ({of_devices({field: "one"}, by=DEVICE)})'  # noqa: S608  all words are our own


def each_of_devices(names: dict[str, str]) -> list[str]:
    """Return the latest counts of each device, a query for each: together a server would read all points for each."""
    return [of_devices({field: name}) for field, name in names.items()]


def of_devices(names: dict[str, str], *, by: tuple[str, ...] = ("device", "fleet")) -> str:
    """Return the latest counts of each device. ``names``: of the columns, by field."""
    latest = ", ".join(f'LAST("{field}") AS "{field}"' for field in names)
    each = f"SELECT {latest} FROM {source(LEDGER)}{group(_WRITER)}"  # noqa: S608
    columns = ", ".join(f'{_together(field)} AS "{name}"' for field, name in names.items())
    return f"SELECT {columns} FROM ({each}){group(by)}"  # noqa: S608


def over_devices(field: str) -> str:
    """Return over time a count of each fleet's ledger: the sum of the most that each device had within a step."""
    grouping = 'GROUP BY time($__interval), "fleet"'
    each = f'SELECT MAX("{field}") AS "most" FROM {source(LEDGER)} {grouping}, "device" fill(none)'  # noqa: S608
    return f'SELECT SUM("most") FROM ({each}) WHERE $timeFilter {grouping} fill(null)'  # noqa: S608


def stored_ratio() -> str:
    """Return stored windows over those sent, over all devices."""
    counts = of_devices({"stored": "stored", "sent": "sent"}, by=DEVICE)
    return f'SELECT 1.0 * SUM("stored") / SUM("sent") FROM ({counts}) WHERE "sent" > 0'  # noqa: S608


def heard(*, by: tuple[str, ...] = ("device", "fleet")) -> str:
    """Return for each device how long ago it was heard (s) and whether it is online (0 or 1), in two columns."""
    each = (
        f'SELECT LAST("last_seen_age_s") AS "age", LAST("online") AS "online" '  # noqa: S608
        f"FROM {source(DEVICES)}{group(_WRITER)}"
    )
    return f'SELECT MIN("age") AS "last heard", MAX("online") AS "online" FROM ({each}){group(by)}'  # noqa: S608


def silent() -> str:
    """Return how many devices are silent."""
    return f'SELECT SUM("silent") FROM (SELECT 1 - "online" AS "silent" FROM ({heard(by=DEVICE)}))'  # noqa: S608


def count_without(field: str) -> str:
    """Return of how many devices the latest report says 0 of a yes or no."""
    latest = f'SELECT 1 - LAST("{field}") AS "without" FROM {source(DEVICES)}{group(DEVICE)}'  # noqa: S608
    return f'SELECT SUM("without") FROM ({latest})'  # noqa: S608


def _together(field: str) -> str:
    return f'{"MAX" if field in _MOST_KNOWN else "SUM"}("{field}")'
