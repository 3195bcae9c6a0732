"""The whole way of a bench: spool, publisher, broker, collector, stores; through kills, restarts and damage."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.journal import Journal
from collector.sinks.lake_benches import read_lake_benches
from edge_agent.bench_spool import BenchSpool
from edge_agent.connection import Connection
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.records import BenchRecord
from tests.fakes.benches import make_bench
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.delivery import (
    CollectorProcess,
    Device,
    running_collector,
    running_device,
    running_subscriber,
    wait_until,
)
from tests.fakes.influxd import running_influxd
from tests.fakes.windows import FLEET

KINDS = [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "embedded"]


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerProcess]:
    with running_broker(request.param, tmp_path) as broker:
        yield broker


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def stored_ids(journal: Journal) -> list[str]:
    return [row.bench.bench_id for row in journal.benches_after(0, 1000)]


def test_a_bench_travels_and_its_acknowledgement_moves_it(
    broker: BrokerProcess, journal: Journal, tmp_path: Path
) -> None:
    settings = BrokerSettings(url=broker.url)
    with running_device(tmp_path, settings) as device, running_subscriber(journal, settings):
        bench = make_bench()
        device.spool.add(bench)
        device.publisher.notify()
        assert device.publisher.flush(20)
        assert device.spool.pending_ids() == []
        assert [row.bench for row in journal.benches_after(0, 10)] == [bench]


def test_a_bench_made_while_the_broker_was_away_is_delivered_by_the_next_run(
    broker: BrokerProcess, journal: Journal, tmp_path: Path
) -> None:
    settings = BrokerSettings(url=broker.url)
    broker.stop()
    with closing(Device(tmp_path, settings)) as alone:
        alone.publisher.start()
        alone.spool.add(make_bench())
        alone.publisher.notify()
        assert not alone.publisher.flush(0.5), "a pending bench is not delivered"
    broker.start()
    with running_subscriber(journal, settings), running_device(tmp_path, settings) as device:
        assert device.publisher.flush(20)
        assert stored_ids(journal) == ["bench-0001"]


def test_a_bench_that_nobody_heard_is_sent_again_at_the_next_connection_however_long_the_pause(
    broker: BrokerProcess, journal: Journal, tmp_path: Path
) -> None:
    settings = BrokerSettings(url=broker.url)
    with running_device(tmp_path, settings, resend_s=1000.0) as device:
        device.spool.add(make_bench())
        device.publisher.notify()
        wait_until(lambda: device.publisher.connected, "connected")
        assert not device.publisher.flush(1.0), "sent, and nobody listens"
        with running_subscriber(journal, settings) as subscriber:
            wait_until(lambda: subscriber.connected, "somebody listens")
            twin = Connection(settings, f"edgejoule-{FLEET}-pi4-01", ("unused",), lambda *_: None, lambda: None)
            twin.open("unused/will", b"")  # the broker ends the connection of the one that has this name
            assert device.publisher.flush(20)
            twin.close()
        assert stored_ids(journal) == ["bench-0001"]


def test_more_benches_than_an_acknowledgement_names_and_a_damaged_one_among_them(
    broker: BrokerProcess, journal: Journal, tmp_path: Path
) -> None:
    settings = BrokerSettings(url=broker.url)
    with closing(Device(tmp_path, settings)) as device:
        for number in range(50):
            path = device.spool.add(make_bench(f"bench-{number:02d}"))
            if number == 7:
                path.write_bytes(path.read_bytes()[:50])
        device.append(100)
        device.publisher.start()
        with running_subscriber(journal, settings):
            assert device.publisher.flush(30)
        assert sorted(stored_ids(journal)) == [f"bench-{number:02d}" for number in range(50) if number != 7]
        assert device.outbox.stats().acked_seq == 100


def test_a_collector_that_is_killed_and_a_broker_that_forgets_lose_and_double_nothing(
    broker: BrokerProcess, tmp_path: Path
) -> None:
    with (
        running_collector(tmp_path, broker.url) as collector,
        running_device(tmp_path, BrokerSettings(url=broker.url)) as device,
    ):
        expected = []
        for number in range(30):
            expected.append(device.spool.add(make_bench(f"bench-{number:02d}")).stem)
            device.publisher.notify()
            time.sleep(0.02)
            if number in {8, 20}:
                collector.kill()
                collector.start()
            if number == 14:
                broker.kill()
                broker.start()
        assert device.publisher.flush(60), collector.log_text
        assert collector.stop() == 0, collector.log_text
        with closing(collector.open_journal()) as journal:
            assert sorted(stored_ids(journal)) == expected
            assert journal.cursor("lake/bench") == journal.benches_after(0, 1000)[-1].row_id
        lake = read_lake_benches(collector.state_dir / "lake")
        assert sorted(lake["bench_id"].to_pylist()) == expected


_POWER_CUT = """
import sys
from pathlib import Path
from edge_agent.bench_spool import BenchSpool
from edge_agent.connection import Connection
from tests.fakes.benches import make_bench
spool = BenchSpool(Path(sys.argv[1]))
for number in range(10_000):
    spool.add(make_bench(f"bench-{number:04d}"))
    print(number, flush=True)
