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

BLOCK = 1 << 17  # elements of the columns of one block
ROWS = 1 << 19  # elements of the columns of one image from which on it is cut
NARROW = 64  # an image with fewer points ...
HEAVY = 1 << 15  # ... and a weight with at least so many elements: joined

# Note: the gradient by the input
#
# Either the product makes columns, which are added up into the input (`Columns.fold`); or the
# columns of the gradient are multiplied by the reversed kernel, as in a convolution. Adding is
# slower than copying and takes C instead of ``out`` channels. Best is mostly to fold the last axis
# and, where the stride is 1, to expand the others.


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
    windows = _windows(x.shape, w.shape, stride, padding, dilation)
    y = np.empty((len(x), len(w), *(window.output for window in windows)), x.dtype)
    if not x.size or not y.size:
        y.fill(0)
        return y
    weight = _by_groups(_computable(w), groups)
    work = _Work.of(x.shape, w.shape, groups, windows)
    joined = work.points < NARROW and w.size >= HEAVY

    def run(first: int, last: int) -> None:
        plan_of = _plans(x.shape[1], windows, weight.dtype, joined)
        for block in blocks[first:last]:
            columns = plan_of(block.images, block.window).expand(x[block.inputs], groups)
            target = y[block.outputs]
            if joined or y.dtype != weight.dtype:
                _scatter(np.matmul(weight, columns), target, joined)
            else:
                np.matmul(weight, columns, out=_matrices(target, groups))

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
    windows = _windows(x_shape, w.shape, stride, padding, dilation)
    x = np.empty(x_shape, g.dtype)
    if not x.size or not g.size:
        x.fill(0)
        return x
    g, w = np.ascontiguousarray(g), _computable(w)
    spread = _spread_axes(x_shape, w.shape, groups, windows)
    out_windows = [a.transposed() if s else _unit(a.output) for a, s in zip(windows, spread)]
    in_windows = [_unit(a.input) if s else a for a, s in zip(windows, spread)]

    weight = form.matrices(w).swapaxes(1, 2)
