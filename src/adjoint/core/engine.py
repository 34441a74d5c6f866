"""The backward walk: one text for two worlds, raw arrays and Tensors.

In: roots (edges with their cotangents).  Out: gradients accumulated at the leaves, or captured for
`inputs`.

Note [Order]
    Nodes run by descending sequence number: a node is younger than all it came from, so when its
    turn comes every cotangent has arrived. A leaf's gradient is complete when the last node that
    feeds it has run; unless someone watches (hooks on leaves), leaves are flushed together at the
    end, so that a backward that fails leaves every ``.grad`` as it was.
"""

from __future__ import annotations

from contextvars import ContextVar
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from adjoint._later import Later
from adjoint.array.descriptor import Descriptor
from adjoint.array.silence import restore, silence
from adjoint.core import mode as modes
from adjoint.core.duals import open_levels
from adjoint.core.fitting import accumulate, fit, keep_gradient
from adjoint.core.hook_results import check_hook_result, check_hook_tuple
from adjoint.core.hooks import NodeHooks
from adjoint.core.lifting import pull_any
from adjoint.core.masked import masked
from adjoint.core.mode import get_mode, set_mode
from adjoint.core.node import AccumulateGrad, Node, OutEdge
from adjoint.core.reaching import leading, prepare
from adjoint.core.straight import flush_lock, run_straight
from adjoint.core.tensor_base import TensorBase, make_tensor, show_cotangent

if TYPE_CHECKING:
    from adjoint.core import anomaly, anomaly_report
else:
    anomaly = Later("adjoint.core.anomaly")
    anomaly_report = Later("adjoint.core.anomaly_report")

__all__ = ["Walk", "run_backward", "run_root", "running", "watched_leaves"]


