"""Denmark in steps of five minutes, by price area: Energinet's Energi Data Service.

No key. ``CO2Emis`` is what was consumed, a quarter of an hour to an hour behind; ``CO2EmisProg`` is a forecast of nine
hours and more, and is asked for only after the last value of ``CO2Emis``. Both hold a row for each of DK1 (west) and
DK2 (east) in each step, so each question names one area and each row is checked. Answers come in pages. The server's
times are Danish unless a question says UTC. Whoever asks more than 40 times in 10 s is shut out for five minutes.
Documented at https://www.energidataservice.dk/guides/api-guides and at the pages of the two data sets.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.intensity.asking import client_of, refused_zone, unknown_zone
from collector.intensity.errors import SourceError
from collector.intensity.http import JsonClient, Params, Waits
from collector.intensity.slots import (
    MINUTE_NS,
    Slots,
    ceil_to,
    check_kind,
    floor_to,
    known_number,
    minute_text,
    told,
    unix_ns,
)
from collector.intensity.source import SourceKind, SourceOptions

URL: Final = "https://api.energidataservice.dk"
NAME: Final = "energidataservice"
STEP_NS: Final = 5 * MINUTE_NS
PAGE_ROWS: Final = 10_000
"""Rows asked for at once: a month of one area, about 1 MB."""

SHUT_OUT_S: Final = 300.0
AREAS: Final = ("DK1", "DK2")

PASSPORT: Final = SourcePassport(
    id=NAME,
    name="CO2 Emission and CO2 Emission Prognosis, Energi Data Service, Energinet (Denmark)",
    url="https://www.energidataservice.dk/tso-electricity/CO2Emis",
    scope=(
        "electricity consumed in a Danish price area, with exchange; CO2 of generating it, combined heat and power by "
        "the 125 % method, without the life cycle of plants and fuels"
    ),
    licence="CC-BY-4.0",
    method="the operator's near real-time calculation from production, exchange and consumption; forecast: schedules",
    may_ship=True,
)


class _Row(msgspec.Struct):
    at: str = msgspec.field(name="Minutes5UTC")
    area: str = msgspec.field(name="PriceArea")
    co2_g_per_kwh: float | None = msgspec.field(name="CO2Emission", default=None)


class _Page(msgspec.Struct):
    records: list[_Row]
    total: int | None = None


class Energidataservice:
    """Asks the Energi Data Service. Fits ``IntensitySource``. ``page_rows``: rows in one answer."""

    passport = PASSPORT
    kind: IntensityKind = "average"
    resolution_s = 300.0

    def __init__(
        self, client: JsonClient, zone_map: Mapping[str, str] | None = None, page_rows: int = PAGE_ROWS
    ) -> None:
        self._client = client
        self._zone_map = zone_map or {}
        self._page_rows = page_rows

    def fetch(self, zone: str, start_unix_ns: int, end_unix_ns: int, now_unix_ns: int) -> list[IntensityRevision]:
        """Return the steps of the stretch, forecasts after the last that is past. Raises SourceError."""
        area = self._area(zone)
        if area is None:
            raise refused_zone(SOURCE, zone)
        first, last = floor_to(start_unix_ns, STEP_NS), ceil_to(end_unix_ns, STEP_NS)
        found: list[IntensityRevision] = []
        if first < min(last, now_unix_ns):
            found = list(self._steps("CO2Emis", area, zone, (first, last, now_unix_ns)))
        ahead = max((one.valid_to_unix_ns for one in found), default=first)
        if ahead < last:
            found += self._steps("CO2EmisProg", area, zone, (ahead, last, now_unix_ns))
        return told(found, start_unix_ns, end_unix_ns)

    def check_zone(self, zone: str, where: str) -> None:
        """Raise ConfigurationError for a zone that is no Danish price area."""
        if self._area(zone) is None:
            raise unknown_zone(SOURCE, zone, where, zone.upper(), AREAS)

    def _area(self, zone: str) -> str | None:
        area = self._zone_map.get(zone, zone).upper().removeprefix("DK-")
        return area if area in AREAS else None

    def _steps(
        self, dataset: str, area: str, zone: str, span_and_now: tuple[int, int, int]
    ) -> Iterator[IntensityRevision]:
        start, end, now_unix_ns = span_and_now
        where = f"{self._client.url}/dataset/{dataset}"
        slots = Slots(source=NAME, zone=zone, kind=self.kind, now_unix_ns=now_unix_ns, where=where)
        for row in self._rows(dataset, area, start, end):
            value = known_number(row.co2_g_per_kwh)
            if row.area != area:
                raise SourceError(f"{where}: was asked for {area} and answers for {row.area}", retry=False)
            if value is not None:
                at = unix_ns(row.at, where)
                yield slots.slot(at, at + STEP_NS, value, is_forecast=dataset == "CO2EmisProg")

    def _rows(self, dataset: str, area: str, start: int, end: int) -> Iterator[_Row]:
        """Yield all rows, page by page. Sorted by time, rows that arrive meanwhile come after those already seen."""
        asked: Params = {
            "start": minute_text(start),
            "end": minute_text(end),
            "timezone": "UTC",
            "filter": json.dumps({"PriceArea": [area]}, separators=(",", ":")),
            "columns": "Minutes5UTC,PriceArea,CO2Emission",
            "sort": "Minutes5UTC",
            "limit": self._page_rows,
        }
        where = f"{self._client.url}/dataset/{dataset}"
        offset, most_rows = 0, (end - start) // STEP_NS
        while True:
            page = self._client.get_json(f"/dataset/{dataset}", {**asked, "offset": offset}, _Page)
            yield from page.records
            offset += len(page.records)
            if offset > most_rows:
                text = f"{where}: gives {offset} rows for {most_rows} steps; is it one area's, page by page?"
                raise SourceError(text, retry=False)
            if offset >= page.total if page.total is not None else len(page.records) < self._page_rows:
                return
            if not page.records:
                raise SourceError(f"{where}: promises {page.total} rows and gives {offset}", retry=True)


def build(options: SourceOptions) -> Energidataservice:
    """Return the source. Raises ConfigurationError."""
    check_kind(options.kind, SOURCE.kinds, NAME)
    client = client_of(
        options,
        URL,
        waits=Waits(too_many_s=SHUT_OUT_S),
    )
    return Energidataservice(client, options.zone_map)


SOURCE = SourceKind(
    name=NAME,
    passport=PASSPORT,
    kinds=("average",),
    zones_help="the Danish price areas DK1 (west) and DK2 (east)",
    needs_key="",
    build=build,
)
