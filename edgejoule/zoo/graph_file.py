"""The graph in a .tflite file: its tensors, operators and constants, read from its bytes without an engine.

Field numbers are those of tensorflow/compiler/mlir/lite/schema/schema.fbs. Only the first subgraph is what an
interpreter's ``invoke`` runs; further ones belong to control flow or to other signatures.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property

from edge_agent.inference.flatbuffer import DAMAGED, Table, read, stored_bytes
from edge_agent.inference.tflite_file import IDENTIFIER
from edgejoule.zoo.graph_operators import BITS_OF_TYPE, operator_name, type_name

GREATEST_RANK = 16
"""More dimensions than any operator takes: a damaged file says so."""


@dataclass(frozen=True)
class Tensor:
    """One tensor. ``shape``: sizes, -1 or 0 where the file does not know one. ``data``: of a constant, else empty.

    ``scales`` and ``zero_points``: of quantisation, one for the whole tensor or one for each slice along ``axis``;
    empty for none. ``sparse``: ``data`` holds only some of the values. ``buffer``: tensors of the same number share
    their data. ``dynamic``: the caller chooses one of its sizes other than the first, which is a batch's.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    buffer: int = 0
    data: bytes = field(default=b"", repr=False)
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    variable: bool = False
    sparse: bool = False
    dynamic: bool = False

    @property
    def constant(self) -> bool:
        """Return whether the file holds its values."""
        return bool(self.data)

    @property
    def value_count(self) -> int:
        """Return how many values the shape holds; a size that is not known counts as 1."""
        return math.prod(1 if size < 0 else size for size in self.shape)


@dataclass(frozen=True)
class Operator:
    """One operator: its name, "CUSTOM:..." for one from outside, and its tensors by number, -1 for a left out one.

    ``options``: where its settings stand, None where it has none.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Subgraph:
    """Tensors, and operators in the order in which they run; ``inputs`` and ``outputs`` are tensor numbers."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """What a .tflite file holds. ``signatures``: their names.

    ``behind_count``: constants behind the file's tables, as in one above 2 GB; not every engine looks there.
    """

    subgraphs: tuple[Subgraph, ...]
    signatures: tuple[str, ...] = ()
    behind_count: int = 0

    @cached_property
    def main(self) -> Subgraph:
        """Return the subgraph that ``invoke`` runs."""
        return self.subgraphs[0]

    @cached_property
    def run_once(self) -> frozenset[int]:
        """Return the numbers of the subgraphs that set up state before the first inference."""
        operators = [one for graph in self.subgraphs for one in graph.operators if one.name == "CALL_ONCE"]
        return frozenset(one.options.number(0, "<i") for one in operators if one.options is not None) - {0}


def read_graph(data: bytes) -> Graph:
    """Return the graph of a .tflite file.

    Raises ValueError if ``data`` is no such file or is damaged: a distance that leads out of it, a tensor number that
    there is none for, weights outside of the file.
    """
    if data[4:8] != IDENTIFIER:
        raise ValueError("it does not begin as a .tflite file does")
    model = Table(data, read("<I", data, 0))
    codes = [_operator_name(code) for code in model.tables(1)]
    tables = list(model.tables(4))
    buffers = _buffers(data, [stored_bytes(table) for table in tables])
    room = len(data) // 4  # no table is smaller
    subgraphs: list[Subgraph] = []
    for table in model.tables(2):
        subgraphs.append(_subgraph(table, codes, buffers))
        room -= len(subgraphs[-1].tensors) + len(subgraphs[-1].operators)
        if room < 0:
            raise ValueError(DAMAGED)
    if not subgraphs:
        raise ValueError("it holds no graph")
    behind_count = sum(bool(buffer) and not table.vector(0, 1) for table, buffer in zip(tables, buffers, strict=True))
    return Graph(tuple(subgraphs), tuple(_name(one, 2) for one in model.tables(7)), behind_count)


def _operator_name(code: Table) -> str:
    return operator_name(max(code.number(0, "<b"), code.number(3, "<i")), _name(code, 1))


def _name(table: Table, field_number: int) -> str:
    """Return a name as it may be shown: what a terminal or a TOML file would trip over is replaced."""
    return "".join(one if one.isprintable() else "\ufffd" for one in table.text(field_number))


def _buffers(data: bytes, places: list[range]) -> list[bytes]:
    """Return the values in each place, those of equal places once. Raises ValueError if others overlap: too many."""
    if sum(map(len, set(places))) > len(data):
        raise ValueError(DAMAGED)
    values = {place: data[place.start : place.stop] for place in set(places)}
    return [values[place] for place in places]


def _subgraph(table: Table, codes: list[str], buffers: list[bytes]) -> Subgraph:
    tensors = tuple(_tensor(one, buffers) for one in table.tables(0))
    inputs, outputs = _numbers(table, 1), _numbers(table, 2)
    operators = tuple(_operator(one, codes) for one in table.tables(3))
    used = [inputs, outputs, *(one.inputs for one in operators), *(one.outputs for one in operators)]
    if any(not -1 <= number < len(tensors) for numbers in used for number in numbers):
        raise ValueError(DAMAGED)
    return Subgraph(tensors, operators, inputs, outputs)


def _operator(table: Table, codes: list[str]) -> Operator:
    code = table.number(0, "<I")
    if code >= len(codes):
        raise ValueError(DAMAGED)
    return Operator(codes[code], _numbers(table, 1), _numbers(table, 2), table.table(4))


def _tensor(table: Table, buffers: list[bytes]) -> Tensor:
    buffer, shape = table.number(2, "<I"), _numbers(table, 0)
    name = _name(table, 3)
    if table.number(10, "<I"):
        raise ValueError(f"the values of tensor {name!r} lie in another file")
    if buffer >= max(len(buffers), 1) or len(shape) > GREATEST_RANK:
        raise ValueError(DAMAGED)
    quantisation = table.table(4)
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis = 0
    if quantisation is not None:
        scales = tuple(_float(table.data, at) for at in quantisation.vector(2, 4))
        zero_points = tuple(read("<q", table.data, at) for at in quantisation.vector(3, 8))
        axis = quantisation.number(6, "<i")
    tensor = Tensor(
        name=name,
        shape=shape,
        dtype=type_name(table.number(1, "<b")),
        buffer=buffer,
        data=buffers[buffer] if buffers else b"",
        scales=scales,
        zero_points=zero_points,
        axis=axis,
        variable=bool(table.number(5, "<B")),
        sparse=table.table(6) is not None,
        dynamic=any(size < 0 for size in (*shape[1:], *_numbers(table, 7)[1:])),
    )
    _check_size(tensor)
    return tensor


def _check_size(tensor: Tensor) -> None:
    if not tensor.constant:
        return
    if any(size < 0 for size in tensor.shape):
        raise ValueError(f"tensor {tensor.name!r} has values, but its shape leaves open how many")
    bits = BITS_OF_TYPE.get(tensor.dtype)
    if bits is None:
        return
    needed_bytes = math.ceil(tensor.value_count * bits / 8)
    has_bytes = len(tensor.data)
    if has_bytes > needed_bytes or (has_bytes < needed_bytes and not tensor.sparse):
        raise ValueError(f"tensor {tensor.name!r} has {has_bytes} bytes of values, its shape {needed_bytes}")


def _numbers(table: Table, field_number: int) -> tuple[int, ...]:
    return tuple(read("<i", table.data, at) for at in table.vector(field_number, 4))


def _float(data: bytes, at: int) -> float:
    return float(read("<f", data, at))
