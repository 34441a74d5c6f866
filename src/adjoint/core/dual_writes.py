"""Writing in place where tensors are dual: the tangent is overwritten as the tensor is.

In: a tensor, what it and the operands were before a write, the operator.  Out: new tangents, in the
memory of the old ones. A tensor without a tangent that is written with a dual one becomes dual; so
does the base of a view, and with it every other view of that base.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.core import mode as modes
from adjoint.core.duals import (
    copy_tangents,
    levels_of,
    set_tangent,
    share_memory,
    tangent_of,
)
from adjoint.core.forward import keep_dual_outputs, tangents_at
from adjoint.core.mode import get_mode
from adjoint.core.node import Node
from adjoint.core.op import Op
from adjoint.core.room import ANYWHERE, make_room
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.core.views import living_views, replay_tensor

__all__ = ["operands_before", "push_write", "write_tangent"]

Tensors = tuple[Any, ...]


def operands_before(t: Any, operands: Tensors) -> Tensors | None:
    """``t`` and the operands as they are before ``t`` is written; None where nothing is dual."""
    everything = (t, *operands)
    if not levels_of(everything):
        return None
    return tuple([_kept(o, t) for o in everything])


def _kept(operand: Any, t: Any) -> Any:
    """A copy of an operand that the write to ``t`` may change, at its old place on the tape."""
    if not isinstance(operand, TensorBase):
        return operand
    if operand is not t and not share_memory(operand, t):
        return operand
    array = operand._array
    made = make_tensor(array if isinstance(array, np.generic) else array.copy(), operand._edge)
    copy_tangents(operand, made)
    if made._side is not None and made._side.tangents is not None:
        for number, tangent in list(made._side.tangents.items()):
            set_tangent(made, number, tangent.clone())
    return made


def push_write(op: Op, t: Any, before: Tensors, params: dict[str, Any], node: Node | None) -> None:
    """Write the tangents of ``t``, which was just overwritten with ``op(*before)``."""
    if get_mode() & modes.INFERENCE:
        return
    for number in levels_of(before):
        tangent = tangents_at(op, before, params, (t,), number)[0] if op.differentiable else None
        write_tangent(t, number, tangent)
    if node is not None:
        keep_dual_outputs(node, (t,))


def write_tangent(t: Any, number: int, tangent: Any) -> None:
    """Overwrite the tangent of ``t`` at a level, None being zero; make ``t`` dual if it is not."""
    if tangent_of(t, number) is None:
        if tangent is None:
            return
        side = t._side
        base = t if side is None or side.base is None else side.base
        if base is t:
            set_tangent(t, number, tangent.clone())
            _spread(t, number)
            return
        if tangent_of(base, number) is None:
            set_tangent(base, number, _zeros(base))
        _spread(base, number)
    old = tangent_of(t, number)
    if tangent is None:
        old.zero_()
    else:
        make_room(old, (tangent._array,), ANYWHERE)
        old.copy_(tangent)


def _zeros(t: Any) -> Any:
    """Zeros laid out as ``t``."""
    raw = t._memory()
    if isinstance(raw, np.ndarray):
        return make_tensor(np.zeros_like(raw))
    return make_tensor(t._desc.type.xp.zeros(t._desc.shape, t._desc.numpy))


def _spread(base: Any, number: int) -> None:
    """Give the views of a base that became dual their part of its tangent."""
    if base._counter is None or not base._counter.views:
        return
    tangent = tangent_of(base, number)
    for view in living_views(base):
        if tangent_of(view, number) is None:
            set_tangent(view, number, replay_tensor(tangent, view._side.steps))
