"""Convolution of many small images: the three faces (`convolution`), with the images innermost.

In: shapes and settings, once; raw arrays, in every call.  Out: new arrays in C order.  A plan
(`Forward`, `ByWeight`, `ByInput`) has all memory and all views of it, so that a call is a few
copies and one matrix product: where images are small, NumPy's calls cost more than what they do.

Note [Images innermost]
    Copies cost by the row, not by the element, and the rows of a small image are short. Therefore
    arrays are turned first, from (images, C, *space) to (C, *space, images): then the rows of a
    tap are as long as a row of the image times the number of images, the columns of all taps are
    one copy, and there is one wide product for all images.

Note [The row of ones]
    Below the columns stands a row of ones, and behind the weight the bias: then the product adds
    it. (Not for 16-bit floats: the product in float32 is rounded before the bias is added.)
"""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from adjoint.array.kernels.windows import Window

__all__ = ["ByInput", "ByWeight", "Forward", "are_small"]

Array = Any
Shape = tuple[int, ...]

SMALL = 1 << 19  # bytes of columns and result that stay in the cache, of MANY images or more;
MANY = 16  # of fewer ones the new rows are short as well
TINY = 16  # points of an image up to which its own rows are so short that eight times as much pays
FEW = 32  # taps up to which one sum for each is fast


