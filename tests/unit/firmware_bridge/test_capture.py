"""Captures: what was written is read back, whatever the bytes; a cut or foreign file is one clear line."""

import io
import struct
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.capture import record
from firmware_bridge.capture_file import CaptureFrame, CaptureHeader, CaptureWriter, open_capture, read_capture
from firmware_bridge.emulate import MeterEmulator
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.loads import ConstantLoad
from tests.fakes import counter_meter
from tests.fakes.captured import summarise

HEADER = CaptureHeader("counter", {"a": 1, "b": "two"}, "/dev/ttyACM0", 1_700_000_000_000_000_000)
frames_lists = st.lists(
    st.builds(
        CaptureFrame,
        t_host_s=st.floats(0, 1e9),
        from_meter=st.booleans(),
        data=st.binary(max_size=200),
    ),
    max_size=20,
)


def file_of(frames: list[CaptureFrame]) -> bytes:
    file = io.BytesIO()
    writer = CaptureWriter(file, HEADER)
    for frame in frames:
        writer.write(frame)
    return file.getvalue()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("capture") / "x.capture"


@given(frames=frames_lists)
def test_reads_back_what_was_written(path: Path, frames: list[CaptureFrame]) -> None:
    path.write_bytes(file_of(frames))
    capture = read_capture(path)
    assert capture.header == HEADER
    assert list(capture.frames) == frames
    assert capture.cut_bytes == 0


@given(frames=frames_lists, cut=st.integers(1, 100))
def test_a_cut_file_is_good_up_to_its_last_whole_frame(path: Path, frames: list[CaptureFrame], cut: int) -> None:
    content, head = file_of(frames), len(file_of([]))
    content = content[: max(head, len(content) - cut)]
    path.write_bytes(content)
    capture = read_capture(path)
    assert list(capture.frames) == frames[: len(capture.frames)]
    assert len(file_of(list(capture.frames))) + capture.cut_bytes == len(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a capture file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a capture file"),
        (b"edgejoule-capture 1\n{}", "not a capture file"),
        (b"edgejoule-capture 2\n{}\n", "another version of edgejoule"),
        (file_of([]) + struct.pack("<dcI", 1.0, b"R", 2**31) + bytes(40), "damaged at byte"),
        (file_of([]) + struct.pack("<dcI", 1.0, b"N", 3) + b"[1]", "damaged in the note"),
        (b'edgejoule-capture 1\n{"driver": "x", "options": {"a": []}, "port": "", "started_unix_ns": 1}\n', "damaged"),
        (b"edgejoule-capture 1\n[1]\n", "header of this capture is damaged"),
        (b'edgejoule-capture 1\n{"driver": 1}\n', "header of this capture is damaged"),
        (file_of([]) + bytes(40), "damaged at byte"),
    ],
)
def test_foreign_files_are_refused_in_one_line(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message) as caught:
        read_capture(path)
    assert "\n" not in str(caught.value)


def test_keys_and_notes_that_a_later_version_adds_are_passed_over(path: Path) -> None:
    file = io.BytesIO()
    writer = CaptureWriter(file, HEADER)
    writer.note(1.0, weather="fine")
    writer.write(CaptureFrame(2.0, from_meter=True, data=b"x"))
    head, _, rest = file.getvalue().partition(b'{"driver"')
    path.write_bytes(head + b'{"mood": 1, "driver"' + rest)
    capture = read_capture(path)
    assert capture.header == HEADER
    assert [frame.data for frame in capture.frames] == [b"x"]
    assert capture.notes == ({"weather": "fine"},)


def test_a_capture_of_the_first_version_is_read(path: Path) -> None:
    """Files are kept for ever: this one was written before the header said who simulated what."""
    header = b'{"driver": "counter", "options": {}, "port": "/dev/x", "started_unix_ns": 5}\n'
    path.write_bytes(b"edgejoule-capture 1\n" + header + struct.pack("<dcI", 1.5, b"R", 2) + b"ab")
    capture = read_capture(path)
    assert capture.header == CaptureHeader("counter", {}, "/dev/x", 5, simulated=None, version="", started_host_s=None)
    assert capture.frames == (CaptureFrame(1.5, from_meter=True, data=b"ab"),)


def test_frames_are_read_one_by_one(path: Path) -> None:
    """A file as large as a day of the fastest meter must not come into memory at once."""
    with path.open("wb") as file:
        writer = CaptureWriter(file, HEADER)
        for i in range(200):
            writer.write(CaptureFrame(float(i), from_meter=True, data=bytes(100_000)))
    tracemalloc.start()
    with open_capture(path) as reader:
        assert sum(len(frame.data) for frame in reader) == 20_000_000
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1_000_000


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.capture: cannot read it"):
        read_capture(tmp_path / "nowhere.capture")


def test_decoding_again_gives_the_same_joules(path: Path) -> None:
    encoder = counter_meter.CounterEncoder({}, 0)
    encoder.receive(b"G", 0.0)
    frames = [CaptureFrame(100.0, from_meter=False, data=b"G")]
    for i in range(100):
        t_s = (20 * i + np.arange(1, 21, dtype=np.float64)) * counter_meter.INTERVAL_S
        data = encoder.emit(t_s, np.full(20, 5.0), np.full(20, 0.5))
        if i != 50:
            frames.append(CaptureFrame(100.0 + 0.02 * (i + 1), from_meter=True, data=data))
    path.write_bytes(file_of(frames))
    summary, _ = summarise(counter_meter.DRIVER, path)
    assert summary.total is not None
    assert summary.total.energy_j == pytest.approx(2.5 * 1.98)
    assert summary.total.gap_s == pytest.approx(0.02)
    assert summary.lost == 20
    assert summary.frame_errors == {"lost": 20}
    assert summary.identity is not None


def test_an_empty_capture_has_no_figures(path: Path) -> None:
    path.write_bytes(file_of([]))
    summary, recording = summarise(counter_meter.DRIVER, path)
    assert summary.total is None
    assert recording.received_bytes == 0


def test_recording_from_a_port(tmp_path: Path) -> None:
    port, file = tmp_path / "port", tmp_path / "x.capture"
    with MeterEmulator(counter_meter.DRIVER, port, ConstantLoad(3.0)), file.open("wb") as out:
        writer = CaptureWriter(out, HEADER)
        received = record(counter_meter.DRIVER, str(port), {}, writer, seconds=0.5, stop=threading.Event())
    capture = read_capture(file)
    assert received == sum(len(frame.data) for frame in capture.frames if frame.from_meter) > 0
    identity, ending = capture.notes
    assert identity["identity"]["model"] == "counter"
    assert ending == {"ended": "over", "received_bytes": received}
    summary, _ = summarise(counter_meter.DRIVER, file)
    assert summary.samples * counter_meter.INTERVAL_S == pytest.approx(0.5, abs=0.1)
