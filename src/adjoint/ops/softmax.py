"""Softmax and its relatives, computed so that no exponential overflows.

In: a Tensor and a dim.  Out: Tensors normalised along that dim.  Each keeps its result, not its
input: the derivative of softmax is a function of softmax.
"""

from __future__ import annotations

from typing import Any

from adjoint.array import dtypes
from adjoint.core.errors import scalar_name
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.arguments import Dims, canonical_dim, canonical_dims
from adjoint.ops.families import general
from adjoint.ops.view import clone

__all__ = ["log_softmax", "logsumexp", "softmax"]

Array = Any
Tensor = Any
Axes = tuple[int, ...]


def _softmax_vjp(xp: Any, g: Array, out: Array, axis: int) -> Array:
    weighted = g * out
    return weighted - out * xp.sum(weighted, axis=(axis,), keepdims=True)


@general(_softmax_vjp)
def _softmax(xp: Any, input: Array, *, axis: int) -> Array:
    """Return ``exp(input)`` divided by its sum along an axis."""
    powers = xp.exp(input - xp.max(input, axis=(axis,), keepdims=True))
    return powers / xp.sum(powers, axis=(axis,), keepdims=True)


def _log_softmax_vjp(xp: Any, g: Array, out: Array, axis: int) -> Array:
    return g - xp.exp(out) * xp.sum(g, axis=(axis,), keepdims=True)


@general(_log_softmax_vjp)
def _log_softmax(xp: Any, input: Array, *, axis: int) -> Array:
    """Return the logarithm of `_softmax`."""
    shifted = input - xp.max(input, axis=(axis,), keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=(axis,), keepdims=True))


def _logsumexp_vjp(
    xp: Any, g: Array, input: Array, out: Array, axis: Axes, keepdims: bool
) -> Array:
    if not keepdims:
        g, out = xp.expand_dims(g, axis), xp.expand_dims(out, axis)
    return g * xp.exp(input - out)


@general(_logsumexp_vjp, node="LogsumexpBackward0")
def _logsumexp(xp: Any, input: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Return ``log(sum(exp(input)))`` over the axes."""
    largest = xp.max(input, axis=axis, keepdims=True)
    # Where all are -inf (or one is +inf) the difference would be nan.
    largest = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    total = xp.log(xp.sum(xp.exp(input - largest), axis=axis, keepdims=True)) + largest
    return total if keepdims else xp.squeeze(total, axis)


# ---- PyTorch's functions -------------------------------------------------------------------------


def _prepared(name: str, input: Tensor, dim: int, dtype: dtypes.dtype | None) -> tuple[Tensor, int]:
    """The input in the dtype to compute in, and the axis; errors as PyTorch's."""
    if not isinstance(input, TensorBase):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    wanted: Any = input
    if dtype is not None and dtype is not input._desc.dtype:
        wanted = wanted.to(dtype)
    found = wanted._desc.dtype
    axis = canonical_dim(dim, len(wanted._desc.shape))
    if not (found.is_floating_point or found.is_complex):
        kernel = "softmax_lastdim_kernel_impl" if axis == wanted.ndim - 1 else "softmax_kernel_impl"
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
    return clone(wanted) if 0 in wanted._desc.shape else _softmax(wanted, axis=axis)


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
    return clone(wanted) if 0 in wanted._desc.shape else _log_softmax(wanted, axis=axis)


def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """Return ``log(sum(exp(input)))`` over ``dim``; integers in the default floating-point dtype.

    Example:
        >>> import adjoint as torch
        >>> logsumexp(torch.tensor([1000.0, 1000.0]), 0)
        tensor(1000.6931)
    """
    if input._desc.dtype.category < dtypes.FLOATING:
        input = input.to(dtypes.get_default_dtype())
    return _logsumexp(input, axis=canonical_dims(dim, len(input._desc.shape)), keepdims=keepdim)
