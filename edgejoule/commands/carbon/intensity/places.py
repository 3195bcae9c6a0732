"""Where a command finds the stored intensities, and what their zones are called."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.carbon.operational import IntensityKind
    from collector.config import CollectorConfig
    from collector.intensity.store import IntensityStore
    from collector.intensity.stored import StoredIntensity

NOTHING_NAMED = (
    "intensity: nothing says where the values are kept; give --store FILE, --state-dir DIR or --config collector.toml"
)


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare where the store is."""
    parser.add_argument("--store", type=Path, metavar="FILE", help="the file of stored intensities")
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="where the collector keeps its state")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the collector's TOML: state and [intensity]")


def config_and_path(arguments: argparse.Namespace) -> "tuple[CollectorConfig, Path]":
    """Return the configuration, and where the store is. Raises ConfigurationError when nothing says so."""
    from collector.config import CollectorConfig
    from edgejoule.journals import config_of

    if arguments.config is None and arguments.state_dir is None and arguments.store is not None:
        config = CollectorConfig()
    else:
        config = config_of(arguments, NOTHING_NAMED)
    return config, config.intensity_path if arguments.store is None else arguments.store


def stored_provider(
    config: "CollectorConfig", store: "IntensityStore", kind: "IntensityKind", known_at_unix_ns: int | None
) -> "StoredIntensity":
    """Return the provider of the configured zones, and of every stored zone by its source's name for it."""
    from collector.intensity.configured import load_yearly, zones_at_sources
    from collector.intensity.stored import StoredIntensity

    zones = zones_at_sources(config.intensity, kind)
    named = {zone.casefold() for zone in zones}
    for one in store.extents():
        if one.kind == kind and one.zone.casefold() not in named:
            zones[one.zone] = (*zones.get(one.zone, ()), (one.source, one.zone))
    return StoredIntensity(
        store,
        load_yearly(config.intensity) if kind == "average" else None,
        kind,
        zones,
        yearly_zones=config.intensity.yearly_zones,
        known_at_unix_ns=known_at_unix_ns,
    )


def utc(t_unix_ns: int) -> str:
    """Return a moment to the minute, as people read it."""
    from collector.intensity.passports import utc as text

    return text(t_unix_ns).replace("T", " ").removesuffix("Z")
