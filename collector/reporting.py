"""What a running collector tells about itself: the ledger as a series in InfluxDB, and the page for Prometheus."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

from collector.build import bench_sink_names, influx_writer, sink_names
from collector.config import CollectorConfig
from collector.figures import FiguresReader, Rows, Runtime
from collector.reporter import LedgerReporter


@contextmanager
def reporting(config: CollectorConfig, runtime: Callable[[], Runtime]) -> Iterator[list[LedgerReporter]]:
    """Report while the block runs; yield what has to stay alive. The last point is written at its end.

    Raises ConfigurationError, before anything has begun.
    """
    reader = FiguresReader(config.journal_path, rows_of_sinks(config), config.shared_group, runtime)
    with ExitStack() as parts:
        parts.enter_context(closing(reader))
        address = config.metrics.address
        if address is not None:
            from collector.metrics import MetricsServer  # noqa: PLC0415  only where there is a page

            parts.enter_context(closing(MetricsServer(*address, reader.read, per_device=config.metrics.per_device)))
        reporters: list[LedgerReporter] = []
        if config.influxdb is not None:
            writer = influx_writer(config.influxdb, config.influxdb.store)
            reporters.append(LedgerReporter(reader.read, writer, config.ledger.interval_s, config.client_id))
        for reporter in reporters:
            reporter.start()
            parts.enter_context(closing(reporter))
        yield reporters


def rows_of_sinks(config: CollectorConfig) -> dict[str, Rows]:
    """Return which rows of the journal each store takes that ``config`` names."""
    windows: dict[str, Rows] = dict.fromkeys(sink_names(config), "windows")
    return windows | dict.fromkeys(bench_sink_names(config), "benches")
