"""TLS with certificates on both sides against mosquitto: what connects, and the one line for what does not."""

import re
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings, check_settings
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.certificates import LOOPBACK, Authority, Pair
from tests.fakes.secure_brokers import connect, login, refusal, tls_lines

pytestmark = pytest.mark.mosquitto


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def broker(authority: Authority, tmp_path: Path) -> Iterator[BrokerProcess]:
    lines = tls_lines(authority, authority.issue("broker", hosts=LOOPBACK))
    with running_broker("mosquitto", tmp_path, lines) as broker:
        yield broker


@pytest.mark.parametrize("host", LOOPBACK)
def test_a_certificate_of_the_fleet_connects(host: str, broker: BrokerProcess, authority: Authority) -> None:
    connect(login(broker, authority, authority.issue("pi4-01"), host=host))


REFUSED_CLIENTS: list[tuple[str, Callable[[Authority, Path], Pair | None], str]] = [
    ("no certificate", lambda _own, _path: None, "set cert_file and key_file|check cert_file"),
    ("of a foreign authority", lambda _own, path: Authority(path, "foreign").issue("pi4-01"), "cert_file"),
    ("expired", lambda own, _path: own.issue("pi4-01", days=-1), "renew cert_file|check cert_file"),
]


@pytest.mark.parametrize(
    ("client", "words"), [case[1:] for case in REFUSED_CLIENTS], ids=[c[0] for c in REFUSED_CLIENTS]
)
def test_what_the_broker_refuses_is_one_line_that_names_the_certificate(
    client: Callable[[Authority, Path], Pair | None],
    words: str,
    broker: BrokerProcess,
    authority: Authority,
    tmp_path: Path,
) -> None:
    assert re.search(words, refusal(login(broker, authority, client(authority, tmp_path))))


def test_a_revoked_certificate_is_refused_and_its_successor_connects(authority: Authority, tmp_path: Path) -> None:
    pair, other = authority.issue("pi4-01"), authority.issue("pi4-02")
    server = authority.issue("broker", hosts=LOOPBACK)
    lines = tls_lines(authority, server) + f"crlfile {authority.revoke('pi4-01')}\n"
    with running_broker("mosquitto", tmp_path, lines) as broker:
        connect(login(broker, authority, other))
        assert "cert_file" in refusal(login(broker, authority, pair))
        connect(login(broker, authority, authority.issue("pi4-01")))


def test_a_foreign_authority_s_broker_is_not_trusted(
    broker: BrokerProcess, authority: Authority, tmp_path: Path
) -> None:
    foreign = Authority(tmp_path, "foreign")

    line = refusal(login(broker, foreign, authority.issue("pi4-01")))

    assert re.search("is not trusted .*: check ca_file", line)


@pytest.mark.parametrize(
    ("hosts", "days", "words"),
    [(("elsewhere.example",), 30, "is not trusted .*mismatch.*subjectAltName"), (LOOPBACK, -1, "machine's clock")],
)
def test_a_broker_s_wrong_certificate_is_explained(
    hosts: tuple[str, ...], days: int, words: str, authority: Authority, tmp_path: Path
) -> None:
    lines = tls_lines(authority, authority.issue("broker", hosts=hosts, days=days))
    with running_broker("mosquitto", tmp_path, lines) as broker:
        assert re.search(words, refusal(login(broker, authority, authority.issue("pi4-01"))))


def test_plain_mqtt_on_a_tls_port_and_tls_on_a_plain_one(
    broker: BrokerProcess, authority: Authority, tmp_path: Path
) -> None:
    assert "closed the connection before it answered" in refusal(BrokerSettings(url=broker.url))
    (tmp_path / "plain").mkdir()
    with running_broker("mosquitto", tmp_path / "plain") as plain:
        assert "TLS" in refusal(login(plain, authority))


def _mismatched(authority: Authority, _directory: Path) -> Pair:
    return Pair(authority.issue("pi4-01").cert, authority.issue("pi4-02").key)


def _encrypted(authority: Authority, _directory: Path) -> Pair:
    return authority.issue("pi4-01", passphrase=b"secret")


def _missing(authority: Authority, directory: Path) -> Pair:
    return Pair(authority.issue("pi4-01").cert, directory / "not-there.key")


def _directory(authority: Authority, directory: Path) -> Pair:
    return Pair(authority.issue("pi4-01").cert, directory)


def _der(authority: Authority, directory: Path) -> Pair:
    pair = authority.issue("pi4-01")
    (directory / "der.crt").write_bytes(ssl.PEM_cert_to_DER_cert(pair.cert.read_text()))
    return Pair(directory / "der.crt", pair.key)


def _swapped(authority: Authority, _directory: Path) -> Pair:
    pair = authority.issue("pi4-01")
    return Pair(pair.key, pair.cert)


def _damaged(authority: Authority, _directory: Path) -> Pair:
    pair = authority.issue("pi4-01")
    pair.cert.write_text(pair.cert.read_text().replace("A", "B", 5))
    return pair


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_mismatched, r"key_file \S+: is not the key of cert_file"),
        (_encrypted, r"key_file \S+: is encrypted.*openssl pkey"),
        (_missing, r"key_file \S+: cannot read it: No such file.*PEM"),
        (_directory, r"key_file \S+: cannot read it: Is a directory"),
        (_der, r"cert_file \S+: cannot read it: it is not UTF-8 text; name a PEM file"),
        (_swapped, r"cert_file \S+: holds no CERTIFICATE in PEM form"),
        (_damaged, r"cert_file \S+, key_file \S+: .*name PEM files"),
    ],
)
def test_files_that_cannot_work_are_one_line_before_any_connection(
    make: Callable[[Authority, Path], Pair], words: str, authority: Authority, tmp_path: Path
) -> None:
    pair = make(authority, tmp_path)
    settings = BrokerSettings(
        url="mqtts://127.0.0.1:1", ca_file=str(authority.path), cert_file=str(pair.cert), key_file=str(pair.key)
    )
    for use in (check_settings, connect):
        with pytest.raises(ConfigurationError, match=words) as caught:
            use(settings)
    assert "\n" not in str(caught.value)


def test_an_authority_file_that_is_none_is_one_line(tmp_path: Path, authority: Authority) -> None:
    key = authority.issue("pi4-01").key
    damaged = tmp_path / "damaged.crt"
    damaged.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    settings = BrokerSettings(url="mqtts://127.0.0.1:1", ca_file=str(key))
    with pytest.raises(ConfigurationError, match=r"ca_file .* holds no CERTIFICATE"):
        check_settings(settings)
    with pytest.raises(ConfigurationError, match=r"ca_file .*name the PEM file of the authority"):
        check_settings(msgspec.structs.replace(settings, ca_file=str(damaged)))
