"""The device's benches on disk, in ``bench/``: see ``edge_agent.record_spool``."""

from pathlib import Path
from typing import Final

from edge_agent.record_spool import MAX_STORED, RecordSpool, SpoolKind
from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.records import MAX_BENCH_WINDOWS, MAX_BUDGET_LINES, BenchRecord

BENCHES: Final = SpoolKind(
    "bench",
    BenchRecord,
    "bench_id",
    "bench",
    "benches",
    f"take fewer windows ({MAX_BENCH_WINDOWS} windows and {MAX_BUDGET_LINES} budget lines fit)",
)


class BenchSpool(RecordSpool[BenchRecord]):
    """The spool of benches."""

    def __init__(self, state_dir: Path, *, max_stored: int = MAX_STORED) -> None:
        """Open or create ``state_dir/bench``. Raises ConfigurationError when that cannot be done."""
        super().__init__(state_dir, BENCHES, max_stored=max_stored)

    def add(self, record: BenchRecord) -> Path:
        """See ``RecordSpool.add``."""
        if len(record.windows) > MAX_BENCH_WINDOWS:
            raise RejectedRecordError(
                f"bench {record.bench_id!r} cannot be sent: {len(record.windows)} windows, a record holds "
                f"{MAX_BENCH_WINDOWS}; take fewer or longer ones"
            )
        return super().add(record)
