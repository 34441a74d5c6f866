"""Families of operators: the decorators that declare one, with what each family implies.

In: a forward in NumPy's words and its rules.  Out: the function that users call, over Tensors.

========== ======================================================== =============================
family     what the mathematics gives                                jvp
========== ======================================================== =============================
elementwise the Jacobian is diagonal: pushing a tangent forward is   the vjp rules themselves
           the same product as pulling a cotangent back
linear     the operator is its own derivative                       the operator on the tangent
bilinear   linear in each operand                                   two terms
reduction  declared linear, or with a rule of its own               the operator, or given
movement   a linear view of the same memory                         the operator on the tangent
general    nothing                                                  given
========== ======================================================== =============================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.core.call import make_call
from adjoint.core.op import Op, OpFunction

__all__ = [
    "bilinear",
    "elementwise",
    "general",
    "linear",
    "movement",
    "operator",
    "predicate",
    "reduction",
]

Rule = Callable[..., Any] | None
Declare = Callable[[Callable[..., Any]], OpFunction]


def operator(
    family: str, rules: tuple[Rule, ...], *, promote: bool = False, **traits: Any
) -> Declare:
    """Declare an operator of ``family``; ``traits`` are those of `Op`.

    ``promote``: all operands are promoted to a common dtype.
    """

    def declare(forward: Callable[..., Any]) -> OpFunction:
        op = Op(forward, rules, family=family, **traits)
        if promote:
            op.promoted = tuple(range(len(op.operands)))
        return make_call(op)

    return declare


def elementwise(*rules: Rule, promote: bool = True, **traits: Any) -> Declare:
    """An operator that computes each element from those at the same place; one rule per operand.

    Operands broadcast and are promoted to a common dtype; ``to_float=True`` computes integers in
    the default floating-point dtype.
    """
    return operator("elementwise", rules, promote=promote, **traits)


def predicate(**traits: Any) -> Declare:
    """An elementwise question: no gradient, the result is bool."""
    declare = operator("elementwise", (), promote=True, predicate=True, **traits)

    def counted(forward: Callable[..., Any]) -> OpFunction:
        call = declare(forward)
        op = call.op
        if len(op.operands) == 1 and op.check is None:
            op.check = _alone(op.name)
        return call

    return counted


def _alone(name: str) -> Callable[[tuple[Any, ...]], None]:
    def check(operands: tuple[Any, ...]) -> None:
        if len(operands) != 1:
            raise TypeError(f"{name}() takes 1 positional argument but {len(operands)} were given")

    return check


def linear(vjp: Rule, **traits: Any) -> Declare:
    """An operator that is linear in its first operand."""
    return operator("linear", (vjp,), linear=True, **traits)


def bilinear(first: Rule, second: Rule, **traits: Any) -> Declare:
    """An operator that is linear in each of its first two operands."""
    return operator("bilinear", (first, second), linear=True, **traits)


def reduction(vjp: Rule, *, linear: bool = False, **traits: Any) -> Declare:
    """An operator that combines the elements along axes (``axis``, ``keepdims``)."""
    return operator("reduction", (vjp,), linear=linear, **traits)


def movement(vjp: Rule, **traits: Any) -> Declare:
    """A view: the same elements in another arrangement, sharing memory with the operand."""
    return operator("movement", (vjp,), linear=True, view=True, **traits)


def general(*rules: Rule, **traits: Any) -> Declare:
    """An operator of no family; ``joint=True``: one rule gives all operands' cotangents."""
    return operator("general", rules, **traits)
