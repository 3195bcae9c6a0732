"""Hourly sums on the real influxd 1.6.7: equal to the windows' own to the last digit, whatever dies in between."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from collector.assess import Assessor
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.journal import Journal
from collector.journal_identity import journal_id
from collector.sinks.hourly import HOUR_NS, KEPT_HOURS, HourlySink
from collector.sinks.influx_rows import InfluxSink
from collector.sinks.influx_writing import Answer
from collector.sinks.influxdb_v1 import InfluxV1Writer
from collector.sinks.line_protocol import LineEncoder
from collector.values import StoredWindow
from tests.fakes.influxd import InfluxServer, running_influxd
from tests.fakes.windows import T0_UNIX_NS, commit_rows, make_fleet_rows, make_stored

pytestmark = pytest.mark.influxdb
RAW, HOURLY = "edgejoule", "edgejoule_hourly"
NAMES = ("energy_j", "duration_s", "gap_s", "energy_u_systematic_j", "operational_gco2e", "embodied_gco2e_high")
INVENTORY = """
[defaults]
lifetime_years = 5.0
zone = "DE"
[[device]]
id = "pi4-01"
hardware = "raspberry-pi-4b-4gb"
"""


class Flaky(InfluxV1Writer):
    """Loses the answer of every other body that the server has stored, or the body itself."""

    def __init__(self, url: str) -> None:
        super().__init__(url, HOURLY)
        self.posts = 0

    def post(self, body: bytes) -> Answer:
        self.posts += 1
        if self.posts % 4 == 1:
            return Answer("later", "lost on the way")
        answer = super().post(body)
        return Answer("later", "the answer was lost") if self.posts % 4 == 3 else answer


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    with running_influxd(tmp_path_factory.mktemp("influxd")) as server:
        yield server


@pytest.fixture
def server(running: InfluxServer) -> InfluxServer:
    for name in (RAW, HOURLY):
        running.query(f"DROP DATABASE {name}")
        running.query(f"CREATE DATABASE {name}")
    return running


def spread_rows() -> list[StoredWindow]:
    """Return rows of three devices over four hours, the last of them late ones of the first hour."""
    rows = make_fleet_rows(40)
    spread = [make_stored_again(row, (row.row_id % 4) * HOUR_NS) for row in rows]
    late = [make_stored(len(rows) + 1 + i, seq=900 + i, t_start_unix_ns=T0_UNIX_NS + i, gap_s=0.1) for i in range(7)]
    return spread + late


def make_stored_again(row: StoredWindow, later_ns: int) -> StoredWindow:
    window = msgspec.structs.replace(row.window, t_start_unix_ns=row.window.t_start_unix_ns + later_ns, gap_s=0.1)
    return StoredWindow(row.row_id, row.fleet, row.device_id, row.boot_id, row.received_unix_ns, window)


def an_assessor() -> Assessor:
    return Assessor(parse_inventory(INVENTORY), load_yearly_table())


def an_hourly_sink(journal: Journal, writer: InfluxV1Writer, now_unix_ns: int = T0_UNIX_NS) -> HourlySink:
    return HourlySink(journal, journal_id(journal), writer, an_assessor(), now_unix_ns=lambda: now_unix_ns)


def raw_sums(server: InfluxServer) -> dict[tuple[str, int], dict[str, float]]:
    """Return the correctly rounded sums of what the live store holds, by device and hour."""
    sums: dict[tuple[str, int], dict[str, list[float]]] = {}
    for name in NAMES:
        for series in server.query(f'SELECT "{name}" FROM inference_window GROUP BY device', RAW):
            for time_ns, value in series.values:
                key = series.tags["device"], time_ns // HOUR_NS
                sums.setdefault(key, {}).setdefault(name, []).append(value)
    return {key: {name: math.fsum(values) for name, values in fields.items()} for key, fields in sums.items()}


def hourly_sums(server: InfluxServer) -> dict[tuple[str, int], dict[str, float]]:
    """Return the points of the long-term store; two of one device and hour fail the test."""
    found: dict[tuple[str, int], dict[str, float]] = {}
    for series in server.query("SELECT * FROM inference_hourly GROUP BY *", HOURLY):
        for row in series.values:
            fields = dict(zip(series.columns, row, strict=True))
            key = series.tags["device"], fields.pop("time") // HOUR_NS
            assert key not in found
            found[key] = {name: fields[name] for name in NAMES if fields.get(name) is not None}
    return found


@contextlib.contextmanager
def a_journal(path: Path, rows: list[StoredWindow]) -> Iterator[Journal]:
    with contextlib.closing(Journal(path)) as journal:
        commit_rows(journal, rows)
        yield journal


@pytest.mark.parametrize("portion", [1, 13, 200])
def test_hours_equal_their_windows_to_the_last_digit_after_every_kind_of_death(
    server: InfluxServer, tmp_path: Path, portion: int
) -> None:
    """The server loses bodies and answers, and the sink is begun anew before each cursor moves."""
    rows = spread_rows()
    live = InfluxSink(InfluxV1Writer(server.url, RAW), LineEncoder(an_assessor()))
    assert live.write(rows).accepted == len(rows)
    live.close()
    writer = Flaky(server.url)
    with a_journal(tmp_path / "journal.sqlite3", rows) as journal:
        cursor = 0
        while page := journal.rows_after(cursor, portion):
            outcome = an_hourly_sink(journal, writer).write(page)
            assert outcome.accepted in {0, len(page)}
            assert outcome.accepted + outcome.kept == len(page)
            if outcome.accepted:
                an_hourly_sink(journal, writer).write(page)  # killed before the cursor moved
                cursor = page[-1].row_id
        while an_hourly_sink(journal, writer).write(journal.rows_after(0, 200)).kept:
            pass  # all of it once more, as after a lost cursor
    writer.close()
    hourly = hourly_sums(server)
    assert hourly == raw_sums(server)
    assert len(hourly) == 3 * 4
    (series,) = server.query("SELECT SUM(windows) FROM inference_hourly", HOURLY)
    assert series.column("sum") == [len(rows)]


def test_a_closed_hour_gets_a_second_point_for_what_comes_even_later(server: InfluxServer, tmp_path: Path) -> None:
    writer = InfluxV1Writer(server.url, HOURLY)
    hour_later_ns = T0_UNIX_NS + (KEPT_HOURS + 2) * HOUR_NS
    with contextlib.closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        for number, now_unix_ns in enumerate((T0_UNIX_NS, hour_later_ns, hour_later_ns + HOUR_NS), 1):
            row = make_stored(number, t_start_unix_ns=T0_UNIX_NS, energy_j=float(number))
            commit_rows(journal, [row])
            assert an_hourly_sink(journal, writer, now_unix_ns).write(journal.rows_after(number - 1, 9)).kept == 0
    writer.close()
    (series,) = server.query("SELECT energy_j, windows FROM inference_hourly", HOURLY)
    hour_ns = T0_UNIX_NS // HOUR_NS * HOUR_NS
    assert series.values == [[hour_ns, 3.0, 2], [hour_ns + 1, 3.0, 1]]


def test_two_journals_keep_points_of_their_own(server: InfluxServer, tmp_path: Path) -> None:
    writer = InfluxV1Writer(server.url, HOURLY)
    for name in ("one", "two"):
        with a_journal(tmp_path / name, [make_stored(1, energy_j=2.0)]) as journal:
            assert an_hourly_sink(journal, writer).write(journal.rows_after(0, 9)).accepted == 1
    writer.close()
    (series,) = server.query("SELECT SUM(energy_j), SUM(windows) FROM inference_hourly", HOURLY)
    assert series.values[0][1:] == [4.0, 2]


def test_points_that_the_store_refuses_do_not_hold_up_the_others(server: InfluxServer, tmp_path: Path) -> None:
    server.query(f"ALTER RETENTION POLICY autogen ON {HOURLY} DURATION 7d SHARD DURATION 1d")
    writer = InfluxV1Writer(server.url, HOURLY)
    rows = [make_stored(1, t_start_unix_ns=T0_UNIX_NS), make_stored(2, t_start_unix_ns=4 * 10**18)]
    with a_journal(tmp_path / "journal.sqlite3", rows) as journal:
        assert an_hourly_sink(journal, writer).write(journal.rows_after(0, 9)).accepted == 2
        assert an_hourly_sink(journal, writer).write(journal.rows_after(0, 9)).accepted == 2
    writer.close()
    (series,) = server.query("SELECT SUM(windows) FROM inference_hourly", HOURLY)
    assert series.column("sum") == [1]
