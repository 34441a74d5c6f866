"""Writing in place: what is refused, the write itself, and the node that records it.

In: an operator, the tensor to overwrite, further operands.  Out: the same tensor with new values, a
new version and, when recording, a new place on the tape (core/views.py for views and their bases).

Note [Saved values and writes]
    A node that needs the tensor's old value gets a copy of it; another operand that happens to be
    the same tensor, or to share its memory, is saved as it was before the write, so that backward
    will notice. Everything is checked and computed before the first element is written.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from adjoint.array import dtypes, numpy_
from adjoint.array.batched.levels import all_samples, stack
from adjoint.array.batched.tape import NoRoom
from adjoint.array.descriptor import SCALAR
from adjoint.core import mode as modes
from adjoint.core.dual_writes import operands_before, push_write
from adjoint.core.duals import open_levels
from adjoint.core.errors import scalar_name
from adjoint.core.mode import get_mode
from adjoint.core.node import Node
from adjoint.core.op import Op
from adjoint.core.record import common_dtype, compute, record
from adjoint.core.room import born_in, make_room, owner_of
from adjoint.core.tensor_base import Counter, TensorBase, make_tensor
from adjoint.core.views import InvalidEdge, invalid_view, rebase, refresh_views

__all__ = [
    "apply_inplace",
    "bump",
    "check_data",
    "check_writable",
    "has_room",
    "note_write",
]

# ---- rules ---------------------------------------------------------------------------------------


def check_writable(t: TensorBase, recording: bool) -> None:
    """Raise what PyTorch raises when ``t`` may not be overwritten now.

    ``recording``: whether the write is to be recorded, for ``t`` or an operand requires grad.
    """
    side, edge = t._side, t._edge
    if side is not None and side.inference and not get_mode() & modes.INFERENCE:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed."
            "You can make a clone to get a normal tensor before doing inplace update."
            "See https://github.com/pytorch/rfcs/pull/17 for more details."
        )
    if not recording:
        return
    base = None if side is None else side.base
    if base is not None:
        if side.made:  # type: ignore[union-attr]
            if type(edge) is InvalidEdge:
                raise RuntimeError(edge.written)
            raise RuntimeError(invalid_view(t, False))
        # where the view has an edge and its base has none, a leaf between them is a view itself
        own = edge is not None and (edge.leaf or base._edge is None)
        if own or (base._edge is not None and base._edge.leaf):
            if not own and all(step[0].name == "enter" for step in side.steps):  # type: ignore[union-attr]
                raise _leaf_written()
            raise RuntimeError(
                "a view of a leaf Variable that requires grad is being used in an in-place "
                "operation. (Write under `with torch.no_grad():`, or to a clone() of the leaf.)"
            )
    elif edge is not None and edge.leaf:
        raise _leaf_written()


def _leaf_written() -> RuntimeError:
    return RuntimeError(
        "a leaf Variable that requires grad is being used in an in-place operation. (Its old "
        "value would be lost to the graph. Write under `with torch.no_grad():` to update a "
        "parameter, or work on a copy: y = x.clone().)"
    )


def check_overlap(memory: Any) -> None:
    """Refuse to write where one place in memory stands for several elements (expanded tensors)."""
    if 0 in memory.strides and memory.size:
        for stride, n in zip(memory.strides, memory.shape):
            if stride == 0 and n > 1:
                raise RuntimeError(
                    "unsupported operation: more than one element of the written-to tensor refers "
                    "to a single memory location. Please clone() the tensor before performing the "
                    "operation."
                )


def check_partial_overlap(memory: Any, other: Any, apart: bool = False) -> None:
    """Refuse operands that overlap the written memory without being the same elements (or, where
    they must lie ``apart``, at all).
    """
    if not isinstance(other, np.ndarray) or (
        memory.base is None and other.base is None and memory is not other
    ):
        return  # both own their memory
    if not np.may_share_memory(memory, other):
        return
    same = not apart and (
        memory.__array_interface__["data"][0] == other.__array_interface__["data"][0]
        and memory.strides == other.strides
        and memory.shape == other.shape
    )
    if not same and memory.flags.forc and other.flags.forc and np.shares_memory(memory, other):
        raise RuntimeError(
            "unsupported operation: some elements of the input tensor and the written-to tensor "
            "refer to a single memory location. Please clone() the tensor before performing the "
            "operation."
        )


def _check_cast(op: Op, t: TensorBase, operands: tuple[Any, ...]) -> None:
    desc = t._desc
    if op.promoted and not op.predicate:
        computed = common_dtype(op, operands)
        if not can_cast(computed, desc.dtype):
            raise RuntimeError(
                f"result type {scalar_name(computed)} can't be cast to the desired output type "
                f"{scalar_name(desc.dtype)}"
            )


def _check_shape(t: TensorBase, raw: Any) -> None:
    desc = t._desc
    if raw.shape != desc.shape:
        raise RuntimeError(
            f"output with shape {list(desc.shape)} doesn't match the broadcast shape "
            f"{list(raw.shape)}"
        )


def can_cast(source: dtypes.dtype, target: dtypes.dtype) -> bool:
    """Whether a result of one dtype may be written into a tensor of another."""
    return source.category <= target.category


# ---- the write -----------------------------------------------------------------------------------


def apply_inplace(op: Op, t: Any, operands: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Overwrite ``t`` with ``op(t, *operands)``; a call that fails changes nothing."""
    mode = get_mode()
    recording = bool(mode & modes.GRAD) and (
        t._edge is not None
        or any(isinstance(o, TensorBase) and o._edge is not None for o in operands)
    )
    if recording or t._side is not None:
        check_writable(t, recording)
    everything = (t, *operands)
    first_cast = op.name != "sub"  # in PyTorch's order
    if op.overwrite is None and first_cast:
        _check_cast(op, t, everything)
    if op.check is not None:
        op.check(everything)
    if op.overwrite is None and not first_cast:
        _check_cast(op, t, everything)
    if mode & modes.LIBRARIES:
        try:
            make_room(t, (*map(_raw, operands), *params.values()))
        except NoRoom as error:
            raise RuntimeError(error.named(op.name)) from None
    if t._desc.storage == SCALAR and isinstance(t._array, np.generic):
        memory = None  # nobody shares it: another scalar takes its place
    else:
        memory = t._array
        samples = all_samples(memory)
        if isinstance(samples, np.ndarray):
            if not op.overlapping:
                check_overlap(samples)
            for o in operands:
                if isinstance(o, TensorBase) and (o is not t or op.apart):
                    check_partial_overlap(samples, all_samples(o._array), op.apart)
    old = t
    before = operands_before(t, operands) if open_levels else None
    if op.overwrite is not None and isinstance(memory, np.ndarray):
        if recording:
            old = _old(op, t, everything)
        op.overwrite(memory, *[_raw(o) for o in operands], **params)
    else:
        raw, _ = compute(op, everything, params)
        _check_shape(t, raw)
        if recording:
            old = _old(op, t, everything)
        write(t, memory, raw)
    counter = bump(t)
    if mode & modes.LIBRARIES:
        note_write(t)
    node = None
    if recording:
        old = old if before is None else before[0]
        node = record(op, (old, *operands), params, t._array, t._desc, mode)
        if node is None:
            if t._edge is not None and not op.differentiable:
                t._edge = None
        else:
            node.versions = _versions(node, counter)
            if "out" in node.plan.names:
                node.counter = counter
            rebase(t, node)
    if counter.views:
        refresh_views(counter)
    if before is not None:
        push_write(op, t, before, params, node)
    return t


