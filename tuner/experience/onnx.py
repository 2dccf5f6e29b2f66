"""What an ONNX file says of its graph: nodes, the longest path through them, bytes of weights.

Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Weights are counted by their shapes,
so they are the same whether a file holds them or names another file for them, which is not read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tuner.experience.wire import BrokenMessageError, Message, Span

__all__ = ["Graph", "read_graph"]

_GRAPH = 7  # of a model
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15  # of a graph
_INPUT, _OUTPUT, _OPERATION, _ATTRIBUTE = 1, 2, 4, 5  # of a node
_TENSOR, _BODY, _TENSORS, _BODIES = 5, 6, 10, 11  # of an attribute
_DIMENSION, _TYPE, _PLACE = 1, 2, 13  # of a tensor
_KEY, _VALUE = 1, 2  # of an entry about an external file
_VALUES = 1  # of a sparse tensor

_BITS = (
    dict.fromkeys((1, 6, 12), 32)  # float, int32, uint32
    | dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8)  # uint8, int8, bool, the kinds of float8
    | dict.fromkeys((4, 5, 10, 16), 16)  # uint16, int16, float16, bfloat16
    | dict.fromkeys((7, 11, 13, 14), 64)  # int64, double, uint64, complex64
    | {15: 128}  # complex128
    | dict.fromkeys((21, 22, 23), 4)  # uint4, int4, float4
    | dict.fromkeys((25, 26), 2)  # uint2, int2
)
"""Bits of an element by data type; text (8) has no width and is no weight."""

DEEPEST = 16
"""Bodies within bodies (of loops and branches)."""
MOST_NODES = 200_000
"""Each takes memory while the longest path is looked for."""
MOST_BYTES = 2**50
"""Of weights: more is no model."""


@dataclass(frozen=True, slots=True)
class Graph:
    """``parameters`` in bytes; ``operations`` counts nodes that compute, those of bodies included.

    ``depth``: nodes on the longest path; a node with a body counts as long as the body's longest path, and itself.
    ``places``: the names of external files that weights lie in, as the file spells them.
    """

    parameters: int
    operations: int
    depth: int
    places: frozenset[str]


def read_graph(message: Message) -> Graph:
    """The model's graph. BrokenMessageError where the file is no ONNX model, or its graph cannot be walked."""
    graphs = [value for number, value in message.fields() if number == _GRAPH and isinstance(value, Span)]
    if not graphs:
        raise BrokenMessageError("it has no graph")
    reader = _Reader(message)
    body = reader.body(graphs[-1], DEEPEST)
    if reader.operations == 0:
        raise BrokenMessageError("its graph has no nodes")
    return Graph(reader.parameters, reader.operations, body.depth, frozenset(reader.places))


@dataclass(slots=True)
class _Node:
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    length: int = 1


@dataclass(frozen=True, slots=True)
class _Body:
    depth: int
    needs: frozenset[str]
    """Values that it takes from the graph around it."""


@dataclass(slots=True)
class _Reader:
    message: Message
    parameters: int = 0
    operations: int = 0
    nodes: int = 0
    places: set[str] = field(default_factory=set)

    def body(self, span: Span, levels: int) -> _Body:
        """Read one graph."""
        if levels == 0:
            raise BrokenMessageError(f"its graphs are nested more than {DEEPEST} deep")
        nodes: list[_Node] = []
        for number, value in self.message.fields(span):
            if not isinstance(value, Span):
                continue
            if number == _NODE:
                nodes.append(self._node(value, levels))
            elif number == _INITIALIZER:
                self._weights(value)
            elif number == _SPARSE:
                self._sparse(value)
        made = {name for node in nodes for name in node.outputs}
        needs = frozenset(name for node in nodes for name in node.inputs) - made
        return _Body(_longest(nodes), needs)

    def _node(self, span: Span, levels: int) -> _Node:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise BrokenMessageError(f"it has more than {MOST_NODES:,} nodes")
        node, operation = _Node(), ""
        bodies: list[_Body] = []
        for number, value in self.message.fields(span):
            if not isinstance(value, Span):
                continue
            if number == _INPUT:
                node.inputs.append(self.message.text(value))
            elif number == _OUTPUT:
                node.outputs.append(self.message.text(value))
            elif number == _OPERATION:
                operation = self.message.text(value)
            elif number == _ATTRIBUTE:
                bodies += self._attribute(value, levels)
        holds_weights = operation == "Constant"
        self.operations += not holds_weights
        node.length = (not holds_weights) + max((body.depth for body in bodies), default=0)
        node.inputs += [name for body in bodies for name in body.needs]
        return node

    def _attribute(self, span: Span, levels: int) -> Iterator[_Body]:
        for number, value in self.message.fields(span):
            if isinstance(value, Span) and number in (_BODY, _BODIES):
                yield self.body(value, levels - 1)
            elif isinstance(value, Span) and number in (_TENSOR, _TENSORS):
                self._weights(value)

    def _weights(self, span: Span) -> None:
        elements, bits = 1, 0
        for number, value in self.message.fields(span):
            if number == _DIMENSION:
                elements = _product(elements, self.message.numbers(value))
            elif number == _TYPE and isinstance(value, int):
                bits = _BITS.get(value, 0)
            elif number == _PLACE and isinstance(value, Span):
                self._place(value)
        self.parameters += (elements * bits + 7) // 8
        if self.parameters > MOST_BYTES:
            raise BrokenMessageError("its weights would not fit into any machine")

    def _place(self, span: Span) -> None:
        """One property of an external file: its name is the only one of interest."""
        told = {
            number: self.message.text(value) for number, value in self.message.fields(span) if isinstance(value, Span)
        }
        if told.get(_KEY) == "location":
            self.places.add(told.get(_VALUE, ""))

    def _sparse(self, span: Span) -> None:
        for number, value in self.message.fields(span):
            if number == _VALUES and isinstance(value, Span):
                self._weights(value)


def _product(elements: int, dimensions: Iterable[int]) -> int:
    for dimension in dimensions:
        if dimension < 0:
            raise BrokenMessageError("a tensor has a negative dimension")
        elements *= dimension
        if elements > MOST_BYTES:
            raise BrokenMessageError("its weights would not fit into any machine")
    return elements


def _longest(nodes: list[_Node]) -> int:
    """The longest path, by removing nodes whose inputs are known (Kahn 1962). BrokenMessageError for a circle."""
    maker = {name: index for index, node in enumerate(nodes) for name in node.outputs if name}
    before = [{maker[name] for name in node.inputs if name in maker} for node in nodes]
    after: list[list[int]] = [[] for _ in nodes]
    for index, makers in enumerate(before):
        for other in makers:
            after[other].append(index)
    waiting = [len(makers) for makers in before]
    ready = deque(index for index, count in enumerate(waiting) if count == 0)
    reach = [0] * len(nodes)
    done = 0
    while ready:
        index = ready.popleft()
        done += 1
        reach[index] += nodes[index].length
        for other in after[index]:
            reach[other] = max(reach[other], reach[index])
            waiting[other] -= 1
            if waiting[other] == 0:
                ready.append(other)
    if done < len(nodes):
        raise BrokenMessageError("its nodes need each other in a circle")
    return max(reach, default=0)
