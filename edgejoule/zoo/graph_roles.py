"""What each tensor of a graph is there for, and what that says of its precision."""

from typing import Final, Literal

from edgejoule.zoo.entry import Precision
from edgejoule.zoo.graph_file import Operator, Subgraph, Tensor

Role = Literal["input", "output", "activation", "state", "weights", "bias", "argument"]
"""``argument``: shapes, axes, indices, handles: no values that a network computes with. A graph's input that is its
output too is an input."""

_BIAS: Final = {
    "CONV_2D": (2,),
    "DEPTHWISE_CONV_2D": (2,),
    "FULLY_CONNECTED": (2,),
    "TRANSPOSE_CONV": (3,),
    "CONV_3D": (2,),
    "CONV_3D_TRANSPOSE": (3,),
    "SVDF": (3,),
    "RNN": (3,),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (3,),
    "LSTM": (12, 13, 14, 15, 17),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (12, 13, 14, 15, 17),
}
_BASIC_LSTM_BIAS: Final = (3,)
_ARGUMENT_TYPES: Final = frozenset({"int32", "int64", "uint32", "uint64", "bool", "string", "resource", "variant"})


def roles_of(graph: Subgraph) -> dict[int, Role]:
    """Return the role of every tensor that the graph uses, by its number, in the order of use."""
    biases = {number for operator in graph.operators for number in _biases(operator)}
    used = [*graph.inputs]
    for operator in graph.operators:
        used += [*operator.inputs, *operator.outputs]
    used += graph.outputs
    return {number: _role(graph, number, biases) for number in dict.fromkeys(used) if number >= 0}


def _biases(operator: Operator) -> list[int]:
    basic = operator.name == "LSTM" and len(operator.inputs) == 5
    places = _BASIC_LSTM_BIAS if basic else _BIAS.get(operator.name, ())
    return [operator.inputs[place] for place in places if place < len(operator.inputs)]


def _role(graph: Subgraph, number: int, biases: set[int]) -> Role:
    tensor = graph.tensors[number]
    if number in graph.inputs:
        return "input"
    if number in graph.outputs:
        return "output"
    if tensor.variable:
        return "state"
    if tensor.constant and number in biases:
        return "bias"
    if tensor.dtype in _ARGUMENT_TYPES and not tensor.scales:
        return "argument"
    return "weights" if tensor.constant else "activation"


def is_parameter(role: Role) -> bool:
    """Return whether tensors in this role hold what training found."""
    return role in {"weights", "bias"}


def not_int8(graph: Subgraph, roles: dict[int, Role]) -> list[int]:
    """Return the numbers of the tensors that keep the graph from being int8 throughout.

    A bias of int32 is right: its scale is the product of the input's and the weights'.
    """
    return [
        number
        for number, role in roles.items()
        if role != "argument" and graph.tensors[number].dtype != ("int32" if role == "bias" else "int8")
    ]


def precision_of(graph: Subgraph, roles: dict[int, Role]) -> Precision:
    """Return the precision: of inputs, outputs and activations on one hand, of weights on the other."""
    computed = _types(graph, roles, {"input", "output", "activation", "state", "bias"})
    weights = _types(graph, roles, {"weights"})
    if computed | weights and not not_int8(graph, roles):
        return "int8"
    if computed == {"float32"}:
        if weights <= {"float32"}:
            return "float32"
        if weights <= {"float32", "int8"}:
            return "dynamic_range"
    return "mixed"


def _types(graph: Subgraph, roles: dict[int, Role], wanted: set[Role]) -> set[str]:
    tensors: list[Tensor] = [graph.tensors[number] for number, role in roles.items() if role in wanted]
    return {tensor.dtype for tensor in tensors}
