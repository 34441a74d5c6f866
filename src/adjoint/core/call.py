"""Calling an operator: the straight path, one closure per arity; the rest goes to `core/record.py`.

In: an `Op`.  Out: the function that users call.  Operands whose descriptors are the same object
need neither promotion nor broadcasting: forward on the raw arrays, and if recording is on and an
operand has an edge, a node.  Everything else - other dtypes, other devices, transforms,
subclasses, modes - is decided by one comparison each and takes the general path.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

from adjoint.array import numpy_
from adjoint.array.descriptor import REAL_NUMBERS, describe
from adjoint.core.mode import get_mode
from adjoint.core.node import next_seq
from adjoint.core.op import Op, OpFunction
from adjoint.core.plan import _PICKERS, versions_of
from adjoint.core.record import apply, wrap_several
from adjoint.core.tensor_base import Side, TensorBase, needs_tensor_class
from adjoint.core.views import link_view

__all__ = ["make_call"]

_new = object.__new__
BOTH, SECOND = _PICKERS[1, 0], _PICKERS[1,]
_Tensor: type[TensorBase] = TensorBase


@needs_tensor_class
def _receive(cls: type[TensorBase]) -> None:
    global _Tensor
    _Tensor = cls


def make_call(op: Op) -> OpFunction:
    """The function that calls ``op``, specialised by its family and arity."""
    elementwise = op.family == "elementwise" and not op.parameters
    call: Callable[..., Any]
    if elementwise and len(op.operands) == 1 and not op.predicate:
        call = _unary(op)
    elif elementwise and len(op.operands) == 2:
        call = _predicate(op) if op.predicate else _binary(op)
    elif op.predicate or (op.family == "elementwise" and len(op.operands) > 2):
        call = _general(op)
    elif op.family == "reduction" and len(op.operands) == 1 and not op.parameters:
        call = _straight_whole(op)
    elif len(op.operands) == 1 and op.outputs == 1 and not (op.joint or op.variadic):
        call = _straight_one(op)
    elif (
        len(op.operands) in (2, 3) and op.outputs == 1 and not (op.joint or op.variadic or op.view)
    ):
        call = _straight_three(op)
    else:
        call = _straight_several(op)
    functools.update_wrapper(call, op.forward, assigned=("__name__", "__doc__", "__module__"))
    call.__name__ = op.name
    function = cast(OpFunction, call)
    function.op = op
    op.call = function
    return function


def _straight_one(op: Op) -> Callable[..., Any]:
    """One operand and parameters: reductions, views, elementwise operators with parameters."""
    forward, level, node_class, view = op.forward, op.level, op.node_class, op.view
    if op.family == "elementwise":
        level = REAL_NUMBERS
    plan = op.plan((True,), exact=True, fitting=False) if op.differentiable else None
    gather = plan.gather if plan is not None and plan.names else None
    node_name = op.node_name

    def call(input: Any, **params: Any) -> Any:
        try:
            desc = input._desc
            if desc.fast < level or (mode := get_mode()) > 1:
                return apply(op, (input,), params)
            raw = forward(numpy_, input._memory() if view else input._array, **params)
        except (AttributeError, RuntimeWarning, FloatingPointError):
            return apply(op, (input,), params)
        made = _new(_Tensor)
        made._array = raw
        made._desc = desc = describe(raw)
        made._counter = None
        made._side = None
        made._edge = None
        edge = input._edge
        if edge is not None and mode and plan is not None and desc.dtype.category > 1:
            node = node_class()
            node.edges = (edge,)
            node.saved = saved = gather((input,), raw, params) if gather is not None else ()
            node.versions = None if input._counter is None else versions_of(saved)
            node.plan = plan
            node.seq = next_seq()
            node.desc = desc
            node.hooks = None
            node.counter = None
            made._edge = node
        if view:
            if mode and input._side is None:
                counter = input._counter
                if counter is None:
                    counter = input._version_counter()
                made._counter = counter
                made._side = side = Side()
                side.base = input
                side.steps = ((op, params),)
                side.node = node_name
                counter.add_view(made)
            else:
                link_view(op, input, made, params, mode)
        return made

    return call


def _straight_three(op: Op) -> Callable[..., Any]:
    """Two or three operands (the last may be None), one result: products, convolutions, losses."""
    forward, level, node_class = op.forward, op.level, op.node_class
    count = len(op.operands)
    wants = [r is not None for r in op.rules] + [False] * (3 - len(op.rules))
    want1, want2, want3 = wants
    alike2, alike3 = 1 in op.promoted, 2 in op.promoted
    plans: list[Any] = [None] * 8
    if op.differentiable:
        for i in range(1, 8):
            needs = tuple(bool(i >> n & 1) for n in range(count))
            if i < 1 << count and all(w or not n for w, n in zip(wants, needs)):
                plans[i] = op.plan(needs, exact=True, fitting=False)

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
                needs = (edge1 is not None and want1) + 2 * (edge2 is not None and want2)
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
                needs = (
                    (edge1 is not None and want1)
                    + 2 * (edge2 is not None and want2)
                    + 4 * (edge3 is not None and want3)
                )
            desc = describe(raw)
            node = None
            if needs and mode:
                if desc.type is not kind:
                    return apply(op, (a, b, c)[:count], params)
                plan = plans[needs]
                node = node_class()
                node.edges = edges
                node.saved = saved = plan.gather((a, b, c), raw, params)
                node.versions = versions_of(saved) if counted else None
                node.plan = plan
                node.seq = next_seq()
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


def _straight_whole(op: Op) -> Callable[..., Any]:
    """The sum or mean of all elements: one operand, no parameters, a scalar."""
    kernel, node_class = op.kernel, op.node_class
    plan = op.plan((True,), exact=True, fitting=False)
    gather = plan.gather
    shape_only = plan.names == ("input_shape",)

    def call(input: Any) -> Any:
        try:
            desc = input._desc
            if desc.fast != REAL_NUMBERS or (mode := get_mode()) > 1:
                return apply(op, (input,), {})
            raw = kernel(input._array)
        except (AttributeError, RuntimeWarning, FloatingPointError):
            return apply(op, (input,), {})
        made = _new(_Tensor)
        made._array = raw
        made._desc = scalar = desc.type.scalar
        made._counter = None
        made._side = None
        edge = input._edge
        if edge is None or not mode:
            made._edge = None
            return made
        made._edge = node = node_class()
        node.edges = (edge,)
        node.saved = (desc.shape,) if shape_only else gather((input,), raw, {})
        node.versions = None if shape_only or input._counter is None else versions_of(node.saved)
        node.plan = plan
        node.seq = next_seq()
        node.desc = scalar
        node.hooks = None
        node.counter = None
        return made

    return call


def _straight_several(op: Op) -> Callable[..., Any]:
    """Operands that need no promotion, one result or several: products, joins, splits."""
    forward, level, node_class = op.forward, op.level, op.node_class
    variadic, view, rules = op.variadic, op.view, op.rules
    count = len(op.operands)
    differentiable = op.differentiable
    wanted = [differentiable and (op.joint or r is not None) for r in rules]
    wanted += [differentiable and op.joint] * (count - len(rules))
    alike = [variadic or i in op.promoted for i in range(count)]
    plans: dict[int, Any] = {}

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
                    which = tuple([bool(needs >> n & 1) for n in range(i)])
                    plan = plans[needs] = op.plan(which, exact=True, fitting=False)
                node = node_class()
                node.edges = tuple(edges)
                node.saved = saved = plan.gather(operands, raw, params)
                node.versions = versions_of(saved) if counted else None
                node.plan = plan
                node.seq = next_seq()
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


def _general(op: Op) -> Callable[..., Any]:
    def call(*operands: Any, **params: Any) -> Any:
        return apply(op, operands, params)

    return call


def _unary(op: Op) -> Callable[..., Any]:
    kernel, level, node_class = op.kernel, op.level, op.node_class
    plan = op.plan((True,), exact=True, fitting=True) if op.differentiable else None
    pick = plan.pick if plan is not None else None

    def call(input: Any) -> Any:
        try:
            desc = input._desc
            if desc.fast < level or (mode := get_mode()) > 1:
                return apply(op, (input,), {})
            raw = kernel(input._array)
        except (AttributeError, RuntimeWarning, FloatingPointError):
            return apply(op, (input,), {})
        made = _new(_Tensor)
        made._array = raw
        made._desc = desc = desc.result
        made._counter = None
        made._side = None
        edge = input._edge
        if edge is None or not mode or plan is None:
            made._edge = None
            return made
        node = node_class()
        node.edges = (edge,)
        node.saved = saved = pick(input, None, raw) if pick is not None else ()
        node.versions = None if input._counter is None else versions_of(saved)
        node.plan = plan
        node.seq = next_seq()
        node.desc = desc
        node.hooks = None
        node.counter = None
        made._edge = node
        return made

    return call


def _binary(op: Op) -> Callable[..., Any]:
    kernel, level, node_class = op.kernel, op.level, op.node_class
    first: Any = None
    second_only: Any = None
    both: Any = None
    broadcast: dict[tuple[bool, bool], Any] = {}
    if op.differentiable:
        first, second_only, both = (
            op.plan(needs, exact=True, fitting=True)
            for needs in ((True, False), (False, True), (True, True))
        )
        for needs in ((True, False), (False, True), (True, True)):
            broadcast[needs] = op.plan(needs, exact=True, fitting=False)
    number_pick = None if first is None else first.pick

    def call(input: Any, other: Any) -> Any:
        kind = type(other)
        try:
            desc = input._desc
            if kind is float or kind is int:
                if (
                    desc.fast < level
                    or (kind is float and desc.fast != REAL_NUMBERS)
                    or (mode := get_mode()) > 1
                ):
                    return apply(op, (input, other), {})
                constant = desc.constants_get(other)
                if constant is None:
                    constant = desc.constant(other)
                raw = kernel(input._array, constant)
                made = _new(_Tensor)
                made._array = raw
                made._desc = desc = desc.result
                made._counter = None
                made._side = None
                edge = input._edge
                if edge is None or first is None or not mode:
                    made._edge = None
                    return made
                made._edge = node = node_class()
                node.edges = (edge, None)
                if number_pick is None:
                    node.saved = ()
                    node.versions = None
                elif number_pick is SECOND:
                    node.saved = (constant,)
                    node.versions = None
                else:
                    node.saved = number_pick(input, constant, raw)
                    node.versions = None if input._counter is None else versions_of(node.saved)
                node.plan = first
                node.seq = next_seq()
                node.desc = desc
                node.hooks = None
                node.counter = None
                return made
            edge = input._edge
            second = other._desc
            edge2 = other._edge
            if desc is second:
                if desc.fast < level or (mode := get_mode()) > 1:
                    return apply(op, (input, other), {})
                raw = kernel(input._array, other._array)
                desc = desc.result
                if edge is None:
                    plan = None if edge2 is None or not mode else second_only
                elif mode:
                    plan = first if edge2 is None else both
                else:
                    plan = None
            elif desc.type is second.type and second.fast:
                if desc.fast < level or (mode := get_mode()) > 1:
                    return apply(op, (input, other), {})
                raw = kernel(input._array, other._array)
                desc = describe(raw)
                plan = broadcast.get((edge is not None, edge2 is not None)) if mode else None
            else:
                return apply(op, (input, other), {})
            if plan is not None:
                edges = (edge, edge2)
                counter = input._counter or other._counter
        except (AttributeError, RuntimeWarning, FloatingPointError, ValueError, OverflowError):
            return apply(op, (input, other), {})
        made = _new(_Tensor)
        made._array = raw
        made._desc = desc
        made._counter = None
        made._side = None
        if plan is None:
            made._edge = None
            return made
        node = node_class()
        node.edges = edges
        pick = plan.pick
        if pick is None:
            node.saved = ()
            node.versions = None
        else:
            if pick is BOTH:
                node.saved = (other, input)
            elif pick is SECOND:
                node.saved = (other,)
            else:
                node.saved = pick(input, other, raw)
            node.versions = None if counter is None else versions_of(node.saved)
        node.plan = plan
        node.seq = next_seq()
        node.desc = desc
        node.hooks = None
        node.counter = None
        made._edge = node
        return made

    return call


def _predicate(op: Op) -> Callable[..., Any]:
    kernel = op.kernel

    def call(input: Any, other: Any) -> Any:
        try:
            desc = input._desc
            if not desc.fast or get_mode() > 1:
                return apply(op, (input, other), {})
            kind = type(other)
            if kind is float or kind is int:
                if kind is float and desc.fast != REAL_NUMBERS:
                    return apply(op, (input, other), {})
                constant = desc.constants_get(other)
                second = desc.constant(other) if constant is None else constant
            elif desc.type is other._desc.type and other._desc.fast:
                second = other._array
            else:
                return apply(op, (input, other), {})
            raw = kernel(input._array, second)
        except (AttributeError, RuntimeWarning, FloatingPointError, ValueError, OverflowError):
            return apply(op, (input, other), {})
        made = _new(_Tensor)
        made._array = raw
        made._desc = describe(raw)
        made._counter = None
        made._side = None
        made._edge = None
        return made

    return call
