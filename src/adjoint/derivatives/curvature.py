"""The gradient of a recorded number, recorded itself: what Hessians are pulled from.

In: a function that returns one number, and a point.  Out: rows of the Hessian, all of it, or its
products with vectors, as raw arrays; by programs where the same was asked for before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.array.batched.blocks import OutOfBudget
from adjoint.core.engine import run_backward
from adjoint.core.tensor_base import make_tensor
from adjoint.derivatives import dense
from adjoint.derivatives.memory import rows_at_a_time
from adjoint.derivatives.program import Derivation, is_large
from adjoint.derivatives.recorded import (
    Evaluation,
    arranged,
    gradient_of,
    graph_size,
    is_plain,
)
from adjoint.derivatives.rows import pull_identity, pull_rows
from adjoint.ops.join import cat
from adjoint.ops.view import reshape

__all__ = [
    "Curvature",
    "known",
    "learn",
    "product",
    "recorded_number",
    "square",
]

Function = Callable[[Any], Any]

_SMALL = 1 << 22  # elements of a Hessian that programs are made for


class Curvature:
    """The gradient of a recorded number as one vector: what rows of the Hessian are pulled from."""

    def __init__(self, output: Any, points: Sequence[Any]) -> None:
        self.points = points
        self.gradient = gradient_of(output, points, create_graph=True)
        parts = [g if len(g._desc.shape) == 1 else reshape(g, -1) for g in self.gradient]
        self.vector = parts[0] if len(parts) == 1 else cat(parts)
        self.sizes = [math.prod(point._desc.shape) for point in points]
        self.n = sum(self.sizes)

    def at_a_time(self, budget: int) -> int:
        """How many rows fit into a budget."""
        edge = self.vector._edge
        _, largest = (0, 1) if edge is None else graph_size(edge)
        return rows_at_a_time(self.n, largest, self.vector._desc.numpy.itemsize, budget)

    def whole(self, budget: int) -> list[Any]:
        """All rows in one walk: by point (n, *point), or blocks of them.

        Raises: OutOfBudget where that takes more memory.
        """
        edge = self.vector._edge
        if edge is None:
            return self._filled([None] * len(self.sizes), self.n)
        keys = [(point._edge, 0) for point in self.points]
        return self._filled(pull_identity(edge, keys, True, budget), self.n)

    def rows(self, budget: int) -> list[Any]:
        """All rows: by point (n, *point), or blocks of them."""
        step = self.at_a_time(budget)
        try:
            return self.whole(budget if step == self.n else 0)
        except OutOfBudget:
            parts = [self.some_rows(*p) for p in dense.portions(self.n, step, "Hessian rows")]
            return [np.concatenate(column) for column in zip(*parts)]

    def some_rows(self, start: int, count: int) -> list[Any]:
        """Some of the rows."""
        edge = self.vector._edge
        if edge is None:
            return self._filled([None] * len(self.sizes), count)
        units = np.zeros((count, self.n), self.vector._desc.numpy)
        units[np.arange(count), start + np.arange(count)] = 1
        keys = [(point._edge, 0) for point in self.points]
        return self._filled(pull_rows((edge,), (units,), keys, True), count)

    def _filled(self, found: list[Any], count: int) -> list[Any]:
        return [
            np.zeros((count, *point._desc.shape), point._desc.numpy) if g is None else g
            for g, point in zip(found, self.points)
        ]


def recorded_number(f: Function, x: Any) -> tuple[Evaluation, Any]:
    """A call of ``f`` at ``x``, recorded, and the number that it gave.

    Raises: RuntimeError inside of transforms, for complex numbers, or for more than one result.
    """
    run = Evaluation(f, x)
    if not is_plain(run.leaves):
        raise RuntimeError(
            "this computes numbers, on ordinary tensors: inside vmap, jvp or grad use "
            "func.hessian, func.grad or func.jvp, which transforms can be applied to"
        )
    if any(leaf._desc.dtype.is_complex for leaf in run.leaves):
        raise RuntimeError(
            "a Hessian is that of a function of real numbers (torch.view_as_real gives the "
            "parts of complex ones)"
        )
    return run, run.scalar()


# ---- by programs (derivatives/program.py) --------------------------------------------------------


def _gradient_and_rows(output: Any, points: Sequence[Any]) -> list[Any]:
    made = Curvature(output, points)
    rows = [dense.written_out(r) for r in made.whole(dense.ENOUGH)]
    return [*[g.detach()._array for g in made.gradient], *rows]


def _product(output: Any, points: Sequence[Any], *directions: Any) -> list[Any]:
    gradient = gradient_of(output, points, create_graph=True)
    roots = [(g._edge, d) for g, d in zip(gradient, directions) if g._edge is not None]
    inputs = [(point._edge, 0) for point in points]
    keep = not any(is_large(point) for point in points)  # a program may be made of the graph
    found = run_backward(
        roots, keep=keep, create=False, inputs=inputs, accumulate=False, world=False
    )
    return [found.get(i) for i in range(len(points))]


_whole = Derivation(_gradient_and_rows)
product = Derivation(_product)


def known(run: Evaluation, output: Any) -> tuple[Any, Any, Any] | None:
    """The value, the gradient and the Hessian by a program, None if there is no program for it."""
    if output._edge is None:
        return None
    leaves = run.leaves
    found = _whole.recall(output, leaves)
    if found is None:
        return None
    gradients = arranged(list(map(make_tensor, found[: len(leaves)])), run.spec)
    return run.values(), gradients, square(found[len(leaves) :], run)


def square(rows: list[Any], run: Evaluation) -> Any:
    """Raw rows as tensors in the containers of the point, twice."""
    leaves, spec = run.leaves, run.spec
    if len(leaves) == 1:
        shape = leaves[0]._desc.shape
        array = np.ascontiguousarray(dense.written_out(rows[0])).reshape((*shape, *shape))
        return arranged([arranged([make_tensor(array)], spec)], spec)
    starts = np.cumsum([0, *[math.prod(leaf._desc.shape) for leaf in leaves]])
    arrays = [
        dense.written_out(r).reshape((int(starts[-1]), *x._desc.shape))
        for r, x in zip(rows, leaves)
    ]
    trees = []
    for i, above in enumerate(leaves):
        part = [
            make_tensor(
                np.ascontiguousarray(a[starts[i] : starts[i + 1]]).reshape(
                    (*above._desc.shape, *x._desc.shape)
                )
            )
            for a, x in zip(arrays, leaves)
        ]
        trees.append(arranged(part, spec))
    return arranged(trees, spec)


def learn(run: Evaluation, output: Any) -> None:
    """Let there be a program for Hessians of moderate size, where several are alike."""
    n = sum(math.prod(leaf._desc.shape) for leaf in run.leaves)
    if output._edge is not None and n * n <= _SMALL:
        _whole.learn(output, run.leaves)
