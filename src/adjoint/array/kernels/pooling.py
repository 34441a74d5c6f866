"""Pooling in any number of dimensions: the largest element, or the mean, of each window.

In: raw arrays (..., *space) and a tuple with a `Window` or, for adaptive pooling, `Bins` per
spatial axis. Out: new arrays (..., *space'). `max_pool` also returns *taps*: which element of its
window is the largest, counted in row-major order (one byte each where the kernel has up to 256);
`pooling_taps` has what is done with them. `avg_pool` is linear and `avg_pool_input` its transpose.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from adjoint.array.kernels.flat_pooling import Plan, flat_plan, largest
from adjoint.array.kernels.threads import split
from adjoint.array.kernels.windows import Window, taps

__all__ = [
    "Bins",
    "as_planes",
    "avg_pool",
    "avg_pool_input",
    "each_block",
    "max_pool",
    "max_pool_values",
    "pooled_size",
]

Array = Any
Shape = tuple[int, ...]

BLOCK = 1 << 17  # elements that are pooled together: they stay in the cache
FLAT = 1 << 16  # the same for `flat_pooling`, which has more arrays of their size


class Bins(NamedTuple):
    """The windows of adaptive pooling along one axis: as equal as they can be, overlapping."""

    input: int
    output: int

    @property
    def starts(self) -> Array:
        """The first element of each window."""
        return np.arange(self.output) * self.input // self.output

    @property
    def stops(self) -> Array:
        """One past the last element of each window."""
        return -(-np.arange(1, self.output + 1) * self.input // self.output)

    @property
    def kernel(self) -> int:
        """The size of the largest window."""
        return int((self.stops - self.starts).max(initial=1))

    def regular(self) -> "Window | Bins":
        """Return the equal `Window`, if there is one."""
        if self.output == 0 or self.input % self.output:
            return self
        size = self.input // self.output
        return Window(self.input, self.output, size, size)


Windows = Sequence[Window | Bins]


def pooled_size(
    size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> int:
    """Return how many windows there are; in ``ceil_mode`` the last may end outside.

    Example:
        >>> pooled_size(5, 2, 2, 0, 1, ceil_mode=True)
        3
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    # The last window must start in the input or in the padding before it.
    return count - 1 if (count - 1) * stride >= size + padding else count


# ---- the largest element -------------------------------------------------------------------------

# Note: ties, nan and padding
#
# Of equal elements the first in row-major order counts, of several nan the last. Taking the largest
# one axis at a time, the last axis first, gives the first in row-major order, if an element takes
# the place of the best so far only when it is larger. Two cases need more (`exact`): nan, since
# comparisons with it are false, and windows that begin in the padding and hold nothing but the
# lowest value, since their first tap is not one of theirs. The result tells whether a block has
# such a window; then the block is done again, with more comparisons.


class _Reach(NamedTuple):
    """What one tap meets along one axis."""

    out: slice
    inp: Any  # a slice; for bins an array of positions
    valid: Any  # in which outputs (of all) the tap lies in the window
    new: Any  # in which it is the first that does


def _reaches(window: Window | Bins) -> list[_Reach]:
    return _window_reaches(window) if isinstance(window, Window) else _new_reaches(window)


@lru_cache(1024)
def _window_reaches(window: Window) -> list[_Reach]:
    return _new_reaches(window)


def _new_reaches(window: Window | Bins) -> list[_Reach]:
    every, reaches = slice(0, window.output), []
    seen = np.zeros(window.output, bool)
    if isinstance(window, Window):
        pairs: Any = taps(window)
    else:
        starts, stops = window.starts, window.stops
        pairs = [(every, np.minimum(starts + k, stops - 1)) for k in range(window.kernel)]
    for k, (out, inp) in enumerate(pairs):
        valid = np.zeros(window.output, bool)
        valid[out] = True
        if isinstance(window, Bins):
            valid = window.starts + k < window.stops
        reaches.append(_Reach(out, inp, valid, valid & ~seen))
        seen |= valid
    return reaches


