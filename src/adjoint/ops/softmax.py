"""Softmax and its relatives, computed so that no exponential overflows.

In: a Tensor and a dim.  Out: Tensors normalised along that dim.  Each keeps its result, not its
input: the derivative of softmax is a function of softmax.
"""

from __future__ import annotations

from typing import Any

from adjoint.array import dtypes
from adjoint.core.errors import scalar_name
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.arguments import canonical_dim
from adjoint.ops.families import general

__all__ = ["log_softmax", "softmax"]

Array = Any
Tensor = Any


def _softmax_vjp(xp: Any, g: Array, out: Array, axis: int) -> Array:
    weighted = g * out
    return weighted - out * xp.sum(weighted, axis=(axis,), keepdims=True)


# The Jacobian of softmax is symmetric: pushing is pulling.
@general(_softmax_vjp, jvp=_softmax_vjp)
def _softmax(xp: Any, input: Array, *, axis: int) -> Array:
    """Return ``exp(input)`` divided by its sum along an axis."""
    if not input.shape[axis]:
        return xp.copy(input)
    powers = xp.exp(input - xp.max(input, axis=(axis,), keepdims=True))
    return powers / xp.sum(powers, axis=(axis,), keepdims=True)


def _log_softmax_vjp(xp: Any, g: Array, out: Array, axis: int) -> Array:
    return g - xp.exp(out) * xp.sum(g, axis=(axis,), keepdims=True)


@general(
    _log_softmax_vjp,
    jvp=lambda xp, t, out, axis: t - xp.sum(xp.exp(out) * t, axis=(axis,), keepdims=True),
)
def _log_softmax(xp: Any, input: Array, *, axis: int) -> Array:
    """Return the logarithm of `_softmax`."""
    if not input.shape[axis]:
        return xp.copy(input)
    shifted = input - xp.max(input, axis=(axis,), keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=(axis,), keepdims=True))


# ---- PyTorch's functions -------------------------------------------------------------------------


def _prepared(name: str, input: Tensor, dim: int, dtype: dtypes.dtype | None) -> tuple[Tensor, int]:
    """The input in the dtype to compute in, and the axis; errors as PyTorch's."""
    if dtype is None and isinstance(input, TensorBase):
        desc = input._desc
        if 0 <= dim < len(desc.shape) and desc.dtype.category == dtypes.FLOATING:
            return input, dim
    if not isinstance(input, TensorBase):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    wanted: Any = input
    if dtype is not None and dtype is not input._desc.dtype:
        wanted = wanted.to(dtype)
    found = wanted._desc.dtype
    axis = canonical_dim(dim, len(wanted._desc.shape))
    if not found.is_floating_point:
        kernel = "softmax_lastdim_kernel_impl" if axis >= wanted.ndim - 1 else "softmax_kernel_impl"
        kernel = kernel if name == "softmax" else f"log_{kernel}"
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{scalar_name(found)}' "
            f"({name} needs a floating-point input: convert it with .float())"
        )
    return wanted, axis


def softmax(input: Tensor, dim: int, dtype: dtypes.dtype | None = None) -> Tensor:
    """Return ``exp(input) / sum(exp(input))`` along ``dim``: positive numbers that sum to 1.

    Args: ``dtype``: convert the input first, against overflow.
    Raises: IndexError if ``dim`` is out of range; NotImplementedError for integer input.

    Example:
        >>> import adjoint as torch
        >>> softmax(torch.tensor([0.0, 0.0]), 0)
        tensor([0.5000, 0.5000])
    """
    wanted, axis = _prepared("softmax", input, dim, dtype)
    if not wanted._desc.shape:
        return _softmax(wanted.reshape(1), axis=0).reshape(())
    return _softmax(wanted, axis=axis)


def log_softmax(input: Tensor, dim: int, dtype: dtypes.dtype | None = None) -> Tensor:
    """Return the logarithm of `softmax`, more accurate than taking it afterwards.

    Args: ``dtype``: convert the input first, against overflow.
    Raises: IndexError if ``dim`` is out of range; NotImplementedError for integer input.

    Example:
        >>> import adjoint as torch
        >>> log_softmax(torch.tensor([0.0, 0.0]), 0)
        tensor([-0.6931, -0.6931])
    """
    wanted, axis = _prepared("log_softmax", input, dim, dtype)
    if not wanted._desc.shape:
        return _log_softmax(wanted.reshape(1), axis=0).reshape(())
    return _log_softmax(wanted, axis=axis)
