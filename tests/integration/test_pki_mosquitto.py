"""A fleet of `edgejoule pki` at a real mosquitto with certificates on both sides: enrol, deliver, renew, revoke."""

import datetime as dt
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collector.journal import Journal
from edge_agent.wire.topics import ROOT
from edgejoule.cli import main
from edgejoule.doctor.certificates import examine_server
from edgejoule.pki import names
from edgejoule.pki.authority import Authority, create_authority
from edgejoule.pki.device_files import DeviceFiles
from edgejoule.pki.enrolment import Renewal
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.delivery import assert_all_stored_once, running_device, running_subscriber, wait_until
from tests.fakes.enrolment import DEPLOY, Fleet, login_with, running_fleet
from tests.fakes.raw_mqtt import raw_client
from tests.fakes.secure_brokers import refusal
from tests.what_is_there import find_program

pytestmark = pytest.mark.mosquitto
DENIED = "Not authorized"
CERTIFICATE_WORDS = "cert_file|certificate"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with running_fleet(tmp_path) as fleet:
        yield fleet


@pytest.fixture
def broker(fleet: Fleet, tmp_path: Path) -> Iterator[BrokerProcess]:
    with running_broker("mosquitto", tmp_path, f"{fleet.broker_lines()}log_type all\n") as broker:
        yield broker


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def publish_list(fleet: Fleet) -> None:
    """Copy the list of revoked certificates to the broker's machine."""
    shutil.copy(fleet.authority.directory / "fleet.crl", fleet.directory / "broker" / "fleet.crl")


def reload(broker: BrokerProcess) -> None:
    """Do what `systemctl reload mosquitto` does, and return when it is done."""
    assert broker._process is not None
    broker._process.send_signal(signal.SIGHUP)


def say_agent_config(fleet: Fleet, broker: BrokerProcess) -> Path:
    path = fleet.directory / "agent.toml"
    path.write_text(
        f'[device]\nid = "pi4-01"\n[meter]\ndriver = "tc66c"\nport = "/dev/null"\nboundary = "usb_dc"\n'
        f'[model]\nid = "digits_mlp_int8"\n[broker]\nurl = "mqtts://127.0.0.1:{broker.port}"\n'
        'ca_file = "/run/credentials/not-there/ca.crt"\nusername = "x"\n'
    )
    return path


