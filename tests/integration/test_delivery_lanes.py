"""Live data beside a backlog, and brokers that take few messages at a time: real brokers, real collector."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collector.journal import Journal
from edge_agent.outbox import Outbox
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.records import InferenceWindow
from tests.fakes.brokers import running_broker
from tests.fakes.delivery import (
    Device,
    assert_all_stored_once,
    journal_disk_full,
    running_device,
    running_subscriber,
    wait_until,
)
from tests.fakes.windows import T0_UNIX_NS, make_window

BACKLOG = 3000
KINDS = [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "embedded"]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def fill(directory: Path, count: int) -> list[InferenceWindow]:
    """Let the device find a backlog when it starts."""
    path = directory / "pi4-01.sqlite3"
    with closing(Outbox(path, "kernel-boot-1", synchronous="NORMAL", now_unix_ns=lambda: T0_UNIX_NS)) as outbox:
        return [outbox.append(make_window) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_that_closes_while_a_backlog_drains_is_stored_before_the_backlog_is(
    kind: str, journal: Journal, tmp_path: Path
) -> None:
    with running_broker("mosquitto" if kind == "mosquitto" else "embedded", tmp_path) as broker:
        settings = BrokerSettings(url=broker.url)
        backlog = fill(tmp_path, BACKLOG)
        device = Device(tmp_path, settings, resend_s=60.0)
        try:
            device.appended += backlog
            with running_subscriber(journal, settings) as subscriber:
                wait_until(lambda: subscriber.connected, "the collector is there")
                with capture_logs(), journal_disk_full(journal):  # so that the backlog cannot be gone already
                    device.publisher.start()
                    wait_until(lambda: bool(device.publisher._sender._flights), "the backlog is on its way")
                    device.append(1)
                    wait_until(lambda: device.publisher._sender._live.count == 1, "the new window is on its way")
                assert device.publisher.flush(60)
            live = device.appended[-1].seq
            rows = journal.rows_after(0, BACKLOG + 10)
            place = next(number for number, row in enumerate(rows) if row.window.seq == live)
            assert place < BACKLOG / 2, "it did not wait for its turn"
            assert_all_stored_once(journal, device)
        finally:
            device.close()


@pytest.mark.mosquitto
@pytest.mark.parametrize("maximum", [1, 3])
def test_a_broker_that_takes_few_messages_at_a_time_is_not_overrun(
    journal: Journal, tmp_path: Path, maximum: int
) -> None:
    """mosquitto ends the connection of a client that exceeds its Receive Maximum (MQTT 5, 3.3.4)."""
    with (
        running_broker("mosquitto", tmp_path, f"max_inflight_messages {maximum}\n") as broker,
        capture_logs() as logs,
    ):
        settings = BrokerSettings(url=broker.url)
        backlog = fill(tmp_path, 1000)
        with running_device(tmp_path, settings, resend_s=5.0) as device:
            device.appended += backlog
            with running_subscriber(journal, settings):
                assert device.publisher.flush(60)
            assert_all_stored_once(journal, device)
        assert "broker_connection_lost" not in [line["event"] for line in logs]