def max_pool(x: Array, windows: Windows) -> tuple[Array, Array]:
    """Return the largest element of each window, and its tap.

    Shape: x (..., *space); both results (..., *space').
    """
    flat, reaches, floats = *_ways(windows), x.dtype.kind in "fV"
    x = np.ascontiguousarray(x)
    if flat is not None and 0 < x.size <= FLAT:  # one block
        values, places = largest(x, flat, True)
        if places is not None and not (floats and _has_nan(values)):
            return values.copy(), places.copy()
    values, places = _made(x.shape, x.dtype, windows), _made(x.shape, _tap_dtype(windows), windows)
    planes = as_planes(x, windows)
    to_values, to_places = as_planes(values, windows), as_planes(places, windows)
    padded = any(not reach[0].valid.all() for reach in reaches)

    def pool(part: slice) -> None:
        taken, best = planes[part], to_values[part]
        if flat is None:
            best[...], to_places[part] = _largest(taken, reaches, places.dtype, exact=False)
        else:
            best[...], found = largest(taken, flat, True)
            to_places[part] = 0 if found is None else found
        if (floats and _has_nan(best)) or (padded and (best == _lowest(x.dtype)).any()):
            along = reaches or [_reaches(window) for window in windows]
            best[...], to_places[part] = _largest(taken, along, places.dtype, exact=True)

    each_block(planes, pool, 1e-9, BLOCK if flat is None else FLAT)
    return values, places


def _ways(windows: Windows) -> tuple[Plan | None, list[list[_Reach]]]:
    """Return the plan for `largest`, or else what `_largest` needs."""
    flat = flat_plan(tuple(windows))
    return flat, [] if flat is not None else [_reaches(window) for window in windows]


def max_pool_values(x: Array, windows: Windows) -> Array:
    """Return the largest element of each window and no taps: three times as fast as `max_pool`."""
    flat, reaches = _ways(windows)
    x = np.ascontiguousarray(x)
    if flat is not None and 0 < x.size <= FLAT:  # one block
        return largest(x, flat, False)[0].copy()
    values = _made(x.shape, x.dtype, windows)
    planes, to_values = as_planes(x, windows), as_planes(values, windows)

    def pool(part: slice) -> None:
        if flat is None:
            to_values[part] = _largest(planes[part], reaches, None, exact=False)[0]
        else:
            to_values[part] = largest(planes[part], flat, False)[0]

    each_block(planes, pool, 4e-10, BLOCK if flat is None else FLAT)
    return values


def _tap_dtype(windows: Windows) -> np.dtype[Any]:
    return np.dtype(np.uint8 if prod(w.kernel for w in windows) <= 256 else np.int32)


def _has_nan(x: Array) -> bool:
    top = np.maximum.reduce(x, axis=None)
    return bool(top != top)


def _lowest(dtype: np.dtype[Any]) -> Any:
    return np.iinfo(dtype).min if dtype.kind in "iu" else np.asarray(-np.inf, dtype)


def _largest(
    x: Array, reaches: Sequence[list[_Reach]], tap_dtype: np.dtype[Any] | None, exact: bool
) -> tuple[Array, Any]:
    """Return the largest elements and, unless ``tap_dtype`` is None, their taps."""
    found: Any = None  # one tap so far
    unit = 1
    for axis in range(-1, -1 - len(reaches), -1):
        along = reaches[axis]
        same = isinstance(along[0].inp, slice) and along[0].inp == slice(0, x.shape[axis], 1)
        if len(along) > 1 or not same:
            x, found = _largest_along(x, found, axis, along, unit, tap_dtype, exact)
        unit *= len(along)
    return x, 0 if found is None else found


