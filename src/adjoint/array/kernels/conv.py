"""Convolution in any number of dimensions: the three faces of one trilinear form.

``<g, conv(x, w)>`` is linear in each of its three arrays; `conv`, `conv_input` and `conv_weight` are its
derivatives by the third one, so that they are closed under differentiation. A transposed
convolution is `conv_input`. In: raw arrays x (N, C, *space), w (out, C / groups, *kernel), g (N, out, *space')
of one dtype, and a stride, padding and dilation per spatial axis. Out: a new C-contiguous array.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from adjoint.array.kernels.threads import available, split
from adjoint.array.kernels.windows import Expansion, Folding, Window, output_size

__all__ = ["conv", "conv_input", "conv_weight"]

Array = Any
Shape = tuple[int, ...]

# Note: blocks
#
# The images are taken in blocks whose columns stay in the cache between the copy that makes them and
# the matrix product that uses them: many small images together (one wide product instead of many
# narrow ones), one image of usual size, or some rows of a large one.

BLOCK = 1 << 18  # elements of the columns of one block
WIDE = 256  # a matrix product is not worth widening beyond so many columns


def conv(
    x: Array,
    w: Array,
    *,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Array:
    """Return the cross-correlation of ``x`` with ``w``: the convolution of neural networks.

    Shape: x (N, C, *space), w (out, C / groups, *kernel); result (N, out, *space').
    """
    form = _Form.of(x.shape, w.shape, stride, padding, dilation, groups)
    y = np.empty(form.output_shape, x.dtype)
    if not y.size:
        return y
    weight = form.flat_weight(w)

    def work(first: int, last: int) -> None:
        expand = form.planner(Expansion, weight.dtype)
        for part in parts[first:last]:
            plan = expand(part)
            columns = plan(form.input_of(x, part)).reshape(groups, weight.shape[2], -1)
            form.write(y, part, weight, columns)

    parts = [(*images, *rows) for images in form.image_blocks() for rows in form.row_blocks()]
    split(work, len(parts), form.seconds())
    return y


def conv_input(
    g: Array,
    w: Array,
    x_shape: Shape,
    *,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Array:
    """Return the gradient of ``sum(g * conv(x, w))`` by ``x``: the transposed convolution of ``g``.

    Shape: g (N, out, *space'), w (out, C / groups, *kernel); result ``x_shape`` = (N, C, *space).
    """
    form = _Form.of(x_shape, w.shape, stride, padding, dilation, groups)
    if form.flips:
        return conv(
            g,
            form.flipped_weight(w),
            stride=stride,
            padding=[a.dilation * (a.kernel - 1) - a.padding for a in form.windows],
            dilation=dilation,
            groups=groups,
        )
    x = np.zeros(x_shape, g.dtype)
    if not x.size or not g.size:
        return x
    weight = np.ascontiguousarray(form.flat_weight(w).swapaxes(1, 2))

    def work(first: int, last: int) -> None:
        fold = form.planner(Folding, weight.dtype)
        for images in blocks[first:last]:
            for rows in form.row_blocks():
                part = (*images, *rows)
                plan = fold(part)
                out = plan.columns.reshape(groups, weight.shape[1], -1)
                np.matmul(weight, form.output_of(g, part, weight.dtype), out=out)
                plan(form.input_of(x, part))

    blocks = form.image_blocks()
    split(work, len(blocks), form.seconds())
    return x


def conv_weight(
    g: Array,
    x: Array,
    w_shape: Shape,
    *,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Array:
    """Return the gradient of ``sum(g * conv(x, w))`` by ``w``.

    Shape: g (N, out, *space'), x (N, C, *space); result ``w_shape`` = (out, C / groups, *kernel).
    """
    form = _Form.of(x.shape, w_shape, stride, padding, dilation, groups)
    if not g.size or not x.size:
        return np.zeros(w_shape, g.dtype)
    dtype = _computing(g.dtype)
    sums: dict[int, Array] = {}

    def work(first: int, last: int) -> None:
        expand = form.planner(Expansion, dtype)
        total = None
        for part in parts[first:last]:
            plan = expand(part)
            columns = plan(form.input_of(x, part)).reshape(groups, -1, form.points(part))
            term = np.matmul(form.output_of(g, part, dtype), columns.swapaxes(1, 2))
            total = term if total is None else np.add(total, term, out=total)
        sums[first] = total

    parts = [(*images, *rows) for images in form.image_blocks() for rows in form.row_blocks()]
    split(work, len(parts), form.seconds())
    total, *others = (sums[first] for first in sorted(sums))  # the order of the images, not of arrival
    for other in others:
        total += other
    return form.unflat_weight(total).astype(g.dtype, copy=False)


def _computing(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype to multiply in: BLAS has no 16-bit floats."""
    return np.dtype(np.float32) if dtype.itemsize == 2 and dtype.kind in "fV" else dtype


Part = tuple[int, int, int, int]  # images [0] to [1], rows of the output [2] to [3]


class _Form(NamedTuple):
    """The sizes of one convolution, and how its arrays are cut and laid out for matrix products."""

    images: int
    channels: int
    filters: int
    groups: int
    windows: tuple[Window, ...]

    @classmethod
    def of(
        cls,
        x: Shape,
        w: Shape,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
    ) -> "_Form":
        windows = tuple(
            Window(n, output_size(n, k, s, p, d), k, s, p, d)
            for n, k, s, p, d in zip(x[2:], w[2:], stride, padding, dilation, strict=True)
        )
        return cls(x[0], x[1], w[0], groups, windows)

    # ---- sizes

    @property
    def output_shape(self) -> Shape:
        return (self.images, self.filters, *(a.output for a in self.windows))

    @property
    def columns(self) -> int:
        """How many elements the columns of one image have."""
        return self.channels * prod(a.kernel * a.output for a in self.windows)

    def seconds(self) -> float:
        """Estimate what the product and the copies cost on one thread."""
        return self.images * self.columns * (self.filters / self.groups / 8e10 + 2e-10)

    @property
    def flips(self) -> bool:
        """Whether the transposed convolution is itself best done as a convolution."""
        inputs = prod(a.input for a in self.windows)
        outputs = prod(a.output for a in self.windows)
        return (
            all(
                a.stride == 1
                and a.dilation * (a.kernel - 1) >= a.padding
                and a.output == output_size(a.input, a.kernel, 1, a.padding, a.dilation)
                for a in self.windows
            )
            and self.filters * inputs <= 3 * self.channels * outputs
        )

    # ---- blocks

    def image_blocks(self) -> list[tuple[int, int]]:
        """Cut the images into blocks, at least one per thread."""
        points = prod(a.output for a in self.windows)
        size = 1 if points >= WIDE else max(1, BLOCK // self.columns)
        count = max(-(-self.images // size), min(available(), self.images))
        return [
            (self.images * i // count, self.images * (i + 1) // count) for i in range(count)
        ]

    def row_blocks(self) -> list[tuple[int, int]]:
        """Cut the rows of the output (its first spatial axis) where one image is too large."""
        rows = self.windows[0].output
        count = min(rows, max(1, self.columns // (2 * BLOCK)))
        return [(rows * i // count, rows * (i + 1) // count) for i in range(count)]

    def planner(self, make: Callable[..., Any], dtype: np.dtype[Any]) -> Callable[[Part], Any]:
        """Return a function from a part to its plan; parts of equal shape share one."""
        plans: dict[tuple[int, Window], Any] = {}

        def plan(part: Part) -> Any:
            first, last, top, bottom = part
            key = (last - first, self._rows(top, bottom)[1])
            if key not in plans:
                plans[key] = make(self.channels, key[0], (key[1], *self.windows[1:]), dtype)
            return plans[key]

        return plan

    def _rows(self, top: int, bottom: int) -> tuple[slice, Window]:
        """Return the input rows that output rows ``top`` to ``bottom`` meet, and their window."""
        a = self.windows[0]
        if bottom - top == a.output:
            return slice(None), a
        start = top * a.stride - a.padding
        stop = (bottom - 1) * a.stride - a.padding + a.dilation * (a.kernel - 1) + 1
        rows = slice(max(start, 0), max(min(stop, a.input), 0))
        size = max(rows.stop - rows.start, 0)
        return rows, Window(size, bottom - top, a.kernel, a.stride, max(-start, 0), a.dilation)

    def input_of(self, x: Array, part: Part) -> Array:
        """Return the images and rows of ``x`` that a part meets, as a view."""
        first, last, top, bottom = part
        return x[first:last, :, self._rows(top, bottom)[0]]

    def points(self, part: Part) -> int:
        """Return how many outputs one filter has in a part."""
        first, last, top, bottom = part
        return (last - first) * (bottom - top) * prod(a.output for a in self.windows[1:])

    def output_of(self, g: Array, part: Part, dtype: np.dtype[Any]) -> Array:
        """Return a part of ``g`` as (groups, filters / groups, points)."""
        first, last, top, bottom = part
        block = g[first:last, :, top:bottom].swapaxes(0, 1).astype(dtype, copy=False)
        return block.reshape(self.groups, self.filters // self.groups, self.points(part))

    def write(self, y: Array, part: Part, weight: Array, columns: Array) -> None:
        """Write the product of weight and columns into a part of ``y``."""
        first, last, top, bottom = part
        target = y[first:last, :, top:bottom]
        shape = (self.groups, self.filters // self.groups, columns.shape[2])
        if last - first == 1 and bottom - top == self.windows[0].output and y.dtype == weight.dtype:
            np.matmul(weight, columns, out=target.reshape(shape))
            return
        made = np.matmul(weight, columns)
        target.swapaxes(0, 1)[...] = made.reshape(self.filters, *target.shape[:1], *target.shape[2:])

    # ---- weights

    def flat_weight(self, w: Array) -> Array:
        """Return ``w`` as (groups, filters / groups, channels / groups * taps), taps last axis first."""
        spatial = range(w.ndim - 1, 1, -1)
        w = w.transpose(0, 1, *spatial).astype(_computing(w.dtype), copy=False)
        return w.reshape(self.groups, self.filters // self.groups, -1)

    def unflat_weight(self, flat: Array) -> Array:
        """Undo `flat_weight`."""
        kernel = [a.kernel for a in reversed(self.windows)]
        shape = (self.filters, self.channels // self.groups, *kernel)
        spatial = range(len(shape) - 1, 1, -1)
        return np.ascontiguousarray(flat.reshape(shape).transpose(0, 1, *spatial))

    def flipped_weight(self, w: Array) -> Array:
        """Return the weight that makes the transposed convolution a convolution of ``g``."""
        channels = self.channels // self.groups
        reverse = (slice(None, None, -1),) * len(self.windows)
        w = w[(slice(None), slice(None), *reverse)]
        w = w.reshape(self.groups, self.filters // self.groups, channels, *w.shape[2:])
        return w.swapaxes(1, 2).reshape(self.channels, self.filters // self.groups, *w.shape[3:])
