"""What a .tflite file says of itself: parameters, multiply-accumulates, memory, operators, and what is not int8."""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec

from edgejoule.zoo.entry import Precision
from edgejoule.zoo.graph_constants import zero_count
from edgejoule.zoo.graph_file import Graph, Subgraph, Tensor, read_graph
from edgejoule.zoo.graph_macs import macs_of
from edgejoule.zoo.graph_memory import activation_bytes
from edgejoule.zoo.graph_roles import Role, is_parameter, not_int8, precision_of, roles_of

__all__ = ["Graph", "GraphFacts", "OperatorFacts", "TensorFacts", "facts_of", "read_graph"]

GREATEST_COUNT: Final = 2**63 - 1
"""What JSON and TOML can say of it."""
Granularity = Literal["none", "per_tensor", "per_channel"]


class TensorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor. ``scale`` and ``zero_point``: None without quantisation, and where each channel has its own."""

    name: str
    shape: list[int]
    dtype: str
    role: Role
    quantisation: Granularity = "none"
    scale: float | None = None
    zero_point: int | None = None


class OperatorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One operator, in the order in which they run. ``macs``: None where they are not known.

    ``parameters``: of its own constants; one that two operators share counts for the first.
    """

    name: str
    output: str
    output_shape: list[int]
    macs: int | None
    parameters: int


class GraphFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted from a .tflite file.

    ``parameters``: values of weights and biases, ``zero_parameters`` of them zero (a quantised one that stands for
    zero too), None where their type is one that is not read. ``macs``: multiply-accumulates of one inference, None
    where operators in ``unknown_macs`` have some number that is not known; ``known_macs`` is the sum of the others.
    ``activation_bytes``: the most that tensors between operators hold at one time, None where a size is not known.
    ``operators``: their names, each once, in the order in which they run. ``not_int8``: what keeps the model from
    being int8 throughout. ``dynamic``: tensors of which the caller chooses another size than the batch's; they
    count with the size in the file, as batches do.
    """

    parameters: int
    zero_parameters: int | None
    macs: int | None
    known_macs: int
    unknown_macs: list[str]
    activation_bytes: int | None
    precision: Precision
    operators: list[str]
    by_operator: list[OperatorFacts]
    inputs: list[TensorFacts]
    outputs: list[TensorFacts]
    tensors: list[TensorFacts]
    not_int8: list[TensorFacts]
    stateful: bool = False
    dynamic: list[str] = []
    signatures: list[str] = []


def facts_of(data: bytes) -> GraphFacts:
    """Return what is counted from a .tflite file. Raises ValueError as ``read_graph`` does, and for absurd shapes."""
    graph = read_graph(data)
    main, roles = graph.main, roles_of(graph.main)
    by_operator = list(_by_operator(main, roles))
    counts = [one.macs for one in by_operator]
    known_macs = sum(count for count in counts if count is not None)
    held_bytes = activation_bytes(main)
    parameters = list(_parameters(graph))
    parameter_count = sum(one.value_count for one in parameters)
    if max(known_macs, parameter_count, held_bytes or 0) > GREATEST_COUNT:
        raise ValueError("its shapes are larger than any machine's memory")
    zeros = [zero_count(one) for one in parameters]
    return GraphFacts(
        parameters=parameter_count,
        zero_parameters=None if None in zeros else sum(count for count in zeros if count is not None),
        macs=None if None in counts else known_macs,
        known_macs=known_macs,
        unknown_macs=_once(one.name for one in by_operator if one.macs is None),
        activation_bytes=held_bytes,
        precision=precision_of(main, roles),
        operators=_once(one.name for one in by_operator),
        by_operator=by_operator,
        inputs=[_facts(main, number, roles) for number in main.inputs if number >= 0],
        outputs=[_facts(main, number, roles) for number in main.outputs if number >= 0],
        tensors=[_facts(main, number, roles) for number in roles],
        not_int8=[_facts(main, number, roles) for number in not_int8(main, roles)],
        stateful=any(one.variable or one.dtype == "resource" for one in main.tensors),
        dynamic=[main.tensors[number].name for number in roles if main.tensors[number].dynamic],
        signatures=list(graph.signatures),
    )


def _by_operator(graph: Subgraph, roles: dict[int, Role]) -> Iterator[OperatorFacts]:
    counted: set[int] = set()
    for operator in graph.operators:
        own = {number for number in operator.inputs if number >= 0 and is_parameter(roles[number])} - counted
        counted |= own
        output = next((graph.tensors[number] for number in operator.outputs if number >= 0), None)
        yield OperatorFacts(
            name=operator.name,
            output="" if output is None else output.name,
            output_shape=[] if output is None else list(output.shape),
            macs=macs_of(graph, operator),
            parameters=sum(graph.tensors[number].value_count for number in own),
        )


def _parameters(graph: Graph) -> Iterator[Tensor]:
    """Yield every tensor of weights and biases once.

    Within a subgraph each tensor counts, also where a converter stored two that are equal as one; a further subgraph,
    as of another signature, shares the buffers of the first, and only what is new counts. What a subgraph that runs
    once writes into variables is their first state.
    """
    seen: set[int] = set()
    for number, subgraph in enumerate(graph.subgraphs):
        if number in graph.run_once:
            continue
        own = [subgraph.tensors[at] for at, role in roles_of(subgraph).items() if is_parameter(role)]
        new = [tensor for tensor in own if tensor.buffer not in seen]
        seen |= {tensor.buffer for tensor in own}
        yield from new


def _facts(graph: Subgraph, number: int, roles: dict[int, Role]) -> TensorFacts:
    tensor = graph.tensors[number]
    one = len(tensor.scales) == 1
    return TensorFacts(
        name=tensor.name,
        shape=list(tensor.shape),
        dtype=tensor.dtype,
        role=roles[number],
        quantisation="per_tensor" if one else "per_channel" if tensor.scales else "none",
        scale=tensor.scales[0] if one else None,
        zero_point=tensor.zero_points[0] if one and tensor.zero_points else None,
    )


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
