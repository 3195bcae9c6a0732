"""The collector's way in: one-window messages from a full mosquitto, taken and acknowledged.

Every round drains sessions of the same broker that hold the same messages. "Ours" is the collector's connection and
its intake; each take is acknowledged at once, as after a commit. Wall time says what mosquitto lets through, CPU time
what the client costs.

EDGEJOULE_BENCH_DRAIN sets how many messages a session holds (20000).
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.backlog import Messages, drain_with_paho, filled_broker
from benchmarks.harness import Measurement, benchmark
from collector.connection import connect
from collector.intake import Intake
from collector.journal import Journal
from collector.session import Session
from collector.subscriber import Subscriber
from edge_agent.wire.mqtt import BrokerSettings
from tests.fakes.windows import FLEET

MESSAGES: Final = int(os.environ.get("EDGEJOULE_BENCH_DRAIN", "20000"))
DEVICES: Final = 50
ROUNDS: Final = 3
MESSAGES_PER_TAKE: Final = 1000
PATIENCE_S: Final = 120.0
MOST_OF_PAHO_CPU_RATIO: Final = 0.2
MOST_OF_PAHO_RATIO: Final = 0.5


class Spent(NamedTuple):
    """Of one drain, for each message."""

    wall_s: float
    cpu_s: float


def drain_with_intake(port: int, client_id: str, count: int) -> float:
    """Return the seconds in which the collector's connection drains its session, acknowledging as a writer would."""
    intake = Intake()
    settings = BrokerSettings(url=f"mqtt://127.0.0.1:{port}", protocol="5")
    started_s = time.perf_counter()
    connection = connect(settings, Session(client_id, FLEET), intake)
    taken = 0
    while taken < count:
        batches = intake.take(MESSAGES_PER_TAKE, PATIENCE_S)
        if not batches:
            raise RuntimeError(f"{taken} of {count} messages came; {connection.end_reason}")
        packet_ids = [message.packet_id for batch in batches for message in batch.messages]
        connection.acknowledge(packet_ids)
        taken += len(packet_ids)
    spent_s = time.perf_counter() - started_s
    connection.close()
    return spent_s


def drain_with_journal(port: int, client_id: str, count: int) -> float:
    """Return the seconds in which the collector's subscriber commits a session into a journal, every sink left out."""
    settings = BrokerSettings(url=f"mqtt://127.0.0.1:{port}", protocol="5")
    with (
        tempfile.TemporaryDirectory(prefix="edgejoule-subscriber-") as directory,
        contextlib.closing(Journal(Path(directory) / "journal.sqlite3")) as journal,
    ):
        subscriber = Subscriber(settings, Session(client_id, FLEET), journal)
        started_s = time.perf_counter()
        subscriber.start()
        while journal.last_row_id() < count:
            if time.perf_counter() - started_s > PATIENCE_S:
                raise RuntimeError(f"{journal.last_row_id()} of {count} windows came")
            time.sleep(0.01)
        spent_s = time.perf_counter() - started_s
        subscriber.stop()
    return spent_s


def spend(drain: Callable[[int, str, int], float], port: int, client_id: str, count: int) -> Spent:
    """Return what one drain takes; the CPU time is this process's, so of all its threads."""
    cpu_s = time.process_time()
    wall_s = drain(port, client_id, count)
    return Spent(wall_s / count, (time.process_time() - cpu_s) / count)


@benchmark
def drain_of_a_backlog() -> Iterator[Measurement]:
    messages = Messages(MESSAGES, 1, DEVICES)
    count = len(messages.payloads)
    drains = {"paho": drain_with_paho, "intake": drain_with_intake, "journal": drain_with_journal}
    spent: dict[str, list[Spent]] = {name: [] for name in drains}
    sessions = [f"{name}-{number}" for number in range(ROUNDS) for name in drains]
    with (
        tempfile.TemporaryDirectory(prefix="edgejoule-drain-") as directory,
        filled_broker(Path(directory), messages, sessions) as broker,
    ):
        for number in range(ROUNDS):
            for name, drain in drains.items():
                spent[name].append(spend(drain, broker.port, f"{name}-{number}", count))
    for ours, text, limits in (
        ("intake", "take and acknowledge a message", (MOST_OF_PAHO_RATIO, MOST_OF_PAHO_CPU_RATIO)),
        ("journal", "commit and acknowledge a message of one window", (None, None)),
    ):
        for index, (unit, limit) in enumerate(zip(("wall time", "CPU time"), limits, strict=True)):
            yield Measurement(
                name=f"{text}, {unit}",
                ours=[one[index] for one in spent[ours]],
                other=[one[index] for one in spent["paho"]],
                other_name=f"bare paho, manual acknowledgement, {unit}",
                kind="peer",
                limit_ratio=limit,
            )
