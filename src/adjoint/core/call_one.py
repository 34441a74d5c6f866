"""Calling an operator of one operand with parameters: reductions, views, powers, ``1 - x``.

In: an `Op`.  Out: the function that users call, with the straight path as in `core/call.py`. What
such an operator declares besides its forward (``direct``, ``number``; see `Op`) is all that these
paths know of it.

Note [Numbers]
    The number of ``x ** 2`` or ``1 - x`` may be given by position: a dictionary of one parameter
    costs as much as the node. Arithmetic meets it as a constant that is kept with the descriptor,
    if it is one that turns into the operand's type in one rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.array import numpy_
from adjoint.array.descriptor import ARRAY, REAL_NUMBERS, describe
from adjoint.core.mode import get_mode
from adjoint.core.node import sequence
from adjoint.core.op import Op
from adjoint.core.plan import picker, versions_of
from adjoint.core.record import apply
from adjoint.core.tensor_base import TensorBase, needs_tensor_class
from adjoint.core.views import link_view

__all__ = ["straight_number", "straight_one", "straight_view"]

_new = object.__new__
_Tensor: type[TensorBase] = TensorBase
_EXACT = 1 << 53  # integers up to here are floats; see Note [Numbers]
_ABSENT: Any = object()


@needs_tensor_class
def _receive(cls: type[TensorBase]) -> None:
    global _Tensor
    _Tensor = cls


def straight_one(op: Op) -> Callable[..., Any]:
    """One operand and parameters: reductions, elementwise operators with parameters."""
    forward, level = op.forward, op.level
    if op.family == "elementwise":
        level = REAL_NUMBERS
    differentiable = op.differentiable
    plan: Any = None
    gather: Any = None
    values: bool = False  # whether values are saved, which have versions
    node_class: Any = None

    def prepare() -> None:
        nonlocal plan, gather, values, node_class
        plan = op.plan((True,), exact=True, fitting=False)
        gather = plan.gather if plan.names else None
        values = plan.frees
        node_class = op.node_class

    def call(input: Any, **params: Any) -> Any:
        try:
            desc = input._desc
            if desc.fast < level or (mode := get_mode()) > 1:
                return apply(op, (input,), params)
            raw = forward(numpy_, input._array, **params)
        except (AttributeError, RuntimeWarning, FloatingPointError):
            return apply(op, (input,), params)
        made = _new(_Tensor)
        made._array = raw
        made._desc = desc = describe(raw)
        made._counter = None
        made._side = None
        made._edge = None
        edge = input._edge
        if edge is not None and mode and differentiable and desc.dtype.category > 1:
            if plan is None:
                prepare()
            made._edge = node = node_class()
            node.edges = (edge,)
            node.saved = saved = gather((input,), raw, params) if gather is not None else ()
            node.versions = versions_of(saved) if values and input._counter is not None else None
            node.plan = plan
            node.seq = next(sequence)
            node.desc = desc
            node.hooks = None
            node.counter = None
        return made

    return call


def straight_view(op: Op) -> Callable[..., Any]:
    """A view: the operand's memory in another arrangement."""
    forward, direct, level, differentiable = op.forward, op.direct, op.level, op.differentiable
    plan: Any = None
    gather: Any = None
    values: bool = False
    node_class: Any = None

    def prepare() -> None:
        nonlocal plan, gather, values, node_class
        plan = op.plan((True,), exact=True, fitting=False)
        gather = plan.gather if plan.names else None
        values = plan.frees
        node_class = op.node_class

    def call(input: Any, **params: Any) -> Any:
        try:
            desc = input._desc
            if desc.fast < level or (mode := get_mode()) > 1:
                return apply(op, (input,), params)
            raw = input._array if desc.storage == ARRAY else input._memory()
            raw = direct(raw, params) if direct is not None else forward(numpy_, raw, **params)
            shape = raw.shape
            kind = desc.type
            if not shape or raw.dtype is not kind.numpy:
                desc = describe(raw)
            else:
                desc = kind.shapes_get(shape) or kind.shaped(shape)
        except (AttributeError, RuntimeWarning, FloatingPointError):
            return apply(op, (input,), params)
        made = _new(_Tensor)
        made._array = raw
        made._desc = desc
        made._edge = None
        edge = input._edge
        if edge is not None and mode and differentiable and desc.dtype.category > 1:
            if plan is None:
                prepare()
            made._edge = node = node_class()
            node.edges = (edge,)
            node.saved = saved = gather((input,), raw, params) if gather is not None else ()
            node.versions = versions_of(saved) if values and input._counter is not None else None
            node.plan = plan
            node.seq = next(sequence)
            node.desc = desc
            node.hooks = None
            node.counter = None
        made._side = None
        link_view(op, input, made, params, mode)  # and its counter
        return made

    return call


def straight_number(op: Op) -> Callable[..., Any]:
    """One operand and a number, by position or by name; see Note [Numbers]."""
    kernel, constant = op.with_number
    (name,) = op.parameters
    plan: Any = None
    pick: Any = None
    node_class: Any = None

    def prepare() -> None:
        nonlocal plan, pick, node_class
        plan = op.plan((True,), exact=True, fitting=True)
        pick = picker(plan, number=True)
        node_class = op.node_class

    def call(input: Any, number: Any = _ABSENT, **params: Any) -> Any:
        if params or number is _ABSENT:
            if number is not _ABSENT or [*params] != [name]:
                return apply(op, (input,), params)
            number = params[name]
        kind = type(number)
        try:
            desc = input._desc
            if (
                desc.fast != REAL_NUMBERS
                or (kind is not int and kind is not float)
                or (mode := get_mode()) > 1
            ):
                return apply(op, (input,), {name: number})
            if constant:
                if not -_EXACT < number < _EXACT:
                    return apply(op, (input,), {name: number})
                pair = desc.pairs_get(number)
                if pair is None:
                    pair = desc.pair(number)
                raw = kernel(pair[0], input._array)
            else:
                raw = kernel(input._array, number)
        except (AttributeError, RuntimeWarning, FloatingPointError, ValueError, OverflowError):
            return apply(op, (input,), {name: number})
        made = _new(_Tensor)
        made._array = raw
        made._desc = desc = desc.result
        made._counter = None
        made._side = None
        edge = input._edge
        if edge is None or not mode:
            made._edge = None
            return made
        if plan is None:
            prepare()
        made._edge = node = node_class()
        node.edges = (edge,)
        node.saved = saved = pick(input, number, raw) if pick is not None else ()
        node.versions = None if input._counter is None else versions_of(saved)
        node.plan = plan
        node.seq = next(sequence)
        node.desc = desc
        node.hooks = None
        node.counter = None
        return made

    return call
