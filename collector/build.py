"""From the configuration to its parts: the assessor and the sinks. Stores are imported only when they are used."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector.assess import Assessor
from collector.blob_server import BlobServer
from collector.blobs import BlobStore
from collector.carbon.operational import IntensityKind
from collector.config import CollectorConfig
from collector.data.impacts import load_impact_factors
from collector.grid_publisher import Connection, GridPublisher, fleets_of
from collector.intensity.configured import stored_intensity, zones_at_sources
from collector.intensity.store import IntensityStore
from collector.intensity.stored import StoredIntensity
from collector.inventory import Inventory, read_inventory
from collector.journal import Journal
from collector.journal_identity import journal_id
from collector.store_config import InfluxConfig
from collector.values import Row, Sink, StoredBench, StoredWindow
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text

if TYPE_CHECKING:
    from collector.reassess import Reassessment
    from collector.sinks.influx_admin import Admin
    from collector.sinks.influx_rows import Encoder, Writer

INFLUXDB: Final = "influxdb"
BENCH_SUFFIX: Final = "/bench"
"""A store that takes windows and benches has a cursor for each."""
HOURLY_SUFFIX: Final = "/hourly"


def build_assessor(
    config: CollectorConfig, store: IntensityStore | None = None, *, known_at_unix_ns: int | None = None
) -> Assessor:
    """Return the assessor for the inventory and the intensities of ``config``; see ``build_intensity``.

    Where a source of marginal intensities is named, windows get a marginal figure too. Raises ConfigurationError.
    """
    impact_table = config.intensity.impact_table
    average, *marginal = build_intensities(config, store, known_at_unix_ns=known_at_unix_ns)
    return Assessor(
        build_inventory(config),
        average,
        marginal=marginal[0] if marginal else None,
        impact_factors=load_impact_factors(Path(impact_table) if impact_table else None),
    )


def build_inventory(config: CollectorConfig) -> Inventory:
    """Return the inventory that ``config`` names, an empty one where it names none. Raises ConfigurationError."""
    return read_inventory(Path(config.inventory.file)) if config.inventory.file else Inventory(devices={})


def build_intensities(
    config: CollectorConfig, store: IntensityStore | None = None, *, known_at_unix_ns: int | None = None
) -> list[StoredIntensity]:
    """Return the average intensities, and the marginal ones where a source of such is named; see the one below."""
    kinds: list[IntensityKind] = ["average"]
    if zones_at_sources(config.intensity, "marginal"):
        kinds.append("marginal")
    return [build_intensity(config, store, kind=kind, known_at_unix_ns=known_at_unix_ns) for kind in kinds]


def build_intensity(
    config: CollectorConfig,
    store: IntensityStore | None = None,
    *,
    kind: IntensityKind = "average",
    known_at_unix_ns: int | None = None,
) -> StoredIntensity:
    """Return the intensities that ``config`` names: of its sources as stored, and yearly averages elsewhere.

    ``store``: the collector's own, which it writes; None reads the file as it is now. Raises ConfigurationError.
    """
    kept = IntensityStore(config.intensity_path, read_only=True) if store is None else store
    return stored_intensity(config.intensity, kept, kind, known_at_unix_ns)


def build_sinks(
    config: CollectorConfig, assessor: Assessor, journal: Journal | None = None
) -> list[Sink[StoredWindow]]:
    """Return the stores that ``config`` names, as they take windows. Raises ConfigurationError.

    ``journal``: what feeds them, open for writing; None only to see whether they can be built.
    """
    sinks: list[Sink[StoredWindow]] = []
    lake_dir = config.lake_dir
    if lake_dir is not None:
        from collector.sinks.lake import LakeSink  # noqa: PLC0415  pyarrow only where there is a lake

        sinks.append(LakeSink(lake_dir, config.lake.max_rows, config.lake.max_wait_s, journal=_id(journal)))
    if config.influxdb is not None:
        from collector.sinks.line_protocol import LineEncoder  # noqa: PLC0415  only where there is an InfluxDB

        _note_places(journal, INFLUXDB, assessor)
        sinks.append(_influx_sink(config.influxdb, LineEncoder(assessor), INFLUXDB))
        if config.influxdb.hourly is not None:
            sinks += _hourly_sinks(config.influxdb, assessor, journal)
    return sinks


def build_bench_sinks(
    config: CollectorConfig, assessor: Assessor, journal: Journal | None = None
) -> list[Sink[StoredBench]]:
    """Return the same stores, as they take benches. Raises ConfigurationError."""
    sinks: list[Sink[StoredBench]] = []
    lake_dir = config.lake_dir
    if lake_dir is not None:
        from collector.sinks.lake_benches import BenchLakeSink  # noqa: PLC0415  pyarrow only where there is a lake

        sinks.append(BenchLakeSink(lake_dir, max_wait_s=config.lake.max_wait_s, journal=_id(journal)))
    if config.influxdb is not None:
        from collector.sinks.bench_lines import BenchLineEncoder  # noqa: PLC0415  only where there is an InfluxDB

        sinks.append(_influx_sink(config.influxdb, BenchLineEncoder(assessor), INFLUXDB + BENCH_SUFFIX))
    return sinks


def _hourly_sinks(influxdb: InfluxConfig, assessor: Assessor, journal: Journal | None) -> Iterator[Sink[StoredWindow]]:
    from collector.sinks.hourly import HourlySink  # noqa: PLC0415  only where there is an InfluxDB

    writer = influx_writer(influxdb, influxdb.hourly_store)
    if journal is None:
        writer.close()
    else:
        _note_places(journal, INFLUXDB + HOURLY_SUFFIX, assessor)
        yield HourlySink(journal, journal_id(journal), writer, assessor, name=INFLUXDB + HOURLY_SUFFIX)


def _note_places(journal: Journal | None, sink_name: str, assessor: Assessor) -> None:
    """Keep what stands in the tags of the points that are written from now on: they may be written over one day."""
    if journal is None:
        return
    from collector.sinks import tag_places  # noqa: PLC0415  only where there is an InfluxDB

    places = {device_id: assessor.describe(device_id) for device_id in assessor.device_ids}
    with journal.transaction() as db:
        tag_places.note(db, sink_name, journal.cursor(sink_name), places)


def build_blob_server(config: CollectorConfig) -> BlobServer | None:
    """Return what serves files to devices; None where no folder is named. Raises ConfigurationError."""
    if not config.orders.blob_dir:
        return None
    directory = Path(config.orders.blob_dir)
    if not directory.is_dir():
        raise ConfigurationError(
            f"orders.blob_dir {directory}: no such folder; make it, or publish a file into it: "
            f"edgejoule order publish FILE --blobs {directory}"
        )
    return BlobServer(BlobStore(directory), config.orders.device_bytes_per_s)


def check_grid_forecast(config: CollectorConfig) -> None:
    """Raise ConfigurationError where devices are to be told what no source gives."""
    wanted, sources = config.grid_forecast, config.intensity.source
    if wanted.enabled and wanted.kind == "marginal" and sources and not zones_at_sources(config.intensity, "marginal"):
        raise ConfigurationError(
            'grid_forecast.kind "marginal": no [[intensity.source]] gives marginal intensities; name one with '
            'signal = "marginal", or take "average"'
        )


def build_grid_publisher(
    config: CollectorConfig,
    store: IntensityStore | None,
    journal: Journal,
    connection: Callable[[], Connection | None],
) -> GridPublisher | None:
    """Return what tells devices of their grid; None where it is not wanted, or no source of intensities is named.

    Raises ConfigurationError.
    """
    wanted = config.grid_forecast
    at_sources = zones_at_sources(config.intensity, wanted.kind)
    check_grid_forecast(config)
    if store is None or not wanted.enabled:
        return None
    intensity = build_intensity(config, store, kind=wanted.kind)
    standing = (entry.zone for entry in build_inventory(config).devices.values())
    return GridPublisher(
        intensity,
        [*(zone for zone in standing if intensity.sources_of(zone)), *at_sources],
        version=store.version,
        fleets=(lambda: fleets_of(journal)) if config.fleet == "+" else lambda: [config.fleet],
        connection=connection,
        horizon_s=wanted.horizon_s,
        simulated=wanted.simulated,
    )


def build_reassessment(
    config: CollectorConfig, assessor: Assessor, journal: Journal, now_unix_ns: int
) -> "Reassessment | None":
    """Return what writes the grams of past windows again; None without an InfluxDB. Raises ConfigurationError.

    ``journal``: open for writing. What a store's retention has taken away by ``now_unix_ns`` is left out.
    """
    if config.influxdb is None:
        return None
    from collector.reassess import Reassessment, Target  # noqa: PLC0415  only where there is an InfluxDB
    from collector.sinks import hourly_table  # noqa: PLC0415

    influxdb, hourly = config.influxdb, None
    live = Target(INFLUXDB, influx_writer(influxdb, influxdb.store), _kept_since(now_unix_ns, influxdb.retention_days))
    if influxdb.hourly is not None:
        with journal.transaction() as db:
            hourly_table.create(db)
        since_unix_ns = _kept_since(now_unix_ns, influxdb.hourly.retention_days)
        hourly = Target(INFLUXDB + HOURLY_SUFFIX, influx_writer(influxdb, influxdb.hourly_store), since_unix_ns)
    return Reassessment(journal, _id(journal), config.lake_dir, assessor, live=live, hourly=hourly)


def _kept_since(now_unix_ns: int, retention_days: float) -> int:
    return now_unix_ns - round(retention_days * 86_400e9) if retention_days else 0


def _id(journal: Journal | None) -> str:
    return "" if journal is None else journal_id(journal)


def sink_names(config: CollectorConfig) -> list[str]:
    """Return the names under which the journal keeps the windows' cursors of the stores that ``config`` names."""
    hourly = None if config.influxdb is None else config.influxdb.hourly
    configured = {"lake": config.lake_dir, INFLUXDB: config.influxdb, INFLUXDB + HOURLY_SUFFIX: hourly}
    return [name for name, setting in configured.items() if setting is not None]


