"""What the next kilowatt-hour emits, and the average beside it: WattTime, API version 3.

Needs an account: ``key_file`` holds ``user:password``, for which the server gives a token of half an hour. The signal
``co2_moer`` is the marginal plant's, ``co2_aoer`` the average of all; they are never mixed. Values are pounds of CO2
per MWh, in steps of five minutes (marginal) or as the answer says; history is revised when the model is. Forecasts of
the marginal signal fill what is ahead. An account without a contract sees CAISO_NORTH only. At most 3,000 questions in
five minutes. Documented at https://docs.watttime.org. Tried against a local server that speaks that schema, not
against WattTime. The data may not be passed on.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.carbon.units import GCO2E_PER_KWH_PER_LB_PER_MWH
from collector.intensity.asking import client_of, refused_zone, unknown_zone
from collector.intensity.errors import SourceError
from collector.intensity.http import JsonClient, Params
from collector.intensity.keys import read_key
from collector.intensity.slots import (
    DAY_NS,
    HOUR_NS,
    MINUTE_NS,
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
from edge_agent.wire.errors import ConfigurationError

URL: Final = "https://api.watttime.org"
NAME: Final = "watttime"
LONGEST_NS: Final = 30 * DAY_NS
TOKEN_LIFE_NS: Final = 25 * MINUTE_NS
"""The server says half an hour."""

LONGEST_FORECAST_H: Final = 72
NOT_COVERED: Final = frozenset({402, 403})
UNITS: Final = "lbs_co2_per_mwh"
SIGNALS: Final[Mapping[IntensityKind, str]] = {"marginal": "co2_moer", "average": "co2_aoer"}
PERIODS_S: Final[Mapping[IntensityKind, int]] = {"marginal": 300, "average": 3_600}
"""Of a step, where an answer doesn't say."""

ZONE_PATTERN: Final = re.compile(r"[A-Z][A-Z0-9_]{1,39}")
EXAMPLES: Final = ("CAISO_NORTH", "ERCOT_EASTTX", "PJM_DC", "NYISO_NYC", "MISO_INDIANAPOLIS", "DE", "FR", "UK", "NL")

PASSPORT: Final = SourcePassport(
    id=NAME,
    name="WattTime, CO2 signals",
    url="https://watttime.org",
    scope="CO2 at the stacks of power plants, without the life cycle; marginal: of the plants that follow the load",
    licence="by contract with WattTime; not to be passed on",
    method="the source's models of each grid region: co2_moer (marginal operating rate), co2_aoer (average rate)",
)
_AVERAGE_SCOPE: Final = "CO2 at the stacks of power plants, without the life cycle; average of all that generates"


class _Token(msgspec.Struct):
    token: str


class _Point(msgspec.Struct):
    point_time: str
    value: float | None = None
    imputed_data_used: bool | None = None


class _Meta(msgspec.Struct):
    region: str
    signal_type: str
    units: str
    data_point_period_seconds: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Point]
    meta: _Meta


@dataclass(frozen=True, slots=True)
class Account:
    """How one is known to the server: ``client`` asks for a token by name and password, ``with_token`` uses it."""

    client: JsonClient
    with_token: Callable[[str], JsonClient]


