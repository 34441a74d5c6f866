"""Forward mode: what an operator makes of its operands' tangents.

In: a call of an operator whose operands have tangents at open levels (core/duals.py).  Out: the
tangents of its results.  Everything is computed with Tensors, so that tangents are recorded where
gradients are wanted, and have tangents of their own at the levels around.

Note [Who pushes]
    An operator's own ``jvp`` comes first. Else its family tells: what is linear is applied to the
    tangents, what is bilinear to one after the other; of an elementwise operator pushing is the
    same product as pulling; a reduction sums the products with what it pulls back for 1. All others
    are pushed by transposing their vjp: it is linear in the cotangent, and its transpose is the
    Jacobian. So whatever has a vjp has a jvp.

Note [Own rules]
    ``jvp(xp, t, names...)`` names what it needs as a vjp does, and returns the result's tangent (a
    tuple of several). ``t`` is the tangent of the operand that has a rule; where several have one,
    a tuple with one for each operand, None where there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint.array import dtypes
from adjoint.core import mode as modes
from adjoint.core.duals import copy_tangents, levels_of, outside, set_tangent, tangent_of, without
from adjoint.core.engine import run_backward
from adjoint.core.fitting import fit
from adjoint.core.masked import Cotangent, Library, finite, plain
from adjoint.core.mode import get_mode, mode_bits
from adjoint.core.node import AccumulateGrad, Node
from adjoint.core.plan import tensor_world
from adjoint.core.pulls import INDICES, NEEDS, OPERAND, OUT, SHAPE, SHAPES
from adjoint.core.saved import PackedValue
from adjoint.core.tensor_base import TensorBase, make_tensor

if TYPE_CHECKING:
    from adjoint.core.op import Op

__all__ = ["keep_dual_outputs", "push", "rule_of", "tangents_at"]

Tensors = tuple[Any, ...]


def push(op: Op, operands: Tensors, params: dict[str, Any], result: Any) -> None:
    """Give the result (or results) of a call the tangents that its operands' tangents lead to."""
    numbers = levels_of(operands)
    if not numbers or not op.differentiable or get_mode() & modes.INFERENCE:
        return
    several = type(result) is tuple
    outs = result if several else (result,)
    for number in numbers:
        for out, tangent in zip(outs, tangents_at(op, operands, params, outs, number)):
            if tangent is not None:
                set_tangent(out, number, tangent)
    edge = next((out._edge for out in outs if out._edge is not None), None)
    if edge is not None and not edge.leaf:
        keep_dual_outputs(edge.node, outs)


def tangents_at(
    op: Op, operands: Tensors, params: dict[str, Any], outs: Tensors, number: int
) -> Tensors:
    """The tangents at one level of the results ``outs``; None for those that have none."""
    given = [tangent_of(o, number) if _has_rule(op, i) else None for i, o in enumerate(operands)]
    none = (None,) * len(outs)
    if all(t is None for t in given):
        return none
    call = _Call(op, operands, params, outs, number, tuple(given))
    pushed = _PUSHES[rule_of(op, call.is_complex())]
    found = pushed(call)
    if get_mode() & modes.MASKED and not finite(found):
        found = plain(pushed(call.mask()))
    if found is None:
        return none
    results = found if isinstance(found, tuple) else (found,)
    return tuple(
        None if t is None or out._desc.dtype.category < dtypes.FLOATING else _fitted(t, out)
        for t, out in zip(results, outs)
    )


def _has_rule(op: Op, i: int) -> bool:
    """Whether an operator has a derivative by its i-th operand."""
    return op.joint or (i < len(op.rules) and op.rules[i] is not None)


def rule_of(op: Op, is_complex: bool = False) -> str:
    """Which way of Note [Who pushes] an operator takes, on real or on complex numbers."""
    if op.jvp is not None:
        return "own"
    if op.linear:
        return "bilinear" if op.family == "bilinear" else "linear"
    if op.family == "elementwise":
        return "elementwise"
    if op.family == "reduction" and "axis" in op.parameters and not is_complex:
        return "reduction"
    return "derived"


def _fitted(t: Any, out: Any) -> Any:
    """``t`` in the shape of ``out``, and in its dtype unless it has a wider one."""
    xp, desc = tensor_world(), out._desc
    if t._desc.dtype is not desc.dtype and (
        dtypes.promote_types(t._desc.dtype, desc.dtype) is desc.dtype
    ):
        t = xp.astype(t, desc.dtype)
    return t if t._desc.shape == desc.shape else xp.broadcast_to(t, desc.shape)


