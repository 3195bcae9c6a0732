"""ENTSO-E's document of actual generation per production type (A75), from XML to power. Pure.

Schema: IEC 62325-451-6, GL_MarketDocument: TimeSeries, each of one production type (psrType), either generation
(inBiddingZone_Domain) or consumption (outBiddingZone_Domain), each with Periods of Points. Curve types: A01 gives
every position; A03 leaves out a position that repeats the one before, which is filled forward here to the end of its
period ("Introduction of different timeseries possibilities (curveTypes) with ENTSO-E electronic documents", 1.4).
"""

import datetime as dt
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from collector.intensity.errors import SourceError

NO_DATA: Final = "No matching data found"
"""What the platform says, in an acknowledgement, of a time and an area for which nothing is published."""

MAX_POSITIONS: Final = 110_000
"""Of one period: three years of quarters of an hour; the platform gives at most one year."""

_WATTS: Final = {"MAW": 1e6, "KWT": 1e3}
_STEP_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Block:
    """Power of one production type over ``[start_unix_ns, end_unix_ns)``, one or more steps of ``step_ns``.

    ``consumed``: drawn, not generated.
    """

    psr_type: str
    consumed: bool
    start_unix_ns: int
    end_unix_ns: int
    step_ns: int
    power_w: float


def parse_generation(body: bytes, where: str) -> list[Block]:
    """Return the blocks of a document, [] for one that says that nothing is published.

    Raises SourceError: with ``retry`` for half a document, without it for a refusal or another schema.
    """
    root = _root(body, where)
    if _name(root) == "Acknowledgement_MarketDocument":
        reasons = [
            text for element in root.iter() if _name(element) == "text" and (text := (element.text or "").strip())
        ]
        said = " ".join(" ".join(reasons).split()) or "no reason given"
        if NO_DATA in said:
            return []
        raise SourceError(f"{where}: refused: {said[:200]}", retry=False, said=said)
    if _name(root) != "GL_MarketDocument":
        raise SourceError(f"{where}: not as documented: {_name(root)} instead of GL_MarketDocument", retry=False)
    try:
        return [block for series in _all(root, "TimeSeries") for block in _blocks(series)]
    except ValueError as error:
        raise SourceError(f"{where}: not as documented: {error}; a newer edgejoule may know it", retry=False) from None


def _root(body: bytes, where: str) -> ET.Element:
    if body[:2] == b"PK":
        raise SourceError(f"{where}: a ZIP archive instead of one document; ask for a shorter time", retry=False)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError(f"{where}: the answer is no UTF-8 text", retry=True) from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise SourceError(f"{where}: the document declares types or entities, which none of ENTSO-E does", retry=False)
    try:
        return ET.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))  # noqa: S314  see above
    except ET.ParseError as error:
        raise SourceError(f"{where}: the answer is no XML: {error}", retry=True) from None


def _blocks(series: ET.Element) -> Iterator[Block]:
    psr_type = _text(_one(series, "MktPSRType"), "psrType")
    consumed = any(_name(child) == "outBiddingZone_Domain.mRID" for child in series)
    unit = _optional(series, "quantity_Measure_Unit.name") or "MAW"
    if unit not in _WATTS:
        raise ValueError(f"quantities of {psr_type!r} in {unit!r}, known: {', '.join(_WATTS)}")
    curve = _optional(series, "curveType") or "A01"
    if curve not in {"A01", "A03"}:
        raise ValueError(f"curve type {curve!r} of {psr_type!r}, known: A01 and A03")
    for period in _all(series, "Period"):
        for start, end, step_ns, quantity in _steps(period, fills=curve == "A03"):
            yield Block(psr_type, consumed, start, end, step_ns, quantity * _WATTS[unit])


def _steps(period: ET.Element, *, fills: bool) -> Iterator[tuple[int, int, int, float]]:
    """Return start, end, step and quantity of each point; ``fills``: up to the next one, else for one position."""
    interval = _one(period, "timeInterval")
    start_unix_ns, end_unix_ns = _unix_ns(_text(interval, "start")), _unix_ns(_text(interval, "end"))
    step_ns = resolution_s(_text(period, "resolution")) * _STEP_NS
    length_ns = end_unix_ns - start_unix_ns
    count = length_ns // step_ns
    if length_ns <= 0 or length_ns % step_ns or count > MAX_POSITIONS:
        raise ValueError(f"a period of {length_ns / 1e9:g} s with steps of {step_ns / 1e9:g} s")
    points = sorted(_point(point, count) for point in _all(period, "Point"))
    for (position, quantity), following in zip(points, [*points[1:], (count + 1, 0.0)], strict=True):
        if position == following[0]:
            raise ValueError(f"position {position} stands twice in a period")
        last = following[0] if fills else position + 1
        yield start_unix_ns + (position - 1) * step_ns, start_unix_ns + (last - 1) * step_ns, step_ns, quantity


def _point(point: ET.Element, count: int) -> tuple[int, float]:
    text = _text(point, "position"), _text(point, "quantity")
    if not re.fullmatch(r"[0-9]{1,6}", text[0]) or not 1 <= int(text[0]) <= count:
        raise ValueError(f"position {text[0]!r} in a period of {count}")
    quantity = float(text[1])
    if not math.isfinite(quantity):
        raise ValueError(f"quantity {text[1]!r} at position {text[0]}")
    return int(text[0]), quantity


def resolution_s(text: str) -> int:
    """Return the seconds of an ISO 8601 duration of days, hours and minutes. Raises ValueError for others."""
    found = re.fullmatch(r"P(?:([0-9]{1,3})D)?(?:T(?:([0-9]{1,4})H)?(?:([0-9]{1,4})M)?)?", text)
    days, hours, minutes = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    seconds = days * 86_400 + hours * 3_600 + minutes * 60
    if not seconds:
        raise ValueError(f"resolution {text!r}")
    return seconds


def _unix_ns(text: str) -> int:
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time {text!r} without a zone")
    return int(moment.timestamp()) * _STEP_NS


def _name(element: ET.Element) -> str:
    """Return an element's name without its name space, which differs between versions of the schema."""
    return element.tag.rpartition("}")[2]


def _all(parent: ET.Element, name: str) -> list[ET.Element]:
    return [child for child in parent if _name(child) == name]


def _one(parent: ET.Element, name: str) -> ET.Element:
    found = _all(parent, name)
    if len(found) != 1:
        raise ValueError(f"{len(found)} times {name} in {_name(parent)}")
    return found[0]


def _text(parent: ET.Element, name: str) -> str:
    return (_one(parent, name).text or "").strip()


def _optional(parent: ET.Element, name: str) -> str:
    return _text(parent, name) if _all(parent, name) else ""
