"""Activations of neural networks: elementwise functions with bends, and their derivatives.

In: floating-point Tensors.  Out: Tensors of the same shape.  ``relu``, ``tanh``, ``sigmoid`` and
``softplus`` are in `ops/pointwise.py`; arguments such as ``inplace`` belong to `nn/functional.py`.
"""

from __future__ import annotations

import math
from typing import Any

from adjoint.ops.families import elementwise, general

Array = Any

_ROOT = math.sqrt(2 / math.pi)
_CUBIC = 0.044715

# ---- smooth --------------------------------------------------------------------------------------


def _gelu_vjp(xp: Any, g: Array, input: Array, approximate: str) -> Array:
    if approximate == "none":
        below = 0.5 * (1 + xp.erf(input * math.sqrt(0.5)))
        density = xp.exp(-0.5 * (input * input)) * (1 / math.sqrt(2 * math.pi))
        return g * (below + input * density)
    square = input * input
    bent = xp.tanh(_ROOT * (input + _CUBIC * (square * input)))
    slope = _ROOT * (1 + (3 * _CUBIC) * square)
    return g * (0.5 * (1 + bent) + 0.5 * input * ((1 - bent * bent) * slope))


@elementwise(_gelu_vjp)
def _gelu(xp: Any, input: Array, *, approximate: str) -> Array:
    """Return ``input`` times the normal distribution function of it, or its tanh approximation."""
    if approximate == "none":
        return input * 0.5 * (1 + xp.erf(input * math.sqrt(0.5)))
    return 0.5 * input * (1 + xp.tanh(_ROOT * (input + _CUBIC * (input * input * input))))


def _silu_vjp(xp: Any, g: Array, input: Array) -> Array:
    s = xp.sigmoid(input)
    return g * (s * (1 + input * (1 - s)))


@elementwise(_silu_vjp)
def _silu(xp: Any, input: Array) -> Array:
    """Return ``input * sigmoid(input)``."""
    return input * xp.sigmoid(input)


def _softplus_of(xp: Any, x: Array) -> Array:
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.absolute(x)))


def _mish_vjp(xp: Any, g: Array, input: Array) -> Array:
    s, rest = xp.sigmoid(input), xp.sigmoid(-input)
    bent = s * (1 + rest) / (1 + rest * rest)  # tanh(softplus(input)), without its corner at 0
    return g * (bent + input * s * (1 - bent * bent))


@elementwise(_mish_vjp)
def _mish(xp: Any, input: Array) -> Array:
    """Return ``input * tanh(softplus(input))``."""
    return input * xp.tanh(_softplus_of(xp, input))


@elementwise(lambda xp, g, input: g * xp.sigmoid(-input), node="LogSigmoidBackward0")
def _logsigmoid(xp: Any, input: Array) -> Array:
    """Return ``log(sigmoid(input))`` without overflow."""
    return xp.minimum(input, 0) - xp.log1p(xp.exp(-xp.absolute(input)))


# ---- with a bend at 0 ----------------------------------------------------------------------------


@elementwise(lambda xp, g, input, negative_slope: xp.where(input > 0, g, g * negative_slope))
def _leaky_relu(xp: Any, input: Array, *, negative_slope: float) -> Array:
    """Return ``input`` where positive, ``negative_slope * input`` elsewhere."""
    if 0 < negative_slope <= 1:
        return xp.maximum(input, input * negative_slope)
    return xp.where(input > 0, input, input * negative_slope)


def _elu_vjp(
    xp: Any, g: Array, input: Array, alpha: float, scale: float, input_scale: float
) -> Array:
    bend = xp.exp(_below(xp, input) * input_scale)
    return xp.where(input <= 0, g * (alpha * scale * input_scale) * bend, g * scale)


def _below(xp: Any, input: Array) -> Array:
    """The input where it is negative, 0 elsewhere; its derivative at 0 is 0."""
    return xp.where(input < 0, input, xp.zeros_like(input))


@elementwise(_elu_vjp)
def _elu(xp: Any, input: Array, *, alpha: float, scale: float, input_scale: float) -> Array:
    """Return ``scale * input`` where positive, an exponential that ends in a constant elsewhere."""
    bend = xp.expm1(xp.minimum(input, 0) * input_scale)
    return xp.where(input < 0, bend * (alpha * scale), input * scale)


