"""The mosquitto settings that we ship: they load, they keep a queue through SIGKILL, and devices stay apart."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.journal import Journal
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.records import MAX_WINDOWS_PER_MESSAGE
from edgejoule.doctor.broker import check_broker, gather_broker_facts
from edgejoule.doctor.broker_probe import check_probe, gather_probe_facts
from tests.fakes.benches import make_bench
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.certificates import LOOPBACK, Authority
from tests.fakes.delivery import (
    Device,
    assert_all_stored_once,
    running_device,
    running_subscriber,
    wait_until,
)
from tests.fakes.secure_brokers import login
from tests.fakes.shipped_mosquitto import DEPLOY, Variant, localised, shipped

pytestmark = pytest.mark.mosquitto


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
                lambda: journal.last_row_id() >= MAX_WINDOWS_PER_MESSAGE,
                "what was in flight came from the broker's disk, the device being away",
            )
            with running_device(tmp_path, settings) as again:
                again.appended = device.appended
                assert again.publisher.flush(30)
                assert_all_stored_once(journal, again)


class ShippedBroker(BrokerProcess):
    """mosquitto with one variant of the shipped file, whole."""

    def __init__(self, variant: Variant, directory: Path) -> None:
        super().__init__("mosquitto", directory)
        shutil.copy(DEPLOY / "edgejoule.acl", directory)
        (directory / "mosquitto.conf").write_text(localised(shipped(variant), directory, self.port))


def test_the_variant_for_one_machine_passes_the_doctor(tmp_path: Path) -> None:
    broker = ShippedBroker("This machine only", tmp_path).start()
    try:
        assert_the_doctor_agrees(BrokerSettings(url=broker.url))
    finally:
        broker.stop()


def test_the_variant_with_passwords_delivers_and_passes_the_doctor(journal: Journal, tmp_path: Path) -> None:
    make_users(tmp_path / "edgejoule.passwd", "collector", "pi4-01")
    broker = ShippedBroker("A network of your own", tmp_path).start()

    def user(name: str) -> BrokerSettings:
        return BrokerSettings(url=broker.url, username=name, password_file=str(tmp_path / name))

    try:
        assert_the_doctor_agrees(user("collector"))
        assert_delivers(journal, tmp_path, user("collector"), user("pi4-01"))
    finally:
        broker.stop()


def test_the_variant_with_certificates_delivers_and_passes_the_doctor(journal: Journal, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("broker", hosts=LOOPBACK)
    for source, name in ((authority.path, "ca.crt"), (pair.cert, "broker.crt"), (pair.key, "broker.key")):
        shutil.copy(source, tmp_path / name)
    authority.revoke()  # nobody; mosquitto wants the list to be there
    broker = ShippedBroker("A fleet", tmp_path).start()
    try:
        collector = login(broker, authority, authority.issue("collector"))
        assert_the_doctor_agrees(collector)
        assert_delivers(journal, tmp_path, collector, login(broker, authority, authority.issue("pi4-01")))
    finally:
        broker.stop()


def assert_the_doctor_agrees(settings: BrokerSettings) -> None:
    facts = gather_broker_facts(settings)
    assert facts.anonymous is (not settings.username and not settings.cert_file)
    assert {finding.level for finding in check_broker(facts)} == {"ok"}
    assert [finding.level for finding in check_probe(gather_probe_facts(settings))] == ["ok"]


def assert_delivers(journal: Journal, directory: Path, collector: BrokerSettings, device: BrokerSettings) -> None:
    with running_subscriber(journal, collector), running_device(directory, device) as running:
        running.append(3)
        assert running.publisher.flush(30)
        assert_all_stored_once(journal, running)


def make_users(path: Path, *users: str) -> None:
    """Write mosquitto's password file, and each user's password into a file beside it."""
    path.touch()
    for user in users:
        subprocess.run(["mosquitto_passwd", "-b", str(path), user, f"{user}-secret"], check=True)
        (path.parent / user).write_text(f"{user}-secret")


def locked_broker(tmp_path: Path) -> BrokerProcess:
    users = tmp_path / "users"
    make_users(users, "collector", "pi4-01", "intruder")
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
