"""A running collector tells devices of their grid over a real broker, and devices plan by it."""

import time
from pathlib import Path
from typing import Final

import pytest

from edge_agent.jobs.grid_board import GridBoard
from edge_agent.jobs.planner import NS_PER_S
from edge_agent.wire.codec import decode
from edge_agent.wire.grid import GridForecast
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.orders import Deferral
from tests.fakes.brokers import running_broker
from tests.fakes.delivery import CollectorProcess, wait_until
from tests.fakes.grid_series import SETTINGS, write_grid
from tests.fakes.raw_mqtt import RawClient, raw_client

pytestmark = pytest.mark.mosquitto
PATIENCE_S: Final = 60.0
TOPIC: Final = "edgejoule/v1/demo/grid/DE"
HOUR_S: Final = 3600


def heard(visitor: RawClient, *values: float) -> bool:
    """Tell whether the latest message has exactly these slots to come."""
    told = [decode(payload, GridForecast) for topic, payload in visitor.received if topic == TOPIC]
    return bool(told) and [slot.gco2e_per_kwh for slot in told[-1].slots] == list(values)


def test_forecasts_are_retained_revised_and_told_again_to_a_broker_that_forgot_them(tmp_path: Path) -> None:
    now_s = int(time.time())
    write_grid(tmp_path, now_s, HOUR_S, [400.0, 300.0, None, 100.0])
    with running_broker("mosquitto", tmp_path) as broker:
        settings = BrokerSettings(url=broker.url)
        collector = CollectorProcess(tmp_path, broker.url, first_lines='fleet = "demo"\n')
        with (tmp_path / "collector.toml").open("a") as config:
            config.write(SETTINGS.replace("ahead_s = 3600", "ahead_s = 86400"))
        collector.start()
        try:
            with raw_client(settings, "early") as early:
                early.subscribe(TOPIC)
                wait_until(lambda: heard(early, 400.0, 300.0, 100.0), "what the source says", PATIENCE_S)
                write_grid(tmp_path, now_s, HOUR_S, [400.0, 50.0, None, 100.0])
                wait_until(lambda: heard(early, 400.0, 50.0, 100.0), "a revision", PATIENCE_S)
            broker.kill()
            broker.start()
            with raw_client(settings, "again") as again:
                again.subscribe(TOPIC)
                wait_until(lambda: heard(again, 400.0, 50.0, 100.0), "told again after the broker forgot", PATIENCE_S)
            with raw_client(settings, "late") as late:
                late.subscribe(TOPIC)
                late.wait_for(TOPIC)
                payload = late.received[-1][1]
        finally:
            assert collector.stop() == 0
    board = GridBoard(tmp_path, "demo", "DE")
    assert board.take(TOPIC, payload)
    told = board.forecast
    assert told is not None
    assert (told.source, told.simulated, {slot.forecast for slot in told.slots}) == ("made-up", True, {True})
    defer = Deferral(deadline_unix_ns=(now_s + 4 * HOUR_S) * NS_PER_S, duration_s=600.0)
    made = board.plan((now_s + 60) * NS_PER_S, defer)
    assert made.start_unix_ns == (now_s + HOUR_S) * NS_PER_S
    assert (made.at_once_gco2e_per_kwh, made.chosen_gco2e_per_kwh, made.simulated) == (400.0, 50.0, True)


def test_a_collector_without_sources_says_nothing(tmp_path: Path) -> None:
    """The yearly average says nothing about when."""
    with running_broker("mosquitto", tmp_path) as broker:
        collector = CollectorProcess(tmp_path, broker.url)
        (tmp_path / "inventory.toml").write_text('[[device]]\nid = "a"\nzone = "DE"\n')
        with (tmp_path / "collector.toml").open("a") as config:
            config.write('[inventory]\nfile = "inventory.toml"\n')
        collector.start()
        try:
            wait_until(lambda: "broker_connected" in collector.log_text, "it is connected", PATIENCE_S)
            with raw_client(BrokerSettings(url=broker.url), "visitor") as visitor:
                visitor.subscribe("edgejoule/v1/+/grid/+", "mark")
                visitor.publish("mark")
                visitor.wait_for("mark")
                assert visitor.topics("edgejoule/#") == []
        finally:
            assert collector.stop() == 0
