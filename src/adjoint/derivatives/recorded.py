"""A function evaluated once and recorded: what every plan starts from.

In: a function of one argument (a tensor, or tensors in Python containers) and a point.  Out: the
leaves that stand for the point, the results, and the places on the tape that rows are pulled from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.core import mode as modes
from adjoint.core.backward import grad as recorded_grad
from adjoint.core.duals import open_levels
from adjoint.core.mode import get_mode, set_mode
from adjoint.core.node import AccumulateGrad, Node, OutEdge
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.func.trees import tree_flatten, tree_structure, tree_unflatten
from adjoint.ops.view import reshape

__all__ = [
    "Evaluation",
    "arranged",
    "flat",
    "gradient_of",
    "graph_size",
    "is_plain",
    "nodes_behind",
]


_LEAF = tree_structure(0)


def flat(tree: Any) -> tuple[list[Any], Any]:
    """The tensors in a container, or the one that it is, and how they were arranged."""
    return ([tree], _LEAF) if isinstance(tree, TensorBase) else tree_flatten(tree)


def arranged(tensors: list[Any], spec: Any) -> Any:
    """The inverse of `flat`."""
    return tensors[0] if spec is _LEAF else tree_unflatten(tensors, spec)


def is_plain(leaves: list[Any]) -> bool:
    """Whether tensors are outside of every transform, so that raw walks give their derivatives."""
    if get_mode() & modes.LIBRARIES or open_levels:
        return False
    return all(isinstance(x, TensorBase) and not x._desc.type.levels for x in leaves)


class Evaluation:
    """One call of ``f`` at ``x``: ``leaves`` and ``results`` with their trees, on the tape.

    Raises: TypeError where a point or a result is no tensor; RuntimeError where a point is of
    integers.
    """

    __slots__ = ("leaves", "result_spec", "results", "spec")

    def __init__(self, f: Callable[..., Any], x: Any) -> None:
        points, self.spec = flat(x)
        if not points:
            raise TypeError("there is no tensor in the point x at which to differentiate")
        self.leaves = [_leaf(p, i) for i, p in enumerate(points)]
        point = self.leaves[0] if self.spec is _LEAF else arranged(self.leaves, self.spec)
        before = get_mode()
        wanted = (before | modes.GRAD) & ~modes.INFERENCE
        if wanted != before:
            set_mode(wanted)
        try:
            result = f(point)
        finally:
            if get_mode() != before:
                set_mode(before)
        if isinstance(result, TensorBase):
            results: list[Any] = [result]
            self.results, self.result_spec = results, _LEAF
            return
        self.results, self.result_spec = flat(result)
        for i, r in enumerate(self.results):
            if not isinstance(r, TensorBase):
                raise TypeError(
                    f"the function must return tensors; result {i} is a {type(r).__name__} "
                    "(.item() and .numpy() leave the tape)"
                )

    def keys(self) -> list[tuple[Any, int]]:
        """What stands for the leaves in a walk."""
        return [(leaf._edge, 0) for leaf in self.leaves]

    def vector(self, i: int) -> Any:
        """The i-th result as a vector, recorded."""
        result = self.results[i]
        return result if len(result._desc.shape) == 1 else reshape(result, -1)

    def values(self) -> Any:
        """The results off the tape, in their containers."""
        return arranged([r.detach() for r in self.results], self.result_spec)

    def scalar(self) -> Any:
        """The one number that the function returned, as a 0-d tensor, recorded.

        Raises: RuntimeError if the function returned something else.
        """
        if len(self.results) != 1 or math.prod(self.results[0]._desc.shape) != 1:
            shapes = [list(r._desc.shape) for r in self.results]
            raise RuntimeError(
                "grad can be implicitly created only for scalar outputs (a Hessian is that of a "
                f"function that returns one number; this one returns tensors of shapes {shapes})"
            )
        output = self.results[0]
        return output.reshape(()) if output._desc.shape else output


def gradient_of(output: Any, points: Sequence[Any], create_graph: bool) -> list[Any]:
    """The gradient of a recorded number by each point (zeros where it is constant)."""
    if output._edge is None:
        return [make_tensor(np.zeros(x._desc.shape, x._desc.numpy)) for x in points]
    return list(recorded_grad(output, points, create_graph=create_graph, materialize_grads=True))


def _leaf(point: Any, i: int) -> Any:
    """A leaf over the memory of ``point``."""
    if not isinstance(point, TensorBase):
        raise TypeError(
            f"the point x must consist of tensors; its part {i} is a {type(point).__name__} "
            "(torch.as_tensor makes one of a NumPy array)"
        )
    if point._desc.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "only Tensors of floating point and complex dtype can require gradients (part "
            f"{i} of the point has dtype {point._desc.dtype!r})"
        )
    made = make_tensor(point._array, None, point._desc)
    made._counter = point._version_counter()
    made._edge = AccumulateGrad(made)
    return made


def nodes_behind(edge: Any) -> set[Node]:
    """All nodes that a gradient entering ``edge`` reaches, leaves included."""
    nodes: set[Node] = set()
    todo = [edge]
    while todo:
        edge = todo.pop()
        node = edge.node if type(edge) is OutEdge else edge
        if node not in nodes:
            nodes.add(node)
            todo.extend([e for e in node.edges if e is not None])
    return nodes


def graph_size(edge: Any) -> tuple[int, int]:
    """The number of operations behind an edge, and the elements of the largest result."""
    nodes = nodes_behind(edge)
    descs = [d for n in nodes for d in (n.desc if isinstance(n.desc, tuple) else (n.desc,))]
    largest = max(math.prod(d.shape) for d in descs)
    return sum(not n.leaf for n in nodes), largest
