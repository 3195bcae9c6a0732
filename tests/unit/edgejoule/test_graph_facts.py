"""What a .tflite file says beside its MACs: parameters and zeros, memory, roles, precision; and what LiteRT says."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pymicro_wakeword
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_agent.model_catalog import models_dir
from edgejoule.zoo.arena import arena_of
from edgejoule.zoo.graph import facts_of, read_graph
from tests.fakes.graph_files import GraphFile

WAKE_WORDS = Path(pymicro_wakeword.__file__).parent / "models"
REAL = sorted([*models_dir().glob("*/*.tflite"), *WAKE_WORDS.glob("*.tflite")])


@pytest.mark.parametrize("path", REAL, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_tensors_and_operators_are_those_that_litert_reads(path: Path) -> None:
    interpreter = Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    graph = read_graph(path.read_bytes()).main

    details = {one["index"]: one for one in interpreter.get_tensor_details()}
    for number, tensor in enumerate(graph.tensors):
        said = details[number]
        assert tensor.name == said["name"]
        assert list(tensor.shape) == list(said["shape"])
        quantised = said["quantization_parameters"]
        assert list(tensor.scales) == pytest.approx(list(quantised["scales"]))
        assert list(tensor.zero_points) == list(quantised["zero_points"])
        if tensor.dtype != "resource":
            assert tensor.dtype == np.dtype(said["dtype"]).name
    operators = [one["op_name"] for one in interpreter._get_ops_details()]
    assert [one.name for one in graph.operators] == operators
    assert list(graph.inputs) == [one["index"] for one in interpreter.get_input_details()]


def _one_constant(
    values: bytes,
    shape: Sequence[int],
    dtype: str,
    *,
    scales: Sequence[float] = (),
    zero_points: Sequence[int] = (),
    sparse: bool = False,
) -> bytes:
    """Return a file whose one constant is added to its input."""
    file = GraphFile()
    x, y = file.tensor(shape, dtype), file.tensor(shape, dtype)
    constant = file.tensor(shape, dtype, data=values, scales=scales, zero_points=zero_points, sparse=sparse)
    file.operator("ADD", [x, constant], [y], schema.AddOptionsT())
    return file.to_bytes([x], [y])


@given(
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=6), elements=st.sampled_from([0.0, -0.0, 1.5, -2]))
)
def test_zeros_of_floats(values: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> None:
    facts = facts_of(_one_constant(values.astype("<f4").tobytes(), values.shape, "float32"))

    assert facts.parameters == values.size
    assert facts.zero_parameters == int((values == 0).sum())


@given(hnp.arrays(np.int8, (3, 4), elements=st.integers(-2, 2)), st.lists(st.integers(-2, 2), min_size=4, max_size=4))
def test_a_quantised_zero_is_the_zero_point_of_its_channel(
    values: "np.ndarray[tuple[int, ...], np.dtype[np.int8]]", points: list[int]
) -> None:
    file = GraphFile()
    x, y = file.tensor((3, 4), "int8"), file.tensor((3, 4), "int8")
    constant = file.tensor((3, 4), "int8", data=values.tobytes(), scales=[0.5] * 4, zero_points=points, axis=1)
    file.operator("ADD", [x, constant], [y], schema.AddOptionsT())

    facts = facts_of(file.to_bytes([x], [y]))

    assert facts.zero_parameters == int((values == np.array(points)).sum())


@given(st.lists(st.integers(-8, 7), min_size=1, max_size=15))
def test_zeros_of_four_bits(values: list[int]) -> None:
    nibbles = [value & 15 for value in values] + [0] * (len(values) % 2)
    packed = bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))

    facts = facts_of(_one_constant(packed, [len(values)], "int4", scales=[1.0], zero_points=[0]))

    assert (facts.parameters, facts.zero_parameters) == (len(values), values.count(0))


def test_what_a_sparse_tensor_leaves_out_is_zero() -> None:
    stored = np.array([1.0, 0.0, 2.0], "<f4").tobytes()

    facts = facts_of(_one_constant(stored, [4, 4], "float32", sparse=True))

    assert (facts.parameters, facts.zero_parameters) == (16, 14)


def test_equal_constants_that_share_their_bytes_are_parameters_of_each_layer() -> None:
    file = GraphFile()
    x, middle, y = (file.tensor((1, 4)) for _ in range(3))
    shared = file.buffer(bytes(16))
    weights = file.tensor((4, 4), data=np.ones((4, 4), "<f4").tobytes())
    for source, target in ((x, middle), (middle, y)):
        bias = file.tensor((4,), buffer=shared)
        file.operator("FULLY_CONNECTED", [source, weights, bias], [target], schema.FullyConnectedOptionsT())

    facts = facts_of(file.to_bytes([x], [y]))

    assert facts.parameters == 16 + 4 + 4  # one tensor of weights that both use, two biases
    assert [one.parameters for one in facts.by_operator] == [20, 4]


def test_a_second_signature_and_a_first_state_are_no_further_parameters() -> None:
    file = GraphFile()
    weights = file.buffer(np.ones((4, 4), "<f4").tobytes())
    once = schema.CallOnceOptionsT()
    once.initSubgraphIndex = 2
    file.operator("CALL_ONCE", [], [], once)
    for _ in range(2):
        x, y = file.tensor((1, 4)), file.tensor((1, 4))
        tensor = file.tensor((4, 4), buffer=weights)
        file.operator("FULLY_CONNECTED", [x, tensor, -1], [y], schema.FullyConnectedOptionsT())
        file.begin()
    state, handle = file.tensor((1, 9), data=bytes(36)), file.tensor((), "resource")
    file.operator("ASSIGN_VARIABLE", [handle, state], [], schema.AssignVariableOptionsT())

    assert facts_of(file.to_bytes([0], [1])).parameters == 16


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[int], list[tuple[list[int], int]], list[int]]:
    """Return sizes of tensors, operators as (read tensors, made tensor), and outputs. Tensor 0 is the input."""
    count = draw(st.integers(1, 8))
    sizes = draw(st.lists(st.integers(1, 50), min_size=count + 1, max_size=count + 1))
    operators = []
    for made in range(1, count + 1):
        read = draw(st.lists(st.integers(0, made - 1), min_size=1, max_size=3, unique=True))
        operators.append((read, made))
    outputs = draw(st.lists(st.integers(1, count), min_size=1, max_size=2, unique=True))
    return sizes, operators, outputs


@given(graphs())
def test_memory_is_what_has_to_be_there_at_the_worst_operator(
    graph: tuple[list[int], list[tuple[list[int], int]], list[int]],
) -> None:
    sizes, operators, outputs = graph
    file = GraphFile()
    for size in sizes:
        file.tensor((1, size), "int8")
    for read, made in operators:
        file.operator("ADD_N", read, [made], schema.AddNOptionsT())

    held, peak = {0}, 0
    for step, (read, made) in enumerate(operators):
        held |= {made, *read}
        peak = max(peak, sum(sizes[one] for one in held))
        later = {one for further, _ in operators[step + 1 :] for one in further}
        held = {one for one in held if one in later or one in outputs}
    assert facts_of(file.to_bytes([0], outputs)).activation_bytes == peak


@pytest.mark.skipif(importlib.util.find_spec("tflite_micro") is None, reason="tflite-micro is for x86-64 Linux only")
def test_tflite_micros_planner_needs_as_much_for_tensors_as_is_counted() -> None:
    """Its allocator rounds each tensor up to 16 bytes, and these models' are multiples of it."""
    data = (models_dir() / "digits_mlp" / "int8.tflite").read_bytes()

    arena = arena_of(data)

    assert arena.note.startswith("tflite-micro ")
    assert arena.arena_bytes is not None
    assert facts_of(data).activation_bytes == 384
    assert 384 < arena.arena_bytes < 16_384


