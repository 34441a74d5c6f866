"""Calling an operator: the straight path, one closure per arity; the rest goes to `core/record.py`.

In: an `Op`.  Out: the function that users call (with parameters: of one operand see
`core/call_one.py`, of several `core/call_several.py`).  Operands whose descriptors are the same
object need neither promotion nor broadcasting: forward on the raw arrays, and if recording is on
and an operand has an edge, a node.  Everything else - other dtypes, other devices, transforms,
subclasses, modes - is decided by one comparison each and takes the general path.  Plans and node
classes are made when an operator is first recorded: most programs use few of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from adjoint.array import numpy_, silence
from adjoint.array.descriptor import REAL_NUMBERS, ArrayType, Descriptor, describe, known_types
from adjoint.array.kernels import ufuncs
from adjoint.core.call_one import straight_number, straight_one, straight_view
from adjoint.core.call_several import general, straight_several, straight_three
from adjoint.core.mode import get_mode
from adjoint.core.mode import mode as mode_variable
from adjoint.core.native import calls as native_calls
from adjoint.core.native import core as native
from adjoint.core.node import Node, sequence
from adjoint.core.op import Op, OpFunction
from adjoint.core.plan import _PICKERS, Plan, versions_of
from adjoint.core.record import apply
from adjoint.core.tensor_base import Counter, TensorBase, needs_tensor_class
from adjoint.core.views import link_view

__all__ = ["make_call"]

_new = object.__new__
BOTH, SECOND = _PICKERS[1, 0], _PICKERS[1,]
_Tensor: type[TensorBase] = TensorBase


@needs_tensor_class
def _receive(cls: type[TensorBase]) -> None:
    global _Tensor
    _Tensor = cls
    if native is not None:
        native.setup(Tensor=cls)


def make_call(op: Op) -> OpFunction:
    """The function that calls ``op``, specialised by its family and arity."""
    builder = _builder(op)
    if native is not None and builder in _COMPILED:
        call = native_calls.make_compiled(op, _COMPILED[builder])
    else:
        call = builder(op)
    # what functools.update_wrapper does, with the name by which users know it
    call.__name__ = call.__qualname__ = op.name
    call.__doc__ = op.forward.__doc__
    call.__module__ = op.forward.__module__
    call.__wrapped__ = op.forward
    function = cast(OpFunction, call)
    function.op = op
    op.call = function
    return function


def _builder(op: Op) -> Callable[[Op], Callable[..., Any]]:
    elementwise = op.family == "elementwise" and not op.parameters
    several = op.outputs > 1 or op.joint or op.variadic
    if elementwise and len(op.operands) == 1 and not op.predicate:
        return _unary
    if elementwise and len(op.operands) == 2:
        return _predicate if op.predicate else _binary
    if op.predicate or (op.family == "elementwise" and len(op.operands) > 2):
        return general
    if op.family == "reduction" and len(op.operands) == 1 and not op.parameters:
        return _straight_whole
    if len(op.operands) == 1 and not several:
        return straight_number if op.number else straight_view if op.view else straight_one
    if len(op.operands) in (2, 3) and not several and not op.view:
        return straight_three
    return straight_several


def _straight_whole(op: Op) -> Callable[..., Any]:
    """The sum or mean of all elements: one operand, no parameters, a scalar."""
    kernel = op.kernel
    plan: Any = None
    shape_only = False
    gather: Any = None
    node_class: Any = None

    def prepare() -> None:
        nonlocal plan, gather, node_class, shape_only
        plan = op.plan((True,), exact=True, fitting=False)
        gather = plan.gather
        shape_only = plan.names == ("input_shape",)
        node_class = op.node_class

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
        if plan is None:
            prepare()
        made._edge = node = node_class()
        node.edges = (edge,)
        node.saved = (desc.shape,) if shape_only else gather((input,), raw, {})
        node.versions = None if shape_only or input._counter is None else versions_of(node.saved)
        node.plan = plan
        node.seq = next(sequence)
        node.desc = scalar
        node.hooks = None
        node.counter = None
        return made

    return call


def _unary(op: Op) -> Callable[..., Any]:
    kernel, level, differentiable = op.kernel, op.level, op.differentiable
    plan: Any = None
    pick: Any = None
    node_class: Any = None

    def prepare() -> None:
        nonlocal plan, pick, node_class
        plan = op.plan((True,), exact=True, fitting=True)
        pick = plan.pick
        node_class = op.node_class

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
        if edge is None or not mode or not differentiable:
            made._edge = None
            return made
        if plan is None:
            prepare()
        made._edge = node = node_class()
        node.edges = (edge,)
        node.saved = saved = pick(input, None, raw) if pick is not None else ()
        node.versions = None if input._counter is None else versions_of(saved)
        node.plan = plan
        node.seq = next(sequence)
        node.desc = desc
        node.hooks = None
        node.counter = None
        return made

    return call


def _binary(op: Op) -> Callable[..., Any]:
    kernel, level = op.kernel, op.level
    unprepared = op.differentiable
    first: Any = None
    second_only: Any = None
    both: Any = None
    number_pick: Any = None
    node_class: Any = None
    broadcast: dict[tuple[bool, bool], Any] = {}

    def prepare() -> None:
        nonlocal unprepared, first, second_only, both, number_pick, node_class
        cases = (True, False), (False, True), (True, True)
        first, second_only, both = (op.plan(n, exact=True, fitting=True) for n in cases)
        broadcast.update({n: op.plan(n, exact=True, fitting=False) for n in cases})
        number_pick = first.pick
        node_class = op.node_class
        unprepared = False

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
                pair = desc.pairs_get(other)
                if pair is None:
                    pair = desc.pair(other)
                raw = kernel(input._array, pair[0])
                made = _new(_Tensor)
                made._array = raw
                made._desc = desc = desc.result
                made._counter = None
                made._side = None
                edge = input._edge
                if edge is None or not mode:
                    made._edge = None
                    return made
                if first is None:
                    if not unprepared:
                        made._edge = None
                        return made
                    prepare()
                made._edge = node = node_class()
                node.edges = (edge, None)
                if number_pick is None:
                    node.saved = ()
                    node.versions = None
                elif number_pick is SECOND:
                    node.saved = pair
                    node.versions = None
                else:
                    node.saved = number_pick(input, pair[0], raw)
                    node.versions = None if input._counter is None else versions_of(node.saved)
                node.plan = first
                node.seq = next(sequence)
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
        except (AttributeError, RuntimeWarning, FloatingPointError, ValueError, OverflowError):
            return apply(op, (input, other), {})
        made = _new(_Tensor)
        made._array = raw
        made._desc = desc
        made._counter = None
        made._side = None
        if plan is None:
            if unprepared and mode and (edge is not None or edge2 is not None):
                prepare()
                return call(input, other)
            made._edge = None
            return made
        made._edge = node = node_class()
        node.edges = (edge, edge2)
        pick = plan.pick
        if pick is None:
            node.saved = ()
            node.versions = None
        else:
            saved: tuple[Any, ...]
            if pick is BOTH:
                saved = (other, input)
            elif pick is SECOND:
                saved = (other,)
            else:
                saved = pick(input, other, raw)
            node.saved = saved
            counter = input._counter or other._counter
            node.versions = None if counter is None else versions_of(saved)
        node.plan = plan
        node.seq = next(sequence)
        node.desc = desc
        node.hooks = None
        node.counter = None
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


# The straight paths that the compiled core has, too (see core/native).
_COMPILED: dict[Any, str] = {
    _unary: "UNARY",
    _binary: "BINARY",
    _predicate: "PREDICATE",
    _straight_whole: "WHOLE",
    straight_one: "ONE",
    straight_view: "ONE",
    straight_number: "NUMBER",
    straight_three: "THREE",
}

if native is not None:
    _warnings, _silent = silence.setting() or (None, None)
    native.setup(
        TensorBase=TensorBase,
        Tensor=TensorBase,
        Counter=Counter,
        Node=Node,
        Plan=Plan,
        Descriptor=Descriptor,
        ArrayType=ArrayType,
        types=known_types,
        numpy=numpy_,
        large=None if ufuncs.compiled is None else ufuncs.arithmetic,
        describe=describe,
        apply=apply,
        tie_view=link_view,
        sequence=sequence,
        mode=mode_variable,
        warnings=_warnings,
        ignored=_silent,
    )
