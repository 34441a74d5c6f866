"""The straight walk: backward on raw arrays with nothing special about it.

In: roots, as for `core/engine.py`.  Out: gradients accumulated at the leaves - or, at the first node that has hooks,
the state in which the engine goes on.  No captures, no anomaly detection, no watched leaves.
"""

from __future__ import annotations

import threading
from heapq import heappop, heappush
from typing import Any

import numpy as np

from adjoint.core.fitting import add_in_place, fit, own
from adjoint.core.node import AccumulateGrad, OutEdge
from adjoint.core.tensor_base import make_tensor

__all__ = ["flush_lock", "run_straight"]

Unfinished = tuple[dict[int, list[Any]], list[int], dict[AccumulateGrad, Any]]

flush_lock = threading.Lock()


def run_straight(roots: list[tuple[Any, Any]], keep: bool) -> Unfinished | None:
    """Walk back from ``roots``; None when all is done, else what is left at the first node with hooks."""
    heap: list[int] = []
    entries: dict[int, list[Any]] = {}
    leaves: dict[AccumulateGrad, Any] = {}
    waiting = list(roots)
    node: Any = None
    while True:
        # 1. cotangents on their way to their nodes
        for edge, h in waiting:
            if edge.leaf:
                old = leaves.get(edge)
                leaves[edge] = h if old is None else _plus(old, h)
                continue
            if type(edge) is OutEdge:
                target = edge.node
                entry = entries.get(target.seq)
                if entry is None:
                    slots = [None] * len(target.desc)
                    entries[target.seq] = [target, slots]
                    heappush(heap, -target.seq)
                else:
                    slots = entry[1]
                nr = edge.nr
                slots[nr] = h if slots[nr] is None else _plus(slots[nr], h)
                continue
            entry = entries.get(edge.seq)
            if entry is None:
                entries[edge.seq] = [edge, h]
                heappush(heap, -edge.seq)
            else:
                entry[1] = _plus(entry[1], h)
        if not heap:
            break
        node, g = entries.pop(-heappop(heap))
        # 2. the youngest node, then the chain of nodes behind it while nothing else is waiting
        while True:
            if node.hooks is not None:
                entries[node.seq] = [node, g]
                heappush(heap, -node.seq)
                return entries, heap, leaves
            plan = node.plan
            try:
                r = plan.pull(node, g)
            except (RuntimeWarning, FloatingPointError):  # the user's NumPy turns them into errors
                with np.errstate(all="ignore"):
                    r = plan.pull(node, g)
            if not keep and plan.frees:
                node.saved = None
            at = plan.bare
            if at >= 0:
                edge = node.edges[at]
                if r is None:
                    waiting = ()  # type: ignore[assignment]
                    break
                if not plan.fitting:
                    desc = edge.desc
                    if r.shape != desc.shape or r.dtype is not desc.numpy:
                        r = fit(r, desc, node, True)
            else:
                waiting = [
                    (e, h if plan.fitting else fit(h, e.desc, node, True))
                    for e, h in zip(node.edges, r)
                    if e is not None and h is not None
                ]
                if len(waiting) != 2 or waiting[0][0] is not waiting[1][0]:
                    break
                edge, r = waiting[0]  # x * x: both cotangents go to one place
                r = _plus(r, waiting[1][1])
            if heap or edge.leaf or type(edge) is OutEdge:
                waiting = [(edge, r)]
                break
            node = edge
            g = r
    _flush(leaves)
    return None


def _plus(a: Any, b: Any) -> Any:
    try:
        return a + b
    except (RuntimeWarning, FloatingPointError):
        with np.errstate(all="ignore"):
            return a + b


def _flush(leaves: dict[AccumulateGrad, Any]) -> None:
    """Accumulate at leaves that nobody watches."""
    with flush_lock:
        while leaves:
            leaf, g = leaves.popitem()
            if not leaf.variable_requires_grad():
                continue
            old = leaf.grad
            if old is None:
                leaf.grad = make_tensor(own(g, leaf, 2))
            else:
                add_in_place(old, g)
