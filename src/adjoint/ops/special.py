"""More elementwise operators: remainders, interpolation, special functions.

In: Tensors and numbers.  Out: Tensors of the broadcast shape.  The second page of the table of
calculus that `ops/pointwise.py` begins. Derivatives of the special functions: Abramowitz & Stegun,
Handbook of Mathematical Functions, chapters 6 and 7.
"""

from __future__ import annotations

import math
from typing import Any

from adjoint.array.dtypes import BOOL, COMPLEX, INTEGRAL
from adjoint.core.half import as_taken
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.checks import both, no_integer_division_by_zero, not_for
from adjoint.ops.families import elementwise
from adjoint.ops.piecewise import clamp
from adjoint.ops.pointwise import div, pow

Array = Any
Tensor = Any
Number = int | float

# ---- remainders ----------------------------------------------------------------------------------


@elementwise(lambda xp, g: g, node="RemainderBackward0", check=not_for("remainder_cpu", COMPLEX))
def _remainder_number(xp: Any, input: Array, *, divisor: Number) -> Array:
    """Return the remainder of a division by a number, with the sign of the divisor."""
    return xp.remainder(input, xp.scalar_like(divisor, input))


@elementwise(
    lambda xp, g: g,
    lambda xp, g, input, other: -g * xp.floor_divide(input, other),
    node="RemainderBackward1",
    check=both(not_for("remainder_cpu", BOOL, COMPLEX), no_integer_division_by_zero),
    straight_integers=False,
)
def _remainder(xp: Any, input: Array, other: Array) -> Array:
    """Return the remainder with the sign of the divisor."""
    return xp.remainder(input, other)


@elementwise(lambda xp, g: g, node="FmodBackward0", check=not_for("fmod_cpu", COMPLEX))
def _fmod_number(xp: Any, input: Array, *, divisor: Number) -> Array:
    """Return the remainder of a division by a number, with the sign of the dividend."""
    return xp.fmod(input, xp.scalar_like(divisor, input))


@elementwise(
    lambda xp, g: g,
    lambda xp, g, input, other: -g * xp.trunc_divide(input, other),
    node="FmodBackward1",
    check=both(not_for("fmod_cpu", BOOL, COMPLEX), no_integer_division_by_zero),
    straight_integers=False,
)
def _fmod(xp: Any, input: Array, other: Array) -> Array:
    """Return the remainder with the sign of the dividend."""
    return xp.fmod(input, other)


def _stays(number: Any, input: Tensor) -> bool:
    """Whether a number operand leaves the tensor's dtype as it is."""
    if isinstance(input, TensorBase) and input._desc.dtype.category == BOOL:
        return False
    return isinstance(number, int) or (
        isinstance(number, float)
        and isinstance(input, TensorBase)
        and input._desc.dtype.category > 1
    )


def remainder(input: Any, other: Any) -> Tensor:
    """Return the remainder of ``input / other``, with the sign of ``other``."""
    if _stays(other, input) and (other or input._desc.dtype.category > 1):
        return _remainder_number(input, divisor=as_taken(other, input))
    return _remainder(input, other)


def fmod(input: Any, other: Any) -> Tensor:
    """Return the remainder of ``input / other``, with the sign of ``input``."""
    if _stays(other, input) and (other or input._desc.dtype.category > 1):
        return _fmod_number(input, divisor=as_taken(other, input))
    return _fmod(input, other)


@elementwise(
    lambda xp, g: xp.zeros_like(g),
    lambda xp, g: xp.zeros_like(g),
    check=both(not_for("div_floor_cpu", BOOL, COMPLEX), no_integer_division_by_zero),
    straight_integers=False,
)
def floor_divide(xp: Any, input: Array, other: Array) -> Array:
    """Return ``floor(input / other)`` in the operands' dtype."""
    return xp.floor_divide(input, other)


# ---- rounding ------------------------------------------------------------------------------------