@elementwise(
    lambda xp, g, input, alpha: xp.where(input <= 0, g * xp.exp(_below(xp, input) * (1 / alpha)), g)
)
def _celu(xp: Any, input: Array, *, alpha: float) -> Array:
    """Return ``input`` where positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere."""
    return xp.where(input < 0, alpha * xp.expm1(xp.minimum(input, 0) * (1 / alpha)), input)


def _prelu_input(xp: Any, g: Array, input: Array, weight: Array) -> Array:
    return xp.where(input > 0, g, g * weight)


def _prelu_weight(xp: Any, g: Array, input: Array) -> Array:
    return xp.where(input > 0, xp.zeros_like(g), g * input)


@elementwise(_prelu_input, _prelu_weight, node="PreluKernelBackward0")
def _prelu(xp: Any, input: Array, weight: Array) -> Array:
    """Return ``input`` where positive, ``weight * input`` elsewhere."""
    return xp.where(input > 0, input, weight * input)


# ---- made of straight pieces ---------------------------------------------------------------------


def _between(xp: Any, g: Array, input: Array, min_val: float, max_val: float) -> Array:
    return xp.where((input <= min_val) | (input >= max_val), xp.zeros_like(g), g)


@elementwise(_between)
def _hardtanh(xp: Any, input: Array, *, min_val: float, max_val: float) -> Array:
    """Return ``input`` limited to [min_val, max_val]; the derivative on the bounds is 0."""
    return xp.clip(input, min_val, max_val)


def _hardsigmoid_vjp(xp: Any, g: Array, input: Array) -> Array:
    return xp.where((input > -3) & (input < 3), g * (1 / 6), xp.zeros_like(g))


@elementwise(_hardsigmoid_vjp)
def _hardsigmoid(xp: Any, input: Array) -> Array:
    """Return ``input / 6 + 1/2`` limited to [0, 1]."""
    return xp.clip(input + 3, 0, 6) / 6


def _hardswish_vjp(xp: Any, g: Array, input: Array) -> Array:
    inner = (input > -3) & (input < 3)
    slope = xp.where(inner, input, xp.zeros_like(input)) / 3 + 0.5
    return xp.where(input <= -3, xp.zeros_like(g), xp.where(inner, g * slope, g))


@elementwise(_hardswish_vjp)
def _hardswish(xp: Any, input: Array) -> Array:
    """Return ``input`` times its `_hardsigmoid`."""
    return input * xp.clip(input + 3, 0, 6) / 6


def _outside(xp: Any, g: Array, input: Array, lambd: float) -> Array:
    return xp.where((input >= -lambd) & (input <= lambd), xp.zeros_like(g), g)


@elementwise(_outside)
def _softshrink(xp: Any, input: Array, *, lambd: float) -> Array:
    """Return ``input`` moved towards 0 by ``lambd``, 0 where it is no larger than that."""
    return xp.where(
        input > lambd, input - lambd, xp.where(input < -lambd, input + lambd, 0 * input)
    )


@elementwise(_outside)
def _hardshrink(xp: Any, input: Array, *, lambd: float) -> Array:
    """Return ``input``, 0 where it is no larger than ``lambd``."""
    return xp.where((input >= -lambd) & (input <= lambd), xp.zeros_like(input), input)


@elementwise(lambda xp, g, input, threshold: xp.where(input <= threshold, xp.zeros_like(g), g))
def _threshold(xp: Any, input: Array, *, threshold: float, value: float) -> Array:
    """Return ``input`` where it exceeds ``threshold``, ``value`` elsewhere."""
    return xp.where(input <= threshold, xp.zeros_like(input) + value, input)


# ---- gates ---------------------------------------------------------------------------------------


def _halves(axis: int, n: int) -> tuple[Any, Any]:
    before = (slice(None),) * axis
    return (*before, slice(0, n)), (*before, slice(n, 2 * n))


def _glu_vjp(xp: Any, g: Array, input: Array, axis: int) -> Array:
    first, second = _halves(axis, input.shape[axis] // 2)
    value, gate = xp.slice(input, first), xp.sigmoid(xp.slice(input, second))
    parts = (g * gate, g * (value * (gate * (1 - gate))))
    return xp.concatenate(parts, axis)


@general(_glu_vjp)
def _glu(xp: Any, input: Array, *, axis: int) -> Array:
    """Return the first half along an axis times the sigmoid of the second."""
    first, second = _halves(axis, input.shape[axis] // 2)
    return xp.slice(input, first) * xp.sigmoid(xp.slice(input, second))
