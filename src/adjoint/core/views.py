"""Views and their bases: the link between them, and their place on the tape after a write.

In: a view as it is made, or a base whose memory was overwritten.  Out: the steps that lead from
base to view, the nodes of rewritten histories, new edges for the views that are alive.

Note [Views]
    A view shares its base's version counter and knows the steps (operators and parameters) that
    lead from the base to it. When a view is overwritten, the *base* gets a `CopySlices` node: it
    sends the cotangent of the overwritten part through the write's own node and the rest on
    unchanged. Then every view that is alive gets a new edge: an `AsStridedBackward0` node that
    repeats its steps.

Note [Views without a future]
    A view that one of several came with (split, unbind), or that was made without recording, cannot
    follow its base. It works until the base is written; then its edge is an `InvalidEdge`, which
    raises whenever it is asked for. A view made without recording of a base that requires grad
    requires grad too, but its gradient goes nowhere (`ViewSink`).
"""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from typing import Any, NoReturn

import numpy as np

from adjoint.array import dtypes, numpy_
from adjoint.array.descriptor import library_of
from adjoint.core import errors
from adjoint.core import mode as modes
from adjoint.core.fitting import fit
from adjoint.core.hooks import NodeHooks
from adjoint.core.lifting import pull_any
from adjoint.core.masked import masked
from adjoint.core.mode import get_mode
from adjoint.core.node import Node, ViewSink, next_seq, node_of
from adjoint.core.plan import tensor_world
from adjoint.core.tensor_base import Side, TensorBase, make_tensor, slow_descriptor

__all__ = [
    "adopt_views",
    "forget_history",
    "import_retain",
    "link_view",
    "living_views",
    "new_histories",
    "rebase",
    "rebase_item",
    "refresh_views",
    "replay",
    "slow_descriptor",
]

_new = object.__new__
_MINE = 1 << 62  # born after every transform: made here, so that it may be given other memory
NORMAL, NO_GRAD, MULTI_OUTPUT, IN_FUNCTION, IN_INFERENCE = range(5)


# ---- making a view -------------------------------------------------------------------------------


def link_view(op: Any, source: Any, made: Any, params: dict[str, Any], mode: int) -> None:
    """Tie a view to its base: same version counter, and the steps that lead from the base to it."""
    counter = source._counter
    if counter is None:
        counter = source._version_counter()
    made._counter = counter
    side = made._side
    if side is None:
        side = made._side = Side()
    before = source._side
    if before is None:
        side.base = source
        side.steps = ((op, params),)
    elif before.inference:
        side.inference = True  # no view to users: nothing is tracked
        return
    elif before.base is not None:
        side.base = before.base
        side.steps = (*before.steps, (op, params))
        side.made = before.made
    else:
        side.base = source
        side.steps = ((op, params),)
    if mode != modes.GRAD and (not mode & modes.GRAD or mode & modes.INFERENCE):
        side.made = IN_INFERENCE if mode & modes.INFERENCE else NO_GRAD
        if source._edge is not None:
            made._edge = ViewSink(made)
    side.node = op.node_name
    counter.add_view(made)


def adopt_views(base: Any) -> None:
    """Views of a base that began (or ceased) to require grad itself follow."""
    if base._counter is None or not base._counter.views:
        return
    for view in living_views(base):
        if base._edge is None:
            if type(view._edge) is ViewSink:
                view._edge = None
        elif view._edge is None and view._desc.dtype.category >= dtypes.FLOATING:
            view._edge = ViewSink(view)


def living_views(base: Any) -> list[Any]:
    """The views of a base that are alive."""
    found = [reference() for reference in base._counter.views]
    return [v for v in found if v is not None and v._side is not None and v._side.base is base]


# ---- the view steps ------------------------------------------------------------------------------


def replay(xp: Any, raw: Any, steps: tuple[Any, ...]) -> Any:
    """Repeat the steps from base to view on a raw array of the base's shape."""
    for op, params in steps:
        raw = op.forward(xp, raw, **params)
    return raw