def _largest_along(
    x: Array,
    found: Any,
    axis: int,
    reaches: list[_Reach],
    unit: int,
    tap_dtype: np.dtype[Any] | None,
    exact: bool,
) -> tuple[Array, Any]:
    """Take the largest elements along one axis; ``found`` are the taps that won on later axes."""
    after = (slice(None),) * (-1 - axis)
    column = (-1, *(1,) * (-1 - axis))
    shape = list(x.shape)
    shape[axis] = len(reaches[0].valid)
    every = slice(0, shape[axis])
    if all(reach.out == every for reach in reaches):  # begin with the first tap, as a view
        there = (..., reaches[0].inp, *after)
        best, taps, begin = x[there], None if found is None else found[there], 1
    else:
        best = np.full(shape, _lowest(x.dtype), x.dtype)
        taps, begin = np.zeros(shape, tap_dtype or bool), 0
    own = not begin  # may be written to
    for k in range(begin, len(reaches)):
        out, inp, valid, new = reaches[k]
        there, here = (..., inp, *after), (..., out, *after)
        value, so_far = x[there], best[here]
        if tap_dtype is not None:
            tap = k * unit if found is None else found[there] + tap_dtype.type(k * unit)
            larger = np.greater(value, so_far)
            if exact:
                larger |= new[out].reshape(column)
                larger |= np.isnan(value) & valid[out].reshape(column)
            tap = np.multiply(larger, tap, dtype=tap_dtype)  # larger than that of any tap before
            if taps is None:
                taps = tap
            elif own:
                np.maximum(taps[here], tap, out=taps[here])
            else:
                taps = np.maximum(taps, tap)
        if own:
            np.maximum(so_far, value, out=so_far)
        else:
            best = np.maximum(so_far, value)
            own = True
    return best, taps


# ---- the mean ------------------------------------------------------------------------------------


