"""The straight path over other array libraries: an operator element by element, nothing special.

In: an `Op` and its operands while arrays of other libraries are about (the mode's bit LIBRARIES).
Out: the same Tensor that the general path (core/record.py) makes, or None where that is to decide:
operands of several dtypes, subclasses, tangents, hooks, arrays that do not broadcast as they are.
"""

from __future__ import annotations

import functools
from typing import Any

from adjoint.array import numpy_
from adjoint.array.descriptor import REAL_NUMBERS, describe
from adjoint.array.dtypes import FLOATING
from adjoint.array.silence import restore, silence
from adjoint.core import mode as modes
from adjoint.core.duals import open_levels
from adjoint.core.half import HALVES
from adjoint.core.mode import set_mode
from adjoint.core.node import next_seq
from adjoint.core.op import Op
from adjoint.core.plan import versions_of
from adjoint.core.tensor_base import TensorBase, birthplace, needs_tensor_class
from adjoint.core.views import InvalidEdge

__all__ = ["straight"]

_new = object.__new__
_PLAIN = (modes.LIBRARIES, modes.LIBRARIES | modes.GRAD)
_SIMPLE = frozenset({int, float, bool, str, type(None), slice, complex})
_Tensor: type[TensorBase] = TensorBase


@needs_tensor_class
def _receive(cls: type[TensorBase]) -> None:
    global _Tensor
    _Tensor = cls


# For each operator its kernel, or None if it is not one of the elementwise ones of this path, and
# which numbers it takes (core/call.py: the same levels, which make checks of the dtype needless).
_kernels: dict[Op, tuple[Any, int]] = {}


def _kernel(op: Op) -> tuple[Any, int]:
    plain = (
        op.family == "elementwise"
        and len(op.operands) in (1, 2)
        and not op.variadic
        and len(op.promoted) == len(op.operands)
    )
    level = REAL_NUMBERS if op.parameters else 1 if op.predicate else op.level
    found = _kernels[op] = (op.kernel if plain else None, level)
    return found


def straight(op: Op, operands: tuple[Any, ...], params: dict[str, Any], mode: int) -> Any:
    """The result of ``op`` on one or two operands of one dtype, recorded; None: another way."""
    kernel, wanted = _kernels.get(op) or _kernel(op)
    if kernel is None or mode not in _PLAIN or open_levels:
        return None
    if params:
        if False in [type(value) in _SIMPLE for value in params.values()]:
            return None
        kernel = functools.partial(op.forward, numpy_, **params)
    a = operands[0]
    try:
        desc = a._desc
        if a.__torch_function__ is not None:
            return None
    except AttributeError:
        return None
    kind = desc.type
    plain = kind.plain
    if plain.fast < wanted:
        return None
    library, edge, edge2 = kind.xp, a._edge, None
    b = raw2 = desc2 = None
    if len(operands) == 2:
        b = operands[1]
        given = type(b)
        if given is float or given is int:
            if given is float and plain.fast != REAL_NUMBERS:
                return None
            raw2 = plain.zero_d_constants.get(b)
            if raw2 is None:
                try:
                    raw2 = plain.shaped((1,)).constant(b)
                except (OverflowError, RuntimeWarning):
                    return None
            b = raw2
        else:
            if not isinstance(b, TensorBase) or b.__torch_function__ is not None:
                return None
            desc2 = b._desc
            if desc2.type.plain is not plain:
                return None
            if library is numpy_:
                library = desc2.type.xp
            raw2, edge2 = b._array, b._edge
    if library is numpy_:
        return None
    compute = getattr(library, "straight", None)
    if compute is None or type(edge) is InvalidEdge or type(edge2) is InvalidEdge:
        return None
    token = silence()
    try:
        found = compute(kernel, a._array, raw2, desc, desc2)
    except (ValueError, RuntimeWarning):
        return None
    finally:
        restore(token)
    if found is None:
        return None
    raw, made_desc = found
    if made_desc is None:
        made_desc = describe(raw)
    made = _new(_Tensor)
    made._array = raw
    made._desc = made_desc
    made._edge = None
    made._counter = None
    made._side = None
    number = birthplace.get()
    if made_desc.type.levels[0].number != number:
        made._rare().born = number
    if mode & modes.GRAD and (edge is not None or edge2 is not None):
        return _recorded(op, made, a, b, edge, edge2, params)
    return made


