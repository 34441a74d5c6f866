"""The straight path over other array libraries: an operator element by element, nothing special.

In: an `Op` and its operands while arrays of other libraries are about (the mode's bit LIBRARIES).
Out: the same Tensor that the general path (core/record.py) makes, or None where that is to decide:
operands of several dtypes, subclasses, tangents, hooks, arrays that do not broadcast as they are.
"""

from __future__ import annotations

from typing import Any

from adjoint.array import numpy_
from adjoint.array.descriptor import REAL_NUMBERS
from adjoint.array.dtypes import FLOATING
from adjoint.array.silence import restore, silence
from adjoint.core import mode as modes
from adjoint.core.duals import open_levels
from adjoint.core.node import next_seq
from adjoint.core.op import Op
from adjoint.core.plan import versions_of
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.core.views import InvalidEdge

__all__ = ["straight"]

_new = object.__new__
_PLAIN = (modes.LIBRARIES, modes.LIBRARIES | modes.GRAD)

# For each operator its kernel, or None if it is not one of the elementwise ones of this path.
_kernels: dict[Op, Any] = {}


def _kernel(op: Op) -> Any:
    plain = (
        op.family == "elementwise"
        and len(op.operands) in (1, 2)
        and not (op.predicate or op.parameters or op.variadic)
        and op.check is None
        and len(op.promoted) == len(op.operands)
    )
    return op.kernel if plain else None


def straight(op: Op, operands: tuple[Any, ...], mode: int) -> Any:
    """The result of ``op`` on one or two operands of one dtype, recorded; None: another way."""
    try:
        kernel = _kernels[op]
    except KeyError:
        kernel = _kernels[op] = _kernel(op)
    if kernel is None or open_levels or mode not in _PLAIN:
        return None
    a, b = operands if len(operands) == 2 else (operands[0], None)
    if not isinstance(a, TensorBase) or a.__torch_function__ is not None:
        return None
    desc = a._desc
    kind = desc.type
    plain = kind.plain
    if plain.fast < op.level:
        return None
    library = kind.xp
    edge, edge2, raw2 = a._edge, None, None
    counted = a._counter is not None
    saved = b
    if b is not None:
        number = type(b)
        if number is float or number is int:
            if number is float and plain.fast != REAL_NUMBERS:
                return None
            saved = raw2 = plain.zero_d_constants.get(b)
            if raw2 is None:
                try:
                    saved = raw2 = plain.shaped((1,)).constant(b)
                except (OverflowError, RuntimeWarning):
                    return None
        elif isinstance(b, TensorBase) and b.__torch_function__ is None:
            kind2 = b._desc.type
            if kind2.plain is not plain:
                return None
            if library is numpy_:
                library = kind2.xp
            raw2, edge2 = b._array, b._edge
            counted = counted or b._counter is not None
        else:
            return None
    compute = getattr(library, "straight", None)
    if compute is None or type(edge) is InvalidEdge or type(edge2) is InvalidEdge:
        return None
    token = silence()
    try:
        raw = compute(kernel, a._array, raw2)
    except (ValueError, RuntimeWarning):
        return None
    finally:
        restore(token)
    if raw is None:
        return None
    made = make_tensor(raw)
    if mode & modes.GRAD and (edge is not None or edge2 is not None):
        _record(op, made, (a, saved), (edge, edge2), counted)
    return made


def _record(
    op: Op, made: Any, operands: tuple[Any, Any], edges: tuple[Any, Any], counted: bool
) -> None:
    """Give ``made`` its node, as `core/record.py` does."""
    rules = op.rules
    if len(rules) == 1:
        edges = edges[:1]  # type: ignore[assignment]
    needs = tuple([r is not None and e is not None for r, e in zip(rules, edges)])
    desc = made._desc
    if True not in needs or desc.dtype.category < FLOATING:
        return
    plan = op.plan(needs)
    if plan.pick is not None:
        saved = plan.pick(*operands, made._array)
    elif plan.names:
        shapes = tuple([o._desc.shape if isinstance(o, TensorBase) else () for o in operands])
        saved = plan.collect(operands, shapes, made._array, {})
    else:
        saved = ()
    node = _new(op.node_class)
    node.edges = tuple([e if n else None for e, n in zip(edges, needs)])
    node.saved = saved
    node.versions = versions_of(saved) if counted else None
    node.plan = plan
    node.seq = next_seq()
    node.desc = desc
    node.hooks = None
    node.counter = None
    made._edge = node