def replay_tensor(t: Any, steps: tuple[Any, ...]) -> Any:
    """Repeat the steps from base to view on a Tensor, recorded."""
    for op, params in steps:
        nr = getattr(op, "nr", None)
        t = op.call(t, **params) if nr is None else op.op.call(t, **params)[nr]
    return t


# ---- nodes of rewritten history ------------------------------------------------------------------


class CopySlices(Node):
    """The node of a base after one of its views was overwritten."""

    __slots__ = ()
    namespace = "torch::autograd::"


class AsStridedBackward0(Node):
    """The node of a view whose base has a new history."""

    __slots__ = ()


class CopySlicesPlan:
    """Sends the part of the cotangent that was overwritten through the write's own node.

    ``saved``: that node, the steps to the view, its descriptor, and which of the node's operands
    (beside the first) have an edge here.
    """

    bare = -1
    fitting = False
    exact = False
    frees = True
    kinds: tuple[int, ...] = ()
    names: tuple[str, ...] = ("fn",)
    runs_undefined = False

    def pull(self, node: Node, g: Any) -> Any:
        """On raw arrays."""
        if node.saved is None:
            raise errors.freed(node)
        fn, steps, view_desc, shown = node.saved
        xp = g.array_library if hasattr(g, "array_library") else numpy_
        rest = np.array(g) if xp is numpy_ else xp.copy(g)
        part = replay(xp, rest, steps)
        results = _run(fn, xp.copy(part), True)
        mine = 0 if results[0] is None else fit(results[0], view_desc, fn, True)
        library = library_of((mine,))
        if library is not None:
            rest = library.promote(rest, part, (mine,), _MINE)
            part = replay(library, rest, steps)
        part[...] = mine
        return (rest, *[results[i] for i in shown])

    def pull_tensors(self, node: Node, g: Any) -> Any:
        """On Tensors, recorded."""
        if node.saved is None:
            raise errors.freed(node)
        fn, steps, view_desc, shown = node.saved
        xp = tensor_world()
        rest = xp.copy(g)
        part = replay_tensor(rest, steps)
        results = _run(fn, xp.copy(part), False)
        mine = results[0]
        part.copy_(xp.zeros_like(part) if mine is None else fit(mine, view_desc, fn, False))
        return (rest, *[results[i] for i in shown])

    def saved_attribute(self, node: Node, attribute: str) -> Any:
        """Nothing is shown of the inner node."""
        raise AttributeError(f"'{node.name()}' object has no attribute '{attribute}'")


class ItemPlan(CopySlicesPlan):
    """The same after ``x[index] = value`` for a basic index: ``saved`` is the index."""

    def pull(self, node: Node, g: Any) -> Any:
        """On raw arrays."""
        xp = g.array_library if hasattr(g, "array_library") else numpy_
        rest = xp.copy(g)
        part = xp.slice(rest, node.saved)
        if node.edges[1] is None:
            part[...] = 0
            return (rest, None)
        value = xp.copy(part)
        part[...] = 0
        return (rest, value)

    def pull_tensors(self, node: Node, g: Any) -> Any:
        """On Tensors, recorded."""
        xp = tensor_world()
        rest = xp.copy(g)
        part = xp.slice(rest, node.saved)
        value = None if node.edges[1] is None else xp.copy(part)
        part.copy_(xp.zeros_like(part))
        return (rest, value)


