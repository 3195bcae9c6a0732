"""What a running collector tells: what it knows as series in InfluxDB, and the page for Prometheus."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Final

from collector.assess import Assessor
from collector.build import bench_sink_names, build_intensities, build_inventory, influx_writer, sink_names
from collector.config import CollectorConfig
from collector.figures import FiguresReader, Rows, Runtime
from collector.gauges.parts import ReadPoints, Sources, gauge_points, parts_of
from collector.intensity.store import IntensityStore
from collector.journal import Journal
from collector.reporter import Reporter
from collector.sinks import ledger_points
from collector.sinks.points import Point
from edge_agent.wire.errors import ConfigurationError

ON_THE_PAGE: Final = ("devices", "models", "intensities", "budgets")
"""Factors are words more than numbers; InfluxDB has them."""


@contextmanager
def reporting(
    config: CollectorConfig, runtime: Callable[[], Runtime], assessor: Assessor, store: IntensityStore | None
) -> Iterator[list[Reporter]]:
    """Report while the block runs; yield what has to stay alive. The last points are written at its end.

    ``store``: the collector's own intensities, None where nobody asks for any. Raises ConfigurationError, before
    anything has begun.
    """
    address = config.metrics.address
    reader = FiguresReader(config.journal_path, rows_of_sinks(config), config.shared_group, runtime)
    with ExitStack() as parts:
        parts.enter_context(closing(reader))
        gauges = {}
        if address is not None or config.influxdb is not None:
            journal = parts.enter_context(closing(Journal(config.journal_path, read_only=True)))
            gauges = gauge_points(_sources(config, journal, assessor, store))
        if address is not None:
            from collector.metrics import MetricsServer  # noqa: PLC0415  only where there is a page

            page = MetricsServer(
                *address,
                reader.read,
                per_device=config.metrics.per_device,
                gauges=lambda: _points(gauges, ON_THE_PAGE, time.time_ns()),
            )
            parts.enter_context(closing(page))
        reporters: list[Reporter] = []
        if config.influxdb is not None:
            told = {"ledger": lambda _: ledger_points.lines(reader.read(), config.client_id)} | parts_of(gauges)
            writer = influx_writer(config.influxdb, config.influxdb.store)
            reporters.append(Reporter(told, writer, config.ledger.interval_s))
        for reporter in reporters:
            reporter.start()
            parts.enter_context(closing(reporter))
        yield reporters


def _sources(config: CollectorConfig, journal: Journal, assessor: Assessor, store: IntensityStore | None) -> Sources:
    return Sources(
        journal,
        build_inventory(config),
        assessor,
        build_intensities(config, store),
        config.budget,
        config.client_id if config.shared_group else "",
    )


def _points(gauges: Mapping[str, ReadPoints], names: Iterable[str], now_unix_ns: int) -> list[Point]:
    """Return the points of some subjects; what cannot be read is left out. Raises sqlite3.Error."""
    found: list[Point] = []
    for name in names:
        with suppress(ConfigurationError):  # stored intensities alone; the reporter tells of it
            found += gauges[name](now_unix_ns)
    return found


def rows_of_sinks(config: CollectorConfig) -> dict[str, Rows]:
    """Return which rows of the journal each store takes that ``config`` names."""
    windows: dict[str, Rows] = dict.fromkeys(sink_names(config), "windows")
    return windows | dict.fromkeys(bench_sink_names(config), "benches")
