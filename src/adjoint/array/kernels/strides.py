"""Views by strides over NumPy arrays, and the sum that is the transpose of looking through windows.

In: arrays.  Out: views that may look at a place in memory several times, or new arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["as_strided", "sliding", "sliding_add"]

Array = Any
Shape = tuple[int, ...]


def sliding(x: Array, axis: int, size: int, step: int) -> Array:
    """Windows of ``size`` along an axis, ``step`` apart, as a new last axis: a view."""
    if not x.ndim:
        x, axis = x.reshape(1), 0
    count = (x.shape[axis] - size) // step + 1
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :], size)
    strides = (*x.strides[:axis], x.strides[axis] * step, *x.strides[axis + 1 :], x.strides[axis])
    return _layout(x, shape, strides, 0)


def sliding_add(g: Array, shape: Shape, axis: int, size: int, step: int) -> Array:
    """Zeros of ``shape`` to which windows are added, in order: the transpose of `sliding`."""
    made = np.zeros(shape, g.dtype)
    target = made if shape else made.reshape(1)
    lead = (slice(None),) * axis
    reach = (g.shape[axis] - 1) * step + 1
    for place in range(size):
        target[(*lead, slice(place, place + reach, step))] += g[..., place]
    return made


def as_strided(x: Array, shape: Shape, strides: Shape, offset: int) -> Array:
    """The memory of ``x`` in other sizes and strides, ``offset`` elements on: a view."""
    return _layout(x, shape, tuple(s * x.itemsize for s in strides), offset * x.itemsize)


def _layout(x: Array, shape: Shape, strides: Shape, offset: int) -> Array:
    """The memory of ``x`` in another layout (in bytes); its root stays to be found by ``base``."""
    root = x
    while isinstance(root.base, np.ndarray):
        root = root.base
    if not root.flags.forc or not x.size:
        return np.lib.stride_tricks.as_strided(x, shape, strides)
    flat = root.reshape(-1, order="A")
    first = x.__array_interface__["data"][0] - flat.__array_interface__["data"][0]
    made = np.ndarray(shape, x.dtype, flat, first + offset, strides)
    made.flags.writeable = x.flags.writeable
    return made
