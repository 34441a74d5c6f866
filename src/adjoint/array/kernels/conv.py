"""Convolution in any number of dimensions: the three faces of one trilinear form.

``<g, conv(x, w)>`` is linear in each of its three arrays; `conv`, `conv_input`, `conv_weight` are
its derivatives by the third one, so that they are closed under differentiation. A transposed
convolution is `conv_input`. In: raw arrays x (N, C, *space), w (out, C / groups, *kernel) and
g (N, out, *space') of one dtype; stride, padding and dilation with a number per spatial axis.
Out: a new array in C order.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

from adjoint.array.kernels.threads import split, threads_for
from adjoint.array.kernels.windows import Columns, Window, output_size

__all__ = ["conv", "conv_input", "conv_weight"]

Array = Any
Shape = tuple[int, ...]

# Note: blocks
#
# The images are taken in blocks whose columns stay in the cache between the copy that makes them
# and the matrix product that uses them: several small images together, one image of usual size, or
# some rows of a large one. Where an image has few points and the weight is large, the points of the
# images stand side by side in one wide product (`Columns`, ``joined``): the weight is read once.

BLOCK = 1 << 18  # elements of the columns of one block
NARROW = 64  # an image with fewer points ...
HEAVY = 1 << 15  # ... and a weight with at least so many elements make a wide product worth it


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
    if not x.size or not y.size:
        y.fill(0)
        return y
    weight = form.matrices(w)
    joined = form.narrow and form.heavy

    def work(first: int, last: int) -> None:
        plan_of = form.planner(weight.dtype, joined)
        for block in blocks[first:last]:
            columns = plan_of(block).expand(x[block.inputs], groups)
            target = y[block.outputs]
            if joined or y.dtype != weight.dtype:
                form.scatter(np.matmul(weight, columns), target, joined)
            else:
                # A view: rows of an image lie together.
                np.matmul(weight, columns, out=target.reshape(len(target), *weight.shape[:2], -1))

    blocks = form.blocks()
    split(work, len(blocks), form.seconds)
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
    x = np.empty(x_shape, g.dtype)
    blocks, rows = form.blocks(), form.row_blocks
    if not x.size or not g.size or rows > 1:
        x.fill(0)
        if not x.size or not g.size:
            return x
    g = np.ascontiguousarray(g)
    weight = form.matrices(w).swapaxes(1, 2)
    joined = form.narrow and form.heavy

    def work(first: int, last: int) -> None:
        plan_of = form.planner(weight.dtype, joined)
        for block in blocks[first * rows : last * rows]:
            plan = plan_of(block)
            part = form.gather(g[block.outputs], weight.dtype, joined)
            np.matmul(weight, part, out=plan.matrices(groups))
            plan.fold(x[block.inputs], fresh=rows == 1)

    # Neighbouring rows of an image add to the same inputs: one thread has them all.
    split(work, len(blocks) // rows, form.seconds)
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
    if not x.size or not g.size:
        return np.zeros(w_shape, g.dtype)
    g = np.ascontiguousarray(g)
    dtype = _computing(g.dtype)
    joined = form.narrow
    sums: dict[int, Array] = {}

    def work(first: int, last: int) -> None:
        plan_of = form.planner(dtype, joined)
        total = None
        for block in blocks[first:last]:
            columns = plan_of(block).expand(x[block.inputs], groups)
            part = form.gather(g[block.outputs], dtype, joined)
            if form.heavy:
                term = np.matmul(part, columns.swapaxes(-1, -2))
            else:  # OpenBLAS has the product faster this way round
                term = np.matmul(columns, part.swapaxes(-1, -2)).swapaxes(-1, -2)
            if not joined:
                term = term[0] if len(term) == 1 else np.add.reduce(term, 0)
            total = term if total is None else np.add(total, term, out=total)
        sums[first] = total

    blocks = form.blocks()
    split(work, len(blocks), form.seconds)
    total, *others = (sums[first] for first in sorted(sums))  # in the order of the images
    for other in others:
        total += other
    return np.ascontiguousarray(total, g.dtype).reshape(w_shape)


def _computing(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype to multiply in: BLAS has no 16-bit floats."""
    return np.dtype(np.float32) if dtype.itemsize == 2 and dtype.kind in "fV" else dtype


