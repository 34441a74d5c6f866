"""In-place forms of operators: ``x.add_(y)`` from ``add``, and the writes that have no other form.

In: an operator's function.  Out: a method that overwrites its first operand by PyTorch's rules (core/inplace.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.array import dtypes
from adjoint.core.inplace import apply_inplace
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.families import operator
from adjoint.ops.pointwise import _pow, _pow_number

Array = Any
Tensor = Any


def inplace(function: Callable[..., Any]) -> Callable[..., Any]:
    """The method that overwrites its tensor with ``function`` of it and further operands."""
    op = function.op  # type: ignore[attr-defined]

    def method(self: Any, *operands: Any, **params: Any) -> Any:
        return apply_inplace(op, self, operands, params)

    method.__name__ = f"{op.name}_"
    method.__doc__ = f"In-place version of ``{op.name}``."
    return method


def _copy_vjp(xp: Any, g: Array) -> Array:
    return g


@operator("linear", (lambda xp, g: xp.zeros_like(g), _copy_vjp), linear=True, node="CopyBackwards")
def _copy(xp: Any, input: Array, src: Array) -> Array:
    """Return ``src``, broadcast and cast to what ``input`` is."""
    return xp.astype(xp.broadcast_to(src, input.shape), input.dtype)


@operator("linear", (lambda xp, g: xp.zeros_like(g),), linear=True, node="FillBackward0")
def _fill(xp: Any, input: Array, *, value: Any) -> Array:
    """Return ``value`` everywhere."""
    return xp.full(input.shape, value, input.dtype)


@operator("linear", (lambda xp, g: xp.zeros_like(g),), linear=True, node="ZeroBackward0")
def _zero(xp: Any, input: Array) -> Array:
    """Return zeros."""
    return xp.zeros_like(input)


def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Overwrite ``self`` with ``src``, broadcast and cast.

    Raises: RuntimeError if ``src`` does not broadcast to the shape of ``self``.
    """
    lead = self.ndim - src.ndim
    if lead < 0 or any(n not in (1, m) for n, m in zip(src.shape, self.shape[lead:])):
        i = next(
            (k for k in range(self.ndim - 1, -1, -1)
             if k - lead >= 0 and src.shape[k - lead] not in (1, self.shape[k])),
            0,
        )  # fmt: skip
        raise RuntimeError(
            f"The size of tensor a ({self.shape[i]}) must match the size of tensor b "
            f"({src.shape[i - lead]}) at non-singleton dimension {i}"
        )
    return apply_inplace(_copy.op, self, (src,), {})  # type: ignore[attr-defined]


def fill_(self: Tensor, value: Any) -> Tensor:
    """Overwrite every element with ``value``, a number or a 0-d tensor."""
    if isinstance(value, TensorBase):
        if value._desc.shape:
            raise RuntimeError(
                "fill_ only supports 0-dimension value tensor but got tensor with "
                f"{len(value._desc.shape)} dimensions."
            )
        return copy_(self, value)
    return apply_inplace(_fill.op, self, (), {"value": value})  # type: ignore[attr-defined]


def zero_(self: Tensor) -> Tensor:
    """Overwrite every element with 0."""
    return apply_inplace(_zero.op, self, (), {})  # type: ignore[attr-defined]


def pow_(self: Tensor, exponent: Any) -> Tensor:
    """In-place version of ``pow``."""
    if isinstance(exponent, TensorBase) or self.dtype.category < dtypes.FLOATING:
        return apply_inplace(_pow.op, self, (exponent,), {})  # type: ignore[attr-defined]
    return apply_inplace(_pow_number.op, self, (), {"exponent": exponent})  # type: ignore[attr-defined]


def scalar_tensor(value: Any, dtype: dtypes.dtype) -> Tensor:
    """A 0-d tensor of a number."""
    return make_tensor(dtype.numpy.type(value))
