"""Meters behind real servers on loopback: raw TCP and RFC 2217, also when the server hangs up."""

import socket
import threading
import time
from pathlib import Path

import pytest

from firmware_bridge.emulate import EmulatorSettings, MeterEmulator
from firmware_bridge.errors import ConfigurationError, MeterUnavailableError
from firmware_bridge.loads import ConstantLoad
from firmware_bridge.meter import Meter
from firmware_bridge.registry import get_driver
from firmware_bridge.tcp import open_tcp, parse_address
from tests.fakes import counter_meter
from tests.fakes.metered import measure
from tests.fakes.serial_server import SerialServer

DRIVER = counter_meter.DRIVER
OLD_WAY = pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning", "ignore:setName:DeprecationWarning")
"""pyserial 3.5 makes its RFC 2217 thread in a way that Python has deprecated."""


@OLD_WAY
@pytest.mark.parametrize("scheme", ["socket", "rfc2217"])
def test_a_meter_behind_a_server_is_read_and_read_again_after_it_hung_up(scheme: str, tmp_path: Path) -> None:
    port = tmp_path / "port"
    settings = EmulatorSettings(gain_error_ratio=0.0)
    with (
        MeterEmulator(DRIVER, port, ConstantLoad(3.0), settings),
        SerialServer(port, with_rfc2217=scheme == "rfc2217") as server,
        Meter(DRIVER, f"{scheme}://{server.address}") as meter,
    ):
        delta, _, _ = measure(meter, 1.0)
        assert not meter.is_simulated
        assert delta.mean_power_w == pytest.approx(3.0, rel=0.01)
        assert delta.lost_count == 0.0
        assert meter.sync().residual_s < 0.1
        server.hang_up()
        deadline_s = time.monotonic() + 5.0
        while meter.health().reconnects == 0 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        delta, _, _ = measure(meter, 0.5)
        health = meter.health()
    assert delta.mean_power_w == pytest.approx(3.0, rel=0.01)
    assert server.clients == 2
    assert "went away" in health.last_error


def test_a_full_stream_comes_through_a_raw_connection(tmp_path: Path) -> None:
    driver, port = get_driver("powersensor3"), tmp_path / "port"
    with (
        MeterEmulator(driver, port, ConstantLoad(3.0)),
        SerialServer(port) as server,
        Meter(driver, f"socket://{server.address}") as meter,
    ):
        delta, _, _ = measure(meter, 1.0)
    assert delta.lost_count == 0.0
    assert delta.gap_s == 0.0
    assert delta.sample_count == pytest.approx(20_000, rel=0.02)


@OLD_WAY
@pytest.mark.parametrize("scheme", ["socket", "rfc2217"])
def test_where_nobody_listens_trying_again_can_help(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(MeterUnavailableError, match="cannot reach it") as caught:
        Meter(DRIVER, f"{scheme}://{address}").open()
    assert "\n" not in str(caught.value)


def test_a_server_that_closes_at_once_leaves_no_socket_behind() -> None:
    """The leak check of every test is what fails here."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def close_at_once() -> None:
            for _ in range(3):
                server.accept()[0].close()

        thread = threading.Thread(target=close_at_once)
        thread.start()
        with pytest.raises(MeterUnavailableError):
            Meter(DRIVER, f"socket://127.0.0.1:{server.getsockname()[1]}").open(timeout_s=0.5)
        thread.join()


def test_the_last_word_arrives_though_the_meter_goes_on_talking() -> None:
    """Unread bytes at closing time would reset the connection, and the stop command would be lost with it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        handle, _ = open_tcp(f"socket://127.0.0.1:{server.getsockname()[1]}")
        meter, _ = server.accept()
        with meter:
            meter.sendall(bytes(50_000))
            handle.write(b"STOP")
            closing = threading.Thread(target=handle.close)
            closing.start()
            time.sleep(0.05)
            assert meter.recv(100) == b"STOP"
            assert meter.recv(100) == b""
        closing.join()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("socket://pi.local:3000", ("pi.local", 3000)),
        ("socket://10.0.0.7:1/", ("10.0.0.7", 1)),
        ("socket://[fe80::1%eth0]:65535", ("fe80::1%eth0", 65_535)),
        ("rfc2217://host:4000?timeout=3", ("host", 4000)),
    ],
)
def test_addresses_are_read(url: str, address: tuple[str, int]) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    "url", ["socket://host", "socket://:3000", "socket://host:0", "socket://host:70000", "socket://a b:1"]
)
def test_addresses_that_cannot_be_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="socket://HOST:PORT"):
        parse_address(url)


def test_the_round_trip_is_known_from_the_kernel() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        handle, round_trip_s = open_tcp(f"socket://127.0.0.1:{server.getsockname()[1]}")
        handle.close()
    assert 0.0 < round_trip_s < 0.1