def test_a_file_that_tflite_micro_does_not_run_has_a_note_and_no_arena() -> None:
    arena = arena_of(bytes(100))

    assert arena.arena_bytes is None
    assert arena.note


_BYTES = {"float32": 4, "int32": 4, "int8": 1, "int16": 2, "int64": 8}


def _dense(activations: str, weights: str, bias: str, output: str = "") -> bytes:
    file = GraphFile()

    def tensor(name: str, shape: Sequence[int], dtype: str, *, constant: bool = False) -> int:
        data = b"\1" * (int(np.prod(shape)) * _BYTES[dtype]) if constant else None
        scales = [] if dtype == "float32" else [0.1]
        return file.tensor(shape, dtype, name=name, data=data, scales=scales, zero_points=[0] * len(scales))

    x, middle = tensor("in", (1, 2), activations), tensor("middle", (1, 3), activations)
    w, b = tensor("w", (3, 2), weights, constant=True), tensor("b", (3,), bias, constant=True)
    shape = file.tensor((2,), "int32", name="shape", data=np.array([1, 3], "<i4").tobytes())
    y = tensor("out", (1, 3), output or activations)
    file.operator("FULLY_CONNECTED", [x, w, b], [middle], schema.FullyConnectedOptionsT())
    file.operator("RESHAPE", [middle, shape], [y], schema.ReshapeOptionsT())
    return file.to_bytes([x], [y])