def test_enrolled_by_commands_a_device_delivers_and_each_window_is_stored_once(
    fleet: Fleet, broker: BrokerProcess, journal: Journal, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ca = str(fleet.authority.directory)
    for name, words in (("pi4-01", ["pi4-01"]), ("collector", ["collector", "--service"])):
        assert main(["pki", "token", ca, *words]) == 0
        token = capsys.readouterr().out.splitlines()[-1]
        place = str(tmp_path / name)
        assert main(["pki", "enrol", "--server", fleet.url, "--token", token, "--out", place]) == 0
    with (
        running_subscriber(journal, login_with(tmp_path / "collector", broker)),
        running_device(tmp_path, login_with(tmp_path / "pi4-01", broker)) as device,
    ):
        device.append(3)
        assert device.publisher.flush(30)
        assert_all_stored_once(journal, device)


def test_a_renewal_loses_no_window_and_the_old_certificate_is_no_longer_needed(
    fleet: Fleet, broker: BrokerProcess, journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, collector = fleet.enrol("pi4-01"), fleet.enrol("collector")
    old = Renewal(place).present()
    old_serial = next(e.serial for e in fleet.authority.entries() if e.name == "pi4-01")
    with (
        running_subscriber(journal, login_with(collector, broker)),
        running_device(tmp_path, login_with(place, broker)) as device,
    ):
        device.append(2)
        assert device.publisher.flush(30)
        words = ["pki", "renew", "--out", str(place), "--config", str(say_agent_config(fleet, broker))]
        assert main([*words, "--if-due"]) == 0
        assert "nothing done" in capsys.readouterr().out
        assert main(words) == 0
        device.append(2)
        fleet.authority.revoke(old_serial)
        publish_list(fleet)
        broker.stop()
        device.append(2)
        broker.start()
        assert device.publisher.flush(60), "it connects again, with the new pair, as the old one is revoked"
        assert_all_stored_once(journal, device)
    assert Renewal(place).present().not_after >= old.not_after


def test_a_new_certificate_that_the_broker_does_not_take_is_not_used(
    fleet: Fleet, broker: BrokerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    place = fleet.enrol("pi4-01")
    before = (place / "device.crt").read_text()
    words = ["pki", "renew", "--out", str(place), "--config", str(say_agent_config(fleet, broker))]
    broker.stop()
    assert main(words) == 1
    assert re.search("does not work .*nothing listens.* the old one stays in use until", capsys.readouterr().err)
    assert (place / "device.crt").read_text() == before
    broker.start()
    assert main(words) == 0
    assert (place / "device.crt").read_text() != before
    assert refusal(login_with(place, broker)) == ""


@pytest.mark.skipif(find_program("mosquitto_passwd") is None, reason="needs mosquitto_passwd")
def test_a_broker_that_wants_a_password_as_well_gets_it(fleet: Fleet, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "x", "secret"], check=True)
    passwords.chmod(0o644)
    (tmp_path / "password").write_text("secret\n")
    place = fleet.enrol("pi4-01")
    lines = fleet.broker_lines().replace("use_identity_as_username true", f"password_file {passwords}")
    with running_broker("mosquitto", tmp_path, lines) as broker:
        config = say_agent_config(fleet, broker)
        config.write_text(f'{config.read_text()}password_file = "{tmp_path}/password"\n')
        assert main(["pki", "renew", "--out", str(place), "--config", str(config)]) == 0


def test_a_revoked_certificate_cannot_connect_after_a_reload_and_its_successor_can(
    fleet: Fleet, broker: BrokerProcess
) -> None:
    place, other = fleet.enrol("pi4-01"), fleet.enrol("pi4-02")
    login = login_with(place, broker)
    assert refusal(login) == ""
    fleet.authority.revoke("pi4-01")
    publish_list(fleet)
    reload(broker)
    wait_until(lambda: refusal(login) != "", "the broker has read the list")

    assert re.search(CERTIFICATE_WORDS, refusal(login))
    assert refusal(login_with(other, broker)) == ""
    assert refusal(login_with(fleet.enrol("pi4-01", "again"), broker)) == ""


def test_a_standing_connection_outlives_a_reload_but_not_a_restart_nor_a_line_in_the_access_list(
    fleet: Fleet, tmp_path: Path
) -> None:
    access_list = tmp_path / "own.acl"
    access_list.write_text((DEPLOY / "edgejoule.acl").read_text())
    lines = fleet.broker_lines().replace(str(DEPLOY / "edgejoule.acl"), str(access_list))
    topic = f"{ROOT}/home/pi4-01/windows"
    with running_broker("mosquitto", tmp_path, lines) as broker:
        login = login_with(fleet.enrol("pi4-01"), broker)
        with raw_client(login, "device") as device:
            fleet.authority.revoke("pi4-01")
            publish_list(fleet)
            reload(broker)
            wait_until(lambda: refusal(login) != "", "the broker has read the list")
            assert device.publish(topic) != DENIED, "mosquitto does not look at those who are in"
            with access_list.open("a") as file:
                file.write("user pi4-01\ntopic deny #\n")
            reload(broker)
            wait_until(lambda: device.publish(topic) == DENIED, "the line takes effect on who is in")
        broker.stop()
        broker.start()
        assert re.search(CERTIFICATE_WORDS, refusal(login))


def test_a_stolen_certificate_speaks_for_nobody_else_and_hears_nobody_else_s_orders(
    fleet: Fleet, broker: BrokerProcess
) -> None:
    thief = login_with(fleet.enrol("pi4-01"), broker)
    victim, collector = login_with(fleet.enrol("pi4-02"), broker), login_with(fleet.enrol("collector"), broker)
    operator = login_with(fleet.enrol("operator"), broker)
    with (
        raw_client(thief, "pi4-02") as stolen,
        raw_client(victim, "victim") as other,
        raw_client(collector, "collector") as heard,
        raw_client(operator, "operator") as orders,
    ):
        heard.subscribe("#")
        stolen.subscribe("#", f"{ROOT}/+/+/cmd/#", f"{ROOT}/home/pi4-02/cmd/run", f"{ROOT}/home/pi4-02/ack")
        other.subscribe(f"{ROOT}/home/pi4-02/cmd/#")
        for channel in ("windows", "birth", "status", "health", "bench", "reply", "fetch", "ack", "cmd/run"):
            assert stolen.publish(f"{ROOT}/home/pi4-02/{channel}", retain=True) == DENIED
        assert stolen.publish(f"{ROOT}/home/pi4-01/cmd/run") == DENIED
        assert stolen.publish(f"{ROOT}/home/grid/DE") == DENIED
        assert orders.publish(f"{ROOT}/home/pi4-02/cmd/run") != DENIED
        other.wait_for(f"{ROOT}/home/pi4-02/cmd/run")
        assert other.publish(f"{ROOT}/home/pi4-02/reply") == "Success"
        assert stolen.publish(f"{ROOT}/home/pi4-01/windows") == "Success"
        heard.wait_for(f"{ROOT}/home/pi4-01/windows")
        assert stolen.topics() == []
        assert f"{ROOT}/home/pi4-02/windows" not in heard.topics()


def test_who_takes_over_the_collector_s_session_hears_nothing_of_it(fleet: Fleet, broker: BrokerProcess) -> None:
    """A client id is whatever a client says, and the broker hands the session on; what it may read, it does not."""
    windows, own = f"{ROOT}/home/pi4-02/windows", f"{ROOT}/home/pi4-01/cmd/run"
    collector, operator = (login_with(fleet.enrol(name), broker) for name in ("collector", "operator"))
    thief, victim = login_with(fleet.enrol("pi4-01"), broker), login_with(fleet.enrol("pi4-02"), broker)
    with raw_client(collector, "edgejoule-collector", keep_session=True) as real:
        real.subscribe(f"{ROOT}/#")
    with raw_client(victim, "victim") as device, raw_client(operator, "operator") as orders:
        assert device.publish(windows) == "Success"
        with raw_client(thief, "edgejoule-collector", keep_session=True) as stolen:
            assert device.publish(windows) == "Success"
            orders.publish(own)
            stolen.wait_for(own)
            assert set(stolen.topics()) == {own}, "the session is the collector's, the rights are not"


def _expired(fleet: Fleet) -> Path:
    past = Authority(fleet.authority.directory, now_unix_s=lambda: time.time() - 3 * 86_400)
    files = DeviceFiles(fleet.directory / "expired")
    files.adopt(*past.sign(files.request(names.device("pi4-01")), names.device("pi4-01"), 1))
    return files.directory


def _of_tomorrow(fleet: Fleet) -> Path:
    """The authority's clock is two days ahead."""
    ahead = Authority(fleet.authority.directory, now_unix_s=lambda: time.time() + 2 * 86_400)
    files = DeviceFiles(fleet.directory / "tomorrow")
    files.adopt(*ahead.sign(files.request(names.device("pi4-01")), names.device("pi4-01")))
    return files.directory


def _of_another_authority(fleet: Fleet) -> Path:
    files = DeviceFiles(fleet.directory / "foreign")
    other = create_authority(fleet.directory / "foreign-ca", "fleet")
    files.adopt(*other.sign(files.request(names.device("pi4-01")), names.device("pi4-01")))
    (files.directory / "ca.crt").unlink()
    shutil.copy(fleet.authority.directory / "ca.crt", files.directory)
    return files.directory


def _of_the_broker(fleet: Fleet) -> Path:
    """A server's certificate is good for no login."""
    place = fleet.directory / "as-broker"
    place.mkdir()
    for name, own in (("broker.crt", "device.crt"), ("broker.key", "device.key"), ("ca.crt", "ca.crt")):
        shutil.copy(fleet.directory / "broker" / name, place / own)
    return place


@pytest.mark.parametrize("make", [_expired, _of_tomorrow, _of_another_authority, _of_the_broker])
def test_what_is_not_valid_here_and_now_cannot_connect(make: object, fleet: Fleet, broker: BrokerProcess) -> None:
    assert callable(make)
    place = make(fleet)

    assert re.search(CERTIFICATE_WORDS, refusal(login_with(place, broker)))
    assert refusal(login_with(fleet.enrol("pi4-02"), broker)) == ""


def test_a_certificate_made_by_a_clock_that_is_half_a_day_ahead_connects(fleet: Fleet, broker: BrokerProcess) -> None:
    ahead = Authority(fleet.authority.directory, now_unix_s=lambda: time.time() + 0.5 * 86_400)
    files = DeviceFiles(fleet.directory / "device")
    files.adopt(*ahead.sign(files.request(names.device("pi4-01")), names.device("pi4-01")))

    assert refusal(login_with(files.directory, broker)) == ""


@pytest.mark.skipif(find_program("openssl") is None, reason="needs openssl")
def test_a_board_whose_clock_stands_in_the_past_trusts_the_broker(fleet: Fleet, broker: BrokerProcess) -> None:
    """OpenSSL's client, told that it is 1971: the chain holds, and so it does under Python 3.13's stricter rules."""
    place = fleet.enrol("pi4-01")
    words = ["-connect", f"127.0.0.1:{broker.port}", "-CAfile", str(place / "ca.crt"), "-verify_return_error"]
    own = ["-cert", str(place / "device.crt"), "-key", str(place / "device.key")]
    outcome = subprocess.run(
        ["openssl", "s_client", *words, *own, "-attime", "40000000", "-x509_strict", "-verify_ip", "127.0.0.1"],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Verify return code: 0 (ok)" in outcome.stdout, outcome.stderr
    context = ssl.create_default_context(cafile=str(place / "ca.crt"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(place / "device.crt", place / "device.key")
    with socket.create_connection(("127.0.0.1", broker.port)) as plain:
        context.wrap_socket(plain, server_hostname="127.0.0.1").close()


def test_a_device_named_like_the_collector_is_never_signed(
    fleet: Fleet, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ca = str(fleet.authority.directory)
    for name in ("collector", "operator", "grid"):
        assert main(["pki", "token", ca, name]) == 1
        assert "reserved" in capsys.readouterr().err
    assert (
        main(["pki", "enrol", "--csr-only", "--device", "collector", "--service", "--out", str(tmp_path / "x")]) == 0
    )
    (tmp_path / "x.csr").write_text(capsys.readouterr().out)
    assert main(["pki", "sign", ca, str(tmp_path / "x.csr"), "--device", "pi4-01"]) == 1
    assert "'collector', but only 'pi4-01'" in capsys.readouterr().err


def test_a_unit_that_starts_with_neither_pair_has_the_new_one(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """No such unit is there to restart, whether this machine runs systemd or not: not for want of the certificate."""
    place = fleet.enrol("pi4-01")
    before = (place / "device.crt").read_text()
    assert main(["pki", "renew", "--out", str(place), "--restart", "edgejoule-is-not-here.service"]) == 1

    assert "edgejoule-is-not-here.service starts neither with the new certificate" in capsys.readouterr().err
    assert (place / "device.crt").read_text() != before
    assert Renewal(place).run().renewed


def test_the_doctor_sees_when_the_broker_s_certificate_ends(fleet: Fleet, broker: BrokerProcess) -> None:
    login, now = login_with(fleet.enrol("pi4-01"), broker), dt.datetime.now(dt.UTC)

    assert [finding.level for finding in examine_server(login, now)] == ["ok"]
    assert [finding.level for finding in examine_server(login, now + dt.timedelta(days=720))] == ["warning"]
    broker.stop()
    assert examine_server(login, now) == []
