import io
import os
import pty
import socket
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.inference.registry import load_runner
from edge_agent.inference.runner import InferenceRunner
from edge_agent.inputs.directory import array_files, directory_inputs, inputs_in
from edge_agent.inputs.tensor_stream import StdinSource, TensorCutter
from edge_agent.inputs.unix_socket import listening
from edge_agent.model_catalog import find_model
from edge_agent.wire.errors import ConfigurationError


@pytest.fixture(scope="module")
def runner() -> InferenceRunner:
    return load_runner(find_model("digits_mlp_int8").path)


def some(count: int, runner: InferenceRunner, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    return np.random.default_rng(seed).integers(-128, 127, (count, *runner.input_shape), np.int8)


def test_files_come_in_order_of_name_whatever_they_hold(runner: InferenceRunner, tmp_path: Path) -> None:
    arrays = some(6, runner)
    np.save(tmp_path / "b.npy", arrays[0])
    np.save(tmp_path / "a.npy", arrays[1, 0])
    np.savez(tmp_path / "c.npz", x=arrays[2:4].reshape(2, -1), y=np.array([1, 2]))
    np.save(tmp_path / "d.npy", np.asfortranarray(arrays[4:6]))
    (tmp_path / "notes.txt").write_text("not an input")
    held, count = directory_inputs(tmp_path, runner)
    read, _ = directory_inputs(tmp_path, runner, memory_bytes=0)
    assert isinstance(held, list)
    assert not isinstance(read, list)
    assert count == 6
    expected = [arrays[1], arrays[0], *arrays[2:6]]
    for inputs in (held, read, read):
        tensors = list(inputs)
        assert len(tensors) == 6
        for tensor, wanted in zip(tensors, expected, strict=True):
            assert tensor.shape == runner.input_shape
            assert tensor.flags.c_contiguous
            assert np.array_equal(tensor, wanted)
        runner.infer(tensors[-1])


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((1, 64), 1),
        ((64,), 1),
        ((5, 64), 5),
        ((5, 1, 64), 5),
        ((5, 8, 8), 5),
        ((65,), 0),
        ((5, 65), 0),
        ((), 0),
        ((0, 64), 0),
    ],
)
def test_how_many_inputs_an_array_holds(shape: tuple[int, ...], count: int) -> None:
    assert inputs_in(shape, (1, 64)) == count


