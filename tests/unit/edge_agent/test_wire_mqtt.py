"""Broker settings: what is accepted, and the one line for what is not."""

import socket
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import (
    BrokerAddress,
    BrokerSettings,
    check_settings,
    explain_connect_error,
    explain_refusal,
    parse_broker_url,
    read_password,
)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ws://broker", BrokerAddress("broker", 80, tls=False, transport="websockets", path="/mqtt")),
        ("wss://broker", BrokerAddress("broker", 443, tls=True, transport="websockets", path="/mqtt")),
        ("ws://broker:9001/", BrokerAddress("broker", 9001, tls=False, transport="websockets", path="/")),
        ("wss://b:1/a/b%20c", BrokerAddress("b", 1, tls=True, transport="websockets", path="/a/b%20c")),
        ("mqtt://broker", BrokerAddress("broker", 1883, tls=False)),
        ("mqtt://127.0.0.1:2883", BrokerAddress("127.0.0.1", 2883, tls=False)),
        ("mqtts://broker.example", BrokerAddress("broker.example", 8883, tls=True)),
        ("mqtts://broker.example:443/", BrokerAddress("broker.example", 443, tls=True)),
        ("mqtt://[::1]:1999", BrokerAddress("::1", 1999, tls=False)),
    ],
)
def test_urls_that_name_a_broker(url: str, address: BrokerAddress) -> None:
    assert parse_broker_url(url) == address
    assert parse_broker_url(str(address)) == address


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "names no MQTT broker"),
        ("mqtt://broker..lan", "'broker..lan' is not a host name"),
        (f"mqtt://{'x' * 70}", "is not a host name"),
        ("broker:1883", "names no MQTT broker"),
        ("http://broker", "names no MQTT broker"),
        ("mqtt://", "names no MQTT broker"),
        ("mqtt://broker:x", "write mqtt://host:port"),
        ("mqtt://broker:99999", "write mqtt://host:port"),
        ("mqtt://broker:0", "port 0"),
        ("mqtt://broker/topic", "after the port"),
        ("mqtt://[::1", "write mqtt://host:port"),
        ("ws://broker/mqtt?token=1", "after the path"),
        ("ws://broker/m qtt", "as %XX"),
        ("wss://broker/müll", "as %XX"),
    ],
)
def test_urls_that_do_not(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        parse_broker_url(url)


def test_credentials_in_the_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="password_file") as caught:
        parse_broker_url("mqtt://me:secret@broker")
    assert "secret" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_configuration_error(url: str) -> None:
    try:
        address = parse_broker_url(url)
    except ConfigurationError:
        return
    assert 0 < address.port < 65536
    assert parse_broker_url(str(address)) == address
    assert address.host


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (BrokerSettings(keepalive_s=1), "5 to 3600"),
        (BrokerSettings(password_file="p"), "username is not"),
        (BrokerSettings(url="mqtts://b", cert_file="c"), "belong together"),
        (BrokerSettings(ca_file="ca.pem"), "write mqtts://"),
        (BrokerSettings(url="ws://b", ca_file="ca.pem"), "write wss://"),
        (BrokerSettings(username="u", password_file="/nonexistent/p"), "cannot read it: No such file"),
        (BrokerSettings(url="mqtts://b", ca_file="/nonexistent/ca"), "ca_file /nonexistent/ca: cannot read it"),
    ],
)
def test_settings_that_cannot_work_are_one_line(settings: BrokerSettings, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        check_settings(settings)
    assert "\n" not in str(caught.value)


def test_the_line_end_of_a_password_file_is_not_part_of_the_password(tmp_path: Path) -> None:
    (tmp_path / "p").write_text(" se cret \r\n")
    assert read_password(BrokerSettings(username="u", password_file=str(tmp_path / "p"))) == " se cret "
    assert read_password(BrokerSettings()) is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "no such host 'b'"),
        (ConnectionRefusedError(), "start the broker"),
        (TimeoutError(), "check the network"),
        (ssl.SSLError(1, "unexpected eof"), "is this the TLS port"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "does not speak TLS"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
    ],
)
def test_a_failed_connection_is_explained_with_its_remedy(error: Exception, words: str) -> None:
    assert words in explain_connect_error(error, BrokerAddress("b", 1883, tls=False))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Not authorized", "access list"),
        ("Bad user name or password", "password_file"),
        ("Unsupported protocol version", 'protocol = "auto"'),
        ("Client identifier not valid", "client id"),
        ("Server busy", "Server busy"),
    ],
)
def test_a_refusal_is_explained_with_its_remedy(reason: str, words: str) -> None:
    assert words in explain_refusal(reason)
