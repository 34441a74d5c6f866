"""The backward walk: one text for two worlds, raw arrays and Tensors.

In: roots (edges with their cotangents).  Out: gradients accumulated at the leaves, or captured for `inputs`.

Note [Order]
    Nodes run by descending sequence number: a node is younger than all it came from, so when its
    turn comes every cotangent has arrived. A leaf's gradient is complete when the last node that
    feeds it has run; unless someone watches (hooks on leaves), leaves are flushed together at the end,
    so that a backward that fails leaves every ``.grad`` as it was.
"""

from __future__ import annotations

import sys
import threading
from heapq import heappop, heappush
from typing import Any

import numpy as np

from adjoint.array import dtypes, numpy_
from adjoint.array.descriptor import SCALAR, Descriptor, describe
from adjoint.core import mode as modes
from adjoint.core.hooks import NodeHooks
from adjoint.core.mode import get_mode, set_mode
from adjoint.core.node import AccumulateGrad, Node, OutEdge
from adjoint.core.plan import tensor_world
from adjoint.core.tensor_base import TensorBase, make_tensor

__all__ = ["fit", "run_backward"]

_flush_lock = threading.Lock()


class Walk:
    """The state of one backward: which world, what to keep, what to capture."""

    __slots__ = (
        *("accumulate", "captured", "captures", "counts", "entries", "heap", "keep", "leaves"),
        *("needed", "raw"),
    )

    def __init__(self, raw: bool, keep: bool, accumulate: bool) -> None:
        self.raw = raw
        self.keep = keep
        self.accumulate = accumulate
        self.entries: dict[int, list[Any]] = {}  # sequence number -> [node, cotangent(s)]
        self.heap: list[int] = []
        self.leaves: dict[AccumulateGrad, Any] = {}
        self.needed: set[int] | None = None
        self.captures: dict[tuple[Any, int], list[int]] = {}
        self.captured: dict[int, Any] = {}
        self.counts: dict[AccumulateGrad, int] | None = None

    # ---- arriving cotangents -----------------------------------------------------------------

    def send(self, edge: Any, g: Any) -> None:
        """Add cotangent ``g`` (fitted) at ``edge``."""
        if edge.leaf:
            old = self.leaves.get(edge)
            self.leaves[edge] = g if old is None else old + g
            return
        node = edge.node if type(edge) is OutEdge else edge
        seq = node.seq
        entry = self.entries.get(seq)
        if type(node.desc) is tuple:
            if entry is None:
                entry = self.entries[seq] = [node, [None] * len(node.desc)]
                heappush(self.heap, -seq)
            slots = entry[1]
            slots[edge.nr] = g if slots[edge.nr] is None else slots[edge.nr] + g
        elif entry is None:
            self.entries[seq] = [node, g]
            heappush(self.heap, -seq)
        elif entry[1] is None:
            entry[1] = g
        else:
            entry[1] = entry[1] + g

    def touch(self, edge: Any) -> None:
        """A node whose cotangent stays undefined still runs (its hooks and counts may matter)."""
        if not edge.leaf and edge.node.seq not in self.entries:
            node = edge.node
            undefined = [None] * len(node.desc) if type(node.desc) is tuple else None
            self.entries[node.seq] = [node, undefined]
            heappush(self.heap, -node.seq)

    # ---- the walk ----------------------------------------------------------------------------

    def run(self) -> None:
        """Run every node that has a cotangent, youngest first."""
        heap, entries, raw, keep = self.heap, self.entries, self.raw, self.keep
        leaves, needed, counts, send = self.leaves, self.needed, self.counts, self.send
        special = needed is not None or counts is not None
        anomaly = get_mode() & modes.ANOMALY
        while heap:
            node, g = entries.pop(-heappop(heap))
            while True:
                if node.hooks is not None or special or anomaly:
                    self.run_special(node, g, anomaly)
                    break
                plan = node.plan
                r = plan.pull(node, g) if raw else plan.pull_tensors(node, g)
                if not keep and plan.frees:
                    node.saved = None
                at = plan.bare
                if at < 0:
                    for edge, h in zip(node.edges, r):
                        if edge is not None and h is not None:
                            if not plan.fitting:
                                h = fit(h, edge.desc, node, raw)
                            send(edge, h)
                    break
                if r is None:
                    break
                edge = node.edges[at]
                if not plan.fitting:
                    r = fit(r, edge.desc, node, raw)
                if edge.leaf:
                    old = leaves.get(edge)
                    leaves[edge] = r if old is None else old + r
                    break
                if heap or type(edge) is OutEdge:
                    send(edge, r)
                    break
                node = edge  # a chain: nothing else is waiting
                g = r

    def run_special(self, node: Node, g: Any, anomaly: int) -> None:
        """One node with hooks, captures, counted leaves or anomaly detection."""
        raw = self.raw
        hooks = node.hooks
        several = type(node.desc) is tuple
        if hooks is not None and (hooks.tensor or hooks.retain):
            g = self.tensor_hooks(node, hooks, g)
        if self.captures:
            for nr in range(len(node.desc)) if several else (0,):
                for index in self.captures.get((node, nr), ()):
                    self.captured[index] = g[nr] if several else g
        if self.needed is not None and node.seq not in self.needed:
            self.count_down(node)
            return
        if hooks is not None and hooks.pre:
            g = self.pre_hooks(node, hooks, g)
        g_in = g
        if node.plan is None:
            r: Any = ()
        elif (g is None and not node.plan.runs_undefined) or (several and all(x is None for x in g) and not node.plan.runs_undefined):
            r = (None,) * len(node.edges)
        elif raw:
            r = node.plan.pull(node, g)
        else:
            r = node.plan.pull_tensors(node, g)
        if node.plan is not None and node.plan.bare >= 0 and g is not None:
            r = tuple(r if i == node.plan.bare else None for i in range(len(node.edges)))
        results = [
            None if edge is None or h is None else fit(h, edge.desc, node, raw)
            for edge, h in zip(node.edges, r)
        ]
        if anomaly:
            _check_nan(node, results)
        if not self.keep and node.plan is not None and node.plan.frees:
            node.saved = None
        if hooks is not None and hooks.post:
            results = self.post_hooks(node, hooks, results, g_in)
        for edge, h in zip(node.edges, results):
            if edge is None:
                continue
            if h is not None:
                self.send(edge, h)
            else:
                self.touch(edge)
        self.count_down(node)

    def count_down(self, node: Node) -> None:
        """Flush the leaves that only this node was still expected to feed."""
        counts = self.counts
        if counts is None:
            return
        for edge in node.edges:
            if edge is not None and edge.leaf:
                counts[edge] -= 1
                if not counts[edge]:
                    g = self.leaves.pop(edge, None)
                    if g is not None:
                        self.finish_leaf(edge, g)

    # ---- hooks -------------------------------------------------------------------------------

    def as_tensor(self, g: Any) -> Any:
        """A cotangent as the user's hooks see it."""
        return g if g is None or not self.raw else make_tensor(g)

    def as_cotangent(self, t: Any) -> Any:
        """What a hook returned, as a cotangent of this world."""
        return t if t is None or not self.raw else t._array

    def call_tensor_hooks(self, table: Any, g: Any, desc: Descriptor, what: str) -> Any:
        """Run the hooks of one tensor on its gradient."""
        for hook in list(table.values()):
            t = self.as_tensor(g)
            result = hook(t)
            if result is None:
                continue
            check_hook_result(result, t, desc, hook)
            g = self.as_cotangent(result)
        return g

    def tensor_hooks(self, node: Node, hooks: NodeHooks, g: Any) -> Any:
        """Hooks of the tensors that this node made, then those that keep ``.grad``."""
        several = type(node.desc) is tuple
        slots = list(g) if several else [g]
        descs = node.desc if several else (node.desc,)
        for nr, desc in enumerate(descs):
            if slots[nr] is None:
                continue
            if nr in hooks.tensor:
                slots[nr] = self.call_tensor_hooks(hooks.tensor[nr], slots[nr], desc, node.name())
            side = hooks.retain.get(nr)
            if side is not None:
                owner = side()
                if owner is not None:
                    keep_gradient(owner._rare(), self.as_tensor(slots[nr]), self.raw)
        return slots if several else slots[0]

    def pre_hooks(self, node: Node, hooks: NodeHooks, g: Any) -> Any:
        """The node's pre-hooks: they see and may replace the tuple of gradients of its outputs."""
        several = type(node.desc) is tuple
        assert hooks.pre is not None
        for hook in list(hooks.pre.values()):
            before = tuple(map(self.as_tensor, g)) if several else (self.as_tensor(g),)
            result = hook(before)
            if result is None:
                continue
            result = check_hook_tuple(result, before, "pre hook", node)
            g = [self.as_cotangent(t) for t in result] if several else self.as_cotangent(result[0])
        return g

    def post_hooks(self, node: Node, hooks: NodeHooks, results: list[Any], g: Any) -> list[Any]:
        """The node's hooks: they see gradients of inputs and outputs and may replace the former."""
        several = type(node.desc) is tuple
        outputs = tuple(map(self.as_tensor, g)) if several else (self.as_tensor(g),)
        assert hooks.post is not None
        for hook in list(hooks.post.values()):
            before = tuple(map(self.as_tensor, results))
            result = hook(before, outputs)
            if result is None:
                continue
            result = check_hook_tuple(result, before, "hook", node)
            results = [self.as_cotangent(t) for t in result]
        return results

    # ---- leaves ------------------------------------------------------------------------------

    def finish_leaf(self, leaf: AccumulateGrad, g: Any) -> None:
        """A leaf's gradient is complete: hooks, capture, accumulation."""
        hooks = leaf.hooks
        if hooks is not None and 0 in hooks.tensor:
            g = self.call_tensor_hooks(hooks.tensor[0], g, leaf.desc, "AccumulateGrad")
        indices = self.captures.get((leaf, 0))
        if indices is not None:
            for index in indices:
                self.captured[index] = g
        if not self.accumulate or (self.needed is not None and indices is None):
            return
        if hooks is not None and hooks.pre:
            g = self.pre_hooks(leaf, hooks, g)
        if leaf.variable_requires_grad():
            accumulate(leaf, g, self.raw)
        if hooks is not None:
            if hooks.accumulated:
                variable = leaf.variable
                for hook in list(hooks.accumulated.values()):
                    hook(variable)
            if hooks.post:
                self.post_hooks(leaf, hooks, [], g)


