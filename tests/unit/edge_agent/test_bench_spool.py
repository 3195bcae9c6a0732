"""Benches on the device's disk: nothing that was added is lost, nothing that is damaged holds up the others."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edge_agent.bench_spool import BenchSpool
from edge_agent.delivery import SingleFlights
from edge_agent.wire.codec import decode
from edge_agent.wire.errors import ConfigurationError, RejectedRecordError
from edge_agent.wire.records import MAX_BENCH_WINDOWS, BenchRecord
from tests.fakes.benches import WINDOW, make_bench, make_measurand

DEVICE = "pi4-01"


def add_at(spool: BenchSpool, bench_id: str, t_unix_s: int) -> None:
    os.utime(spool.add(make_bench(bench_id)), (t_unix_s, t_unix_s))


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_bench_waits_until_it_is_stored_over_restarts(tmp_path: Path) -> None:
    add_at(BenchSpool(tmp_path), "second", 200)
    add_at(BenchSpool(tmp_path), "first", 100)
    spool = BenchSpool(tmp_path)
    assert spool.pending_ids() == ["first", "second"]
    payload = spool.payload("first", DEVICE)
    assert payload is not None
    assert decode(payload, BenchRecord) == make_bench("first")
    assert spool.mark_stored("first")
    assert not spool.mark_stored("first")
    assert not spool.mark_stored("never-heard-of")
    assert BenchSpool(tmp_path).pending_ids() == ["second"]
    assert spool.payload("first", DEVICE) is None
    assert names(tmp_path / "bench" / "stored") == ["first.json"]


def test_a_write_that_the_power_cut_ended_was_never_promised(tmp_path: Path) -> None:
    """What ``add`` leaves behind at each of its steps: part of another file, or the whole one under its name."""
    spool = BenchSpool(tmp_path)
    path = spool.add(make_bench("whole"))
    (tmp_path / "bench" / "cut.new").write_bytes(path.read_bytes()[:100])
    assert BenchSpool(tmp_path).pending_ids() == ["whole"]
    assert names(tmp_path / "bench") == ["aside", "pending", "stored"]


def test_a_reader_never_sees_half_a_bench(tmp_path: Path) -> None:
    spool = BenchSpool(tmp_path)
    large = make_bench(windows=(WINDOW,) * MAX_BENCH_WINDOWS)
    spool.add(large)
    done = threading.Event()

    def write() -> None:
        for _ in range(150):
            spool.add(large)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while not done.is_set():
        assert spool.payload(large.bench_id, DEVICE) is not None
        reads += 1
    writer.join()
    assert reads > 10
    assert names(tmp_path / "bench" / "aside") == []


@pytest.mark.parametrize("fault", ["cut", "no_json", "renamed", "directory", "other_device"])
def test_what_cannot_be_delivered_is_set_aside_and_said(tmp_path: Path, fault: str) -> None:
    spool = BenchSpool(tmp_path)
    path = spool.add(make_bench("bad"))
    spool.add(make_bench("good"))
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif fault == "no_json":
        path.write_bytes(b"\x00" * 512)
    elif fault == "renamed":
        path.write_bytes(path.read_bytes().replace(b'"bad"', b'"other"'))
    elif fault == "directory":
        path.unlink()
        path.mkdir()
    device_id = "another" if fault == "other_device" else DEVICE
    with capture_logs() as logs:
        assert spool.payload("bad", device_id) is None
    assert [line["event"] for line in logs] == ["bench_set_aside"]
    assert spool.pending_ids() == ["good"]
    assert names(tmp_path / "bench" / "aside") == ["bad.json"]


def test_the_stored_ones_are_bounded_and_the_latest_stay(tmp_path: Path) -> None:
    spool = BenchSpool(tmp_path, max_stored=3)
    for number in range(6):
        add_at(spool, f"bench-{number}", 100 + number)
        spool.mark_stored(f"bench-{number}")
    assert names(tmp_path / "bench" / "stored") == ["bench-3.json", "bench-4.json", "bench-5.json"]


@pytest.mark.parametrize(
    ("bench", "words"),
    [
        (make_bench(windows=(WINDOW,) * (MAX_BENCH_WINDOWS + 1)), "201 windows, a record holds 200; take fewer"),
        (make_bench(warnings=("w" * 300_000,)), "bytes, a message holds 262144"),
        (make_bench(gross=make_measurand(float("nan"))), r"got `null` - at `\$.gross.value_j`"),
        (make_bench("../../etc/passwd"), "bench_id"),
    ],
    ids=["windows", "bytes", "not_a_number", "name"],
)
def test_what_no_collector_would_take_is_refused_at_once_in_one_line(
    tmp_path: Path, bench: BenchRecord, words: str
) -> None:
    spool = BenchSpool(tmp_path)
    with pytest.raises(RejectedRecordError, match=words) as refusal:
        spool.add(bench)
    assert "\n" not in str(refusal.value)
    assert spool.pending_ids() == []
    assert names(tmp_path / "bench") == ["aside", "pending", "stored"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bench").write_text("a file in the way")
    with pytest.raises(ConfigurationError, match="check owner and free space"):
        BenchSpool(tmp_path)


def test_a_disk_that_takes_no_more_is_one_line(tmp_path: Path) -> None:
    spool = BenchSpool(tmp_path)
    (tmp_path / "bench" / "pending" / "bench-0001.json").mkdir()
    with pytest.raises(ConfigurationError, match="cannot keep the bench"):
        spool.add(make_bench())


def test_an_unanswered_message_is_sent_again_after_growing_pauses_and_holds_up_no_other() -> None:
    flights = SingleFlights(max_messages=2, first_resend_s=5.0, longest_resend_s=12.0)
    assert flights.wait_s(0.0) is None
    sent: list[tuple[float, str]] = []
    now_s = 0.0
    while now_s < 45.0:
        for one in flights.due(["a", "b", "c"], now_s):
            flights.note_sent(one, now_s)
            sent.append((now_s, one))
        wait_s = flights.wait_s(now_s)
        assert wait_s
        now_s += wait_s
    assert [t for t, one in sent if one == "a"] == [0.0, 5.0, 15.0, 27.0, 39.0]
    assert next(t for t, one in sent if one == "c") == 5.0
    flights.go_back()
    assert flights.due(["a", "b", "c"], now_s) == ["a", "b"]


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=60))
def test_whatever_is_answered_the_rest_stays_in_flight(answers: list[tuple[str, bool]]) -> None:
    """At each step one is added or answered; in the end every one that is pending was sent at least once."""
    flights = SingleFlights(max_messages=3, first_resend_s=1.0)
    pending: list[str] = []
    sent: set[str] = set()
    now_s = 0.0
    for name, answered in answers:
        if answered and name in pending:
            pending.remove(name)
            sent.discard(name)
        elif name not in pending:
            pending.append(name)
        for one in flights.due(pending, now_s):
            flights.note_sent(one, now_s)
            sent.add(one)
        now_s += 0.25
    for _ in range(4):
        now_s += 1.0
        for one in flights.due(pending, now_s):
            flights.note_sent(one, now_s)
            sent.add(one)
    assert set(pending) <= sent