def avg_pool(
    x: Array,
    windows: Windows,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Array:
    """Return the mean of each window: its sum divided by ``divisor``, or else by its size.

    Shape: x (..., *space); result (..., *space').
    """
    y = _made(x.shape, x.dtype, windows)
    planes, to_y = as_planes(np.ascontiguousarray(x), windows), as_planes(y, windows)
    counts = _counts(windows, count_include_pad, divisor)

    if all(isinstance(w, Window) and w.tiles and w.output == 1 for w in windows):
        size = prod(planes.shape[1:])  # one window: one sum
        planes, to_y = planes.reshape(len(planes), size), to_y.reshape(len(planes), 1)
        windows = [Window(size, 1, size, size)]

    def pool(part: slice) -> None:
        sums = _accumulable(planes[part])
        for axis in range(-1, -1 - len(windows), -1):
            sums = _sum_along(sums, axis, windows[axis])
        to_y[part] = _divide(sums, counts)

    each_block(planes, pool, 5e-10)
    return y


def avg_pool_input(
    g: Array,
    windows: Windows,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Array:
    """Return the gradient of ``sum(g * avg_pool(x))`` by ``x``.

    Shape: g (..., *space'); result (..., *space).
    """
    dims = len(windows)
    x = np.empty((*g.shape[: g.ndim - dims], *(window.input for window in windows)), g.dtype)
    planes, to_x = as_planes(np.ascontiguousarray(g), windows), as_planes(x, windows)
    counts = _counts(windows, count_include_pad, divisor)

    def pool(part: slice) -> None:
        parts = _divide(_accumulable(planes[part]), counts)
        for axis in range(-dims, 0):
            parts = _spread_along(parts, axis, windows[axis])
        to_x[part] = parts

    each_block(planes, pool, 5e-10)
    return x


def _accumulable(x: Array) -> Array:
    """Return 16-bit floats as float32: sums of them are rounded once, at the end."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x


def _counts(windows: Windows, include_pad: bool, divisor: int | None) -> Array:
    """Return what to divide the sum of each window by."""
    if divisor is not None:
        return np.asarray(divisor)
    counts: Any = np.ones((), np.int64)
    for window in windows:
        if isinstance(window, Bins):
            sizes = window.stops - window.starts
        else:
            starts = np.arange(window.output) * window.stride - window.padding
            stops = np.minimum(starts + window.kernel, window.input + window.padding)
            if not include_pad:
                starts, stops = np.maximum(starts, 0), np.minimum(stops, window.input)
            sizes = stops - starts
        counts = np.multiply.outer(counts, sizes)
    return counts


def _divide(sums: Array, counts: Array) -> Array:
    counts = counts.astype(sums.dtype)
    if sums.dtype.kind in "iu":  # towards zero
        return np.sign(sums) * np.sign(counts) * (np.abs(sums) // np.abs(counts))
    return np.divide(sums, counts)


MANY = 8  # elements of a window from which on NumPy's own loop over them is fast


def _sum_along(x: Array, axis: int, window: Window | Bins) -> Array:
    """Return the sum of each window along one axis."""
    if isinstance(window, Bins):
        return np.moveaxis(np.matmul(np.moveaxis(x, axis, -1), _membership(window, x)), -1, axis)
    if window.tiles and window.kernel >= MANY:
        return np.add.reduce(x.reshape(_split(x.shape, axis, window)), axis)
    after = (slice(None),) * (-1 - axis)
    shape = list(x.shape)
    shape[axis] = window.output
    sums: Array = np.zeros(shape, x.dtype)
    for out, inp in taps(window):
        np.add(sums[(..., out, *after)], x[(..., inp, *after)], out=sums[(..., out, *after)])
    return sums


def _spread_along(g: Array, axis: int, window: Window | Bins) -> Array:
    """Return the transpose of `_sum_along`: every element added to all of its window."""
    if isinstance(window, Bins):
        return np.moveaxis(np.matmul(np.moveaxis(g, axis, -1), _membership(window, g).T), -1, axis)
    after = (slice(None),) * (-1 - axis)
    shape = list(g.shape)
    shape[axis] = window.input
    if window.tiles:
        x: Array = np.empty(shape, g.dtype)
        if window.kernel >= MANY:
            x.reshape(_split(shape, axis, window))[...] = np.expand_dims(g, axis)
            return x
        for out, inp in taps(window):
            x[(..., inp, *after)] = g[(..., out, *after)]
        return x
    x = np.zeros(shape, g.dtype)
    for out, inp in taps(window):
        np.add(x[(..., inp, *after)], g[(..., out, *after)], out=x[(..., inp, *after)])
    return x


def _split(shape: Sequence[int], axis: int, window: Window) -> Shape:
    """Return the shape with the axis as (windows, elements of a window)."""
    place = len(shape) + axis
    return (*shape[:place], window.output, window.kernel, *shape[place + 1 :])


def _membership(bins: Bins, like: Array) -> Array:
    """Return which elements (rows) lie in which bins (columns), as zeros and ones."""
    position = np.arange(bins.input)[:, None]
    return ((bins.starts <= position) & (position < bins.stops)).astype(like.dtype)


# ---- planes --------------------------------------------------------------------------------------


def _made(shape: Shape, dtype: np.dtype[Any], windows: Windows) -> Array:
    """Return memory for a result."""
    return np.empty((*shape[: len(shape) - len(windows)], *(w.output for w in windows)), dtype)


def as_planes(x: Array, windows: Windows) -> Array:
    """Return (..., *space) as (planes, *space)."""
    lead = x.ndim - len(windows)
    return x.reshape(prod(x.shape[:lead]), *x.shape[lead:])


def each_block(
    planes: Array, work: Callable[[slice], None], seconds: float, block: int | None = None
) -> None:
    """Call ``work`` for slices of the planes; ``seconds`` is the cost of one of their elements."""
    if not planes.size:
        return
    step = max(1, (block or BLOCK) * len(planes) // planes.size)
    count = -(-len(planes) // step)
    if count == 1:
        work(slice(0, len(planes)))
        return

    def run(first: int, last: int) -> None:
        for block in range(first, last):
            work(slice(block * step, (block + 1) * step))

    split(run, count, seconds * planes.size)
