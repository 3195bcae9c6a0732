"""Files that go away under a running or a stopped process: said in one line, and nothing acknowledged in vain."""

import shutil
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
    running_collector,
    running_device,
    running_subscriber,
    wait_until,
)


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