class AsStridedPlan(CopySlicesPlan):
    """The transpose of a chain of view steps: ``saved`` is (steps, base's descriptor)."""

    frees = False
    names = ("steps",)

    def pull(self, node: Node, g: Any) -> Any:
        """On raw arrays: zeros of the base's shape with the cotangent at the view's place."""
        steps, base_desc = node.saved
        if hasattr(g, "array_library"):
            return self._through(g.array_library, g, steps, base_desc)
        made = np.zeros(base_desc.shape, base_desc.numpy)
        part = replay(numpy_, made, steps)
        if not isinstance(part, np.ndarray) or overlaps_itself(part):
            return self._through(numpy_, g, steps, base_desc)
        part[...] = g
        return (made,)

    def pull_tensors(self, node: Node, g: Any) -> Any:
        """On Tensors: the steps' own rules, last step first."""
        steps, base_desc = node.saved
        return self._through(tensor_world(), g, steps, base_desc)

    def _through(self, xp: Any, g: Any, steps: Any, base_desc: Any) -> Any:
        base = make_tensor(np.zeros(base_desc.shape, base_desc.numpy))
        stages = [base]
        for op, params in steps:
            stages.append(make_tensor(op.forward(numpy_, stages[-1]._memory(), **params)))
        for (op, params), before, after in zip(reversed(steps), stages[-2::-1], stages[:0:-1]):
            whole = getattr(op, "op", op)
            nr = getattr(op, "nr", None)
            plan = whole.plan((True,))
            if nr is not None:
                outs = whole.forward(numpy_, before._array, **params)
                g = tuple(
                    g if k == nr else xp.zeros(o.shape, _dtype_for(xp, after))
                    for k, o in enumerate(outs)
                )
            values = plan.collect((before,), (before._desc.shape,), after._array, params)
            g = plan.rules[0](xp, g, *[values[i] for i in plan.indices[0]])
            if isinstance(g, tuple):
                g = g[0]
            if tuple(g.shape) != before._desc.shape:
                g = _sum_like(xp, g, before._desc.shape)
        return (g,)


def overlaps_itself(raw: Any) -> bool:
    """Whether one place in memory stands for several elements of an array."""
    if not raw.size:
        return False
    reach = 1  # in strides of increasing size, each must pass what the smaller ones cover
    for stride, n in sorted((abs(s), n) for s, n in zip(raw.strides, raw.shape) if n > 1):
        if stride < reach:
            return True
        reach = stride * n
    return False


def _sum_like(xp: Any, g: Any, shape: tuple[int, ...]) -> Any:
    lead = len(g.shape) - len(shape)
    if lead:
        g = xp.sum(g, axis=tuple(range(lead)), keepdims=False)
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return xp.sum(g, axis=axes, keepdims=True) if axes else g


def _dtype_for(xp: Any, t: Any) -> Any:
    return t._desc.dtype if xp is tensor_world() else t._desc.numpy


def _run(fn: Node, g: Any, raw: bool) -> tuple[Any, ...]:
    plan = masked(fn.plan) if get_mode() & modes.MASKED else fn.plan
    if raw:
        r = pull_any(plan, fn, g) if plan.exact else plan.pull(fn, g)
    else:
        r = plan.pull_tensors(fn, g)
    if plan.bare >= 0:
        return tuple(r if i == plan.bare else None for i in range(len(fn.edges)))
    return tuple(r)


_copy_slices_plan: Any = CopySlicesPlan()
_as_strided_plan: Any = AsStridedPlan()
_item_plan: Any = ItemPlan()


def _bare_node(kind: type[Node], edges: tuple[Any, ...], saved: Any, plan: Any, desc: Any) -> Node:
    node = _new(kind)
    node.edges = edges
    node.saved = saved
    node.versions = None
    node.plan = plan
    node.seq = next_seq()
    node.desc = desc
    node.hooks = None
    node.counter = None
    return node


# ---- after a write -------------------------------------------------------------------------------


def rebase(t: Any, node: Node) -> None:
    """Give ``t`` the history ``node`` (made from its old edge); see Note [Views]."""
    side = t._side
    if side is None or side.base is None:
        _note_history(t)
        t._edge = node
        _move_retained(t)
        return
    base, op = side.base, node.op
    _note_history(base)
    shown = tuple(
        i for i in range(1, len(node.edges)) if op is None or op.joint or op.rules[i] is not None
    )
    edges = (base._edge, *[node.edges[i] for i in shown])
    # the base's edge takes the place of the view's old one
    if op is not None:  # (a custom Function asks its edges which gradients are wanted)
        node.edges = (None, *node.edges[1:])
    saved = (node, side.steps, t._desc, shown)
    base._edge = made = _bare_node(CopySlices, edges, saved, _copy_slices_plan, base._desc)
    if node.node.hooks is not None:  # the write's node wants the engine to run it
        made.hooks = NodeHooks()
    _move_retained(base)


def rebase_item(base: Any, index: Any, value_edge: Any) -> None:
    """Give ``base`` the history of ``base[index] = value``, as if a view had been overwritten."""
    edges = (base._edge, value_edge)
    _note_history(base)
    base._edge = _bare_node(CopySlices, edges, index, _item_plan, base._desc)
    if base._side is not None:
        _move_retained(base)


