"""The mosquitto settings that we ship: they load, they keep a queue through SIGKILL, and devices stay apart."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.journal import Journal
from edge_agent.publisher import MAX_MESSAGES_IN_FLIGHT
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.records import MAX_WINDOWS_PER_MESSAGE
from tests.fakes.benches import make_bench
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.delivery import (
    Device,
    assert_all_stored_once,
    running_device,
    running_subscriber,
    wait_until,
)

pytestmark = pytest.mark.mosquitto
DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def shipped_settings(tmp_path: Path) -> str:
    """Return the lines of deploy/mosquitto.conf that decide about delivery, with paths and pace for a test."""
    lines = (DEPLOY / "mosquitto.conf").read_text().splitlines()
    keep = [line for line in lines if line and not line.startswith(("#", "listener", "allow_anonymous"))]
    text = "\n".join(keep) + "\n"
    assert "persistence true" in text
    debians_own = f"pid_file {tmp_path}/mosquitto.pid\npersistence_location {tmp_path}/\n"
    return debians_own + text.replace("autosave_interval 30", "autosave_interval 1")


def test_the_queue_of_an_absent_collector_survives_sigkill_of_the_broker(journal: Journal, tmp_path: Path) -> None:
    with running_broker("mosquitto", tmp_path, shipped_settings(tmp_path)) as broker:
        settings = BrokerSettings(url=broker.url)
        with running_subscriber(journal, settings) as subscriber:
            wait_until(lambda: subscriber.connected, "the session exists")
        with closing(Device(tmp_path, settings)) as device:
            device.append(1000)
            device.publisher.start()
            time.sleep(3.0)
        broker.kill()
        broker.start()
        with running_subscriber(journal, settings):
            wait_until(
                lambda: journal.last_row_id() == MAX_MESSAGES_IN_FLIGHT * MAX_WINDOWS_PER_MESSAGE,
                "all that was in flight came from the broker's disk, the device being away",
            )
            with running_device(tmp_path, settings) as again:
                again.appended = device.appended
                assert again.publisher.flush(30)
                assert_all_stored_once(journal, again)


def locked_broker(tmp_path: Path) -> BrokerProcess:
    users = tmp_path / "users"
    for flags, user in ((["-c"], "collector"), ([], "pi4-01"), ([], "intruder")):
        subprocess.run(["mosquitto_passwd", "-b", *flags, str(users), user, f"{user}-secret"], check=True)
        (tmp_path / user).write_text(f"{user}-secret")
    extra = f"allow_anonymous false\npassword_file {users}\nacl_file {DEPLOY / 'edgejoule.acl'}\n"
    return BrokerProcess("mosquitto", tmp_path, extra)


def test_the_access_list_lets_a_device_speak_for_itself_only(journal: Journal, tmp_path: Path) -> None:
    broker = locked_broker(tmp_path).start()

    def login(user: str) -> BrokerSettings:
        return BrokerSettings(url=broker.url, username=user, password_file=str(tmp_path / user))

    try:
        with running_subscriber(journal, login("collector")), running_device(tmp_path, login("pi4-01")) as device:
            device.append(2)
            device.spool.add(make_bench())
            device.publisher.notify()
            assert device.publisher.flush(20)
            with running_device(tmp_path, login("intruder"), "zero-01") as liar:
                liar.append()
                liar.spool.add(make_bench("lie", device_id="zero-01"))
                liar.publisher.notify()
                assert not liar.publisher.flush(1.5)
            assert [entry.bench_id for entry in journal.benches()] == ["bench-0001"]
            assert [state.device_id for state in journal.devices()] == ["pi4-01"]
            assert_all_stored_once(journal, device)
    finally:
        broker.stop()
