"""Many gradients in one walk: what a recorded graph pulls back for several cotangents at once.

In: outputs with a place on the tape, inputs, and the cotangents side by side.  Out: raw arrays with
one gradient for each of them in front.  The walk is the ordinary one, on batched arrays
(array/batched): one for a block of rows, or block-diagonal ones (`identity`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.array.batched import BatchedArray, Level, block_rules, spread
from adjoint.array.batched.blocks import BlockArray, dense, identity
from adjoint.core.engine import run_backward
from adjoint.ops.batching import open_rows

__all__ = ["pull_identity", "pull_rows"]

Array = Any
assert block_rules


def pull_rows(
    edges: Sequence[Any], rows: Sequence[Array], keys: Sequence[tuple[Any, int]], keep: bool
) -> list[Array]:
    """The gradients by ``keys`` (nodes and output numbers) for rows of cotangents.

    Shape: each of ``rows`` (n, *output); results (n, *input), zero-strided where the rows agree,
    None where nothing arrives.
    """
    with open_rows(len(rows[0]), "same") as level:
        roots = [(edge, BatchedArray(r, level)) for edge, r in zip(edges, rows)]
        found = _walk(roots, keys, keep)
        return [None if g is None else _values(g, level) for g in found]


def pull_identity(
    edge: Any, keys: Sequence[tuple[Any, int]], keep: bool, budget: int | None = None
) -> list[Array]:
    """The gradients by ``keys`` for every unit cotangent of a vector.

    They are raw arrays (n, *input), or `BlockArray`s where they stayed block-diagonal; None where
    nothing arrives.
    Raises: OutOfBudget where they would have to be written out beyond ``budget`` bytes on the way.
    """
    desc = edge.desc
    with open_rows(desc.shape[0], "same") as level:
        found = _walk([(edge, identity(level, desc.numpy, budget))], keys, keep)
        return [g if g is None or type(g) is BlockArray else _values(g, level) for g in found]


def _walk(roots: list[Any], keys: Sequence[tuple[Any, int]], keep: bool) -> list[Any]:
    found = run_backward(
        roots, keep=keep, create=False, inputs=list(keys), accumulate=False, world=False
    )
    return [found.get(i) for i in range(len(keys))]


def _values(g: Any, level: Level) -> Array:
    g = dense(g)
    if type(g) is not BatchedArray:
        return np.broadcast_to(g, (level.size, *np.shape(g)))
    return g.value if g.level is level else spread(g, level).value
