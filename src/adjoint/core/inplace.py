"""Writing in place: PyTorch's rules, the rewriting of history, and views that follow their base.

In: an operator, the tensor to overwrite, further operands.  Out: the same tensor with new values, a new version
and, when recording, a new place on the tape.

Note [Rewriting history]
    After ``x.mul_(y)`` the tensor's edge is the new node, whose first edge is the old one. When ``x``
    is a view, the *base* gets a `CopySlices` node: it sends the cotangent of the overwritten part through
    the operator's node and the rest on unchanged. Then every view that is alive, `x` included, gets a
    new edge: an `AsStridedBackward0` node that repeats the view's steps from the base.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any

import numpy as np

from adjoint.array import dtypes, numpy_
from adjoint.array.descriptor import describe
from adjoint.core import errors
from adjoint.core import mode as modes
from adjoint.core.errors import scalar_name
from adjoint.core.fitting import fit
from adjoint.core.mode import get_mode
from adjoint.core.node import Node, next_seq, node_of
from adjoint.core.op import Op
from adjoint.core.plan import tensor_world
from adjoint.core.record import (
    IN_FUNCTION,
    IN_INFERENCE,
    MULTI_OUTPUT,
    NO_GRAD,
    common_dtype,
    compute,
    record,
)
from adjoint.core.tensor_base import Counter, TensorBase, make_tensor

__all__ = ["apply_inplace", "bump", "check_writable", "rebase", "refresh_views", "replay"]

_new = object.__new__


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


class AsStridedBackward0(Node):
    """The node of a view whose base has a new history."""

    __slots__ = ()


class CopySlicesPlan:
    """Sends the part of the cotangent that was overwritten through the write's own node ``saved[0]``."""

    bare = -1
    fitting = False
    frees = True
    names: tuple[str, ...] = ("fn",)
    runs_undefined = False

    def pull(self, node: Node, g: Any) -> Any:
        """On raw arrays."""
        if node.saved is None:
            raise errors.freed(node)
        fn, steps, view_desc = node.saved
        xp = g.array_library if hasattr(g, "array_library") else numpy_
        rest = np.array(g) if xp is numpy_ else xp.copy(g)
        part = replay(xp, rest, steps)
        results = _run(fn, xp.copy(part), True)
        mine = results[0]
        part[...] = 0 if mine is None else fit(mine, view_desc, fn, True)
        return (rest, *results[1:])

    def pull_tensors(self, node: Node, g: Any) -> Any:
        """On Tensors, recorded."""
        if node.saved is None:
            raise errors.freed(node)
        fn, steps, view_desc = node.saved
        xp = tensor_world()
        rest = xp.copy(g)
        part = replay_tensor(rest, steps)
        results = _run(fn, xp.copy(part), False)
        mine = results[0]
        part.copy_(xp.zeros_like(part) if mine is None else fit(mine, view_desc, fn, False))
        return (rest, *results[1:])

    def saved_attribute(self, node: Node, attribute: str) -> Any:
        """Nothing is shown of the inner node."""
        raise AttributeError(f"'{node.name()}' object has no attribute '{attribute}'")


class AsStridedPlan(CopySlicesPlan):
    """The transpose of a chain of view steps: ``saved`` is (steps, base's descriptor)."""

    frees = False
    names = ("steps",)

    def pull(self, node: Node, g: Any) -> Any:
        """On raw arrays: zeros of the base's shape with the cotangent at the view's place."""
        steps, base_desc = node.saved
        if hasattr(g, "array_library"):
            return self._through(g.array_library, g, steps, base_desc)
        made = np.zeros(base_desc.shape, g.dtype)
        part = replay(numpy_, made, steps)
        if any(s == 0 and n > 1 for s, n in zip(part.strides, part.shape)):
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


def _sum_like(xp: Any, g: Any, shape: tuple[int, ...]) -> Any:
    lead = len(g.shape) - len(shape)
    if lead:
        g = xp.sum(g, axis=tuple(range(lead)), keepdims=False)
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return xp.sum(g, axis=axes, keepdims=True) if axes else g


def _dtype_for(xp: Any, t: Any) -> Any:
    return t._desc.dtype if xp is tensor_world() else t._desc.numpy


def _run(fn: Node, g: Any, raw: bool) -> tuple[Any, ...]:
    r = fn.plan.pull(fn, g) if raw else fn.plan.pull_tensors(fn, g)
    if fn.plan.bare >= 0:
        return tuple(r if i == fn.plan.bare else None for i in range(len(fn.edges)))
    results = tuple(r)
    return results


