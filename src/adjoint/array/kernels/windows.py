"""Sliding windows over the spatial axes of (batch, channel, *space) arrays: what all kernels share.

In: sizes, strides, paddings, dilations, one number per spatial axis. Out: the size of the result,
which input element each tap of the kernel meets (`taps`), and two plans that move a block of images
between input and columns: `Expansion` (im2col) and `Folding`, its transpose (col2im).
"""

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Expansion", "Folding", "Tap", "Window", "output_size", "taps"]

Array = Any
Shape = tuple[int, ...]

# Note: one axis at a time
#
# Columns hold, for every channel and every tap of the kernel, the input as the outputs see it
# through that tap. They are made one spatial axis at a time, the last one first:
#
#     (C, b, H, W)  ->  (C, kw, b, H, ow)  ->  (C, kw, kh, b, oh, ow)
#
# The first step copies short rows (ow elements), but only 1/kh of the columns; the last and largest
# one copies long rows (oh * ow elements when the stride is 1). Copying all windows at once copies short
# rows only and takes twice as long. The taps therefore come in reverse order of the axes: a weight
# must be transposed to (out, C, kw, kh), which is small. Folding is the same in the other direction.


class Window(NamedTuple):
    """The window along one spatial axis: sizes of input and output, kernel, stride, ..."""

    input: int
    output: int
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def trivial(self) -> bool:
        """Whether the output along this axis is the input."""
        return self.kernel == 1 and self.stride == 1 and self.padding == 0


class Tap(NamedTuple):
    """One position of the kernel: ``output[out]`` meets ``input[inp]``; the rest meets padding."""

    out: slice
    inp: slice


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Return how many windows fit into ``size`` elements and the padding on both sides.

    Example:
        >>> output_size(8, kernel=3, stride=2, padding=1, dilation=1)
        4
    """
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def taps(window: Window) -> list[Tap]:
    """Return for each tap which outputs see the input through it, and where.

    Example:
        >>> taps(Window(input=4, output=4, kernel=3, padding=1))[0]
        Tap(out=slice(1, 4, None), inp=slice(0, 3, 1))
    """
    size, count, kernel, stride, padding, dilation = window
    found = []
    for k in range(kernel):
        shift = k * dilation - padding  # output o meets input o * stride + shift
        first = min(max(0, -(shift // stride)), count)
        last = max(first, min(count, (size - 1 - shift) // stride + 1))
        start = first * stride + shift
        stop = start + (last - first - 1) * stride + 1 if last > first else start
        found.append(Tap(slice(first, last), slice(max(start, 0), max(stop, 0), stride)))
    return found


class _Step(NamedTuple):
    """One axis of a plan: the shapes it moves between, without the images, and its taps."""

    small: Shape  # (C, taps so far, *dims) before the axis is expanded
    large: Shape  # (C, kernel, taps so far, *dims) after
    axis: int  # of ``dims``
    taps: list[Tap]

    def pairs(self, small: Array, large: Array) -> list[tuple[Array, Array]]:
        """Return the views (of ``small``, of ``large``) that hold the same elements, tap by tap."""
        here = (slice(None),) * (3 + self.axis)
        return [
            (small[(*here, tap.inp)], large[:, :, k][(*here, tap.out)])
            for k, tap in enumerate(self.taps)
            if tap.out.start < tap.out.stop
        ]

    @property
    def padded(self) -> bool:
        """Whether some output meets padding, so that not all of ``large`` is written."""
        every = slice(0, self.large[3 + self.axis])
        return any(tap.out != every for tap in self.taps)


def _steps(channels: int, windows: Sequence[Window]) -> list[_Step]:
    dims = [window.input for window in windows]
    kernels = 1
    steps = []
    for axis in reversed(range(len(windows))):
        window = windows[axis]
        if window.trivial and (steps or axis):  # one step at least: a copy
            continue
        small = (channels, kernels, *dims)
        dims[axis] = window.output
        large = (channels, window.kernel, kernels, *dims)
        steps.append(_Step(small, large, axis, taps(window)))
        kernels *= window.kernel
    return steps


def _scratch(images: int, shape: Shape, dtype: Any, joined: bool, zero: bool = False) -> Array:
    """Return memory for (images, *shape); ``joined`` puts the images behind channels and taps."""
    make = np.zeros if zero else np.empty
    if not joined:
        return make((images, *shape), dtype)
    dims = len(shape) - 2
    made = make((*shape[:-dims], images, *shape[-dims:]), dtype)
    return np.moveaxis(made, -dims - 1, 0)


class Expansion:
    """The plan that writes the columns of a block of images, again and again into the same memory."""

    def __init__(
        self, images: int, channels: int, windows: Sequence[Window], dtype: Any, joined: bool
    ) -> None:
        first, *rest = _steps(channels, windows)
        # What meets padding is never written to: it stays zero from one block to the next.
        large = _scratch(images, first.large, dtype, joined, zero=first.padded)
        self._first = first.pairs(