# ---- accumulation --------------------------------------------------------------------------------


def _own(g: Any, references: int) -> Any:
    """``g`` itself where nobody else can see it, else a copy: a gradient must not share memory."""
    if not isinstance(g, np.ndarray):
        return g if isinstance(g, np.generic) else g.copy()
    base = g.base
    if (
        sys.getrefcount(g) <= references + 1
        and g.flags.c_contiguous
        and g.flags.writeable
        and (base is None or (type(base) is np.ndarray and sys.getrefcount(base) <= 3))
    ):
        return g
    return g.copy()


def accumulate(leaf: AccumulateGrad, g: Any, raw: bool) -> None:
    """Add ``g`` to the leaf's gradient: in place on raw arrays, as a new tensor under create_graph."""
    old = leaf.grad
    if not raw:
        if old is not None:
            leaf.grad = old + g
        else:
            leaf.grad = tensor_world().copy(g) if get_mode() & modes.GRAD else g
        return
    if old is None:
        leaf.grad = make_tensor(_own(g, 3))
        return
    add_in_place(old, g, leaf)


def add_in_place(old: Any, g: Any, leaf: AccumulateGrad) -> None:
    """``old += g`` on raw arrays, visible through every alias of ``old``."""
    if old._edge is not None and not old._edge.leaf:
        leaf.grad = make_tensor(old._array + g)
        return
    if old._desc.storage == SCALAR:
        old._array = old._array + g
        if old._edge is not None:
            old._edge.adopt(old)
    else:
        old._array += g
    old._version_counter().value += 1


