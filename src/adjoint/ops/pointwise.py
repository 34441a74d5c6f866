"""Elementwise operators: a table of calculus.

In: Tensors and numbers.  Out: Tensors of the broadcast shape.  Each rule is the derivative, once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.descriptor import REAL_NUMBERS
from adjoint.array.dtypes import BOOL, COMPLEX
from adjoint.core.errors import scalar_name
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.checks import (
    both,
    no_bool_differences,
    no_bool_relu,
    no_complex_extremes,
    no_negative_bools,
    not_for,
    not_supported,
)
from adjoint.ops.families import elementwise

Array = Any
Tensor = Any
Number = int | float | complex | bool

_no_complex_sign = not_supported(
    "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn "
    "instead.",
    COMPLEX,
)

# ---- arithmetic ----------------------------------------------------------------------------------


@elementwise(lambda xp, g: g, lambda xp, g: g, symbol="+")
def add(xp: Any, input: Array, other: Array) -> Array:
    """Return ``input + other`` with broadcasting."""
    return input + other


@elementwise(lambda xp, g: g, lambda xp, g: -g, symbol="-", check=no_bool_differences)
def sub(xp: Any, input: Array, other: Array) -> Array:
    """Return ``input - other`` with broadcasting."""
    return input - other


@elementwise(lambda xp, g: -g, node="RsubBackward1")
def _rsub_number(xp: Any, input: Array, *, other: Number) -> Array:
    """Return ``other - input`` for a number."""
    return other - input


def _rsub(input: Tensor, other: Any) -> Tensor:
    """Return ``other - input``."""
    if isinstance(other, TensorBase):
        return sub(other, input)
    desc = input._desc
    if isinstance(other, bool) or desc.dtype.name == "bool":
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
            "to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )
    if desc.fast != REAL_NUMBERS:
        return _rsub_general(input, other)
    return _rsub_number(input, other=other)


@elementwise(lambda xp, g: -g, lambda xp, g: g)
def _rsub_general(xp: Any, input: Array, other: Array) -> Array:
    """Return ``other - input`` with promotion."""
    return other - input


@elementwise(lambda xp, g, other: g * other, lambda xp, g, input: g * input, symbol="*")
def mul(xp: Any, input: Array, other: Array) -> Array:
    """Return ``input * other`` with broadcasting."""
    return input * other


@elementwise(
    lambda xp, g, other: g / other,
    lambda xp, g, input, other: -g * ((input / other) / other),
    to_float=True,
    symbol="/",
)
def div(xp: Any, input: Array, other: Array) -> Array:
    """Return ``input / other``, integers in the default floating-point dtype."""
    return input / other


@elementwise(lambda xp, g: -g, check=no_negative_bools)
def neg(xp: Any, input: Array) -> Array:
    """Return ``-input``."""
    return -input


@elementwise(lambda xp, g, out: -g * (out * out), to_float=True)
def reciprocal(xp: Any, input: Array) -> Array:
    """Return ``1 / input``."""
    return 1 / input


def _power_by_number(xp: Any, g: Array, input: Array, exponent: Number) -> Array:
    if exponent == 0:
        return xp.zeros_like(g)
    return g * (exponent * xp.power(input, exponent - 1))


@elementwise(_power_by_number, node="PowBackward0")
def _pow_number(xp: Any, input: Array, *, exponent: Number) -> Array:
    """Return ``input ** exponent`` for a Python number."""
    return xp.power(input, exponent)


@elementwise(
    lambda xp, g, input, exponent: (
        g
        * xp.where(exponent == 0, xp.zeros_like(exponent), exponent * xp.power(input, exponent - 1))
    ),
    lambda xp, g, input, exponent, out: (
        g
        * xp.where(
            (input == 0) & (exponent >= 0),
            xp.zeros_like(out),
            out * xp.log(xp.where(input == 0, xp.ones_like(input), input)),
        )
    ),
    node="PowBackward1",
    check=not_for("pow", BOOL),
)
def _pow(xp: Any, input: Array, exponent: Array) -> Array:
    """Return ``input ** exponent`` with broadcasting."""
    return xp.power(input, exponent)


@elementwise(
    lambda xp, g, base, out: (
        g * (out * math.log(base)) if base > 0 else _power_of_no_base(xp, g, base)
    ),
    node="PowBackward2",
    saved_names={"input": "exponent", "base": "self"},
)
def _pow_base(xp: Any, input: Array, *, base: float) -> Array:
    """Return ``base ** input`` for a number."""
    return xp.exponential(base, input)


def _power_of_no_base(xp: Any, g: Array, base: float) -> Array:
    """The derivative for a base of 0 (none) or below (the logarithm is not real)."""
    return xp.zeros_like(g) if base == 0 else g * math.nan


# ---- exponentials and logarithms -----------------------------------------------------------------


@elementwise(lambda xp, g, out: g * out, to_float=True)
def exp(xp: Any, input: Array) -> Array:
    """Return ``e ** input``, element by element."""
    return xp.exp(input)


@elementwise(lambda xp, g, out: g * out * math.log(2), to_float=True)
def exp2(xp: Any, input: Array) -> Array:
    """Return ``2 ** input``."""
    return xp.exp2(input)


@elementwise(lambda xp, g, out: g * (out + 1), to_float=True)
def expm1(xp: Any, input: Array) -> Array:
    """Return ``exp(input) - 1``, accurate near 0."""
    return xp.expm1(input)


@elementwise(lambda xp, g, input: g / input, to_float=True)
def log(xp: Any, input: Array) -> Array:
    """Return the natural logarithm."""
    return xp.log(input)


@elementwise(lambda xp, g, input: g / (input * math.log(2)), to_float=True)
def log2(xp: Any, input: Array) -> Array:
    """Return the logarithm to base 2."""
    return xp.log2(input)


@elementwise(lambda xp, g, input: g / (input * math.log(10)), to_float=True)
def log10(xp: Any, input: Array) -> Array:
    """Return the logarithm to base 10."""
    return xp.log10(input)


@elementwise(lambda xp, g, input: g / (input + 1), to_float=True, node="Log1PBackward0")
def log1p(xp: Any, input: Array) -> Array:
    """Return ``log(1 + input)``, accurate near 0."""
    return xp.log1p(input)


@elementwise(lambda xp, g, out: g / (2 * out), to_float=True)
def sqrt(xp: Any, input: Array) -> Array:
    """Return the square root."""
    return xp.sqrt(input)


@elementwise(lambda xp, g, out: -0.5 * g * (out * out * out), to_float=True)
def rsqrt(xp: Any, input: Array) -> Array:
    """Return ``1 / sqrt(input)``."""
    return 1 / xp.sqrt(input)


# ---- trigonometry --------------------------------------------------------------------------------


@elementwise(lambda xp, g, input: g * xp.cos(input), to_float=True)
def sin(xp: Any, input: Array) -> Array:
    """Return the sine of an angle in radians."""
    return xp.sin(input)


@elementwise(lambda xp, g, input: g * -xp.sin(input), to_float=True)
def cos(xp: Any, input: Array) -> Array:
    """Return the cosine of an angle in radians."""
    return xp.cos(input)


@elementwise(lambda xp, g, out: g * (1 + out * out), to_float=True)
def tan(xp: Any, input: Array) -> Array:
    """Return the tangent of an angle in radians."""
    return xp.tan(input)


@elementwise(lambda xp, g, input: g / xp.sqrt(1 - input * input), to_float=True)
def asin(xp: Any, input: Array) -> Array:
    """Return the inverse sine, in radians."""
    return xp.arcsin(input)


@elementwise(lambda xp, g, input: -g / xp.sqrt(1 - input * input), to_float=True)
def acos(xp: Any, input: Array) -> Array:
    """Return the inverse cosine, in radians."""
    return xp.arccos(input)


@elementwise(lambda xp, g, input: g / (input * input + 1), to_float=True)
def atan(xp: Any, input: Array) -> Array:
    """Return the inverse tangent, in radians."""
    return xp.arctan(input)


@elementwise(
    lambda xp, g, input, other: g * (other / (input * input + other * other)),
    lambda xp, g, input, other: g * (-input / (input * input + other * other)),
    to_float=True,
    check=not_for("atan2_cpu", COMPLEX),
)
def atan2(xp: Any, input: Array, other: Array) -> Array:
    """Return the angle of the point (``other``, ``input``), in radians."""
    return xp.arctan2(input, other)


@elementwise(lambda xp, g, input: g * xp.cosh(input), to_float=True)
def sinh(xp: Any, input: Array) -> Array:
    """Return the hyperbolic sine."""
    return xp.sinh(input)


@elementwise(lambda xp, g, input: g * xp.sinh(input), to_float=True)
def cosh(xp: Any, input: Array) -> Array:
    """Return the hyperbolic cosine."""
    return xp.cosh(input)


# The derivatives of tanh and sigmoid are operators too: one node, not four, in a second order.
@elementwise(
    lambda xp, g, output: xp.tanh_backward(g, output),
    lambda xp, g, grad_output, output: g * (-2 * grad_output * output),
    node="TanhBackwardBackward0",
)
def _tanh_backward(xp: Any, grad_output: Array, output: Array) -> Array:
    """Return ``grad_output * (1 - output ** 2)``."""
    return xp.tanh_backward(grad_output, output)


@elementwise(
    lambda xp, g, output: xp.sigmoid_backward(g, output),
    lambda xp, g, grad_output, output: g * grad_output * (1 - 2 * output),
    node="SigmoidBackwardBackward0",
)
def _sigmoid_backward(xp: Any, grad_output: Array, output: Array) -> Array:
    """Return ``grad_output * (1 - output) * output``."""
    return xp.sigmoid_backward(grad_output, output)


@elementwise(lambda xp, g, out: xp.tanh_backward(g, out), to_float=True)
def tanh(xp: Any, input: Array) -> Array:
    """Return the hyperbolic tangent."""
    return xp.tanh(input)


# ---- special functions of neural networks and statistics -----------------------------------------


@elementwise(lambda xp, g, out: xp.sigmoid_backward(g, out), to_float=True)
def sigmoid(xp: Any, input: Array) -> Array:
    """Return ``1 / (1 + exp(-input))``."""
    return xp.sigmoid(input)


@elementwise(
    lambda xp, g, output: xp.threshold_backward(g, output),
    lambda xp, g: xp.zeros_like(g),
    node="ThresholdBackwardBackward0",
)
def _threshold_backward(xp: Any, grad_output: Array, output: Array) -> Array:
    """Return ``grad_output`` where ``output`` is positive, 0 elsewhere."""
    return xp.threshold_backward(grad_output, output)


@elementwise(
    lambda xp, g, out: xp.threshold_backward(g, out),
    check=both(no_bool_relu, not_supported("clamp is not supported for complex types", COMPLEX)),
)
def relu(xp: Any, input: Array) -> Array:
    """Return ``max(input, 0)``; the derivative at 0 is 0, nan stays nan."""
    return xp.maximum(input, 0)


@elementwise(
    lambda xp, g, input: g * (2 / math.sqrt(math.pi) * xp.exp(-(input * input))),
    to_float=True,
    check=not_for("erf_vml_cpu", COMPLEX),
)
def erf(xp: Any, input: Array) -> Array:
    """Return the error function."""
    return xp.erf(input)


@elementwise(
    lambda xp, g, input, beta, threshold: (
        g * xp.where(input * beta > threshold, xp.ones_like(input), xp.sigmoid(input * beta))
    ),
    to_float=True,
)
def _softplus(xp: Any, input: Array, *, beta: float, threshold: float) -> Array:
    """Return ``log(1 + exp(beta * input)) / beta``, the input itself where that is the same."""
    scaled = input * beta
    return xp.where(
        scaled > threshold, input, xp.log1p(xp.exp(xp.minimum(scaled, threshold))) / beta
    )


# ---- pieces --------------------------------------------------------------------------------------


# Of a complex number: the direction in which the modulus grows, by PyTorch's convention.
@elementwise(
    lambda xp, g, input: g * xp.sign(input), holomorphic=False, check=not_for("abs_cpu", BOOL)
)
def abs(xp: Any, input: Array) -> Array:
    """Return the absolute value; the derivative at 0 is 0."""
    return xp.absolute(input)


@elementwise(lambda xp, g: xp.zeros_like(g), check=_no_complex_sign)
def sign(xp: Any, input: Array) -> Array:
    """Return -1, 0 or 1; nan stays nan."""
    return xp.sign(input)


@elementwise(
    lambda xp, g: xp.zeros_like(g),
    check=both(
        not_supported("floor is not supported for complex inputs", COMPLEX),
        not_for("floor_vml_cpu", BOOL),
    ),
)
def floor(xp: Any, input: Array) -> Array:
    """Return the largest integer that is not greater."""
    return xp.floor(input)


@elementwise(
    lambda xp, g: xp.zeros_like(g),
    check=both(
        not_supported("ceil is not supported for complex inputs", COMPLEX),
        not_for("ceil_vml_cpu", BOOL),
    ),
)
def ceil(xp: Any, input: Array) -> Array:
    """Return the smallest integer that is not less."""
    return xp.ceil(input)


@elementwise(
    lambda xp, g: xp.zeros_like(g),
    check=both(
        not_supported("trunc is not supported for complex inputs", COMPLEX),
        not_for("trunc_vml_cpu", BOOL),
    ),
)
def trunc(xp: Any, input: Array) -> Array:
    """Return the integer part."""
    return xp.trunc(input)


def _maximum_share(xp: Any, g: Array, input: Array, other: Array) -> Array:
    """The whole cotangent where ``input`` is the larger, half of it where both are equal."""
    return xp.where(input == other, g / 2, xp.where(input > other, g, xp.zeros_like(g)))


@elementwise(
    lambda xp, g, input, other: _maximum_share(xp, g, input, other),
    lambda xp, g, input, other: _maximum_share(xp, g, other, input),
    check=no_complex_extremes("maximum"),
)
def maximum(xp: Any, input: Array, other: Array) -> Array:
    """Return the larger element of each pair; nan wins."""
    return xp.maximum(input, other)


@elementwise(
    lambda xp, g, input, other: _maximum_share(xp, g, -input, -other),
    lambda xp, g, input, other: _maximum_share(xp, g, -other, -input),
    check=no_complex_extremes("minimum"),
)
def minimum(xp: Any, input: Array, other: Array) -> Array:
    """Return the smaller element of each pair; nan wins."""
    return xp.minimum(input, other)


def _inside(xp: Any, g: Array, input: Array, min: Number | None, max: Number | None) -> Array:
    if min is None:
        mask = input <= max
    elif max is None:
        mask = input >= min
    else:
        mask = (input >= min) & (input <= max)
    return xp.where(mask, g, xp.zeros_like(g))


@elementwise(_inside, node="ClampBackward1")
def _clamp(xp: Any, input: Array, *, min: Number | None, max: Number | None) -> Array:
    """Return ``input`` limited to [min, max]."""
    return xp.clip(input, min, max)


@elementwise(
    lambda xp, g, input, min, max: xp.where((input >= min) & (input <= max), g, xp.zeros_like(g)),
    lambda xp, g, input, min, max: xp.where((input < min) & (min < max), g, xp.zeros_like(g)),
    lambda xp, g, input, min, max: xp.where((input > max) | (max < min), g, xp.zeros_like(g)),
    node="ClampBackward0",
)
def _clamp_tensors(xp: Any, input: Array, min: Array, max: Array) -> Array:
    """Return ``input`` limited to [min, max], element by element."""
    return xp.minimum(xp.maximum(input, min), max)


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Return the larger of ``input`` and ``min``."""
    return _clamp_min(input, min=min) if not isinstance(min, TensorBase) else clamp(input, min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Return the smaller of ``input`` and ``max``."""
    if isinstance(max, TensorBase):
        return clamp(input, None, max)
    return _clamp_max(input, max=max)


@elementwise(lambda xp, g, input, min: xp.where(input >= min, g, xp.zeros_like(g)))
def _clamp_min(xp: Any, input: Array, *, min: Number) -> Array:
    """Return the larger of ``input`` and a number."""
    return xp.clip(input, min, None)


@elementwise(lambda xp, g, input, max: xp.where(input <= max, g, xp.zeros_like(g)))
def _clamp_max(xp: Any, input: Array, *, max: Number) -> Array:
    """Return the smaller of ``input`` and a number."""
    return xp.clip(input, None, max)


@elementwise(
    None,
    lambda xp, g, condition: xp.where(condition, g, xp.zeros_like(g)),
    lambda xp, g, condition: xp.where(condition, xp.zeros_like(g), g),
)
def _where(xp: Any, condition: Array, input: Array, other: Array) -> Array:
    """Return ``input`` where ``condition`` holds, ``other`` elsewhere."""
    return xp.where(condition, input, other)


_where.op.promoted = (1, 2)  # type: ignore[attr-defined]


# ---- the public names that are more than an operator ---------------------------------------------


def pow(input: Tensor | Number, exponent: Tensor | Number) -> Tensor:
    """Return ``input ** exponent`` with broadcasting; either may be a number.

    Raises: RuntimeError for an integer tensor to a negative integer power.
    """
    if not isinstance(input, TensorBase):
        if exponent._desc.fast == REAL_NUMBERS and not isinstance(input, complex):  # type: ignore[union-attr]
            return _pow_base(exponent, base=input)
        return _pow(input, exponent)
    if not isinstance(exponent, TensorBase):
        desc = input._desc
        if desc.dtype.category == BOOL:
            # a bool to the power of one is one of the two; anything else is computed in int64
            return _pow_number(input, exponent=1) if exponent is True else _pow(input, exponent)
        if isinstance(exponent, int) and exponent < 0 and desc.dtype.category < 2:
            raise RuntimeError(
                "Integers to negative integer powers are not allowed. (Convert the base with "
                ".float().)"
            )
        if isinstance(exponent, float) and desc.fast != REAL_NUMBERS and desc.dtype.category < 2:
            return _pow(input, exponent)
        return _pow_number(input, exponent=exponent)
    return _pow(input, exponent)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Return ``input`` limited to [``min``, ``max``]; bounds are numbers, tensors or None.

    The gradient is 1 inside and on the bounds, 0 outside.
    Raises: RuntimeError if neither bound is given.
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, TensorBase) or isinstance(max, TensorBase):
        low = -math.inf if min is None else min
        return _clamp_tensors(input, low, math.inf if max is None else max)
    return _clamp(input, min=min, max=max)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """Return ``input`` where ``condition`` holds, ``other`` elsewhere, with broadcasting; given
    only the condition, the indices where it holds: one vector per dim.

    Raises: RuntimeError if the condition is not bool.
    """
    if input is None and other is None:
        found = np.nonzero(np.atleast_1d(condition._array))  # type: ignore[attr-defined]
        return tuple(make_tensor(axis) for axis in found)
    if condition._desc.dtype.category != dtypes.BOOL:
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{scalar_name(condition._desc.dtype)}"
        )
    return _where(condition, input, other)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return ``log(1 + exp(beta * input)) / beta``; linear where ``beta * input > threshold``."""
    return _softplus(input, beta=beta, threshold=threshold)
