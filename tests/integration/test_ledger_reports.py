"""A running collector tells its ledger: to InfluxDB, to Prometheus, to the command, and all three say the same.

With a real broker, a real InfluxDB, and rows that it really refuses.
"""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from collector.app import run_collector
from collector.config import journal_path, read_config
from collector.journal import Journal
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings
from edgejoule.cli import main
from tests.fakes.brokers import BrokerProcess, listens, running_broker
from tests.fakes.delivery import running_device, wait_until
from tests.fakes.influxd import InfluxServer, running_influxd
from tests.fakes.ports import free_port
from tests.fakes.windows import FLEET, T0_UNIX_NS, make_batch

pytestmark = pytest.mark.influxdb
DATABASE = "edgejoule"


@dataclass(frozen=True, slots=True)
class Site:
    directory: Path
    broker: BrokerProcess
    influxdb: InfluxServer
    metrics_port: int

    @property
    def config(self) -> Path:
        return self.directory / "collector.toml"

    def page(self) -> dict[tuple[str, str], float]:
        """Return the page's samples by name and device or sink."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=30)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        return {
            (sample.name, sample.labels.get("device") or sample.labels.get("sink") or ""): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def last_point(self, device_id: str) -> dict[str, Any]:
        found = self.influxdb.query(f"SELECT last(sent), * FROM ledger WHERE device = '{device_id}'", DATABASE)
        return dict(zip(found[0].columns, found[0].values[0], strict=True)) if found else {}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_influxd(tmp_path / "influxd") as influxdb, running_broker("embedded", tmp_path) as broker:
        influxdb.query(f"CREATE DATABASE {DATABASE}")
        site = Site(tmp_path, broker, influxdb, free_port())
        site.config.write_text(
            f'state_dir = "state"\n[broker]\nurl = "{broker.url}"\n[lake]\nenabled = false\n'
            f'[influxdb]\nurl = "{influxdb.url}"\ndatabase = "{DATABASE}"\nmax_wait_s = 0.2\n'
            f'[ledger]\ninterval_s = 0.5\n[metrics]\nlisten = "127.0.0.1:{site.metrics_port}"\n'
        )
        yield site


@contextlib.contextmanager
def collecting(site: Site) -> Iterator[None]:
    stop = threading.Event()
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run_collector(read_config(site.config), stop)))
    thread.start()
    try:
        wait_until(lambda: listens(site.metrics_port), "the page")
        yield
    finally:
        stop.set()
        thread.join()
    assert codes == [0]


def ledger_json(site: Site, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    main(["fleet", "ledger", "--config", str(site.config), "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_influxdb_prometheus_and_the_command_say_the_same(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    settings = BrokerSettings(url=site.broker.url)
    with collecting(site), running_device(site.directory, settings, "pi4-01") as pi4:
        with running_device(site.directory, settings, "zero-01") as zero:
            pi4.append(30)
            zero.append(7)
            wait_until(lambda: site.page().get(("edgejoule_windows_stored_total", "zero-01")) == 7, "7 stored")
            wait_until(lambda: site.page().get(("edgejoule_windows_stored_total", "pi4-01")) == 30, "30 stored")
            wait_until(lambda: site.page()["edgejoule_sink_lag_rows", "influxdb"] == 0, "nothing waits for InfluxDB")
        lines = {line["device_id"]: line for line in ledger_json(site, capsys)["devices"]}
        page = site.page()
        for device_id, line in lines.items():
            assert page["edgejoule_windows_sent_total", device_id] == line["sent"]
            assert page["edgejoule_windows_missing", device_id] == line["missing"] == 0
            assert page["edgejoule_windows_duplicate_total", device_id] == line["duplicates"]
        assert page["edgejoule_broker_connected", ""] == 1
        assert page["edgejoule_commits_total", ""] > 0
        assert page["edgejoule_ledger_adds_up", ""] == 1
    found = ledger_json(site, capsys)
    assert found["adds_up"]
    for line in found["devices"]:
        point = site.last_point(line["device_id"])
        fields = {name: line[name] for name in line if name not in {"fleet", "device_id"}}
        assert {name: point[name] for name in fields} == fields, "the last point is written at the end"
        assert (point["fleet"], point["device"]) == (line["fleet"], line["device_id"])
    (sinks,) = site.influxdb.query("SELECT last(lag_rows) FROM collector_sink WHERE sink = 'influxdb'", DATABASE)
    assert sinks.column("last") == [0]


def test_rows_that_influxdb_refuses_come_back_when_it_takes_them(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store holds ``energy_j`` as text, so that every row is refused; then somebody repairs that."""
    site.influxdb.write(DATABASE, 'inference_window energy_j="text" 1760000000000000000')
    words = ["collector", "dead-letters", "replay", "--config", str(site.config), "--all"]
    with collecting(site), running_device(site.directory, BrokerSettings(url=site.broker.url), "pi4-01") as pi4:
        pi4.append(5)
        wait_until(lambda: site.page().get(("edgejoule_device_dead_letters", "pi4-01")) == 5, "five dead letters")
        assert main(words) == 1
        assert "5 refused again" in capsys.readouterr().out
        site.influxdb.query("DROP MEASUREMENT inference_window", DATABASE)
        assert main([*words, "--dry-run"]) == 0
        assert site.influxdb.query("SELECT * FROM inference_window", DATABASE) == []
        assert main(words) == 0
        (stored,) = site.influxdb.query("SELECT count(energy_j) FROM inference_window", DATABASE)
        assert stored.column("count") == [5]
        page = site.page()
        assert page["edgejoule_device_dead_letters", "pi4-01"] == 0
        assert page["edgejoule_device_dead_letters_replayed_total", "pi4-01"] == 5
    assert ledger_json(site, capsys)["adds_up"]


def test_what_another_process_commits_reaches_the_stores_too(site: Site) -> None:
    """A replayed message comes in through the command, and the collector's idle pumps see it."""

    def rows() -> int:
        found = site.influxdb.query("SELECT count(energy_j) FROM inference_window", DATABASE)
        return int(found[0].column("count")[0]) if found else 0

    with collecting(site):
        wait_until(lambda: journal_path(site.directory / "state").exists(), "the journal")
        with contextlib.closing(Journal(journal_path(site.directory / "state"))) as other:
            for first in (1, 4, 7):  # the first may come before the pumps look for themselves
                other.commit_batch(FLEET, make_batch(range(first, first + 3)), T0_UNIX_NS)
                wait_until(lambda wanted=first + 2: rows() == wanted, "the rows in InfluxDB")  # type: ignore[misc]
                wait_until(lambda: site.page()["edgejoule_sink_lag_rows", "influxdb"] == 0, "nothing waits")


def test_a_port_in_use_stops_the_collector_with_one_line(site: Site) -> None:
    with (
        socket.create_server(("127.0.0.1", site.metrics_port)),
        pytest.raises(ConfigurationError, match="Address already in use; choose another port"),
    ):
        run_collector(read_config(site.config), threading.Event())