def batched(op: Op, operands: tuple[Any, ...], params: dict[str, Any], mode: int) -> Any:
    """What ``op`` gives on the raw operands, some of another library, with their descriptors alike;
    None: another way.
    """
    if mode not in _PLAIN or open_levels:
        return None
    raws: list[Any] = []
    library: Any = None
    first: Any = None
    for i, o in enumerate(operands):
        if o is None:
            raws.append(None)
            continue
        if not isinstance(o, TensorBase) or o.__torch_function__ is not None:
            return None
        kind = o._desc.type
        if kind.levels:
            library = kind.xp
            for level in kind.levels:
                if not level.open:
                    return None
        elif kind.xp is not numpy_:
            return None
        if kind.dtype in HALVES:
            return None
        if op.variadic or i in op.promoted:
            if first is None:
                first = kind.plain
            elif kind.plain is not first:
                return None
        raws.append(o._array)
    if library is None or (op.to_float and first is not None and first.fast != REAL_NUMBERS):
        return None
    if op.check is not None:
        op.check(operands)
    token = silence()
    try:
        return op.forward(library, *raws, **params)
    except ValueError:
        return None
    finally:
        restore(token)


def outside(op: Op, operands: tuple[Any, ...], params: dict[str, Any], mode: int) -> Any:
    """The result of ``op`` on tensors that are all NumPy's, as if no other arrays were about; None
    where some may be.
    """
    if mode not in _PLAIN or open_levels:
        return None
    for o in operands:
        if isinstance(o, TensorBase):
            if o._desc.type.xp is not numpy_ or o.__torch_function__ is not None:
                return None
        elif type(o) not in _SIMPLE:
            return None
    for value in params.values():
        if type(value) not in _SIMPLE and (
            type(value) is not tuple or False in [type(v) in _SIMPLE for v in value]
        ):
            return None
    set_mode(mode & ~modes.LIBRARIES)
    try:
        made = op.call(*operands, **params)
    finally:
        set_mode(mode)
    number = birthplace.get()
    for t in made if type(made) is tuple else (made,):
        if isinstance(t, TensorBase):
            t._rare().born = number
    return made


def _recorded(
    op: Op, made: Any, a: Any, b: Any, edge: Any, edge2: Any, params: dict[str, Any]
) -> Any:
    """``made`` with its node, as `core/record.py` gives it; None where that is to refuse."""
    rules, desc = op.rules, made._desc
    if not rules or desc.dtype.category < FLOATING:
        return made
    for operand in (a, b):
        if type(operand) is _Tensor and operand._side is not None and operand._side.inference:
            return None
    first = edge is not None and rules[0] is not None
    if len(rules) == 1:
        needs: tuple[bool, ...] = (first,)
        edges: tuple[Any, ...] = (edge,)
    else:
        needs = (first, edge2 is not None and rules[1] is not None)
        edges = (edge if first else None, edge2 if needs[1] else None)
    if True not in needs:
        return made
    plan = op.plan(needs)
    if plan.pick is not None:
        saved = plan.pick(a, b, made._array)
    elif plan.names:
        shapes = tuple([o._desc.shape if isinstance(o, TensorBase) else () for o in (a, b)])
        saved = plan.collect((a, b), shapes, made._array, params)
    else:
        saved = ()
    node = _new(op.node_class)
    node.edges = edges
    node.saved = saved
    counted = a._counter is not None or getattr(b, "_counter", None) is not None
    node.versions = versions_of(saved) if counted else None
    node.plan = plan
    node.seq = next_seq()
    node.desc = desc
    node.hooks = None
    node.counter = None
    made._edge = node
    return made
