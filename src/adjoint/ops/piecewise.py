"""Elementwise operators made of pieces: absolute value, rounding, extremes, limits, choices.

In: Tensors and numbers.  Out: Tensors of the broadcast shape.  Their derivatives jump; at the jump
each takes the value that PyTorch takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.dtypes import BOOL, COMPLEX
from adjoint.core.errors import scalar_name
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.checks import both, no_complex_extremes, not_for, not_supported
from adjoint.ops.counting import counted
from adjoint.ops.families import elementwise

Array = Any
Tensor = Any
Number = int | float | complex | bool

_no_complex_sign = not_supported(
    "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn "
    "instead.",
    COMPLEX,
)

# ---- steps and corners
# --------------------------------------------------------------------------------------


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
    """The whole cotangent where ``input`` is the larger (or one is nan), half of it where both are
    equal.
    """
    return xp.where(input == other, g / 2, xp.where(input < other, xp.zeros_like(g), g))


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


def _first_counts(xp: Any, input: Array, other: Array) -> Array:
    return (input >= other) | xp.isnan(other)


def _last_counts(xp: Any, input: Array, other: Array) -> Array:
    return (input <= other) | xp.isnan(other)


@elementwise(
    lambda xp, g, input, other: xp.where(_first_counts(xp, input, other), g, xp.zeros_like(g)),
    lambda xp, g, input, other: xp.where(_first_counts(xp, input, other), xp.zeros_like(g), g),
    check=no_complex_extremes("fmax"),
)
def fmax(xp: Any, input: Array, other: Array) -> Array:
    """Return the larger element of each pair, the other one of nan; of equals the first, which has
    the whole gradient.
    """
    return xp.where(_first_counts(xp, input, other), input, other)


@elementwise(
    lambda xp, g, input, other: xp.where(_last_counts(xp, input, other), g, xp.zeros_like(g)),
    lambda xp, g, input, other: xp.where(_last_counts(xp, input, other), xp.zeros_like(g), g),
    check=no_complex_extremes("fmin"),
)
def fmin(xp: Any, input: Array, other: Array) -> Array:
    """Return the smaller element of each pair, the other one of nan; of equals the first, which has
    the whole gradient.
    """
    return xp.where(_last_counts(xp, input, other), input, other)


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


# With one bound; the same under two names, for the graph.
_low = (
    lambda xp, g, input, min: xp.where(input >= min, g, xp.zeros_like(g)),
    lambda xp, g, input, min: xp.where(input < min, g, xp.zeros_like(g)),
)
_high = (
    lambda xp, g, input, max: xp.where(input <= max, g, xp.zeros_like(g)),
    lambda xp, g, input, max: xp.where(input > max, g, xp.zeros_like(g)),
)


@elementwise(*_low, node="ClampBackward0")
def _at_least(xp: Any, input: Array, min: Array) -> Array:
    """Return ``input``, no less than ``min``, element by element."""
    return xp.maximum(input, min)


@elementwise(*_high, node="ClampBackward0")
def _at_most(xp: Any, input: Array, max: Array) -> Array:
    """Return ``input``, no more than ``max``, element by element."""
    return xp.minimum(input, max)


@elementwise(*_low, node="ClampMinBackward1")
def _clamp_min_tensor(xp: Any, input: Array, min: Array) -> Array:
    """Return ``input``, no less than ``min``, element by element."""
    return xp.maximum(input, min)


@elementwise(*_high, node="ClampMaxBackward1")
def _clamp_max_tensor(xp: Any, input: Array, max: Array) -> Array:
    """Return ``input``, no more than ``max``, element by element."""
    return xp.minimum(input, max)


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """Return the larger of ``input`` and ``min``."""
    if isinstance(min, TensorBase):
        return _clamp_min_tensor(input, min)
    return _clamp_min(input, min=min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """Return the smaller of ``input`` and ``max``."""
    if isinstance(max, TensorBase):
        return _clamp_max_tensor(input, max)
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


_where.op.promoted = (1, 2)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Return ``input`` limited to [``min``, ``max``]; bounds are numbers, tensors or None.

    The gradient is 1 inside and on the bounds, 0 outside.
    Raises: RuntimeError if neither bound is given.
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, TensorBase) or isinstance(max, TensorBase):
        if max is None:
            return _at_least(input, min)
        if min is None:
            return _at_most(input, max)
        return _clamp_tensors(input, min, max)
    return _clamp(input, min=min, max=max)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """Return ``input`` where ``condition`` holds, ``other`` elsewhere, with broadcasting; given
    only the condition, the indices where it holds: one vector per dim.

    Raises: RuntimeError if the condition is not bool.
    """
    if input is None and other is None:
        found = np.nonzero(np.atleast_1d(counted("where", condition)))
        return tuple(make_tensor(axis) for axis in found)
    if condition._desc.dtype.category != dtypes.BOOL:
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{scalar_name(condition._desc.dtype)}"
        )
    return _where(condition, input, other)
