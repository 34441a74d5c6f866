"""Steps that a trace need not take: the same result by fewer or cheaper ones.

In: a function and its arguments, some of them traced, and its result.  Out: a traced array that is
the same; None where there is nothing better.

Note [What is left out]
    What changes nothing: a product with ones, the same shape or dtype again, an axis moved there
    and back. Signs are moved outward through products and parts, until a sum becomes a difference.
    Powers of two join the constants that something is multiplied with. What is multiplied with a
    number is not multiplied again with its negative. A product of columns and
    rows is made in the order in which it is wanted. All of this leaves the result the same bit for
    bit (but for the sign of a nan, and numbers so small that they lose digits).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.kernels.products import outer
from adjoint.array.traced.arrays import METHODS, Attribute, Method, TracedArray, item

if TYPE_CHECKING:
    from adjoint.array.traced.trace import Trace

__all__ = ["rewritten", "unchanged"]


def unchanged(function: Any, args: Any, result: Any) -> Any:
    """The argument that ``result`` is the same as, if that is plain to see."""
    first = args[0]
    if function is np.multiply or (function in (np.divide, np.true_divide)):
        for x, other in ((args[0], args[1]), (args[1], args[0])):
            if type(x) is TracedArray and _is_one(other) and _alike(x, result):
                return x
            if function is not np.multiply:
                break
    if type(first) is not TracedArray:
        return None
    if function == np.add.reduce and first.size == np.size(result) and first.dtype == result.dtype:
        return first.reshape(result.shape)  # over axes of size 1
    if not _alike(first, result):
        return None
    if function is np.power and type(args[1]) in (int, float) and args[1] == 0:
        return result  # ones, whatever the base
    if function in (np.positive, np.conjugate) and first.dtype.kind in "biuf":
        return first
    if isinstance(function, Method) and function.name in ("reshape", "astype", "squeeze"):
        return first
    if function in (np.broadcast_to, numpy_.broadcast_to, numpy_.astype):
        return first
    if isinstance(function, Attribute) and function.name == "real":
        return first
    return None


def _alike(x: TracedArray, result: Any) -> bool:
    return bool(np.shape(result) == x.shape and getattr(result, "dtype", None) == x.dtype)


def _is_one(x: Any) -> bool:
    if type(x) is TracedArray or isinstance(x, bool):
        return False
    return isinstance(x, int | float | np.ndarray | np.generic) and bool(np.all(np.equal(x, 1)))


# ---- with a look at the steps before -------------------------------------------------------------


def rewritten(trace: Trace, function: Any, args: Any, result: Any) -> Any:
    """The result by other steps; None where these are as good as any."""
    if isinstance(function, Method):
        found = _moved(trace, function, args, result)
        if found is not None:
            return found
    found = _signed(trace, function, args)
    return _scaled(trace, args) if found is None and function is np.multiply else found


def _scaled(trace: Trace, args: Any) -> Any:
    """A product that is multiplied with a power of two."""
    for x, power in (args, args[::-1]):
        step = trace.made.get(x.number) if type(x) is TracedArray else None
        if step is None or step.function is not np.multiply:
            continue
        for a, b in (step.args, step.args[::-1]):
            moderate = _is_constant(power) and not np.ndim(power) and 1e-30 < abs(power) < 1e30
            if moderate and _is_power_of_two(b, x):
                return trace.call(np.multiply, (a, power * b))
        if not _is_power_of_two(power, x):
            continue
        for a, b in (step.args, step.args[::-1]):
            if _is_constant(b):
                return trace.call(np.multiply, (a, b * power))
        for a, b in (step.args, step.args[::-1]):
            inner = trace.made.get(b.number)
            if inner is None or inner.function is not np.multiply:
                continue
            if any(map(_is_constant, inner.args)):
                return trace.call(np.multiply, (a, trace.call(np.multiply, (b, power))))
    return None


def _is_constant(x: Any) -> bool:
    return type(x) is not TracedArray and np.result_type(x).kind in "fi"


def _is_power_of_two(x: Any, other: TracedArray) -> bool:
    """Whether a product of ``other`` with a number only moves the exponent."""
    if not _is_constant(x) or np.ndim(x):
        return False
    if type(x) not in (int, float) and x.dtype != other.dtype:
        return False
    mantissa, exponent = np.frexp(float(x))
    return bool(abs(mantissa) == 0.5 and -8 <= exponent <= 8)


def _moved(trace: Trace, function: Method, args: Any, result: Any) -> Any:
    """An arrangement of what is itself an arrangement, or a product that can be made in order."""
    before = trace.made.get(args[0].number) if type(args[0]) is TracedArray else None
    if before is None:
        return None
    name, last = function.name, before.function
    if isinstance(last, Method) and last.name == name:
        if name == "reshape":
            return trace.call(function, (before.args[0], *args[1:]))
        if name == "swapaxes" and before.args[1:] == args[1:]:
            return before.args[0]
    if last is outer and result.shape[-1] > 1:
        n = args[0].ndim
        turned = (*range(n - 2), n - 1, n - 2)
        if (name == "transpose" and tuple(args[1]) == turned) or (
            name == "swapaxes" and {a % n for a in args[1:]} == {n - 2, n - 1}
        ):
            swap = METHODS["swapaxes"]
            parts = [trace.call(swap, (x, x.ndim - 2, x.ndim - 1)) for x in before.args[::-1]]
            return trace.call(outer, parts)
    return None


def _signed(trace: Trace, function: Any, args: Any) -> Any:
    """The same with the sign elsewhere; None where there is none to be moved."""
    if function is np.add:
        for a, b in (args, args[::-1]):
            positive = _opposite(trace, b)
            if positive is not None:
                return trace.call(np.subtract, (a, positive))
    elif function is np.subtract:
        positive = _opposite(trace, args[1])
        if positive is not None:
            return trace.call(np.add, (args[0], positive))
    elif function is np.multiply:
        for a, b in (args, args[::-1]):
            positive = _opposite(trace, a)
            if positive is not None:
                if type(b) is TracedArray:
                    return trace.call(np.negative, (trace.call(function, (positive, b)),))
                if np.result_type(b).kind != "b":
                    return trace.call(function, (positive, -b))
        for x, number in (args, args[::-1]):
            found = trace.product(x, -number) if _is_negative(number) else None
            if found is not None:
                return trace.negative(found)
    elif function is np.negative:
        positive = _opposite(trace, args[0])
        return _negative_product(trace, args[0]) if positive is None else positive
    elif function is item or function is METHODS["reshape"]:
        positive = _opposite(trace, args[0])
        if positive is not None:
            return trace.call(np.negative, (trace.call(function, (positive, *args[1:])),))
    return None


def _is_negative(x: Any) -> bool:
    return _is_constant(x) and not np.ndim(x) and bool(x < 0)


def _opposite(trace: Trace, x: Any) -> Any:
    """What ``x`` is the negative of; None where that is not seen."""
    if type(x) is not TracedArray:
        return None
    step = trace.made.get(x.number)
    return step.args[0] if step is not None and step.function is np.negative else None


def _negative_product(trace: Trace, x: Any) -> Any:
    """The negative of a product with a constant."""
    step = trace.made.get(x.number)
    if step is None or step.function is not np.multiply or step.kwargs:
        return None
    for a, b in (step.args, step.args[::-1]):
        if type(b) is not TracedArray and np.result_type(b).kind != "b":
            return trace.call(np.multiply, (a, -b))
    return None
