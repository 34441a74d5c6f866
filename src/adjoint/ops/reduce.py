"""Reductions: operators that combine the elements along dims.

In: a Tensor, ``dim`` (None: all) and ``keepdim``.  Out: a Tensor without these dims.  Under each
primitive in NumPy's words stands the public function in PyTorch's.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.kernels.tiles import LARGE
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.arguments import Dims, canonical_dim, canonical_dims
from adjoint.ops.checks import not_for
from adjoint.ops.compare import logical_not
from adjoint.ops.families import general, operator, reduction

Array = Any
Tensor = Any
Axes = tuple[int, ...]

# ---- sum and mean --------------------------------------------------------------------------------


def _spread(xp: Any, g: Array, input_shape: Axes) -> Array:
    if xp.size(input_shape) >= LARGE:  # kernels know an array that repeats one number
        return xp.broadcast_view(g, input_shape)
    return xp.broadcast_to(g, input_shape)


def _spread_along(xp: Any, g: Array, input_shape: Axes, axis: Axes, keepdims: bool) -> Array:
    g = g if keepdims else xp.expand_dims(g, axis)
    return xp.broadcast_to(g, input_shape)


@reduction(_spread, linear=True, node="SumBackward0")
def _sum_all(xp: Any, input: Array) -> Array:
    """Return the sum of all elements."""
    return xp.sum(input)


@reduction(_spread_along, linear=True, node="SumBackward1")
def _sum(xp: Any, input: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Return the sum over the axes."""
    return xp.sum(input, axis=axis, keepdims=keepdims)


def sum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None
) -> Tensor:
    """Return the sum of the elements along ``dim`` (all of them when ``dim`` is None).

    Shape: ``input`` (*); result: ``input`` without ``dim``, or with size 1 there if ``keepdim``.
    Dtype: integers and bools are summed in int64.
    Raises: IndexError if a ``dim`` is out of range; RuntimeError if one appears twice.
    """
    desc = input._desc
    if dtype is not None or desc.dtype.category < dtypes.FLOATING:
        input = input.to(dtype or dtypes.int64)
    if dim is None and not keepdim:
        return _sum_all(input)
    return _sum(input, axis=canonical_dims(dim, len(desc.shape)), keepdims=keepdim)


def _mean_vjp(xp: Any, g: Array, input_shape: Axes) -> Array:
    count = xp.size(input_shape)
    spread = xp.broadcast_view if count >= LARGE else xp.broadcast_to  # as `_spread`
    return spread(g / count, input_shape)


@reduction(_mean_vjp, linear=True, node="MeanBackward0")
def _mean_all(xp: Any, input: Array) -> Array:
    """Return the mean of all elements."""
    return xp.mean(input)


def _mean_along(xp: Any, g: Array, input_shape: Axes, axis: Axes, keepdims: bool) -> Array:
    g = g if keepdims else xp.expand_dims(g, axis)
    return xp.broadcast_to(g / xp.size(tuple(input_shape[a] for a in axis)), input_shape)


