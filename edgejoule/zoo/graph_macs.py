"""Multiply-accumulates of an operator, from the shapes of its tensors.

One MAC is one product that is added to a sum of products, as MLPerf Tiny's models are counted: a convolution's padding
counts like data, and bias, activation, pooling, softmax and what works value by value count nothing. A weight that is
zero counts too, since no engine of this repository skips it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

from edgejoule.zoo.graph_file import Operator, Subgraph, Tensor

Inputs = Sequence[Tensor | None]

_WITHOUT_MACS: Final = """
ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE ATAN2 AVERAGE_POOL_2D BATCH_TO_SPACE_ND BITCAST BITWISE_XOR
BROADCAST_ARGS BROADCAST_TO BUCKETIZE CALL_ONCE CAST CEIL COMPLEX_ABS CONCATENATION COS CUMSUM DENSIFY
DEPTH_TO_SPACE DEQUANTIZE DILATE DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FAKE_QUANT
FILL FLOOR FLOOR_DIV FLOOR_MOD GATHER GATHER_ND GELU GREATER GREATER_EQUAL HARD_SWISH HASHTABLE HASHTABLE_FIND
HASHTABLE_IMPORT HASHTABLE_LOOKUP HASHTABLE_SIZE IMAG L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL
LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MATRIX_DIAG
MATRIX_SET_DIAG MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5
NOT_EQUAL ONE_HOT PACK PAD PADV2 POW PRELU QUANTIZE RANGE RANK READ_VARIABLE REAL REDUCE_ALL REDUCE_ANY REDUCE_MAX
REDUCE_MIN REDUCE_PROD RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR
REVERSE_SEQUENCE REVERSE_V2 RIGHT_SHIFT ROUND RSQRT SCATTER_ND SEGMENT_SUM SELECT SELECT_V2 SHAPE SIGN SIN SLICE
SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPARSE_TO_DENSE SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE
STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE UNIQUE UNPACK UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN
UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM VAR_HANDLE WHERE ZEROS_LIKE
"""
WITHOUT_MACS: Final = frozenset(_WITHOUT_MACS.split())
"""Operators that add up no products of data and weights. CALL_ONCE runs once, not at each inference."""


def macs_of(graph: Subgraph, operator: Operator) -> int | None:
    """Return the multiply-accumulates of one run of ``operator``.

    None where nobody says: an operator from outside, control flow, a newer one, or a shape that the file leaves open.
    """
    if operator.name in WITHOUT_MACS:
        return 0
    count = _COUNTS.get(operator.name)
    inputs = [graph.tensors[number] if number >= 0 else None for number in operator.inputs]
    outputs = [graph.tensors[number] for number in operator.outputs if number >= 0]
    if count is None or not outputs:
        return None
    try:
        return count(operator, inputs, outputs[0])
    except _ShapeUnknownError:
        return None


class _ShapeUnknownError(Exception):
    """A tensor that the count rests on is missing, or has another number of dimensions than it must have."""


def _shape(inputs: Inputs, number: int, rank: int | None = None) -> tuple[int, ...]:
    """Return the shape of an input; ``rank`` None for any above 0."""
    tensor = inputs[number] if number < len(inputs) else None
    if tensor is None:
        raise _ShapeUnknownError
    return _known(tensor, rank)


def _known(tensor: Tensor, rank: int | None = None) -> tuple[int, ...]:
    shape = tensor.shape
    if not shape or min(shape) < 1 or (rank is not None and len(shape) != rank):
        raise _ShapeUnknownError
    return shape


def _convolution(_: Operator, inputs: Inputs, output: Tensor) -> int:
    """Filter (outputs, height, width, inputs of a group): every output value takes one filter of its own."""
    return math.prod(_known(output, 4)) * math.prod(_shape(inputs, 1, 4)[1:])


def _depthwise(_: Operator, inputs: Inputs, output: Tensor) -> int:
    """Filter (1, height, width, outputs)."""
    return math.prod(_known(output, 4)) * math.prod(_shape(inputs, 1, 4)[1:3])


def _fully_connected(_: Operator, inputs: Inputs, output: Tensor) -> int:
    """Weights (outputs, inputs)."""
    return math.prod(_known(output)) * _shape(inputs, 1, 2)[1]


def _transpose_convolution(_: Operator, inputs: Inputs, output: Tensor) -> int:
    """Take output shape, filter (outputs, height, width, inputs), data: every input value meets every filter."""
    _known(output, 4)
    return math.prod(_shape(inputs, 2, 4)) * math.prod(_shape(inputs, 1, 4)[:3])


def _convolution_3d(_: Operator, inputs: Inputs, output: Tensor) -> int:
    """Filter (depth, height, width, inputs, outputs)."""
    return math.prod(_known(output, 5)) * math.prod(_shape(inputs, 1, 5)[:4])


def _transpose_convolution_3d(_: Operator, inputs: Inputs, output: Tensor) -> int:
    """Take output shape, filter (depth, height, width, outputs, inputs), data."""
    _known(output, 5)
    return math.prod(_shape(inputs, 2, 5)) * math.prod(_shape(inputs, 1, 5)[:4])


def _batch_matmul(operator: Operator, inputs: Inputs, output: Tensor) -> int:
    """Left (..., rows, inner), or (..., inner, rows) where the first option says so."""
    left = _shape(inputs, 0)
    if len(left) < 2:
        raise _ShapeUnknownError
    swapped = operator.options is not None and operator.options.number(0, "<B")
    return math.prod(_known(output)) * left[-2 if swapped else -1]


def _svdf(_: Operator, inputs: Inputs, output: Tensor) -> int:
    """Weights of features (filters, inputs) and of time (filters, memory), each used once for each of a batch."""
    _known(output)
    used = math.prod(_shape(inputs, 1, 2)) + math.prod(_shape(inputs, 2, 2))
    return _shape(inputs, 0, 2)[0] * used


def _recurrent(_: Operator, inputs: Inputs, output: Tensor) -> int:
    """Take data (..., inputs), weights (units, inputs), recurrent weights (units, units): once for each step."""
    _known(output)
    used = math.prod(_shape(inputs, 1, 2)) + math.prod(_shape(inputs, 2, 2))
    return math.prod(_shape(inputs, 0)[:-1]) * used


def _lstm(_: Operator, inputs: Inputs, output: Tensor) -> int:
    """Take data (..., inputs), 1-4 input weights, 5-8 recurrent weights, 9-11 peepholes, 16 projection.

    Each weight is used once for each step; left out are the input gate's, peepholes and the projection of a cell that
    has none. The basic LSTM cell has five inputs: data, activations, all weights as one matrix, bias, state.
    """
    _known(output)
    if len(inputs) == 5:
        return _shape(inputs, 0, 2)[0] * math.prod(_shape(inputs, 2, 2))
    for needed in (2, 3, 4, 6, 7, 8):
        _shape(inputs, needed, 2)
    weights = [inputs[number] for number in (*range(1, 12), 16) if number < len(inputs)]
    used = sum(math.prod(_known(one)) for one in weights if one is not None)
    return math.prod(_shape(inputs, 0)[:-1]) * used


_COUNTS: Final[dict[str, Callable[[Operator, Inputs, Tensor], int]]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "TRANSPOSE_CONV": _transpose_convolution,
    "CONV_3D": _convolution_3d,
    "CONV_3D_TRANSPOSE": _transpose_convolution_3d,
    "BATCH_MATMUL": _batch_matmul,
    "SVDF": _svdf,
    "RNN": _recurrent,
    "UNIDIRECTIONAL_SEQUENCE_RNN": _recurrent,
    "LSTM": _lstm,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
}
