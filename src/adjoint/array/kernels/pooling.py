"""Pooling in any number of dimensions: the largest element, or the mean, of each window.

In: raw arrays (..., *space) and a tuple with a `Window` or, for adaptive pooling, `Bins` per
spatial axis. Out: new arrays (..., *space'). `max_pool` also returns *taps*: which element of its
window is the largest, counted in row-major order (one byte each where the kernel has up to 256).
With taps given, `max_pool_take` is linear and `max_pool_put` its transpose; so are `avg_pool` and
`avg_pool_input`.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from adjoint.array.kernels.threads import split
from adjoint.array.kernels.windows import Tap, Window, taps

__all__ = [
    "Bins",
    "avg_pool",
    "avg_pool_input",
    "max_pool",
    "max_pool_index",
    "max_pool_put",
    "max_pool_take",
    "max_pool_values",
    "pooled_size",
]

Array = Any
Shape = tuple[int, ...]

BLOCK = 1 << 17  # elements that are pooled together: they stay in the cache
FEW = 32  # taps up to which it is faster to go through them than to index element by element


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
    values, places = _made(x.shape, x.dtype, windows), _made(x.shape, _tap_dtype(windows), windows)
    planes = _planes(np.ascontiguousarray(x), windows)
    to_values, to_places = _planes(values, windows), _planes(places, windows)
    reaches = [_reaches(window) for window in windows]
    floats = x.dtype.kind in "fV"
    padded = any(not reach[0].valid.all() for reach in reaches)

    def pool(part: slice) -> None:
        best, found = _largest(planes[part], reaches, places.dtype, exact=False)
        if (floats and np.isnan(best).any()) or (padded and (best == _lowest(x.dtype)).any()):
            best, found = _largest(planes[part], reaches, places.dtype, exact=True)
        to_values[part], to_places[part] = best, found

    _each_block(planes, pool, 1e-9)
    return values, places


def max_pool_values(x: Array, windows: Windows) -> Array:
    """Return the largest element of each window and no taps: three times as fast as `max_pool`."""
    values = _made(x.shape, x.dtype, windows)
    planes, to_values = _planes(np.ascontiguousarray(x), windows), _planes(values, windows)
    reaches = [_reaches(window) for window in windows]

    def pool(part: slice) -> None:
        to_values[part] = _largest(planes[part], reaches, None, exact=False)[0]

    _each_block(planes, pool, 4e-10)
    return values


def _tap_dtype(windows: Windows) -> np.dtype[Any]:
    return np.dtype(np.uint8 if prod(w.kernel for w in windows) <= 256 else np.int32)


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


# ---- by taps: gather and scatter


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
    shape = (*g.shape[: -len(windows)], *(window.input for window in windows))
    regular = tuple([window for window in windows if isinstance(window, Window)])
    if len(regular) < len(windows) or prod(window.kernel for window in windows) > FEW:
        return _put_one_by_one(g, places, shape, windows)
    tiled, apart, combinations = _combinations(regular)
    x = (np.empty if tiled else np.zeros)(shape, g.dtype)
    planes, to_x = _planes(np.ascontiguousarray(g), windows), _planes(x, windows)
    flat_places = _planes(places, windows)
    bits = np.dtype(f"u{g.dtype.itemsize}")

    def put(part: slice) -> None:
        for tap, combination in enumerate(combinations):
            out = (part, *(one.out for one in combination))
            target = to_x[(part, *(one.inp for one in combination))]
            # As bits: a factor of 0 or 1 keeps inf and nan where they belong.
            given, chosen = planes[out].view(bits), flat_places[out] == tap
            if apart:
                np.multiply(given, chosen, out=target.view(bits))
            else:
                np.add(target, np.multiply(given, chosen).view(g.dtype), out=target)

    _each_block(planes, put, 4e-10 * len(combinations))
    return x


@lru_cache(1024)
def _combinations(windows: tuple[Window, ...]) -> tuple[bool, bool, list[tuple[Tap, ...]]]:
    """Return whether the windows tile the space, whether they lie apart, and all taps."""
    tiled = all(window.tiles for window in windows)
    apart = all(window.stride > window.dilation * (window.kernel - 1) for window in windows)
    return tiled, apart, list(product(*map(taps, windows)))


def _put_one_by_one(g: Array, places: Array, shape: Shape, windows: Windows) -> Array:
    x: Array = np.zeros(shape, g.dtype)
    if g.size:
        planes = _planes(x, windows).reshape(-1, prod(window.input for window in windows))
        index = max_pool_index(places, windows).reshape(len(planes), -1)
        starts = np.arange(len(planes))[:, None] * planes.shape[1]
        np.add.at(x.reshape(-1), (index + starts).ravel(), g.ravel())
    return x


def max_pool_index(places: Array, windows: Windows) -> Array:
    """Return where the taps are in the flattened space of ``x``: PyTorch's indices, int64.

    Shape: places (..., *space'); result the same.
    """
    first: Any = 0  # position of the first tap of each window, perhaps in the padding
    offsets: Any = np.zeros(1, np.int64)  # from there to each tap
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
    return offsets[places] + first


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
    planes, to_y = _planes(np.ascontiguousarray(x), windows), _planes(y, windows)
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

    _each_block(planes, pool, 5e-10)
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
    planes, to_x = _planes(np.ascontiguousarray(g), windows), _planes(x, windows)
    counts = _counts(windows, count_include_pad, divisor)

    def pool(part: slice) -> None:
        parts = _divide(_accumulable(planes[part]), counts)
        for axis in range(-dims, 0):
            parts = _spread_along(parts, axis, windows[axis])
        to_x[part] = parts

    _each_block(planes, pool, 5e-10)
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


def _planes(x: Array, windows: Windows) -> Array:
    """Return (..., *space) as (planes, *space)."""
    lead = x.ndim - len(windows)
    return x.reshape(prod(x.shape[:lead]), *x.shape[lead:])


def _each_block(planes: Array, work: Callable[[slice], None], seconds: float) -> None:
    """Call ``work`` for slices of the planes; ``seconds`` is the cost of one of their elements."""
    if not planes.size:
        return
    step = max(1, BLOCK * len(planes) // planes.size)
    count = -(-len(planes) // step)

    def run(first: int, last: int) -> None:
        for block in range(first, last):
            work(slice(block * step, (block + 1) * step))

    split(run, count, seconds * planes.size)
