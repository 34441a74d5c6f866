"""Quantiles: elements at a share of the way from the smallest to the largest, or between two.

In: Tensors of float32 or float64, and shares between 0 and 1 (a number or a vector).  Out: Tensors.
All is composed of sorting, picking and interpolation, and so are the derivatives.
"""

from __future__ import annotations

from typing import Any

from adjoint.array import dtypes
from adjoint.array.batched.levels import all_samples
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.arguments import canonical_dim
from adjoint.ops.compare import isnan, logical_not
from adjoint.ops.gather import gather
from adjoint.ops.masked import masked_fill
from adjoint.ops.out import with_out
from adjoint.ops.piecewise import ceil, clamp_min, floor
from adjoint.ops.pointwise import mul, sub
from adjoint.ops.reduce import any as any_
from adjoint.ops.reduce import sum
from adjoint.ops.sort import sort
from adjoint.ops.special import lerp, round
from adjoint.ops.view import expand, movedim, reshape, squeeze

Tensor = Any

_WAYS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Any = None,
) -> Tensor:
    """Return the elements at the shares ``q`` of the order along ``dim`` (None: of all); nan where
    there is one.

    Shape: that of ``input`` without ``dim``; where ``q`` is a vector its size comes first.
    Raises: RuntimeError for shares outside of [0, 1], and for what has no elements.

    Example:
        >>> import adjoint as torch
        >>> quantile(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.5, 0.75]))
        tensor([2., 3.])
    """
    if out is not None:
        call = with_out(quantile, "same")
        return call(input, q, dim, keepdim, interpolation=interpolation, out=out)
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Any = None,
) -> Tensor:
    """Return the same as `quantile`, of the elements that are not nan."""
    if out is not None:
        call = with_out(nanquantile, "same")
        return call(input, q, dim, keepdim, interpolation=interpolation, out=out)
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)


def _quantile(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str
) -> Tensor:
    q = _checked(name, input, q, interpolation)
    axis = None if dim is None else canonical_dim(dim, input.ndim)
    shape = list(input._desc.shape)
    if axis is None or not shape:
        rows, kept = reshape(input, (-1,)), [1] * len(shape)
    else:
        rows = movedim(input, axis, -1)
        kept = [1 if k == axis else n for k, n in enumerate(shape)]
    if not rows._desc.shape[-1]:
        raise RuntimeError("quantile() input tensor must be non-empty")
    shares = q if q.ndim else reshape(q, (1,))
    found = _of_rows(rows, shares, name == "nanquantile", interpolation)
    found = movedim(found, -1, 0)
    if keepdim:
        found = reshape(found, (shares._desc.shape[0], *kept))
    return found if q.ndim else squeeze(found, 0)


def _of_rows(rows: Tensor, shares: Tensor, ignore_nan: bool, way: str) -> Tensor:
    """The elements of the last dim at the shares, in a new last dim."""
    missing = isnan(rows)
    last = rows._desc.shape[-1] - 1
    if ignore_nan:
        count = sum(logical_not(missing), -1, True)
        ranks = clamp_min(mul(shares, sub(count, 1)), 0)
    else:  # nan comes last
        ranks = mul(shares, last)
        shape = (*rows._desc.shape[:-1], shares._desc.shape[0])
        ranks = masked_fill(expand(ranks, shape), any_(missing, -1, True), last)
    ordered = sort(rows, -1).values
    if way in ("lower", "higher", "nearest"):
        step: Any = {"lower": floor, "higher": ceil, "nearest": round}[way]
        return gather(ordered, -1, step(ranks).to(dtypes.int64))
    low = floor(ranks.detach())
    weight: Any = 0.5 if way == "midpoint" else sub(ranks, low)
    above = gather(ordered, -1, ceil(ranks).to(dtypes.int64))
    return lerp(gather(ordered, -1, low.to(dtypes.int64)), above, weight)


def _checked(name: str, input: Tensor, q: Any, interpolation: str) -> Tensor:
    """The shares as a tensor; RuntimeError in PyTorch's words where arguments do not fit."""
    dtype = input._desc.dtype
    if not isinstance(q, TensorBase):
        if not isinstance(q, int | float):
            raise TypeError(
                f"{name}() received an invalid combination of arguments - got (Tensor, "
                f"{type(q).__name__}): q is a number or a Tensor"
            )
        if not 0 <= q <= 1:
            raise RuntimeError(f"quantile() q must be in the range [0, 1] but got {q:g}")
        if dtype in (dtypes.float32, dtypes.float64):
            q = make_tensor(dtype.numpy.type(q))
    if not input.numel():
        raise RuntimeError("quantile() input tensor must be non-empty")
    if dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if q.ndim > 1:
        raise RuntimeError("quantile() q must be a scalar or 1D tensor")
    if q._desc.dtype is not dtype:
        raise RuntimeError("quantile() q tensor must be same dtype as the input tensor")
    raw = all_samples(q._array)
    if not bool(((raw >= 0) & (raw <= 1)).all()):
        raise RuntimeError("quantile() q values must be in the range [0, 1]")
    if interpolation not in _WAYS:
        raise RuntimeError(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    return q
