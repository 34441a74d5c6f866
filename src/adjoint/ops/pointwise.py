"""Elementwise operators: a table of calculus.

In: Tensors and numbers.  Out: Tensors of the broadcast shape.  Each rule is the derivative, once.
"""

from __future__ import annotations

import math
from typing import Any

from adjoint.array.descriptor import REAL_NUMBERS
from adjoint.array.dtypes import BOOL, COMPLEX
from adjoint.core.duals import usual_descriptor
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.checks import (
    both,
    no_bool_differences,
    no_bool_relu,
    no_negative_bools,
    not_for,
    not_supported,
)
from adjoint.ops.families import elementwise

Array = Any
Tensor = Any
Number = int | float | complex | bool

# ---- arithmetic ----------------------------------------------------------------------------------


@elementwise(lambda xp, g: g, lambda xp, g: g, symbol="+")
def add(xp: Any, input: Array, other: Array) -> Array:
    """Return ``input + other`` with broadcasting."""
    return input + other


@elementwise(lambda xp, g: g, lambda xp, g: -g, symbol="-", check=no_bool_differences)
def sub(xp: Any, input: Array, other: Array) -> Array:
    """Return ``input - other`` with broadcasting."""
    return input - other


@elementwise(lambda xp, g: -g, node="RsubBackward1", number=True)
def _rsub_number(xp: Any, input: Array, *, other: Number) -> Array:
    """Return ``other - input`` for a number."""
    return other - input


def _rsub(input: Tensor, other: Any) -> Tensor:
    """Return ``other - input``."""
    kind = type(other)
    desc = input._desc
    if (kind is int or kind is float) and desc.fast == REAL_NUMBERS:
        return _rsub_number(input, other)
    if isinstance(other, TensorBase):
        return sub(other, input)
    if isinstance(other, bool) or desc.dtype.category == BOOL:
        no_bool_differences((input, other))
    if isinstance(other, complex):
        return _rsub_general(input, other)
    if desc.type.fast != REAL_NUMBERS:
        return _rsub_general(input, other)
    return _rsub_number(input, other=other)


@elementwise(lambda xp, g: -g, lambda xp, g: g)
def _rsub_general(xp: Any, input: Array, other: Array) -> Array:
    """Return ``other - input`` with promotion."""
    return other - input


@elementwise(
    lambda xp, g, other: g * other, lambda xp, g, input: g * input, symbol="*", wide_numbers=True
)
def mul(xp: Any, input: Array, other: Array) -> Array:
    """Return ``input * other`` with broadcasting."""
    return input * other


@elementwise(
    lambda xp, g, other: g / other,
    lambda xp, g, input, other: -g * ((input / other) / other),
    to_float=True,
    symbol="/",
    wide_numbers=True,
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


@elementwise(_power_by_number, node="PowBackward0", number=True)
def _pow_number(xp: Any, input: Array, *, exponent: Number) -> Array:
    """Return ``input ** exponent`` for a Python number."""
    return xp.power(input, exponent)


@elementwise(
    lambda xp, g, input, exponent: xp.where(
        exponent == 0, xp.zeros_like(g), g * (exponent * xp.power(input, exponent - 1))
    ),
    lambda xp, g, input, exponent, out: (
        g * xp.where((input == 0) & (exponent >= 0), xp.zeros_like(out), out * xp.log(input))
    ),
    node="PowBackward1",
    check=not_for("pow", BOOL),
)
def _pow(xp: Any, input: Array, exponent: Array) -> Array:
    """Return ``input ** exponent`` with broadcasting."""
    return xp.power(input, exponent)


@elementwise(
    lambda xp, g, base, out: _power_of_base(xp, g, out, base),
    node="PowBackward2",
    saved_names={"input": "exponent", "base": "self"},
)
def _pow_base(xp: Any, input: Array, *, base: float) -> Array:
    """Return ``base ** input`` for a number."""
    return xp.exponential(base, input)


def _power_of_base(xp: Any, g: Array, out: Array, base: float) -> Array:
    """The derivative; a base of 0 has one where the exponent is negative, and the power infinite.
    Below 0 the logarithm is not real.
    """
    if base == 0:
        return g * xp.where(xp.isfinite(out), xp.zeros_like(out), out * -math.inf)
    return g * (out * (math.log(base) if base > 0 else math.nan))


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


def _over_square(xp: Any, input: Array, other: Array) -> Array:
    """One over the square of the distance from the origin, where PyTorch takes it to be 0."""
    square = input * input + other * other
    return xp.where(square == 0, xp.zeros_like(square), 1 / square)


@elementwise(
    lambda xp, g, input, other: g * other * _over_square(xp, input, other),
    lambda xp, g, input, other: g * -input * _over_square(xp, input, other),
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
    lambda xp, g, input: g * (2 / math.sqrt(math.pi) * xp.exp(-xp.power(input, 2))),
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


# ---- the public names that are more than an operator ---------------------------------------------


def pow(input: Tensor | Number, exponent: Tensor | Number) -> Tensor:
    """Return ``input ** exponent`` with broadcasting; either may be a number.

    Raises: RuntimeError for an integer tensor to a negative integer power.
    """
    kind = type(exponent)
    usual = (kind is int or kind is float) and isinstance(input, TensorBase)
    if usual and input._desc.fast == REAL_NUMBERS:  # type: ignore[union-attr]
        return _pow_number(input, exponent)
    if not isinstance(input, TensorBase):
        desc = usual_descriptor(exponent._desc)  # type: ignore[union-attr]
        if desc.fast == REAL_NUMBERS and not isinstance(input, complex):
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
        if isinstance(exponent, float | complex) and desc.dtype.category < 2:
            return _pow(input, exponent)
        return _pow_number(input, exponent=exponent)
    return _pow(input, exponent)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return ``log(1 + exp(beta * input)) / beta``; linear where ``beta * input > threshold``."""
    return _softplus(input, beta=beta, threshold=threshold)