"""


def test_a_process_killed_while_it_writes_has_every_bench_that_it_was_promised(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _POWER_CUT, str(tmp_path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    with process.stdout:
        for _ in range(30):
            process.stdout.readline()
        process.kill()
        rest = process.stdout.read().split()
    process.wait()
    promised = 30 + len(rest)
    spool = BenchSpool(tmp_path)
    ids = sorted(spool.pending_ids())
    assert ids[:promised] == [f"bench-{number:04d}" for number in range(promised)]
    assert len(ids) <= promised + 1
    assert all(spool.payload(bench_id, "pi4-01") for bench_id in ids)


@pytest.mark.influxdb
def test_a_bench_is_in_the_live_store_once_and_waits_while_that_is_away(tmp_path: Path) -> None:
    with (
        running_influxd(tmp_path / "influxd") as influxdb,
        running_broker("embedded", tmp_path) as broker,
        contextlib.ExitStack() as stack,
    ):
        collector = stack.enter_context(_collector_with(tmp_path, broker.url, influxdb.url))
        device = stack.enter_context(running_device(tmp_path, BrokerSettings(url=broker.url)))
        for bench in (make_bench(), _rejected()):
            device.spool.add(bench)
        device.publisher.notify()
        assert device.publisher.flush(30), "a store that is away holds up no device"
        wait_until(lambda: "database not found" in collector.log_text, "the log says what is wrong")
        influxdb.query("CREATE DATABASE edgejoule")

        def points() -> int:
            return sum(len(one.values) for one in influxdb.query("SELECT bench_id FROM bench", "edgejoule"))

        wait_until(lambda: points() == 2, "both are there")
        (valid,) = influxdb.query(
            "SELECT j_per_inference, j_per_inference_expanded_u FROM bench WHERE valid = 'true'", "edgejoule"
        )
        assert valid.values[0][1:] == [0.01, 6e-5]
        (reasons,) = influxdb.query("SELECT rejections FROM bench WHERE valid = 'false'", "edgejoule")
        assert reasons.column("rejections") == ["throttled in window 2"]


def _rejected() -> BenchRecord:
    return make_bench("bench-0002", gross=None, net=None, rejections=("throttled in window 2",))


@contextlib.contextmanager
def _collector_with(directory: Path, broker_url: str, influxdb_url: str) -> Iterator[CollectorProcess]:
    collector = CollectorProcess(directory, broker_url)
    with (directory / "collector.toml").open("a") as config:
        config.write(f'[influxdb]\nurl = "{influxdb_url}"\ndatabase = "edgejoule"\nmax_wait_s = 0.2\n')
    collector.start()
    try:
        yield collector
    finally:
        collector.stop()
