"""ENTSO-E's Transparency Platform, document A75 alone, on loopback: power by production type as XML."""

import datetime as dt
from dataclasses import dataclass, field
from itertools import pairwise

from tests.fakes.json_server import Asked, Reply

TOKEN = "b6b9f4c2-0d0e-4a9c-9d38-not-a-real-token"
NAME_SPACE = "urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0"
ACKNOWLEDGEMENT = "urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0"


@dataclass(frozen=True)
class Series:
    """Power in MW of one type from ``start_unix_s`` on, one value for each step; None where none is published."""

    psr_type: str
    mw: list[float | None]
    start_unix_s: int
    step_s: int = 900
    consumed: bool = False
    curve: str = "A01"
    unit: str = "MAW"


@dataclass
class Platform:
    """What the platform knows, by area. ``no_data_status``: with which it says that it has nothing."""

    areas: dict[str, list[Series]] = field(default_factory=dict)
    no_data_status: int = 200

    def __call__(self, asked: Asked) -> Reply:
        params = asked.params
        if params.get("securityToken") != TOKEN:
            return acknowledgement("Unauthorized. Missing or invalid security token", 401)
        if asked.path != "/api" or (params["documentType"], params["processType"]) != ("A75", "A16"):
            return acknowledgement("Input parameter does not exist", 400)
        start, end = (_unix_s(params[name]) for name in ("periodStart", "periodEnd"))
        shown = [
            text for series in self.areas.get(params["in_Domain"], []) if (text := _series(series, params, start, end))
        ]
        if not shown:
            return acknowledgement("No matching data found for Data item [16.1.B&amp;C]", self.no_data_status)
        return Reply(body=document(shown), headers={"Content-Type": "text/xml"})


def document(series: list[str]) -> bytes:
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<GL_MarketDocument xmlns="{NAME_SPACE}"><type>A75</type>'
    return f"{head}{''.join(series)}</GL_MarketDocument>".encode()


def acknowledgement(text: str, status: int = 200) -> Reply:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Acknowledgement_MarketDocument xmlns="{ACKNOWLEDGEMENT}">'
    body += f"<mRID>1</mRID><Reason><code>999</code><text>{text}</text></Reason></Acknowledgement_MarketDocument>"
    return Reply(status, body.encode(), {"Content-Type": "text/xml"})


def series_xml(series: Series, area: str) -> str:
    """Return the whole of a series, as one document holds it."""
    return _series(series, {"in_Domain": area}, 0, 2**40)


def _series(series: Series, params: dict[str, str], start: int, end: int) -> str:
    first = max(0, -(-(start - series.start_unix_s) // series.step_s))
    last = min(len(series.mw), (end - series.start_unix_s) // series.step_s)
    values = series.mw[first:last] if last > first else []
    if not any(value is not None for value in values):
        return ""
    direction = "outBiddingZone_Domain.mRID" if series.consumed else "inBiddingZone_Domain.mRID"
    begin = series.start_unix_s + first * series.step_s
    return (
        f"<TimeSeries><mRID>1</mRID><businessType>A01</businessType><objectAggregation>A08</objectAggregation>"
        f'<{direction} codingScheme="A01">{params["in_Domain"]}</{direction}>'
        f"<quantity_Measure_Unit.name>{series.unit}</quantity_Measure_Unit.name><curveType>{series.curve}</curveType>"
        f"<MktPSRType><psrType>{series.psr_type}</psrType></MktPSRType>"
        f"<Period><timeInterval><start>{_text(begin)}</start><end>{_text(begin + len(values) * series.step_s)}</end>"
        f"</timeInterval><resolution>PT{series.step_s // 60}M</resolution>{_points(values, series.curve)}"
        "</Period></TimeSeries>"
    )


def _points(values: list[float | None], curve: str) -> str:
    """Return the points; of a curve A03 without those that repeat the one before."""
    kept = [(0, values[0])] if values else []
    kept += [(i, after) for i, (before, after) in enumerate(pairwise(values), 1) if curve == "A01" or after != before]
    return "".join(
        f"<Point><position>{i + 1}</position><quantity>{value!r}</quantity></Point>"
        for i, value in kept
        if value is not None
    )


def _unix_s(stamp: str) -> int:
    return int(dt.datetime.strptime(stamp, "%Y%m%d%H%M").replace(tzinfo=dt.UTC).timestamp())


def _text(unix_s: int) -> str:
    return dt.datetime.fromtimestamp(unix_s, dt.UTC).strftime("%Y-%m-%dT%H:%MZ")
