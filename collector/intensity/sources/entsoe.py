"""European countries and bidding zones from what generates there: ENTSO-E's Transparency Platform.

Needs the token of an account in ``key_file``. The platform publishes power by production type (document A75, realised:
A16) and no grams; the grams are this project's: each type times its factor in ``collector/data/fuel_factors.toml``.
Pumped storage is netted, generation less consumption (``collector/carbon/generation_mix.py``), and a step with gaps
that may hide much is left out (``collector/intensity/generation.py``). Imports are not in it. A token that asks
more than 400 times a minute is shut out for ten minutes; an answer spans a year at most. Documented in "Transparency
Platform restful API - user guide". Tried against a local server that speaks that schema, not against the platform.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from collector.carbon.factors import Factor, find_factor
from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import IntensityRevision, SourcePassport
from collector.data.tables import FUEL_FACTORS, GRID_INTENSITY, shipped_factors
from collector.intensity.asking import client_of, refused_zone, unknown_zone
from collector.intensity.entsoe_areas import AREAS, is_eic
from collector.intensity.entsoe_document import NO_DATA, Block, parse_generation
from collector.intensity.errors import SourceError
from collector.intensity.generation import MixStep, mix_steps, net_power
from collector.intensity.http import JsonClient, Waits
from collector.intensity.keys import read_key
from collector.intensity.slots import DAY_NS, HOUR_NS, ceil_to, check_kind, floor_to, minute_text, pieces
from collector.intensity.source import SourceKind, SourceOptions

URL: Final = "https://web-api.tp.entsoe.eu"
NAME: Final = "entsoe"
LONGEST_NS: Final = 31 * DAY_NS
BEFORE_NS: Final = DAY_NS
"""So much more is asked for before the start, to see which production types are late."""

SHUT_OUT_S: Final = 600.0

PASSPORT: Final = SourcePassport(
    id=NAME,
    name="ENTSO-E Transparency Platform, actual generation per production type, with fuel factors of this project",
    url="https://transparency.entsoe.eu",
    scope="generation in the area, life cycle by production type; no imports, no grid losses",
    licence="terms of use of the ENTSO-E Transparency Platform; CC-BY-4.0 for what its list of free re-use names",
    method=(
        "power by production type times the factors of fuel_factors.toml (medians of IPCC AR5; the range is theirs); "
        "pumped storage netted; steps where gaps may hide over 2 % or where over 10 % has no factor are left out"
    ),
)


class Entsoe:
    """Asks the platform. Fits ``IntensitySource``. ``factors``: in gCO2e/kWh, by the codes of production types."""

    passport = PASSPORT
    kind: IntensityKind = "average"
    resolution_s = 900.0

    def __init__(
        self, client: JsonClient, zone_map: Mapping[str, str] | None = None, factors: Sequence[Factor] = ()
    ) -> None:
        self._client = client
        self._zone_map = zone_map or {}
        self._factors = factors or shipped_factors(FUEL_FACTORS)

    def fetch(self, zone: str, start_unix_ns: int, end_unix_ns: int, now_unix_ns: int) -> list[IntensityRevision]:
        """Return the steps that touch the stretch and have ended. Raises SourceError."""
        area = self._area(zone)
        if area is None:
            raise refused_zone(SOURCE, zone)
        end_unix_ns = min(end_unix_ns, now_unix_ns)
        if start_unix_ns >= end_unix_ns:
            return []
        first, last = floor_to(start_unix_ns - BEFORE_NS, HOUR_NS), ceil_to(end_unix_ns, HOUR_NS)
        where = f"{self._client.url}/api: A75 of {area}"
        blocks = [block for span in pieces(first, last, LONGEST_NS) for block in self._ask(area, *span, where)]
        try:
            net = net_power(blocks)
            steps = [] if net is None else mix_steps(net, self._factors)
        except ValueError as error:
            raise SourceError(f"{where}: {error}", retry=False) from None
        wanted = (one for one in steps if one.end_unix_ns > start_unix_ns and one.start_unix_ns < end_unix_ns)
        return [_revision(one, zone, now_unix_ns) for one in wanted if one.end_unix_ns <= now_unix_ns]

    def check_zone(self, zone: str, where: str) -> None:
        """Raise ConfigurationError, with near names, for what is neither an area's name nor its EIC."""
        if self._area(zone) is None:
            raise unknown_zone(SOURCE, zone, where, zone.upper(), AREAS)

    def _ask(self, area: str, start_unix_ns: int, end_unix_ns: int, where: str) -> list[Block]:
        params = {
            "documentType": "A75",
            "processType": "A16",
            "in_Domain": area,
            "periodStart": _stamp(start_unix_ns),
            "periodEnd": _stamp(end_unix_ns),
        }
        try:
            return parse_generation(self._client.get_bytes("/api", params), where)
        except SourceError as error:
            if error.status == 400 and NO_DATA in error.said:
                return []
            text = self._client.without_keys(str(error))
            said = self._client.without_keys(error.said)
            raise SourceError(
                text, retry=error.retry, retry_after_s=error.retry_after_s, status=error.status, said=said
            ) from None

    def _area(self, zone: str) -> str | None:
        name = self._zone_map.get(zone, zone).upper()
        if is_eic(name):
            return name
        country = find_factor(shipped_factors(GRID_INTENSITY), name)
        names = (name, *(() if country is None else country.aliases))
        return next((AREAS[one] for one in names if one in AREAS), None)


def _revision(step: MixStep, zone: str, now_unix_ns: int) -> IntensityRevision:
    known = round(100.0 * (1.0 - step.unknown_ratio))
    return IntensityRevision(
        source=NAME,
        zone=zone,
        kind="average",
        valid_from_unix_ns=step.start_unix_ns,
        valid_to_unix_ns=step.end_unix_ns,
        gco2e_per_kwh=step.gco2e_per_kwh,
        fetched_at_unix_ns=now_unix_ns,
        low=step.low,
        high=step.high,
        is_estimated=step.is_estimated,
        scope="" if known == 100 else f"{PASSPORT.scope}; {known} % of the generation has a factor",
    )


def _stamp(t_unix_ns: int) -> str:
    """Return a moment as the platform writes it, in UTC: 202403051230."""
    return minute_text(t_unix_ns).translate({ord(mark): None for mark in "-:T"})


def build(options: SourceOptions) -> Entsoe:
    """Return the source. Raises ConfigurationError."""
    check_kind(options.kind, SOURCE.kinds, NAME)
    client = client_of(
        options,
        URL,
        headers={"Accept": "application/xml"},
        secret_params={"securityToken": read_key(options.key_file, NAME)},
        waits=Waits(too_many_s=SHUT_OUT_S),
    )
    return Entsoe(client, options.zone_map)


SOURCE = SourceKind(
    name=NAME,
    passport=PASSPORT,
    kinds=("average",),
    zones_help="countries such as DE or DEU, bidding zones such as DK1, SE3, DE-LU or IT-NORD, or the EIC of an area",
    needs_key="the security token of an account at the Transparency Platform",
    build=build,
)
