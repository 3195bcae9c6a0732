"""The shipped access list with certificates on both sides: a device speaks for itself, and hears what is for it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from structlog.testing import capture_logs

from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.topics import ROOT, UP_CHANNELS
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.certificates import LOOPBACK, Authority
from tests.fakes.delivery import running_device, wait_until
from tests.fakes.raw_mqtt import RawClient, raw_client
from tests.fakes.secure_brokers import login, tls_lines

pytestmark = pytest.mark.mosquitto
Protocol = Literal["5", "3.1.1"]
OWN = f"{ROOT}/home/pi4-01"
OTHER = f"{ROOT}/home/pi4-02"
DENIED = "Not authorized"


class Fleet:
    """A closed broker and a way to log in as anybody whom the fleet's authority has signed."""

    def __init__(self, broker: BrokerProcess, authority: Authority, protocol: Protocol, stack: ExitStack) -> None:
        self.broker = broker
        self._authority = authority
        self._protocol = protocol
        self._stack = stack

    def settings(self, name: str) -> BrokerSettings:
        settings = login(self.broker, self._authority, self._authority.issue(name))
        return msgspec.structs.replace(settings, protocol=self._protocol)

    def client(self, name: str) -> RawClient:
        return self._stack.enter_context(raw_client(self.settings(name), f"raw-{name}"))

    def refuses(self, word: str) -> bool:
        """Tell whether ``word`` is how this version of MQTT refuses: 3.1.1 has no way to say no to a message."""
        return word == (DENIED if self._protocol == "5" else "Success")


@pytest.fixture(params=["5", "3.1.1"])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fleet]:
    authority = Authority(tmp_path)
    lines = tls_lines(authority, authority.issue("broker", hosts=LOOPBACK), access_list=True)
    with running_broker("mosquitto", tmp_path, lines) as broker, ExitStack() as stack:
        yield Fleet(broker, authority, request.param, stack)


def test_a_device_writes_its_own_upward_topics_and_nothing_else(fleet: Fleet) -> None:
    collector, device = fleet.client("collector"), fleet.client("pi4-01")
    collector.subscribe(f"{ROOT}/#", "#", "$share/group/#")
    forbidden = [
        *(f"{OTHER}/{channel}" for channel in UP_CHANNELS),
        *(f"{OWN}/ack", f"{OTHER}/ack", f"{OWN}/cmd", f"{OWN}/cmd/bench", f"{OTHER}/cmd/bench"),
        *(f"{OWN}/windows/more", f"{OWN}/firmware", OWN, f"{ROOT}/pi4-01/windows", "edgejoule/v2/home/pi4-01/windows"),
        *("elsewhere", f"{ROOT}/pi4-01/pi4-02/windows", f"{OWN}/extra/windows"),
    ]
    for topic in forbidden:
        word = device.publish(topic, retain=True)
        assert fleet.refuses(word), (topic, word)
    for channel in UP_CHANNELS:
        assert device.publish(f"{OWN}/{channel}") == "Success"
        collector.wait_for(f"{OWN}/{channel}")

    assert set(collector.topics()) == {f"{OWN}/{channel}" for channel in UP_CHANNELS}


def test_a_device_hears_its_own_acknowledgements_and_commands_and_nothing_else(fleet: Fleet) -> None:
    collector, device, other = fleet.client("collector"), fleet.client("pi4-01"), fleet.client("pi4-02")
    assert collector.publish(f"{OTHER}/ack", retain=True) != DENIED
    assert other.publish(f"{OTHER}/birth", retain=True) != DENIED
    device.subscribe(
        *("#", f"{ROOT}/#", f"{OTHER}/windows", f"{OTHER}/ack", f"{OTHER}/birth", "+/+/+/+/+"),
        *("$share/spies/#", f"$share/thieves/{ROOT}/+/+/windows", "$SYS/#", f"{OWN}/windows"),
    )
    other.publish(f"{OTHER}/windows")
    device.publish(f"{OWN}/windows")
    collector.publish(f"{OTHER}/cmd/bench")
    collector.publish(f"{OWN}/ack")
    collector.publish(f"{OWN}/cmd/bench")
    device.wait_for(f"{OWN}/cmd/bench")

    assert set(device.topics()) == {f"{OWN}/ack", f"{OWN}/cmd/bench"}


