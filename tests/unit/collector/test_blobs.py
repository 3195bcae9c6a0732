"""Files by their hash: whole or not at all, only what its name says, and at a bounded rate."""

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.blob_server import (
    BURST_BYTES,
    MAX_DELAY_S,
    MAX_WAITING,
    MAX_WAITING_OF_DEVICE,
    BlobServer,
    serving_blobs,
)
from collector.blobs import LEFT_OVER_S, BlobDamagedError, BlobStore
from collector.build import build_blob_server
from collector.config import parse_config
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.orders import MAX_CHUNK_BYTES, BlobChunk, BlobRequest
from edge_agent.wire.topics import UpTopic
from tests.fakes.delivery import wait_until

DEVICE = UpTopic("lab", "pi4-01", "fetch")
CONTENT = bytes(range(256)) * 1000


class Wire:
    """A connection that takes everything, or nothing."""

    def __init__(self, *, full: bool = False) -> None:
        self.ended = threading.Event()
        self.end_reason = ""
        self.full = full
        self.sent: list[tuple[str, BlobChunk]] = []

    def acknowledge(self, packet_ids: Sequence[int]) -> None: ...

    def publish(self, topic: str, payload: bytes) -> None: ...

    def send(self, topic: str, payload: bytes) -> bool:
        if not self.full:
            self.sent.append((topic, decode(payload, BlobChunk)))
        return not self.full

    def close(self) -> None: ...


def published(directory: Path, content: bytes = CONTENT) -> tuple[BlobStore, str]:
    (directory / "m.tflite").write_bytes(content)
    store = BlobStore(directory / "blobs")
    return store, store.put(directory / "m.tflite").sha256


def request(sha256: str, offset: int = 0, max_bytes: int = MAX_CHUNK_BYTES) -> bytes:
    return encode(BlobRequest(device_id="pi4-01", sha256=sha256, offset=offset, max_bytes=max_bytes))


def test_a_file_is_published_once_under_its_hash(tmp_path: Path) -> None:
    store, sha256 = published(tmp_path)
    assert sha256 == hashlib.sha256(CONTENT).hexdigest()
    again = store.put(tmp_path / "m.tflite")
    assert (again.sha256, again.size_bytes, again.new) == (sha256, len(CONTENT), False)
    assert [path.name for path in store.directory.iterdir()] == [sha256], "nothing half written is left"


@given(content=st.binary(min_size=1, max_size=2000), size=st.integers(1, 700))
def test_parts_put_together_are_the_file(content: bytes, size: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        store, sha256 = published(Path(name), content)
        parts = [store.read(sha256, offset, size) for offset in range(0, len(content), size)]
        assert b"".join(part.data for part in parts if part) == content
        beyond = store.read(sha256, len(content), size)
        assert beyond is not None
        assert (beyond.total_bytes, beyond.data) == (len(content), b"")


@pytest.mark.parametrize(
    "name", ["", "..", "../m.tflite", "a" * 63, "A" * 64, "0" * 64, "0" * 63 + "/", "0" * 64 + "\n"]
)
def test_nothing_but_a_hash_names_a_file(tmp_path: Path, name: str) -> None:
    store, _ = published(tmp_path)
    assert store.read(name, 0, 10) is None


def test_a_file_that_changed_is_not_handed_out_until_it_is_published_again(tmp_path: Path) -> None:
    store, sha256 = published(tmp_path)
    assert store.read(sha256, 0, 10)
    path = store.directory / sha256
    path.write_bytes(CONTENT[:-1] + b"!")
    for _ in range(2):
        with pytest.raises(BlobDamagedError, match=hashlib.sha256(CONTENT[:-1] + b"!").hexdigest()):
            store.read(sha256, 0, 10)
    assert store.put(tmp_path / "m.tflite").new
    assert store.read(sha256, 0, 3) == (len(CONTENT), CONTENT[:3])


def test_a_damaged_file_is_read_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    store, sha256 = published(tmp_path)
    (store.directory / sha256).write_bytes(b"other")
    with pytest.raises(BlobDamagedError):
        store.read(sha256, 0, 10)
    with (store.directory / sha256).open("rb") as file:
        found = os.fstat(file.fileno())
        with pytest.raises(BlobDamagedError):
            store._check(sha256, file, found)
        assert file.tell() == 0, "a gigabyte for each question would hold up everybody"


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    store, sha256 = published(tmp_path)
    (store.directory / ("1" * 64)).symlink_to(tmp_path / "m.tflite")
    os.mkfifo(store.directory / ("2" * 64))
    with pytest.raises(OSError, match="symbolic links"):
        store.read("1" * 64, 0, 10)
    with pytest.raises(BlobDamagedError, match="no regular file"):
        store.read("2" * 64, 0, 10)
    assert store.read(sha256, 0, 1)


def test_what_cannot_be_published_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "blobs")
    with pytest.raises(ConfigurationError, match=r"none\.tflite: cannot publish"):
        store.put(tmp_path / "none.tflite")
    (tmp_path / "empty").touch()
    with pytest.raises(ConfigurationError, match="is empty"):
        store.put(tmp_path / "empty")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match="is a pipe"):
        store.put(tmp_path / "pipe")
    assert list(store.directory.iterdir()) == []
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match="cannot publish"):
        BlobStore(tmp_path / "file").put(tmp_path / "file")