class Walk:
    """The state of one backward: which world, what to keep, what to capture."""

    __slots__ = (
        *("__weakref__", "accumulate", "captured", "captures", "counts", "entries", "general"),
        *("heap", "keep", "leaves", "masked", "needed", "raw", "roots", "trace", "watched"),
    )

    def __init__(self, raw: bool, keep: bool, accumulate: bool) -> None:
        self.raw = raw
        self.general = bool(get_mode() & modes.LIBRARIES)  # cotangents may not be NumPy's arrays
        self.masked = bool(get_mode() & modes.MASKED)
        self.keep = keep
        self.accumulate = accumulate
        self.entries: dict[int, list[Any]] = {}  # sequence number -> [node, cotangent(s)]
        self.heap: list[int] = []
        self.leaves: dict[AccumulateGrad, Any] = {}
        self.needed: set[int] | None = None
        self.captures: dict[tuple[Any, int], list[int]] = {}
        self.captured: dict[int, Any] = {}
        self.counts: dict[AccumulateGrad, int] | None = None
        self.roots: list[Any] = []
        self.trace: anomaly.Trace | None = None
        self.watched: set[Node] = set()  # the nodes and leaves whose cotangents are captured

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
        """Run every node that was reached, youngest first; then the leaves that are left."""
        heap, entries = self.heap, self.entries
        if get_mode() & modes.ANOMALY:
            self.trace = anomaly.Trace(anomaly_report.report)
        trace = self.trace
        plain = trace is None and self.counts is None
        run_plain = self.run_plain
        while heap:
            node, g = entries.pop(-heappop(heap))
            if plain and g is not None and node.hooks is None and type(node.desc) is not tuple:
                run_plain(node, g)
                continue
            try:
                self.run_node(node, g, trace)
            except Exception:
                if trace is not None:
                    anomaly.tell_of(node)
                raise
        while self.leaves:
            leaf = next(iter(self.leaves))
            self.finish_leaf(leaf, self.leaves.pop(leaf))

    def run_plain(self, node: Node, g: Any) -> None:
        """One node with one output and no hooks, when nobody counts what arrives at leaves."""
        needed, watched, raw, leaves = self.needed, self.watched, self.raw, self.leaves
        if node in watched:
            for index in self.captures[node, 0]:
                self.captured[index] = g
        if needed is not None and node.seq not in needed:
            return
        plan = masked(node.plan) if self.masked else node.plan
        if raw:
            r = pull_any(plan, node, g) if self.general and plan.exact else plan.pull(node, g)
        else:
            r = plan.pull_tensors(node, g)
        if not self.keep and plan.frees:
            node.saved = None
        at = plan.bare
        for i, edge in enumerate(node.edges):
            if edge is None:
                continue
            h = r if i == at else None if at >= 0 else r[i]
            if needed is not None:
                target = edge.node if type(edge) is OutEdge else edge
                if target not in watched and target.seq not in needed:
                    continue
            if h is None:
                self.touch(edge)
                continue
            desc = edge.desc
            if raw:
                if not plan.fitting and (h.shape != desc.shape or h.dtype is not desc.numpy):
                    h = fit(h, desc, node, True)
            elif h._desc is not desc:
                h = fit(h, desc, node, False)
            if edge.leaf:
                old = leaves.get(edge)
                leaves[edge] = h if old is None else old + h
            else:
                self.send(edge, h)

    def run_node(self, node: Node, g: Any, trace: anomaly.Trace | None) -> None:
        """One node: tensor hooks, captures, pre-hooks, the rules, hooks, and on to its edges."""
        hooks = node.hooks
        several = type(node.desc) is tuple
        executed = self.needed is None or node.seq in self.needed
        if not executed and node not in self.watched:  # beside the way: nobody hears of it
            self.count_down(node)
            return
        hooked = g
        if hooks is not None and (hooks.tensor or hooks.retain):
            hooked = self.tensor_hooks(node, hooks, g)
        if self.captures:
            # PyTorch runs the tensor hooks before the capture only if the node itself is not to
            # run.
            seen = g if executed else hooked
            for nr in range(len(node.desc)) if several else (0,):
                for index in self.captures.get((node, nr), ()):
                    self.captured[index] = seen[nr] if several else seen
        g = hooked
        if not executed:
            self.count_down(node)
            return
        if hooks is not None and hooks.pre:
            g = self.pre_hooks(node, hooks, g)
        plan = masked(node.plan) if self.masked else node.plan
        if trace is not None:
            trace.current = node
        undefined = all(x is None for x in g) if several else g is None
        if undefined and not plan.runs_undefined:
            r: Any = (None,) * len(node.edges)
        else:
            if self.raw:
                r = pull_any(plan, node, g) if self.general and plan.exact else plan.pull(node, g)
            else:
                r = plan.pull_tensors(node, g)
            if plan.bare >= 0:
                r = [r if i == plan.bare else None for i in range(len(node.edges))]
        fitting = plan.fitting
        results = [
            h if fitting or edge is None or h is None else fit(h, edge.desc, node, self.raw)
            for edge, h in zip(node.edges, r)
        ]
        results = [None if edge is None else h for edge, h in zip(node.edges, results)]
        if trace is not None:
            trace.check(node, g, results)
            if not self.keep:
                trace.over(node)
        if not self.keep and plan.frees:
            node.saved = None
        if hooks is not None and hooks.post:
            results = self.post_hooks(node, hooks, results, g)
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
        return g if g is None or not self.raw else show_cotangent(g)

    def as_cotangent(self, t: Any) -> Any:
        """What a hook returned, as a cotangent of this world."""
        return t if t is None or not self.raw else t._array

    def call_tensor_hooks(self, table: Any, g: Any, desc: Descriptor) -> Any:
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
            if nr in hooks.tensor:
                slots[nr] = self.call_tensor_hooks(hooks.tensor[nr], slots[nr], desc)
            reference = hooks.retain.get(nr)
            owner = None if reference is None else reference()
            # a tensor written in place since then has left this node
            if owner is not None and owner.grad_fn is node and slots[nr] is not None:
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
            result = check_hook_tuple(result, before, hook)
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
            result = check_hook_tuple(result, before, hook)
            results = [self.as_cotangent(t) for t in result]
        return results

    # ---- leaves ------------------------------------------------------------------------------

    def finish_leaf(self, leaf: AccumulateGrad, g: Any) -> None:
        """A leaf's gradient is complete: hooks, capture, accumulation."""
        hooks = leaf.hooks
        indices = self.captures.get((leaf, 0))
        if self.needed is not None and indices is None:
            return  # beyond what was asked for
        if hooks is not None and 0 in hooks.tensor:
            g = self.call_tensor_hooks(hooks.tensor[0], g, leaf.desc)
        if indices is not None:
            for index in indices:
                self.captured[index] = g
        if not self.accumulate:
            return
        if hooks is not None and hooks.pre:
            g = self.pre_hooks(leaf, hooks, g)
        if leaf.variable_requires_grad():
            with flush_lock:
                accumulate(leaf, g, self.raw)
        if hooks is not None:
            if hooks.accumulated:
                variable = leaf.variable
                for hook in list(hooks.accumulated.values()):
                    result = hook(variable)
                    if result is not None:
                        raise TypeError(
                            "expected Variable, but hook returned "
                            f"'{type(result).__name__}' (a post-accumulate hook returns nothing)"
                        )
            if hooks.post:
                self.post_hooks(leaf, hooks, [], g)


