"""What the device knows of its grid, heard from a broker and kept over a restart."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.jobs.grid_board import FILE_NAME, GridBoard
from edge_agent.jobs.planner import NS_PER_S
from edge_agent.wire.codec import encode
from edge_agent.wire.grid import GridForecast, GridSlot
from edge_agent.wire.orders import Deferral

T0 = 1_800_000_000 * NS_PER_S
TOPIC = "edgejoule/v1/demo/grid/DE"
DEFER = Deferral(deadline_unix_ns=T0 + 30 * NS_PER_S, duration_s=5.0)
SLOTS = tuple(
    GridSlot(t_start_unix_ns=T0 + n * 10 * NS_PER_S, duration_s=10.0, gco2e_per_kwh=value)
    for n, value in enumerate((400.0, 200.0, 300.0))
)
FORECAST = GridForecast(zone="DE", kind="average", source="s", t_unix_ns=T0, slots=SLOTS)


def test_a_forecast_is_planned_by_and_outlives_a_restart(tmp_path: Path) -> None:
    board = GridBoard(tmp_path, "demo", "DE")
    assert board.topic == TOPIC
    assert board.plan(T0, DEFER).why_now == "no_forecast"
    assert board.take(TOPIC, encode(FORECAST))
    assert not board.take(TOPIC, encode(FORECAST)), "the same again is nothing new"
    for one in (board, GridBoard(tmp_path, "demo", "DE")):
        assert one.plan(T0, DEFER).start_unix_ns == T0 + 10 * NS_PER_S
        assert one.plan(T0, DEFER, clock_known=False).why_now == "clock"
    assert board.take(TOPIC, b""), "taken back"
    assert board.forecast is None
    assert GridBoard(tmp_path, "demo", "DE").forecast is None


@pytest.mark.parametrize(
    "payload",
    [
        encode(GridForecast(zone="GB", kind="average", source="s", t_unix_ns=T0, slots=SLOTS)),
        encode(GridForecast(zone="DE", kind="marginal", source="s", t_unix_ns=T0, slots=SLOTS)),
        encode(GridForecast(zone="DE", kind="average", source="s", t_unix_ns=T0, slots=SLOTS[::-1])),
        b"{",
        b'{"schema_version":2}',
        b"x" * 300_000,
    ],
)
def test_what_is_no_forecast_of_this_zone_leaves_the_last_one(tmp_path: Path, payload: bytes) -> None:
    board = GridBoard(tmp_path, "demo", "DE")
    board.take(TOPIC, encode(FORECAST))
    assert not board.take(TOPIC, payload)
    assert board.forecast == FORECAST
    assert not board.take("edgejoule/v1/demo/pi4-01/ack", encode(FORECAST))


@given(st.binary(max_size=200))
def test_no_bytes_on_the_disk_or_the_wire_stop_the_device(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    directory = tmp_path_factory.getbasetemp()
    (directory / FILE_NAME).write_bytes(raw)
    board = GridBoard(directory, "demo", "DE")
    assert board.forecast is None
    assert not board.take(TOPIC, raw) or raw == b""


def test_another_zone_after_a_restart_forgets_what_was_of_the_old_one(tmp_path: Path) -> None:
    GridBoard(tmp_path, "demo", "DE").take(TOPIC, encode(FORECAST))
    assert GridBoard(tmp_path, "demo", "GB").forecast is None
    nowhere = GridBoard(tmp_path, "demo", "")
    assert (nowhere.topic, nowhere.forecast, nowhere.plan(T0, DEFER).why_now) == ("", None, "no_zone")
    assert not nowhere.take("", encode(FORECAST))


def test_a_disk_that_refuses_keeps_the_forecast_in_memory(tmp_path: Path) -> None:
    board = GridBoard(tmp_path / "gone", "demo", "DE")
    assert board.take(TOPIC, encode(FORECAST))
    assert board.forecast == FORECAST