def keep_gradient(side: Any, g: Any, raw: bool) -> None:
    """Set ``.grad`` of a tensor that is not a leaf (``retain_grad``)."""
    old = side.grad
    if old is None:
        if raw:
            g = make_tensor(numpy_.copy(g._array) if isinstance(g._array, np.ndarray) else g._array)
        side.grad = g
    else:
        side.grad = old + g


# ---- fitting -------------------------------------------------------------------------------------


def fit(g: Any, desc: Descriptor, node: Node, raw: bool) -> Any:
    """Sum and cast a cotangent to the shape and dtype of the edge that it travels along.

    Here broadcasting and promotion are undone; no rule mentions them.
    """
    if raw:
        if g.shape != desc.shape:
            g = _sum_to(numpy_ if isinstance(g, np.ndarray | np.generic) else g.array_library, g, desc, node)
        if g.dtype is not desc.numpy and g.dtype != desc.numpy:
            g = desc.type.xp.astype(g, desc.numpy)
        return g
    if g._desc is desc:
        return g
    xp = tensor_world()
    if g._desc.shape != desc.shape:
        g = _sum_to(xp, g, desc, node)
    if g._desc.dtype is not desc.dtype:
        g = xp.astype(g, desc.dtype)
    return g


def _sum_to(xp: Any, g: Any, desc: Descriptor, node: Node) -> Any:
    shape, given = desc.shape, tuple(g.shape)
    lead = len(given) - len(shape)
    if lead < 0 or any(n != m and n != 1 for n, m in zip(shape, given[lead:])):
        raise RuntimeError(
            f"Function {node.name()} returned an invalid gradient at index "
            f"{_edge_index(node, desc)} - got {list(given)} but expected shape compatible with {list(shape)}"
        )
    kept = tuple(lead + i for i, n in enumerate(shape) if n == 1 and given[lead + i] != 1)
    if lead:
        g = xp.sum(g, axis=tuple(range(lead)), keepdims=False)
        kept = tuple(a - lead for a in kept)
    return xp.sum(g, axis=kept, keepdims=True) if kept else g


