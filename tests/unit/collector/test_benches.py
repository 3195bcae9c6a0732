"""Benches in the collector: taken once, acknowledged by name, and the same in every store."""

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from collector.feeds import BenchFeed
from collector.ingest import Received, ingest
from collector.journal import Journal
from collector.pump import Pump
from collector.sinks.bench_lines import BenchLineEncoder
from collector.sinks.influx_rows import InfluxSink
from collector.sinks.influxdb_v1 import InfluxV1Writer
from collector.sinks.influxdb_v2 import InfluxV2Writer
from collector.sinks.lake import LakeSink, read_lake
from collector.sinks.lake_benches import SCHEMA, BenchLakeSink, read_lake_benches
from collector.values import RejectedRow, StoredBench, WriteOutcome
from edge_agent.wire.codec import encode
from edge_agent.wire.records import BenchRecord
from edge_agent.wire.topics import topic_for
from tests.fakes.benches import make_bench, make_measurand, make_stored_bench
from tests.fakes.delivery import wait_until
from tests.fakes.influx_http import running_write_server
from tests.fakes.windows import FLEET, T0_UNIX_NS, make_fleet_rows

TOPIC = topic_for(FLEET, "pi4-01", "bench")
REJECTED = make_bench("rejected", gross=None, net=None, rejections=("no samples", "throttled, in window 2"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


def take(journal: Journal, record: BenchRecord | bytes, topic: str = TOPIC) -> bool:
    payload = record if isinstance(record, bytes) else encode(record)
    with journal.transaction():
        return ingest(journal, Received(topic, payload, T0_UNIX_NS)) is not None


def test_a_bench_is_stored_once_whatever_comes_again(journal: Journal) -> None:
    assert take(journal, make_bench())
    assert take(journal, make_bench(warm_up_s=99.0))
    assert take(journal, make_bench(), topic_for("another-fleet", "pi4-01", "bench"))
    assert [(row.row_id, row.fleet) for row in journal.benches_after(0, 10)] == [(1, FLEET), (2, "another-fleet")]
    assert journal.benches_after(0, 1)[0].bench == make_bench()
    assert journal.count_benches_after(1, 10) == 1
    assert journal.dead_letters() == []
    assert [state.device_id for state in journal.devices()] == ["pi4-01", "pi4-01"]


def test_the_latest_are_acknowledged_and_one_that_comes_again_is_among_them(journal: Journal) -> None:
    for number in range(40):
        take(journal, make_bench(f"bench-{number}"))
    assert journal.bench_ids(FLEET, "pi4-01") == tuple(f"bench-{number}" for number in range(39, 7, -1))
    take(journal, make_bench("bench-3"))
    assert journal.bench_ids(FLEET, "pi4-01")[:2] == ("bench-3", "bench-39")
    assert journal.bench_ids("another-fleet", "pi4-01") == ()


def test_what_names_a_bench_but_is_none_is_kept_with_the_reason_and_need_not_come_again(journal: Journal) -> None:
    bad = encode(make_bench("bad")).replace(b'"synchronised"', b'"roughly"')
    for _ in range(3):
        assert take(journal, bad)
    ((topic, payload, reason, _),) = journal.dead_letters()
    assert (topic, payload) == (TOPIC, bad)
    assert "clock_state" in reason
    assert journal.bench_ids(FLEET, "pi4-01") == ("bad",)
    assert journal.benches_after(0, 10) == []
    assert journal.count_benches_after(0, 10) == 0
    (entry,) = journal.benches()
    assert (entry.bench_id, entry.bench, entry.valid) == ("bad", None, False)
    assert entry.refused == reason


@pytest.mark.parametrize("fault", ["no_json", "other_device", "other_version", "other_device_and_bad"])
def test_what_cannot_be_told_apart_is_a_dead_letter_and_not_acknowledged(journal: Journal, fault: str) -> None:
    payload = encode(make_bench())
    if fault == "no_json":
        payload = payload[:-5]
    elif fault == "other_version":
        payload = payload.replace(b'"schema_version":1', b'"schema_version":2')
    else:
        payload = payload.replace(b'"pi4-01"', b'"liar"')
    if fault == "other_device_and_bad":
        payload = payload.replace(b'"synchronised"', b'"roughly"')
    assert not take(journal, payload)
    assert len(journal.dead_letters()) == 1
    assert journal.bench_ids(FLEET, "pi4-01") == journal.bench_ids(FLEET, "liar") == ()


def test_a_journal_of_an_earlier_version_gets_its_table_and_a_reader_does_without(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    Journal(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE benches")
        db.commit()
    with closing(Journal(path, read_only=True)) as reader:
        assert reader.benches() == []
    with closing(Journal(path)) as journal:
        assert take(journal, make_bench())
        assert len(journal.benches()) == 1


def test_a_bench_is_a_point_with_what_is_known(journal: Journal) -> None:
    line = BenchLineEncoder().encode(make_stored_bench(1))
    head, rest = line.split(" ", 1)
    assert head == (
        "bench,boundary=usb_dc,delegate=xnnpack,device=pi4-01,device_class=raspberry-pi-4b,fleet=lab,"
        "meter_driver=tc66c,model=digits_mlp_int8,runtime=litert,simulated=true,valid=true"
    )
    fields, stamp = rest.rsplit(" ", 1)
    assert int(stamp) == T0_UNIX_NS
    known = dict(pair.split("=", 1) for pair in fields.split(","))
    assert float(known["j_per_inference"]) == 0.01
    assert float(known["j_per_inference_expanded_u"]) == 6e-5
    assert float(known["net_j_per_inference_u"]) == 4e-5
    assert (known["window_count"], known["inference_count"], known["accuracy_count"]) == ("5i", "20500i", "360i")
    assert float(known["energy_j"]) == 205.0
    assert known["bench_id"] == '"bench-0001"'
    assert not {"rejections", "effective_dof", "load_energy_j", "calibration", "device_class"} & known.keys()


def test_a_rejected_bench_has_its_reasons_and_no_result() -> None:
    line = BenchLineEncoder().encode(make_stored_bench(1, **msgspec.structs.asdict(REJECTED)))
    assert ",valid=false " in line
    assert 'rejections="no samples; throttled, in window 2"' in line
    assert "j_per_inference" not in line
    endless = BenchLineEncoder().encode(make_stored_bench(1, gross=make_measurand(math.inf, 0.0)))
    assert "=inf," not in endless
    assert "j_per_inference=" not in endless.replace("net_j_per_inference=", "")


@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_both_influxdb_sinks_take_benches(kind: str) -> None:
    with running_write_server() as server:
        encoder = BenchLineEncoder()
        writer: InfluxV1Writer | InfluxV2Writer = (
            InfluxV1Writer(server.url, "edgejoule")
            if kind == "v1"
            else InfluxV2Writer(server.url, "green", "edgejoule", token="t")
        )
        sink = InfluxSink(writer, encoder, name="influxdb/bench")
        rows = [make_stored_bench(1), make_stored_bench(2, t_start_unix_ns=T0_UNIX_NS + 1)]
        assert sink.write(rows).accepted == 2
        sink.close()
        assert list(server.stored.values()) == [encoder.encode(row).encode() for row in rows]


def test_the_lake_keeps_benches_apart_from_windows_and_whole(tmp_path: Path) -> None:
    rejected = make_stored_bench(2, **msgspec.structs.asdict(REJECTED))
    sink = BenchLakeSink(tmp_path)
    for _ in range(2):  # the second time after a crash before the cursor moved
        assert sink.write([make_stored_bench(1), rejected]).accepted == 2
    LakeSink(tmp_path).write(make_fleet_rows(2))
    assert read_lake(tmp_path).num_rows == 6
    assert pq.read_table(tmp_path).num_rows == 6, "whoever reads the folder gets windows"
    valid, invalid = sorted(read_lake_benches(tmp_path).to_pylist(), key=lambda row: row["row_id"])
    assert (valid["valid"], valid["j_per_inference"], valid["simulated"]) == (True, 0.01, True)
    assert (invalid["valid"], invalid["j_per_inference"]) == (False, None)
    assert invalid["rejections"] == "no samples; throttled, in window 2"
    assert json.loads(invalid["record_json"])["bench_id"] == "rejected"
    assert read_lake_benches(tmp_path / "nothing").num_rows == 0
    assert len(set(SCHEMA.names)) == len(SCHEMA.names)


def test_the_lake_writes_no_other_journals_benches_over(tmp_path: Path) -> None:
    BenchLakeSink(tmp_path).write([make_stored_bench(1, bench_id="old")])
    outcome = BenchLakeSink(tmp_path).write([make_stored_bench(1, bench_id="new")])
    assert (outcome.accepted, outcome.kept) == (0, 1)
    assert "another journal" in outcome.retry_reason


class HalfSink:
    """Away at first; then it refuses what is called bad, and takes the rest."""

    name = "half/bench"
    max_rows = 2
    max_wait_s = 0.0

    def __init__(self) -> None:
        self.away = True
        self.attempts = 0
        self.stored: list[str] = []

    def write(self, rows: list[StoredBench]) -> WriteOutcome[StoredBench]:
        self.attempts += 1
        if self.away:
            return WriteOutcome(0, kept=len(rows), retry_reason="away")
        bad = tuple(RejectedRow(row, "type conflict") for row in rows if row.bench.bench_id == "bad")
        self.stored += [row.bench.bench_id for row in rows if row.bench.bench_id != "bad"]
        return WriteOutcome(len(rows) - len(bad), bad)

    def close(self) -> None:
        return


def test_a_store_that_was_away_gets_every_bench_when_it_is_back(journal: Journal) -> None:
    for name in ("one", "bad", "two"):
        take(journal, make_bench(name))
    sink = HalfSink()
    pump = Pump(journal, BenchFeed(journal), sink)
    pump.start()
    try:
        wait_until(lambda: sink.attempts > 0, "an attempt")
        assert journal.cursor("half/bench") == 0
        sink.away = False
        wait_until(lambda: journal.cursor("half/bench") == 3, "all done")
    finally:
        pump.close()
    assert sink.stored == ["one", "two"]
    ((topic, _, reason, _),) = journal.dead_letters()
    assert (topic, reason) == ("sink/half/bench/lab/pi4-01/bad", "type conflict")
    assert journal.cursor("half") == 0
