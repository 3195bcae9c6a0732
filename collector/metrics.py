"""The Prometheus page: every device and its ledger, how far each store is, grids, budgets. Read anew at each scrape.

Names follow Prometheus: base units, ``_total`` for what only grows. What may shrink is a gauge: a window that was
declared dropped and arrives all the same is stored.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from collector.figures import Figures
from collector.gauge_metrics import families
from collector.sinks.ledger_points import known_fields
from collector.sinks.points import Point
from collector.values import LedgerLine
from edge_agent.wire.errors import ConfigurationError

MOST_DEVICES: Final = 5000
"""With more of them the page has sums of each fleet only: a label with more values hurts Prometheus."""

CLIENT_TIMEOUT_S: Final = 10.0
"""How long a client may say or take nothing: each has a thread."""

_LEDGER: Final = {
    "sent": ("windows_sent_total", "Windows that devices have counted."),
    "stored": ("windows_stored_total", "Distinct windows in the journal."),
    "dropped": ("windows_dropped", "Windows that devices declared dropped and nobody has."),
    "refused": ("windows_refused", "Windows that came but are no valid ones."),
    "pending": ("windows_pending", "Windows that devices still hold."),
    "missing": ("windows_missing", "Windows that are in no place. Anything but 0 is a loss."),
    "duplicates": ("windows_duplicate_total", "Windows that came again."),
    "late": ("windows_late_total", "Windows that came long after their end."),
    "dead_letters": ("device_dead_letters", "Dead letters of devices in the list."),
    "letters_evicted": ("device_dead_letters_evicted_total", "Dead letters that newer ones pushed out of the list."),
    "letters_dropped": ("device_dead_letters_dropped_total", "Dead letters that somebody threw away."),
    "letters_replayed": ("device_dead_letters_replayed_total", "Dead letters that were accepted by a replay."),
}


class FiguresCollector(Collector):
    """Turns figures into metrics. ``per_device``: with a label for each device, as long as they are not too many."""

    def __init__(
        self,
        read: Callable[[], Figures],
        gauges: Callable[[], Sequence[Point]] = tuple,
        *,
        per_device: bool = True,
    ) -> None:
        self._read = read
        self._gauges = gauges
        self._per_device = per_device

    def describe(self) -> Iterable[Metric]:
        """Return nothing: what is there is known at a scrape."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of now. Raises sqlite3.Error when the journal cannot be read."""
        figures = self._read()
        has_devices = self._per_device and len(figures.ledger.devices) <= MOST_DEVICES
        points = (one for one in self._gauges() if has_devices or "device" not in one.TAGS)
        return [
            *self._ledger(figures),
            *_stores(figures),
            *_letters(figures),
            *_process(figures),
            *_orders(figures),
            *families(points),
        ]

    def _ledger(self, figures: Figures) -> Iterable[Metric]:
        devices = figures.ledger.devices
        by_fleet: defaultdict[str, list[LedgerLine]] = defaultdict(list)
        for line in devices:
            by_fleet[line.fleet].append(line)
        groups: dict[tuple[str, ...], Sequence[LedgerLine]]
        if self._per_device and len(devices) <= MOST_DEVICES:
            labels: tuple[str, ...] = ("fleet", "device")
            groups = {(line.fleet, line.device_id): [line] for line in devices}
        else:
            labels, groups = ("fleet",), {(fleet,): lines for fleet, lines in by_fleet.items()}
        for field in known_fields(figures):
            family = _family(*_LEDGER[field], labels)
            for values, lines in groups.items():
                family.add_metric(values, sum(getattr(line, field) for line in lines))
            yield family
        count = _family("devices", "Devices that were ever heard.", ("fleet",))
        for fleet, lines in by_fleet.items():
            count.add_metric((fleet,), len(lines))
        yield count
        if not figures.shared_group:
            yield _single("ledger_adds_up", "1 when every window has a place.", int(figures.ledger.adds_up))


def _stores(figures: Figures) -> Iterable[Metric]:
    rows = _family("sink_lag_rows", "Rows of the journal that a store has not got yet.", ("sink",))
    seconds = _family("sink_lag_seconds", "How long the first row waits that a store has not got.", ("sink",))
    for sink in figures.sinks:
        rows.add_metric((sink.sink,), sink.rows)
        seconds.add_metric((sink.sink,), sink.lag_s)
    return rows, seconds


def _letters(figures: Figures) -> Iterable[Metric]:
    kept = _family("dead_letters", "Dead letters in the list.", ("kind",))
    for kind, count in figures.letters.items():
        kept.add_metric((kind,), count)
    yield kept
    yield _single("dead_letters_bytes", "Payloads of the dead letters in the list.", figures.letters_bytes)
    strangers = figures.ledger.strangers
    yield _single("dead_letters_strangers", "Dead letters, ever, of senders that are no known device.", strangers)


def _process(figures: Figures) -> Iterable[Metric]:
    runtime = figures.runtime
    yield _single("broker_connected", "1 while the broker accepts the collector.", int(runtime.broker_connected))
    yield _single("queue_messages", "Messages that wait for the journal.", runtime.queue_messages)
    yield _single("queue_bytes", "About how much memory they take.", runtime.queue_bytes)
    yield _single("commits_total", "Commits of messages to the journal since the start.", runtime.commits)


def _orders(figures: Figures) -> Iterable[Metric]:
    told = _family("order_replies_total", "Replies to orders that devices have sent.", ("kind", "stage"))
    for (kind, stage), count in figures.replies.items():
        told.add_metric((kind, stage), count)
    yield told
    files = figures.runtime.files
    if files is not None:
        yield _single("blob_chunks_total", "Parts of files sent to devices since the start.", files.chunks)
        yield _single("blob_bytes_total", "Bytes of files sent to devices since the start.", files.sent_bytes)
        yield _single("blob_unknown_total", "Questions for files that are not there or damaged.", files.unknown)
        yield _single("blob_unanswered_total", "Questions over a device's rate or the network's.", files.unanswered)


def _family(name: str, text: str, labels: Sequence[str]) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    return kind(f"edgejoule_{name.removesuffix('_total')}", text, labels=labels)


def _single(name: str, text: str, value: float) -> Metric:
    family = _family(name, text, ())
    family.add_metric((), value)
    return family


class MetricsServer:
    """Serves the page until it is closed."""

    def __init__(
        self,
        host: str,
        port: int,
        read: Callable[[], Figures],
        *,
        per_device: bool,
        gauges: Callable[[], Sequence[Point]] = tuple,
        client_timeout_s: float = CLIENT_TIMEOUT_S,
    ) -> None:
        """Listen. ``gauges``: what else is told, a metric for each number. Raises ConfigurationError if it cannot."""
        registry = CollectorRegistry()
        registry.register(FiguresCollector(read, gauges, per_device=per_device))
        ProcessCollector(registry=registry)
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            raise ConfigurationError(
                f"metrics.listen {host}:{port}: cannot listen: {error.strerror or error}; choose another port"
            ) from error

        handler: Any = self._server.RequestHandlerClass
        self._server.RequestHandlerClass = _impatient(handler, client_timeout_s)

    def close(self) -> None:
        """Take no more requests."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _impatient(handler: Any, timeout_s: float) -> Any:
    """Return the handler as one that leaves clients which say nothing for so long."""

    class Impatient(handler):  # type: ignore[misc]  # the package keeps its handler to itself
        timeout = timeout_s

        def handle(self) -> None:
            with contextlib.suppress(OSError):
                super().handle()

    return Impatient
