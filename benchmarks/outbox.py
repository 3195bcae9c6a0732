"""The outbox: an appended window that survives a power cut, against the least that such a promise costs."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from benchmarks.harness import Comparison, benchmark
from edge_agent.outbox import Outbox
from tests.fakes.windows import T0_UNIX_NS, make_window


def _outbox(path: Path) -> Outbox:
    return Outbox(path, "boot", now_unix_ns=lambda: T0_UNIX_NS)


@benchmark
def outbox_append() -> Iterator[Comparison]:
    payload = msgspec.json.encode(make_window())
    with tempfile.TemporaryDirectory(prefix="edgejoule-bench-") as folder:
        directory = Path(folder)
        log = (directory / "plain.log").open("ab", buffering=0)
        with log, closing(_outbox(directory / "outbox.sqlite")) as outbox:

            def append_and_sync() -> None:
                log.write(payload)
                os.fsync(log.fileno())

            yield Comparison(
                name="append one window durably to the outbox",
                ours=lambda: outbox.append(make_window),
                other=append_and_sync,
                other_name="write and fsync the same bytes",
                kind="floor",
            )
