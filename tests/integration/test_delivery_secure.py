"""Device and collector over TLS with certificates on both sides: everything arrives, whatever becomes of a file."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from collector.journal import Journal
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.certificates import LOOPBACK, Authority, Pair
from tests.fakes.delivery import assert_all_stored_once, running_device, running_subscriber, wait_until
from tests.fakes.ports import free_port
from tests.fakes.secure_brokers import login, tls_lines, wait_until_listening

pytestmark = pytest.mark.mosquitto


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def broker(authority: Authority, tmp_path: Path) -> Iterator[BrokerProcess]:
    lines = tls_lines(authority, authority.issue("broker", hosts=LOOPBACK), access_list=True)
    with running_broker("mosquitto", tmp_path, lines) as broker:
        yield broker


def _install(pair: Pair, place: Pair) -> None:
    shutil.copy(pair.cert, place.cert)
    shutil.copy(pair.key, place.key)


@pytest.mark.parametrize("fault", ["expired", "foreign", "mismatched", "missing"])
def test_delivery_goes_on_when_the_right_certificate_is_put_there(
    fault: str, broker: BrokerProcess, authority: Authority, journal: Journal, tmp_path: Path
) -> None:
    collector = login(broker, authority, authority.issue("collector"))
    good = authority.issue("pi4-01")
    place = Pair(tmp_path / "device.crt", tmp_path / "device.key")
    _install(good, place)
    with (
        capture_logs() as logs,
        running_subscriber(journal, collector),
        running_device(tmp_path, login(broker, authority, place)) as device,
    ):
        device.append(3)
        assert device.publisher.flush(30)
        if fault == "missing":
            place.key.unlink()
        elif fault == "mismatched":
            shutil.copy(authority.issue("pi4-02").key, place.key)
        elif fault == "foreign":
            _install(Authority(tmp_path, "foreign").issue("pi4-01"), place)
        else:
            _install(authority.issue("pi4-01", days=-1), place)
        broker.kill()
        broker.start()
        device.append(3)
        place_words = ("device.key", "cert_file")
        wait_until(
            lambda: any(word in line.get("remedy", "") for line in logs for word in place_words),
            "the device says which file it is",
        )
        assert not device.publisher.connected
        _install(authority.issue("pi4-01"), place)
        assert device.publisher.flush(60)
        assert_all_stored_once(journal, device)


def test_an_old_broker_is_served_in_3_1_1(
    broker: BrokerProcess, authority: Authority, journal: Journal, tmp_path: Path
) -> None:
    collector = login(broker, authority, authority.issue("collector"))
    device_settings = login(broker, authority, authority.issue("pi4-01"))
    with (
        running_subscriber(journal, msgspec.structs.replace(collector, protocol="3.1.1")),
        running_device(tmp_path, msgspec.structs.replace(device_settings, protocol="3.1.1")) as device,
    ):
        device.append(65)
        assert device.publisher.flush(30)
        assert_all_stored_once(journal, device)


def test_device_and_collector_over_web_sockets_with_certificates(
    authority: Authority, journal: Journal, tmp_path: Path
) -> None:
    port = free_port()
    lines = tls_lines(authority, authority.issue("broker", hosts=LOOPBACK), access_list=True)
    extra = f"listener {port} 127.0.0.1\nprotocol websockets\n{lines}"
    with running_broker("mosquitto", tmp_path, extra) as broker:
        wait_until_listening(port)
        url = f"wss://127.0.0.1:{port}/mqtt"
        collector = msgspec.structs.replace(login(broker, authority, authority.issue("collector")), url=url)
        pi = msgspec.structs.replace(login(broker, authority, authority.issue("pi4-01")), url=url)
        with running_subscriber(journal, collector), running_device(tmp_path, pi, resend_s=5.0) as device:
            device.append(20)
            assert device.publisher.flush(60)
            assert_all_stored_once(journal, device)