def are_small(images: int, w: Shape, groups: int, windows: Sequence[Window], dtype: Any) -> bool:
    """Return whether the plans of this file are the faster way."""
    filters, channels, *kernel = w
    points, taps = prod(a.output for a in windows), prod(kernel)
    size = images * points * (groups * channels * taps + filters) * dtype.itemsize
    some = size > 0 and all(a.input > 0 for a in windows)
    limit = SMALL * min(max(images, MANY // 4), MANY) // MANY
    return some and taps <= FEW and size <= (8 * limit if points <= TINY else limit)


class _Space:
    """Memory for arrays (images, C, *space), turned and padded, and what windows see of it."""

    def __init__(
        self, images: int, channels: int, groups: int, windows: Sequence[Window], dtype: Any
    ) -> None:
        sizes = [max(a.padding + a.input, _reach(a)) for a in windows]
        self.memory: Array = np.zeros((groups, channels // groups, *sizes, images), dtype)
        inside = (slice(a.padding, a.padding + a.input) for a in windows)
        # (images, groups, C / groups, *space): where an array is written to, or read from
        self.inside: Array = np.moveaxis(self.memory[:, :, *inside], -1, 0)
        first, second, *strides, last = self.memory.strides
        shape = (*self.memory.shape[:2], *(a.kernel for a in windows))
        self.shape: Shape = (*shape, *(a.output for a in windows), images)
        self.steps = (
            *(first, second, *(step * a.dilation for step, a in zip(strides, windows))),
            *(*(step * a.stride for step, a in zip(strides, windows)), last),
        )

    def seen(self) -> Array:
        """Return the windows: (groups, C / groups, *kernel, *space', images), a view."""
        return as_strided(self.memory, self.shape, self.steps)


def _reach(window: Window) -> int:
    """Return how many elements the windows along an axis span."""
    return (window.output - 1) * window.stride + window.dilation * (window.kernel - 1) + 1


class _Columns:
    """Columns of arrays (images, C, *space): (groups, C / groups * taps [+ 1], points * images)."""

    def __init__(
        self, images: int, channels: int, groups: int, windows: Sequence[Window], dtype: Any,
        ones: bool = False,
    ) -> None:  # fmt: skip
        space = _Space(images, channels, groups, windows, dtype)
        rows = prod(space.shape[1 : 2 + len(windows)])
        points = prod(space.shape[2 + len(windows) :])
        self.matrices: Array = np.ones((groups, rows + ones, points), dtype)
        self._target = self.matrices[:, :rows].reshape(space.shape)
        self.bytes = self.matrices.nbytes
        if all(a.trivial for a in windows):  # the array is its own columns
            tap: Any = (slice(None), slice(None), *(0,) * len(windows))
            self._inside = np.moveaxis(self._target[tap], -1, 0)
            self._source = None
        else:
            self._inside = space.inside
            self._source = space.seen()
            self.bytes += space.memory.nbytes
        self._shape = self._inside.shape

    def of(self, array: Array) -> Array:
        """Return the columns of the array, valid until the next call."""
        self._inside[...] = array.reshape(self._shape)
        if self._source is not None:
            self._target[...] = self._source
        return self.matrices


def _units(sizes: Sequence[int]) -> list[Window]:
    return [Window(n, n, 1) for n in sizes]


class Forward:
    """``conv(x, w) + bias``, see `convolution.conv_add`."""

    def __init__(
        self, images: int, w: Shape, groups: int, windows: Sequence[Window], dtype: Any,
        computing: Any, bias: bool,
    ) -> None:  # fmt: skip
        filters, channels, *_ = w
        ones = bias and computing == dtype
        self._columns = _Columns(images, channels * groups, groups, windows, computing, ones)
        sizes = [a.output for a in windows]
        self._shape = (images, filters, *sizes)
        self._weight: Array = np.empty(
            (groups, filters // groups, self._columns.matrices.shape[1]), computing
        )
        rows = prod(w[1:])
        self._kernel = self._weight[:, :, :rows]
        self._kernel_shape = self._kernel.shape
        self._ones = self._weight[:, :, rows] if ones else None
        made = (groups, filters // groups, self._columns.matrices.shape[2])
        self._made: Array = np.empty(made, computing)
        turned = self._made.reshape(filters, *sizes, images)
        self._turned = np.moveaxis(turned, -1, 0)
        self._dtype = dtype
        self._shift = (filters, *(1,) * len(windows))
        self.bytes = self._columns.bytes + self._weight.nbytes + self._made.nbytes

    def __call__(self, x: Array, w: Array, bias: Array | None) -> Array:
        self._kernel[...] = w.reshape(self._kernel_shape)
        if self._ones is not None:
            self._ones[...] = bias.reshape(self._ones.shape)  # type: ignore[union-attr]
        np.matmul(self._weight, self._columns.of(x), out=self._made)
        y: Array = np.empty(self._shape, self._dtype)
        y[...] = self._turned
        if bias is not None and self._ones is None:
            np.add(y, bias.reshape(self._shift), out=y)
        return y


class ByWeight:
    """The gradient by the weight, see `convolution.conv_weight`."""

    def __init__(
        self, images: int, w: Shape, groups: int, windows: Sequence[Window], dtype: Any,
        computing: Any,
    ) -> None:  # fmt: skip
        filters, channels, *_ = w
        self._x = _Columns(images, channels * groups, groups, windows, computing)
        self._g = _Columns(images, filters, groups, _units([a.output for a in windows]), computing)
        self._shape, self._dtype = w, dtype
        self.bytes = self._x.bytes + self._g.bytes

    def __call__(self, g: Array, x: Array) -> Array:
        made = np.matmul(self._g.of(g), self._x.of(x).swapaxes(-1, -2))
        return made.astype(self._dtype, copy=False).reshape(self._shape)


class ByInput:
    """The gradient by the input, see `convolution.conv_input`: of few filters (``expanded``) their
    columns times the reversed kernel, else columns from the product, added up.
    """

    def __init__(
        self, images: int, w: Shape, groups: int, windows: Sequence[Window], dtype: Any,
        computing: Any,
    ) -> None:  # fmt: skip
        filters, channels, *kernel = w
        expanded = (
            8 * filters <= images * prod(a.output for a in windows) * groups  # w has to be turned
            and filters <= 3 * groups * channels  # copies of g are cheaper than sums in x
            and all(a.transposable for a in windows)
        )
        self._shape = (images, channels * groups, *(a.input for a in windows))
        self._dtype, self._expanded = dtype, expanded
        self._apart = (groups, filters // groups, channels, *kernel)
        seen = (
            [a.transposed() for a in windows] if expanded else _units([a.output for a in windows])
        )
        self._columns = _Columns(images, filters, groups, seen, computing)
        points = self._columns.matrices.shape[2]
        if expanded:
            self._weight: Array = np.empty(
                (groups, channels, filters // groups, *kernel), computing
            )
            reverse: Any = (..., *(slice(None, None, -1),) * len(kernel))
            self._reversed = self._weight[reverse].swapaxes(1, 2)
            self._matrix = self._weight.reshape(groups, channels, -1)
            self._made: Array = np.empty((groups, channels, points), computing)
            turned = self._made.reshape(*self._shape[1:], images)
            self._turned = np.moveaxis(turned, -1, 0)
            self.bytes = self._columns.bytes + self._made.nbytes + self._weight.nbytes
            return
        space = _Space(images, channels * groups, groups, windows, computing)
        self._made = np.empty((groups, channels * prod(kernel), points), computing)
        parts, seen_parts = self._made.reshape(space.shape), space.seen()
        taps = [(slice(None), slice(None), *tap) for tap in product(*map(range, kernel))]
        self._sums = [(seen_parts[tap], parts[tap]) for tap in taps]
        self._space = space.memory
        self._turned = space.inside
        self.bytes = self._columns.bytes + self._made.nbytes + space.memory.nbytes

    def __call__(self, g: Array, w: Array) -> Array:
        w = w.reshape(self._apart)
        if self._expanded:
            self._reversed[...] = w
            np.matmul(self._matrix, self._columns.of(g), out=self._made)
        else:
            matrix = w.reshape(*self._apart[:2], -1).swapaxes(-1, -2)
            np.matmul(matrix, self._columns.of(g), out=self._made)
            self._space.fill(0)
            for seen, part in self._sums:
                np.add(seen, part, out=seen)
        x: Array = np.empty(self._shape, self._dtype)
        x.reshape(self._turned.shape)[...] = self._turned
        return x
