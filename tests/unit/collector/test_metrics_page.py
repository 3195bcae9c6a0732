"""The Prometheus page, read with Prometheus' own parser, and the lines for InfluxDB, against the ledger itself."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from collector.blobs import BlobCounts
from collector.config import journal_path
from collector.dead_letters import NewLetter
from collector.figures import FiguresReader, Runtime
from collector.journal import Journal
from collector.metrics import FiguresCollector, MetricsServer
from collector.sinks import ledger_points
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import DroppedRange
from edgejoule.cli import main
from tests.fakes.benches import make_bench
from tests.fakes.order_replies import make_reply
from tests.fakes.ports import free_port
from tests.fakes.windows import FLEET, JETSON, PI4, T0_UNIX_NS, make_batch

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
OF_THE_PAGE = {
    "sent": "windows_sent_total",
    "stored": "windows_stored_total",
    "dropped": "windows_dropped",
    "refused": "windows_refused",
    "pending": "windows_pending",
    "missing": "windows_missing",
    "duplicates": "windows_duplicate_total",
    "late": "windows_late_total",
    "dead_letters": "device_dead_letters",
    "letters_evicted": "device_dead_letters_evicted_total",
    "letters_dropped": "device_dead_letters_dropped_total",
    "letters_replayed": "device_dead_letters_replayed_total",
}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(journal_path(tmp_path))) as journal:
        drop = DroppedRange(first_seq=1, last_seq=2, reason="too_old")
        journal.commit_batch(FLEET, make_batch(range(3, 7), last_seq=9, dropped=(drop,)), T0_UNIX_NS + 10**13)
        journal.commit_batch(FLEET, make_batch(range(3, 5), last_seq=9), T0_UNIX_NS + 10**13)
        journal.commit_batch("far", make_batch(range(2, 4), profile=JETSON), T0_UNIX_NS)
        journal.put_bench(FLEET, make_bench("b"), T0_UNIX_NS)
        journal.add_dead_letter(NewLetter("t", b"12345", "why", 1, FLEET, PI4.device_id))
        journal.add_dead_letter(NewLetter("sink/influxdb/x", b"1", "why", 1))
        journal.set_cursor("influxdb", 4)
        yield journal


def reader_of(tmp_path: Path, shared_group: str = "") -> FiguresReader:
    sinks = {"influxdb": "windows", "influxdb/bench": "benches"}
    return FiguresReader(journal_path(tmp_path), sinks, shared_group, lambda: Runtime(True, 7, 4096, 3))  # type: ignore[arg-type]


def samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def page(reader: FiguresReader, *, per_device: bool = True) -> Samples:
    registry = CollectorRegistry()
    registry.register(FiguresCollector(reader.read, per_device=per_device))
    return samples(generate_latest(registry).decode())


def ledger_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, int]]:
    main(["fleet", "ledger", "--state-dir", str(tmp_path), "--json"])
    found = json.loads(capsys.readouterr().out)
    return {device["device_id"]: device for device in found["devices"]}


def test_the_page_says_what_the_ledger_says(
    journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(reader_of(tmp_path)) as reader:
        found = page(reader)
    devices = ledger_json(tmp_path, capsys)
    assert {device["pending"] for device in devices.values()} == {3, 0}
    for device_id, device in devices.items():
        labels = frozenset({("fleet", str(device["fleet"])), ("device", device_id)})
        for field, name in OF_THE_PAGE.items():
            assert found[f"edgejoule_{name}", labels] == device[field], (device_id, field)
    assert found["edgejoule_ledger_adds_up", frozenset()] == 0
    assert found["edgejoule_sink_lag_rows", frozenset({("sink", "influxdb")})] == 2
    assert found["edgejoule_sink_lag_rows", frozenset({("sink", "influxdb/bench")})] == 1
    assert found["edgejoule_sink_lag_seconds", frozenset({("sink", "influxdb")})] > 0
    assert found["edgejoule_dead_letters", frozenset({("kind", "row")})] == 1
    assert found["edgejoule_dead_letters_bytes", frozenset()] == 6
    assert found["edgejoule_dead_letters_strangers", frozenset()] == 1
    assert found["edgejoule_broker_connected", frozenset()] == 1
    assert found["edgejoule_commits_total", frozenset()] == 3


def test_the_page_counts_replies_to_orders_and_files_served(journal: Journal, tmp_path: Path) -> None:
    for stage in ("accepted", "done"):
        for device_id in ("a", "b"):
            journal.put_reply(FLEET, make_reply(stage, device_id=device_id), T0_UNIX_NS)
    files = BlobCounts(chunks=3, sent_bytes=1000, unknown=1, unanswered=2)
    with closing(FiguresReader(journal_path(tmp_path), {}, "", lambda: Runtime(True, 0, 0, 0, files))) as reader:
        found = page(reader)
    with closing(reader_of(tmp_path)) as reader:
        assert not [name for name, _ in page(reader) if "blob" in name], "it serves none"
    for stage in ("accepted", "done"):
        assert found["edgejoule_order_replies_total", frozenset({("kind", "bench"), ("stage", stage)})] == 2
    told = [
        found[f"edgejoule_blob_{name}_total", frozenset()] for name in ("chunks", "bytes", "unknown", "unanswered")
    ]
    assert told == [3, 1000, 1, 2]


def test_without_devices_there_are_sums_of_each_fleet(journal: Journal, tmp_path: Path) -> None:
    journal.commit_batch(FLEET, make_batch(range(1, 4), profile=JETSON, boot_id="other"), T0_UNIX_NS)
    with closing(reader_of(tmp_path)) as reader:
        found = page(reader, per_device=False)
    assert not [labels for _, labels in found if dict(labels).get("device")]
    assert found["edgejoule_windows_stored_total", frozenset({("fleet", FLEET)})] == 4 + 3
    assert found["edgejoule_devices", frozenset({("fleet", FLEET)})] == 2


def test_one_of_a_group_says_nothing_about_what_it_cannot_know(journal: Journal, tmp_path: Path) -> None:
    with closing(reader_of(tmp_path, "group")) as reader:
        names = {name for name, _ in page(reader)}
        lines = ledger_points.lines(reader.read(), "collector 1")
    assert not names & {"edgejoule_windows_missing", "edgejoule_windows_pending", "edgejoule_ledger_adds_up"}
    assert "edgejoule_windows_stored_total" in names
    assert all("missing" not in line and "pending" not in line for line in lines)
    assert lines[0].startswith("ledger,collector=collector\\ 1,device=")


def test_the_lines_hold_the_same_integers(
    journal: Journal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(reader_of(tmp_path)) as reader:
        figures = reader.read()
    lines = ledger_points.lines(figures, "c")
    device = ledger_json(tmp_path, capsys)[PI4.device_id]
    fields = ",".join(f"{name}={device[name]}i" for name in OF_THE_PAGE)
    assert f"ledger,device={PI4.device_id},fleet={FLEET} {fields} {figures.t_unix_ns}" in lines
    assert any(line.startswith("collector_sink,collector=c,sink=influxdb/bench lag_rows=1i,") for line in lines)
    assert "dead_letters_message=1i,dead_letters_window=0i,dead_letters_row=1i" in lines[-1]


def fetch(port: int, path: str = "/metrics") -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()
    finally:
        connection.close()


def test_the_server_ends_and_lets_go_of_its_port(journal: Journal, tmp_path: Path) -> None:
    port = free_port()
    for _ in range(2):
        with (
            closing(reader_of(tmp_path)) as reader,
            closing(MetricsServer("127.0.0.1", port, reader.read, per_device=True)),
        ):
            text = fetch(port)
    assert "process_resident_memory_bytes" in text
    assert (
        samples(text)["edgejoule_windows_stored_total", frozenset({("fleet", FLEET), ("device", PI4.device_id)})] == 4
    )


def test_a_port_in_use_is_one_line(journal: Journal, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other, closing(reader_of(tmp_path)) as reader:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}: cannot listen: Address already in use"):
            MetricsServer("127.0.0.1", port, reader.read, per_device=True)


def test_a_client_that_says_nothing_is_left(journal: Journal, tmp_path: Path) -> None:
    port = free_port()
    with (
        closing(reader_of(tmp_path)) as reader,
        closing(MetricsServer("127.0.0.1", port, reader.read, per_device=True, client_timeout_s=0.2)),
        socket.create_connection(("127.0.0.1", port)) as silent,
    ):
        silent.settimeout(30.0)
        assert silent.recv(1) == b"", "the server has ended it"
        assert "edgejoule_commits_total" in fetch(port)
