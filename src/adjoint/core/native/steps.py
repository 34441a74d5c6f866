"""Rules and forwards as steps: one that is plain arithmetic, written down by running it once.

In: a plan (core/plan.py) or an operator.  Out: for each rule, or for the forward, the steps that it
amounts to, for the compiled core, or None where its text asks about values, shapes or parameters:
it is called then. Rules branch on shapes and parameters, never on values, so that what one run does
every run does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from adjoint.array import numpy_
from adjoint.array.kernels.ufuncs import is_ufunc, quick

__all__ = ["ARITHMETIC", "forward_steps", "plan_steps", "written"]

# The codes of native/state.h.
ARITHMETIC: dict[Any, int] = {
    operator.add: 0,
    operator.sub: 1,
    operator.mul: 2,
    operator.truediv: 3,
    operator.neg: 4,
}
_NUMBERS = (int, float)

# Functions of the vocabulary that are arithmetic themselves: their own steps are written down.
_COMPOSED = {numpy_.power, numpy_.sigmoid, numpy_.sigmoid_backward, numpy_.tanh_backward}

Steps = tuple[tuple[tuple[Any, ...], ...], tuple[Any, ...], int]


class _NotArithmeticError(Exception):
    """A rule does something that cannot be written down."""


class _Value:
    """Stands for an array while a rule is looked at; knows how it was made."""

    __slots__ = ("function", "operands")

    def __init__(self, function: Any = None, operands: tuple[Any, ...] = ()) -> None:
        self.function = function
        self.operands = operands

    def __getattr__(self, name: str) -> Any:
        raise _NotArithmeticError(name)

    def __bool__(self) -> bool:
        raise _NotArithmeticError("a value is asked for")

    __iter__ = __len__ = __index__ = __float__ = __bool__

    def _ask(self, other: Any) -> Any:
        raise _NotArithmeticError("a value is asked for")

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> _Value:
        if method != "__call__" or options:
            raise _NotArithmeticError(method)
        return _made(quick(ufunc), *operands)

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = _ask
    __hash__ = object.__hash__

    def __add__(self, other: Any) -> _Value:
        return _made(operator.add, self, other)

    def __radd__(self, other: Any) -> _Value:
        return _made(operator.add, other, self)

    def __sub__(self, other: Any) -> _Value:
        return _made(operator.sub, self, other)

    def __rsub__(self, other: Any) -> _Value:
        return _made(operator.sub, other, self)

    def __mul__(self, other: Any) -> _Value:
        return _made(operator.mul, self, other)

    def __rmul__(self, other: Any) -> _Value:
        return _made(operator.mul, other, self)

    def __truediv__(self, other: Any) -> _Value:
        return _made(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> _Value:
        return _made(operator.truediv, other, self)

    def __neg__(self) -> _Value:
        return _made(operator.neg, self)


def _made(function: Any, *operands: Any) -> _Value:
    for operand in operands:
        if not isinstance(operand, _Value) and type(operand) not in _NUMBERS:
            raise _NotArithmeticError(type(operand).__name__)
    if len(operands) > 3:
        raise _NotArithmeticError("too many operands")
    return _Value(function, operands)


class _Library:
    """Stands for the array library: its functions of arrays are written down, too."""

    def __getattr__(self, name: str) -> Callable[..., _Value]:
        function = getattr(numpy_, name)
        if function in _COMPOSED:
            composed: Callable[..., _Value] = function
            return composed

        def call(*operands: Any) -> _Value:
            return _made(function, *operands)

        return call


def _steps(rule: Any, count: int) -> Steps | None:
    """The steps of one function ``rule(xp, ...)`` of ``count`` arrays.

    Returns: the steps, each a function or code with the places of its operands, the constants, and
    the place of the result. Places: the arrays, the constants, the results.
    """
    return written(rule, (None,) * count)


def written(rule: Any, numbers: tuple[int | float | None, ...]) -> Steps | None:
    """The steps of one function ``rule(xp, ...)`` of arrays, and of numbers where there is one.

    Returns: as `_steps`.
    """
    arguments = [_Value() if number is None else number for number in numbers]
    given = [argument for argument in arguments if isinstance(argument, _Value)]
    try:
        result = rule(_Library(), *arguments)
    except (_NotArithmeticError, TypeError, AttributeError):
        return None
    if not isinstance(result, _Value):
        return None
    order: list[_Value] = []

    def visit(value: Any) -> None:
        if not isinstance(value, _Value) or value.function is None:
            return
        if not any(value is o for o in order):
            for operand in value.operands:
                visit(operand)
            order.append(value)

    visit(result)
    constants = [o for v in order for o in v.operands if not isinstance(o, _Value)]
    places = {id(v): i for i, v in enumerate(given)}
    places |= {id(v): len(given) + len(constants) + i for i, v in enumerate(order)}
    used = iter(range(len(given), len(given) + len(constants)))
    steps = []
    for value in order:
        at = [places[id(o)] if isinstance(o, _Value) else next(used) for o in value.operands]
        steps.append((ARITHMETIC.get(value.function, value.function), *at))
    return tuple(steps), tuple(constants), places[id(result)]


def forward_steps(op: Any) -> Steps | None:
    """The steps of an elementwise operator's forward; None for a single function, too."""
    if op.family != "elementwise" or op.parameters or is_ufunc(op.kernel):
        return None
    return _steps(op.forward, len(op.operands))


def plan_steps(plan: Any, operand: int, out: int) -> tuple[Steps | None, ...]:
    """The steps of each rule of ``plan``; ``operand``, ``out``: kinds of array values.

    Returns: a tuple, None for a rule that is no plain arithmetic.
    """
    found: list[Steps | None] = []
    for rule, indices in zip(plan.rules, plan.indices):
        arrays = all(plan.kinds[i] in (operand, out) for i in indices)
        found.append(_steps(rule, 1 + len(indices)) if arrays else None)
    return tuple(found)
