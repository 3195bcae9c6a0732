"""The InfluxDB sink against Debian's real influxd 1.6.7."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.sinks.influx_rows import InfluxSink
from collector.sinks.influxdb_v1 import InfluxV1Writer
from collector.sinks.line_protocol import LineEncoder, escape_tag
from collector.values import StoredWindow
from tests.fakes.influxd import InfluxServer, running_influxd
from tests.fakes.ports import free_port
from tests.fakes.windows import T0_UNIX_NS, make_fleet_rows, make_stored

pytestmark = pytest.mark.influxdb
DATABASE = "edgejoule"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    with running_influxd(tmp_path_factory.mktemp("influxd")) as running:
        yield running


@pytest.fixture
def sink(server: InfluxServer) -> Iterator[InfluxSink[StoredWindow]]:
    server.query(f"DROP DATABASE {DATABASE}")
    server.query(f"CREATE DATABASE {DATABASE}")
    made = InfluxSink(InfluxV1Writer(server.url, DATABASE), LineEncoder())
    yield made
    made.close()


def test_energy_comes_back_as_it_was_written_and_once(server: InfluxServer, sink: InfluxSink[StoredWindow]) -> None:
    rows = make_fleet_rows(50)
    for batch in (rows[:70], rows[40:], rows):
        outcome = sink.write(batch)
        assert (outcome.accepted, outcome.kept) == (len(batch), 0)
    (series,) = server.query(
        "SELECT SUM(energy_j), COUNT(energy_j), SUM(inference_count) FROM inference_window", DATABASE
    )
    assert series.column("count") == [150]
    assert series.column("sum")[0] == pytest.approx(sum(row.window.energy_j for row in rows), rel=1e-12)
    assert series.column("sum_1") == [sum(row.window.inference_count for row in rows)]


def test_every_field_has_the_type_it_should(server: InfluxServer, sink: InfluxSink[StoredWindow]) -> None:
    sink.write(make_fleet_rows(1))
    (series,) = server.query("SHOW FIELD KEYS FROM inference_window", DATABASE)
    types = dict(series.values)
    assert {name for name, kind in types.items() if kind == "integer"} == {
        "seq",
        "inference_count",
        "frame_error_count",
    }
    assert {name for name, kind in types.items() if kind == "string"} == {"boot", "clock_state"}
    assert {name for name, kind in types.items() if kind == "boolean"} == {"throttled"}


def test_a_row_that_the_server_cannot_store_is_rejected_and_the_rest_is_stored(
    server: InfluxServer, sink: InfluxSink[StoredWindow]
) -> None:
    outcome = sink.write([make_stored(1), make_stored(2, t_start_unix_ns=2**63 - 1), make_stored(3)])
    assert outcome.accepted == 2
    assert [rejected.row.row_id for rejected in outcome.rejected] == [2]
    assert "time outside range" in outcome.rejected[0].reason
    (series,) = server.query("SELECT COUNT(energy_j) FROM inference_window", DATABASE)
    assert series.column("count") == [2]


def test_only_rows_with_the_conflicting_field_are_rejected(
    server: InfluxServer, sink: InfluxSink[StoredWindow]
) -> None:
    """Somebody wrote ``throttled`` as a number before."""
    server.write(DATABASE, f"inference_window,device=other throttled=0.5 {T0_UNIX_NS}")  # types hold per shard
    rows = [make_stored(row_id, throttled=None if row_id % 3 else False) for row_id in range(1, 10)]
    outcome = sink.write(rows)
    assert [rejected.row.row_id for rejected in outcome.rejected] == [3, 6, 9]
    assert "field type conflict" in outcome.rejected[0].reason
    (series,) = server.query("SELECT COUNT(energy_j) FROM inference_window", DATABASE)
    assert series.column("count") == [6]


def test_an_absent_database_keeps_the_rows_and_says_what_to_do(server: InfluxServer) -> None:
    sink = InfluxSink(InfluxV1Writer(server.url, "nowhere"), LineEncoder())
    outcome = sink.write(make_fleet_rows(1))
    sink.close()
    assert (outcome.accepted, outcome.kept) == (0, 3)
    assert "create the database" in outcome.retry_reason


def test_a_wrong_password_keeps_the_rows(tmp_path: Path) -> None:
    with running_influxd(tmp_path / "influxd", auth=True) as server:
        server.query("CREATE USER root WITH PASSWORD 'right' WITH ALL PRIVILEGES")
        server.query(f"CREATE DATABASE {DATABASE}", user="root", password="right")
        wrong = InfluxSink(InfluxV1Writer(server.url, DATABASE, username="root", password="wrong"), LineEncoder())
        outcome = wrong.write(make_fleet_rows(1))
        wrong.close()
        assert outcome.kept == 3
        assert "correct the user, password or token" in outcome.retry_reason
        right = InfluxSink(InfluxV1Writer(server.url, DATABASE, username="root", password="right"), LineEncoder())
        assert right.write(make_fleet_rows(1)).accepted == 3
        right.close()


def test_a_server_that_is_killed_and_comes_back_has_every_row_once(tmp_path: Path) -> None:
    """What write has accepted survives kill -9; what was kept goes in afterwards, through the same sink."""
    rows = make_fleet_rows(40)
    port = free_port()
    sink = InfluxSink(InfluxV1Writer(f"http://127.0.0.1:{port}", DATABASE), LineEncoder())
    with running_influxd(tmp_path / "influxd", port=port) as server:
        server.query(f"CREATE DATABASE {DATABASE}")
        assert sink.write(rows[:60]).accepted == 60
        server.process.kill()
        server.process.wait()
        outcome = sink.write(rows[60:])
        assert (outcome.accepted, outcome.kept) == (0, 60)
        assert "not reachable" in outcome.retry_reason
    with running_influxd(tmp_path / "influxd", port=port) as server:
        assert sink.write(rows[60:]).accepted == 60
        (series,) = server.query("SELECT COUNT(energy_j) FROM inference_window", DATABASE)
        assert series.column("count") == [120]
    sink.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fleet=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_odd_names_come_back_from_the_server(server: InfluxServer, sink: InfluxSink[StoredWindow], fleet: str) -> None:
    server.query(f"DROP DATABASE {DATABASE}")
    server.query(f"CREATE DATABASE {DATABASE}")
    assert sink.write([make_stored(1, fleet=fleet)]).accepted == 1
    (series,) = server.query('SHOW TAG VALUES FROM inference_window WITH KEY = "fleet"', DATABASE)
    expected = "".join("_" if ord(c) < 0x20 or ord(c) == 0x7F else c for c in fleet)
    assert series.column("value") == [expected + "_" if expected.endswith("\\") else expected]
    assert escape_tag(fleet)
