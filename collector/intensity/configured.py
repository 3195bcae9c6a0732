"""From ``[intensity]`` to its parts: the sources, and the provider that reads what they said."""

from dataclasses import dataclass
from pathlib import Path

from collector.carbon.operational import IntensityKind
from collector.carbon.revisions import SourcePassport
from collector.intensity.source import IntensitySource, SourceKind, SourceOptions, source_kind
from collector.intensity.store import IntensityStore
from collector.intensity.stored import SourceZone, StoredIntensity
from collector.intensity.yearly_table import YearlyTable, load_yearly_table
from collector.intensity_config import IntensityConfig, SourceConfig
from edge_agent.wire.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ConfiguredSource:
    """A source, and which of its zones to ask for, how often, how far back and how far ahead."""

    source: IntensitySource
    zones: tuple[str, ...]
    every_s: float
    history_s: float
    ahead_s: float


def configured_sources(config: IntensityConfig, cache_dir: Path | None = None) -> list[ConfiguredSource]:
    """Return the sources that are to be asked, in the order of preference. Raises ConfigurationError.

    ``cache_dir``: where answers may be kept, None for memory alone.
    """
    return [_configured(one, f"intensity.source {one.kind}", cache_dir) for one in config.source]


def stored_intensity(
    config: IntensityConfig,
    store: IntensityStore,
    kind: IntensityKind = "average",
    known_at_unix_ns: int | None = None,
) -> StoredIntensity:
    """Return the provider over ``store``: the zones of ``config``, and the yearly table under average ones.

    Raises ConfigurationError.
    """
    yearly = load_yearly(config)
    for zone, row in config.yearly_zones.items():
        yearly.check_zone(row, f"[intensity] yearly_zones of {zone!r}")
    return StoredIntensity(
        store,
        yearly if kind == "average" else None,
        kind,
        zones_at_sources(config, kind),
        yearly_zones=config.yearly_zones,
        known_at_unix_ns=known_at_unix_ns,
    )


def load_yearly(config: IntensityConfig) -> YearlyTable:
    """Return the yearly table, the user's rows first. Raises ConfigurationError."""
    return load_yearly_table(Path(config.table) if config.table else None)


def zones_at_sources(config: IntensityConfig, kind: IntensityKind) -> dict[str, tuple[SourceZone, ...]]:
    """Return, for each zone of the inventory, what it is at the sources of this kind. Raises ConfigurationError."""
    zones: dict[str, tuple[SourceZone, ...]] = {}
    for one in config.source:
        where = f"intensity.source {one.kind}"
        source = source_kind(one.kind, where)
        passport_id, of_kind = _passport(one, source, where).id, _of_kind(one, source, where)
        for zone, source_zone in one.zone_of.items() if of_kind == kind else ():
            zones[zone] = (*zones.get(zone, ()), (passport_id, source_zone))
    return zones


def _configured(one: SourceConfig, where: str, cache_dir: Path | None) -> ConfiguredSource:
    kind = source_kind(one.kind, where)
    _of_kind(one, kind, where)
    if kind.needs_key and not one.key_file:
        raise ConfigurationError(f"{where}: it needs a key; put {kind.needs_key} into a file and name it as key_file")
    options = SourceOptions(
        url=one.url,
        key_file=Path(one.key_file) if one.key_file else None,
        timeout_s=one.timeout_s,
        retries=one.retries,
        zone_map=one.zone_map,
        kind=one.signal,
        cache_dir=cache_dir,
        passport=None if one.passport is None else _passport(one, kind, where),
        columns=one.columns,
    )
    source = kind.build(options)
    zones = tuple(dict.fromkeys(one.zone_of.values()))
    for zone in zones:
        source.check_zone(zone, f"{where}: zones")
    return ConfiguredSource(source, zones, one.every_s, one.history_s, one.ahead_s)


def _of_kind(one: SourceConfig, kind: SourceKind, where: str) -> IntensityKind:
    """Return which intensity is asked for. Raises ConfigurationError for one that the source does not give."""
    if one.signal is not None and one.signal not in kind.kinds:
        raise ConfigurationError(
            f"{where}: signal {one.signal!r}: this source gives {' and '.join(kind.kinds)} intensities only"
        )
    return one.signal or kind.kinds[0]


def _passport(one: SourceConfig, kind: SourceKind, where: str) -> SourcePassport:
    if one.passport is None:
        return kind.passport
    try:
        own = one.passport.passport()
    except ValueError as error:
        raise ConfigurationError(f"{where}: passport: {error}") from error
    if not kind.takes_passport:
        raise ConfigurationError(f"{where}: its values have a passport; take this one away, it is for a series")
    return own
