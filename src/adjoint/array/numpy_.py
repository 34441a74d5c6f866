"""The array contract over NumPy: aliases, and our own functions where NumPy has none or a slow one.

In and out: `numpy.ndarray`s and NumPy scalars.  `array/namespace.py` states the contract; rules
call these functions as ``xp.name``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint._later import names
from adjoint.array import kernels, special
from adjoint.array.kernels import accumulate, products, steps, strides, ufuncs
from adjoint.array.kernels.ufuncs import quick

Array = Any
Shape = tuple[int, ...]

# ---- elementwise ---------------------------------------------------------------------------------

absolute = quick(np.absolute)
arccos = quick(np.arccos)
arccosh = quick(np.arccosh)
arcsin = quick(np.arcsin)
arcsinh = quick(np.arcsinh)
arctan = quick(np.arctan)
arctan2 = quick(np.arctan2)
arctanh = quick(np.arctanh)
bitwise_and = np.bitwise_and
bitwise_not = np.bitwise_not
bitwise_or = np.bitwise_or
bitwise_xor = np.bitwise_xor
ceil = quick(np.ceil)
conj = np.conjugate
cos = quick(np.cos)
cosh = quick(np.cosh)
exp = quick(np.exp)
exp2 = quick(np.exp2)
expm1 = quick(np.expm1)
floor = quick(np.floor)
floor_divide = np.floor_divide
fmod = quick(np.fmod)
greater = quick(np.greater)
greater_equal = quick(np.greater_equal)
hypot = quick(np.hypot)
imag = np.imag
isfinite = quick(np.isfinite)
isinf = quick(np.isinf)
isnan = quick(np.isnan)
left_shift = np.left_shift
less = quick(np.less)
less_equal = quick(np.less_equal)
log = quick(np.log)
log10 = quick(np.log10)
log1p = quick(np.log1p)
log2 = quick(np.log2)
logaddexp = quick(np.logaddexp)
logical_and = quick(np.logical_and)
logical_not = quick(np.logical_not)
logical_or = quick(np.logical_or)
logical_xor = quick(np.logical_xor)
maximum = quick(np.maximum)
minimum = quick(np.minimum)
real = np.real
right_shift = np.right_shift
rint = quick(np.rint)
sin = quick(np.sin)
sinh = quick(np.sinh)
sqrt = quick(np.sqrt)
tan = quick(np.tan)
tanh = quick(np.tanh)
trunc = quick(np.trunc)
where = np.where


sign = steps.sign
remainder = steps.remainder
trunc_divide = steps.trunc_divide
power = steps.power
threshold_backward = ufuncs.threshold_backward


def exponential(base: float, x: Array) -> Array:
    """``base ** x`` in the dtype of ``x``."""
    return np.power(x.dtype.type(base), x)


def abs2(x: Array) -> Array:
    """The squared absolute value, real also of complex numbers."""
    return x.real * x.real + x.imag * x.imag if x.dtype.kind == "c" else x * x


def clip(x: Array, low: Array, high: Array) -> Array:
    """``x`` limited to [low, high]; either bound may be None."""
    if low is not None:
        x = np.maximum(low, x)  # of equals the second: -0 limited to 0 is -0
    return x if high is None else np.minimum(high, x)


def tanh_backward(g: Array, out: Array) -> Array:
    """The cotangent of the argument of ``out = tanh(x)``."""
    return g * (1 - out * out)


def sigmoid_backward(g: Array, out: Array) -> Array:
    """The cotangent of the argument of ``out = sigmoid(x)``."""
    return g * ((1 - out) * out)


def sigmoid(x: Array) -> Array:
    """The logistic function ``1 / (1 + e ** -x)``; overflow of the exponential gives the right
    limit.
    """
    return 1 / (1 + np.exp(-x))


erf = special.erf
erfc = special.erfc
erfinv = special.erfinv
lgamma = special.lgamma
polygamma = special.polygamma


# ---- reductions ----------------------------------------------------------------------------------

_add_reduce: Any = ufuncs.add_reduce
_max_reduce: Any = ufuncs.max_reduce
_min_reduce: Any = ufuncs.min_reduce
_mul_reduce: Any = np.multiply.reduce
_or_reduce: Any = np.logical_or.reduce
_and_reduce: Any = np.logical_and.reduce


def sum(x: Array, axis: Shape | None = None, keepdims: bool = False) -> Array:
    """The sum over the axes (None: all), in the dtype of ``x``."""
    return _add_reduce(x, axis, x.dtype, None, keepdims)


def mean(x: Array, axis: Shape | None = None, keepdims: bool = False) -> Array:
    """The mean over the axes (None: all), in the dtype of ``x``."""
    if axis is None:
        return _add_reduce(x, None) / x.size if x.size else x.dtype.type(math.nan)
    total = _add_reduce(x, axis, x.dtype, None, keepdims)
    return total / x.dtype.type(math.prod(x.shape[a] for a in axis))


def prod(x: Array, axis: Shape | None = None, keepdims: bool = False) -> Array:
    """The product over the axes (None: all), in the dtype of ``x``."""
    return _mul_reduce(x, axis, x.dtype, None, keepdims)


def max(x: Array, axis: Shape | None = None, keepdims: bool = False) -> Array:
    """The largest element along the axes; nan if there is one."""
    return _max_reduce(x, axis, None, None, keepdims)


def min(x: Array, axis: Shape | None = None, keepdims: bool = False) -> Array:
    """The smallest element along the axes; nan if there is one."""
    return _min_reduce(x, axis, None, None, keepdims)


def any(x: Array, axis: Shape | None = None, keepdims: bool = False) -> Array:
    """Whether any element along the axes is true."""
    return _or_reduce(x, axis, None, None, keepdims)


def all(x: Array, axis: Shape | None = None, keepdims: bool = False) -> Array:
    """Whether all elements along the axes are true."""
    return _and_reduce(x, axis, None, None, keepdims)


argmax = np.argmax
argmin = np.argmin
cumprod = np.cumprod
cumsum = np.cumsum
logcumsumexp = accumulate.logcumsumexp
running_extreme = accumulate.running_extreme


# ---- shape ---------------------------------------------------------------------------------------


def reshape(x: Array, shape: Shape) -> Array:
    """``x`` in another shape, a view of the same memory where its strides allow."""
    return x.reshape(shape)


def broadcast_to(x: Array, shape: Shape) -> Array:
    """``x`` repeated without copying; a scalar is written out, which costs less than a view of
    it.
    """
    if not x.ndim:
        filled = np.empty(shape, x.dtype)
        filled.fill(x)
        return filled
    if x.shape == shape:
        return x
    return np.broadcast_to(x, shape)


def broadcast_view(x: Array, shape: Shape) -> Array:
    """``x`` repeated as a view of the same memory, written through where NumPy allows."""
    view = np.broadcast_to(x, shape)
    view.flags.writeable = x.flags.writeable
    return view


def expand_dims(x: Array, axis: Shape) -> Array:
    """``x`` with axes of size 1 inserted where the result is to have them (sorted,
    non-negative).
    """
    shape = x.shape
    for a in axis:
        shape = (*shape[:a], 1, *shape[a:])
    return x.reshape(shape)


def squeeze(x: Array, axis: Shape) -> Array:
    """``x`` without the axes of size 1 that are named."""
    return x.squeeze(axis)


def swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    """``x`` with two axes exchanged."""
    return x.swapaxes(axis1, axis2)


def matrix_t(x: Array) -> Array:
    """The transpose of a matrix."""
    return x.T


def permute_dims(x: Array, axes: Shape) -> Array:
    """``x`` with its axes in another order."""
    return x.transpose(axes)


def flip(x: Array, axis: Shape) -> Array:
    """``x`` reversed along the axes, as a view."""
    return x[tuple(np.s_[::-1] if a in axis else np.s_[:] for a in range(x.ndim))]


nan_to_num = np.nan_to_num
roll = np.roll
tile = np.tile


def rot90(x: Array, k: int, axes: Shape) -> Array:
    """A copy of ``x`` turned by ``k`` right angles in the plane of two axes."""
    return np.ascontiguousarray(np.rot90(x, k, (axes[0], axes[1])))


tril = np.tril
triu = np.triu


def diagonal(x: Array, offset: int, axis1: int, axis2: int) -> Array:
    """A diagonal of the planes of two axes, as the last axis: a view that can be written to."""
    view = np.diagonal(x, offset, axis1, axis2)
    view.flags.writeable = x.flags.writeable
    return view


def diagonal_embed(g: Array, shape: Shape, offset: int, axis1: int, axis2: int) -> Array:
    """Zeros of ``shape`` with ``g`` on the given diagonal: the transpose of `diagonal`."""
    made = np.zeros(shape, g.dtype)
    diagonal(made, offset, axis1, axis2)[...] = g
    return made


as_strided = strides.as_strided
sliding = strides.sliding
sliding_add = strides.sliding_add


def slice(x: Array, index: Any) -> Array:
    """``x[index]`` for a basic index (integers, slices, None): always a view, also of one
    element.
    """
    return x[index if index is ... else (*index, ...)]


def slice_into(g: Array, shape: Shape, index: Any) -> Array:
    """Zeros of ``shape`` with ``g`` at the basic ``index``: the transpose of `slice`."""
    made = np.zeros(shape, g.dtype)
    made[index] = g
    return made


def take(x: Array, index: Any) -> Array:
    """``x[index]`` for an index that contains arrays: always a copy, in C order."""
    made = x[index]
    return made if made.flags.c_contiguous else np.ascontiguousarray(made)


index_add = accumulate.index_add


def put(x: Array, index: Any, value: Any) -> Array:
    """A copy of ``x`` with ``value`` at ``index``."""
    made = copy(x)
    made[index] = value
    return made


def take_along_axis(x: Array, index: Array, axis: int) -> Array:
    """Elements of ``x`` picked along one axis; ``index`` may be shorter than ``x`` on the
    others.
    """
    if index.ndim == 2 and axis == 1 and index.shape[1] == 1:  # one of each row: a loss
        return x[accumulate.counting(len(index)), index[:, 0]][:, np.newaxis]
    return x[along_axis(index, axis)]


scatter_add = accumulate.scatter_add


def along_axis(index: Array, axis: int) -> tuple[Array, ...]:
    """The full index that picks ``index`` along ``axis`` and the same place on all other axes."""
    ndim = index.ndim
    grid = []
    for k, n in enumerate(index.shape):
        shape = [1] * ndim
        shape[k] = n
        grid.append(index if k == axis else np.arange(n).reshape(shape))  # np.ogrid takes 7 us
    return tuple(grid)


def concatenate(arrays: Any, axis: int) -> Array:
    """The arrays one after the other along an axis."""
    return np.concatenate(arrays, axis)


def stack(arrays: Any, axis: int) -> Array:
    """The arrays side by side along a new axis."""
    return np.stack(arrays, axis)


def sort(x: Array, axis: int, descending: bool, stable: bool) -> tuple[Array, Array]:
    """Sorted values and where they stood; nan counts as the largest, ties keep their order."""
    if descending:
        flipped = np.flip(x, axis)
        order = x.shape[axis] - 1 - np.flip(np.argsort(flipped, axis, kind="stable"), axis)
    else:
        order = np.argsort(x, axis, kind="stable")
    return np.take_along_axis(x, order, axis), order


# ---- complex numbers -----------------------------------------------------------------------------

angle = np.angle


def make_complex(re: Array, im: Array) -> Array:
    """``re + i im`` in the complex dtype of the parts."""
    made = np.empty(np.broadcast(re, im).shape, np.result_type(re.dtype, np.complex64))
    made.real = re
    made.imag = im
    return made if made.ndim else made[()]


def view_as_real(x: Array) -> Array:
    """The real and imaginary parts along a new last axis: a view."""
    x = np.asarray(x)
    part = x.real.dtype
    return x[..., np.newaxis].view(part)


def view_as_complex(x: Array) -> Array:
    """Complex numbers from their parts along the last axis: a view where the parts lie together."""
    if x.strides[-1] != x.itemsize:
        x = x.copy()
    return x.view(np.result_type(x.dtype, np.complex64))[..., 0]


# ---- linear algebra ------------------------------------------------------------------------------

matmul = products.matmul
matmul_add = products.matmul_add


# ---- sliding windows -----------------------------------------------------------------------------

if TYPE_CHECKING:
    conv = kernels.conv
    conv_add = kernels.conv_add
    conv_input = kernels.conv_input
    conv_input_add = kernels.conv_input_add
    conv_weight = kernels.conv_weight
    unfold = kernels.unfold
    fold = kernels.fold
    max_pool = kernels.max_pool
    max_pool_values = kernels.max_pool_values
    max_pool_take = kernels.max_pool_take
    max_pool_put = kernels.max_pool_put
    max_pool_index = kernels.max_pool_index
    avg_pool = kernels.avg_pool
    avg_pool_input = kernels.avg_pool_input
    pad = kernels.pad
    pad_mirrored = kernels.pad_mirrored
    pad_mirrored_sum = kernels.pad_mirrored_sum
__getattr__ = names(__name__, dict.fromkeys(kernels.__all__, kernels.__name__))  # all these

# ---- creation and casting ------------------------------------------------------------------------


def zeros(shape: Shape, dtype: Any) -> Array:
    """Zeros."""
    return np.zeros(shape, dtype)


def full(shape: Shape, value: Any, dtype: Any) -> Array:
    """An array filled with one value; of a 0-d shape, a scalar."""
    if not shape:
        return np.dtype(dtype).type(value)
    made = np.empty(shape, dtype)
    made.fill(value)
    return made


def zeros_like(x: Array) -> Array:
    """Zeros of the shape and dtype of ``x``."""
    return np.zeros(x.shape, x.dtype) if x.ndim else x.dtype.type(0)


def ones_like(x: Array) -> Array:
    """Ones of the shape and dtype of ``x``."""
    return full(x.shape, 1, x.dtype)


def scalar_like(number: Any, x: Array) -> Any:
    """A number in the dtype of ``x``."""
    return x.dtype.type(number)


def constant_eye(n: int) -> Array:
    """The identity matrix as bools, for masks."""
    return np.eye(n, dtype=bool)


def astype(x: Array, dtype: Any) -> Array:
    """``x`` in another dtype; the imaginary part is dropped silently, as PyTorch's gradients do."""
    if x.dtype == dtype:
        return x
    if x.dtype.kind == "c" and np.dtype(dtype).kind not in "cb":
        x = x.real
    return x.astype(dtype)


def copy(x: Array) -> Array:
    """A copy in C order; a scalar is its own copy."""
    return x.copy() if isinstance(x, np.ndarray) else x


def copy_layout(x: Array) -> Array:
    """A copy whose axes lie in memory as those of ``x``; a scalar is its own copy."""
    return x.copy("K") if isinstance(x, np.ndarray) else x


def size(shape: Shape) -> int:
    """The number of elements of a shape."""
    return math.prod(shape)
