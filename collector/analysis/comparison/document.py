"""From a scenario file and a file of cases to tables in which every field knows its value in each case."""

import datetime as dt
import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec
import numpy as np

from collector.analysis.comparison.fields import Field, Fields
from collector.analysis.comparison.grid import Cases, Variation, labels, product, variation
from collector.analysis.comparison.problem import I64, Axis
from collector.analysis.comparison.scenario import (
    CloudTable,
    EdgeTable,
    NetworkTable,
    PricesTable,
    Text,
    ThinClientTable,
    UnitTable,
)
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.toml_config import convert_document

_NO_THIN_CLIENT: Final = (
    "thin_client is missing: say what remains at the edge when the cloud infers, as a table [thin_client] "
    '(same_board = true: the edge\'s own board), or thin_client = "none" on purpose'
)
_ONE_VALUE: Final = frozenset({"name", "currency"})
_UNIT_VARIES: Final = frozenset({"inferences_per_day"})
Raw = dict[str, Any]


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which tables there are; what is in them is looked at one by one."""

    title: Text
    unit: Raw
    edge: Raw | list[Raw]
    cloud: Raw | list[Raw]
    network: Raw
    thin_client: Raw | Literal["none"] | None = None
    prices: Raw | None = None


@dataclass(frozen=True, slots=True)
class GivenCases:
    """A file of cases: by path, its distinct values, and which of them each row has."""

    count: int
    columns: dict[str, tuple[tuple[object, ...], I64]]
    where: str


@dataclass(frozen=True, slots=True)
class Tables:
    """A scenario in all cases. ``edges``, ``clouds``: by name, in the order of the file."""

    title: str
    cases: Cases
    unit: Fields
    edges: dict[str, Fields]
    clouds: dict[str, Fields]
    network: Fields
    thin_client: Fields | None
    prices: Fields | None


@dataclass(slots=True)
class _Slot:
    """One table: ``paths``: what leads to it, its own first. ``varied``: by key, the axis's name and its values."""

    paths: tuple[str, ...]
    raw: Raw
    into: type[msgspec.Struct]
    varied: dict[str, tuple[str, Variation]] = field(default_factory=dict)


def read_tables(document: Raw, given: GivenCases | None = None, reference_case: int | None = None) -> Tables:
    """Return the scenario in all cases. Raises ConfigurationError with the key and the remedy."""
    plain = _plain(document, "")
    whole = convert_document(plain, _Document, "the file")
    if whole.thin_client is None:
        raise ConfigurationError(_NO_THIN_CLIENT)
    edges, clouds = _candidates(whole.edge, "edge", EdgeTable), _candidates(whole.cloud, "cloud", CloudTable)
    unit = _Slot(("unit",), whole.unit, UnitTable)
    network = _Slot(("network",), whole.network, NetworkTable)
    client = whole.thin_client
    thin_client = None if client == "none" else _Slot(("thin_client",), client, ThinClientTable)
    prices = None if whole.prices is None else _Slot(("prices",), whole.prices, PricesTable)
    slots = [unit, *edges.values(), *clouds.values(), network]
    slots += [slot for slot in (thin_client, prices) if slot is not None]
    for slot in slots:
        _find_variations(slot)
    for side, candidates in (("edge", edges), ("cloud", clouds)):
        _join_variations(side, list(candidates.values()))
    places = {} if given is None else _take_columns(slots, given)
    typed = {slot.paths[0]: _typed(slot) for slot in slots}
    axes = _axes(slots, typed)
    cases = product(axes) if given is None else Cases(given.count, tuple(axes), places, 0)
    if reference_case is not None:
        cases = cases.seen_from(reference_case)
    made = {slot.paths[0]: _fields(slot, *typed[slot.paths[0]], cases) for slot in slots}
    return Tables(
        title=whole.title,
        cases=cases,
        unit=made["unit"],
        edges={name: made[slot.paths[0]] for name, slot in edges.items()},
        clouds={name: made[slot.paths[0]] for name, slot in clouds.items()},
        network=made["network"],
        thin_client=None if thin_client is None else made["thin_client"],
        prices=None if prices is None else made["prices"],
    )


