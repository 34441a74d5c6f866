"""The array contract over Tensors: what ``xp`` is in a rule whose result must itself be
differentiable.

In and out: Tensors.  Every name is the operator of the same meaning; arguments are NumPy's.
Registered with the tape as the Tensor world of the backward walk.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from adjoint._later import Later
from adjoint.array import descriptor, dtypes
from adjoint.array import numpy_ as raw
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops import (
    arithmetic,
    arrange,
    batching,
    compare,
    complex,
    inplace,
    join,
    norms,
    piecewise,
    pointwise,
    reduce,
    special,
    strided,
    view,
)
from adjoint.ops import (
    index as indexing,
)
from adjoint.ops import matmul as products
from adjoint.ops.cast import to_dtype

if TYPE_CHECKING:
    from adjoint.ops import conv as convolution
    from adjoint.ops import pad as padding
    from adjoint.ops import pool
    from adjoint.ops import unfold as unfolding
else:
    convolution = Later("adjoint.ops.conv")
    padding = Later("adjoint.ops.pad")
    pool = Later("adjoint.ops.pool")
    unfolding = Later("adjoint.ops.unfold")

Array = Any
Shape = tuple[int, ...]

absolute = piecewise.abs
ceil = piecewise.ceil
copy = view.clone
cos = pointwise.cos
cosh = pointwise.cosh
erf = pointwise.erf
exp = pointwise.exp
exp2 = pointwise.exp2
arctan2 = pointwise.atan2
tan = pointwise.tan
trunc = piecewise.trunc
log2 = pointwise.log2
erfc = special.erfc
hypot = special.hypot
lgamma = special.lgamma
floor = piecewise.floor
floor_divide = special.floor_divide
isfinite = compare.isfinite
isnan = compare.isnan
log = pointwise.log
log1p = pointwise.log1p
logical_not = compare.logical_not
sigmoid = pointwise.sigmoid
sign = complex.sgn
sin = pointwise.sin
sinh = pointwise.sinh
sqrt = pointwise.sqrt
tanh = pointwise.tanh
tanh_backward = pointwise._tanh_backward
threshold_backward = pointwise._threshold_backward
sigmoid_backward = pointwise._sigmoid_backward
matrix_t = view.t
where = piecewise.where


def trunc_divide(x: Array, y: Any) -> Array:
    """The quotient without its fractional part."""
    return arithmetic._div_rounded(x, y, rounding="trunc")


def maximum(x: Array, y: Any) -> Array:
    """The larger of each pair."""
    return piecewise.clamp(x, min=y) if not isinstance(y, TensorBase) else piecewise.maximum(x, y)


def minimum(x: Array, y: Any) -> Array:
    """The smaller of each pair."""
    return piecewise.clamp(x, max=y) if not isinstance(y, TensorBase) else piecewise.minimum(x, y)


def accumulated(g: Array) -> Array:
    """A first gradient under create_graph: a recorded copy, so that ``.grad`` is nobody else's
    tensor.
    """
    return inplace._copy(zeros_like(g), g)


def power(x: Array, y: Any) -> Array:
    """``x ** y``."""
    return pointwise.pow(x, y)


def exponential(base: float, x: Array) -> Array:
    """``base ** x``."""
    return pointwise._pow_base(x, base=base)


def clip(x: Array, low: Any, high: Any) -> Array:
    """``x`` limited to [low, high]."""
    return piecewise.clamp(x, low, high)


conj = complex.conj
real = complex.real
imag = complex.imag
view_as_real = complex.view_as_real
view_as_complex = complex.view_as_complex


# ---- reductions ----------------------------------------------------------------------------------


def sum(x: Array, axis: Shape | None = None, keepdims: bool = False) -> Array:
    """The sum over the axes."""
    if axis is None:
        return reduce._sum_all(x)
    return reduce._sum(x, axis=axis, keepdims=keepdims) if axis else x


def mean(x: Array, axis: Shape | None = None, keepdims: bool = False) -> Array:
    """The mean over the axes."""
    return reduce._mean_all(x) if axis is None else reduce._mean(x, axis=axis, keepdims=keepdims)


def any(x: Array, axis: Shape, keepdims: bool = False) -> Array:
    """Whether any element along the axes is true."""
    return reduce._any(x, axis=axis, keepdims=keepdims)


def max(x: Array, axis: Shape, keepdims: bool = False) -> Array:
    """The largest element along the axes."""
    return reduce._amax(x, axis=axis, keepdims=keepdims)


def cumsum(x: Array, axis: int) -> Array:
    """The running sum."""
    return reduce._cumsum(x, axis=axis % x.ndim)


def cumprod(x: Array, axis: int) -> Array:
    """The running product."""
    return norms._cumprod(x, axis=axis % x.ndim)


# ---- shape ---------------------------------------------------------------------------------------


def reshape(x: Array, shape: Shape) -> Array:
    """``x`` in another shape."""
    return view.reshape(x, shape)


def broadcast_to(x: Array, shape: Shape) -> Array:
    """``x`` repeated along axes of size 1."""
    return x if x._desc.shape == shape else view.expand(x, shape)


broadcast_view = broadcast_to


def expand_dims(x: Array, axis: Shape) -> Array:
    """``x`` with axes of size 1 inserted where the result is to have them."""
    for a in axis:
        x = view._unsqueeze(x, axis=a)
    return x


def squeeze(x: Array, axis: Shape) -> Array:
    """``x`` without the named axes of size 1."""
    return view._squeeze_several(x, axis=axis)


def swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    """``x`` with two axes exchanged."""
    return view.transpose(x, axis1, axis2)


def permute_dims(x: Array, axes: Shape) -> Array:
    """``x`` with its axes in another order."""
    return view._permute(x, axes=axes)


def flip(x: Array, axis: Shape) -> Array:
    """``x`` reversed along the axes."""
    return arrange._flip(x, axis=axis)


def slice(x: Array, index: Any) -> Array:
    """``x[index]`` for a basic index."""
    return indexing.getitem(x, index)


def slice_into(g: Array, shape: Shape, index: Any) -> Array:
    """Zeros of ``shape`` with ``g`` at a basic index."""
    return indexing._slice_into(g, shape=shape, index=index)


def tril(x: Array, k: int) -> Array:
    """The lower triangle."""
    return arrange._tril(x, diagonal=k)


def triu(x: Array, k: int) -> Array:
    """The upper triangle."""
    return arrange._triu(x, diagonal=k)


def roll(x: Array, shift: Shape, axis: Shape) -> Array:
    """``x`` shifted along the axes."""
    return arrange._roll(x, shifts=shift, axis=axis)


def rot90(x: Array, k: int, axes: Shape) -> Array:
    """``x`` turned by ``k`` right angles in the plane of two axes."""
    return arrange._rot90(x, k=k, axes=axes)


def polygamma(n: int, x: Array) -> Array:
    """The n-th derivative of the digamma function."""
    return special.digamma(x) if n == 0 else special._polygamma(x, n=n)


def constant_eye(n: int) -> Array:
    """The identity matrix as bools, for masks."""
    return make_tensor(raw.constant_eye(n))


def diagonal(x: Array, offset: int, axis1: int, axis2: int) -> Array:
    """A diagonal of the planes of two axes, as the last axis."""
    return view._diagonal(x, offset=offset, axis1=axis1, axis2=axis2)


def diagonal_embed(g: Array, shape: Shape, offset: int, axis1: int, axis2: int) -> Array:
    """Zeros of ``shape`` with ``g`` on a diagonal."""
    return arrange._diag_embed(g, shape=shape, offset=offset, axis1=axis1, axis2=axis2)


def sliding(x: Array, axis: int, size: int, step: int) -> Array:
    """Windows along an axis as a new last axis."""
    return strided._windows(x, axis=axis, size=size, step=step)


def sliding_add(g: Array, shape: Shape, axis: int, size: int, step: int) -> Array:
    """Zeros of ``shape`` to which windows are added."""
    return strided._add_windows(g, shape=shape, axis=axis, size=size, step=step)


def take(x: Array, index: Any) -> Array:
    """``x[index]`` for an index of arrays."""
    return indexing._take(x, index=index)


def index_add(g: Array, shape: Shape, index: Any) -> Array:
    """Zeros of ``shape`` to which ``g`` is added at ``index``."""
    return indexing._index_add(g, shape=shape, index=index)


def put(x: Array, index: Any, value: Any) -> Array:
    """``x`` with ``value`` at ``index``."""
    return indexing._put(x, index=index, value=value)


def take_along_axis(x: Array, index: Any, axis: int) -> Array:
    """Elements of ``x`` picked along one axis."""
    return indexing._gather(x, index=_unwrap(index), axis=axis)


def scatter_add(g: Array, shape: Shape, index: Any, axis: int) -> Array:
    """``g`` added into zeros of ``shape`` along one axis."""
    return indexing._scatter_add(g, shape=shape, index=_unwrap(index), axis=axis)


def _unwrap(index: Any) -> Any:
    return index._array if isinstance(index, TensorBase) else index


def concatenate(arrays: Any, axis: int) -> Array:
    """The tensors one after the other."""
    items = tuple(arrays)
    return join._cat(*items, axis=axis % items[0].ndim)


def stack(arrays: Any, axis: int) -> Array:
    """The tensors side by side along a new axis."""
    return join._stack(*arrays, axis=axis)


def matmul(a: Array, b: Array) -> Array:
    """The matrix product."""
    return products.matmul(a, b)


# ---- sliding windows -----------------------------------------------------------------------------


def conv(x: Array, w: Array, **settings: Any) -> Array:
    """The convolution."""
    return convolution._conv(x, w, **settings)


def conv_input(g: Array, w: Array, x_shape: Shape, **settings: Any) -> Array:
    """The cotangent of the input of a convolution."""
    return convolution._conv_input(g, w, shape=x_shape, **settings)


def conv_weight(g: Array, x: Array, w_shape: Shape, **settings: Any) -> Array:
    """The cotangent of the weight of a convolution."""
    return convolution._conv_weight(g, x, shape=w_shape, **settings)


def unfold(x: Array, windows: Any) -> Array:
    """Every window as a column."""
    return unfolding._im2col(x, windows=windows)


def fold(columns: Array, windows: Any) -> Array:
    """Columns added up into images."""
    return unfolding._col2im(columns, windows=windows)


def max_pool(x: Array, windows: Any) -> Array:
    """The largest element of each window and its tap."""
    return pool._max_pool2d(x, windows=windows)


def max_pool_take(x: Array, places: Any, windows: Any) -> Array:
    """The elements at the taps."""
    return pool._max_pool_take(x, places=_unwrap(places), windows=windows)


def max_pool_put(g: Array, places: Any, windows: Any) -> Array:
    """Zeros with each element added at the tap of its window."""
    return pool._max_pool_put(g, places=_unwrap(places), windows=windows)


def avg_pool(x: Array, windows: Any, count_include_pad: bool, divisor: int | None) -> Array:
    """The mean of each window."""
    settings = {"count_include_pad": count_include_pad, "divisor": divisor}
    return pool._avg_pool2d(x, windows=windows, **settings)


def avg_pool_input(g: Array, windows: Any, count_include_pad: bool, divisor: int | None) -> Array:
    """The cotangent of the input of an average."""
    settings = {"count_include_pad": count_include_pad, "divisor": divisor}
    return pool._avg_pool_input(g, windows=windows, **settings)


def pad(x: Array, widths: Any, value: float) -> Array:
    """``x`` with elements ``value`` around its last axes."""
    return padding._constant_pad(x, widths=widths, value=value)


def pad_mirrored(x: Array, widths: Any, mode: str) -> Array:
    """``x`` with its own elements around."""
    return padding._pad_mirrored(x, widths, mode)


def pad_mirrored_sum(g: Array, widths: Any, mode: str) -> Array:
    """The transpose of `pad_mirrored`."""
    return padding._pad_mirrored_sum(g, widths=widths, mode=mode)


# ---- creation and casting ------------------------------------------------------------------------


def _filled(shape: Shape, value: float, dtype: Any) -> Array:
    kind = descriptor.array_type(
        dtype if isinstance(dtype, dtypes.dtype) else dtypes.from_numpy_dtype(dtype)
    )
    return make_tensor(raw.full(shape, value, kind.numpy), None, kind.shaped(tuple(shape)))


def zeros(shape: Shape, dtype: Any) -> Array:
    """Zeros."""
    return _filled(shape, 0, dtype)


def zeros_like(x: Array) -> Array:
    """Zeros of the shape and dtype of ``x``."""
    return _filled(x._desc.shape, 0, x._desc.dtype)


def ones_like(x: Array) -> Array:
    """Ones of the shape and dtype of ``x``."""
    return _filled(x._desc.shape, 1, x._desc.dtype)


def full(shape: Shape, value: Any, dtype: Any) -> Array:
    """A tensor filled with one value."""
    return _filled(shape, value, dtype)


def astype(x: Array, dtype: Any) -> Array:
    """``x`` in another dtype."""
    return to_dtype(x, dtype)


def size(shape: Shape) -> int:
    """The number of elements of a shape."""
    return math.prod(shape)


# ---- what the tape asks beyond the contract: rows of cotangents become samples and come back -----

_enter_rows = batching.enter
_leave_rows = batching.leave
