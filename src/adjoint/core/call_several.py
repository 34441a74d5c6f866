"""Calling an operator of several operands with parameters: products, convolutions, joins, losses.

In: an `Op`.  Out: the function that users call, with the straight path as in `core/call.py`.
Plans are made when they are first needed: importing the library should not pay for operators that
a program never differentiates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.descriptor import describe
from adjoint.core.mode import get_mode
from adjoint.core.node import sequence
from adjoint.core.op import Op
from adjoint.core.plan import versions_of
from adjoint.core.record import apply, wrap_several
from adjoint.core.tensor_base import TensorBase, needs_tensor_class

__all__ = ["general", "straight_several", "straight_three"]

_new = object.__new__
_ndarray = np.ndarray
_Tensor: type[TensorBase] = TensorBase


@needs_tensor_class
def _receive(cls: type[TensorBase]) -> None:
    global _Tensor
    _Tensor = cls


def straight_three(op: Op) -> Callable[..., Any]:
    """Two or three operands (the last may be None), one result: products, convolutions, losses."""
    forward, level = op.forward, op.level
    count = len(op.operands)
    wants = [r is not None for r in op.rules] + [False] * (3 - len(op.rules))
    want1, want2, want3 = [wanted << n for n, wanted in enumerate(wants)]
    alike2, alike3 = 1 in op.promoted, 2 in op.promoted
    plans: list[Any] = [None] * 8
    node_class: Any = None

    def prepare(needs: int) -> Any:
        nonlocal node_class
        node_class = op.node_class
        which = tuple(bool(needs >> n & 1) for n in range(count))
        plans[needs] = op.plan(which, exact=True, fitting=False)
        return plans[needs]

    def call(a: Any, b: Any, c: Any = None, /, **params: Any) -> Any:
        try:
            desc, second = a._desc, b._desc
            if (
                desc.fast < level
                or not second.fast
                or (alike2 and second.type is not desc.type)
                or (mode := get_mode()) > 1
            ):
                return apply(op, (a, b, c)[:count], params)
            kind = desc.type
            edge1, edge2 = a._edge, b._edge
            counted = a._counter is not None or b._counter is not None
            if count == 2:
                raw = forward(numpy_, a._array, b._array, **params)
                edges = (edge1, edge2)
                needs = 0
            else:
                edge3 = None
                third = None
                if c is not None:
                    if not c._desc.fast or (alike3 and c._desc.type is not kind):
                        return apply(op, (a, b, c), params)
                    third = c._array
                    edge3 = c._edge
                    counted = counted or c._counter is not None
                raw = forward(numpy_, a._array, b._array, third, **params)
                edges = (edge1, edge2, edge3)  # type: ignore[assignment]
                needs = 0 if edge3 is None else want3
            if edge1 is not None:
                needs |= want1
            if edge2 is not None:
                needs |= want2
            shape = raw.shape
            if shape and raw.dtype is kind.numpy and type(raw) is _ndarray:
                desc = kind.shapes_get(shape) or kind.shaped(shape)
            else:
                desc = describe(raw)
            node = None
            if needs and mode:
                if desc.type is not kind:
                    return apply(op, (a, b, c)[:count], params)
                plan = plans[needs] or prepare(needs)
                node = node_class()
                node.edges = edges
                node.saved = saved = plan.gather((a, b, c), raw, params)
                node.versions = versions_of(saved) if counted else None
                node.plan = plan
                node.seq = next(sequence)
                node.desc = desc
                node.hooks = None
                node.counter = None
        except (AttributeError, ValueError, RuntimeWarning, FloatingPointError):
            return apply(op, (a, b, c)[:count], params)
        made = _new(_Tensor)
        made._array = raw
        made._desc = desc
        made._counter = None
        made._side = None
        made._edge = node
        return made

    return call


def straight_several(op: Op) -> Callable[..., Any]:
    """Operands that need no promotion, one result or several: products, joins, splits."""
    forward, level = op.forward, op.level
    variadic, view, rules = op.variadic, op.view, op.rules
    count = len(op.operands)
    differentiable = op.differentiable
    wanted = [differentiable and (op.joint or r is not None) for r in rules]
    wanted += [differentiable and op.joint] * (count - len(rules))
    alike = [variadic or i in op.promoted for i in range(count)]
    plans: dict[int, Any] = {}
    node_class: Any = None

    def prepare(needs: int, given: int) -> Any:
        nonlocal node_class
        node_class = op.node_class
        which = tuple([bool(needs >> n & 1) for n in range(given)])
        plans[needs] = op.plan(which, exact=True, fitting=False)
        return plans[needs]

    def call(*operands: Any, **params: Any) -> Any:
        try:
            if (mode := get_mode()) > 1 or (len(operands) != count and not variadic):
                return apply(op, operands, params)
            raws: list[Any] = []
            edges: list[Any] = []
            first: Any = None
            needs, counted, i = 0, False, 0
            for o in operands:
                if o is None:
                    raws.append(None)
                    edges.append(None)
                else:
                    desc = o._desc
                    kind = desc.type
                    k = 0 if variadic else i
                    if first is None:
                        first = kind
                        if desc.fast < level:
                            return apply(op, operands, params)
                    elif not desc.fast or (kind is not first and alike[k]):
                        return apply(op, operands, params)
                    raws.append(o._memory() if view else o._array)
                    edge = o._edge
                    edges.append(edge)
                    if edge is not None and wanted[k]:
                        needs |= 1 << i
                    if o._counter is not None:
                        counted = True
                i += 1
            raw = forward(numpy_, *raws, **params)
            several = type(raw) is tuple
            made_desc: Any = tuple([describe(r) for r in raw]) if several else describe(raw)
            node = None
            if needs and mode:
                if not several and made_desc.type is not first:
                    return apply(op, operands, params)
                plan = None if variadic else plans.get(needs)
                if plan is None:
                    plan = prepare(needs, i)
                node = node_class()
                node.edges = tuple(edges)
                node.saved = saved = plan.gather(operands, raw, params)
                node.versions = versions_of(saved) if counted else None
                node.plan = plan
                node.seq = next(sequence)
                node.desc = made_desc
                node.hooks = None
                node.counter = None
        except (AttributeError, ValueError, RuntimeWarning, FloatingPointError):
            return apply(op, operands, params)
        if several:
            return wrap_several(op, operands, params, raw, made_desc, node, mode)
        made = _new(_Tensor)
        made._array = raw
        made._desc = made_desc
        made._counter = None
        made._side = None
        made._edge = node
        return made

    return call


def general(op: Op) -> Callable[..., Any]:
    def call(*operands: Any, **params: Any) -> Any:
        return apply(op, operands, params)

    return call