class _Block(NamedTuple):
    """A part of the work: some images, or some rows of one."""

    inputs: Any  # index into x
    outputs: Any  # index into y
    images: int
    window: Window  # along the rows


class _Form(NamedTuple):
    """The sizes of one convolution, and how its arrays are cut and laid out for matrix products."""

    images: int
    channels: int
    filters: int
    groups: int
    windows: tuple[Window, ...]
    output_shape: Shape
    points: int  # outputs of one filter in one image
    columns: int  # elements of the columns of one image
    seconds: float  # rough estimate of what products and copies cost on one thread
    narrow: bool
    heavy: bool

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
        output = (x[0], w[0], *(window.output for window in windows))
        points = prod(output[2:])
        columns = x[1] * prod(w[2:]) * points
        seconds = x[0] * columns * (w[0] / groups / 8e10 + 2e-10)
        return cls(
            *(x[0], x[1], w[0], groups, windows, output, points, columns, seconds),
            *(points < NARROW, prod(w) >= HEAVY),
        )

    # ---- blocks

    @property
    def row_blocks(self) -> int:
        """Into how many blocks of rows an image is cut."""
        return min(self.windows[0].output, max(1, self.columns // (2 * BLOCK)))

    def blocks(self) -> list[_Block]:
        """Cut the images into blocks; the blocks of one image follow each other."""
        n, window, parts = self.images, self.windows[0], self.row_blocks
        if parts == 1:
            threads = threads_for(self.seconds)
            share = -(-n // threads)  # images of one thread
            size = max(1, min(BLOCK // self.columns, share))
            size = -(-share // -(-share // size))  # as many blocks, of equal size
            images = [(slice(a, a + size), min(size, n - a)) for a in range(0, n, size)]
            return [_Block(index, index, size, window) for index, size in images]
        rows = [window.output * i // parts for i in range(parts + 1)]
        cuts = [(slice(a, b), *_rows(window, a, b)) for a, b in pairwise(rows)]
        every = slice(None)
        return [
            _Block((slice(i, i + 1), every, inputs), (slice(i, i + 1), every, outputs), 1, part)
            for i in range(n)
            for outputs, inputs, part in cuts
        ]

    def planner(self, dtype: np.dtype[Any], joined: bool) -> Callable[[_Block], Columns]:
        """Return a function from a block to its plan; blocks of the same shape share one."""
        plans: dict[tuple[int, Window], Columns] = {}

        def plan_of(block: _Block) -> Columns:
            plan = plans.get(block[2:])
            if plan is None:
                windows = (block.window, *self.windows[1:])
                plan = Columns(block.images, self.channels, windows, dtype, joined)
                plans[block[2:]] = plan
            return plan

        return plan_of

    # ---- layouts

    def matrices(self, w: Array) -> Array:
        """Return the weight as (groups, filters / groups, channels / groups * taps)."""
        shape = (self.groups, self.filters // self.groups, -1)
        return w.astype(_computing(w.dtype), copy=False).reshape(shape)

    def gather(self, g: Array, dtype: np.dtype[Any], joined: bool) -> Array:
        """Return outputs as (images, groups, filters / groups, points), or joined."""
        g = g.astype(dtype, copy=False)
        shape = (self.groups, self.filters // self.groups, -1)
        return g.swapaxes(0, 1).reshape(shape) if joined else g.reshape(len(g), *shape)

    def scatter(self, made: Array, y: Array, joined: bool) -> None:
        """Write into ``y`` what `gather` would have read from there."""
        if joined:
            y.swapaxes(0, 1)[...] = made.reshape(self.filters, len(y), *y.shape[2:])
        else:
            y[...] = made.reshape(y.shape)


def _rows(window: Window, top: int, bottom: int) -> tuple[slice, Window]:
    """Return the input rows that the output rows ``top`` to ``bottom`` meet, and their window."""
    size, _, kernel, stride, padding, dilation = window
    start = top * stride - padding
    stop = (bottom - 1) * stride - padding + dilation * (kernel - 1) + 1
    first = min(max(start, 0), size)
    last = max(min(stop, size), first)
    shift = first - start  # what is cut off in front was padding
    return slice(first, last), Window(last - first, bottom - top, kernel, stride, shift, dilation)
