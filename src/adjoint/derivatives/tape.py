"""A copy of a recorded graph over traced arrays, and a test for graphs that are built alike.

In: the edge of a result and the leaves behind it.  Out: the same nodes over `TracedArray`s, on
which any derivative can be computed and thereby written down; and the text of a function that tells
whether another graph is the same but for its numbers, and finds these.

Note [Alike]
    Two graphs are alike when they have the same operations with the same wanted operands, shapes,
    dtypes and parameters, connected in the same way, and the same Python numbers in the same
    places. What a derivative computes depends on nothing else but the values that the nodes saved:
    rules branch on shapes and parameters, never on values. The test is made for one graph: a
    handful of comparisons, mostly by identity, for each node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.traced import Trace, TracedArray, Untraceable
from adjoint.core.node import Node, OutEdge
from adjoint.core.plan import Plan
from adjoint.core.pulls import OPERAND, OUT
from adjoint.core.tensor_base import TensorBase, make_tensor

__all__ = ["Tape", "fingerprint", "nodes_behind"]

Array = Any
_new = object.__new__

_MOST = 400  # nodes: in larger graphs little is gained


def nodes_behind(root: Any) -> list[Node]:
    """The nodes behind an edge, in an order that depends on how they are connected only.

    Raises: Untraceable where there are too many, or one is not an ordinary operation.
    """
    found: dict[Node, None] = {}
    todo = [root]
    while todo:
        edge = todo.pop()
        node = edge.node if type(edge) is OutEdge else edge
        if node in found or node.leaf:
            continue
        if type(node.plan) is not Plan or node.hooks is not None or node.saved is None:
            raise Untraceable(f"{node.name()} is not an ordinary operation")
        found[node] = None
        if len(found) > _MOST:
            raise Untraceable(f"more than {_MOST} operations")
        todo.extend([e for e in reversed(node.edges) if e is not None])
    return list(found)


# ---- parameters ----------------------------------------------------------------------------------


def _known(value: Any) -> Any:
    """A parameter as something that can be hashed, and is equal for what computes alike.

    Raises: Untraceable where it contains an array, or is of an unknown kind.
    """
    if isinstance(value, tuple | list):
        return tuple([_known(part) for part in value])
    if isinstance(value, slice):
        return slice, value.start, value.stop, value.step
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim):
        return value.dtype, value.tobytes()
    if isinstance(value, float | complex):
        return type(value), repr(value)
    if value is None or value is ... or isinstance(value, int | str | dtypes.dtype | np.dtype):
        return type(value), value
    raise Untraceable(f"a {type(value).__name__} as a parameter")


def same(a: Any, b: Any) -> bool:
    """Whether two parameters compute alike."""
    try:
        return bool(_known(a) == _known(b))
    except Untraceable:
        return False


def _is_simple(value: Any) -> bool:
    """Whether ``==`` of such parameters says that they compute alike."""
    if type(value) is tuple:
        return all(map(_is_simple, value))
    return value is None or value is ... or type(value) in (int, bool, str, slice)


def fingerprint(root: Any, leaves: Sequence[Any]) -> Any:
    """Something hashable that graphs that are alike have in common."""
    nodes = nodes_behind(root)
    numbers: dict[Any, int] = {node: k for k, node in enumerate(nodes)}
    numbers.update({leaf: -1 - k for k, leaf in enumerate(leaves)})

    def place(edge: Any) -> Any:
        if type(edge) is OutEdge:
            return numbers[edge.node], edge.nr
        return numbers.get(edge)

    parts: list[Any] = [place(root)]
    for node in nodes:
        parts += [node.plan, node.desc, *map(place, node.edges)]
        for value, kind in zip(node.saved, node.plan.kinds):
            if kind != OUT:
                parts.append(value._desc if isinstance(value, TensorBase) else _known(value))
    return tuple(parts)


# ---- the copy ------------------------------------------------------------------------------------


class Tape:
    """The graph behind the edge ``root`` over traced arrays; ``leaves``: the edges of its inputs.

    ``output``: a tensor at the root's place on the copy; ``points``: tensors that stand for the
    leaves; ``trace``: what is computed with them. `loader` makes the test of Note [Alike].
    """

    def __init__(self, root: Any, leaves: Sequence[Any]) -> None:
        self.trace = Trace()
        self._constants: dict[str, Any] = {"OutEdge": OutEdge, "same": same, "zeros": (0,) * 64}
        self._lines: list[tuple[int, str]] = []  # with the number of the input that needs it, or 0
        self._names: dict[int, str] = {}  # of inputs, by the number of the traced array
        self._arrays: dict[int, TracedArray] = {}  # by the identity of the array
        nodes = nodes_behind(root)
        self._copies: dict[Any, Any] = {}
        self._variables: dict[Any, str] = {}
        for node in nodes:
            self._copies[node] = self._described(node)
        self.points = []
        for k, leaf in enumerate(leaves):
            if leaf.hooks is not None:
                raise Untraceable("a hook on an input")
            self._unless(f"L{k}.desc is not {self._constant(leaf.desc)} or L{k}.hooks is not None")
            point = make_tensor(self._input(f"L{k}.memory", leaf.memory)).requires_grad_()
            self.points.append(point)
            self._copies[leaf] = point._edge
            self._variables[leaf] = f"L{k}"
        self._arrive("root", root)
        for node in nodes:
            self._visit(node)
        desc = self._desc(root.desc)
        self.output = make_tensor(_Unknown(desc), self._edge(root), desc)

    def _described(self, node: Node) -> Node:
        made = _new(type(node))
        made.plan = node.plan
        made.seq = node.seq
        made.desc = self._desc(node.desc)
        made.hooks = made.counter = made.versions = None
        return made

    def _desc(self, desc: Any) -> Any:
        if isinstance(desc, tuple):
            return tuple([self._desc(d) for d in desc])
        return self.trace.descriptor(desc.shape, desc.numpy)

    def _edge(self, edge: Any) -> Any:
        """The edge of the copy for an edge; None where that leads to no input."""
        if type(edge) is not OutEdge:
            return self._copies.get(edge)
        node = self._copies[edge.node]
        return OutEdge(node, edge.nr, node.desc[edge.nr])

    # ---- the nodes ---------------------------------------------------------------------------

    def _visit(self, node: Node) -> None:
        """Give the copy of ``node`` its edges and saved values; write the lines that test it."""
        copy, plan, name = self._copies[node], node.plan, self._variables[node]
        same_desc = "!=" if isinstance(node.desc, tuple) else "is not"
        self._unless(
            f"{name}.plan is not {self._constant(plan)} or {name}.desc {same_desc} "
            f"{self._constant(node.desc)} or {name}.hooks is not None or {name}.saved is None"
        )
        saved = []
        if plan.names:
            self._line(f"s = {name}.saved")
        for i, (value, kind) in enumerate(zip(node.saved, plan.kinds)):
            saved.append(self._saved(node, i, value, kind))
        copy.saved = tuple(saved)
        copy.edges = tuple([self._edge(e) for e in node.edges])
        if any(e is not None for e in node.edges):
            self._line(f"e = {name}.edges")
        for i, edge in enumerate(node.edges):
            if edge is not None:
                self._arrive(f"e[{i}]", edge)

    def _arrive(self, place: str, edge: Any) -> None:
        """Lines that test an edge, and give the node behind it a name."""
        node = edge
        if type(edge) is OutEdge:
            node = edge.node
            self._line(f"o = {place}")
            self._unless(f"type(o) is not OutEdge or o.nr != {edge.nr}")
            place = "o.node"
        if node in self._variables:
            self._unless(f"{place} is not {self._variables[node]}")
        elif node in self._copies:
            self._variables[node] = name = f"n{len(self._variables)}"
            self._line(f"{name} = {place}")
        else:
            self._unless(f"not {place}.leaf or {place} in leaves")

    def _saved(self, node: Node, i: int, value: Any, kind: int) -> Any:
        name = self._variables[node]
        if kind == OUT:
            return self._saved_output(node, i, value)
        if not isinstance(value, TensorBase):
            _known(value)  # or it cannot be compared
            constant = self._constant(value)
            if value is None:
                self._unless(f"s[{i}] is not None")
            elif _is_simple(value):
                self._unless(f"s[{i}] != {constant}")
            else:
                self._unless(f"s[{i}] is not {constant} and not same(s[{i}], {constant})")
            return value
        counter, expected = value._counter, node.versions[i] if node.versions else 0
        if counter is not None and counter.value != expected:
            raise Untraceable("a saved tensor was written to")
        self._line(f"t = s[{i}]")
        self._unless(
            f"t._desc is not {self._constant(value._desc)} or ((c := t._counter) is not None "
            f"and c.value != ({name}.versions or zeros)[{i}])"
        )
        edge = value._edge
        if edge is not None and (edge.node if type(edge) is OutEdge else edge) not in self._copies:
            if kind == OPERAND and not edge.leaf:
                raise Untraceable("an operand from elsewhere on the tape")
            edge = None
        made = make_tensor(self._input("t._array", value._array))
        if edge is not None:
            made._edge = self._edge(edge)
        return made

    def _saved_output(self, node: Node, i: int, value: Any) -> Any:
        name, counter = self._variables[node], node.counter
        if isinstance(node.desc, tuple):
            if any(c.value for c in (counter or {}).values()):
                raise Untraceable("a result was written to")
            self._unless(f"any(c.value for c in ({name}.counter or {{}}).values())")
            return tuple([self._input(f"s[{i}][{k}]", v) for k, v in enumerate(value)])
        if counter is not None and counter.value != (node.versions[i] if node.versions else 0):
            raise Untraceable("a result was written to")
        self._unless(
            f"(c := {name}.counter) is not None and c.value != ({name}.versions or zeros)[{i}]"
        )
        return self._input(f"s[{i}]", value)

    # ---- the lines ---------------------------------------------------------------------------

    def _input(self, place: str, array: Array) -> TracedArray:
        """The traced array for one that is found at ``place``, perhaps once more."""
        if not isinstance(array, np.ndarray | np.generic):
            raise Untraceable("an array of another library")
        found = self._arrays.get(id(array))
        if found is None:
            found = self._arrays[id(array)] = self.trace.input(array)
            self._names[found.number] = f"a{found.number}"
            self._line(f"a{found.number} = {place}", found.number)
        else:
            self._unless(f"{place} is not {self._names[found.number]}", found.number)
        return found

    def _constant(self, value: Any) -> str:
        name = f"k{len(self._constants)}"
        self._constants[name] = value
        return name

    def _line(self, text: str, number: int = 0) -> None:
        self._lines.append((number, text))

    def _unless(self, condition: str, number: int = 0) -> None:
        self._line(f"if {condition}: return None", number)

    def loader(self, used: Sequence[TracedArray]) -> Callable[..., Any]:
        """The function ``load(root, leaves)``: the arrays of a graph that is alike, in the order of
        ``used``, or None where it is another.
        """
        wanted = {array.number for array in used}
        lines = ["def load(root, leaves):"]
        if self.points:
            lines.append(f"    {''.join(f'L{k}, ' for k in range(len(self.points)))}= leaves")
        lines += [f"    {text}" for number, text in self._lines if not number or number in wanted]
        lines.append(f"    return [{', '.join(self._names[a.number] for a in used)}]")
        scope = dict(self._constants)
        exec("\n".join(lines), scope)
        made: Callable[..., Any] = scope["load"]
        return made


class _Unknown:
    """The array of a result that only its place on the tape is known of."""

    __slots__ = ("array_library", "desc")

    def __init__(self, desc: Any) -> None:
        self.desc = desc
        self.array_library = desc.type.xp