def has_room(t: Any, levels: tuple[Any, ...]) -> bool:
    """Whether ``t`` may be written with a value for each sample of ``levels``: it has one, or was
    made inside.
    """
    born = born_in(owner_of(t))
    own = t._desc.type.levels
    return all(level in own or born >= level.number for level in levels)


def check_data(t: Any, value: Any) -> None:
    """Raise RuntimeError where ``t`` would get data of a transform that is younger than itself."""
    if not has_room(t, value._desc.type.levels):
        raise RuntimeError(
            "mutating directly with `.data` under vmap transform is not allowed. (The data "
            "differ from sample to sample, and the tensor was made outside of vmap.)"
        )


def note_write(t: Any) -> None:
    """Let the open levels know that ``t`` was overwritten, if it is older than they are."""
    born = born_in(owner_of(t))
    for level in stack.get():
        if born < level.number:
            level.wrote = True


def _raw(operand: Any) -> Any:
    return operand._array if isinstance(operand, TensorBase) else operand


def _old(op: Op, t: Any, everything: tuple[Any, ...]) -> Any:
    """What stands for ``t`` as the first operand of the node: a copy where a rule needs it."""
    if not op.differentiable:
        return t
    rules = op.rules * len(everything) if op.joint else op.rules
    needs = tuple(
        r is not None and isinstance(o, TensorBase) and o._edge is not None
        for o, r in zip(everything, rules)
    )
    array = t._array
    if "input" in op.plan(needs).names and not isinstance(array, np.generic):
        array = array.copy()
    return make_tensor(array, t._edge, t._desc)


def _versions(node: Node, counter: Counter) -> tuple[int, ...] | None:
    """The versions at which the node saved its values; see Note [Saved values and writes]."""
    versions = []
    for name, value in zip(node.plan.names, node.saved):
        if name == "out":
            versions.append(counter.value)
        elif not isinstance(value, TensorBase) or value._counter is None:
            versions.append(0)
        else:
            versions.append(value._counter.value - (value._counter is counter))
    return tuple(versions) if any(versions) else None


def write(t: Any, memory: Any, raw: Any) -> None:
    """Copy a result over the memory of a tensor, casting as PyTorch does."""
    target = t._desc.numpy
    dtype = getattr(raw, "dtype", target)
    if dtype is not target and dtype != target:
        raw = numpy_.astype(raw, target)
    if memory is None:
        t._array = raw if isinstance(raw, np.generic) else target.type(raw)
        if t._edge is not None and t._edge.leaf:
            t._edge.adopt(t)
    else:
        memory[...] = raw


def bump(t: TensorBase) -> Counter:
    """Count an in-place write to ``t`` and note where the user wrote it."""
    counter = t._version_counter()
    counter.value += 1
    frame: Any = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("adjoint."):
        frame = frame.f_back
    counter.site = None if frame is None else (frame.f_code, frame.f_lineno)
    return counter