def test_what_a_kill_in_the_middle_of_a_copy_left_is_removed_a_day_later(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"model")
    old, fresh = tmp_path / "blobs/.4711.new", tmp_path / "blobs/.4712.new"
    old.parent.mkdir()
    for left_over in (old, fresh):
        left_over.write_bytes(b"mod")
    os.utime(old, (0, time.time() - LEFT_OVER_S - 60))
    BlobStore(old.parent).put(tmp_path / "model")
    assert not old.exists()
    assert fresh.exists(), "another one may be writing it"


def test_a_device_gets_the_parts_that_it_asks_for(tmp_path: Path) -> None:
    store, sha256 = published(tmp_path)
    wire, gone, full = Wire(), Wire(), Wire(full=True)
    gone.ended.set()
    server = BlobServer(store, 1e9)
    with serving_blobs(server):
        server.take(DEVICE, b"no request", wire)
        server.take(DEVICE, request(sha256), gone)
        server.take(DEVICE, request(sha256, 7, 5), full)
        for offset in range(0, len(CONTENT), MAX_CHUNK_BYTES):
            server.take(DEVICE, request(sha256, offset), wire)
        server.take(DEVICE, request("f" * 64), wire)
        wait_until(lambda: server.counts.unknown == 1, "all are answered")
    assert {topic for topic, _ in wire.sent} == {"edgejoule/v1/lab/pi4-01/cmd/blob"}
    *chunks, unknown = [chunk for _, chunk in wire.sent]
    assert b"".join(chunk.data for chunk in chunks) == CONTENT
    assert {chunk.total_bytes for chunk in chunks} == {len(CONTENT)}
    assert (unknown.sha256, unknown.total_bytes, unknown.data) == ("f" * 64, 0, b"")
    counts = server.counts
    assert (counts.chunks, counts.sent_bytes, counts.unanswered) == (len(chunks), len(CONTENT), 1)


def test_a_damaged_file_is_answered_as_if_it_were_not_there_and_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, sha256 = published(tmp_path)
    (store.directory / sha256).write_bytes(b"other")
    wire = Wire()
    server = BlobServer(store, 1e9)
    with serving_blobs(server):
        for offset in range(3):
            server.take(DEVICE, request(sha256, offset), wire)
        wait_until(lambda: server.counts.unknown == 3, "all are answered")
    assert {chunk.total_bytes for _, chunk in wire.sent} == {0}
    said = capsys.readouterr()
    assert (said.out + said.err).count("blob_not_served") == 1


def test_who_asks_for_far_more_than_its_rate_is_not_answered_and_holds_up_nobody(tmp_path: Path) -> None:
    store, sha256 = published(tmp_path)
    greedy, modest = Wire(), Wire()
    rate = 2.0 * MAX_CHUNK_BYTES
    server = BlobServer(store, rate)
    for offset in range(200):
        server.take(DEVICE, request(sha256, offset), greedy)
        server.take(DEVICE, request(sha256, offset), greedy)  # the same once more counts once
    unanswered = server.counts.unanswered
    allowed = BURST_BYTES / MAX_CHUNK_BYTES + MAX_DELAY_S * rate / MAX_CHUNK_BYTES
    assert abs(2 * (200 - allowed) - unanswered) <= 4
    with serving_blobs(server):
        server.take(UpTopic("lab", "other", "fetch"), request(sha256), modest)
        wait_until(lambda: len(modest.sent) == 1, "the modest one is served while the greedy one waits")
    assert len(greedy.sent) < 200 - unanswered / 2


def test_one_device_with_many_small_questions_leaves_room_for_others(tmp_path: Path) -> None:
    store, sha256 = published(tmp_path)
    greedy, modest = Wire(), Wire()
    server = BlobServer(store, 1e8)
    for offset in range(MAX_WAITING + 1):
        server.take(DEVICE, request(sha256, offset, 1), greedy)
    assert server.counts.unanswered == MAX_WAITING + 1 - MAX_WAITING_OF_DEVICE
    server.take(UpTopic("lab", "other", "fetch"), request(sha256), modest)
    with serving_blobs(server):
        wait_until(lambda: len(modest.sent) == 1, "the modest one is served")
        wait_until(lambda: len(greedy.sent) == MAX_WAITING_OF_DEVICE, "and what was taken of the greedy one")
        server.take(DEVICE, request(sha256), greedy)
        wait_until(lambda: len(greedy.sent) == MAX_WAITING_OF_DEVICE + 1, "which is heard again")


def test_two_that_publish_at_once_as_the_same_process_id_do_not_write_one_copy(tmp_path: Path) -> None:
    """In containers every one of them may be process 1; the folder is what they share."""
    store, _ = published(tmp_path)
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    half = store.directory / f".{os.getpid()}.new"
    half.symlink_to(victim)
    (tmp_path / "m.tflite").write_bytes(b"new")
    assert store.put(tmp_path / "m.tflite").new
    assert victim.read_bytes() == b"precious"
    assert half.is_symlink()


def test_the_collector_is_told_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    config = parse_config('[orders]\nblob_dir = "blobs"\n', "collector.toml", tmp_path)
    with pytest.raises(ConfigurationError, match="order publish FILE --blobs"):
        build_blob_server(config)
    (tmp_path / "blobs").mkdir()
    assert build_blob_server(config) is not None
    assert build_blob_server(parse_config("", "collector.toml", tmp_path)) is None
