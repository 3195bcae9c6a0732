"""Files fetched by their hash: whatever comes, only what was ordered becomes a file."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.remote import model_files
from edge_agent.remote.fetching import MAX_DENIALS, Fetch, FetchError, Wanted
from edge_agent.remote.model_files import ModelFiles
from edge_agent.wire.orders import BlobChunk

DATA = bytes(range(256)) * 40
SHA = hashlib.sha256(DATA).hexdigest()
MODEL = Wanted(SHA, len(DATA), ".tflite", "model 'm'")
STEP = 1000


class Rig:
    """A fetch whose questions are kept; ``now_s`` is moved by hand."""

    def __init__(self, directory: Path, *wanted: Wanted, limit_s: float = 1000.0) -> None:
        self.files = ModelFiles(directory)
        self.asked: list[tuple[str, int]] = []
        self.connected = True
        self.now_s = 0.0
        self.fetch = Fetch(self.files, wanted or (MODEL,), self._ask, now_s=0.0, limit_s=limit_s)

    def _ask(self, sha256: str, offset: int) -> bool:
        self.asked.append((sha256, offset))
        return self.connected

    def tend(self, after_s: float = 0.0) -> None:
        self.now_s += after_s
        self.fetch.tend(self.now_s)

    def answer(self, data: bytes = DATA) -> None:
        """Answer the last question from ``data``."""
        sha256, offset = self.asked[-1]
        self.take(BlobChunk(sha256=sha256, offset=offset, total_bytes=len(data), data=data[offset : offset + STEP]))

    def answer_all(self, data: bytes) -> None:
        while not self.fetch.done:
            self.answer(data)

    def take(self, chunk: BlobChunk) -> None:
        self.fetch.take(chunk, self.now_s)


def test_a_file_comes_chunk_by_chunk_and_each_is_asked_for_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.tend()
    while not rig.fetch.done:
        rig.answer()
    assert [offset for _, offset in rig.asked] == list(range(0, len(DATA), STEP))
    assert rig.files.path(SHA, ".tflite").read_bytes() == DATA
    assert rig.fetch.progress_ratio == 1.0


def test_it_goes_on_where_an_earlier_run_was_cut_off(tmp_path: Path) -> None:
    first = Rig(tmp_path)
    first.tend()
    for _ in range(4):
        first.answer()
    second = Rig(tmp_path)
    second.tend()
    assert second.asked == [(SHA, 4 * STEP)]
    assert second.fetch.progress_ratio == pytest.approx(4 * STEP / len(DATA))
    while not second.fetch.done:
        second.answer()
    assert second.files.is_whole(SHA, ".tflite")
    assert Rig(tmp_path).fetch.done, "and a third time there is nothing to fetch"


def test_a_run_that_ended_before_the_last_rename_is_finished(tmp_path: Path) -> None:
    ModelFiles(tmp_path).append(SHA, DATA)
    rig = Rig(tmp_path)
    rig.tend()
    assert rig.fetch.done
    assert rig.asked == []


def test_silence_is_answered_by_asking_again_and_ends_after_the_limit(tmp_path: Path) -> None:
    rig = Rig(tmp_path, limit_s=500.0)
    while rig.now_s < 499.0:
        rig.tend(1.0)
    assert 8 <= len(rig.asked) <= 30
    assert {offset for _, offset in rig.asked} == {0}
    with pytest.raises(FetchError, match=r"did not come within 500 s .* what has come is kept"):
        rig.tend(2.0)


def test_without_a_connection_it_is_looked_for_again_soon_however_long_that_takes(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.connected = False
    while rig.now_s < 300.0:
        rig.tend(1.0)
    asked = len(rig.asked)
    rig.connected = True
    rig.tend(1.0)
    assert len(rig.asked) == asked + 1
    rig.tend(1.0)
    assert len(rig.asked) == asked + 1, "now it waits for the answer"


def test_a_file_of_another_hash_is_refused_by_both_names_and_thrown_away(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.tend()
    lie = DATA[:-1] + b"!"
    with pytest.raises(FetchError, match=f"model 'm'.*{hashlib.sha256(lie).hexdigest()}.*{SHA} was ordered"):
        rig.answer_all(lie)
    assert list(rig.files.directory.iterdir()) == []


def test_what_no_collector_has_is_said_after_a_few_denials(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    denial = BlobChunk(sha256=SHA, offset=0, total_bytes=0, data=b"")
    for _ in range(MAX_DENIALS - 1):
        rig.tend(3.0)
        rig.take(denial)
    with pytest.raises(FetchError, match=f"no collector has the file with sha256 {SHA}"):
        rig.take(denial)


def test_another_size_under_the_same_hash_cannot_be(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.tend()
    with pytest.raises(FetchError, match="99 bytes under its hash, but 10240 were ordered"):
        rig.take(BlobChunk(sha256=SHA, offset=0, total_bytes=99, data=b"x"))


def test_room_is_asked_for_before_a_byte_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "MARGIN_BYTES", 1 << 60)
    with pytest.raises(FetchError, match=r"its disk has no room: free \d+ bytes in .*models"):
        Rig(tmp_path)


def test_only_what_is_wanted_or_must_stay_is_kept(tmp_path: Path) -> None:
    files = ModelFiles(tmp_path)
    stays, goes = "a" * 64, "b" * 64
    for sha256 in (stays, goes):
        files.append(sha256, b"x")
    fetch = Fetch(files, [MODEL], lambda _sha256, _offset: True, now_s=0.0, limit_s=9.0, keep=[stays])
    assert not fetch.done
    assert [path.name for path in files.directory.iterdir()] == [f"{stays}.part"]


def test_a_damaged_file_of_an_earlier_order_is_fetched_again(tmp_path: Path) -> None:
    files = ModelFiles(tmp_path)
    files.append(SHA, DATA)
    files.finish(SHA, ".tflite")
    files.path(SHA, ".tflite").write_bytes(b"damaged")
    assert not Rig(tmp_path).fetch.done


chunks = st.builds(
    BlobChunk,
    sha256=st.sampled_from([SHA, "c" * 64]),
    offset=st.integers(0, len(DATA) + 5),
    total_bytes=st.just(len(DATA)),
    data=st.binary(max_size=20),
)


@given(st.lists(chunks, max_size=30))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stray_chunks_change_nothing_but_what_is_next(tmp_path: Path, strays: list[BlobChunk]) -> None:
    """True chunks among strays: the file is whole in the end, or the lie is told from it. Nothing else is there."""
    files = ModelFiles(tmp_path)
    files.keep_only(())
    rig = Rig(tmp_path)
    rig.tend()
    try:
        while not rig.fetch.done:
            if strays:
                rig.take(strays.pop())
            rig.answer()
    except FetchError:
        assert list(files.directory.iterdir()) == []
    else:
        assert files.path(SHA, ".tflite").read_bytes() == DATA