class _Call:
    """One call of an operator as the world outside a level sees it, and the tangents ``given``."""

    __slots__ = ("given", "masked", "number", "op", "operands", "outs", "params", "xp")

    def __init__(
        self,
        op: Op,
        operands: Tensors,
        params: dict[str, Any],
        outs: Tensors,
        number: int,
        given: Tensors,
    ) -> None:
        self.op = op
        self.operands = tuple([without(o, number) for o in operands])
        if op.promoted:
            self.operands = tuple([_as_tensor(o, outs[0]._desc) for o in self.operands])
        self.params = params
        self.outs = outs
        self.number = number
        self.given = given
        self.masked = False
        self.xp = tensor_world()

    def mask(self) -> _Call:
        """The call itself, to be pushed with tangents whose zeros contribute nothing."""
        self.masked = True
        self.xp = Library(self.xp)
        return self

    def tagged(self, t: Any) -> Any:
        """A tangent as the rules are to see it (core/masked.py)."""
        return Cotangent(tensor_world(), t) if self.masked and t is not None else t

    def off_tape(self) -> _Call:
        """The same call, with nothing that gradients could flow to."""
        made = object.__new__(_Call)
        made.op, made.params, made.number, made.given = (
            self.op,
            self.params,
            self.number,
            self.given,
        )
        made.masked, made.xp = self.masked, self.xp
        made.operands = tuple([_off_tape(o) for o in self.operands])
        made.outs = tuple([_off_tape(outside(o, self.number)) for o in self.outs])
        return made

    def is_complex(self) -> bool:
        """Whether complex numbers go in or come out."""
        return any(
            isinstance(x, TensorBase) and x._desc.dtype.is_complex
            for x in (*self.operands, *self.outs)
        )

    def out(self) -> Any:
        """The result, or the tuple of results."""
        outs = tuple([outside(o, self.number) for o in self.outs])
        return outs if self.op.outputs > 1 else outs[0]

    def values(self, names: tuple[str, ...]) -> list[Any]:
        """What a rule asks for."""
        op = self.op
        found: list[Any] = []
        for name in names:
            kind = op.kind_of(name)
            if kind == OPERAND:
                found.append(self.operands[op.position[name]])
            elif kind == SHAPE:
                found.append(_shape(self.operands[op.position[name.removesuffix("_shape")]]))
            elif kind == SHAPES:
                found.append(tuple([_shape(o) for o in self.operands]))
            elif kind == OUT:
                found.append(self.out())
            elif kind == INDICES:
                found.append(self.outs[1])
            elif kind == NEEDS:
                found.append(tuple([t is not None for t in self.given]))
            else:
                found.append(self.params[name])
        return found


def _as_tensor(operand: Any, desc: Any) -> Any:
    """A number operand as a 0-d tensor: rules may ask more of it than arithmetic."""
    if operand is None or isinstance(operand, TensorBase):
        return operand
    return make_tensor(desc.numpy.type(operand))


def _shape(operand: Any) -> tuple[int, ...]:
    return operand._desc.shape if isinstance(operand, TensorBase) else np.shape(operand)


# ---- the ways to push ----------------------------------------------------------------------------


def _own(call: _Call) -> Any:
    """The operator's own rule."""
    rule = call.op.jvp
    assert rule is not None
    op = call.op
    places = [i for i in range(len(call.given)) if _has_rule(op, i)]
    tangents = tuple([call.tagged(t) for t in call.given])
    t = tangents if op.joint or len(places) > 1 else tangents[places[0]]
    return rule.function(call.xp, t, *call.values(rule.names))


def _linear(call: _Call) -> Any:
    """The operator itself on all tangents together; where there is none it is zero."""
    xp, op = tensor_world(), call.op
    moved = [
        (t if t is not None else xp.zeros_like(x))
        if isinstance(x, TensorBase) and _has_rule(op, i)
        else x
        for i, (t, x) in enumerate(zip(call.given, call.operands))
    ]
    return op.call(*moved, **call.params)


def _bilinear(call: _Call) -> Any:
    """The operator with one operand after the other replaced by its tangent."""
    total: Any = None
    for i, t in enumerate(call.given):
        if t is not None:
            moved = (*call.operands[:i], call.tagged(t), *call.operands[i + 1 :])
            if call.masked:
                term = call.op.forward(call.xp, *moved, **call.params)
            else:
                term = call.op.call(*moved, **call.params)
            total = term if total is None else total + term
    return total


def _elementwise(call: _Call) -> Any:
    """The vjp rules: the Jacobian is diagonal, and thereby its own transpose."""
    xp = call.xp
    out = call.outs[0]._desc
    if out.dtype.is_complex and not call.op.holomorphic:
        return _derived(call)
    total: Any = None
    for rule, t in zip(call.op.rules, call.given):
        if rule is None or t is None:
            continue
        wide = call.tagged(t if t._desc.shape == out.shape else xp.broadcast_to(t, out.shape))
        if t._desc.dtype.is_complex and not out.dtype.is_complex:
            # a real function of complex numbers: what is pulled back for 1 is its gradient
            slope = rule.function(xp, xp.ones_like(call.outs[0]), *call.values(rule.names))
            term = xp.real(xp.conj(slope) * wide)
        else:
            term = rule.function(xp, wide, *call.values(rule.names))
        total = term if total is None else total + term
    return total


