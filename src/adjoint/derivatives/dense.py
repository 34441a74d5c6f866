"""Dense Jacobians: all rows in one walk, all columns in one push, or as many as memory allows.

In: an evaluation, or a function and a point.  Out: raw arrays (results' elements, inputs' elements)
by result and input, or the `BlockArray` that a Jacobian turned out to be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from adjoint.array.batched.blocks import BlockArray, OutOfBudget, dense
from adjoint.core import mode as modes
from adjoint.core.mode import mode_bits
from adjoint.core.tensor_base import make_tensor
from adjoint.derivatives.memory import rows_at_a_time
from adjoint.derivatives.program import Derivation
from adjoint.derivatives.progress import steps
from adjoint.derivatives.recorded import Evaluation, graph_size
from adjoint.derivatives.rows import pull_identity, pull_rows
from adjoint.func.forward import jvp
from adjoint.func.trees import tree_leaves, tree_unflatten
from adjoint.func.vmap import vmap

__all__ = ["ENOUGH", "columns", "known", "learn", "pulled_together", "rows", "written_out"]

Array = Any

_SMALL = 1 << 22  # elements of a matrix that programs are made for
ENOUGH = 1 << 27  # bytes that they may take


def rows(run: Evaluation, i: int, budget: int, blocks: bool = False) -> list[Array]:
    """The Jacobian of the i-th result by each leaf, in reverse: (elements, *leaf).

    ``blocks``: what is block-diagonal is to stay so.
    """
    if not blocks and budget >= ENOUGH:
        at_once = known(run, i)
        if at_once is not None:
            return at_once
        learn(run, i)
    vector = run.vector(i)
    n = vector._desc.shape[0]
    if vector._edge is None or not n:
        return [np.zeros((n, *x._desc.shape), x._desc.numpy) for x in run.leaves]
    found = _pulled(vector._edge, run, budget, 1)
    if not vector._desc.dtype.is_complex:
        return [_filled(g, x, vector) for g, x in zip(found, run.leaves)]
    made = []
    turned = None
    for k, x in enumerate(run.leaves):
        if x._desc.dtype.is_complex:  # PyTorch's gradient is the conjugate of the derivative
            made.append(np.conj(written_out(_filled(found[k], x, vector))) + 0)  # no -0
            continue
        turned = turned or _pulled(vector._edge, run, budget, 1j)
        real, imaginary = (written_out(_filled(g[k], x, vector)) for g in (found, turned))
        made.append(real + 1j * imaginary)
    return made


def _all_rows(vector: Any, points: Any) -> list[Array]:
    """All rows at once, written out; see `Derivation`."""
    keys = [(point._edge, 0) for point in points]
    found = pull_identity(vector._edge, keys, True, ENOUGH)
    return [None if g is None else written_out(g) for g in found]


_derivation = Derivation(_all_rows)


def known(run: Evaluation, i: int) -> list[Array] | None:
    """All rows of a Jacobian by a program, None if there is no program for it."""
    result = run.results[i]
    if result._edge is None or result._desc.dtype.is_complex:
        return None
    vector = run.vector(i)
    found = _derivation.recall(vector, run.leaves)
    return found and [_filled(g, x, vector) for g, x in zip(found, run.leaves)]


def learn(run: Evaluation, i: int) -> None:
    """Let there be a program for real Jacobians of moderate size, where several are alike."""
    result = run.results[i]
    if result._edge is None or result._desc.dtype.is_complex:
        return
    size = math.prod(result._desc.shape)
    for x in run.leaves:
        if size * math.prod(x._desc.shape) > _SMALL or x._desc.dtype.is_complex:
            return
    _derivation.learn(run.vector(i), run.leaves)


def pulled_together(vector: Any, run: Evaluation, budget: int) -> list[Array]:
    """All rows of a real Jacobian in one walk, as blocks for as long as they stay so.

    Raises: OutOfBudget (a MemoryError) where that takes more than ``budget`` bytes.
    """
    found = pull_identity(vector._edge, run.keys(), True, budget)
    return [_filled(g, x, vector) for g, x in zip(found, run.leaves)]


def _filled(g: Array, leaf: Any, vector: Any) -> Array:
    if g is not None:
        return g
    return np.zeros((vector._desc.shape[0], *leaf._desc.shape), leaf._desc.numpy)


def _pulled(edge: Any, run: Evaluation, budget: int, unit: complex) -> list[Array]:
    """Every row, times ``unit``: together if they fit into the budget, else in portions."""
    keys = run.keys()
    n = edge.desc.shape[0]
    if unit == 1:
        try:
            return pull_identity(edge, keys, True, budget)
        except OutOfBudget:
            pass
    _, largest = graph_size(edge)
    step = rows_at_a_time(n, largest, edge.desc.numpy.itemsize, budget)
    parts: list[list[Array]] = []
    for start, count in portions(n, step, "Jacobian rows"):
        units = np.zeros((count, n), edge.desc.numpy)
        units[np.arange(count), start + np.arange(count)] = unit
        parts.append(pull_rows((edge,), (units,), keys, True))
    if len(parts) == 1:
        return parts[0]
    return [None if c[0] is None else np.concatenate(c) for c in zip(*parts)]


def portions(total: int, step: int, what: str) -> Iterator[tuple[int, int]]:
    """(start, count) of each portion; progress is shown where there are several."""
    starts = range(0, total, step)
    for start in steps(starts, what) if len(starts) > 1 else starts:
        yield start, min(step, total - start)


def written_out(g: Array) -> Array:
    """A block-diagonal Jacobian as an ordinary array; anything else as it is."""
    if type(g) is not BlockArray:
        return g
    return dense(BlockArray(g.value, g.level, g.axis)).value


def columns(
    f: Callable[..., Any], points: list[Any], spec: Any, largest: int, budget: int
) -> list[list[Array]]:
    """The Jacobian of each result by each leaf, forward: (*result, elements of the leaf)."""
    found: list[list[Array]] = []
    points = [point.detach() for point in points]
    for j, point in enumerate(points):
        n, shape = point.numel(), tuple(point.shape)
        step = rows_at_a_time(n, largest, point.element_size(), budget)
        parts = []
        for start, count in portions(n, step, "Jacobian columns"):
            units = np.zeros((count, n), point._desc.numpy)
            units[np.arange(count), start + np.arange(count)] = 1
            push = _pushing(f, points, spec, j)
            with mode_bits(off=modes.GRAD):
                parts.append(vmap(push)(make_tensor(units.reshape((count, *shape)))))
        columns_of = zip(*parts)
        found.append([np.concatenate([p.detach().numpy() for p in c]) for c in columns_of])
    return [[np.moveaxis(by[i], 0, -1) for by in found] for i in range(len(found[0]))]


def _pushing(f: Any, points: list[Any], spec: Any, j: int) -> Callable[[Any], Any]:
    def partial(x: Any) -> Any:
        return tree_leaves(f(tree_unflatten([*points[:j], x, *points[j + 1 :]], spec)))

    return lambda t: jvp(partial, (points[j],), (t,))[1]
