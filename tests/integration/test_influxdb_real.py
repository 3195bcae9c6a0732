"""The InfluxDB sink against Debian's real influxd 1.6.7."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.sinks.influx_rows import InfluxSink
from collector.sinks.influx_writing import Answer
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


def test_windows_with_one_start_are_all_stored_and_still_once(
    server: InfluxServer, sink: InfluxSink[StoredWindow]
) -> None:
    """A clock that was put back by whole seconds: the same stamps come again, from the same boot and from another."""
    rows = [
        make_stored(1 + 60 * turn + second, seq=1 + 3600 * turn + second, boot_id=boot_id, t_start_unix_ns=start)
        for boot_id in ("boot-0001", "boot-0002")
        for turn in range(3)
        for second in range(60)
        for start in (T0_UNIX_NS + second * 1_000_000_000,)
    ]
    for _ in range(2):
        assert sink.write(rows).accepted == len(rows)
    (series,) = server.query("SELECT COUNT(energy_j), SUM(energy_j) FROM inference_window", DATABASE)
    assert series.column("count") == [len(rows)]
    assert series.column("sum")[0] == pytest.approx(sum(row.window.energy_j for row in rows), rel=1e-12)


class Counted(InfluxV1Writer):
    """Counts its requests."""

    requests = 0

    def post(self, body: bytes) -> Answer:
        self.requests += 1
        return super().post(body)


NOW_NS = 1_000_000_000 * int(time.time())


@pytest.mark.parametrize(
    ("bad", "most"),
    [
        ({2500: "unparsable"}, 3),
        ({1: "unparsable", 2: "unparsable", 4999: "unparsable", 5000: "unparsable"}, 3),
        (dict.fromkeys(range(1, 5001, 2), "conflict"), 3),
        (dict.fromkeys(range(100, 200), "old"), 3),
        ({7: "unparsable", 8: "conflict", 9: "old", 4000: "conflict", 4001: "old", 4002: "unparsable"}, 40),
        (dict.fromkeys(range(1, 5001), "old"), 1),
    ],
    ids=["one", "at-the-ends", "every-other", "old", "mixed", "all-old"],
)
def test_bad_points_among_5000_are_found_and_the_rest_is_stored_once(
    server: InfluxServer, sink: InfluxSink[StoredWindow], bad: dict[int, str], most: int
) -> None:
    """Whatever is wrong with them: a time that cannot be said, a field of another type, points beyond retention."""
    sink.close()
    server.query(f"ALTER RETENTION POLICY autogen ON {DATABASE} DURATION 7d SHARD DURATION 1d")
    server.write(DATABASE, f"inference_window,device=other governor=0.5 {NOW_NS}")
    changes: dict[str, dict[str, Any]] = {
        "unparsable": {"t_start_unix_ns": 2**63 - 1},
        "conflict": {"governor": "ondemand"},
        "old": {"t_start_unix_ns": NOW_NS - 30 * 86_400 * 1_000_000_000},
        "": {},
    }
    rows = [
        make_stored(number, **({"t_start_unix_ns": NOW_NS + number * 1000} | changes[bad.get(number, "")]))
        for number in range(1, 5001)
    ]
    writer = Counted(server.url, DATABASE)
    outcome = InfluxSink(writer, LineEncoder()).write(rows)
    writer.close()
    assert [rejected.row.row_id for rejected in outcome.rejected] == sorted(bad)
    words = {"unparsable": "time outside range", "conflict": "field type conflict", "old": "beyond retention"}
    assert all(words[bad[rejected.row.row_id]] in rejected.reason for rejected in outcome.rejected)
    assert (outcome.accepted, outcome.kept) == (5000 - len(bad), 0)
    assert writer.requests <= most
    stored = server.query("SELECT COUNT(seq) FROM inference_window", DATABASE)
    assert (stored[0].column("count")[0] if stored else 0) == 5000 - len(bad)
