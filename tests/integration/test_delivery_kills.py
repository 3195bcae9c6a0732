"""SIGKILL of the collector and of the broker in the middle of a stream: nothing lost, nothing counted twice."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge_agent.wire.mqtt import BrokerSettings
from tests.fakes.brokers import Kind, running_broker
from tests.fakes.delivery import Device, assert_all_stored_once, running_collector, running_device, wait_until

KINDS = [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "embedded"]
STREAM_WINDOWS = 600


@contextmanager
def streaming(device: Device) -> Iterator[threading.Thread]:
    """Append windows, steadily, while the block runs; at its end all of them are in the outbox."""

    def stream() -> None:
        for _ in range(STREAM_WINDOWS):
            device.append()
            pause.wait(0.003)

    pause = threading.Event()
    thread = threading.Thread(target=stream)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


@pytest.mark.parametrize("kind", KINDS)
def test_kill_of_the_collector(kind: Kind, tmp_path: Path) -> None:
    with (
        running_broker(kind, tmp_path) as broker,
        running_collector(tmp_path, broker.url) as collector,
        running_device(tmp_path, BrokerSettings(url=broker.url)) as device,
    ):
        with streaming(device):
            for kill_after in (20, 120, 250):
                wait_until(lambda: collector.stored_count() > kill_after, f"{kill_after} windows stored")  # noqa: B023
                collector.kill()
                collector.start()
        assert device.publisher.flush(30), collector.log_text
        assert collector.stop() == 0, collector.log_text
        with closing(collector.open_journal()) as journal:
            assert_all_stored_once(journal, device)
            assert journal.cursor("lake") == journal.last_row_id()


@pytest.mark.parametrize("kind", KINDS)
def test_kill_of_the_broker(kind: Kind, tmp_path: Path) -> None:
    with (
        running_broker(kind, tmp_path) as broker,
        running_collector(tmp_path, broker.url) as collector,
        running_device(tmp_path, BrokerSettings(url=broker.url)) as device,
    ):
        with streaming(device):
            for kill_after in (20, 150):
                wait_until(lambda: collector.stored_count() > kill_after, f"{kill_after} windows stored")  # noqa: B023
                broker.kill()
                broker.start()
        assert device.publisher.flush(30), collector.log_text
        assert collector.stop() == 0, collector.log_text
        with closing(collector.open_journal()) as journal:
            assert_all_stored_once(journal, device)
