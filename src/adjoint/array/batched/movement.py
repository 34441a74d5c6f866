"""The contract over batched arrays: reductions, and the same elements in another arrangement.

In: arrays that may be batched; axes are those of one sample.  Out: the library below on the values,
with every axis moved behind the hidden one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.batched.elementwise import below
from adjoint.array.batched.levels import BatchedArray, spread, top

__all__ = [
    "along",
    "argument",
    "as_strided",
    "axiswise",
    "broadcast_to",
    "broadcast_view",
    "expand_dims",
    "flip",
    "joined",
    "last_axes",
    "matrix_t",
    "permute_dims",
    "reduction",
    "reshape",
    "roll",
    "rot90",
    "running_extreme",
    "sort",
    "squeeze",
    "swapaxes",
    "tile",
    "together",
]

Array = Any
Shape = tuple[int, ...]


def behind(axis: int, ndim: int) -> int:
    """The place of an axis of one sample among those of ``value``."""
    return axis % ndim + 1


def together(arrays: Any) -> tuple[Any, list[Array]]:
    """The innermost level of some arrays and their values there; the others are repeated."""
    level = top(arrays)
    assert level is not None
    values = []
    for a in arrays:
        if type(a) is not BatchedArray or a.level is not level:
            a = spread(a, level)
        values.append(a.value)
    return level, values


# ---- reductions ----------------------------------------------------------------------------------


def reduction(name: str) -> Callable[..., Array]:
    """A function that combines the elements along axes (None: all)."""
    plain = getattr(numpy_, name)

    def call(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        if type(x) is not BatchedArray:
            return getattr(below((x,)), name)(x, axis, keepdims)
        value = x.value
        ndim = value.ndim - 1
        axes = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        moved = tuple([a % ndim + 1 for a in axes])
        function = plain if type(value) is np.ndarray else call
        return BatchedArray(function(value, moved, keepdims), x.level)

    call.__name__, call.__doc__ = name, plain.__doc__
    return call


def argument(name: str) -> Callable[..., Array]:
    """A function that tells where along an axis (None: of all elements) something stands."""
    plain = getattr(numpy_, name)

    def call(x: Array, /, axis: int | None = None, *, keepdims: bool = False) -> Array:
        if type(x) is not BatchedArray:
            return getattr(below((x,)), name)(x, axis, keepdims=keepdims)
        value, ndim = x.value, x.ndim
        if axis is None or not ndim:
            value = value.reshape((value.shape[0], x.size))
            made = getattr(below((value,)), name)(value, 1)
            if keepdims:
                made = made.reshape((value.shape[0], *(1,) * ndim))
        else:
            made = getattr(below((value,)), name)(value, behind(axis, ndim), keepdims=keepdims)
        return BatchedArray(made, x.level)

    call.__name__, call.__doc__ = name, plain.__doc__
    return call


def along(name: str) -> Callable[..., Array]:
    """A function that runs along one axis; a 0-d sample counts as a vector of one element."""
    plain = getattr(numpy_, name)

    def call(x: Array, /, axis: int) -> Array:
        if type(x) is not BatchedArray:
            return getattr(below((x,)), name)(x, axis)
        value = x.value if x.ndim else x.value.reshape((x.value.shape[0], 1))
        return BatchedArray(
            getattr(below((value,)), name)(value, behind(axis, max(x.ndim, 1))), x.level
        )

    call.__name__, call.__doc__ = name, plain.__doc__
    return call


def sort(x: Array, axis: int, descending: bool, stable: bool) -> tuple[Array, Array]:
    """Sorted values and where they stood."""
    return _ordered("sort", x, axis, descending, stable)


def running_extreme(x: Array, axis: int, largest: bool) -> tuple[Array, Array]:
    """The extreme of all elements up to each, and where it stands."""
    return _ordered("running_extreme", x, axis, largest)


def _ordered(name: str, x: Array, axis: int, *options: bool) -> tuple[Array, Array]:
    if type(x) is not BatchedArray:
        found: tuple[Array, Array] = getattr(below((x,)), name)(x, axis, *options)
        return found
    value = x.value if x.ndim else x.value.reshape((x.value.shape[0], 1))
    function = getattr(below((value,)), name)
    values, order = function(value, behind(axis, max(x.ndim, 1)), *options)
    return BatchedArray(values, x.level), BatchedArray(order, x.level)


# ---- arrangement ---------------------------------------------------------------------------------


def as_strided(x: Array, shape: Shape, strides: Shape, offset: int) -> Array:
    """The memory of each sample in other sizes and strides."""
    if type(x) is not BatchedArray:
        return numpy_.as_strided(x, shape, strides, offset)
    value = x.value
    step = value.strides[0] // x.itemsize
    made = below((value,)).as_strided(value, (value.shape[0], *shape), (step, *strides), offset)
    return BatchedArray(made, x.level)


def _broadcast(name: str) -> Callable[..., Array]:
    plain = getattr(numpy_, name)

    def call(x: Array, shape: Shape) -> Array:
        if type(x) is not BatchedArray:
            return getattr(below((x,)), name)(x, shape)
        value = x.value
        n = value.shape[0]
        padded = value.reshape((n, *(1,) * (len(shape) - x.ndim), *value.shape[1:]))
        return BatchedArray(getattr(below((value,)), name)(padded, (n, *shape)), x.level)

    call.__name__, call.__doc__ = name, plain.__doc__
    return call


broadcast_to = _broadcast("broadcast_to")
broadcast_view = _broadcast("broadcast_view")


def joined(name: str) -> Callable[..., Array]:
    """`concatenate` or `stack`: several arrays become one."""
    plain = getattr(numpy_, name)

    def call(arrays: Any, axis: int) -> Array:
        arrays = tuple(arrays)
        if top(arrays) is None:
            return plain(arrays, axis)
        level, values = together(arrays)
        ndim = values[0].ndim - (1 if name == "concatenate" else 0)
        return BatchedArray(getattr(below(values), name)(tuple(values), behind(axis, ndim)), level)

    call.__name__, call.__doc__ = name, plain.__doc__
    return call


def axiswise(name: str) -> Callable[..., Array]:
    """A function that knows the last axes only: it is applied to the value as it is."""
    plain = getattr(numpy_, name)

    def call(x: Array, *arguments: Any, **parameters: Any) -> Array:
        if type(x) is not BatchedArray:
            return getattr(below((x,)), name)(x, *arguments, **parameters)
        made = getattr(below((x.value,)), name)(x.value, *arguments, **parameters)
        if isinstance(made, tuple):
            return tuple(BatchedArray(m, x.level) for m in made)
        return BatchedArray(made, x.level)

    call.__name__, call.__doc__ = name, plain.__doc__
    return call


def last_axes(name: str) -> Callable[..., Array]:
    """The same for two arrays with the same leading axes; both are batched if one is."""
    plain = getattr(numpy_, name)

    def call(x: Array, y: Array, *arguments: Any, **parameters: Any) -> Array:
        if top((x, y)) is None:
            return getattr(below((x,)), name)(x, y, *arguments, **parameters)
        level, values = together((x, y))
        made = getattr(below(values), name)(*values, *arguments, **parameters)
        return BatchedArray(made, level)

    call.__name__, call.__doc__ = name, plain.__doc__
    return call


def expand_dims(x: Array, axis: Shape) -> Array:
    """Each sample with axes of size 1 inserted."""
    if type(x) is not BatchedArray:
        return numpy_.expand_dims(x, axis)
    shape = x.shape
    for a in axis:
        shape = (*shape[:a], 1, *shape[a:])
    return x.reshape(shape)


def flip(x: Array, axis: Shape) -> Array:
    """Each sample reversed along the axes, as a view."""
    if type(x) is not BatchedArray:
        return numpy_.flip(x, axis)
    axes = tuple(behind(a, x.ndim) for a in axis)
    return BatchedArray(below((x.value,)).flip(x.value, axes), x.level)


def permute_dims(x: Array, axes: Shape) -> Array:
    """Each sample with its axes in another order."""
    return x.transpose(axes)


def reshape(x: Array, shape: Shape) -> Array:
    """Each sample in another shape, a view where its strides allow."""
    return x.reshape(shape)


def roll(x: Array, /, shift: Shape, axis: Shape) -> Array:
    """Each sample shifted along the axes."""
    if type(x) is not BatchedArray:
        return numpy_.roll(x, shift, axis)
    axes = tuple(behind(a, x.ndim) for a in axis)
    return BatchedArray(below((x.value,)).roll(x.value, shift, axes), x.level)


def rot90(x: Array, k: int, axes: Shape) -> Array:
    """Each sample turned by right angles in the plane of two axes."""
    if type(x) is not BatchedArray:
        return numpy_.rot90(x, k, axes)
    moved = tuple(behind(a, x.ndim) for a in axes)
    return BatchedArray(below((x.value,)).rot90(x.value, k, moved), x.level)


def squeeze(x: Array, axis: Shape) -> Array:
    """Each sample without the named axes of size 1."""
    return x.squeeze(axis)


def swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    """Each sample with two axes exchanged."""
    return x.swapaxes(axis1, axis2)


def matrix_t(x: Array) -> Array:
    """Each sample transposed."""
    return x.T


def tile(x: Array, /, reps: Shape) -> Array:
    """Each sample repeated along its axes."""
    if type(x) is not BatchedArray:
        return numpy_.tile(x, reps)
    missing = len(reps) - x.ndim
    value = x.value
    if missing > 0:
        value = value.reshape((value.shape[0], *(1,) * missing, *value.shape[1:]))
    full = (1, *(1,) * max(-missing, 0), *reps)
    return BatchedArray(below((value,)).tile(value, full), x.level)