_copy_slices_plan: Any = CopySlicesPlan()
_as_strided_plan: Any = AsStridedPlan()


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


# ---- rules ---------------------------------------------------------------------------------------


def check_writable(t: TensorBase, recording: bool) -> None:
    """Raise what PyTorch raises when ``t`` may not be overwritten now."""
    side = t._side
    if side is not None and side.inference and not get_mode() & modes.INFERENCE:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a "
            "clone to get a normal tensor before doing inplace update. See "
            "https://github.com/pytorch/rfcs/pull/17 for more details."
        )
    if not get_mode() & modes.GRAD:
        return
    edge = t._edge
    if side is not None and side.base is not None and recording:
        _check_view(t, side)
    if edge is not None and edge.leaf and recording:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation. (Its old value "
            "would be lost to the graph. Write under `with torch.no_grad():` to update a parameter, or "
            "work on a copy: y = x.clone().)"
        )


def _check_view(t: TensorBase, side: Any) -> None:
    base = side.base
    name = node_of(t._edge).name() if node_of(t._edge) is not None else side.node  # type: ignore[union-attr]
    if side.made != 0 and (base._edge is not None or t._edge is not None or True):
        start = f"Output {getattr(t._edge, 'nr', 0)} of {name} is a view"
        if side.made == MULTI_OUTPUT:
            raise RuntimeError(
                f"{start} and is being modified inplace. This view is the output of a function that "
                "returns multiple views. Such functions do not allow the output views to be modified "
                "inplace. You should replace the inplace operation by an out-of-place one."
            )
        if side.made == IN_FUNCTION:
            raise RuntimeError(
                f"{start} and is being modified inplace. This view was created inside a custom Function "
                "(or because an input was returned as-is) and the autograd logic to handle view+inplace "
                "would override the custom backward associated with the custom Function, leading to "
                "incorrect gradients. This behavior is forbidden. You can fix this by cloning the output "
                "of the custom Function."
            )
        if side.made in (NO_GRAD, IN_INFERENCE):
            where = "no_grad mode" if side.made == NO_GRAD else "inference mode"
            raise RuntimeError(
                f"A view was created in {where} and is being modified inplace with grad mode enabled. "
                "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify "
                "your code by moving both the view and the inplace either both inside the no_grad block "
                "(if you don't want the inplace to be tracked) or both outside (if you want the inplace "
                "to be tracked)."
            )
    if base._edge is not None and base._edge.leaf:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation. (Write "
            "under `with torch.no_grad():`, or to a clone() of the leaf.)"
        )


def check_overlap(raw: Any) -> None:
    """Refuse to write where one place in memory stands for several elements."""
    if isinstance(raw, np.ndarray) and 0 in raw.strides:
        for stride, n in zip(raw.strides, raw.shape):
            if stride == 0 and n > 1:
                raise RuntimeError(
                    "unsupported operation: more than one element of the written-to tensor refers to a "
                    "single memory location. Please clone() the tensor before performing the operation."
                )


def check_partial_overlap(raw: Any, other: Any) -> None:
    """Refuse operands that overlap the written memory without being the same elements."""
    if not isinstance(raw, np.ndarray) or not isinstance(other, np.ndarray) or not raw.ndim:
        return
    if not np.may_share_memory(raw, other):
        return
    same = (
        raw.__array_interface__["data"][0] == other.__array_interface__["data"][0]
        and raw.strides == other.strides
        and raw.shape == other.shape
    )
    if not same and raw.flags.forc and other.flags.forc and np.shares_memory(raw, other, 1000):
        raise RuntimeError(
            "unsupported operation: some elements of the input tensor and the written-to tensor refer to "
            "a single memory location. Please clone() the tensor before performing the operation."
        )


def _check_result(op: Op, t: TensorBase, raw: Any, operands: tuple[Any, ...]) -> None:
    desc = t._desc
    if op.promoted:
        computed = describe(raw).dtype if op.predicate else common_dtype(op, operands)
        if op.predicate:
            computed = desc.dtype
        if not can_cast(computed, desc.dtype):
            raise RuntimeError(
                f"result type {scalar_name(computed)} can't be cast to the desired output type "
                f"{scalar_name(desc.dtype)}"
            )
    if raw.shape != desc.shape:
        raise RuntimeError(
            f"output with shape {list(desc.shape)} doesn't match the broadcast shape {list(raw.shape)}"
        )


