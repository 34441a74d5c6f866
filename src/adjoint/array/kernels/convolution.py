"""Convolution in any number of dimensions: the three faces of one trilinear form.

``<g, conv(x, w)>`` is linear in each of its three arrays; `conv`, `conv_input`, `conv_weight` are
its derivatives by the third one, so that they are closed under differentiation. A transposed
convolution is `conv_input`. In: raw arrays x (N, C, *space), w (out, C / groups, *kernel) and
g (N, out, *space') of one dtype; stride, padding and dilation with a number per spatial axis.
Out: a new array in C order.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

from adjoint.array.kernels.small_images import ByInput, ByWeight, Forward, are_small
from adjoint.array.kernels.threads import alone, is_little, split, threads_for
from adjoint.array.kernels.windows import (
    Columns,
    Window,
    columns_for,
    keep_plan,
    kept_plan,
    output_size,
)

__all__ = ["conv", "conv_add", "conv_input", "conv_input_add", "conv_weight"]

Array = Any
Shape = tuple[int, ...]

# Note: blocks
#
# The images are taken in blocks whose columns stay in the cache between the copy that makes them
# and the matrix product that uses them: several small images together, one image of usual size, or
# some rows of a large one. Where an image has few points and the weight is large, the points of the
# images stand side by side in one wide product (`Columns`, ``joined``): the weight is read once.

BLOCK = 1 << 17  # elements of the columns of one block
NARROW = 64  # an image with fewer points ...
HEAVY = 1 << 15  # ... and a weight with at least so many elements: joined

# Note: the gradient by the input
#
# Either the product makes columns, which are added up into the input (`Columns.fold`); or the
# columns of the gradient are multiplied by the reversed kernel, as in a convolution. Adding is
# slower than copying, but the last axis has short rows either way. So the last axis is folded and,
# where that is possible, the others are expanded (a 3x3 convolution: 17 -> 13 ms).


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
    return conv_add(x, w, None, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv_add(
    x: Array,
    w: Array,
    bias: Array | None,
    *,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Array:
    """Return `conv` plus a number per filter, added while the result is in the cache."""
    plan = _small(Forward, x, w.shape, None, stride, padding, dilation, groups, bias is not None)
    if plan is not None:
        return alone(plan, x, w, bias)
    windows = _windows(x.shape, w.shape, stride, padding, dilation, None)
    sizes = tuple(window.output for window in windows)
    y = np.empty((len(x), len(w), *sizes), x.dtype)
    shift = None if bias is None else bias.reshape(-1, *(1,) * len(windows))
    if not x.size or not w.size:
        y[...] = 0 if shift is None else shift
        return y
    weight = _computable(w).reshape(groups, len(w) // groups, -1)
    work = _Work.of(len(x), sizes, w.size, x.shape[1] * prod(w.shape[2:]))
    layout = _Layout(groups, weight.dtype, work.narrow and w.size >= HEAVY)

    def run(first: int, last: int) -> None:
        source = _Side("conv x", x, windows, layout, inner=True)
        target = _Side("conv y", y, [_unit(n) for n in sizes], layout, inner=False)
        for block in blocks[first:last]:
            np.matmul(weight, source.columns(block), out=target.matrices(block))
            target.fold(block, fresh=True)
            if shift is not None:
                part = y[block.outer]
                np.add(part, shift, out=part)

    blocks = work.blocks(windows[0])
    split(run, len(blocks), work.seconds)
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
    plan = _small(ByInput, g, w.shape, x_shape, stride, padding, dilation, groups)
    if plan is not None:
        return alone(plan, g, w)
    windows = _windows(x_shape, w.shape, stride, padding, dilation, g.shape)
    x = np.empty(x_shape, g.dtype)
    if not x.size or not g.size:
        x.fill(0)
        return x
    g = np.ascontiguousarray(g)
    expanded = _expanded_axes(g.shape, w.shape, groups, windows)
    rows = expanded[0]  # the rows of x are cut, each with the rows of g that it meets
    g_windows = [a.transposed() if e else _unit(a.output) for a, e in zip(windows, expanded)]
    x_windows = [_unit(a.input) if e else a for a, e in zip(windows, expanded)]
    weight = _transposed_weight(_computable(w), groups, expanded)

    sizes = tuple(a.output for a in g_windows)
    work = _Work.of(len(g), sizes, w.size, groups * max(weight.shape[1:]))
    layout = _Layout(groups, weight.dtype, work.narrow and w.size >= HEAVY)

    def run(first: int, last: int) -> None:
        source = _Side("conv_input g", g, g_windows, layout, inner=rows)
        target = _Side("conv_input x", x, x_windows, layout, inner=not rows)
        for block in blocks[first * together : last * together]:
            np.matmul(weight, source.columns(block), out=target.matrices(block))
            target.fold(block, fresh)

    window = (g_windows if rows else x_windows)[0]
    blocks = work.blocks(window)
    # Neighbouring rows of g may add to the same rows of x: then one thread has them all.
    fresh = rows or blocks[0].window == window
    together = 1 if fresh else sum(block.first == 0 for block in blocks)
    if not fresh:
        x.fill(0)
    split(run, len(blocks) // together, work.seconds)
    return x


def conv_input_add(
    g: Array,
    w: Array,
    bias: Array | None,
    x_shape: Shape,
    *,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Array:
    """Return `conv_input` plus a number per channel of ``x``."""
    x = conv_input(g, w, x_shape, stride=stride, padding=padding, dilation=dilation, groups=groups)
    if bias is not None:
        x += bias.reshape(-1, *(1,) * (x.ndim - 2))
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
    plan = _small(ByWeight, x, w_shape, g.shape, stride, padding, dilation, groups)
    if plan is not None:
        return alone(plan, g, x)
    windows = _windows(x.shape, w_shape, stride, padding, dilation, g.shape)
    if not x.size or not g.size:
        return np.zeros(w_shape, g.dtype)
    g = np.ascontiguousarray(g)
    sizes, weights = g.shape[2:], prod(w_shape)
    work = _Work.of(len(x), sizes, weights, x.shape[1] * prod(w_shape[2:]))
    layout = _Layout(groups, _computing(g.dtype), work.points <= 2 * NARROW)
    sums: dict[int, Array] = {}

    def run(first: int, last: int) -> None:
        left = _Side("conv_weight g", g, [_unit(n) for n in sizes], layout, inner=False)
        right = _Side("conv_weight x", x, windows, layout, inner=True)
        total = None
        for block in blocks[first:last]:
            if weights >= HEAVY:
                term = np.matmul(left.columns(block), right.columns(block).swapaxes(-1, -2))
            else:  # OpenBLAS is faster this way round
                term = np.matmul(right.columns(block), left.columns(block).swapaxes(-1, -2))
                term = term.swapaxes(-1, -2)
            if not layout.joined:
                term = term[0] if len(term) == 1 else np.add.reduce(term, 0)
            total = term if total is None else np.add(total, term, out=total)
        sums[first] = total

    blocks = work.blocks(windows[0])
    split(run, len(blocks), work.seconds)
    total, *others = (sums[first] for first in sorted(sums))  # in the order of the images
    for other in others:
        total += other
    return np.ascontiguousarray(total, g.dtype).reshape(w_shape)


def _small(
    face: type[Any],
    array: Array,
    w: Shape,
    other: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    bias: bool = False,
) -> Any:
    """Return the plan of one face where images are small, else None (see `small_images`).

    ``array``: x, or g for its gradient; ``other``: the shape of the other one (None: of y).
    """
    shapes = array.shape, w, None if other is None else tuple(other)
    settings = tuple(stride), tuple(padding), tuple(dilation), groups
    key = (face, *shapes, array.dtype, *settings, bias)
    plan = kept_plan(key)
    if plan is not None:
        return plan
    x, y = shapes[0], shapes[2]
    if face is ByInput:
        x, y = y, x
    windows = _cached_windows(x, w, y, *settings[:3])
    if not are_small(x[0], w, groups, windows, array.dtype):
        return None
    work = _Work.of(x[0], tuple(a.output for a in windows), prod(w), x[1] * prod(w[2:]))
    if not is_little(work.seconds):
        return None
    computing = _computing(array.dtype)
    more = (bias,) if face is Forward else ()
    plan = face(x[0], w, groups, windows, array.dtype, computing, *more)
    keep_plan(key, plan)
    return plan


# ---- sizes ---------------------------------------------------------------------------------------


def _windows(
    x: Shape,
    w: Shape,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    y: Shape | None,
) -> list[Window]:
    """Return the windows; ``y`` may have fewer outputs than fit (``output_padding``)."""
    shapes = tuple(x), tuple(w), None if y is None else tuple(y)
    return _cached_windows(*shapes, tuple(stride), tuple(padding), tuple(dilation))


@lru_cache(1024)
def _cached_windows(
    x: Shape, w: Shape, y: Shape | None, stride: Shape, padding: Shape, dilation: Shape
) -> list[Window]:
    windows = [
        Window(n, output_size(n, k, s, p, d), k, s, p, d)
        for n, k, s, p, d in zip(x[2:], w[2:], stride, padding, dilation, strict=True)
    ]
    if y is None:
        return windows
    return [window._replace(output=n) for window, n in zip(windows, y[2:], strict=True)]


def _unit(size: int) -> Window:
    """Return the window that changes nothing."""
    return Window(size, size, 1)


class _Block(NamedTuple):
    """A part of the work: some images or, of one image, the rows that meet some outer rows."""

    first: int
    images: int
    inner: Any  # index of the part in the array at the window's input
    outer: Any  # and at its output
    window: Window  # along the rows


class _Work(NamedTuple):
    """How much there is to do, and how it is cut."""

    images: int
    points: int  # of an image: columns of its matrix
    columns: int  # elements of the columns of an image
    seconds: float  # rough estimate of what it takes on one thread

    @classmethod
    def of(cls, images: int, sizes: Shape, weights: int, rows: int) -> "_Work":
        """Count; ``rows`` is the height of an image's matrix of columns, all groups together."""
        points = prod(sizes)
        seconds = images * points * (weights / 8e10 + rows * 2e-10)
        return cls(images, points, rows * points, seconds)

    @property
    def narrow(self) -> bool:
        return self.points < NARROW

    def blocks(self, window: Window) -> list[_Block]:
        """Cut into blocks of about `BLOCK` elements; the blocks of one image follow each other."""
        n, threads = self.images, threads_for(self.seconds)
        parts = max(self.columns // (2 * BLOCK), threads // n)
        if parts <= 1:
            share = -(-n // threads)  # images of one thread
            size = min(max(1, BLOCK * (4 if self.narrow else 1) // self.columns), share)
            size = -(-share // -(-share // size))  # the same number of blocks, of equal size
            cuts = [(a, min(size, n - a), slice(a, a + size)) for a in range(0, n, size)]
            return [_Block(a, m, part, part, window) for a, m, part in cuts]
        ends = [window.output * i // parts for i in range(parts + 1)]
        rows = [(slice(a, b), *_rows(window, a, b)) for a, b in pairwise(ends) if a < b]
        images = [(slice(a, a + 1), slice(None)) for a in range(n)]
        return [
            _Block(a, 1, (*image, inner), (*image, outer), part)
            for a, image in enumerate(images)
            for outer, inner, part in rows
        ]


def _rows(window: Window, top: int, bottom: int) -> tuple[slice, Window]:
    """Return the input rows that the output rows ``top`` to ``bottom`` meet, and their window."""
    size, _, kernel, stride, padding, dilation = window
    start = top * stride - padding
    stop = (bottom - 1) * stride - padding + dilation * (kernel - 1) + 1
    first = min(max(start, 0), size)
    last = max(min(stop, size), first)
    shift = first - start  # what is cut off in front was padding
    return slice(first, last), Window(last - first, bottom - top, kernel, stride, shift, dilation)


# ---- layouts -------------------------------------------------------------------------------------


class _Layout(NamedTuple):
    groups: int
    dtype: np.dtype[Any]  # to multiply in
    joined: bool


class _Side:
    """One array of the form during a run: its part in each block, and its columns.

    ``role`` is unique to a place in this file, as `columns_for` demands. ``inner`` tells on which
    side of the blocks' window along the rows the array is.
    """

    def __init__(
        self, role: str, array: Array, windows: Sequence[Window], layout: _Layout, inner: bool
    ) -> None:
        self._role, self._array, self._layout, self._inner = role, array, layout, inner
        self._windows = tuple(windows)
        self._plans: dict[tuple[int, Window], Columns] = {}

    def _plan(self, block: _Block) -> Columns:
        key = (block.images, block.window)
        plan = self._plans.get(key)
        if plan is None:
            window = block.window if self._inner else _unit(block.window.output)
            array, (groups, dtype, joined) = self._array, self._layout
            self._plans[key] = plan = columns_for(
                self._role,
                (block.images, array.shape[1], groups),
                (window, *self._windows[1:]),
                dtype,
                joined,
                array.dtype == dtype,
            )
        return plan

    def _part(self, block: _Block) -> Array:
        return self._array[block.inner if self._inner else block.outer]

    def columns(self, block: _Block) -> Array:
        """Return the columns of the array's part as matrices."""
        return self._plan(block).expand(self._part(block))

    def matrices(self, block: _Block) -> Array:
        """Return where to write columns that `fold` will add up."""
        return self._plan(block).matrices(self._part(block))

    def fold(self, block: _Block, fresh: bool) -> None:
        """Add the columns up into the array's part, overwriting it if it is ``fresh``."""
        self._plan(block).fold(self._part(block), fresh)


def _computing(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype to multiply in: BLAS has no 16-bit floats."""
    return np.dtype(np.float32) if dtype.itemsize == 2 and dtype.kind in "fV" else dtype


def _computable(w: Array) -> Array:
    return w.astype(_computing(w.dtype), copy=False)


def _expanded_axes(g: Shape, w: Shape, groups: int, windows: Sequence[Window]) -> list[bool]:
    """Return for each axis whether the gradient by the input expands it (or folds it)."""
    filters, channels, *kernel = w
    points = len(g) * prod(g[2:])
    worth = (
        8 * filters <= points * groups  # the weight is small: it has to be transposed
        and filters <= 3 * groups * channels * kernel[-1]  # copies of g are cheaper than sums in x
    )
    return [worth and window.transposable for window in windows[:-1]] + [windows[-1].trivial]


def _transposed_weight(w: Array, groups: int, expanded: Sequence[bool]) -> Array:
    """Return (groups, channels * folded taps, filters * expanded taps reversed)."""
    _, channels, *kernel = w.shape
    w = w[(slice(None), slice(None), *(slice(None, None, -1 if e else 1) for e in expanded))]
    w = w.reshape(groups, -1, channels, *kernel)
    folded = [3 + axis for axis, e in enumerate(expanded) if not e]
    others = [3 + axis for axis, e in enumerate(expanded) if e]
    rows = channels * prod(w.shape[axis] for axis in folded)
    return w.transpose(0, 2, *folded, 1, *others).reshape(groups, rows, -1)
