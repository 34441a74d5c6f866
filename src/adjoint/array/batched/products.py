"""The contract over batched arrays: products of matrices, convolutions, padding that adds up.

In: arrays that may be batched.  Out: one product for all samples.

Note [Samples in a convolution]
    Samples of the images stand beside the images (axis 0). Samples of the filters make further
    groups of output channels; where both are batched, the samples are groups of their own, so that
    each meets its own filters.
"""

from __future__ import annotations

from typing import Any

from adjoint.array import numpy_
from adjoint.array.batched.elementwise import below
from adjoint.array.batched.levels import BatchedArray, spread, top

__all__ = [
    "conv",
    "conv_add",
    "conv_input",
    "conv_input_add",
    "conv_weight",
    "fold",
    "matmul",
    "matmul_add",
    "unfold",
]

Array = Any
Shape = tuple[int, ...]


def _value(a: Array, level: Any) -> tuple[Array, bool]:
    own = type(a) is BatchedArray and a.level is level
    return (a.value if own else a), own


# ---- matrices ------------------------------------------------------------------------------------


def matmul(a: Array, b: Array) -> Array:
    """The matrix product of each sample; vectors count as PyTorch's do."""
    level = top((a, b))
    if level is None:
        return numpy_.matmul(a, b)
    (x, mine), (y, yours) = _value(a, level), _value(b, level)
    xp = below((x, y))
    m, n = a.ndim, b.ndim
    if mine and not yours and n <= 2 and m <= 2:
        if m == 2:  # the rows of all samples in one matrix
            rows = x.reshape((x.shape[0] * x.shape[1], x.shape[2]))
            made = xp.matmul(rows, y)
            return BatchedArray(made.reshape((*x.shape[:2], *y.shape[1:])), level)
        return BatchedArray(xp.matmul(x, y), level)  # vectors are the rows of a matrix
    if yours and not mine and n == 1 and m <= 2:
        return BatchedArray(xp.matmul(y, xp.matrix_t(x) if m == 2 else x), level)
    if mine and m == 1:
        x = x.reshape((x.shape[0], 1, x.shape[1]))
    elif m == 1:
        x = x.reshape((1, *x.shape))
    if (yours and n == 1) or n == 1:
        y = y.reshape((*y.shape, 1))
    lead = max(m, n, 2)
    if mine:
        x = x.reshape((x.shape[0], *(1,) * (lead - max(m, 2)), *x.shape[1:]))
    if yours:
        y = y.reshape((y.shape[0], *(1,) * (lead - max(n, 2)), *y.shape[1:]))
    made = xp.matmul(x, y)  # columns times rows, a gradient of each sample: kernels/products.py
    if n == 1:
        made = made.reshape(made.shape[:-1])
    if m == 1:
        made = made.reshape((*made.shape[:-2], made.shape[-1]) if n > 1 else made.shape[:-1])
    return BatchedArray(made, level)


def matmul_add(a: Array, b: Array, c: Array) -> Array:
    """``a @ b + c`` of each sample."""
    if top((a, b, c)) is None:
        return numpy_.matmul_add(a, b, c)
    return matmul(a, b) + c


# ---- convolutions --------------------------------------------------------------------------------


def _merge(value: Array) -> Array:
    """(samples, images, ...) -> (samples * images, ...)."""
    return value.reshape((value.shape[0] * value.shape[1], *value.shape[2:]))


def _into_channels(value: Array) -> Array:
    """(samples, images, channels, ...) -> (images, samples * channels, ...)."""
    n, images, channels, *rest = value.shape
    return value.swapaxes(0, 1).reshape((images, n * channels, *rest))


