"""Collecting: from tensors, along their nodes, to a diagram of everything they were computed from.

In: tensors, and names for them (or the variables of the calling program).  Out: a `Diagram`.  Only
the public protocol of nodes is used: ``name()``, ``next_functions``, ``variable``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Any

from adjoint.core.tensor_base import TensorBase
from adjoint.viz.diagram import Diagram, Edge, Vertex

__all__ = ["Names", "collect", "names_in_frame", "names_of"]

_SUFFIX = re.compile(r"Backward\d*$")
_SIGNS = {"Mul": "×", "Div": "/", "Pow": "**"}


class Names:
    """What tensors are called: leaves by identity, results by their node and output number."""

    def __init__(self) -> None:
        self.leaves: dict[int, str] = {}
        self.results: dict[tuple[int, int], str] = {}

    def add(self, tensor: Any, name: str) -> None:
        """Call ``tensor`` ``name``, unless it already has a name."""
        node = tensor.grad_fn
        if node is not None:
            self.results.setdefault((id(node), tensor.output_nr), name)
        elif tensor.requires_grad:
            self.leaves.setdefault(id(tensor), name)


def names_of(params: Any) -> Names:
    """The names that a mapping, a module or ``(name, tensor)`` pairs give to tensors."""
    names = Names()
    pairs: Iterable[tuple[str, Any]]
    if isinstance(params, Mapping):
        pairs = params.items()
    elif hasattr(params, "named_parameters"):
        pairs = params.named_parameters()
    else:
        pairs = params
    for name, tensor in pairs:
        names.add(tensor, name)
    return names


def names_in_frame(frame: FrameType) -> Names:
    """The names of tensors, and of the parameters of modules, among a frame's variables."""
    names = Names()
    modules: dict[int, tuple[str, Any]] = {}
    for variables in (frame.f_locals, frame.f_globals):
        for name, value in list(variables.items()):
            if name.startswith("_"):
                continue
            if isinstance(value, TensorBase):
                names.add(value, name)
            elif hasattr(type(value), "named_parameters"):
                modules.setdefault(id(value), (name, value))
    for prefix, module in modules.values():
        for name, tensor in module.named_parameters():
            names.add(tensor, name if len(modules) == 1 else f"{prefix}.{name}")
    return names


def collect(outputs: Mapping[str, Any], names: Names) -> Diagram:
    """The diagram of all that ``outputs`` (by title, "" where unknown) were computed from."""
    vertices: list[Vertex] = []
    edges: list[Edge] = []
    number: dict[int, int] = {}
    nodes: list[Any] = []  # alive until the end, so that identities stay theirs

    def visit(node: Any) -> int:
        found = number.get(id(node))
        if found is None:
            found = number[id(node)] = len(vertices)
            vertices.append(_vertex(node, names))
            nodes.append(node)
        return found

    results = []
    for title, tensor in outputs.items():
        node, nr = tensor.grad_fn, tensor.output_nr
        if node is None:
            visit(tensor._edge.node)  # a leaf is its own picture
        else:
            known = names.results.pop((id(node), nr), "output")
            results.append((node, nr, Vertex("output", title or known, _shape(tensor.shape))))
    roots = [(visit(node), _output_label(node, nr), vertex) for node, nr, vertex in results]
    at = 0
    while at < len(nodes):
        node = nodes[at]
        target = at
        at += 1
        for operand, nr in node.next_functions:
            if operand is not None:
                edges.append(Edge(visit(operand), target, _output_label(operand, nr)))
    last = max((v.step for v in vertices), default=0)
    for root, label, vertex in roots:
        vertex.step = last + 1
        edges.append(Edge(root, len(vertices), label))
        vertices.append(vertex)
    return Diagram(vertices, edges)


def _vertex(node: Any, names: Names) -> Vertex:
    if hasattr(node, "variable"):
        leaf = node.variable
        return Vertex("leaf", names.leaves.get(id(leaf), "leaf"), _shape(leaf.shape), -1)
    title = _SUFFIX.sub("", node.name().rpartition("::")[2])
    outputs: Any = getattr(node, "_input_metadata", ())
    called = [names.results.get((id(node), nr), "") for nr in range(max(1, len(outputs)))]
    detail = [_number(node, title), ", ".join(filter(None, called))]
    if len(outputs) == 1:
        detail.append(_shape(outputs[0].shape))
    return Vertex("op", title, " · ".join(filter(None, detail)), node._sequence_nr())


def _number(node: Any, title: str) -> str:
    """The constant operand, such as the 2 of ``x * 2``, where the node still knows it."""
    sign = _SIGNS.get(title)
    if sign is None:
        return ""
    try:
        value = node._saved_exponent if title == "Pow" else node._saved_other
    except (AttributeError, RuntimeError):  # not saved, or freed after backward
        return ""
    if getattr(value, "shape", None) == () and not getattr(value, "requires_grad", False):
        value = value.item()
    return f"{sign} {value:g}" if isinstance(value, int | float | complex) else ""


def _output_label(node: Any, nr: int) -> str:
    return f"[{nr}]" if len(getattr(node, "_input_metadata", ())) > 1 else ""


def _shape(shape: Any) -> str:
    return str(tuple(shape))
