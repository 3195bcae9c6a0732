"""Weights that lie beside an .onnx file are not what its hash covers."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edge_agent.inference.onnx_file import weights_elsewhere
from edge_agent.inference.registry import load_runner
from edge_agent.wire.errors import ConfigurationError


def perceptron(weights: onnx.TensorProto) -> onnx.ModelProto:
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])
    target = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [source], [target], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model


def external(name: str) -> onnx.TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[3, 2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="w.bin")
    return tensor


WHOLE = perceptron(numpy_helper.from_array(np.ones((3, 2), np.float32), "w")).SerializeToString()


def test_weights_in_another_file_are_refused_though_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load_from_string(WHOLE)
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    assert (tmp_path / "w.bin").is_file()
    monkeypatch.chdir(tmp_path)  # where the engine would look for them
    with pytest.raises(ConfigurationError, match=r"m\.onnx: the values of 'w' lie in another file.*save it as one"):
        load_runner(tmp_path / "m.onnx")
    onnx.save(onnx.load(tmp_path / "m.onnx"), tmp_path / "one.onnx")
    assert load_runner(tmp_path / "one.onnx").output_shape == (1, 2)


def test_they_are_found_wherever_a_tensor_can_be() -> None:
    assert weights_elsewhere(WHOLE) is None
    assert weights_elsewhere(perceptron(external("w")).SerializeToString()) == "w"
    constant = helper.make_node("Constant", [], ["c"], value=external("deep"))
    branch = helper.make_graph([constant], "then", [], [])
    choice = helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    outer = helper.make_graph([choice], "g", [], [])
    assert weights_elsewhere(helper.make_model(outer).SerializeToString()) == "deep"
    function = helper.make_function("d", "f", [], ["c"], [constant], [helper.make_opsetid("", 17)])
    plain = helper.make_graph([], "g", [], [])
    assert weights_elsewhere(helper.make_model(plain, functions=[function]).SerializeToString()) == "deep"
    sparse = onnx.SparseTensorProto(values=external("values"), dims=[4])
    thin = helper.make_graph([], "g", [], [], sparse_initializer=[sparse])
    assert weights_elsewhere(helper.make_model(thin).SerializeToString()) == "values"


def nested(payload: bytes, *fields: int) -> bytes:
    """Return ``payload`` inside fields of messages, the outermost field first."""
    for field in reversed(fields):
        size, length = len(payload), b""
        while size >= 0x80:
            length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
        payload = bytes([field << 3 | 2]) + length + bytes([size]) + payload
    return payload


def test_they_are_found_however_deep_the_graphs_are_nested() -> None:
    """Model, graph, node, attribute, graph, node, attribute and so on: a parser's recursion would end here."""
    deep = nested(external("w").SerializeToString(), 7, *(1, 5, 6) * 2000, 5)
    assert weights_elsewhere(deep) == "w"


def test_a_group_which_no_onnx_file_has_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(WHOLE + b"\x0b\x0c")
    with pytest.raises(ConfigurationError, match=r"m\.onnx: onnxruntime .* cannot load it: .*damaged"):
        load_runner(tmp_path / "m.onnx")


@given(st.binary(max_size=60), st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)))
def test_damage_is_a_value_error_or_goes_unseen(junk: bytes, at: int, until: int) -> None:
    with suppress(ValueError):
        weights_elsewhere(WHOLE[:at] + junk + WHOLE[until:])
    with suppress(ValueError):
        weights_elsewhere(junk)