@reduction(_mean_along, linear=True, node="MeanBackward1")
def _mean(xp: Any, input: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Return the mean over the axes."""
    return xp.mean(input, axis=axis, keepdims=keepdims)


def mean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None
) -> Tensor:
    """Return the mean of the elements along ``dim`` (all of them when ``dim`` is None).

    Raises: RuntimeError for integer input without ``dtype``; IndexError if a ``dim`` is out of
    range.
    """
    desc = input._desc
    if dtype is not None:
        input = input.to(dtype)
    elif desc.dtype.category < dtypes.FLOATING:
        name = {"bool": "Bool", "uint8": "Byte", "int64": "Long", "int32": "Int"}.get(
            desc.dtype.name, desc.dtype.name.capitalize()
        )
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {name}"
        )
    if dim is None and not keepdim:
        return _mean_all(input)
    return _mean(input, axis=canonical_dims(dim, len(desc.shape)), keepdims=keepdim)


# ---- products ------------------------------------------------------------------------------------


def _prod_vjp(xp: Any, g: Array, input: Array, out: Array, axis: Axes, keepdims: bool) -> Array:
    """g times the product of all *other* elements, which is the product divided by the element
    where no element is 0.

    What is not chosen is computed of ones: no nan of it enters a second derivative.
    """
    if not keepdims:
        g, out = xp.expand_dims(g, axis), xp.expand_dims(out, axis)
    some = xp.any(input == 0, axis=tuple(range(len(input.shape))), keepdims=True)
    one = xp.ones_like(input)
    plain = g * (xp.where(some, xp.ones_like(out), out) / xp.where(some, one, input))
    return xp.where(some, g * _others(xp, xp.where(some, input, one), axis), plain)


def _others(xp: Any, input: Array, axis: Axes) -> Array:
    """The product of all others for each element, exact at zeros: from the left times from the
    right.
    """
    shape = tuple(input.shape)
    n = xp.size(tuple(shape[a] for a in axis))
    rest = tuple(a for a in range(len(shape)) if a not in axis)
    order = (*rest, *axis)
    flat = xp.reshape(xp.permute_dims(input, order), (*(shape[a] for a in rest), n))
    if not n:
        return input
    one = xp.ones_like(flat[..., :1])
    last = (len(rest),)
    left = xp.cumprod(xp.concatenate((one, flat[..., :-1]), -1), -1)
    after = xp.concatenate((one, xp.flip(flat[..., 1:], last)), -1)
    right = xp.flip(xp.cumprod(after, -1), last)
    others = xp.reshape(left * right, tuple(shape[a] for a in order))
    return xp.permute_dims(others, tuple(int(i) for i in np.argsort(order)))


@reduction(_prod_vjp, node="ProdBackward0")
def _prod(xp: Any, input: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Return the product over the axes."""
    return xp.prod(input, axis=axis, keepdims=keepdims)


@reduction(_prod_vjp, node="ProdBackward1")
def _prod_dim(xp: Any, input: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Return the product over one axis."""
    return xp.prod(input, axis=axis, keepdims=keepdims)


def prod(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    dtype: dtypes.dtype | None = None,
) -> Tensor:
    """Return the product of the elements along ``dim`` (all of them when ``dim`` is None)."""
    if dtype is not None or input._desc.dtype.category < dtypes.FLOATING:
        input = input.to(dtype or dtypes.int64)
    if dim is None:
        return _prod(input, axis=tuple(range(input.ndim)), keepdims=False)
    return _prod_dim(input, axis=canonical_dims(dim, input.ndim), keepdims=keepdim)


@operator("general", (lambda xp, g, axis: _reversed_sum(xp, g, axis),), linear=True)
def _cumsum(xp: Any, input: Array, *, axis: int) -> Array:
    """Return the running sum along an axis."""
    return xp.cumsum(input, axis)


def _reversed_sum(xp: Any, g: Array, axis: int) -> Array:
    return xp.flip(xp.cumsum(xp.flip(g, (axis,)), axis), (axis,))


def cumsum(input: Tensor, dim: int, *, dtype: dtypes.dtype | None = None) -> Tensor:
    """Return the running sum of the elements along ``dim``; integers are summed in int64."""
    if dtype is not None or input._desc.dtype.category < dtypes.FLOATING:
        input = input.to(dtype or dtypes.int64)
    if not input.ndim:
        canonical_dim(dim, 0)
        return input.clone()
    return _cumsum(input, axis=canonical_dim(dim, input.ndim))


# ---- extremes ------------------------------------------------------------------------------------


def _share(xp: Any, g: Array, input: Array, out: Array, axis: Axes, keepdims: bool) -> Array:
    """The cotangent shared evenly between the elements that attain the extreme."""
    if not keepdims:
        g, out = xp.expand_dims(g, axis), xp.expand_dims(out, axis)
    mask = xp.astype(input == out, g.dtype)
    return (g / xp.sum(mask, axis=axis, keepdims=True)) * mask


def _share_nan(xp: Any, g: Array, input: Array, out: Array, axis: Axes, keepdims: bool) -> Array:
    """The same where nan is an extreme like any other."""
    if not keepdims:
        g, out = xp.expand_dims(g, axis), xp.expand_dims(out, axis)
    mask = xp.astype((input == out) | (xp.isnan(input) & xp.isnan(out)), g.dtype)
    return (g / xp.sum(mask, axis=axis, keepdims=True)) * mask


@reduction(_share_nan, node="MaxBackward1", check=not_for("max_all", dtypes.COMPLEX))
def _max_all(xp: Any, input: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Return the largest of all elements."""
    return xp.max(input, axis=axis, keepdims=keepdims)


@reduction(_share_nan, node="MinBackward1", check=not_for("min_all", dtypes.COMPLEX))
def _min_all(xp: Any, input: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Return the smallest of all elements."""
    return xp.min(input, axis=axis, keepdims=keepdims)


@reduction(_share, node="AmaxBackward0", check=not_for("max_values_cpu", dtypes.COMPLEX))
def _amax(xp: Any, input: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Return the largest elements along the axes."""
    return xp.max(input, axis=axis, keepdims=keepdims)


@reduction(_share, node="AminBackward0", check=not_for("min_values_cpu", dtypes.COMPLEX))
def _amin(xp: Any, input: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Return the smallest elements along the axes."""
    return xp.min(input, axis=axis, keepdims=keepdims)


def _pick_vjp(
    xp: Any, g: Any, input_shape: Axes, indices: Array, axis: int, keepdims: bool
) -> Array:
    """The cotangent of the values, put back where they were taken from."""
    g, where = g[0], indices
    if not keepdims:
        g, where = xp.expand_dims(g, (axis,)), xp.expand_dims(where, (axis,))
    return xp.scatter_add(g, input_shape, where, axis)


def _pick_jvp(xp: Any, t: Array, indices: Array, axis: int, keepdims: bool) -> tuple[Array, None]:
    """The tangents where the values were taken from."""
    where = indices if keepdims else xp.expand_dims(indices, (axis,))
    picked = xp.take_along_axis(t, where, axis)
    return (picked if keepdims else xp.squeeze(picked, (axis,))), None


def _extreme(
    xp: Any, input: Array, axis: int, keepdims: bool, largest: bool
) -> tuple[Array, Array]:
    where = (xp.argmax if largest else xp.argmin)(input, axis, keepdims=True)
    values = xp.take_along_axis(input, where, axis)
    if keepdims:
        return values, where
    return xp.squeeze(values, (axis,)), xp.squeeze(where, (axis,))


@general(_pick_vjp, jvp=_pick_jvp, node="MaxBackward0", outputs=2)
def _max_dim(xp: Any, input: Array, *, axis: int, keepdims: bool) -> tuple[Array, Array]:
    """Return the largest elements along an axis, and where they stand (the first of equals)."""
    return _extreme(xp, input, axis, keepdims, True)


@general(_pick_vjp, jvp=_pick_jvp, node="MinBackward0", outputs=2)
def _min_dim(xp: Any, input: Array, *, axis: int, keepdims: bool) -> tuple[Array, Array]:
    """Return the smallest elements along an axis, and where they stand (the first of equals)."""
    return _extreme(xp, input, axis, keepdims, False)


def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Return the largest elements along ``dim``; equal ones share the gradient."""
    return _amax(input, axis=canonical_dims(dim, input.ndim), keepdims=keepdim)


def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Return the smallest elements along ``dim``; equal ones share the gradient."""
    return _amin(input, axis=canonical_dims(dim, input.ndim), keepdims=keepdim)


def _argument(name: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    kind = {dtypes.BOOL: "bool", dtypes.COMPLEX: "complex"}.get(input._desc.dtype.category)
    if kind is not None:
        raise RuntimeError(f"{name}(): does not support {kind} input")
    if dim is None:
        if not input.numel():
            raise IndexError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0."
            )
        return _argextreme(input, axis=None, keepdims=False, name=name)
    return _argextreme(input, axis=canonical_dim(dim, input.ndim), keepdims=keepdim, name=name)


@general(None)
def _argextreme(xp: Any, input: Array, *, axis: int | None, keepdims: bool, name: str) -> Array:
    """Return where the extreme elements stand."""
    if not input.ndim:
        return np.int64(0)
    if input.dtype.kind == "b":
        input = xp.astype(input, np.int8)
    return (xp.argmax if name == "argmax" else xp.argmin)(input, axis, keepdims=keepdims)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return where the largest elements stand (the first of equals), int64."""
    return _argument("argmax", input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return where the smallest elements stand (the first of equals), int64."""
    return _argument("argmin", input, dim, keepdim)


# ---- logic ---------------------------------------------------------------------------------------


@general(None)
def _all(xp: Any, input: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Return whether all elements are non-zero."""
    return xp.all(input, axis=axis, keepdims=keepdims)


@general(None)
def _any(xp: Any, input: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Return whether any element is non-zero."""
    return xp.any(input, axis=axis, keepdims=keepdims)


def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return whether all elements along ``dim`` are non-zero."""
    return _logical(_all, input, dim, keepdim)


def _logical(reduce: Any, input: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    """A bool - of bytes, as PyTorch has it, a byte."""
    result = reduce(input, axis=canonical_dims(dim, input.ndim), keepdims=keepdim)
    return result.to(dtypes.uint8) if input._desc.dtype is dtypes.uint8 else result


def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return whether any element along ``dim`` is non-zero."""
    return _logical(_any, input, dim, keepdim)


# ---- variance ------------------------------------------------------------------------------------


def _centred(xp: Any, input: Array, axis: Axes) -> Array:
    return input - xp.mean(input, axis=axis, keepdims=True)


def _freedom(shape: Axes, axis: Axes, correction: float) -> float:
    """The number by which the sum of squares is divided."""
    count = 1
    for a in axis:
        count *= shape[a]
    return float(count - correction) if count > correction else 0.0


def _var_vjp(
    xp: Any, g: Array, input: Array, axis: Axes, correction: float, keepdims: bool
) -> Array:
    g = g if keepdims else xp.expand_dims(g, axis)
    freedom = _freedom(tuple(input.shape), axis, correction)
    if not freedom and len(axis) < len(input.shape):
        left = xp.size(tuple(input.shape[a] for a in axis)) - correction
        return (g * (2 / left if left else math.inf)) * _centred(xp, input, axis)
    if not freedom:  # 0 / 0 where all are the mean, else a number / 0
        one = xp.ones_like(input)
        same = input == xp.mean(input, axis=axis, keepdims=True)
        return g * xp.where(same, one * math.nan, one * math.inf)
    return (g * (2 / freedom)) * _centred(xp, input, axis)


@reduction(_var_vjp)
def _var(xp: Any, input: Array, *, axis: Axes, correction: float, keepdims: bool) -> Array:
    """Return the variance over the axes."""
    deviation = _centred(xp, input, axis)
    total = xp.sum(xp.abs2(deviation), axis=axis, keepdims=keepdims)
    return total / total.dtype.type(_freedom(input.shape, axis, correction))


def _std_vjp(
    xp: Any, g: Array, input: Array, out: Array, axis: Axes, correction: float, keepdims: bool
) -> Array:
    g = xp.where(out == 0, xp.zeros_like(out), g / (2 * out))
    return _var_vjp(xp, g, input, axis, correction, keepdims)


@reduction(_std_vjp)
def _std(xp: Any, input: Array, *, axis: Axes, correction: float, keepdims: bool) -> Array:
    """Return the standard deviation over the axes."""
    return xp.sqrt(_var.op.forward(xp, input, axis=axis, correction=correction, keepdims=keepdims))


def _spread_options(
    name: str,
    input: Tensor,
    dim: Any,
    unbiased: bool | None,
    keepdim: bool,
    correction: float | None,
) -> dict[str, Any]:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    if input._desc.dtype.category < dtypes.FLOATING:
        raise RuntimeError("std and var only support floating point and complex dtypes")
    axis = canonical_dims(dim, input.ndim)
    if not _freedom(input._desc.shape, axis, correction):
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the "
            "reduction factor (input numel divided by output numel).",
            UserWarning,
            stacklevel=3,
        )
    return {
        "axis": axis,
        "correction": correction,
        "keepdims": keepdim,
    }


def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Return the variance along ``dim``, divided by the count less ``correction`` (1)."""
    return _var(input, **_spread_options("var", input, dim, unbiased, keepdim, correction))


def std(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Return the standard deviation along ``dim`` (see `var`)."""
    return _std(input, **_spread_options("std", input, dim, unbiased, keepdim, correction))


def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """Return how many elements along ``dim`` are not zero."""
    return sum(logical_not(logical_not(input)), dim)


def numel(input: Tensor) -> int:
    """Return the number of elements."""
    count: int = input.numel()
    return count


def is_floating_point(input: Tensor) -> bool:
    """Return whether the dtype is a floating-point one."""
    return bool(input.is_floating_point())


def is_complex(input: Tensor) -> bool:
    """Return whether the dtype is a complex one."""
    return bool(input.is_complex())


def is_nonzero(input: Tensor) -> bool:
    """Return whether the one element of ``input`` is not zero."""
    return bool(input)


def is_tensor(value: Any) -> bool:
    """Return whether ``value`` is a Tensor."""
    return isinstance(value, TensorBase)
