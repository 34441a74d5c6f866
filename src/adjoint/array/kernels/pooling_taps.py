"""Pooling by taps: elements taken from where the largest of each window stand, or put there.

In: raw arrays, taps as `pooling.max_pool` returns them, and the windows.  Out: new arrays.
With taps given, `max_pool_take` is linear and `max_pool_put` its transpose.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np

from adjoint.array.kernels.pooling import Bins, as_planes, each_block
from adjoint.array.kernels.windows import Window, keep_plan, kept_plan, taps

__all__ = ["max_pool_index", "max_pool_put", "max_pool_take"]

Array = Any
Shape = tuple[int, ...]
Windows = Sequence[Window | Bins]

APART = 1 << 15  # windows whose positions are computed together
FEW = 32  # taps up to which it is faster to go through them than to index element by element


def max_pool_take(x: Array, places: Array, windows: Windows) -> Array:
    """Return the elements of ``x`` at the taps.

    Shape: x (..., *space), places (..., *space'); result as places.
    """
    if not places.size:
        return np.empty(places.shape, x.dtype)
    planes = x.reshape(-1, prod(window.input for window in windows))
    index = max_pool_index(places, windows).reshape(len(planes), -1)
    return np.take_along_axis(planes, index, 1).reshape(places.shape)


def max_pool_put(g: Array, places: Array, windows: Windows) -> Array:
    """Return zeros to which each element of ``g`` is added at its tap.

    Shape: g and places (..., *space'); result (..., *space).
    """
    windows = tuple(windows)
    shape = (*g.shape[: -len(windows)], *[window.input for window in windows])
    apart, combinations = _combinations(windows)
    if not apart and (combinations is None or len(combinations) > FEW):
        return _put_one_by_one(g, places, shape, windows)
    x: Array = np.zeros(shape, g.dtype)
    planes, to_x = as_planes(np.ascontiguousarray(g), windows), as_planes(x, windows)
    flat_places = as_planes(places, windows)
    if apart:
        each_block(
            planes, lambda p: _put_apart(to_x[p], planes[p], flat_places[p], windows), 3e-9, APART
        )
        return x
    bits = np.dtype(f"u{g.dtype.itemsize}")

    def put(part: slice) -> None:
        for tap, combination in enumerate(combinations):
            out = (part, *(one.out for one in combination))
            target = to_x[(part, *(one.inp for one in combination))]
            # As bits: a factor of 0 or 1 keeps inf and nan where they belong.
            given, chosen = planes[out].view(bits), flat_places[out] == tap
            np.add(target, np.multiply(given, chosen).view(g.dtype), out=target)

    each_block(planes, put, 4e-10 * len(combinations))
    return x


@lru_cache(1024)
def _combinations(windows: Any) -> tuple[bool, Any]:
    """Return whether the windows lie apart, and all taps (None for `Bins`)."""
    if not all(isinstance(window, Window) for window in windows):
        return False, None
    apart = all(window.stride > window.dilation * (window.kernel - 1) for window in windows)
    return apart, None if apart else list(product(*map(taps, windows)))


def _put_one_by_one(g: Array, places: Array, shape: Shape, windows: Windows) -> Array:
    x: Array = np.zeros(shape, g.dtype)
    if g.size:
        planes = as_planes(x, windows).reshape(-1, prod(window.input for window in windows))
        index = max_pool_index(places, windows).reshape(len(planes), -1)
        starts = np.arange(len(planes))[:, None] * planes.shape[1]
        np.add.at(x.reshape(-1), (index + starts).ravel(), g.ravel())
    return x


def max_pool_index(places: Array, windows: Windows) -> Array:
    """Return where the taps are in the flattened space of ``x``: PyTorch's indices, int64.

    Shape: places (..., *space'); result the same.
    """
    starts, offsets = _positions(windows, 0)
    return offsets[places] + starts


def _positions(windows: Windows, first: Any) -> tuple[Any, Any]:
    """Return where windows start, perhaps in the padding, and how far from there each tap is.

    ``first``: the number of the plane, or of each plane: of all spaces side by side.
    """
    offsets: Any = np.zeros(1, np.int64)
    for window in windows:
        starts: Any
        if isinstance(window, Bins):
            starts, dilation = window.starts, 1
        else:
            starts = np.arange(window.output) * window.stride - window.padding
            dilation = window.dilation
        first = np.add.outer(first * window.input, starts)
        steps = np.arange(window.kernel) * dilation
        offsets = np.add.outer(offsets * window.input, steps).ravel()
    return first, offsets


# ---- windows that lie apart


class _Places:
    """The positions of the windows of some planes, to be kept."""

    def __init__(self, planes: int, windows: Windows) -> None:
        self.starts, self.offsets = _positions(windows, np.arange(planes))
        self.bytes = self.starts.nbytes


def _put_apart(x: Array, g: Array, places: Array, windows: Any) -> None:
    """Write each element of ``g`` into ``x``, which is zero, at its tap: no two are the same."""
    key = ("put apart", len(g), windows)
    plan = kept_plan(key)
    if plan is None:
        plan = _Places(len(g), windows)
        keep_plan(key, plan)
    index = plan.offsets.take(places)
    index += plan.starts
    x.reshape(-1)[index] = g
