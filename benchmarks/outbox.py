"""The outbox: an appended window that survives a power cut, against the least that such a promise costs.

In time, and in what wears an SD card: bytes given to the file system, and bytes of the pages (4 KiB) that it has to
write for them, as the kernel counts them for this process (proc(5), /proc/PID/io: wchar and write_bytes; the latter is
zero on a file system in memory). The file system's own journal comes on top, for the outbox and for the floor.
"""

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

import msgspec

from benchmarks.harness import Comparison, Measurement, benchmark
from edge_agent.outbox import Outbox
from edge_agent.wire.records import BootAck, InferenceWindow, StoreAck
from tests.fakes.windows import T0_UNIX_NS, make_window

WINDOWS = 3000
Synchronous = Literal["FULL", "NORMAL"]


def _outbox(path: Path, synchronous: Synchronous = "FULL") -> Outbox:
    return Outbox(path, "boot", synchronous=synchronous, now_unix_ns=lambda: T0_UNIX_NS)


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


@benchmark
def outbox_wear() -> Iterator[Measurement]:
    draw = random.Random(1)
    windows = [_window_of_an_agent(seq, draw) for seq in range(1, WINDOWS + 1)]
    floor = _floor_bytes(windows)
    for synchronous in ("FULL", "NORMAL"):
        for acknowledged in (True, False):
            ours = _outbox_bytes(windows, synchronous, acknowledged=acknowledged)
            where = "each acknowledged" if acknowledged else "none acknowledged, an outage"
            for kind, other_name in (("wchar", "append of the JSON to a file"), ("write_bytes", "append and fsync")):
                if not floor[kind]:
                    continue
                yield Measurement(
                    name=f"{'bytes' if kind == 'wchar' else 'pages, in bytes,'} per window, {synchronous}, {where}",
                    ours=[ours[kind] / WINDOWS],
                    other=[floor[kind] / WINDOWS],
                    other_name=other_name,
                    kind="floor",
                    unit="bytes",
                    limit_ratio=2.0,
                )


def _window_of_an_agent(seq: int, draw: random.Random) -> InferenceWindow:
    """Return a window with every field that an agent on a Raspberry Pi fills, and digits as they come."""

    def about(value: float) -> float:
        return value * draw.uniform(0.95, 1.05)

    return make_window(
        seq,
        t_start_boot_ns=10**13 + seq * 10**10,
        energy_j=about(41.0),
        energy_u_j=about(0.15),
        energy_u_systematic_j=about(0.14),
        busy_s=about(5.0),
        latency_p50_s=about(2e-4),
        latency_p95_s=about(3e-4),
        latency_max_s=about(2e-3),
        systematic_id="tc66c",
        net_energy_j=about(12.0),
        net_energy_u_j=about(0.1),
        governor="ondemand",
        freq_min_mhz=600.0,
        freq_mhz=about(1400.0),
        freq_max_mhz=1500.0,
        soc_temp_c=about(51.0),
        soc_temp_max_c=about(52.0),
        agent_cpu_ratio=about(0.5),
        overhead_cpu_ratio=about(0.01),
        other_cpu_ratio=about(0.1),
    )


def _outbox_bytes(windows: list[InferenceWindow], synchronous: Synchronous, *, acknowledged: bool) -> dict[str, int]:
    with (
        tempfile.TemporaryDirectory(prefix="edgejoule-bench-") as folder,
        closing(_outbox(Path(folder) / "outbox.sqlite", synchronous)) as outbox,
    ):

        def run() -> None:
            for window in windows:
                seq = outbox.append(lambda seq, one=window: msgspec.structs.replace(one, seq=seq)).seq  # type: ignore[misc]
                if acknowledged:
                    acks = (BootAck(boot_id=outbox.boot_id, seq=seq),)
                    outbox.apply_ack(StoreAck(device_id="d", t_unix_ns=0, acks=acks))

        return _written(run)


def _floor_bytes(windows: list[InferenceWindow]) -> dict[str, int]:
    with (
        tempfile.TemporaryDirectory(prefix="edgejoule-bench-") as folder,
        (Path(folder) / "plain.log").open("ab", buffering=0) as log,
    ):

        def run() -> None:
            for window in windows:
                log.write(msgspec.json.encode(window))
                os.fsync(log.fileno())

        return _written(run)


def _written(run: Callable[[], None]) -> dict[str, int]:
    before = _io()
    run()
    return {name: value - before[name] for name, value in _io().items()}


def _io() -> dict[str, int]:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    counted = dict(line.split(": ") for line in lines)
    return {name: int(counted[name]) for name in ("wchar", "write_bytes")}
