"""What the tensors between operators hold at one time."""

import math
from typing import Final

from edgejoule.zoo.graph_file import Subgraph, Tensor
from edgejoule.zoo.graph_operators import BITS_OF_TYPE

_BEFORE_ALL: Final = -1


def activation_bytes(graph: Subgraph) -> int | None:
    """Return the most bytes that tensors without constants hold at one time.

    A tensor lives from the operator that makes it to the last one that reads it, the graph's inputs from the start,
    its outputs to the end, a variable all the time. No operator works in place, and scratch memory is not counted: the
    least that a planner without such tricks can do with. None where a tensor's size is not known.
    """
    last = len(graph.operators)
    born = dict.fromkeys((number for number in graph.inputs if number >= 0), _BEFORE_ALL)
    died = dict.fromkeys(born, _BEFORE_ALL)
    for step, operator in enumerate(graph.operators):
        for number in (*operator.inputs, *operator.outputs):
            if number >= 0 and not graph.tensors[number].constant:
                born.setdefault(number, step)
                died[number] = step
    for number, tensor in enumerate(graph.tensors):
        if tensor.variable and number in born:
            born[number], died[number] = _BEFORE_ALL, last
    died |= {number: last for number in graph.outputs if number in born}
    changes = [0] * (last + 3)
    for number, first in born.items():
        size_bytes = tensor_bytes(graph.tensors[number])
        if size_bytes is None:
            return None
        changes[first + 1] += size_bytes
        changes[died[number] + 2] -= size_bytes
    held = peak = 0
    for change in changes:
        held += change
        peak = max(peak, held)
    return peak


def tensor_bytes(tensor: Tensor) -> int | None:
    """Return the size of a tensor's values, None where its shape or its type leaves it open; a handle has none."""
    if tensor.dtype == "resource":
        return 0
    bits = BITS_OF_TYPE.get(tensor.dtype)
    if bits is None or any(size < 0 for size in tensor.shape):
        return None
    return math.ceil(tensor.value_count * bits / 8)