class Watttime:
    """Asks WattTime for one signal. Fits ``IntensitySource``."""

    passport = PASSPORT

    def __init__(self, account: Account, kind: IntensityKind, zone_map: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self.resolution_s = float(PERIODS_S[kind])
        self._account = account
        self._zone_map = zone_map or {}
        self._session: JsonClient | None = None
        self._token_end_unix_ns = 0

    def fetch(self, zone: str, start_unix_ns: int, end_unix_ns: int, now_unix_ns: int) -> list[IntensityRevision]:
        """Return the steps of the stretch, of the marginal signal forecasts too. Raises SourceError."""
        if not ZONE_PATTERN.fullmatch(self._code(zone)):
            raise refused_zone(SOURCE, zone)
        slots = Slots(source=NAME, zone=zone, kind=self.kind, now_unix_ns=now_unix_ns, where=self._account.client.url)
        first, last = floor_to(start_unix_ns, HOUR_NS), min(end_unix_ns, now_unix_ns)
        found = [
            step
            for begin, until in pieces(first, last, LONGEST_NS)
            for step in self._steps("historical", _span(begin, until), slots)
        ]
        if self.kind == "marginal" and start_unix_ns < end_unix_ns and end_unix_ns > now_unix_ns:
            found += self._ahead(slots, end_unix_ns - now_unix_ns, is_all=not found)
        return told(found, start_unix_ns, end_unix_ns)

    def check_zone(self, zone: str, where: str) -> None:
        """Raise ConfigurationError for what cannot be a region; whether the account has it is known when it asks."""
        code = self._code(zone)
        if not ZONE_PATTERN.fullmatch(code):
            raise unknown_zone(SOURCE, zone, where, code.replace("-", "_"), EXAMPLES)

    def _code(self, zone: str) -> str:
        return self._zone_map.get(zone, zone).upper()

    def _ahead(self, slots: Slots, ahead_ns: int, *, is_all: bool) -> list[IntensityRevision]:
        """Return the forecast; none where the contract does not cover it, unless that ``is_all`` that was asked."""
        hours = min(LONGEST_FORECAST_H, ceil_to(ahead_ns, HOUR_NS) // HOUR_NS)
        try:
            return list(self._steps("forecast", {"horizon_hours": hours}, slots))
        except SourceError as error:
            if is_all or error.status not in NOT_COVERED:
                raise
            return []

    def _steps(self, door: str, params: Params, slots: Slots) -> Iterator[IntensityRevision]:
        code, signal = self._code(slots.zone), SIGNALS[self.kind]
        answer = self._ask(f"/v3/{door}", {"region": code, "signal_type": signal, **params}, slots.now_unix_ns)
        meta, where = answer.meta, f"{slots.where}/v3/{door}"
        if (meta.region, meta.signal_type) != (code, signal):
            text = f"{where}: was asked for {signal} of {code}, answers with {meta.signal_type} of {meta.region}"
            raise SourceError(text, retry=False)
        if meta.units != UNITS:
            raise SourceError(f"{where}: values in {meta.units!r} instead of {UNITS}", retry=False)
        period_s = meta.data_point_period_seconds or PERIODS_S[self.kind]
        scope = "" if self.kind == "marginal" else _AVERAGE_SCOPE
        for point in answer.data:
            value = known_number(point.value)
            if value is not None:
                at = unix_ns(point.point_time, where)
                yield slots.slot(
                    at,
                    at + period_s * 1_000_000_000,
                    value * GCO2E_PER_KWH_PER_LB_PER_MWH,
                    is_estimated=bool(point.imputed_data_used),
                    is_forecast=door == "forecast",
                    scope=scope,
                )

    def _ask(self, path: str, params: Params, now_unix_ns: int) -> _Answer:
        """Ask with a token; one that the server no longer knows is replaced once."""
        was_new = self._session is None or now_unix_ns >= self._token_end_unix_ns
        try:
            return self._open(now_unix_ns, renew=was_new).get_json(path, params, _Answer)
        except SourceError as error:
            if error.status != 401 or was_new:
                raise
        return self._open(now_unix_ns, renew=True).get_json(path, params, _Answer)

    def _open(self, now_unix_ns: int, *, renew: bool) -> JsonClient:
        if renew or self._session is None:
            # Headers of one question keep its answer out of every cache: a token is neither kept nor used twice.
            token = self._account.client.get_json("/login", {}, _Token, headers={"Accept": "application/json"}).token
            self._session = self._account.with_token(token)
            self._token_end_unix_ns = now_unix_ns + TOKEN_LIFE_NS
        return self._session


def _span(start_unix_ns: int, end_unix_ns: int) -> Params:
    """Return the query of a stretch. The server counts its end in, so it ends a minute before."""
    end = ceil_to(end_unix_ns, MINUTE_NS) - MINUTE_NS
    return {
        "start": f"{minute_text(start_unix_ns)}+00:00",
        "end": f"{minute_text(end)}+00:00",
        "include_imputed_marker": "true",
    }


def build(options: SourceOptions) -> Watttime:
    """Return the source. Raises ConfigurationError."""
    kind = check_kind(options.kind, SOURCE.kinds, NAME)
    login = read_key(options.key_file, NAME)
    if ":" not in login:
        raise ConfigurationError(f"intensity source {NAME}: key_file {options.key_file}: write user:password there")

    def client(authorization: str) -> JsonClient:
        return client_of(options, URL, headers={"Authorization": authorization})

    basic = base64.b64encode(login.encode()).decode()
    account = Account(client(f"Basic {basic}"), lambda token: client(f"Bearer {token}"))
    return Watttime(account, kind, options.zone_map)


SOURCE = SourceKind(
    name=NAME,
    passport=PASSPORT,
    kinds=("marginal", "average"),
    zones_help="grid regions such as CAISO_NORTH, ERCOT_EASTTX or DE: see https://docs.watttime.org",
    needs_key="user:password of a WattTime account",
    build=build,
)
