"""Questions about elements: comparisons, logic, tests.  In: Tensors and numbers.  Out: bool
Tensors, no gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.dtypes import BOOL, COMPLEX, FLOATING
from adjoint.core.errors import scalar_name
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.checks import integers_only, not_for, ordered_only
from adjoint.ops.families import elementwise, predicate

Array = Any
Tensor = Any


@predicate(symbol="==")
def eq(xp: Any, input: Array, other: Array) -> Array:
    """Return whether elements are equal."""
    return input == other


@predicate(symbol="!=")
def ne(xp: Any, input: Array, other: Array) -> Array:
    """Return whether elements differ."""
    return input != other


@predicate(symbol="<", check=ordered_only("lt_cpu"))
def lt(xp: Any, input: Array, other: Array) -> Array:
    """Return whether ``input < other``."""
    return xp.less(input, other)


@predicate(symbol="<=", check=ordered_only("le_cpu"))
def le(xp: Any, input: Array, other: Array) -> Array:
    """Return whether ``input <= other``."""
    return xp.less_equal(input, other)


@predicate(symbol=">", check=ordered_only("gt_cpu"))
def gt(xp: Any, input: Array, other: Array) -> Array:
    """Return whether ``input > other``."""
    return xp.greater(input, other)


@predicate(symbol=">=", check=ordered_only("ge_cpu"))
def ge(xp: Any, input: Array, other: Array) -> Array:
    """Return whether ``input >= other``."""
    return xp.greater_equal(input, other)


@predicate()
def isnan(xp: Any, input: Array) -> Array:
    """Return whether elements are nan."""
    return xp.isnan(input)


@predicate()
def isinf(xp: Any, input: Array) -> Array:
    """Return whether elements are infinite."""
    return xp.isinf(input)


@predicate()
def isfinite(xp: Any, input: Array) -> Array:
    """Return whether elements are neither infinite nor nan."""
    return xp.isfinite(input)


@predicate()
def logical_not(xp: Any, input: Array) -> Array:
    """Return whether elements are zero."""
    return xp.logical_not(input)


@predicate()
def logical_and(xp: Any, input: Array, other: Array) -> Array:
    """Return whether both elements are non-zero."""
    return xp.logical_and(input, other)


@predicate()
def logical_or(xp: Any, input: Array, other: Array) -> Array:
    """Return whether either element is non-zero."""
    return xp.logical_or(input, other)


@predicate()
def logical_xor(xp: Any, input: Array, other: Array) -> Array:
    """Return whether exactly one element is non-zero."""
    return xp.logical_xor(input, other)


@elementwise(symbol="&", check=integers_only("bitwise_and_cpu"), straight=False)
def bitwise_and(xp: Any, input: Array, other: Array) -> Array:
    """Return the bitwise and of integers, the logical one of bools."""
    return xp.bitwise_and(input, other)


@elementwise(symbol="|", check=integers_only("bitwise_or_cpu"), straight=False)
def bitwise_or(xp: Any, input: Array, other: Array) -> Array:
    """Return the bitwise or of integers, the logical one of bools."""
    return xp.bitwise_or(input, other)


@elementwise(symbol="^", check=integers_only("bitwise_xor_cpu"), straight=False)
def bitwise_xor(xp: Any, input: Array, other: Array) -> Array:
    """Return the bitwise exclusive or of integers, the logical one of bools."""
    return xp.bitwise_xor(input, other)


@elementwise(check=integers_only("bitwise_not_cpu"), straight=False)
def bitwise_not(xp: Any, input: Array) -> Array:
    """Return the bitwise complement of integers, the logical one of bools."""
    return xp.bitwise_not(input)


@elementwise(symbol="<<", check=not_for("lshift_cpu", BOOL, FLOATING, COMPLEX), straight=False)
def bitwise_left_shift(xp: Any, input: Array, other: Array) -> Array:
    """Return integers shifted to the left."""
    return xp.left_shift(input, other)


@elementwise(symbol=">>", check=not_for("rshift_cpu", BOOL, FLOATING, COMPLEX), straight=False)
def bitwise_right_shift(xp: Any, input: Array, other: Array) -> Array:
    """Return integers shifted to the right."""
    return xp.right_shift(input, other)


def invert(input: Tensor) -> Tensor:
    """Return ``~input``: the complement of integers, the opposite of bools.

    Raises: TypeError for other dtypes.
    """
    if input._desc.dtype.category >= FLOATING:
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
        )
    return bitwise_not(input)


def isreal(input: Tensor) -> Tensor:
    """Return whether the imaginary part of each element is zero."""
    raw = input._array
    if not input._desc.dtype.is_complex:
        return make_tensor(numpy_.full(input._desc.shape, True, np.dtype(bool)))
    return make_tensor(raw.imag == 0)


def positive(input: Tensor) -> Tensor:
    """Return ``input`` itself.

    Raises: RuntimeError for a bool tensor.
    """
    if input._desc.dtype.category == BOOL:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def _raw(t: Any) -> Any:
    return t._array if isinstance(t, TensorBase) else t


def equal(input: Tensor, other: Tensor) -> bool:
    """Return whether two tensors have the same shape and the same elements."""
    if input.shape != other.shape:
        return False
    return bool(np.array_equal(_raw(input), _raw(other)))


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Return whether ``|input - other| <= atol + rtol * |other|``, element by element.

    Raises: RuntimeError if the dtypes differ.
    """
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{scalar_name(input.dtype)} did not match {scalar_name(other.dtype)}")
    if input.dtype.category < FLOATING:
        # exact numbers are compared in double precision
        input, other = input.double(), other.double()
    return _isclose(input, other, rtol=rtol, atol=atol, equal_nan=equal_nan)


@elementwise()
def _isclose(
    xp: Any, input: Array, other: Array, *, rtol: float, atol: float, equal_nan: bool
) -> Array:
    """Return whether elements are close."""
    close = input == other
    if equal_nan:
        close = close | (xp.isnan(input) & xp.isnan(other))
    allowed = atol + xp.absolute(rtol * other)
    distance = xp.absolute(input - other)
    return close | (xp.isfinite(distance) & (distance <= allowed))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Return whether all elements are close (see `isclose`)."""
    return bool(np.all(_raw(isclose(input, other, rtol, atol, equal_nan))))