def _edge_index(node: Node, desc: Descriptor) -> int:
    return next((i for i, e in enumerate(node.edges) if e is not None and e.desc is desc), 0)


# ---- checks --------------------------------------------------------------------------------------


def check_hook_result(result: Any, given: Any, desc: Descriptor, hook: Any) -> None:
    """PyTorch's checks on what a tensor hook returns."""
    name = getattr(hook, "__name__", "hook")
    if not isinstance(result, TensorBase):
        raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}'")
    if result._desc.dtype is not desc.dtype:
        raise RuntimeError(
            f"hook '{name}' has changed the type of value (was {_type(desc)} got {_type(result._desc)})"
        )
    if result._desc.shape != desc.shape:
        raise RuntimeError(f"hook '{name}' has changed the size of value")


def _type(desc: Descriptor) -> str:
    return f"torch.{desc.dtype.name}"


def check_hook_tuple(result: Any, before: tuple[Any, ...], kind: str, node: Node) -> tuple[Any, ...]:
    """PyTorch's checks on what a node hook returns."""
    if isinstance(result, TensorBase):
        result = (result,)
    if not isinstance(result, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(result).__name__}'")
    if len(result) != len(before):
        raise RuntimeError(
            f"hook has returned an incorrect number of values (got {len(result)}, expected {len(before)})"
        )
    for new, old in zip(result, before):
        if new is not None and not isinstance(new, TensorBase):
            raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
        if old is not None and new is None:
            raise RuntimeError("can't replace a Variable with None with hook")
        if old is not None and new._desc.shape != old._desc.shape:
            raise RuntimeError("hook has changed the size of value")
    return result


def _check_nan(node: Node, results: list[Any]) -> None:
    for i, r in enumerate(results):
        value = r._array if isinstance(r, TensorBase) else r
        if value is not None and value.dtype.kind in "fc" and np.isnan(value).any():
            if not _anomaly_nan_check():
                return
            trace = "".join(node.metadata.get("traceback_", ()))
            made = f" It was made here:\n{trace}" if trace else ""
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.{made}")


def _anomaly_nan_check() -> bool:
    return anomaly_options[0]


anomaly_options = [True]


# ---- entry ---------------------------------------------------------------------------------------


def leaf_hooks_exist() -> bool:
    """Whether any hook was ever put on a leaf, so that the moment of its accumulation is visible."""
    return watched_leaves[0]


watched_leaves = [False]


