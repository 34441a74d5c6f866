"""The arithmetic functions with PyTorch's extra arguments: ``alpha``, ``rounding_mode``.

In: Tensors and numbers.  Out: Tensors.  The operators themselves (`+`, `*`, ...) are in
`ops/pointwise.py`; these are what ``torch.add`` and ``x.add`` mean.
"""

from __future__ import annotations

from typing import Any

from adjoint.array.dtypes import BOOL, COMPLEX
from adjoint.core.tensor_base import TensorBase
from adjoint.ops import pointwise
from adjoint.ops.checks import not_for
from adjoint.ops.families import elementwise

Array = Any
Tensor = Any


@elementwise(lambda xp, g: g, lambda xp, g, alpha: g * alpha, node="AddBackward0")
def _add_scaled(xp: Any, input: Array, other: Array, *, alpha: Any) -> Array:
    """Return ``input + alpha * other``."""
    return input + other * xp.scalar_like(alpha, other)


@elementwise(lambda xp, g: g, lambda xp, g, alpha: -g * alpha, node="SubBackward0")
def _sub_scaled(xp: Any, input: Array, other: Array, *, alpha: Any) -> Array:
    """Return ``input - alpha * other``."""
    return input - other * xp.scalar_like(alpha, other)


def _rounded(xp: Any, input: Array, other: Array, rounding: str) -> Array:
    if rounding == "floor":
        return xp.floor_divide(input, other)
    if input.dtype.kind == "f":
        return xp.trunc_divide(input, other)
    low = xp.floor_divide(input, other)
    return low + ((low * other != input) & ((input < 0) != (other < 0)))


@elementwise(lambda xp, g: xp.zeros_like(g), lambda xp, g: xp.zeros_like(g), node="DivBackward2")
def _div_rounded(xp: Any, input: Array, other: Array, *, rounding: str) -> Array:
    """Return ``input / other`` rounded down or towards zero."""
    return _rounded(xp, input, other, rounding)


def check_rounding(rounding: str) -> None:
    """Raise RuntimeError for an unknown ``rounding_mode``."""
    if rounding not in ("trunc", "floor"):
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"'{rounding}'"
        )


def _supported(result: Any, name: str, other: Any) -> Tensor:
    """The result; TypeError where the operator left the decision to the other operand."""
    if result is NotImplemented:
        raise TypeError(
            f"{name}(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}"
        )
    return result


def _check_alpha(input: Any, other: Any, alpha: Any) -> None:
    operands = [o for o in (input, other) if isinstance(o, TensorBase)]
    if isinstance(alpha, float) and all(o._desc.dtype.category < 2 for o in operands):
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )


def add(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """Return ``input + alpha * other`` with broadcasting."""
    if alpha == 1:
        return _supported(pointwise.add(input, other), "add", other)
    _check_alpha(input, other, alpha)
    return _add_scaled(input, other, alpha=alpha)


def sub(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """Return ``input - alpha * other`` with broadcasting."""
    if alpha == 1:
        return _supported(pointwise.sub(input, other), "sub", other)
    _check_alpha(input, other, alpha)
    return _sub_scaled(input, other, alpha=alpha)


def mul(input: Tensor, other: Any) -> Tensor:
    """Return ``input * other`` with broadcasting."""
    return _supported(pointwise.mul(input, other), "mul", other)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Return ``input / other``; ``rounding_mode`` "trunc" or "floor" rounds it."""
    if rounding_mode is None:
        return _supported(pointwise.div(input, other), "div", other)
    check_rounding(rounding_mode)
    not_for(f"div_{rounding_mode}_cpu", BOOL, COMPLEX)((input, other))
    return _div_rounded(input, other, rounding=rounding_mode)


def rsub(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """Return ``other - alpha * input``."""
    return pointwise._rsub(input if alpha == 1 else pointwise.mul(input, alpha), other)
