"""A damaged .tflite file is a ValueError with one line, whatever the damage, and nothing else."""

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.model_catalog import models_dir
from edgejoule.zoo.graph import facts_of
from tests.fakes.graph_files import GraphFile
from tests.unit.edgejoule.test_graph_facts import WAKE_WORDS

HEADER_BYTES = 4_000


@cache
def _wake_word() -> bytes:
    return (WAKE_WORDS / "alexa.tflite").read_bytes()


@cache
def _digits() -> bytes:
    return (models_dir() / "digits_mlp" / "int8.tflite").read_bytes()


def _read(data: bytes) -> None:
    problem = ""
    try:
        facts = facts_of(data)
        assert 0 <= (facts.zero_parameters or 0) <= facts.parameters
    except ValueError as error:
        problem = str(error)
    assert "\n" not in problem


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    _read(data)
    _read(data[:4] + b"TFL3" + data[4:])


@given(
    model=st.sampled_from([_wake_word, _digits]),
    from_end=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), min_size=1, max_size=8),
)
@settings(max_examples=150, deadline=None)
def test_changed_bytes(model: Callable[[], bytes], changes: list[tuple[int, int]], *, from_end: bool) -> None:
    data = bytearray(model())
    for place, value in changes:
        at = place % len(data)
        data[-1 - at if from_end else at] = value
    _read(bytes(data))


@given(
    model=st.sampled_from([_wake_word, _digits]),
    words=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3),
    places=st.lists(st.integers(0, HEADER_BYTES // 4), min_size=3, max_size=3),
)
@settings(max_examples=150, deadline=None)
def test_changed_distances_and_lengths(model: Callable[[], bytes], words: list[int], places: list[int]) -> None:
    data = bytearray(model())
    for word, place in zip(words, places, strict=False):
        data[4 * place : 4 * place + 4] = word.to_bytes(4, "little")
    _read(bytes(data))


@given(model=st.sampled_from([_wake_word, _digits]), ratio=st.floats(0.0, 1.0, exclude_max=True))
@settings(max_examples=60, deadline=None)
def test_a_file_that_was_cut_short(model: Callable[[], bytes], ratio: float) -> None:
    whole = model()

    with pytest.raises(ValueError, match=r"damaged|does not begin|no graph|bytes of values"):
        facts_of(whole[: int(ratio * len(whole))])


@pytest.mark.parametrize(
    ("shape", "sparse", "said"),
    [
        ((4, 5), False, "tensor 'w' has 64 bytes of values, its shape 80"),
        ((4, 3), True, "tensor 'w' has 64 bytes of values, its shape 48"),
        ((4, -1), False, "tensor 'w' has values, but its shape leaves open how many"),
    ],
)
def test_weights_that_do_not_fill_their_shape(shape: tuple[int, ...], said: str, *, sparse: bool) -> None:
    file = GraphFile()
    x, y = file.tensor((1, 4)), file.tensor((1, 4))
    w = file.tensor(shape, name="w", data=bytes(64), sparse=sparse)
    file.operator("FULLY_CONNECTED", [x, w, -1], [y])

    with pytest.raises(ValueError, match=said):
        facts_of(file.to_bytes([x], [y]))


def test_more_weights_than_anybody_can_count() -> None:
    file = GraphFile()
    x, y = file.tensor((1, 4)), file.tensor((1, 4))
    w = file.tensor((2**30, 2**30, 2**30), data=bytes(64), sparse=True)
    file.operator("CUSTOM", [x, w], [y], custom="Rare")

    with pytest.raises(ValueError, match="larger than any machine's memory"):
        facts_of(file.to_bytes([x], [y]))


def test_shapes_that_nothing_can_hold() -> None:
    file = GraphFile()
    huge = (2**30, 2**30, 2**10, 2**10)
    x, y = file.tensor(huge, "int8"), file.tensor(huge, "int8")
    file.operator("RELU", [x], [y])

    with pytest.raises(ValueError, match="larger than any machine's memory"):
        facts_of(file.to_bytes([x], [y]))


def test_an_operator_that_names_a_tensor_which_is_not_there() -> None:
    file = GraphFile()
    x = file.tensor((1, 4))
    file.operator("RELU", [x], [7])

    with pytest.raises(ValueError, match="damaged"):
        facts_of(file.to_bytes([x], [x]))


def test_a_file_without_a_graph_and_another_kind_of_file() -> None:
    with pytest.raises(ValueError, match=r"does not begin as a \.tflite file"):
        facts_of(b"PK\x03\x04" + bytes(60))
    with pytest.raises(ValueError, match=r"does not begin as a \.tflite file"):
        facts_of(b"")
