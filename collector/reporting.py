"""What a running collector tells: what it knows as series in InfluxDB, and the page for Prometheus."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

from collector.assess import Assessor
from collector.build import bench_sink_names, build_intensities, build_inventory, influx_writer, sink_names
from collector.config import CollectorConfig
from collector.figures import FiguresReader, Rows, Runtime
from collector.intensity.store import IntensityStore
from collector.journal import Journal
from collector.reporter import Reporter


@contextmanager
def reporting(
    config: CollectorConfig, runtime: Callable[[], Runtime], assessor: Assessor, store: IntensityStore | None
) -> Iterator[list[Reporter]]:
    """Report while the block runs; yield what has to stay alive. The last points are written at its end.

    ``store``: the collector's own intensities, None where nobody asks for any. Raises ConfigurationError, before
    anything has begun.
    """
    reader = FiguresReader(config.journal_path, rows_of_sinks(config), config.shared_group, runtime)
    with ExitStack() as parts:
        parts.enter_context(closing(reader))
        address = config.metrics.address
        if address is not None:
            from collector.metrics import MetricsServer  # noqa: PLC0415  only where there is a page

            parts.enter_context(closing(MetricsServer(*address, reader.read, per_device=config.metrics.per_device)))
        reporters: list[Reporter] = []
        if config.influxdb is not None:
            from collector.gauges.parts import Sources, gauge_parts  # noqa: PLC0415  only where there is an InfluxDB
            from collector.sinks import ledger_points  # noqa: PLC0415

            journal = parts.enter_context(closing(Journal(config.journal_path, read_only=True)))
            collector = config.client_id if config.shared_group else ""
            intensities = build_intensities(config, store)
            sources = Sources(journal, build_inventory(config), assessor, intensities, config.budget, collector)
            told = gauge_parts(sources)
            told = {"ledger": lambda _: ledger_points.lines(reader.read(), config.client_id)} | told
            writer = influx_writer(config.influxdb, config.influxdb.store)
            reporters.append(Reporter(told, writer, config.ledger.interval_s))
        for reporter in reporters:
            reporter.start()
            parts.enter_context(closing(reporter))
        yield reporters


def rows_of_sinks(config: CollectorConfig) -> dict[str, Rows]:
    """Return which rows of the journal each store takes that ``config`` names."""
    windows: dict[str, Rows] = dict.fromkeys(sink_names(config), "windows")
    return windows | dict.fromkeys(bench_sink_names(config), "benches")