def run_backward(
    roots: list[tuple[Any, Any]],
    *,
    keep: bool,
    create: bool,
    inputs: list[tuple[Any, int]] | None = None,
    accumulate: bool = True,
) -> dict[int, Any]:
    """Walk back from ``roots``; return the captured cotangents by index of ``inputs``.

    ``roots``: (edge, cotangent) pairs, raw arrays or (with ``create``) Tensors; ``inputs``: (node, output
    number) pairs to capture, or None; ``accumulate``: whether leaves add to their ``.grad``.
    """
    before = get_mode()
    set_mode(before | modes.GRAD if create else before & ~modes.GRAD)
    try:
        if not (create or watched_leaves[0] or before & modes.ANOMALY) and inputs is None:
            walk = _run_plain(roots, keep)
        else:
            walk = Walk(not create, keep, accumulate)
            if inputs is not None or watched_leaves[0]:
                _prepare(walk, [edge for edge, _ in roots], inputs)
            for edge, g in roots:
                walk.send(edge, g)
        if walk is not None:
            with np.errstate(all="ignore"):
                walk.run()
                while walk.leaves:
                    leaf = next(iter(walk.leaves))
                    walk.finish_leaf(leaf, walk.leaves.pop(leaf))
    finally:
        set_mode(before)
    return {} if walk is None else walk.captured


def _run_plain(roots: list[tuple[Any, Any]], keep: bool) -> Walk | None:
    """The walk on raw arrays with nothing special about it; returns a `Walk` to go on with at the
    first node that has hooks, or None when all is done."""
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
                return _go_on(entries, heap, leaves, node, g, keep)
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


def _go_on(
    entries: dict[int, list[Any]], heap: list[int], leaves: dict[Any, Any], node: Any, g: Any, keep: bool
) -> Walk:
    walk = Walk(True, keep, True)
    entries[node.seq] = [node, g]
    heappush(heap, -node.seq)
    walk.entries, walk.heap, walk.leaves = entries, heap, leaves
    return walk


def _flush(leaves: dict[AccumulateGrad, Any]) -> None:
    """Accumulate at leaves that nobody watches."""
    with _flush_lock:
        while leaves:
            leaf, g = leaves.popitem()
            old = leaf.grad
            if old is not None:
                add_in_place(old, g, leaf)
                continue
            if type(g) is np.ndarray:
                base = g.base
                if (
                    sys.getrefcount(g) > 2
                    or not g.flags.c_contiguous
                    or not g.flags.writeable
                    or (base is not None and (type(base) is not np.ndarray or sys.getrefcount(base) > 3))
                ):
                    g = g.copy()
            elif not isinstance(g, np.generic):
                g = g.copy()
            if leaf.variable_requires_grad():
                leaf.grad = make_tensor(g)


def _prepare(walk: Walk, roots: list[Any], inputs: list[tuple[Any, int]] | None) -> None:
    """Look at the reachable graph: which nodes lead to ``inputs``, how many edges enter each leaf."""
    nodes: dict[int, Node] = {}
    counts: dict[AccumulateGrad, int] = {}
    todo = [e.node for e in roots if not e.leaf]
    for edge in roots:
        if edge.leaf:
            counts[edge] = counts.get(edge, 0)
    while todo:
        node = todo.pop()
        if node.seq in nodes:
            continue
        nodes[node.seq] = node
        for edge in node.edges:
            if edge is None:
                continue
            if edge.leaf:
                counts[edge] = counts.get(edge, 0) + 1
            else:
                todo.append(edge.node)
    if watched_leaves[0]:
        walk.counts = counts
    if inputs is None:
        return
    wanted = set()
    for index, (node, nr) in enumerate(inputs):
        walk.captures.setdefault((node, nr), []).append(index)
        wanted.add(node)
    needed: set[int] = set()
    for seq in sorted(nodes):
        for edge in nodes[seq].edges:
            if edge is not None and (edge.node in wanted or edge.node.seq in needed):
                needed.add(seq)
                break
    walk.needed = needed


def ensure_floating(desc: Descriptor) -> bool:
    """Whether tensors of this dtype can carry a gradient."""
    return desc.dtype.category >= dtypes.FLOATING


def desc_of(raw: Any) -> Descriptor:
    """The descriptor of a cotangent."""
    return describe(raw)
