"""The whole way of a window: outbox, publisher, broker, subscriber, journal, store-ack, trim; on real brokers."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.journal import Journal
from edge_agent.outbox import Outbox
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.records import Health
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.delivery import assert_all_stored_once, running_device, running_subscriber, wait_until
from tests.fakes.windows import FLEET, T0_UNIX_NS, make_window

KINDS = [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "embedded"]


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerProcess]:
    with running_broker(request.param, tmp_path) as broker:
        yield broker


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def settings_for(broker: BrokerProcess, protocol: str) -> BrokerSettings:
    if protocol == "5":
        return BrokerSettings(url=broker.url)
    return BrokerSettings(url=f"mqtt://127.0.0.1:{broker.port_v311}", protocol="3.1.1")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_window_travels_and_its_acknowledgement_empties_the_outbox(
    broker: BrokerProcess, journal: Journal, tmp_path: Path, protocol: str
) -> None:
    settings = settings_for(broker, protocol)
    with running_device(tmp_path, settings) as device, running_subscriber(journal, settings):
        device.append(3)
        assert device.publisher.flush(20)
        assert device.outbox.stats().windows == 0
        assert device.outbox.stats().acked_seq == 3
        assert_all_stored_once(journal, device)


def test_a_backlog_goes_out_in_full_messages_and_nothing_is_stored_twice(
    broker: BrokerProcess, journal: Journal, tmp_path: Path
) -> None:
    settings = BrokerSettings(url=broker.url)
    with running_device(tmp_path, settings) as device:
        device.append(1500)
        with running_subscriber(journal, settings):
            assert device.publisher.flush(30)
        assert_all_stored_once(journal, device)


def test_windows_of_an_earlier_boot_are_delivered_after_the_reboot(
    broker: BrokerProcess, journal: Journal, tmp_path: Path
) -> None:
    with closing(Outbox(tmp_path / "pi4-01.sqlite3", "kernel-boot-0", now_unix_ns=lambda: T0_UNIX_NS)) as before:
        for _ in range(70):
            before.append(make_window)
        first_boot = before.boot_id
    settings = BrokerSettings(url=broker.url)
    with running_device(tmp_path, settings) as device, running_subscriber(journal, settings):
        device.append(5)
        assert device.publisher.flush(20)
        boots = [row.boot_id for row in journal.rows_after(0, 1000)]
        assert boots.count(first_boot) == 70
        assert boots.count(device.outbox.boot_id) == 5
        (line,) = journal.ledger()
        assert line.adds_up
        assert line.sent == 75


def test_birth_status_and_health_reach_the_journal_and_the_will_speaks_for_the_dead(
    broker: BrokerProcess, journal: Journal, tmp_path: Path
) -> None:
    settings = BrokerSettings(url=broker.url)
    with running_subscriber(journal, settings):
        with running_device(tmp_path, settings) as device:
            wait_until(lambda: device.publisher.connected, "connected")
            device.publisher.publish_health(
                Health(
                    device_id=device.device_id,
                    boot_id=device.outbox.boot_id,
                    t_unix_ns=T0_UNIX_NS,
                    clock_state="synchronised",
                    last_seq=0,
                    acked_seq=0,
                    outbox_windows=0,
                    outbox_bytes=0,
                    dropped_windows=0,
                    meter_connected=True,
                )
            )
            wait_until(lambda: any(state.health for state in journal.devices()), "health in the journal")
            (state,) = journal.devices()
            assert state.fleet == FLEET
            assert state.birth is not None
            assert state.birth.boot_id == device.outbox.boot_id
            assert state.status is not None
            assert state.status.online
        wait_until(
            lambda: any(s.status is not None and not s.status.online for s in journal.devices()), "status offline"
        )
        (state,) = journal.devices()
        assert state.status is not None
        assert state.status.reason == "stopped"


def test_a_collector_that_was_away_gets_the_queue_of_its_session(
    broker: BrokerProcess, journal: Journal, tmp_path: Path
) -> None:
    settings = BrokerSettings(url=broker.url)
    with running_device(tmp_path, settings) as device:
        with running_subscriber(journal, settings):
            device.append(2)
            assert device.publisher.flush(20)
        device.append(10)
        with running_subscriber(journal, settings):
            assert device.publisher.flush(20)
        assert_all_stored_once(journal, device)