def _plain(value: Any, place: str) -> Any:
    """Return the document with dates as text. Raises ConfigurationError for a number that is none."""
    if isinstance(value, dict):
        return {key: _plain(entry, f"{place}.{key}".lstrip(".")) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry, place) for entry in value]
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(f"{place}: {value} is not a usable number; give a finite one")
    return value


def _candidates(given: Raw | list[Raw], side: str, into: type[msgspec.Struct]) -> dict[str, _Slot]:
    tables = [given] if isinstance(given, dict) else given
    if not tables:
        raise ConfigurationError(f"{side}: there is none; add a table [{side}]")
    found: dict[str, _Slot] = {}
    for raw in tables:
        name = raw.get("name")
        if len(tables) > 1 and name is None:
            raise ConfigurationError(f"{side}: of several [[{side}]] each needs a name; add name to each of them")
        key = side if name is None else str(name)
        if key in found:
            raise ConfigurationError(f"{side}: the name {key!r} stands twice; give each candidate its own")
        own = side if len(tables) == 1 else f"{side}.{key}"
        also = () if name is None or len(tables) > 1 else (f"{side}.{key}",)
        everyone = (side,) if len(tables) > 1 else ()
        found[key] = _Slot((own, *also, *everyone), raw, into)
    return found


def _find_variations(slot: _Slot) -> None:
    for key, value in slot.raw.items():
        path = f"{slot.paths[0]}.{key}"
        varied = variation(value, path)
        if varied is None:
            continue
        _check_may_vary(slot, key, path)
        slot.varied[key] = path, varied


def _join_variations(side: str, slots: list[_Slot]) -> None:
    """Make one axis of what varies alike in every candidate of a side: they stand in the same place."""
    for key, (_, varied) in dict(slots[0].varied).items() if len(slots) > 1 else ():
        if all(key in slot.varied and slot.varied[key][1] == varied for slot in slots):
            for slot in slots:
                slot.varied[key] = f"{side}.{key}", varied


def _check_may_vary(slot: _Slot, key: str, path: str) -> None:
    if key in _ONE_VALUE or (slot.into is UnitTable and key not in _UNIT_VARIES):
        raise ConfigurationError(f"{path}: it is the same in all cases; give one value, and a scenario for each other")


def _take_columns(slots: list[_Slot], given: GivenCases) -> dict[str, I64]:
    """Give each field that the file of cases names its values, and return each column's places.

    Raises ConfigurationError for a column that is no field, and for fields that vary in the scenario besides.
    """
    places: dict[str, I64] = {}
    for path, (cells, place) in given.columns.items():
        table, _, key = path.rpartition(".")
        to = [slot for slot in slots if table in slot.paths]
        if not to:
            paths = ", ".join(dict.fromkeys(path for slot in slots for path in slot.paths))
            raise ConfigurationError(f"{given.where}: the column {path!r} is in no table of the scenario: {paths}")
        types = field_types(to[0].into)
        if key not in types:
            near = difflib.get_close_matches(key, types)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it knows {', '.join(types)}"
            raise ConfigurationError(f"{given.where}: the column {path!r} is no field of {table}; {hint}")
        values, places[path] = _merged([_plain(_from_text(cell, types[key]), path) for cell in cells], place)
        _check_cells(values, places[path], types[key], (given.where, path))
        for slot in to:
            _check_may_vary(slot, key, f"{given.where}: {path}")
            before = slot.varied.get(key, (path,))[0]
            if before != path and before in given.columns:
                raise ConfigurationError(f"{given.where}: {path} and {before} both give it; remove one")
            slot.varied[key] = path, Variation(values)
    left = [name for slot in slots for name, _ in slot.varied.values() if name not in given.columns]
    if left:
        raise ConfigurationError(
            f"{left[0]}: it varies, beside {given.where}; give one value, or a column of that name"
        )
    return places


