"""Files that go away under a running or a stopped process: said in one line, and nothing acknowledged in vain."""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collector.journal import Journal
from edge_agent.wire.mqtt import BrokerSettings
from tests.fakes.brokers import running_broker
from tests.fakes.delivery import (
    assert_all_stored_once,
    make_health,
    running_collector,
    running_device,
    running_subscriber,
    wait_until,
)
from tests.fakes.windows import FLEET, T0_UNIX_NS


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def test_a_password_file_that_goes_away_and_comes_back_only_delays(journal: Journal, tmp_path: Path) -> None:
    password_file = tmp_path / "password"
    password_file.write_text("secret\n")
    with running_broker("embedded", tmp_path) as broker:
        settings = BrokerSettings(url=broker.url, username="pi4", password_file=str(password_file))
        with (
            capture_logs() as logs,
            running_device(tmp_path, settings) as device,
            running_subscriber(journal, settings) as subscriber,
        ):
            wait_until(lambda: device.publisher.connected and subscriber.connected, "both connected")
            password_file.unlink()
            broker.kill()
            broker.start()
            device.append(3)
            wait_until(lambda: [line["event"] for line in logs].count("broker_unreachable") == 2, "both said so")
            assert all("cannot read it" in line["remedy"] for line in logs if line["event"] == "broker_unreachable")
            password_file.write_text("secret\n")
            assert device.publisher.flush(40)
            assert_all_stored_once(journal, device)


def test_a_new_journal_owns_up_to_what_the_old_one_had_and_takes_new_windows(tmp_path: Path) -> None:
    with (
        running_broker("embedded", tmp_path) as broker,
        running_collector(tmp_path, broker.url) as collector,
        running_device(tmp_path, BrokerSettings(url=broker.url)) as device,
    ):
        device.append(20)
        assert device.publisher.flush(30)
        collector.kill()
        shutil.rmtree(collector.state_dir)
        device.append(5)
        collector.start()
        assert device.publisher.flush(30)
        with closing(collector.open_journal()) as journal:
            (line,) = journal.ledger()
        assert (line.sent, line.stored, line.missing, line.adds_up) == (25, 5, 20, False)


def test_what_is_committed_to_a_journal_that_was_deleted_is_not_acknowledged(tmp_path: Path) -> None:
    with (
        running_broker("embedded", tmp_path) as broker,
        running_collector(tmp_path, broker.url) as collector,
        running_device(tmp_path, BrokerSettings(url=broker.url)) as device,
    ):
        device.append(5)
        assert device.publisher.flush(30)
        shutil.rmtree(collector.state_dir)
        device.append(5)
        assert collector.wait() == 1, "it ends, to be started again"
        assert device.outbox.stats().windows == 5
        assert collector.log_text.count("journal_gone") == 1
        assert "Traceback" not in collector.log_text
        collector.start()
        assert device.publisher.flush(30)
        with closing(collector.open_journal()) as journal:
            assert [row.window.seq for row in journal.rows_after(0, 100)] == [6, 7, 8, 9, 10]


def test_windows_of_an_outbox_that_was_deleted_are_missing_and_not_pending_for_ever(
    journal: Journal, tmp_path: Path
) -> None:
    with running_broker("embedded", tmp_path) as broker:
        settings = BrokerSettings(url=broker.url)
        with running_subscriber(journal, settings), running_device(tmp_path, settings) as device:
            device.append(5)
            assert device.publisher.flush(30)
            first_boot = device.outbox.boot_id
        with running_device(tmp_path, settings) as device:
            device.append(3)
            wait_until(lambda: device.publisher.connected, "sent, but no collector runs")
            assert not device.publisher.flush(0.5)
        last_words = make_health(last_seq=8, acked_seq=5, boot_id=first_boot)
        journal.put_health(FLEET, last_words, T0_UNIX_NS)
        assert [(line.pending, line.missing) for line in journal.ledger()] == [(3, 0)]
        for file in tmp_path.glob("pi4-01.sqlite3*"):
            file.unlink()
        broker.kill()  # and with it what it had queued
        broker.start()
        with running_subscriber(journal, settings), running_device(tmp_path, settings) as device:
            assert device.outbox.boot_id != first_boot
            device.append(2)
            assert device.publisher.flush(30)
        (line,) = journal.ledger()
        assert (line.sent, line.stored, line.pending, line.missing) == (10, 7, 0, 3)


def test_two_devices_under_one_id_lose_nothing_and_are_told(journal: Journal, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with running_broker("embedded", tmp_path) as broker:
        settings = BrokerSettings(url=broker.url)
        with (
            capture_logs() as logs,
            running_subscriber(journal, settings),
            running_device(tmp_path / "a", settings) as first,
            running_device(tmp_path / "b", settings) as second,
        ):
            for _ in range(40):
                first.append()
                second.append()
                time.sleep(0.05)
            second.publisher.stop()
            assert first.publisher.flush(60)
            first.publisher.stop()
        with running_subscriber(journal, settings), running_device(tmp_path / "b", settings) as second:
            assert second.publisher.flush(60)
        assert any("a second device with this id" in line.get("remedy", "") for line in logs)
        (line,) = journal.ledger()
        assert (line.sent, line.stored, line.missing, line.pending) == (80, 80, 0, 0)