def _from_channels(made: Array, n: int) -> Array:
    """(images, samples * channels, ...) -> (samples, images, channels, ...)."""
    images, channels, *rest = made.shape
    return made.reshape((images, n, channels // n, *rest)).swapaxes(0, 1)


def conv(x: Array, w: Array, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Array:
    """The convolution of each sample."""
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    level = top((x, w))
    if level is None:
        return numpy_.conv(x, w, groups=groups, **settings)
    (v, mine), (u, yours) = _value(x, level), _value(w, level)
    n, xp = level.size, below((v, u))
    if mine and not yours:
        made = xp.conv(_merge(v), u, groups=groups, **settings)
        return BatchedArray(made.reshape((n, v.shape[1], *made.shape[1:])), level)
    if groups == 1 and not mine:
        made = xp.conv(v, _merge(u), groups=1, **settings)
        return BatchedArray(_from_channels(made, n), level)
    if not mine:
        v = spread(x, level).value
    made = xp.conv(_into_channels(v), _merge(u), groups=groups * n, **settings)
    return BatchedArray(_from_channels(made, n), level)


def _plus_bias(made: Array, bias: Array) -> Array:
    if bias is None:
        return made
    space = made.ndim - 2
    return made + bias.reshape((*bias.shape, *(1,) * space))


def conv_add(
    x: Array, w: Array, bias: Array, *, stride: Any, padding: Any, dilation: Any, groups: int
) -> Array:
    """`conv` plus a number per filter."""
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if top((x, w, bias)) is None:
        return numpy_.conv_add(x, w, bias, **settings)
    return _plus_bias(conv(x, w, **settings), bias)


def conv_input(
    g: Array,
    w: Array,
    x_shape: Shape,
    *,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Array:
    """The cotangent of the input of a convolution, of each sample."""
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    level = top((g, w))
    if level is None:
        return numpy_.conv_input(g, w, x_shape, groups=groups, **settings)
    (v, mine), (u, yours) = _value(g, level), _value(w, level)
    n, xp = level.size, below((v, u))
    images, channels, *space = x_shape
    if mine and not yours:
        made = xp.conv_input(
            _merge(v), u, (n * images, channels, *space), groups=groups, **settings
        )
        return BatchedArray(made.reshape((n, *x_shape)), level)
    if not mine:
        v = spread(g, level).value
    made = xp.conv_input(
        _into_channels(v),
        _merge(u),
        (images, n * channels, *space),
        groups=groups * n,
        **settings,
    )
    return BatchedArray(_from_channels(made, n), level)


def conv_input_add(
    g: Array,
    w: Array,
    bias: Array,
    x_shape: Shape,
    *,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Array:
    """`conv_input` plus a number per channel."""
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if top((g, w, bias)) is None:
        return numpy_.conv_input_add(g, w, bias, x_shape, **settings)
    return _plus_bias(conv_input(g, w, x_shape, **settings), bias)


def conv_weight(
    g: Array,
    x: Array,
    w_shape: Shape,
    *,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Array:
    """The cotangent of the weight of a convolution, of each sample."""
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    level = top((g, x))
    if level is None:
        return numpy_.conv_weight(g, x, w_shape, groups=groups, **settings)
    (v, mine), (u, yours) = _value(g, level), _value(x, level)
    n, xp = level.size, below((v, u))
    filters, *rest = w_shape
    if groups == 1 and not yours:
        made = xp.conv_weight(_into_channels(v), u, (n * filters, *rest), groups=1, **settings)
        return BatchedArray(made.reshape((n, *w_shape)), level)
    if not mine:
        v = spread(g, level).value
    if not yours:
        u = spread(x, level).value
    made = xp.conv_weight(
        _into_channels(v), _into_channels(u), (n * filters, *rest), groups=groups * n, **settings
    )
    return BatchedArray(made.reshape((n, *w_shape)), level)


def unfold(x: Array, windows: Any) -> Array:
    """Every window as a column."""
    if type(x) is not BatchedArray:
        return numpy_.unfold(x, windows)
    made = below((x.value,)).unfold(_merge(x.value), windows)
    return BatchedArray(made.reshape((*x.value.shape[:2], *made.shape[1:])), x.level)


def fold(columns: Array, windows: Any) -> Array:
    """Columns added up into images."""
    if type(columns) is not BatchedArray:
        return numpy_.fold(columns, windows)
    value = columns.value
    made = below((value,)).fold(_merge(value), windows)
    return BatchedArray(made.reshape((*value.shape[:2], *made.shape[1:])), columns.level)