def can_cast(source: dtypes.dtype, target: dtypes.dtype) -> bool:
    """Whether a result of one dtype may be written into a tensor of another."""
    if source.category > target.category:
        return source.category == dtypes.INTEGRAL and target.category == dtypes.INTEGRAL
    return True


# ---- the write -----------------------------------------------------------------------------------


def apply_inplace(op: Op, t: Any, operands: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Overwrite ``t`` with ``op(t, *operands)``; return ``t``. Nothing is changed by a call that fails."""
    mode = get_mode()
    recording = bool(mode & modes.GRAD) and (
        t._edge is not None
        or any(isinstance(o, TensorBase) and o._edge is not None for o in operands)
    )
    if recording and op.differentiable:
        check_writable(t, True)
    else:
        check_writable(t, False)
    memory = t._memory()
    check_overlap(memory)
    for o in operands:
        if isinstance(o, TensorBase):
            check_partial_overlap(memory, o._array)
    everything = (t, *operands)
    raw, _ = compute(op, everything, params)
    _check_result(op, t, raw, everything)
    old = t
    if recording:
        saved_self = op.differentiable and "input" in op.plan(
            tuple(
                (op.joint or r is not None) and isinstance(o, TensorBase) and o._edge is not None
                for o, r in zip(everything, op.rules if not op.joint else op.rules * len(everything))
            )
        ).names
        old = make_tensor(memory.copy() if saved_self else memory, t._edge, t._desc)
    write(memory, raw)
    counter = bump(t)
    if recording:
        node = record(op, (old, *operands), params, t._array, t._desc, mode)
        if node is None and t._edge is not None and not op.differentiable:
            t._edge = None
        elif node is not None:
            if "out" in node.plan.names:
                node.counter = counter
                node.versions = tuple(
                    counter.value if n == "out" else (node.versions[i] if node.versions else 0)
                    for i, n in enumerate(node.plan.names)
                )
            rebase(t, node)
    elif op.differentiable is False and t._edge is not None and mode & modes.GRAD:
        pass
    return t


def write(memory: Any, raw: Any) -> None:
    """Copy a result over the memory of a tensor, casting as PyTorch does."""
    if memory.dtype.kind != "c" and getattr(raw, "dtype", memory.dtype).kind == "c":
        raw = raw.real
    with np.errstate(all="ignore"):
        memory[...] = raw


def bump(t: TensorBase) -> Counter:
    """Count an in-place write to ``t`` and note where the user wrote it."""
    counter = t._version_counter()
    counter.value += 1
    counter.site = user_line()
    return counter


def user_line() -> str | None:
    """The user's source line that is running now, as ``file:line``."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith("adjoint."):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return None


# ---- rewriting history ---------------------------------------------------------------------------


def rebase(t: Any, node: Node) -> None:
    """Give ``t`` the history ``node`` (made from its old edge); see Note [Rewriting history]."""
    side = t._side
    if side is not None and side.base is not None:
        base = side.base
        edges = (base._edge, *node.edges[1:])
        base._edge = _bare_node(
            CopySlices, edges, (node, side.steps, t._desc), _copy_slices_plan, base._desc
        )
        move_retained(base)
        refresh_views(base)
    else:
        t._edge = node
        move_retained(t)
        if t._counter is not None and t._counter.views:
            refresh_views(t)


def move_retained(t: Any) -> None:
    """`retain_grad` follows a tensor to its new node."""
    side = t._side
    if side is not None and side.retain and t._edge is not None and not t._edge.leaf:
        import_retain(t)


def import_retain(t: Any) -> None:
    """Keep the gradient that arrives at the tensor's edge."""
    t._edge.node.hook_state().retain[t._edge.nr] = weakref.ref(t)


def refresh_views(base: Any) -> None:
    """New edges for the living views of a base with a new history."""
    counter = base._counter
    if counter is None or not counter.views:
        return
    for reference in list(counter.views):
        view = reference()
        if view is None or view is base or view._side is None or view._side.base is not base:
            continue
        view._edge = (
            None
            if base._edge is None or view._desc.dtype.category < dtypes.FLOATING
            else _bare_node(
                AsStridedBackward0,
                (base._edge,),
                (view._side.steps, base._desc),
                _as_strided_plan,
                view._desc,
            )
        )
        move_retained(view)
