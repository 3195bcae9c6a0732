"""What the collector told of itself at past moments: its own gauges and ledger lines, asked for the time of then."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from collector.build import build_assessor, build_intensities, build_inventory, influx_writer
from collector.config import CollectorConfig
from collector.figures import FiguresReader, Runtime
from collector.gauges.parts import Sources, gauge_points, parts_of
from collector.journal import Journal
from collector.reporting import rows_of_sinks
from collector.sinks import ledger_points

GRID: Final = "intensities"
OFTEN: Final = ("ledger", "devices", "budgets")
"""What changes within minutes."""
Tell = Callable[..., None]


@contextlib.contextmanager
def telling(config: CollectorConfig) -> Iterator[Tell]:
    """Yield what writes the points of a moment, of all subjects or of those named; see ``collector.reporting``."""
    assert config.influxdb is not None
    with (
        contextlib.closing(Journal(config.journal_path, read_only=True)) as journal,
        contextlib.closing(
            FiguresReader(config.journal_path, rows_of_sinks(config), "", lambda: Runtime(True, 0, 0, 0))
        ) as reader,
        contextlib.closing(influx_writer(config.influxdb, config.influxdb.store)) as writer,
    ):
        sources = Sources(
            journal, build_inventory(config), build_assessor(config), build_intensities(config), config.budget
        )

        def ledger(t_unix_ns: int) -> list[str]:
            """Return the lines of now with that time, but not how far stores are behind, which nobody feeds now."""
            lines = ledger_points.lines(reader.read()._replace(t_unix_ns=t_unix_ns), config.client_id)
            return [line for line in lines if not line.startswith(ledger_points.SINK_MEASUREMENT)]

        parts = {"ledger": ledger} | parts_of(gauge_points(sources))

        def tell(t_unix_ns: int, *names: str) -> None:
            lines = [line for name in names or parts for line in parts[name](t_unix_ns)]
            answer = writer.post("\n".join(lines).encode())
            assert answer.verdict == "stored", answer.reason

        yield tell
