"""Most grids of the world by the hour, life cycle included: Electricity Maps, API version 3.

Needs a token in ``key_file``. The last 24 hours (``history``) are open to every token, longer ago (``past-range``, ten
days an answer) and ahead (``forecast``, three days at most) to contracts that cover them: where a token may not ask
for those, what it may ask for is given and the rest stays unknown. The newest hours are estimated and are marked so.
An answer about another zone than the one asked for is refused: the server can fall back to where it thinks we are.
Documented at https://app.electricitymaps.com/developer-hub/api/reference. The data may not be passed on.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.intensity.asking import client_of, refused_zone, unknown_zone
from collector.intensity.errors import SourceError
from collector.intensity.http import JsonClient, Params
from collector.intensity.keys import read_key
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
)
from collector.intensity.source import SourceKind, SourceOptions

URL: Final = "https://api.electricitymaps.com"
NAME: Final = "electricity_maps"
LONGEST_NS: Final = 10 * DAY_NS
HORIZONS_H: Final = (6, 24, 48, 72)
NOT_COVERED: Final = frozenset({401, 402, 403})
ZONE_PATTERN: Final = re.compile(r"[A-Z]{2}(-[A-Z0-9]+){0,3}")
EXAMPLES: Final = ("DE", "FR", "GB", "NL", "PL", "DK-DK1", "DK-DK2", "NO-NO1", "SE-SE3", "US-CAL-CISO", "US-TEX-ERCO")

PASSPORT: Final = SourcePassport(
    id=NAME,
    name="Electricity Maps, carbon intensity",
    url="https://www.electricitymaps.com",
    scope="electricity consumed in a zone, with imports traced to their origin; life cycle of plants and fuels",
    licence="by contract with Electricity Maps; not to be passed on",
    method="flow tracing over hourly generation and exchange, missing values estimated by the source",
)


class _Hour(msgspec.Struct, rename="camel"):
    datetime: str
    carbon_intensity: float | None = None
    is_estimated: bool | None = False
    emission_factor_type: str | None = None


class _Answer(msgspec.Struct):
    zone: str
    history: list[_Hour] | None = None
    data: list[_Hour] | None = None
    forecast: list[_Hour] | None = None


class ElectricityMaps:
    """Asks Electricity Maps. Fits ``IntensitySource``."""

    passport = PASSPORT
    kind: IntensityKind = "average"
    resolution_s = 3_600.0

    def __init__(self, client: JsonClient, zone_map: Mapping[str, str] | None = None) -> None:
        self._client = client
        self._zone_map = zone_map or {}

    def fetch(self, zone: str, start_unix_ns: int, end_unix_ns: int, now_unix_ns: int) -> list[IntensityRevision]:
        """Return the hours of the stretch that the token may know. Raises SourceError, also if it may know none."""
        if not ZONE_PATTERN.fullmatch(self._code(zone)):
            raise refused_zone(SOURCE, zone)
        slots = Slots(source=NAME, zone=zone, kind=self.kind, now_unix_ns=now_unix_ns, where=self._client.url)
        found: list[IntensityRevision] = []
        refused: SourceError | None = None
        for ask in (self._past, self._ahead):
            try:
                found += ask(slots, start_unix_ns, end_unix_ns)
            except SourceError as error:
                if error.status not in NOT_COVERED:
                    raise
                refused = refused or error
        result = told(found, start_unix_ns, end_unix_ns)
        if refused is not None and not result:
            raise refused
        return result

    def check_zone(self, zone: str, where: str) -> None:
        """Raise ConfigurationError for what cannot be a zone; whether the server has it is known when it is asked."""
        code = self._code(zone)
        if not ZONE_PATTERN.fullmatch(code):
            raise unknown_zone(SOURCE, zone, where, code, (*EXAMPLES, code[:2]))

    def _code(self, zone: str) -> str:
        return self._zone_map.get(zone, zone).upper()

    def _past(self, slots: Slots, start_unix_ns: int, end_unix_ns: int) -> list[IntensityRevision]:
        now = slots.now_unix_ns
        first, last = floor_to(start_unix_ns, HOUR_NS), ceil_to(min(end_unix_ns, now), HOUR_NS)
        if first > now:
            return []
        if first > now - DAY_NS:
            return self._hours("history", {}, slots)
        try:
            return [
                hour
                for start, end in pieces(first, last, LONGEST_NS)
                for hour in self._hours("past-range", {"start": _moment(start), "end": _moment(end)}, slots)
            ]
        except SourceError as error:
            if error.status not in NOT_COVERED or last <= now - DAY_NS:
                raise
        return self._hours("history", {}, slots)

    def _ahead(self, slots: Slots, start_unix_ns: int, end_unix_ns: int) -> list[IntensityRevision]:
        ahead_ns = end_unix_ns - slots.now_unix_ns
        if ahead_ns <= 0 or start_unix_ns >= end_unix_ns:
            return []
        horizon_h = next((h for h in HORIZONS_H if h * HOUR_NS >= ahead_ns), HORIZONS_H[-1])
        return self._hours("forecast", {"horizonHours": horizon_h}, slots)

    def _hours(self, door: str, params: Params, slots: Slots) -> list[IntensityRevision]:
        code = self._code(slots.zone)
        asked = {"zone": code, "emissionFactorType": "lifecycle", "temporalGranularity": "hourly"}
        where = f"/v3/carbon-intensity/{door}"
        answer = self._client.get_json(where, {**asked, "disableCallerLookup": "true", **params}, _Answer)
        if answer.zone != code:
            raise SourceError(f"{slots.where}{where}: was asked for {code}, answers for {answer.zone}", retry=False)
        hours = {"history": answer.history, "past-range": answer.data, "forecast": answer.forecast}[door]
        if hours is None:
            raise SourceError(f"{slots.where}{where}: the answer has no list of hours", retry=False)
        return [one for hour in hours if (one := _revision(hour, door == "forecast", slots)) is not None]


def _revision(hour: _Hour, is_forecast: bool, slots: Slots) -> IntensityRevision | None:  # noqa: FBT001  read once
    value = known_number(hour.carbon_intensity)
    if value is None:
        return None
    start = unix_ns(hour.datetime, slots.where)
    scope = "" if hour.emission_factor_type in {None, "lifecycle"} else f"{hour.emission_factor_type} emissions only"
    is_estimated = bool(hour.is_estimated) and not is_forecast
    return slots.slot(start, start + HOUR_NS, value, is_estimated=is_estimated, is_forecast=is_forecast, scope=scope)


def _moment(t_unix_ns: int) -> str:
    return f"{minute_text(t_unix_ns)}:00Z"


def build(options: SourceOptions) -> ElectricityMaps:
    """Return the source. Raises ConfigurationError."""
    check_kind(options.kind, SOURCE.kinds, NAME)
    client = client_of(
        options,
        URL,
        headers={"auth-token": read_key(options.key_file, NAME)},
    )
    return ElectricityMaps(client, options.zone_map)


SOURCE = SourceKind(
    name=NAME,
    passport=PASSPORT,
    kinds=("average",),
    zones_help="codes such as DE, DK-DK1 or US-CAL-CISO: see https://app.electricitymaps.com",
    needs_key="the token of an account at Electricity Maps",
    build=build,
)
