"""Sums in other clothes: logsumexp, vector norms, distances, running products, outer products.

In: Tensors.  Out: Tensors.  What can be composed is composed; what stability asks for is a
primitive.
"""

from __future__ import annotations

import math
from typing import Any

from adjoint.array import dtypes
from adjoint.ops.arguments import Dims, canonical_dim, canonical_dims
from adjoint.ops.checks import not_for
from adjoint.ops.families import general, operator, reduction
from adjoint.ops.pointwise import mul, sub
from adjoint.ops.reduce import _spread_options, _std, _std_vjp, _var, _var_vjp, sum
from adjoint.ops.view import reshape

Array = Any
Tensor = Any
Axes = tuple[int, ...]


_real_logarithms = not_for("logcumsumexp_out_cpu", dtypes.BOOL, dtypes.INTEGRAL, dtypes.COMPLEX)


def _logsumexp_vjp(
    xp: Any, g: Array, input: Array, out: Array, axis: Axes, keepdims: bool
) -> Array:
    if not keepdims:
        g, out = xp.expand_dims(g, axis), xp.expand_dims(out, axis)
    return g * xp.exp(input - out)


@reduction(_logsumexp_vjp, saved_names={"axis": "dim", "keepdims": "keepdim"})
def _logsumexp(xp: Any, input: Array, *, axis: Axes, keepdims: bool) -> Array:
    """Return ``log(sum(exp(input)))``, the largest element taken out first."""
    top = xp.max(input, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    out = xp.log(xp.sum(xp.exp(input - top), axis=axis, keepdims=True)) + top
    return out if keepdims else xp.squeeze(out, axis)


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """Return ``log(sum(exp(input)))`` along ``dim`` without overflow."""
    if input._desc.dtype.category < dtypes.FLOATING:
        input = input.to(dtypes.get_default_dtype())
    return _logsumexp(input, axis=canonical_dims(dim, input.ndim), keepdims=keepdim)


def _logcumsumexp_vjp(xp: Any, g: Array, input: Array, out: Array, axis: int) -> Array:
    """d out[j] / d input[i] is exp(input[i] - out[j]) for j >= i."""
    last = len(input.shape)
    rows = xp.expand_dims(xp.swapaxes(input, axis, -1), (last,))
    after = rows - xp.expand_dims(xp.swapaxes(out, axis, -1), (last - 1,))
    one = xp.ones_like(after)
    shares = xp.exp(xp.where(xp.triu(one, 0) == 1, after, one * -math.inf))
    summed = xp.sum(shares * xp.expand_dims(xp.swapaxes(g, axis, -1), (last - 1,)), axis=(last,))
    return xp.swapaxes(summed, axis, -1)


@operator("general", (_logcumsumexp_vjp,), saved_names={"axis": "dim"}, check=_real_logarithms)
def _logcumsumexp(xp: Any, input: Array, *, axis: int) -> Array:
    """Return ``log(cumsum(exp(input)))`` along an axis."""
    return xp.logcumsumexp(input, axis)


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """Return the logarithm of the running sum of the exponentials along ``dim``.

    Raises: NotImplementedError for integers, and for complex numbers.
    """
    axis = canonical_dim(dim, input.ndim)
    _real_logarithms((input,))
    return _logcumsumexp(input, axis=axis) if input.ndim else input.clone()


# ---- norms ---------------------------------------------------------------------------------------


def _norm_vjp(
    xp: Any, g: Array, input: Array, out: Array, ord: float, axis: Axes, keepdims: bool
) -> Array:
    """Where the norm is 0 its subgradient of least size is taken: 0.

    What is masked, and what is multiplied first, decides where second derivatives are nan; it is
    PyTorch's order.
    """
    if not keepdims:
        g, out = xp.expand_dims(g, axis), xp.expand_dims(out, axis)
    zero = out == 0
    if ord == 2:
        return input * (g * xp.where(zero, xp.zeros_like(out), 1 / out))
    if ord == 1:
        return g * xp.sign(input)
    if ord == 0:
        return xp.zeros_like(input)
    if math.isinf(ord):
        same = (xp.absolute(input) == out) | (xp.isnan(input) & xp.isnan(out))
        hit = xp.astype(same, out.dtype)
        return (g / xp.sum(hit, axis=axis, keepdims=True)) * hit * xp.sign(input)
    size = xp.absolute(input)
    if ord < 1:
        steep = xp.where(size == 0, xp.zeros_like(size), xp.power(size, ord - 1))
        return xp.sign(input) * steep * g * xp.power(out, 1 - ord)
    if ord < 2:
        scaled = xp.sign(input) * xp.power(size, ord - 1)
    else:
        scaled = input * xp.power(size, ord - 2)
    return scaled * xp.where(zero, xp.zeros_like(out), g / xp.power(out, ord - 1))


@reduction(
    _norm_vjp,
    node="LinalgVectorNormBackward0",
    saved_names={"axis": "dim", "keepdims": "keepdim"},
)
def _vector_norm(xp: Any, input: Array, *, ord: float, axis: Axes, keepdims: bool) -> Array:
    """Return ``sum(|input| ** ord) ** (1 / ord)``; the largest for inf, the count for 0."""
    if ord == 2:
        return xp.sqrt(xp.sum(xp.abs2(input), axis=axis, keepdims=keepdims))
    size = xp.absolute(input)
    if ord == 1:
        return xp.sum(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return xp.sum(xp.astype(size != 0, input.dtype), axis=axis, keepdims=keepdims)
    if math.isinf(ord):
        return (xp.max if ord > 0 else xp.min)(size, axis=axis, keepdims=keepdims)
    return xp.power(xp.sum(xp.power(size, ord), axis=axis, keepdims=keepdims), 1 / ord)


def vector_norm(
    x: Tensor, ord: float = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Return the ``ord``-norm of the elements along ``dim`` (None: all)."""
    x = x if dtype is None else x.to(dtype)
    if x._desc.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{x.dtype.name.capitalize()}"
        )
    return _vector_norm(x, ord=float(ord), axis=canonical_dims(dim, x.ndim), keepdims=keepdim)


def norm(
    input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """Return the ``p``-norm of the elements along ``dim`` (None: all); "fro" is 2."""
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)


@general(
    lambda xp, g, input, other, out, p: _dist_vjp(xp, g, input, other, out, p),
    lambda xp, g, input, other, out, p: -_dist_vjp(xp, g, input, other, out, p),
    promoted=("input", "other"),
)
def _dist(xp: Any, input: Array, other: Array, *, p: float) -> Array:
    """Return the p-norm of the difference."""
    difference = input - other
    axis = tuple(range(difference.ndim))
    return _vector_norm.op.forward(xp, difference, ord=p, axis=axis, keepdims=False)


def _dist_vjp(xp: Any, g: Array, input: Array, other: Array, out: Array, p: float) -> Array:
    difference = input - other
    axis = tuple(range(len(difference.shape)))
    return _norm_vjp(xp, g, difference, out, p, axis, False)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """Return the ``p``-norm of ``input - other``."""
    return _dist(input, other, p=float(p))


# ---- running products ----------------------------------------------------------------------------


def _cumprod_vjp(xp: Any, g: Array, input: Array, out: Array, axis: int) -> Array:
    """d out[j] / d input[i] is the product of input[:j + 1] without input[i], which is out[j] over
    input[i] where no element is 0.

    What is not chosen is computed of ones: no nan of it enters a second derivative.
    """
    some = xp.any(input == 0, axis=tuple(range(len(input.shape))), keepdims=True)
    one = xp.ones_like(input)
    products = xp.flip(g * xp.where(some, one, out), (axis,))
    plain = xp.flip(xp.cumsum(products, axis), (axis,)) / xp.where(some, one, input)
    return xp.where(some, _cumprod_at_zeros(xp, g, xp.where(some, input, one), axis), plain)


def _cumprod_at_zeros(xp: Any, g: Array, input: Array, axis: int) -> Array:
    n = input.shape[axis]
    last = len(input.shape)
    moved = xp.swapaxes(input, axis, -1)
    rows = xp.broadcast_to(xp.expand_dims(moved, (last - 1,)), (*tuple(moved.shape)[:-1], n, n))
    without = xp.where(xp.constant_eye(n), xp.ones_like(rows), rows)
    partial = xp.triu(xp.cumprod(without, last), 0)
    summed = xp.sum(partial * xp.expand_dims(xp.swapaxes(g, axis, -1), (last - 1,)), axis=(last,))
    return xp.swapaxes(summed, axis, -1)


@operator("general", (_cumprod_vjp,), saved_names={"axis": "dim"})
def _cumprod(xp: Any, input: Array, *, axis: int) -> Array:
    """Return the running product along an axis."""
    return xp.cumprod(input, axis)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Return the running product of the elements along ``dim``; integers in int64."""
    if dtype is not None or input._desc.dtype.category < dtypes.FLOATING:
        input = input.to(dtype or dtypes.int64)
    axis = canonical_dim(dim, input.ndim)
    return _cumprod(input, axis=axis) if input.ndim else input.clone()


# ---- composed ------------------------------------------------------------------------------------


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Return all products of an element of ``input`` with one of ``vec2``, (n) x (m) -> (n, m)."""
    for which, v in (("self", input), ("vec2", vec2)):
        if v.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {which}, but got {v.ndim}-D")
    return mul(reshape(input, (-1, 1)), vec2)


def _var_mean_vjp(
    xp: Any, g: Any, input: Array, axis: Axes, correction: float, keepdims: bool
) -> Array:
    shape = tuple(input.shape)
    mean_part = g[1] if keepdims else xp.expand_dims(g[1], axis)
    mean_part = xp.broadcast_to(mean_part / xp.size(tuple(shape[a] for a in axis)), shape)
    return mean_part + _var_vjp(xp, g[0], input, axis, correction, keepdims)


@general(_var_mean_vjp, outputs=2)
def _var_mean(
    xp: Any, input: Array, *, axis: Axes, correction: float, keepdims: bool
) -> tuple[Array, Array]:
    """Return the variance and the mean."""
    variance = _var.op.forward(xp, input, axis=axis, correction=correction, keepdims=keepdims)
    return variance, xp.mean(input, axis=axis, keepdims=keepdims)


def _std_mean_vjp(
    xp: Any, g: Any, input: Array, out: Any, axis: Axes, correction: float, keepdims: bool
) -> Array:
    shape = tuple(input.shape)
    mean_part = g[1] if keepdims else xp.expand_dims(g[1], axis)
    mean_part = xp.broadcast_to(mean_part / xp.size(tuple(shape[a] for a in axis)), shape)
    return mean_part + _std_vjp(xp, g[0], input, out[0], axis, correction, keepdims)


@general(_std_mean_vjp, outputs=2)
def _std_mean(
    xp: Any, input: Array, *, axis: Axes, correction: float, keepdims: bool
) -> tuple[Array, Array]:
    """Return the standard deviation and the mean."""
    deviation = _std.op.forward(xp, input, axis=axis, correction=correction, keepdims=keepdims)
    return deviation, xp.mean(input, axis=axis, keepdims=keepdims)


def var_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the variance and the mean along ``dim``."""
    options = _spread_options("var_mean", input, dim, unbiased, keepdim, correction)
    return _var_mean(input, **options)


def std_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the standard deviation and the mean along ``dim``."""
    options = _spread_options("std_mean", input, dim, unbiased, keepdim, correction)
    return _std_mean(input, **options)


def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the sum of the elements that are not nan."""
    if input.is_complex():
        raise RuntimeError("nansum on CPU does not support complex inputs")
    return sum(input.masked_fill(input != input, 0), dim, keepdim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6) -> Tensor:
    """Return the ``p``-norm of ``x1 - x2 + eps`` along the last dim."""
    return vector_norm(sub(x1, x2) + eps, p, -1)