def bench_sink_names(config: CollectorConfig) -> list[str]:
    """Return the names of the benches' cursors: hourly sums are of windows only."""
    return [name + BENCH_SUFFIX for name in sink_names(config) if not name.endswith(HOURLY_SUFFIX)]


def _influx_sink(influxdb: InfluxConfig, encoder: "Encoder[Row]", name: str) -> Sink[Row]:
    from collector.sinks.influx_rows import InfluxSink  # noqa: PLC0415  only where there is an InfluxDB

    writer = influx_writer(influxdb, influxdb.store)
    return InfluxSink(writer, encoder, name=name, max_rows=influxdb.max_rows, max_wait_s=influxdb.max_wait_s)


def influx_writer(influxdb: InfluxConfig, store: str) -> "Writer":
    """Return what writes to the database or bucket ``store``. Raises ConfigurationError."""
    token = read_secret(influxdb.token_file, "influxdb.token_file")
    if influxdb.api == "v2":
        from collector.sinks.influxdb_v2 import InfluxV2Writer  # noqa: PLC0415

        return InfluxV2Writer(influxdb.url, influxdb.org, store, token=token)
    if influxdb.api == "v3":
        from collector.sinks.influxdb_v3 import InfluxV3Writer  # noqa: PLC0415

        return InfluxV3Writer(influxdb.url, store, token=token)
    from collector.sinks.influxdb_v1 import InfluxV1Writer  # noqa: PLC0415

    password = read_secret(influxdb.password_file, "influxdb.password_file")
    return InfluxV1Writer(influxdb.url, store, username=influxdb.username, password=password, token=token)


def influx_admin(influxdb: InfluxConfig) -> "Admin":
    """Return what creates databases or buckets. Raises ConfigurationError."""
    from collector.sinks.influx_admin import V1Admin, V2Admin, V3Admin  # noqa: PLC0415  see above
    from collector.sinks.influx_http import connection_to  # noqa: PLC0415

    connection_to(influxdb.url, 1.0).close()  # an address that is none is told now
    token = read_secret(influxdb.token_file, "influxdb.token_file")
    if influxdb.api == "v2":
        return V2Admin(influxdb.url, influxdb.org, token=token)
    if influxdb.api == "v3":
        return V3Admin(influxdb.url, token=token)
    password = read_secret(influxdb.password_file, "influxdb.password_file")
    return V1Admin(influxdb.url, username=influxdb.username, password=password, token=token)


def read_secret(name: str, setting: str) -> str:
    """Return what the file ``name`` holds, stripped; empty for no name. Raises ConfigurationError."""
    if not name:
        return ""
    return read_text(Path(name), f"{setting} {name}").strip()
