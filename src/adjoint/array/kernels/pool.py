"""Pooling in any number of dimensions: the largest element, or the mean, of each window.

In: raw arrays (..., *space) and a tuple with a `Window` or, for adaptive pooling, `Bins` per spatial
axis. Out: new arrays (..., *space'). `max_pool` also returns *taps*: which element of its window is
the largest, counted in row-major order (one byte an element where the kernel has up to 256).
With taps given, `max_pool_take` is linear and `max_pool_put` its transpose; so are `avg_pool` and
`avg_pool_input`.
"""

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from adjoint.array.kernels.threads import split
from adjoint.array.kernels.windows import Window, taps

__all__ = [
    "Bins",
    "avg_pool",
    "avg_pool_input",
    "max_pool",
    "max_pool_index",
    "max_pool_put",
    "max_pool_take",
    "pooled_size",
]

Array = Any
Shape = tuple[int, ...]

BLOCK = 1 << 17  # elements that are pooled together: they stay in the cache
FEW = 32  # taps up to which it is faster to go through them than to index element by element


class Bins(NamedTuple):
    """The windows of adaptive pooling along one axis: as equal as they can be, perhaps overlapping."""

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

# Note: ties and nan
#
# Of equal elements the first in row-major order counts, of several nan the last. Taking the largest
# one axis at a time, the last axis first, gives the first in row-major order; an element replaces
# the best so far if it is larger. Comparisons with nan are false: blocks that contain nan (the
# result tells) are done again with a slower comparison.


class _Reach(NamedTuple):
    """What one tap meets along one axis."""

    out: slice
    inp: Any  # a slice; for bins an array of positions
    valid: Any  # for bins: in which windows the tap lies; else None


def _reaches(window: Window | Bins) -> list[_Reach]:
    if isinstance(window, Window):
        return [_Reach(*tap, None) for tap in taps(window)]
    starts, stops, every = window.starts, window.stops, slice(0, window.output)
    return [
        _Reach(every, np.minimum(starts + k, stops - 1), starts + k < stops)
        for k in range(window.kernel)
    ]


def max_pool(x: Array, *, windows: Windows) -> tuple[Array, Array]:
    """Return the largest element of each window and its tap.

    Shape: x (..., *space); both results (..., *space').
    """
    values, places = _results(x, windows), _results(x, windows, _tap_dtype(windows))
    reaches = [_reaches(window) for window in windows]

    def pool(part: slice) -> None:
        best, found = _largest(planes[part], reaches, with_nan=False)
        if best.dtype.kind in "fV" and np.isnan(best).any():
            best, found = _largest(planes[part], reaches, with_nan=True)
        _flat(values, windows)[part] = best
        _flat(places, windows)[part] = found

    planes = _flat(np.ascontiguousarray(x), windows)
    _each_block(planes, pool, 1.5e-9)
    return values, places


def max_pool_values(x: Array, *, windows: Windows) -> Array:
    """Return the largest element of each window only: a third of the time of `max_pool`."""
    values = _results(x, windows)
    reaches = [_reaches(window) for window in windows]

    def pool(part: slice) -> None:
        best = planes[part]
        for axis, reach in _axes(reaches):
            best = _largest_along(best, None, axis, reach, 1, with_nan=False)[0]
        _flat(values, windows)[part] = best

    planes = _flat(np.ascontiguousarray(x), windows)
    _each_block(planes, pool, 5e-10)
    return values