def _check_cells(values: tuple[object, ...], place: I64, kind: Any, at: tuple[str, str]) -> None:
    """Raise ConfigurationError that names the first row whose value the field cannot have."""
    where, path = at
    try:
        convert_document(list(values), list[kind], path)
    except ConfigurationError:
        for number, value in enumerate(values):
            row = int(np.argmax(place == number)) + 1
            convert_document(value, kind, f"{where}: row {row}: {path} = {value!r}")
        raise


def _merged(values: list[object], place: I64) -> tuple[tuple[object, ...], I64]:
    """Return each value once: 1000 and 1e3 are the same number."""
    order: dict[tuple[type, object], int] = {}
    renumbered = [order.setdefault((type(value), value), len(order)) for value in values]
    return tuple(value for _, value in order), np.array(renumbered, dtype=np.int64)[place]


def field_types(into: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the types of a table's fields by key."""
    return {one.encode_name: one.type for one in msgspec.structs.fields(into)}


def _typed(slot: _Slot) -> tuple[msgspec.Struct, dict[str, tuple[Any, ...]]]:
    """Return the table as the reference case has it, and by key the values of what varies, each of its type."""
    reference = dict(slot.raw)
    for key, (_, varied) in slot.varied.items():
        reference[key] = varied.values[varied.reference]
    types = field_types(slot.into)
    for key, (path, varied) in slot.varied.items():
        if varied.stepped and key in types and _whole_only(types[key]):
            slot.varied[key] = path, _rounded(varied)
            reference[key] = slot.varied[key][1].values[slot.varied[key][1].reference]
    table = convert_document(reference, slot.into, slot.paths[0])
    values = {
        key: tuple(convert_document(value, types[key], path) for value in varied.values)
        for key, (path, varied) in slot.varied.items()
    }
    return table, values


def _axes(slots: list[_Slot], typed: dict[str, tuple[msgspec.Struct, dict[str, tuple[Any, ...]]]]) -> list[Axis]:
    axes: dict[str, Axis] = {}
    for slot in slots:
        for key, (path, varied) in slot.varied.items():
            axes.setdefault(path, Axis(path, labels(typed[slot.paths[0]][1][key]), varied.reference))
    return list(axes.values())


def _fields(slot: _Slot, table: msgspec.Struct, values: dict[str, tuple[Any, ...]], cases: Cases) -> Fields:
    found: dict[str, Field[Any]] = {}
    for one in msgspec.structs.fields(slot.into):
        path = f"{slot.paths[0]}.{one.encode_name}"
        if one.encode_name in values:
            place = cases.values[slot.varied[one.encode_name][0]]
            held = values[one.encode_name]
            found[one.name] = Field(path, held, place if len(held) > 1 else None)
        elif (value := getattr(table, one.name)) is not None:
            found[one.name] = Field(path, (value,))
    return Fields(slot.paths[0], found)


def _kinds(kind: Any) -> Iterator[Any]:
    info = msgspec.inspect.type_info(kind)
    yield from info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)


def _whole_only(kind: Any) -> bool:
    """Return whether a field is of whole numbers."""
    return any(isinstance(one, msgspec.inspect.IntType) for one in _kinds(kind))


def _rounded(varied: Variation) -> Variation:
    """Return a range's steps as whole numbers, each once."""
    values = [round(value) for value in varied.values if isinstance(value, float)]
    kept = list(dict.fromkeys(values))
    return Variation(tuple(kept), kept.index(values[varied.reference]))


def _from_text(value: object, kind: Any) -> object:
    """Return what a cell's text stands for: a number or a truth value where the field can be one."""
    if not isinstance(value, str):
        return value
    kinds = tuple(_kinds(kind))
    if any(isinstance(one, msgspec.inspect.BoolType) for one in kinds):
        return {"true": True, "false": False}.get(value.casefold(), value)
    if any(isinstance(one, msgspec.inspect.FloatType | msgspec.inspect.IntType) for one in kinds):
        try:
            number = float(value)
        except ValueError:
            return value
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return value
