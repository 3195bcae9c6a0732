"""A .tflite file as the bytes of an .onnx file that computes the same for any number of inputs at a time."""

from typing import Any, Final

import onnx
from onnx import TensorProto, helper

from edge_agent.file_content import FileContent
from edge_agent.inference.runner import one_line
from edge_agent.wire.errors import ConfigurationError
from edgejoule import __version__
from edgejoule.onnx_export.graph import BATCH, NotExportedError, OnnxGraph
from edgejoule.onnx_export.names import MADE_FROM_KEY, MODEL_ID_KEY
from edgejoule.zoo.entry import Precision
from edgejoule.zoo.graph_file import Subgraph, Tensor, read_graph
from edgejoule.zoo.graph_roles import precision_of, roles_of

OPSET: Final = 17
IR_VERSION: Final = 8
"""Of ONNX 1.12 (2022), which every ONNX Runtime that this package takes can read."""
WRITTEN: Final[frozenset[Precision]] = frozenset({"float32", "int8"})
"""Weights of int8 with float activations are multiplied as integers by TensorFlow Lite, and as floats by others."""
_ONNX_ERRORS: Final = (onnx.checker.ValidationError, onnx.shape_inference.InferenceError)
_TYPES: Final = {"float32": TensorProto.FLOAT, "int8": TensorProto.INT8}


def to_onnx(model: FileContent, model_id: str) -> bytes:
    """Return the .onnx file of a .tflite ``model``; the same bytes for the same model and version of ``onnx``.

    Its properties name ``model_id`` and the sha256 of ``model``. Raises ConfigurationError for a graph that is not
    read or not written: one line with the reason.
    """
    try:
        made = _made(_only_graph(model.data), model_id)
        onnx.checker.check_model(made, full_check=True)
    except (ValueError, *_ONNX_ERRORS) as error:
        raise ConfigurationError(
            f"{model.path}: it cannot be written as ONNX: {one_line(error)}; take the float32 or int8 model of its "
            "family"
        ) from error
    helper.set_model_props(made, {MODEL_ID_KEY: model_id, MADE_FROM_KEY: model.sha256})
    data: bytes = made.SerializeToString(deterministic=True)
    return data


def _made(main: Subgraph, model_id: str) -> Any:
    written = OnnxGraph(main)
    written.write()
    graph = helper.make_graph(
        written.nodes,
        model_id,
        [_declared(main.tensors[number], written.input_name) for number in main.inputs],
        [_declared(main.tensors[number], written.output_name) for number in main.outputs],
        written.constants,
    )
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="edgejoule",
        producer_version=__version__,
    )


def _only_graph(data: bytes) -> Subgraph:
    whole = read_graph(data)
    main = whole.main
    if len(whole.subgraphs) > 1 or any(tensor.variable for tensor in main.tensors):
        raise NotExportedError("it holds more than one graph, or keeps a state from one inference to the next")
    precision = precision_of(main, roles_of(main))
    if precision not in WRITTEN:
        raise NotExportedError(f"its precision is {precision}, which ONNX would compute otherwise")
    return main


def _declared(tensor: Tensor, named: Any) -> Any:
    if tensor.dtype not in _TYPES:
        raise NotExportedError(f"tensor {tensor.name!r} is {tensor.dtype}: only float32 and int8 are written")
    return helper.make_tensor_value_info(named(tensor), _TYPES[tensor.dtype], [BATCH, *tensor.shape[1:]])