def _reduction(call: _Call) -> Any:
    """The sum of the tangent times what is pulled back for 1: every element enters one result."""
    xp = call.xp
    rule, t = call.op.rules[0], call.tagged(call.given[0])
    assert rule is not None
    slope = rule.function(xp, xp.ones_like(call.outs[0]), *call.values(rule.names))
    axis = call.params["axis"]
    axes = (axis,) if isinstance(axis, int) else axis
    return xp.sum(slope * t, axis=axes, keepdims=call.params["keepdims"])


class _Place:
    """Stands for the node of a call: all that the rules ask of it is what its results are."""

    def __init__(self, desc: Any) -> None:
        self.desc = desc


def _derived(call: _Call) -> Any:
    """The transpose of the vjp: ``g -> J^T g`` is linear in g, so its vjp is ``t -> J t``."""
    op, given = call.op, call.given
    tensors = (*call.operands, *call.outs, *given)
    recording = bool(get_mode() & modes.GRAD) and any(
        isinstance(x, TensorBase) and x._edge is not None for x in tensors
    )
    if not recording:
        call = call.off_tape()
    operands, outs = call.operands, call.outs
    descs = tuple([o._desc for o in outs])
    several = op.outputs > 1
    plan = op.plan(tuple([t is not None for t in given]))
    world = recording or bool(levels_of((*operands, *given)))
    with mode_bits(on=modes.GRAD, off=modes.SAVED_HOOKS | modes.ANOMALY | modes.INFERENCE):
        gs = tuple([_seed(out) for out in outs])
        values = call.values(plan.names)
        place: Any = _Place(descs if several else descs[0])
        pulled = plan._apply(tensor_world(), gs if several else gs[0], values, place)
        if plan.bare >= 0:
            pulled = [pulled if i == plan.bare else None for i in range(len(given))]
        roots = []
        for h, t, x in zip(pulled, given, operands):
            if h is None or t is None or h._edge is None:
                continue
            h = fit(h, x._desc, place, False)
            t = fit(t, h._desc, place, False)
            roots.append((h._edge, t if world else t._array))
    inputs = [(g._edge, 0) for g in gs if g._edge is not None]
    found = run_backward(
        roots, keep=recording, create=recording, inputs=inputs, accumulate=False, world=world
    )
    results = iter([found.get(i) for i in range(len(inputs))])
    return tuple([None if g._edge is None else _result(next(results), g) for g in gs])


def _seed(out: Any) -> Any:
    """A cotangent of a result to differentiate by; an integer result has none.

    It has the samples that the result has (array/batched), or they would be summed there.
    """
    desc = out._desc
    levels = desc.type.levels
    raw = desc.type.xp.zeros_like(out._array) if levels else np.zeros(desc.shape, desc.numpy)
    made = make_tensor(raw)
    if desc.dtype.category >= dtypes.FLOATING:
        made._edge = AccumulateGrad(made)
    return made


def _result(found: Any, seed: Any) -> Any:
    if found is None:
        return tensor_world().zeros_like(seed)
    return found if isinstance(found, TensorBase) else make_tensor(found)


def _off_tape(operand: Any) -> Any:
    """``operand`` without its place on the tape, with the tangents it has."""
    if not isinstance(operand, TensorBase) or operand._edge is None:
        return operand
    made = make_tensor(operand._array, None, operand._desc)
    copy_tangents(operand, made)
    return made


_PUSHES = {
    "own": _own,
    "linear": _linear,
    "bilinear": _bilinear,
    "elementwise": _elementwise,
    "reduction": _reduction,
    "derived": _derived,
}


# ---- nodes that saved a dual result --------------------------------------------------------------


def keep_dual_outputs(node: Node, outs: Tensors) -> None:
    """Let a node that saved its own results (as raw arrays) know their tangents, too."""
    plan = node.plan
    if plan is None or "out" not in plan.names or node.saved is None:
        return
    at = plan.names.index("out")
    saved = node.saved[at]
    if isinstance(saved, tuple):
        kept: Any = tuple([_shadow(raw, out) for raw, out in zip(saved, outs)])
    else:
        kept = _shadow(saved, outs[0])
    node.saved = (*node.saved[:at], kept, *node.saved[at + 1 :])


def _shadow(raw: Any, out: Any) -> Any:
    """A tensor with the tangents of ``out`` over its saved array; the array if it has none."""
    if type(raw) is PackedValue:
        raw.keep_tangents(out)
        return raw
    side = out._side
    if side is None or side.tangents is None or raw is not out._array:
        return raw
    made = make_tensor(raw, None, None)
    copy_tangents(out, made)
    return made
