"""Sets of convolutions, pools and padding.

In: PatternArrays and NumPy arrays in the shapes of `adjoint.array.kernels`.  Out: PatternArrays. A
convolution is a product with unfolded windows (`combining.py`); padding and picking by taps move
sets; a pool unites the sets of each window, one axis at a time, and its transpose those of the
windows that an element lies in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.kernels.pooling import Bins
from adjoint.array.kernels.windows import Window, output_size
from adjoint.array.patterns.arrangement import numbered
from adjoint.array.patterns.combining import LinearAlgebra
from adjoint.array.patterns.pattern_array import PatternArray, value_of

__all__ = ["SlidingWindows"]

Array = Any
Shape = tuple[int, ...]
Ints = Sequence[int]
Widths = tuple[tuple[int, int], ...]


def _windows(space: Shape, kernel: Shape, stride: Ints, padding: Ints, dilation: Ints) -> Any:
    return [
        Window(n, output_size(n, k, s, p, d), k, s, p, d)
        for n, k, s, p, d in zip(space, kernel, stride, padding, dilation)
    ]


class SlidingWindows(LinearAlgebra):
    """The group SlidingWindows of the contract."""

    # ---- convolutions ------------------------------------------------------------------------

    def conv(
        self, x: Array, w: Array, *, stride: Ints, padding: Ints, dilation: Ints, groups: int
    ) -> Array:
        """The convolution of neural networks."""
        layout: Any = {"stride": stride, "padding": padding, "dilation": dilation}
        value = numpy_.conv(value_of(x), value_of(w), groups=groups, **layout)
        windows = _windows(x.shape[2:], w.shape[2:], stride, padding, dilation)
        parts = []
        for i in range(groups):
            weight = _group(w, i, groups, 0).reshape(w.shape[0] // groups, -1)
            columns = self.unfold(_group(x, i, groups, 1), windows)
            parts.append(self._product_of(weight, columns))
        return self.computed(value, np.concatenate(parts, axis=1).reshape(value.shape))

    def conv_add(
        self,
        x: Array,
        w: Array,
        bias: Array,
        *,
        stride: Ints,
        padding: Ints,
        dilation: Ints,
        groups: int,
    ) -> Array:
        """The convolution plus a number per filter."""
        made = self.conv(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)
        if bias is None:
            return made
        return made + bias.reshape((-1, *(1,) * (made.ndim - 2)))

    def conv_input(
        self,
        g: Array,
        w: Array,
        x_shape: Shape,
        *,
        stride: Ints,
        padding: Ints,
        dilation: Ints,
        groups: int,
    ) -> Array:
        """The transpose of the convolution as a function of ``x``."""
        layout: Any = {"stride": stride, "padding": padding, "dilation": dilation}
        value = numpy_.conv_input(value_of(g), value_of(w), x_shape, groups=groups, **layout)
        windows = _windows(x_shape[2:], w.shape[2:], stride, padding, dilation)
        parts = []
        for i in range(groups):
            weight = _group(w, i, groups, 0).reshape(w.shape[0] // groups, -1)
            mine = _group(g, i, groups, 1)
            columns = self._product_of(weight.T, mine.reshape(*mine.shape[:2], -1))
            shape = (x_shape[0], x_shape[1] // groups, *x_shape[2:])
            parts.append(self._folded(columns, shape, windows))
        return self.computed(value, np.concatenate(parts, axis=1))

    def conv_input_add(
        self,
        g: Array,
        w: Array,
        bias: Array,
        x_shape: Shape,
        *,
        stride: Ints,
        padding: Ints,
        dilation: Ints,
        groups: int,
    ) -> Array:
        """The transposed convolution plus a number per channel."""
        made = self.conv_input(
            g, w, x_shape, stride=stride, padding=padding, dilation=dilation, groups=groups
        )
        if bias is None:
            return made
        return made + bias.reshape((-1, *(1,) * (made.ndim - 2)))

    def conv_weight(
        self,
        g: Array,
        x: Array,
        w_shape: Shape,
        *,
        stride: Ints,
        padding: Ints,
        dilation: Ints,
        groups: int,
    ) -> Array:
        """The transpose of the convolution as a function of ``w``."""
        layout: Any = {"stride": stride, "padding": padding, "dilation": dilation}
        value = numpy_.conv_weight(value_of(g), value_of(x), w_shape, groups=groups, **layout)
        windows = _windows(x.shape[2:], w_shape[2:], stride, padding, dilation)
        parts = []
        for i in range(groups):
            mine = _group(g, i, groups, 1)
            # filters x (images and points), then (images and points) x taps
            first = self.moved_by(lambda a: a.reshape(*a.shape[:2], -1).swapaxes(0, 1), mine)
            second = self.unfold(_group(x, i, groups, 1), windows)
            second = self.moved_by(lambda a: a.transpose(0, 2, 1), second)
            first = first.reshape(first.shape[0], -1)
            parts.append(self._product_of(first, second.reshape(-1, second.shape[2])))
        return self.computed(value, np.concatenate(parts, axis=0).reshape(w_shape))

    def _product_of(self, a: Array, b: Array) -> Array:
        return self.product(*self._as_matrix(a, True), *self._as_matrix(b, False))

    # ---- unfolding ---------------------------------------------------------------------------

    def unfold(self, x: Array, windows: Any) -> Array:
        """Every window as a column."""
        if not isinstance(x, PatternArray):
            return numpy_.unfold(x, windows)
        value = numpy_.unfold(x.value, windows)
        return self.computed(value, numpy_.unfold(self.sets_of(x), windows))

    def fold(self, columns: Array, windows: Any) -> Array:
        """Images to which every column is added where `unfold` takes it from."""
        value = numpy_.fold(value_of(columns), windows)
        return self.computed(value, self._folded(self.sets_of(columns), value.shape, windows))

    def _folded(self, sets: Array, shape: Shape, windows: Any) -> Array:
        places = numpy_.unfold(numbered(shape) + 1, windows)  # 0: padding
        inside = places > 0
        return self.gathered(sets[inside], places[inside] - 1, shape)

    # ---- pools -------------------------------------------------------------------------------

    def max_pool(self, x: Array, windows: Any) -> tuple[Array, Array]:
        """The largest element of each window, which may be any, and its tap."""
        value, places = numpy_.max_pool(value_of(x), windows)
        made = self._pooled(x, value, windows)
        return made, self.computed(places, self.flags(made))

    def max_pool_values(self, x: Array, windows: Any) -> Array:
        """The largest element of each window."""
        return self._pooled(x, numpy_.max_pool_values(value_of(x), windows), windows)

    def max_pool_index(self, places: Array, windows: Any) -> Array:
        """Where the taps are in the space of the images: no name of the contract, but asked for."""
        return self.computed(numpy_.max_pool_index(value_of(places), windows), self.flags(places))

    def max_pool_take(self, x: Array, places: Array, windows: Any) -> Array:
        """The elements at the taps."""
        if not self.local and self.flags(places).any():
            value = numpy_.max_pool_take(value_of(x), value_of(places), windows)
            return self._in_doubt(self._pooled(x, value, windows))
        taps = value_of(places)
        return self.moved_by(lambda a: numpy_.max_pool_take(a, taps, windows), x)

    def max_pool_put(self, g: Array, places: Array, windows: Any) -> Array:
        """Zeros to which each element is added at its tap."""
        taps = value_of(places)
        value = numpy_.max_pool_put(value_of(g), taps, windows)
        if not self.local and self.flags(places).any():
            return self._in_doubt(self._pooled_back(g, value, windows))
        return self.added_up(value, g, numpy_.max_pool_take(numbered(value.shape), taps, windows))

    def avg_pool(
        self, x: Array, windows: Any, count_include_pad: bool, divisor: int | None
    ) -> Array:
        """The mean of each window."""
        value = numpy_.avg_pool(value_of(x), windows, count_include_pad, divisor)
        return self._pooled(x, value, windows)

    def avg_pool_input(
        self, g: Array, windows: Any, count_include_pad: bool, divisor: int | None
    ) -> Array:
        """The transpose of the mean of each window."""
        value = numpy_.avg_pool_input(value_of(g), windows, count_include_pad, divisor)
        return self._pooled_back(g, value, windows)

    def _pooled_back(self, g: Array, value: Array, windows: Any) -> Array:
        """What is added to all of each window."""
        sets = self.sets_of(g)
        for axis, window in zip(range(-len(windows), 0), windows):
            sets = self._united_along(sets, axis, _transposed(_members(window), window.input))
        return self.computed(value, sets)

    def _pooled(self, x: Array, value: Array, windows: Any) -> Array:
        sets = self.sets_of(x)
        for axis, window in zip(range(-len(windows), 0), windows):
            sets = self._united_along(sets, axis, _members(window))
        return self.computed(value, sets)

    def _united_along(self, sets: Array, axis: int, members: Array) -> Array:
        """Along an axis, the union over each row of ``members``; -1 is nobody."""
        moved = np.moveaxis(sets, axis, -1)
        nobody = np.zeros((*moved.shape[:-1], 1), moved.dtype)
        found = np.concatenate((moved, nobody), axis=-1)[..., members]
        return np.moveaxis(self.table.unite(found), -1, axis)

    # ---- padding -----------------------------------------------------------------------------

    def pad(self, x: Array, widths: Widths, value: Any) -> Array:
        """``x`` with constant elements around, or less of it."""
        if not isinstance(x, PatternArray):
            return numpy_.pad(x, widths, value)
        sets = numpy_.pad(self.mine(x).sets, widths, np.zeros((), x.sets.dtype))
        return self.computed(numpy_.pad(x.value, widths, value), sets)

    def pad_mirrored(self, x: Array, widths: Widths, mode: str) -> Array:
        """``x`` with its own elements around."""
        return self.moved_by(lambda a: numpy_.pad_mirrored(a, widths, mode), x)

    def pad_mirrored_sum(self, g: Array, widths: Widths, mode: str) -> Array:
        """The sum of all elements that `pad_mirrored` fills from the same place."""
        value = numpy_.pad_mirrored_sum(value_of(g), widths, mode)
        places = numpy_.pad_mirrored(numbered(value.shape), widths, mode)
        return self.added_up(value, g, places)


def _group(x: Array, i: int, groups: int, axis: int) -> Array:
    """The channels of one group."""
    if groups == 1:
        return x
    size = x.shape[axis] // groups
    return x[(slice(None),) * axis + (slice(i * size, (i + 1) * size),)]


def _members(window: Window | Bins) -> Array:
    """For each window along an axis the elements in it, a row each; -1 is nobody."""
    if isinstance(window, Bins):
        places = window.starts[:, np.newaxis] + np.arange(window.kernel)
        return np.where(places < window.stops[:, np.newaxis], places, -1)
    taps = np.arange(window.kernel) * window.dilation - window.padding
    places = (np.arange(window.output) * window.stride)[:, np.newaxis] + taps
    return np.where((places >= 0) & (places < window.input), places, -1)


def _transposed(members: Array, size: int) -> Array:
    """For each of ``size`` elements the windows that it lies in, a row each; -1 is nobody."""
    window, element = np.nonzero(members >= 0)[0], members[members >= 0]
    order = np.argsort(element, kind="stable")
    counts = np.bincount(element, minlength=size)
    made = np.full((size, max(int(counts.max(initial=0)), 1)), -1)
    first = np.cumsum(counts) - counts
    made[element[order], np.arange(len(order)) - np.repeat(first, counts)] = window[order]
    return made
