"""Constants that stand behind the tables of a .tflite file: read, told of, and put inside where a model is made."""

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge_agent.inference.tflite_file import State, read_state
from edge_agent.model_catalog import models_dir
from edgejoule.making.network import Dense, Network, initial
from edgejoule.making.quality import predictions
from edgejoule.making.quantise import dynamic_range_model, with_constants_inside
from edgejoule.making.tflite import float_model
from edgejoule.zoo.arena import arena_of
from edgejoule.zoo.graph import facts_of, read_graph

DIGITS = (models_dir() / "digits_mlp" / "int8.tflite").read_bytes()


def behind(data: bytes) -> bytes:
    """Return the file with its constants after the tables."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    constants = [(buffer, bytes(buffer.data)) for buffer in model.buffers if buffer.data is not None]
    size = 0
    for start in (1 << 40, None):  # once for the size of the tables, once for good
        at = size if start is None else start
        for buffer, values in constants:
            buffer.data, buffer.offset, buffer.size = None, at, len(values)
            at += len(values)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        tables = bytes(builder.Output())
        size = len(tables)
    return tables + b"".join(values for _, values in constants)


def test_they_are_counted_like_any_others_and_told_of() -> None:
    moved = behind(DIGITS)

    assert facts_of(moved) == facts_of(DIGITS)
    assert read_graph(moved).behind_count == 6
    assert read_graph(DIGITS).behind_count == 0
    assert arena_of(moved).arena_bytes is None


@pytest.mark.parametrize("cut_bytes", [1, 50_000])
def test_a_file_that_was_cut_short_there_is_refused(cut_bytes: int) -> None:
    moved = behind(DIGITS)
    assert read_state(moved) is State.NONE

    for read in (read_graph, read_state):
        with pytest.raises(ValueError, match="cut short or damaged"):
            read(moved[:-cut_bytes])


def test_put_inside_they_are_the_same_model() -> None:
    moved = behind(DIGITS)
    inside = with_constants_inside(moved)
    x = np.random.default_rng(1).random((5, 64), np.float32)

    assert read_graph(inside).behind_count == 0
    assert facts_of(inside) == facts_of(DIGITS)
    assert np.array_equal(predictions(inside, x), predictions(moved, x))
    assert with_constants_inside(DIGITS) is DIGITS


def test_a_model_of_many_weights_is_made_with_all_of_them_inside() -> None:
    network = Network((512,), (Dense(512), Dense(4)))

    made = dynamic_range_model(float_model(network, initial(network, 1)))

    assert read_graph(made).behind_count == 0
    assert facts_of(made).parameters == 512 * 512 + 512 + 512 * 4 + 4


def test_constants_that_overlap_are_refused_before_they_fill_the_memory() -> None:
    """A file of a megabyte could hold a terabyte of them."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(DIGITS))
    for start in range(1000):
        buffer = schema.BufferT()
        buffer.offset, buffer.size = 8 + start, 40_000
        model.buffers.append(buffer)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    with pytest.raises(ValueError, match="damaged"):
        read_graph(bytes(builder.Output()))