def test_the_collector_reads_all_also_in_a_shared_group_and_writes_downward_only(fleet: Fleet) -> None:
    collector, device = fleet.client("collector"), fleet.client("pi4-01")
    collector.subscribe(*(f"$share/collectors/{ROOT}/+/+/{channel}" for channel in UP_CHANNELS))
    for channel in UP_CHANNELS:
        device.publish(f"{OWN}/{channel}")
        collector.wait_for(f"{OWN}/{channel}")
    device.subscribe(f"{OWN}/ack", f"{OWN}/cmd/#")
    for channel in UP_CHANNELS:
        assert fleet.refuses(collector.publish(f"{OWN}/{channel}"))
    collector.publish(f"{OWN}/ack")
    device.wait_for(f"{OWN}/ack")

    assert collector.topics() == sorted(f"{OWN}/{channel}" for channel in UP_CHANNELS)


def test_the_operator_gives_orders_and_hears_answers_but_no_readings(fleet: Fleet) -> None:
    operator, device, collector = fleet.client("operator"), fleet.client("pi4-01"), fleet.client("collector")
    operator.subscribe("#")
    device.subscribe(f"{OWN}/cmd/#")
    for channel in ("run", "blob"):
        assert operator.publish(f"{OWN}/cmd/{channel}") != DENIED
        device.wait_for(f"{OWN}/cmd/{channel}")
    for topic in (f"{OWN}/ack", f"{OWN}/reply", f"{OWN}/windows", f"{ROOT}/home/grid/DE"):
        assert fleet.refuses(operator.publish(topic))
    collector.publish(f"{OWN}/ack")
    for channel in UP_CHANNELS:
        device.publish(f"{OWN}/{channel}")
    heard = {"reply", "fetch", "birth", "status", "health"}
    for channel in heard:
        operator.wait_for(f"{OWN}/{channel}")

    assert set(operator.topics()) == {f"{OWN}/{channel}" for channel in heard}


def test_everybody_hears_the_grid_and_only_the_collector_tells(fleet: Fleet) -> None:
    collector, device, other = fleet.client("collector"), fleet.client("pi4-01"), fleet.client("pi4-02")
    device.subscribe(f"{ROOT}/home/grid/+")
    for name in (device, other):
        assert fleet.refuses(name.publish(f"{ROOT}/home/grid/DE", retain=True))
    collector.publish(f"{ROOT}/home/grid/DE")
    device.wait_for(f"{ROOT}/home/grid/DE")

    assert device.topics() == [f"{ROOT}/home/grid/DE"]


def test_a_name_with_wildcards_in_its_certificate_gains_nothing(fleet: Fleet) -> None:
    collector, device, other = fleet.client("collector"), fleet.client("+"), fleet.client("pi4-02")
    collector.subscribe(f"{ROOT}/#")
    device.subscribe(f"{ROOT}/#")
    assert fleet.refuses(device.publish(f"{OTHER}/windows"))
    other.publish(f"{OTHER}/windows")
    collector.publish(f"{OTHER}/ack")
    other.publish(f"{OTHER}/health")
    collector.wait_for(f"{OTHER}/health")

    assert collector.topics(f"{OTHER}/windows") == [f"{OTHER}/windows"]
    assert device.topics() == []


@pytest.mark.parametrize("fleet", ["5"], indirect=True)
def test_a_device_whose_certificate_is_of_another_name_is_told_so_once(fleet: Fleet, tmp_path: Path) -> None:
    with capture_logs() as logs:
        with running_device(tmp_path, fleet.settings("pi4-02"), "zero-01", resend_s=0.2) as device:
            device.append()
            wait_until(lambda: any(line["event"] == "broker_refuses_message" for line in logs), "it says so")
            for _ in range(3):
                device.append()
                assert not device.publisher.flush(0.5)
            assert device.outbox.backlogs(), "what was refused stays in the outbox"
        said = [line for line in logs if line["event"] == "broker_refuses_message"]
    assert len(said) == 1
    assert f"refuses {ROOT}/" in said[0]["remedy"]
    assert "zero-01" in said[0]["remedy"]
    assert "[device] id" in said[0]["remedy"]