# Tensors without history that got one by a write, for whoever is to take it back (None: nobody).
new_histories: ContextVar[list[weakref.ref[Any]] | None] = ContextVar(
    "adjoint_new_histories", default=None
)


def _note_history(t: Any) -> None:
    log = new_histories.get()
    if log is not None and t._edge is None:
        log.append(weakref.ref(t))


def forget_history(t: Any) -> None:
    """Take ``t`` and its views off the tape."""
    t._edge = None
    if t._counter is not None and t._counter.views:
        for view in living_views(t):
            if type(view._edge) is not InvalidEdge:
                view._edge = None


def refresh_views(counter: Any) -> None:
    """New edges for the living views of memory that was overwritten."""
    for reference in counter.views or ():
        view = reference()
        side = None if view is None else view._side
        if side is None or side.base is None:
            continue
        base = side.base
        if base._edge is None or type(view._edge) is InvalidEdge:
            continue
        if side.made != NORMAL:
            view._edge = InvalidEdge(invalid_view(view, True), invalid_view(view, False))
            view._desc = slow_descriptor(view._desc)
        elif view._desc.dtype.category >= dtypes.FLOATING:
            saved = (side.steps, base._desc)
            view._edge = _bare_node(
                AsStridedBackward0, (base._edge,), saved, _as_strided_plan, view._desc
            )
            _move_retained(view)


def _move_retained(t: Any) -> None:
    side = t._side
    if side is not None and side.retain and not t._edge.leaf:
        import_retain(t)


def import_retain(t: Any) -> None:
    """Keep the gradient that arrives at the tensor's edge."""
    t._edge.node.hook_state().retain[t._edge.nr] = weakref.ref(t)


class InvalidEdge:
    """The edge of a view that cannot be used any more; see Note [Views without a future]."""

    __slots__ = ("used", "written")

    nr = 0

    def __init__(self, used: str, written: str) -> None:
        self.used = used
        self.written = written

    def refuse(self) -> NoReturn:
        """Raise what PyTorch raises when the view is used."""
        raise RuntimeError(self.used)

    def __getattr__(self, name: str) -> Any:
        self.refuse()  # leaf, node, desc: there are none


def invalid_view(t: TensorBase, indirect: bool) -> str:
    """Why a view may not be overwritten, or (``indirect``) why it is of no use any more."""
    side = t._side
    assert side is not None
    made = side.made
    where = "inference" if made == IN_INFERENCE else "no_grad"
    node = None if t._edge is None else node_of(t._edge)
    if node is None:
        start = f"A view was created in {where} mode"
    else:
        start = f"Output {t._edge.nr} of {errors.short_name(node)} is a view"
        if made in (NO_GRAD, IN_INFERENCE):
            start += f" of a view which was created in {where} mode"
    what = (
        "its base or another view of its base has been modified inplace"
        if indirect
        else "is being modified inplace"
    )
    if made == IN_INFERENCE:
        what += " in normal mode"
    elif node is None or made == NO_GRAD:
        what += " with grad mode enabled"
    return f"{start} and {what}. {_REASONS[made]}"


def _ambiguous(block: str) -> str:
    return (
        "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify "
        f"your code by moving both the view and the inplace either both inside the {block} block "
        "(if you don't want the inplace to be tracked) or both outside (if you want the inplace to "
        "be tracked)."
    )


_REASONS = {
    NO_GRAD: _ambiguous("no_grad"),
    IN_INFERENCE: _ambiguous("inference_mode"),
    MULTI_OUTPUT: "This view is the output of a function that returns multiple views. Such "
    "functions do not allow the output views to be modified inplace. You should replace the "
    "inplace operation by an out-of-place one.",
    IN_FUNCTION: "This view was created inside a custom Function (or because an input was returned "
    "as-is) and the autograd logic to handle view+inplace would override the custom backward "
    "associated with the custom Function, leading to incorrect gradients. This behavior is "
    "forbidden. You can fix this by cloning the output of the custom Function.",
}