# The walk that runs in this thread; None outside, and in walks without anything special about them.
running: ContextVar[Walk | None] = ContextVar("adjoint_running", default=None)


_SPECIAL = modes.ANOMALY | modes.LIBRARIES | modes.MASKED


# ---- entry ---------------------------------------------------------------------------------------


# Whether any hook was ever put on a leaf, so that the moment of its accumulation is visible.
watched_leaves = [False]


def run_root(edge: Any, g: Any, keep: bool) -> None:
    """Walk back from one root on raw arrays, and accumulate at the leaves: the usual backward."""
    before = get_mode()
    if watched_leaves[0] or open_levels or before & _SPECIAL:
        run_backward([(edge, g)], keep=keep, create=False)
        return
    set_mode(before & ~modes.GRAD)
    try:
        unfinished = run_straight([(edge, g)], keep)
        if unfinished is not None:
            walk = Walk(True, keep, True)
            walk.entries, walk.heap, walk.leaves = unfinished
            _go_on(walk, [edge])
    finally:
        set_mode(before)


def _go_on(walk: Walk, roots: list[Any]) -> None:
    """Run a walk as the one that runs in this thread, NumPy's warnings off."""
    walk.roots = roots
    outer = running.get()
    running.set(walk)
    token = silence()
    try:
        walk.run()
    finally:
        restore(token)
        running.set(outer)


def run_backward(
    roots: list[tuple[Any, Any]],
    *,
    keep: bool,
    create: bool,
    inputs: list[tuple[Any, int]] | None = None,
    accumulate: bool = True,
    world: bool | None = None,
    whole: bool = False,
) -> dict[int, Any]:
    """Walk back from ``roots``; return the captured cotangents by index of ``inputs``.

    ``roots``: (edge, cotangent) pairs, raw arrays or (with ``world``) Tensors; ``inputs``: (node,
    output number) pairs to capture, or None; ``accumulate``: whether leaves add to their ``.grad``;
    ``world``: whether to walk on Tensors (None: to ``create`` a graph, or where tensors are dual);
    ``whole``: the inputs are leaves, and no others are reached.
    """
    if world is None:
        world = create
        if open_levels and not create:
            world = True
            roots = [(e, g if isinstance(g, TensorBase) else make_tensor(g)) for e, g in roots]
    before = get_mode()
    set_mode(before | modes.GRAD if create else before & ~modes.GRAD)
    if inputs is not None and not create:
        modes.pauses[0] += 1
    try:
        direct = not (world or watched_leaves[0] or before & _SPECIAL)
        if direct and inputs is None:
            unfinished = run_straight(roots, keep)
            if unfinished is None:
                return {}
            walk = Walk(True, keep, True)
            walk.entries, walk.heap, walk.leaves = unfinished
        elif direct and whole and inputs is not None:
            found: dict[AccumulateGrad, Any] = {}
            unfinished = run_straight(roots, keep, found)
            if unfinished is None:
                return {i: found[e[0]] for i, e in enumerate(inputs) if e[0] in found}
            walk = Walk(True, keep, accumulate)
            walk.entries, walk.heap, walk.leaves = unfinished
            walk.captures = {(leaf, 0): [i] for i, (leaf, _) in enumerate(inputs)}
        elif direct and inputs and not accumulate and all(node.leaf for node, _ in inputs):
            needed = leading([edge for edge, _ in roots], {leaf for leaf, _ in inputs})
            found = {}
            if needed is not None:
                roots = [(edge, g) for edge, g in roots if edge.node.seq in needed]
            unfinished = run_straight(roots, keep, found, needed)
            if unfinished is None:
                return {i: found[e[0]] for i, e in enumerate(inputs) if e[0] in found}
            walk = Walk(True, keep, False)
            prepare(walk, [entry[0] for entry in unfinished[0].values()], inputs, watched_leaves[0])
            walk.entries, walk.heap, walk.leaves = unfinished
        else:
            walk = Walk(not world, keep, accumulate)
            if whole and inputs is not None and not watched_leaves[0]:
                walk.captures = {(leaf, 0): [i] for i, (leaf, _) in enumerate(inputs)}
            elif inputs is not None or watched_leaves[0]:
                prepare(walk, [edge for edge, _ in roots], inputs, watched_leaves[0])
            for edge, g in roots:
                walk.send(edge, g)
        _go_on(walk, [edge for edge, _ in roots])
        return walk.captured
    finally:
        set_mode(before)
