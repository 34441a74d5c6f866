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
from adjoint.array.kernels.windows import Columns, Window, output_size

__all__ = ["conv", "conv_input", "conv_weight"]

Array = Any
Shape = tuple[int, ...]

# Note: blocks
#
# The images are taken in blocks whose columns stay in the cache between the copy that makes them and
# the matrix product that uses them: several small images together, one image of usual size, or some
# rows of a large one. Where an image has few points and the weight is large, the points of the
# images stand side by side in one wide product (`Columns`, ``joined``): the weight is read once.

BLOCK = 1 << 18  # elements of the columns of one block
NARROW = 64  # points of an image below which ...
HEAVY = 1 << 15  # ... and elements of the weight from which on images are joined


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
    weight = form.matrix(w)

    def work(first: int, last: int) -> None:
        plan_of = form.planner(weight.dtype)
        for block in blocks[first:last]:
            plan = plan_of(block)
            plan.expand(x[block.inputs])
            columns = plan.matrices(groups)
            target = y[block.outputs]
            if form.joined or target.dtype != weight.dtype:
                form.spread(np.matmul(weight, columns), target)
            else:
                out = target.reshape(len(target), *weight.shape[:2], -1)  # a view
                np.matmul(weight, columns, out=out)

    blocks = form.blocks()
    split(work, len(blocks), form.seconds())
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
    if not x.size or not g.size:
        x.fill(0)
        return x
    weight = form.matrix(w).swapaxes(1, 2)

    def work(first: int, last: int) -> None:
        plan_of = form.planner(weight.dtype)
        for block in blocks[first * rows : last * rows]:
            plan = plan_of(block)
            np.matmul(weight, form.gather(g[block.outputs], weight.dtype), out=plan.matrices(groups))
            plan.fold(x[block.images], x[block.inputs], fresh=block.top == 0)

    blocks = form.blocks()
    rows = len(form.row_blocks())  # neighbouring rows meet the same inputs: one thread has them all
    split(work, len(blocks) // rows, form.seconds())
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
