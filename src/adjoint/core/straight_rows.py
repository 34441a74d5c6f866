"""The straight walk for many rows of cotangents at once.

In: roots with cotangents that have a first axis of rows, as plain NumPy arrays.  Out: what arrives
at the leaves, likewise - or word that something on the way wants the engine: hooks, a custom
Function, samples of another level.

Note [Rows in front]
    Elementwise rules on equal shapes are applied to the arrays as they are: the rows are in front,
    and broadcasting does the rest. For all other rules the rows are hidden in a `BatchedArray`
    (array/batched) while the rule runs.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from adjoint.array.batched.levels import BatchedArray, BatchedValueError, Level
from adjoint.array.descriptor import array_type
from adjoint.array.silence import restore, silence
from adjoint.core.fitting import fit
from adjoint.core.node import AccumulateGrad, Node, OutEdge
from adjoint.core.plan import Plan
from adjoint.core.pulls import straight_pull
from adjoint.core.tensor_base import make_tensor

__all__ = ["leads_only_to", "unit_rows", "walk_rows"]

# Whether the rules of a plan are elementwise, on operands of one shape and dtype.
_elementwise: dict[Any, bool] = {}

# The pulls of plans of the straight path, over batched cotangents.
_pulls: dict[Any, Any] = {}


class _NeedsEngine(Exception):
    """Something that only the engine can do."""


def unit_rows(tensors: Sequence[Any], start: int, count: int) -> list[Any]:
    """Some rows of the identity matrix, cut to pieces of the shapes of ``tensors``."""
    made = []
    offset = 0
    for tensor in tensors:
        desc = tensor._desc
        kind = array_type(desc.dtype)
        n = tensor.numel()
        rows = kind.xp.zeros((count, n), kind.numpy)
        first, last = max(start, offset), min(start + count, offset + n)
        if first < last:  # the part of the diagonal that is here
            places = slice((first - start) * n + first - offset, None, n + 1)
            rows.reshape(-1)[places][: last - first] = 1
        made.append(make_tensor(rows.reshape((count, *desc.shape))))
        offset += n
    return made


def leads_only_to(edges: Iterable[Any], leaves: Container[Any]) -> bool:
    """Whether gradients that enter ``edges`` reach no other leaves."""
    seen: set[Any] = set()
    todo = list(edges)
    while todo:
        edge = todo.pop()
        node = edge.node if type(edge) is OutEdge else edge
        if node is None or node in seen:
            continue
        if node.leaf:
            if node not in leaves:
                return False
            continue
        seen.add(node)
        todo += node.edges
    return True


def walk_rows(roots: list[tuple[Any, Any]], level: Level, found: dict[AccumulateGrad, Any]) -> bool:
    """Walk back from ``roots``, keeping the graph; put what arrives at leaves into ``found``.

    ``level``: open, for the rows. Returns: False, with nothing done, if the engine is needed.
    """
    token = silence()
    try:
        _walk(roots, level, found)
    except (_NeedsEngine, BatchedValueError):
        found.clear()
        return False
    finally:
        restore(token)
    return True


def _walk(roots: list[tuple[Any, Any]], level: Level, leaves: dict[AccumulateGrad, Any]) -> None:
    heap: list[int] = []
    entries: dict[int, list[Any]] = {}
    for edge, rows in roots:
        _arrive(edge, rows, heap, entries, leaves)
    while heap:
        node, g = entries.pop(-heappop(heap))
        while True:
            if node.hooks is not None:
                raise _NeedsEngine
            plan = node.plan
            plain = _elementwise.get(plan)
            if plain is None:
                plain = _elementwise[plan] = _is_elementwise(plan)
            r = plan.pull(node, g) if plain else _hidden(plan, node, g, level)
            edges = node.edges
            at = plan.bare
            if at >= 0:
                pairs: Any = ((edges[at], r),)
            else:
                pairs = zip(edges, r)
            follow: Any = None
            for edge, h in pairs:
                if edge is None or h is None:
                    continue
                if not plain:
                    h = _shown(h, edge.desc, node, level)
                if edge is follow:
                    g = g + h
                elif follow is None and not edge.leaf and type(edge) is not OutEdge:
                    follow, g = edge, h
                else:
                    _arrive(edge, h, heap, entries, leaves)
            if follow is None:
                break
            if heap and -heap[0] >= follow.seq:
                _arrive(follow, g, heap, entries, leaves)
                break
            node = follow


def _is_elementwise(plan: Any) -> bool:
    return (
        type(plan) is Plan
        and plan.exact
        and plan.fitting
        and plan.op.family == "elementwise"
        and not plan.whole
    )


def _hidden(plan: Any, node: Node, g: Any, level: Level) -> Any:
    """What a rule makes of cotangents whose rows it does not see."""
    if type(g) is list:
        slots = [None if x is None else BatchedArray(x, level) for x in g]
        return plan.pull_general(node, slots) if plan.exact else plan.pull(node, slots)
    given = BatchedArray(g, level)
    if not plan.exact:
        return plan.pull(node, given)
    pull = _pulls.get(plan)
    if pull is None:
        pull = _pulls[plan] = straight_pull(plan, given.array_library)
    return pull(node, given)


def _shown(h: Any, desc: Any, node: Node, level: Level) -> Any:
    """A cotangent fitted to its edge, with the rows in front again."""
    if type(h) is BatchedArray and h.level is level:
        value = h.value
        if (
            type(value) is np.ndarray
            and value.shape[1:] == desc.shape
            and value.dtype is desc.numpy
        ):
            return value
    if h.shape != desc.shape or h.dtype != desc.numpy:
        h = fit(h, desc, node, True)
    if type(h) is BatchedArray:
        if h.level is not level or type(h.value) is not np.ndarray:
            raise _NeedsEngine
        return h.value
    if not isinstance(h, np.ndarray | np.generic):
        raise _NeedsEngine
    return np.broadcast_to(h, (level.size, *h.shape))


def _arrive(edge: Any, h: Any, heap: list[int], entries: Any, leaves: Any) -> None:
    """Add cotangent ``h`` at the leaf or node that ``edge`` leads to."""
    if edge.leaf:
        if edge.hooks is not None:
            raise _NeedsEngine
        old = leaves.get(edge)
        leaves[edge] = h if old is None else old + h
        return
    node = edge.node if type(edge) is OutEdge else edge
    several = type(node.desc) is tuple
    entry = entries.get(node.seq)
    if entry is None:
        entry = entries[node.seq] = [node, [None] * len(node.desc) if several else None]
        heappush(heap, -node.seq)
    if several:
        slots = entry[1]
        slots[edge.nr] = h if slots[edge.nr] is None else slots[edge.nr] + h
    else:
        entry[1] = h if entry[1] is None else entry[1] + h
