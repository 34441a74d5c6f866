"""The straight walk: backward on raw arrays with nothing special about it.

In: roots, as for `core/engine.py`.  Out: gradients accumulated at the leaves - or, at the first
node that has hooks, the state in which the engine goes on.  No captures, no anomaly detection, no
watched leaves.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock  # without the module around it, which an import need not load
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint._later import Later
from adjoint.array.descriptor import ARRAY
from adjoint.array.kernels import tiles
from adjoint.array.kernels.ufuncs import quick
from adjoint.core.fitting import add_in_place, fit, own
from adjoint.core.native import core as native
from adjoint.core.node import AccumulateGrad, Node, OutEdge
from adjoint.core.tensor_base import birthplace, make_tensor

if TYPE_CHECKING:
    from adjoint.core import tiled
else:
    tiled = Later("adjoint.core.tiled")

__all__ = ["flush_lock", "run_straight"]

Unfinished = tuple[dict[int, list[Any]], list[int], dict[AccumulateGrad, Any]]

flush_lock = allocate_lock()

_BIG = 1 << 16  # elements from which it pays to ask whether a sum can be made in place


def _references() -> int:
    held = [np.empty(1)]
    old = held[0]
    return sys.getrefcount(old)


_ALONE = _references()  # what a container and a local variable count for, in this Python


def _run_straight(
    roots: list[tuple[Any, Any]],
    keep: bool,
    found: dict[AccumulateGrad, Any] | None = None,
    needed: set[int] | None = None,
) -> Unfinished | None:
    """Walk back from ``roots``; None when all is done, else what is left at the first node with
    hooks.

    ``found``: where the cotangents of leaves are to go (None: into their ``.grad``); ``needed``:
    the numbers of the nodes and leaves that are to be reached (None: all).
    """
    heap: list[int] = []
    entries: dict[int, list[Any]] = {}
    leaves: dict[AccumulateGrad, Any] = {} if found is None else found
    node: Any = None
    g: Any = None
    if len(roots) == 1 and isinstance(roots[0][0], Node) and not roots[0][0].leaf:
        node, g = roots[0]  # one root: it need not wait among others
    else:
        for edge, h in roots:
            _arrive(edge, h, heap, entries, leaves)
    while heap or node is not None:
        if node is None:
            node, g = entries.pop(-heappop(heap))
        # The youngest node, then those behind it for as long as the next one is younger than all
        # that wait: no need to put it among them.
        plan = node.plan
        while True:
            if node.hooks is not None:
                entries[node.seq] = [node, g]
                heappush(heap, -node.seq)
                return entries, heap, leaves
            if not plan.exact and type(g) is np.ndarray and g.size >= tiles.LARGE:
                waiting = run_large(node, g, keep, entries, leaves, needed, -heap[0] if heap else 0)
                if waiting is not None:
                    for number in waiting:
                        heappush(heap, number)
                    break
            try:
                r = plan.pull(node, g)
            except (RuntimeWarning, FloatingPointError):  # the user's NumPy turns them into errors
                r = _pull_quietly(plan, node, g)
            if not keep and plan.frees:
                node.saved = None
            at = plan.bare
            if at >= 0:
                if r is None:
                    break
                edge = node.edges[at]
                if needed is not None and edge.node.seq not in needed:
                    break
                if not plan.fitting:
                    desc = edge.desc
                    if r.shape != desc.shape or r.dtype is not desc.numpy:
                        r = fit(r, desc, node, True)
                plan = edge.plan  # None: a leaf, or one of several outputs
                if plan is None or (heap and -heap[0] >= edge.seq):
                    if edge.leaf and edge not in leaves:
                        leaves[edge] = r
                    else:
                        _arrive(edge, r, heap, entries, leaves)
                    break
                node = edge
                g = r
                continue
            follow: Any = None
            for edge, h in zip(node.edges, r):
                if edge is None or h is None:
                    continue
                if needed is not None and edge.node.seq not in needed:
                    continue
                if not plan.fitting:
                    desc = edge.desc
                    if h.shape != desc.shape or h.dtype is not desc.numpy:
                        h = fit(h, desc, node, True)
                if edge is follow:  # x * x: both cotangents go to one place, one after the other
                    if edge.seq in entries:
                        _arrive(edge, g, heap, entries, leaves)
                        g = h
                    else:
                        g = _plus(g, h)
                elif edge.plan is None:
                    if edge.leaf and edge not in leaves:
                        leaves[edge] = h
                    else:
                        _arrive(edge, h, heap, entries, leaves)
                elif follow is None:
                    follow = edge
                    g = h
                else:
                    _arrive(edge, h, heap, entries, leaves)
            r = h = None  # what waits elsewhere may be added to in place
            if follow is None:
                break
            if heap and -heap[0] >= follow.seq:
                _arrive(follow, g, heap, entries, leaves)
                break
            node = follow
            plan = node.plan
        node = None
    if found is None:
        r = g = h = None  # what only the leaves hold they may keep
        _flush(leaves)
    return None


def run_large(
    node: Node,
    g: Any,
    keep: bool,
    entries: dict[int, list[Any]],
    leaves: dict[Any, Any],
    needed: set[int] | None,
    youngest: int,
) -> list[int] | None:
    """Run ``node`` and those after it tile by tile, if that is to be had (core/tiled.py)."""
    return tiled.run_region(node, g, keep, entries, leaves, needed, youngest, _arrive)


def _arrive(edge: Any, h: Any, heap: list[int], entries: Any, leaves: Any) -> None:
    """Add cotangent ``h`` at the leaf or node that ``edge`` leads to."""
    if edge.leaf:
        old = leaves.get(edge)
        if old is None:
            leaves[edge] = h
        elif old.size < _BIG or sys.getrefcount(old) > _ALONE or not tiles.add_to(old, h):
            leaves[edge] = _plus(old, h)
        return
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
        return
    seq = edge.seq
    entry = entries.get(seq)
    if entry is None:
        entries[seq] = [edge, h]
        heappush(heap, -seq)
    else:
        old = entry[1]
        if old.size < _BIG or sys.getrefcount(old) > _ALONE or not tiles.add_to(old, h):
            entry[1] = _plus(old, h)


def _plus(a: Any, b: Any) -> Any:
    try:
        if a.size >= tiles.LARGE and isinstance(a, np.ndarray):
            return tiles.elementwise(quick(np.add), (a, b))
        return a + b
    except (RuntimeWarning, FloatingPointError):
        with np.errstate(all="ignore"):
            return a + b


def _flush(leaves: dict[AccumulateGrad, Any]) -> None:
    """Accumulate at leaves that nobody watches."""
    with flush_lock:
        while leaves:
            leaf, g = leaves.popitem()
            if type(leaf) is AccumulateGrad:  # variable_requires_grad, in line
                tensor = leaf._ref()
                if tensor is not None and tensor._edge is not leaf:
                    continue
            elif not leaf.variable_requires_grad():
                continue
            old = leaf.grad
            if old is None:
                g = own(g, leaf, 2)
                desc = leaf.desc
                leaf.grad = make_tensor(g, None, desc if desc.storage == ARRAY else None)
            else:
                add_in_place(old, g)


def _pull_quietly(plan: Any, node: Node, g: Any) -> Any:
    with np.errstate(all="ignore"):
        return plan.pull(node, g)


run_straight = _run_straight if native is None else native.run_straight

if native is not None:
    native.setup(
        AccumulateGrad=AccumulateGrad,
        OutEdge=OutEdge,
        make_tensor=make_tensor,
        pull_quietly=_pull_quietly,
        fit=fit,
        plus=_plus,
        add_to=tiles.add_to,
        own=own,
        run_large=run_large,
        add_in_place=add_in_place,
        lock=flush_lock.acquire,
        release=flush_lock.release,
        born=birthplace,
    )
