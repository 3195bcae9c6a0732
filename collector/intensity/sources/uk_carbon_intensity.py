"""Great Britain in half hours, national and by region: the Carbon Intensity API of NESO, the system operator.

No key. National slots have a forecast that stays as it was published and, once metered, an ``actual`` value that is
revised for about a day; while that is null, the slot's forecast is given. Regions have forecasts only, for past half
hours too, and are given as such. The server's ``from`` includes the slot that ends there, an answer spans 14 days at
most, and one that crosses the end of a year (UTC) stops half an hour before: it is asked in pieces that fit.
Documented at https://carbon-intensity.github.io/api-definitions; the end of a year: its issue 12.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.intensity.asking import client_of, refused_zone, unknown_zone
from collector.intensity.errors import SourceError
from collector.intensity.http import JsonClient
from collector.intensity.slots import (
    DAY_NS,
    HOUR_NS,
    Slots,
    ceil_to,
    check_kind,
    floor_to,
    known_number,
    minute_text,
    pieces,
    told,
    unix_ns,
    years,
)
from collector.intensity.source import SourceKind, SourceOptions

URL: Final = "https://api.carbonintensity.org.uk"
NAME: Final = "uk_carbon_intensity"
SLOT_NS: Final = HOUR_NS // 2
LONGEST_NS: Final = 14 * DAY_NS
FORECAST_NS: Final = 4 * DAY_NS
"""The API forecasts "96+ hours ahead"; more is not asked for."""

REGIONS: Final = {
    "North Scotland": 1,
    "South Scotland": 2,
    "North West England": 3,
    "North East England": 4,
    "Yorkshire": 5,
    "North Wales and Merseyside": 6,
    "South Wales": 7,
    "West Midlands": 8,
    "East Midlands": 9,
    "East England": 10,
    "South West England": 11,
    "South England": 12,
    "London": 13,
    "South East England": 14,
    "England": 15,
    "Scotland": 16,
    "Wales": 17,
}
"""Areas of the distribution network operators, and the three nations, by the API's region id."""

NATIONAL: Final = 0
ZONES: Final = (
    {"GB": NATIONAL, "GBR": NATIONAL, "UK": NATIONAL}
    | {f"GB-{number}": number for number in REGIONS.values()}
    | {f"GB-{name.upper().replace(' ', '-')}": number for name, number in REGIONS.items()}
)

PASSPORT: Final = SourcePassport(
    id=NAME,
    name="Carbon Intensity API, National Energy System Operator (Great Britain)",
    url="https://carbonintensity.org.uk",
    scope=(
        "electricity consumed in Great Britain or one of its regions, with imports and network losses; "
        "CO2 of generating it, without the life cycle of plants and fuels"
    ),
    licence="CC-BY-4.0",
    method=(
        "national: estimated from metered generation by fuel, the operator's forecast until then; "
        "regional: the operator's forecast from a model of the network"
    ),
    may_ship=True,
)


class _Values(msgspec.Struct):
    forecast: float | None = None
    actual: float | None = None


class _Slot(msgspec.Struct):
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    intensity: _Values


class _National(msgspec.Struct):
    data: list[_Slot]


class _Region(msgspec.Struct):
    regionid: int
    data: list[_Slot]


class _Regional(msgspec.Struct):
    data: _Region | list[_Region]


class UkCarbonIntensity:
    """Asks the Carbon Intensity API. Fits ``IntensitySource``."""

    passport = PASSPORT
    kind: IntensityKind = "average"
    resolution_s = 1_800.0

    def __init__(self, client: JsonClient, zone_map: Mapping[str, str] | None = None) -> None:
        self._client = client
        self._zone_map = zone_map or {}

    def fetch(self, zone: str, start_unix_ns: int, end_unix_ns: int, now_unix_ns: int) -> list[IntensityRevision]:
        """Return the half hours of the stretch: what is metered, else what is forecast. Raises SourceError."""
        region = self._region(zone)
        if region is None:
            raise refused_zone(SOURCE, zone)
        first = floor_to(start_unix_ns, SLOT_NS)
        last = ceil_to(min(end_unix_ns, now_unix_ns + FORECAST_NS), SLOT_NS)
        if minute_text(last).endswith("-01-01T00:00"):
            last += SLOT_NS  # the year's last half hour comes with the next year's first
        found = [
            revision
            for year_start, year_end in years(first, last)
            for start, end in pieces(year_start, year_end, LONGEST_NS)
            for revision in self._ask(region, zone, start, end, now_unix_ns)
        ]
        return told(found, start_unix_ns, end_unix_ns)

    def check_zone(self, zone: str, where: str) -> None:
        """Raise ConfigurationError, with near names, for a zone that is neither GB nor one of its regions."""
        if self._region(zone) is None:
            raise unknown_zone(SOURCE, zone, where, zone.upper(), ZONES)

    def _region(self, zone: str) -> int | None:
        return ZONES.get(self._zone_map.get(zone, zone).upper())

    def _ask(self, region: int, zone: str, start: int, end: int, now_unix_ns: int) -> list[IntensityRevision]:
        span = f"{minute_text(start)}Z/{minute_text(end)}Z"
        path = f"/intensity/{span}" if region == NATIONAL else f"/regional/intensity/{span}/regionid/{region}"
        where = f"{self._client.url}{path}"
        slots = Slots(source=NAME, zone=zone, kind=self.kind, now_unix_ns=now_unix_ns, where=where)
        if region == NATIONAL:
            said = self._client.get_json(path, {}, _National).data
        else:
            said = _slots_of(self._client.get_json(path, {}, _Regional), region, where)
        return [revision for slot in said if (revision := _revision(slot, slots)) is not None]


def _slots_of(answer: _Regional, region: int, where: str) -> list[_Slot]:
    found = answer.data if isinstance(answer.data, list) else [answer.data]
    if other := [one.regionid for one in found if one.regionid != region]:
        raise SourceError(f"{where}: the answer is about region {other[0]}", retry=False)
    return [slot for one in found for slot in one.data]


def _revision(slot: _Slot, slots: Slots) -> IntensityRevision | None:
    actual, forecast = known_number(slot.intensity.actual), known_number(slot.intensity.forecast)
    value = forecast if actual is None else actual
    if value is None:
        return None
    start, end = unix_ns(slot.start, slots.where), unix_ns(slot.end, slots.where)
    return slots.slot(start, end, value, is_forecast=actual is None)


def build(options: SourceOptions) -> UkCarbonIntensity:
    """Return the source. Raises ConfigurationError."""
    check_kind(options.kind, SOURCE.kinds, NAME)
    client = client_of(options, URL)
    return UkCarbonIntensity(client, options.zone_map)


SOURCE = SourceKind(
    name=NAME,
    passport=PASSPORT,
    kinds=("average",),
    zones_help="GB, and its regions as GB-1 to GB-17 or by name, such as GB-LONDON or GB-SOUTH-WALES",
    needs_key="",
    build=build,
)