@pytest.mark.parametrize(
    ("types", "precision", "not_int8"),
    [
        (("int8", "int8", "int32"), "int8", []),
        (("int8", "int8", "int32", "float32"), "mixed", ["out"]),
        (("int8", "int8", "float32"), "mixed", ["b"]),
        (("int16", "int8", "int64"), "mixed", ["in", "b", "middle", "out"]),
        (("float32", "int8", "float32"), "dynamic_range", ["in", "b", "middle", "out"]),
        (("float32", "float32", "float32"), "float32", ["in", "w", "b", "middle", "out"]),
    ],
)
def test_what_is_not_int8_is_named(types: tuple[str, ...], precision: str, not_int8: list[str]) -> None:
    facts = facts_of(_dense(*types))

    assert facts.precision == precision
    assert [one.name for one in facts.not_int8] == not_int8
    assert {one.name: one.role for one in facts.tensors} == {
        "in": "input",
        "w": "weights",
        "b": "bias",
        "middle": "activation",
        "shape": "argument",
        "out": "output",
    }


def test_the_wake_words_answer_is_no_int8() -> None:
    facts = facts_of((WAKE_WORDS / "alexa.tflite").read_bytes())

    assert facts.precision == "mixed"
    assert [(one.role, one.dtype) for one in facts.not_int8] == [("output", "uint8")]
    assert facts.stateful
    assert sum(one.parameters for one in facts.by_operator) == facts.parameters


def test_a_batch_of_any_size_is_counted_for_one_and_another_open_size_is_named() -> None:
    file = GraphFile()
    x, y = file.tensor((1, 4), name="x", signature=(-1, 4)), file.tensor((1, 1), name="y", signature=(-1, -1))
    file.operator("MEAN", [x], [y])

    assert facts_of(file.to_bytes([x], [y])).dynamic == ["y"]


def test_names_from_a_file_reach_no_terminal_raw() -> None:
    file = GraphFile()
    x, y = file.tensor((1,), name="\x1b[2Jx\0"), file.tensor((1,))
    file.operator("CUSTOM", [x], [y], custom="a\x07b")

    facts = facts_of(file.to_bytes([x], [y]))

    assert facts.inputs[0].name == "\ufffd[2Jx\ufffd"
    assert facts.unknown_macs == ["CUSTOM:a\ufffdb"]