@elementwise(
    lambda xp, g: xp.zeros_like(g),
    node="RoundBackward0",
    check=not_for("round_vml_cpu", BOOL, COMPLEX),
)
def _round(xp: Any, input: Array) -> Array:
    """Return the nearest integer, halves to the even one."""
    return xp.rint(input) if input.dtype.kind == "f" else xp.copy(input)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Return ``input`` rounded to ``decimals``, halves to the even neighbour."""
    if not decimals:
        return _round(input)
    scale = 10.0 ** abs_number(decimals)
    return div(_round(input * scale), scale) if decimals > 0 else _round(div(input, scale)) * scale


def abs_number(n: int) -> int:
    """The absolute value of a Python number."""
    return n if n >= 0 else -n


@elementwise(lambda xp, g: g, check=not_for("frac_cpu", BOOL, INTEGRAL, COMPLEX), to_float=True)
def frac(xp: Any, input: Array) -> Array:
    """Return the fractional part, with the sign of the input."""
    return input - xp.trunc(input)


@elementwise(lambda xp, g, input: xp.where(xp.isfinite(input), g, xp.zeros_like(g)))
def _nan_to_num(
    xp: Any, input: Array, *, nan: float, posinf: float | None, neginf: float | None
) -> Array:
    """Return ``input`` with nan and infinities replaced."""
    return xp.nan_to_num(input, nan=nan, posinf=posinf, neginf=neginf)


def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """Return ``input`` with nan (0), inf and -inf (the dtype's limits) replaced."""
    return _nan_to_num(input, nan=nan or 0.0, posinf=posinf, neginf=neginf)


# ---- interpolation and fused forms ---------------------------------------------------------------


def square(input: Tensor) -> Tensor:
    """Return ``input ** 2``."""
    return pow(input, 2)


@elementwise(
    lambda xp, g, weight: g * (1 - weight),
    lambda xp, g, weight: g * weight,
    node="LerpBackward0",
)
def _lerp_number(xp: Any, input: Array, end: Array, *, weight: float) -> Array:
    """Return ``input + weight * (end - input)``, reckoned from the nearer end."""
    if -0.5 < weight < 0.5:
        return input + weight * (end - input)
    return end - (1 - weight) * (end - input)


@elementwise(
    lambda xp, g, weight: g * (1 - weight),
    lambda xp, g, weight: g * weight,
    lambda xp, g, input, end: g * (end - input),
    node="LerpBackward1",
)
def _lerp(xp: Any, input: Array, end: Array, weight: Array) -> Array:
    """Return ``input + weight * (end - input)``, reckoned from the nearer end."""
    way = end - input
    near = xp.absolute(weight) < 0.5
    return xp.where(near, input + weight * way, end - (1 - weight) * way)


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """Return the point between ``input`` (weight 0) and ``end`` (weight 1)."""
    if isinstance(weight, TensorBase):
        return _lerp(input, end, weight)
    return _lerp_number(input, end, weight=weight)


@elementwise(
    lambda xp, g: g,
    lambda xp, g, tensor2, value: g * (tensor2 * value),
    lambda xp, g, tensor1, value: g * (tensor1 * value),
)
def _addcmul(xp: Any, input: Array, tensor1: Array, tensor2: Array, *, value: Number) -> Array:
    """Return ``input + value * tensor1 * tensor2``."""
    return input + value * tensor1 * tensor2


@elementwise(
    lambda xp, g: g,
    lambda xp, g, tensor2, value: g * (value / tensor2),
    lambda xp, g, tensor1, tensor2, value: -g * (value * tensor1 / (tensor2 * tensor2)),
    to_float=True,
)
def _addcdiv(xp: Any, input: Array, tensor1: Array, tensor2: Array, *, value: Number) -> Array:
    """Return ``input + value * tensor1 / tensor2``."""
    return input + value * tensor1 / tensor2


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """Return ``input + value * tensor1 * tensor2``."""
    return _addcmul(input, tensor1, tensor2, value=value)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """Return ``input + value * tensor1 / tensor2``."""
    return _addcdiv(input, tensor1, tensor2, value=value)


@elementwise(
    lambda xp, g, input, out: g * input / out,
    lambda xp, g, other, out: g * other / out,
    to_float=True,
    check=not_for("hypot_cpu", BOOL, INTEGRAL, COMPLEX),
)
def hypot(xp: Any, input: Array, other: Array) -> Array:
    """Return ``sqrt(input ** 2 + other ** 2)``."""
    return xp.hypot(input, other)


@elementwise(
    lambda xp, g, input, other: g / (1 + xp.exp(other - input)),
    lambda xp, g, input, other: g / (1 + xp.exp(input - other)),
    to_float=True,
)
def logaddexp(xp: Any, input: Array, other: Array) -> Array:
    """Return ``log(exp(input) + exp(other))`` without overflow."""
    return xp.logaddexp(input, other)


# ---- inverse hyperbolic functions ----------------------------------------------------------------


@elementwise(lambda xp, g, input: g / xp.sqrt(xp.power(input, 2) + 1), to_float=True)
def asinh(xp: Any, input: Array) -> Array:
    """Return the inverse hyperbolic sine."""
    return xp.arcsinh(input)


@elementwise(lambda xp, g, input: g / xp.sqrt(input * input - 1), to_float=True)
def acosh(xp: Any, input: Array) -> Array:
    """Return the inverse hyperbolic cosine."""
    return xp.arccosh(input)


@elementwise(lambda xp, g, input: g / (1 - xp.power(input, 2)), to_float=True)
def atanh(xp: Any, input: Array) -> Array:
    """Return the inverse hyperbolic tangent."""
    return xp.arctanh(input)


# ---- special functions ---------------------------------------------------------------------------


@elementwise(
    lambda xp, g, input: g * (-2 / math.sqrt(math.pi) * xp.exp(-xp.power(input, 2))), to_float=True
)
def erfc(xp: Any, input: Array) -> Array:
    """Return ``1 - erf(input)``, accurate for large input."""
    return xp.erfc(input)


@elementwise(lambda xp, g, out: g * (math.sqrt(math.pi) / 2 * xp.exp(out * out)), to_float=True)
def erfinv(xp: Any, input: Array) -> Array:
    """Return the inverse of the error function."""
    return xp.erfinv(input)


@elementwise(lambda xp, g, input, n: g * xp.polygamma(n + 1, input), to_float=True)
def _polygamma(xp: Any, input: Array, *, n: int) -> Array:
    """Return the n-th derivative of the digamma function."""
    return xp.polygamma(n, input)


@elementwise(lambda xp, g, input: g * xp.polygamma(1, input), to_float=True)
def digamma(xp: Any, input: Array) -> Array:
    """Return the logarithmic derivative of the gamma function."""
    return xp.polygamma(0, input)


@elementwise(lambda xp, g, input: g * xp.polygamma(0, input), to_float=True)
def lgamma(xp: Any, input: Array) -> Array:
    """Return the logarithm of the absolute value of the gamma function."""
    return xp.lgamma(input)


def polygamma(n: int, input: Tensor) -> Tensor:
    """Return the ``n``-th derivative of the digamma function."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return _polygamma(input, n=n)


@elementwise(
    lambda xp, g, input, other: (
        g * xp.where((input == 0) & (other <= 0), xp.zeros_like(other), xp.log(other))
    ),
    lambda xp, g, input, other: g * input / other,
    to_float=True,
)
def xlogy(xp: Any, input: Array, other: Array) -> Array:
    """Return ``input * log(other)``, 0 where ``input`` is 0."""
    zero = (input == 0) & (other == other)  # but nan where ``other`` is nan
    return xp.where(zero, xp.zeros_like(other), input * xp.log(other))


def _logit_vjp(xp: Any, g: Array, input: Array) -> Array:
    outside = (input < 0) | (input > 1)
    return g / xp.where(outside, xp.ones_like(input) * math.nan, input * (1 - input))


@elementwise(_logit_vjp, to_float=True, node="LogitBackward0")
def _logit(xp: Any, input: Array) -> Array:
    """Return ``log(input / (1 - input))``."""
    return xp.log(input / (1 - input))


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """Return ``log(input / (1 - input))``, the input first limited to [``eps``, 1 - ``eps``]."""
    return _logit(input if eps is None else clamp(input, eps, 1 - eps))