def test_what_does_not_fit_is_named_with_what_would(runner: InferenceRunner, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read it: No such"):
        array_files(tmp_path / "absent")
    with pytest.raises(ConfigurationError, match=r"no \.npy or \.npz file"):
        directory_inputs(tmp_path, runner)
    np.save(tmp_path / "a.npy", some(1, runner))
    for name, words in {
        "float.npy": "it holds float64",
        "shape.npy": r"it holds int8 \(3, 65\), but the model takes int8 \(1, 64\)",
        "other.npz": "no array 'x'",
        "broken.npy": "not an array file",
        "broken.npz": "not an array file",
        "object.npy": "Python objects",
    }.items():
        path = tmp_path / name
        if name == "float.npy":
            np.save(path, np.zeros((1, 64)))
        elif name == "shape.npy":
            np.save(path, np.zeros((3, 65), np.int8))
        elif name == "other.npz":
            np.savez(path, z=np.zeros((1, 64), np.int8))
        elif name == "object.npy":
            np.save(path, np.array([{}]), allow_pickle=True)
        else:
            path.write_bytes(b"no array")
        with pytest.raises(ConfigurationError, match=words) as caught:
            directory_inputs(tmp_path, runner)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
        path.unlink()


def damaged(name: str) -> bytes:
    """Return an array file whose header is whole, and what is behind it is not, or that Python cannot unpack."""
    made = io.BytesIO()
    inputs = np.arange(64 * 20).astype(np.int8).reshape(20, 64)
    (np.savez_compressed if name == "deflated.npz" else np.savez)(made, x=inputs)
    body = bytearray(made.getvalue())
    if name == "deflated.npz":
        body[300:340] = b"\xff" * 40
    elif name == "packed.npz":  # compression method 99, in the entry and in the directory at the end
        body[8], body[body.rindex(b"PK\x01\x02") + 10] = 99, 99
    elif name == "cut.npy":
        made = io.BytesIO()
        np.save(made, inputs)
        body = bytearray(made.getvalue()[:-100])
    elif name == "header.npy":
        made = io.BytesIO()
        np.save(made, inputs)
        body = bytearray(made.getvalue().replace(b"), }", b")(( "))
    return bytes(body)


@pytest.mark.parametrize("name", ["deflated.npz", "packed.npz", "cut.npy", "header.npy"])
@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
def test_a_damaged_file_is_one_line_whenever_it_shows(
    runner: InferenceRunner, tmp_path: Path, name: str, memory_bytes: int
) -> None:
    (tmp_path / name).write_bytes(damaged(name))
    with pytest.raises(ConfigurationError, match=f"{name}: not an array file: .*; write it with numpy.save") as caught:
        list(directory_inputs(tmp_path, runner, memory_bytes)[0])
    assert "\n" not in str(caught.value)


def test_a_file_that_becomes_another_one_while_it_is_read_again_and_again_is_one_line(
    runner: InferenceRunner, tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", some(3, runner))
    inputs, _ = directory_inputs(tmp_path, runner, memory_bytes=0)
    assert len(list(inputs)) == 3
    for other in (some(2, runner), some(3, runner).astype(np.int16), np.zeros(3, np.int8)):
        (tmp_path / "a.npy").unlink()
        np.save(tmp_path / "a.npy", other)
        with pytest.raises(ConfigurationError, match=r"a\.npy: it changed while the agent runs: int"):
            list(inputs)
    (tmp_path / "a.npy").unlink()
    with pytest.raises(ConfigurationError, match=r"a\.npy: cannot read it: No such file"):
        list(inputs)


@given(st.lists(st.integers(1, 40), max_size=40), st.integers(0, 23))
def test_a_stream_is_cut_into_tensors_however_it_arrives(sizes: list[int], extra: int) -> None:
    wanted = np.arange(sum(sizes) // 24 * 12, dtype=">i2").reshape(-1, 3, 4)
    stream = wanted.tobytes() + b"\x00" * extra
    cutter, found, at = TensorCutter((3, 4), np.dtype(">i2")), [], 0
    for size in [*sizes, len(stream)]:
        cutter.feed(stream[at : at + size])
        at += size
        while (tensor := cutter.take()) is not None:
            found.append(tensor)
        assert cutter.pending_bytes < cutter.input_bytes
    assert len(found) == len(wanted)
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert cutter.drop() == extra
    assert cutter.take() is None


def test_standard_input_must_not_be_a_terminal() -> None:
    master, slave = pty.openpty()
    try:
        with pytest.raises(ConfigurationError, match="is a terminal; pipe"):
            StdinSource(slave)
    finally:
        os.close(master)
        os.close(slave)


def test_standard_input_must_be_there_to_be_read(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(ConfigurationError, match="closed, or open for writing only; pipe"):
        StdinSource(descriptor)
    os.close(descriptor)
    with pytest.raises(ConfigurationError, match="closed, or open for writing only; pipe"):
        StdinSource(descriptor)


def test_a_sender_on_standard_input_that_dies_has_ended() -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"abc")
        here.sendall(b"unread: so that closing is a reset")
        there.close()
        source = StdinSource(here.fileno())
        assert source.read(10, 1.0) == b"abc"
        assert source.read(10, 1.0) == b""
        assert source.ended


def test_a_socket_appears_for_owner_and_group_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "run" / "input.sock"
    with listening(path, 1):
        assert path.is_socket()
        assert path.stat().st_mode & 0o777 == 0o660
        with pytest.raises(ConfigurationError, match="another program listens there"), listening(path, 1):
            pass
        assert path.is_socket(), "the one that listens keeps its file"
    assert not path.exists()


def test_a_socket_that_a_killed_program_left_is_replaced_and_a_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "input.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with listening(path, 1):
        pass
    path.write_text("a file")
    with pytest.raises(ConfigurationError, match="there is a file of that name"), listening(path, 1):
        pass
    assert path.read_text() == "a file"
    with pytest.raises(ConfigurationError, match="107 bytes"), listening(tmp_path / ("x" * 108), 1):
        pass
