"""Adding at places that may be named several times: the transposes of picking by index arrays; and
what accumulates along an axis beside sums and products.

In: NumPy arrays and index expressions.  Out: new arrays. Repeated places are summed in the order in
which they are named, so that results are the same bits every time. NumPy's ``add.at`` is quick for
vectors only; many rows are added as the product with a sparse matrix of ones, in the same order.
"""

from __future__ import annotations

import functools
import importlib
import math
from typing import Any

import numpy as np

__all__ = ["add_at", "counting", "index_add", "logcumsumexp", "running_extreme", "scatter_add"]

Array = Any
Shape = tuple[int, ...]

_FEW = 2048  # elements up to which add.at costs less than preparing anything
_maximum: Any = np.maximum.accumulate
_minimum: Any = np.minimum.accumulate
_logaddexp: Any = np.logaddexp.accumulate
_SPARSE = frozenset("fdFDil")  # the element types that sparse products know


def index_add(g: Array, shape: Shape, index: Any) -> Array:
    """Zeros of ``shape`` to which ``g`` is added at ``index``, repeated places summed in order."""
    made = np.zeros(shape, g.dtype)
    add_at(made, index, g)
    return made


def add_at(target: Array, index: Any, g: Array) -> None:
    """Add ``g`` to ``target[index]`` in place, repeated places summed in order."""
    arrays = [(a, i) for a, i in enumerate(index) if not isinstance(i, slice)]
    axis, places = arrays[0]
    if len(arrays) == 1 and places.dtype.kind == "b":
        target[index] += g  # a mask names no place twice
    elif g.size <= _FEW or g.dtype.char not in _SPARSE or not _whole(index):
        np.add.at(target, index, g)
    elif len(arrays) == 1 and g.ndim == target.ndim - 1 + places.ndim:
        _add_rows(target, axis, places, g)
    elif arrays[-1][0] == len(arrays) - 1 and g.ndim == places.ndim + target.ndim - len(arrays):
        sizes = target.shape[: len(arrays)]
        rows = np.ravel_multi_index(
            tuple(_wrapped(i, n) for (_, i), n in zip(arrays, sizes)), sizes
        )
        merged = target.reshape(math.prod(sizes), *target.shape[len(arrays) :])
        if np.may_share_memory(merged, target):
            _add_rows(merged, 0, rows, g)
        else:
            np.add.at(target, index, g)
    else:
        np.add.at(target, index, g)


def _whole(index: Any) -> bool:
    return all(not isinstance(i, slice) or i == slice(None) for i in index)


def _wrapped(places: Array, n: int) -> Array:
    """Places counted from the front; checked, for sparse products trust them.

    Raises: IndexError if one is out of bounds.
    """
    if places.size and not (-n <= places.min() and places.max() < n):
        raise IndexError(f"index out of bounds for size {n}")
    return np.where(places < 0, places + n, places)


def _add_rows(target: Array, axis: int, places: Array, g: Array) -> None:
    """Add slices of ``g`` to slices of ``target`` along one axis."""
    rows = _wrapped(places, target.shape[axis]).reshape(-1)
    if axis:
        target = np.moveaxis(target, axis, 0)
        g = np.moveaxis(g, range(axis, axis + places.ndim), range(places.ndim))
    count = len(rows)
    width = g.size // count
    if width == 1 and target.ndim == 1:
        np.add.at(target, rows, np.ascontiguousarray(g).reshape(-1))
        return
    ones = np.ones(count, g.dtype)
    matrix = _sparse().csc_array((ones, rows, np.arange(count + 1)), shape=(target.shape[0], count))
    target += (matrix @ g.reshape(count, width)).reshape(target.shape)


@functools.cache
def _sparse() -> Any:
    return importlib.import_module("scipy.sparse")


def counting(n: int) -> Array:
    """0, 1, ..., n - 1, not to be written to."""
    return _kept_counting(n) if n <= _FEW else np.arange(n)


@functools.lru_cache(256)
def _kept_counting(n: int) -> Array:
    made = np.arange(n)
    made.flags.writeable = False
    return made


def scatter_add(g: Array, shape: Shape, index: Array, axis: int) -> Array:
    """Zeros of ``shape`` to which ``g`` is added at ``index`` along an axis."""
    if g.shape != index.shape:
        g = g[tuple(slice(n) for n in index.shape)]
    made = np.zeros(shape, g.dtype)
    once = index.shape[axis] == 1  # no place is named twice
    if once and index.ndim == 2 and axis == 1:
        made[counting(len(index)), index[:, 0]] = g[:, 0]
        return made
    if index.size <= _FEW // 8:
        grid: list[Any] = []
        for k, n in enumerate(index.shape):
            ones = (1,) * (index.ndim - k - 1)
            grid.append(index if k == axis else np.arange(n).reshape((n, *ones)))
        if once:
            made[tuple(grid)] = g
        else:
            np.add.at(made, tuple(grid), g)
        return made
    flat = index * math.prod(shape[axis + 1 :])
    for k, n in enumerate(index.shape):
        if k != axis:
            steps = np.arange(n) * math.prod(shape[k + 1 :])
            flat += steps.reshape((n,) + (1,) * (index.ndim - k - 1))
    if once:
        made.reshape(-1)[flat] = g
    else:
        np.add.at(made.reshape(-1), flat.reshape(-1), g.reshape(-1))
    return made


# ---- along an axis -------------------------------------------------------------------------------


def running_extreme(x: Array, axis: int, largest: bool) -> tuple[Array, Array]:
    """The extreme of all elements up to each, and where it stands: the last of equals; a nan is
    more extreme than any number.
    """
    extreme = (_maximum if largest else _minimum)(x, axis)
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    places = np.arange(x.shape[axis]).reshape(shape)
    where = _maximum(np.where((x == extreme) | (x != x), places, 0), axis)
    return np.take_along_axis(x, where, axis), where


def logcumsumexp(x: Array, axis: int) -> Array:
    """``log(cumsum(exp(x)))`` without overflow."""
    return _logaddexp(x, axis)
